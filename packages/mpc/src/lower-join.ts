/** Lowers joins: which gate matches rows, and where its result holds what. @module */
import { keyedColumns, type Plan } from '@2pm/core';
import { type CircuitBuilder, type Joining, joinedRows } from './circuit.ts';

/** Words that the holder of a keyed node shares; see `keyedColumns`. */
export function keyedWords(plan: Plan, node: number): number {
  const { capacity, passes, columns } = keyedColumns(plan, node);
  return capacity * (2 * passes + columns.length);
}

/** Keyed nodes that enter a join: their rows are shared. The others stay with their holders. */
export function sharedKeyed(plan: Plan): Set<number> {
  return new Set(plan.nodes.flatMap(({ op, args }) => (op === 'join/1' ? args : [])));
}

/** The gate of a `join/1` node over its relations' gates; undefined where their keys cannot be compared. */
export function joinGate(
  b: CircuitBuilder,
  plan: Plan,
  node: number,
  relations: readonly number[],
  matcher: number | undefined,
): number | undefined {
  const sides = (plan.nodes[node]?.args ?? []).map((arg) => keyedColumns(plan, arg));
  const [first] = sides;
  if (first === undefined || first.passes === 0 || sides.some(({ passes }) => passes !== first.passes))
    return undefined;
  const join: Joining = {
    relations: sides.map(({ capacity, columns }) => ({ rows: capacity, columns: columns.length })),
    passes: first.passes,
    matcher,
  };
  const columns = sides.reduce((sum, side) => sum + side.columns.length, 1);
  return b.add({ op: 'join', args: relations, form: 'words', length: joinedRows(join) * columns, join });
}

/** Which column of the result of a join a role brought under this name; the first is the mask. undefined: none. */
export function joinedPlace(plan: Plan, join: number, role?: string, name?: string): number | undefined {
  let place = 1;
  for (const arg of plan.nodes[join]?.args ?? []) {
    const [{ columns }, type] = [keyedColumns(plan, arg), plan.nodes[arg]?.type];
    if (type?.kind === 'keyed' && type.role === role) {
      const column = columns.indexOf(name ?? '');
      return column < 0 ? undefined : place + column;
    }
    place += columns.length;
  }
  return undefined;
}
