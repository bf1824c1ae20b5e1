/**
 * Which rows a sum over a join or a union takes. A truth value that becomes a number beneath the sum chooses among them as
 * `keep/1` does, so the sum rests on those for which all such values and all conditions of its columns hold. A choice by
 * arithmetic alone (a column clipped to 0 and 1) is not seen.
 * @module
 */
import type { Lineage } from '../lineage.ts';

export interface Choice {
  /** A joined node of which the chosen rows are. */
  rows: number;
  /** Whether the rows with this joined node are among those chosen. */
  has(joined: number): boolean;
}

const OF_ROWS: ReadonlySet<string> = new Set(['matched/1', 'joined-column/1', 'rank/1']);

/** undefined where the sum takes all rows of the one joined node under it, or none. */
export function choiceOf(lineage: Lineage, sum: number): Choice | undefined {
  const { simple, ...choice } = takenBy(lineage, lineage.node(sum).args) ?? { simple: true };
  return simple || !('has' in choice) ? undefined : choice;
}

/** What vectors take; undefined if they are of no rows. `simple`: all rows of one joined node. */
export function takenBy(lineage: Lineage, args: readonly number[]): (Choice & { simple: boolean }) | undefined {
  const slots = lengthOf(lineage, args[0] as number);
  const chosen = new Set<number>();
  const sources = new Set<number>();
  for (const index of under(lineage, args, slots, true)) {
    const of = under(lineage, [index], slots, false)
      .map((each) => lineage.node(each))
      .flatMap((node) => (OF_ROWS.has(node.op) ? [node.args[0] as number] : []));
    for (const source of of) sources.add(lineage.key(source));
    const chooses = isBit(lineage, index) && lineage.node(index).op !== 'matched/1';
    if (chooses && of.length > 0) chosen.add(lineage.key(index));
  }
  const [rows] = sources;
  if (rows === undefined) return undefined;
  const simple = chosen.size === 0 && sources.size === 1;
  const bases = new Set<number>();
  for (const source of sources) {
    const { base, conditions } = kept(lineage, source);
    bases.add(base);
    for (const condition of conditions) chosen.add(condition);
  }
  return {
    rows,
    simple,
    has(joined) {
      const { base, conditions } = kept(lineage, joined);
      // Rows in another order have other slots, on which the truth values say nothing.
      return bases.size === 1 && bases.has(base) && [...chosen].every((condition) => conditions.has(condition));
    },
  };
}

/** Down to what is not `keep/1`: its canonical name, and those of the conditions on the way. */
function kept(lineage: Lineage, joined: number): { base: number; conditions: ReadonlySet<number> } {
  const conditions = new Set<number>();
  let at = joined;
  for (let node = lineage.node(at); node.op === 'keep/1'; node = lineage.node(at)) {
    conditions.add(lineage.key(node.args[1] as number));
    at = node.args[0] as number;
  }
  return { base: lineage.key(at), conditions };
}

/** Shared nodes of this length on which the roots depend slot by slot; with `aboveBits`, not what truth values are made of. */
function under(lineage: Lineage, roots: readonly number[], slots: number, aboveBits: boolean): number[] {
  const seen = new Set<number>();
  const stack = [...roots];
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    const node = lineage.node(index);
    if (seen.has(index) || node.type.kind !== 'shared' || node.type.length !== slots) continue;
    seen.add(index);
    if (!(aboveBits && isBit(lineage, index))) stack.push(...node.args);
  }
  return [...seen];
}

function isBit(lineage: Lineage, index: number): boolean {
  const { type } = lineage.node(index);
  return type.kind === 'shared' && type.dtype === 'bool';
}

function lengthOf(lineage: Lineage, index: number): number {
  const { type } = lineage.node(index);
  return 'length' in type ? type.length : 1;
}
