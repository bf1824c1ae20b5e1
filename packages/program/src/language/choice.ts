/**
 * Which rows a sum over shared rows takes. A truth value among its factors chooses some of them, as `where()` does, and
 * then their number is what the sum rests on; the number of all rows is no support for it.
 * @module
 */
import { fail } from './program-error.ts';
import { validOf } from './rows.ts';
import { type Ref, refOf, type Trace } from './trace.ts';

const OF_ROWS: readonly string[] = ['matched/1', 'joined-column/1', 'rank/1'];

/** For each of these sums that takes a choice of rows: their number. */
export function chosenRows(trace: Trace, sums: readonly number[]): Ref[] {
  return sums.flatMap((sum) => chosenBy(trace, sum) ?? []);
}

/** For each of these sums over rows the number of those that it takes, be they a choice or all. */
export function summedRows(trace: Trace, sums: readonly number[]): Ref[] {
  return sums.flatMap((sum) => {
    const args = trace.nodes[sum]?.args ?? [];
    const rows = rowsUnder(trace, args, lengthOf(trace, args[0] ?? -1));
    return chosenBy(trace, sum) ?? rows.map((each) => refOf(validOf(trace.ref(each)).sum()));
  });
}

/** Rows whose slots these depend on, slot by slot. */
function rowsUnder(trace: Trace, roots: readonly number[], slots: number): number[] {
  return sharedUnder(trace, roots, (each) => lengthOf(trace, each) === slots, false)
    .map((each) => trace.nodes[each])
    .flatMap((node) => (OF_ROWS.includes(node?.op ?? '') ? (node?.args[0] ?? []) : []));
}

function chosenBy(trace: Trace, sum: number): Ref | undefined {
  const args = trace.nodes[sum]?.args ?? [];
  const slots = lengthOf(trace, args[0] ?? -1);
  const ofSlots = (index: number) => lengthOf(trace, index) === slots;
  const conditions = new Set<number>();
  const rows = new Set<number>();
  for (const index of sharedUnder(trace, args, ofSlots, true)) {
    const under = rowsUnder(trace, [index], slots);
    for (const each of under) rows.add(each);
    const chooses = isBit(trace, index) && trace.nodes[index]?.op !== 'matched/1';
    if (chooses && under.length > 0) conditions.add(index);
  }
  if (rows.size === 0 || (conditions.size === 0 && rows.size === 1)) return undefined;
  const bases = new Set<number>();
  for (const each of rows) {
    let at = each;
    for (let node = trace.nodes[at]; node?.op === 'keep/1'; node = trace.nodes[at]) {
      conditions.add(node.args[1] ?? -1);
      at = node.args[0] ?? -1;
    }
    bases.add(at);
  }
  const [base = -1] = bases;
  const bits = [...conditions].sort((a, b) => a - b).map((index) => trace.ref(index));
  if (bases.size > 1 || bits.some(({ loop }) => loop > 0)) {
    const fix = 'Choose rows with where(), before repeat(), and sum columns of what it gives';
    fail('PROGRAM_SUPPORT', 'minGroupSize cannot be enforced on rows of different orders, or chosen in a loop', fix);
  }
  const kept = bits.reduce((of, bit) => trace.emit('keep/1', [of, bit], of.type), trace.ref(base));
  return refOf(validOf(kept).sum());
}

/** Shared nodes that these depend on and themselves, as far as `within`; with `aboveBits`, not what truth values are made of. */
function sharedUnder(
  trace: Trace,
  roots: readonly number[],
  within: (index: number) => boolean,
  aboveBits: boolean,
): number[] {
  const under: number[] = [];
  trace.walkShared(roots, ({ index }) => {
    if (!within(index)) return false;
    under.push(index);
    return !(aboveBits && isBit(trace, index));
  });
  return under.sort((a, b) => a - b);
}

function isBit(trace: Trace, index: number): boolean {
  const type = trace.nodes[index]?.type;
  return type?.kind === 'shared' && type.dtype === 'bool';
}

function lengthOf(trace: Trace, index: number): number {
  const type = trace.nodes[index]?.type;
  return type !== undefined && 'length' in type ? type.length : 1;
}
