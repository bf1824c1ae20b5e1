/**
 * How much a shared value can change, its entries' changes added up, when one row of one holder's table comes or goes: the L1
 * sensitivity to which noise is fitted (Dwork, McSherry, Nissim, Smith, TCC 2006, §3). An upper bound from the plan alone,
 * rule by rule; what has no rule here is refused.
 *
 * A row is in one bin or category and enters a sum with at most the larger end of its column's range. In a join by keys of
 * one pass it is in at most one match; and whether duplicates are dropped, kept once or forbidden, it changes or replaces
 * one match alone. The slots of a join have no order, so that they count only summed, each by the spread of its range.
 * @module
 */
import { fail } from './program-error.ts';
import type { Ref, Trace } from './trace.ts';

type Reach =
  /** The most that the entries change together, by role and table in which the row comes or goes. */
  | { kind: 'whole'; change: ReadonlyMap<string, bigint> }
  /** One entry for each slot of this join; one of them changes, by as much as its range allows. */
  | { kind: 'slots'; join: number; sources: readonly string[] }
  | { kind: 'constant' };

const SLOT_BY_SLOT: ReadonlySet<string> = new Set([
  ...['add/1', 'sub/1', 'mul/1', 'neg/1', 'lt/1', 'le/1', 'gt/1', 'ge/1', 'eq/1', 'ne/1', 'and/1', 'or/1', 'not/1'],
  ...['select/1', 'minimum/1', 'maximum/1', 'abs/1', 'as-int/1'],
]);

/** Where a row may move others, or be what is opened. */
const ORDERED: ReadonlySet<string> = new Set([
  ...['sort/1', 'head/1', 'rank/1', 'quantile/1', 'group-key/1', 'group-count/1', 'group-sum/1'],
]);

/** At the value's scale, at least 1. Throws where no bound is known. */
export function sensitivityOf(ref: Ref): bigint {
  const { trace } = ref;
  const reaches = new Map<number, Reach>();
  for (const index of sharedSlice(trace, ref.index)) reaches.set(index, reachOf(trace, index, reaches));
  const reach = reaches.get(ref.index);
  if (reach?.kind !== 'whole') {
    refuse('values slot by slot', trace.nodes[ref.index], 'Sum over the slots of the join: column(…).sum(), count()');
  }
  return [...reach.change.values()].reduce((most, change) => (change > most ? change : most), 1n);
}

/** The shared values and constants that a value is computed from, conditions of joins included, ascending. */
function sharedSlice(trace: Trace, root: number): number[] {
  const seen = new Set<number>();
  const stack = [root];
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    const node = trace.nodes[index];
    if (node === undefined || seen.has(index) || !['shared', 'joined', 'constant'].includes(node.type.kind)) continue;
    seen.add(index);
    stack.push(...node.args);
  }
  return [...seen].sort((a, b) => a - b);
}

function reachOf(trace: Trace, index: number, reaches: ReadonlyMap<number, Reach>): Reach {
  const node = trace.nodes[index] as Ref;
  const { op, type } = node;
  if (type.kind === 'constant') return { kind: 'constant' };
  if (op === 'total/1' || op === 'stack/1') return ofRows(trace, node);
  if (op === 'join/1' || op === 'union/1') return ofJoin(trace, node, index);
  if (ORDERED.has(op))
    refuse(`${op.split('/')[0]}, which one row may change as it likes`, node, 'Reveal counts and sums');
  const args = node.args.map((arg) => reaches.get(arg) as Reach);
  const slots = args.flatMap((arg) => (arg.kind === 'slots' ? [arg] : []));
  const [first] = slots;
  if (first !== undefined) {
    if (args.some((arg) => arg.kind === 'whole') || slots.some(({ join }) => join !== first.join)) {
      refuse('slots of a join together with other values', node, 'Sum over the slots before you combine them');
    }
    if (op === 'sum/1') {
      const { lo, hi } = trace.ref(node.args[0] as number);
      return { kind: 'whole', change: new Map(first.sources.map((source) => [source, hi - lo])) };
    }
    if (op === 'matched/1' || op === 'joined-column/1' || op === 'keep/1' || SLOT_BY_SLOT.has(op)) return first;
    refuse('slots of a join', node, 'Compute slot by slot, then sum');
  }
  const changes = args.flatMap((arg) => (arg.kind === 'whole' ? [arg.change] : []));
  switch (op) {
    case 'add/1':
    case 'sub/1':
    case 'minimum/1':
    case 'maximum/1':
    case 'concat/1':
    case 'neg/1':
    case 'abs/1':
    case 'sum/1':
    case 'min/1':
    case 'max/1':
    case 'slice/1':
    case 'transpose/1':
    case 'unstack/1':
      return { kind: 'whole', change: together(changes) };
    case 'repeat/1':
      return { kind: 'whole', change: times(together(changes), BigInt(node.attrs.length ?? 1)) };
    case 'mul/1': {
      const factor = node.args.map((arg) => trace.ref(arg)).find(({ type }) => type.kind === 'constant');
      if (factor !== undefined) return { kind: 'whole', change: times(together(changes), factor.lo) };
      break;
    }
    case 'suppress/1':
      refuse('values that may be withheld', node, 'Leave minGroupSize out: the noise protects by itself');
  }
  refuse(
    op.split('/')[0] ?? op,
    node,
    'Reveal counts, sums and histograms with epsilon, and compute on what is opened',
  );
}

function ofRows(trace: Trace, { args }: Ref): Reach {
  const local = trace.nodes[args[0] as number] as Ref;
  const [counted = -1] = local.args;
  const type = trace.nodes[counted]?.type;
  const table = type?.kind === 'column' ? trace.nodes[type.of]?.type : type;
  if (table?.kind !== 'table') refuse(local.op, local);
  const change = (by: bigint): Reach => ({ kind: 'whole', change: new Map([[`${table.role} ${table.table}`, by]]) });
  switch (local.op) {
    case 'count/1':
    case 'count-by/1':
    case 'histogram/1':
      return change(1n);
    case 'sum/1':
    case 'sum-by/1': {
      const { lo, hi } = trace.ref(counted);
      return change(hi + lo >= 0n ? hi : -lo);
    }
    default:
      refuse('single rows', local, 'Reveal counts, sums and histograms');
  }
}

function ofJoin(trace: Trace, node: Ref, join: number): Reach {
  const sources = node.args.map((arg) => {
    const { type } = trace.nodes[arg] as Ref;
    if (type.kind === 'local') {
      const table = trace.nodes[(trace.nodes[arg] as Ref).args[0] as number]?.type;
      if (table?.kind === 'table') return `${table.role} ${table.table}`;
    }
    if (type.kind !== 'keyed') refuse('rows without a key', node);
    if (trace.tables[type.table]?.keys?.[type.key]?.length !== 1) {
      refuse('a join in several passes, where one row may move many', node, 'Declare a key of one pass');
    }
    return `${type.role} ${type.table}`;
  });
  return { kind: 'slots', join, sources };
}

function together(changes: readonly ReadonlyMap<string, bigint>[]): Map<string, bigint> {
  const sum = new Map<string, bigint>();
  for (const [source, by] of changes.flatMap((change) => [...change])) sum.set(source, (sum.get(source) ?? 0n) + by);
  return sum;
}

function times(change: ReadonlyMap<string, bigint>, factor: bigint): Map<string, bigint> {
  return new Map([...change].map(([source, by]) => [source, by * (factor < 0n ? -factor : factor)]));
}

function refuse(what: string, node: Ref | undefined, fix?: string): never {
  const where = node === undefined || node.line <= 0 ? '' : ` (line ${node.line})`;
  fail('PROGRAM_PRIVACY', `epsilon: how much one row changes has no known bound through ${what}${where}`, fix);
}
