/** Values by name: what `each`, `reveal` and a program's result are made of. @module */
import { fail } from './program-error.ts';

export type Tree<Leaf> = Leaf | { readonly [name: string]: Tree<Leaf> };

/** Replaces each leaf, keeping names and order. `visit` also refuses what is no leaf. */
export function mapTree<Out>(
  tree: unknown,
  isLeaf: (value: unknown) => boolean,
  visit: (leaf: unknown, path: readonly string[]) => Out,
  path: readonly string[] = [],
): Tree<Out> {
  if (isLeaf(tree)) return visit(tree, path);
  if (!isRecord(tree) || path.length >= 8) return visit(tree, path);
  const names = Object.keys(tree);
  if (names.length === 0) fail('PROGRAM_RESULT', 'expected at least one named value');
  const out: { [name: string]: Tree<Out> } = {};
  for (const name of names) {
    if (!/^[a-zA-Z][a-zA-Z0-9_]{0,63}$/.test(name)) fail('PROGRAM_NAME', `"${name}" is no name for a value`);
    const value = mapTree((tree as Record<string, unknown>)[name], isLeaf, visit, [...path, name]);
    Object.defineProperty(out, name, { value, enumerable: true });
  }
  return Object.freeze(out);
}

function isRecord(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
