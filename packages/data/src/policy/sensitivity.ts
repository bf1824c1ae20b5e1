/**
 * How much one row of the holder's own table can change a shared value, the changes of its entries added up: what noise must
 * hide. Derived from operations, arguments, constants and declared column ranges, never from what a plan claims of a node;
 * what no rule covers has no bound.
 *
 * The row comes or goes. A count, a bin and a category change by 1, a sum by the larger end of the column's range, to which
 * every value is clamped. In a union a row is in one slot. Where rows are matched by a key of one pass, the row is in one match at most for each side that it
 * stands on, and may take the place of another with its key: one slot changes within its range. Slots have no order, so
 * that only sums over all of them count.
 * @module
 */
import { type ColumnType, type PlanNode, slice } from '@2pm/core';
import type { Lineage } from '../lineage.ts';

interface Range {
  lo: bigint;
  hi: bigint;
}

interface Reach {
  /** Of a column, a constant, or each slot of a join. */
  range?: Range;
  /** Of the whole shared value. */
  change?: bigint;
  /** The join whose slots these are, and how many of its sides are rows of the table. */
  slots?: { join: number; sides: bigint };
}

/** In units of the value's scale; undefined where no bound is known. `table` as `roles` of this node bring it. */
export function sensitivity(
  lineage: Lineage,
  value: number,
  roles: readonly string[],
  table: string,
): bigint | undefined {
  const reaches = new Map<number, Reach>();
  for (const index of slice(lineage.plan, [value])) {
    const node = lineage.node(index);
    if (node.type.kind === 'table' || node.type.kind === 'keyed' || node.op === 'rows/1') continue;
    const reach = reachOf(lineage, index, reaches, (of) => isOf(lineage, of, roles, table));
    // A column without a known range may still be one that rows are chosen by.
    if (reach === undefined && node.type.kind !== 'column') return undefined;
    if (reach !== undefined) reaches.set(index, reach);
  }
  return reaches.get(value)?.change;
}

function isOf(lineage: Lineage, index: number, roles: readonly string[], table: string): boolean {
  const { type } = lineage.node(index);
  if (!('role' in type) || !roles.includes(type.role)) return false;
  return lineage.node(lineage.base(lineage.table(index)).input).attrs.table === table;
}

function reachOf(
  lineage: Lineage,
  index: number,
  reaches: ReadonlyMap<number, Reach>,
  mine: (index: number) => boolean,
): Reach | undefined {
  const node = lineage.node(index);
  const { op, type, attrs } = node;
  const [first = -1] = node.args;
  if (type.kind === 'constant') return { range: { lo: BigInt(type.value), hi: BigInt(type.value) } };
  if (op === 'column/1') {
    return withRange(declared(lineage, lineage.base(lineage.table(index)).input, attrs.name));
  }
  if (type.kind === 'column') return withRange(rangeOf(op, node.args, reaches));
  if (type.kind === 'local') return withChange(ofRow(op, reaches.get(first)?.range), mine(index));
  if (op === 'total/1' || op === 'stack/1') return reaches.get(first);
  if (op === 'join/1') return ofJoin(lineage, node, index, mine);
  if (op === 'union/1') return { slots: { join: index, sides: BigInt(node.args.filter(mine).length) } };

  const args = node.args.map((arg) => reaches.get(arg));
  const slots = args.flatMap((arg) => arg?.slots ?? []);
  const [own] = slots;
  if (own !== undefined) {
    if (slots.some(({ join }) => join !== own.join)) return undefined;
    if (args.some((arg) => arg === undefined || arg.change !== undefined)) return undefined;
    if (op === 'keep/1') return { slots: own };
    if (op === 'matched/1') return { slots: own, range: { lo: 0n, hi: 1n } };
    if (op === 'joined-column/1') {
      const range = broughtRange(lineage, own.join, attrs);
      return range && { slots: own, range: hull([range, { lo: 0n, hi: 0n }]) };
    }
    const range = op === 'sum/1' ? args[0]?.range : rangeOf(op, node.args, reaches);
    if (range === undefined) return undefined;
    return op === 'sum/1' ? { change: own.sides * (range.hi - range.lo) } : { slots: own, range };
  }

  if (
    args.some((arg, i) => arg?.change === undefined && lineage.node(node.args[i] as number).type.kind !== 'constant')
  ) {
    return undefined;
  }
  const changes = args.flatMap((arg) => arg?.change ?? []);
  const together = changes.reduce((sum, change) => sum + change, 0n);
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
      return { change: together };
    case 'repeat/1':
      return { change: together * BigInt(attrs.length ?? 0) };
    case 'mul/1': {
      const [factor] = node.args.flatMap((arg) => {
        const constant = lineage.node(arg).type;
        return constant.kind === 'constant' ? [BigInt(constant.value)] : [];
      });
      if (factor === undefined) return undefined;
      return { change: together * (factor < 0n ? -factor : factor) };
    }
    default:
      return undefined;
  }
}

function withRange(range: Range | undefined): Reach | undefined {
  return range && { range };
}

/** Rows of others, and of other tables, come and go in other budgets. */
function withChange(change: bigint | undefined, mine: boolean): Reach | undefined {
  return change === undefined ? undefined : { change: mine ? change : 0n };
}

/** What a row changes in a holder's own aggregate; `range` is that of the first argument, where it is a column. */
function ofRow(op: PlanNode['op'], range: Range | undefined): bigint | undefined {
  switch (op) {
    case 'count/1':
    case 'histogram/1':
    case 'count-by/1':
      return 1n;
    case 'sum/1':
    case 'sum-by/1':
      return range && magnitude(range);
    default:
      return undefined;
  }
}

function ofJoin(
  lineage: Lineage,
  { args }: PlanNode,
  join: number,
  mine: (index: number) => boolean,
): Reach | undefined {
  for (const arg of args) {
    const { type, op, attrs } = lineage.node(arg);
    if (type.kind !== 'keyed' || op !== 'keyed/1') return undefined;
    const table = lineage.node(lineage.base(lineage.table(arg)).input).attrs.table ?? '';
    // In several passes a row that takes a match from another moves that one to a later pass, and so on.
    if (lineage.plan.tables[table]?.keys?.[attrs.key ?? '']?.length !== 1) return undefined;
  }
  return { slots: { join, sides: BigInt(args.filter(mine).length) } };
}

function broughtRange(lineage: Lineage, join: number, { role, name }: PlanNode['attrs']): Range | undefined {
  const side = lineage.node(join).args.find((arg) => {
    const { type } = lineage.node(arg);
    return (type.kind === 'keyed' || type.kind === 'local') && type.role === role;
  });
  return side === undefined ? undefined : declared(lineage, lineage.base(lineage.table(side)).input, name);
}

function declared(lineage: Lineage, input: number, name = ''): Range | undefined {
  const columns = lineage.plan.tables[lineage.node(input).attrs.table ?? '']?.columns ?? {};
  const type: ColumnType | undefined = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (type === undefined) return undefined;
  if (type.type === 'bool') return { lo: 0n, hi: 1n };
  if (type.type === 'category') return { lo: 0n, hi: BigInt(type.values.length - 1) };
  return { lo: BigInt(type.min), hi: BigInt(type.max) };
}

/** Of what is computed row by row, or slot by slot. */
function rangeOf(op: PlanNode['op'], args: readonly number[], reaches: ReadonlyMap<number, Reach>): Range | undefined {
  const ranges = args.flatMap((arg) => reaches.get(arg)?.range ?? []);
  const [a, b, c] = ranges;
  switch (op) {
    case 'eq/1':
    case 'ne/1':
    case 'lt/1':
    case 'le/1':
    case 'gt/1':
    case 'ge/1':
    case 'in/1':
    case 'and/1':
    case 'or/1':
    case 'not/1':
    case 'is-null/1':
      return { lo: 0n, hi: 1n };
  }
  if (a === undefined || ranges.length !== args.length) return undefined;
  switch (op) {
    case 'neg/1':
      return { lo: -a.hi, hi: -a.lo };
    case 'as-int/1':
      return a;
    case 'abs/1':
      return { lo: 0n, hi: magnitude(a) };
    case 'select/1':
      return b && c && hull([b, c]);
    case 'minimum/1':
    case 'maximum/1':
      return hull(ranges);
    case 'add/1':
      return b && { lo: a.lo + b.lo, hi: a.hi + b.hi };
    case 'sub/1':
      return b && { lo: a.lo - b.hi, hi: a.hi - b.lo };
    case 'mul/1':
      return b && hull([a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi].map((end) => ({ lo: end, hi: end })));
    default:
      return undefined;
  }
}

function hull(ranges: readonly Range[]): Range {
  return ranges.reduce((a, b) => {
    const [lower, higher] = [a.lo <= b.lo ? a : b, a.hi >= b.hi ? a : b];
    return { lo: lower.lo, hi: higher.hi };
  });
}

function magnitude({ lo, hi }: Range): bigint {
  return lo + hi >= 0n ? hi : -lo;
}
