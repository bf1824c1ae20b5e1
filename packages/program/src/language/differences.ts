/**
 * What subtraction would tell of groups that are shown side by side, each of them large enough. Of a table and a part of it
 * (`where`), the rest; of a table and the counts of its slots, those that are withheld; of the same slots of both, the rest
 * of each. What is shown last is withheld unless the rest is nothing, or enough.
 * @module
 */
import type { Attributes } from '@2pm/core';
import type { Ref, Trace } from './trace.ts';

/** Where a count of rows comes from; the last table or rows of `within` is that of the whole role or join. */
interface Group {
  readonly count: Ref;
  /** By slot: the local node that counts. */
  readonly slots: number | undefined;
  readonly within: readonly number[];
  readonly stacked: boolean;
}

const SHOWN = new WeakMap<Trace, Group[]>();

/** Supports that a reveal of these groups needs besides their counts; from now on they are shown. */
export function restsOf(trace: Trace, counts: readonly Ref[], min: number): Ref[] {
  const rests = new Set<Ref>();
  const shown = SHOWN.get(trace) ?? [];
  SHOWN.set(trace, shown);
  for (const count of counts) {
    const group = groupOf(trace, count);
    if (group === undefined) continue;
    for (const before of shown) {
      const rest = before.count === count ? undefined : restBetween(trace, group, before, min);
      if (rest !== undefined) rests.add(rest);
    }
    if (!shown.some((before) => before.count === count)) shown.push(group);
  }
  return [...rests];
}

function restBetween(trace: Trace, last: Group, before: Group, min: number): Ref | undefined {
  if (last.stacked !== before.stacked) return undefined;
  const rest = (whole: Group, part: Group) => emit(trace, 'rest/1', whole.count, part.count, min);
  const holds = (whole: Group, part: Group) => part.within.includes(whole.within[0] as number);
  if ((last.slots === undefined) === (before.slots === undefined)) {
    if (last.slots !== undefined && !alike(trace, last.slots, before.slots as number)) return undefined;
    return holds(before, last) ? rest(before, last) : holds(last, before) ? rest(last, before) : undefined;
  }
  if (last.stacked) return undefined;
  if (before.slots !== undefined) return holds(last, before) ? rest(last, before) : undefined;
  return holds(before, last) ? emit(trace, 'beside/1', last.count, before.count, min) : undefined;
}

function groupOf(trace: Trace, count: Ref): Group | undefined {
  const node = trace.nodes[count.index];
  const [of = -1] = node?.args ?? [];
  const under = trace.nodes[of];
  const [from = -1] = under?.args ?? [];
  const stacked = node?.op === 'stack/1';
  if (node?.op === 'sum/1' && under?.op === 'matched/1') {
    return { count, slots: undefined, within: chain(trace, from), stacked };
  }
  const type = trace.nodes[from]?.type;
  const table = type?.kind === 'column' ? type.of : from;
  if (under?.op === 'count/1' && type?.kind !== 'table') return undefined;
  if (!['count/1', 'histogram/1', 'count-by/1'].includes(under?.op ?? '')) return undefined;
  return { count, slots: under?.op === 'count/1' ? undefined : of, within: chain(trace, table), stacked };
}

const CHOOSES: readonly string[] = ['where/1', 'keep/1', 'sort/1', 'head/1'];

/** A table or rows, and all that they are part of. */
function chain(trace: Trace, index: number): number[] {
  const found = [index];
  for (let node = trace.nodes[index]; CHOOSES.includes(node?.op ?? ''); node = trace.nodes[found.at(-1) as number]) {
    found.push(node?.args[0] as number);
  }
  return found;
}

/** The same expression, of one table and of another. */
function alike(trace: Trace, a: number, b: number): boolean {
  if (a === b) return true;
  const [x, y] = [trace.ref(a), trace.ref(b)];
  if (x.type.kind === 'table' || y.type.kind === 'table') return x.type.kind === y.type.kind;
  if (x.op !== y.op || x.args.length !== y.args.length || JSON.stringify(x.attrs) !== JSON.stringify(y.attrs))
    return false;
  if (x.type.kind === 'constant') return false;
  return x.args.every((arg, i) => alike(trace, arg, y.args[i] as number));
}

function emit(trace: Trace, op: 'rest/1' | 'beside/1', first: Ref, second: Ref, min: number): Ref {
  const [a, b] = [first.type, second.type];
  if (a.kind !== 'shared' || b.kind !== 'shared') throw new TypeError('counts are shared');
  const attrs: Attributes = { min };
  const most = BigInt(min);
  if (op === 'beside/1') return trace.emit(op, [first, second], a, { lo: 0n, hi: most }, attrs);
  const times = BigInt(a.length === 1 ? b.length : 1);
  const lo = first.lo - (second.hi > 0n ? second.hi : 0n) * times;
  const hi = first.hi - (second.lo < 0n ? second.lo : 0n) * times;
  return trace.emit(op, [first, second], a, { lo: lo < most ? lo : most, hi: hi > most ? hi : most }, attrs);
}
