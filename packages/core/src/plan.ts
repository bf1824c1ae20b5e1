/**
 * A plan: what a task does, as data. A static graph in single-assignment form, traced from the analyst's program without
 * any data, the same bytes for all parties. Every value has one placement: local (plain, inside each holder of a role),
 * shared (secret), opened or public (known to a recipient). The only way out is `reveal/1`.
 *
 * Integers everywhere: a value with f fraction bits stands for integer / 2^f. Bounds are inclusive, on the integer, and
 * hold for every party that keeps its declared column ranges (values are clamped before they enter).
 * @module
 */
import { z } from 'zod';
import { hashValue } from './codec.ts';
import type { Hash } from './ids.ts';

const Name = z.string().regex(/^[a-z][a-zA-Z0-9_]{0,63}$/, 'expected a name like delayMinutes or delay_minutes');
/** A decimal integer; strings because plans hold numbers beyond 2^53. */
const Integer = z.string().regex(/^-?(?:0|[1-9][0-9]{0,38})$/);
const Index = z.number().int().nonnegative();

/** Logical column: what the program may assume, which every holder's dataset must satisfy. */
export const ColumnType = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('int'), min: Integer, max: Integer, nullable: z.boolean() }),
  /** Rounded half to even to fractionBits by the holder's engine. min and max are integers scaled by 2^fractionBits. */
  z.strictObject({
    type: z.literal('fixed'),
    min: Integer,
    max: Integer,
    fractionBits: z.number().int().min(0).max(40),
    nullable: z.boolean(),
  }),
  z.strictObject({ type: z.literal('bool'), nullable: z.boolean() }),
  /** Days since 1970-01-01. */
  z.strictObject({ type: z.literal('date'), min: Integer, max: Integer, nullable: z.boolean() }),
  /** One of a public, declared list; values outside it count as null. */
  z.strictObject({
    type: z.literal('category'),
    values: z.array(z.string().max(256)).min(1).max(4096),
    nullable: z.boolean(),
  }),
]);
export type ColumnType = z.infer<typeof ColumnType>;

/**
 * How text becomes comparable, before it is hashed: the same at every holder, whatever its source. The suffix is the
 * version; the exact rules stand in docs/keys.md. What a rule cannot read counts as invalid and never matches.
 */
export const KEY_RULES = ['email/v1', 'e164/v1', 'name/v1', 'date/v1', 'digits/v1', 'sha256/v1', 'exact/v1'] as const;
export type KeyRule = (typeof KEY_RULES)[number];

export const KeyField = z.strictObject({
  /** A text column of the holder's dataset, not among the table's columns: it is compared, never computed on. */
  column: Name,
  rule: z.enum(KEY_RULES),
  /** `e164/v1`: the calling code of numbers that are written without one, e.g. "49". */
  callingCode: z
    .string()
    .regex(/^[1-9][0-9]{0,2}$/)
    .optional(),
});
export type KeyField = z.infer<typeof KeyField>;

/** Passes in order: rows that found no partner in one are tried in the next. The fields of a pass count together. */
export const KeyType = z.array(z.array(KeyField).min(1).max(8)).min(1).max(4);
export type KeyType = z.infer<typeof KeyType>;

export const TableType = z.strictObject({
  /** Public capacity: the most rows that one holder may bring. */
  maxRows: z
    .number()
    .int()
    .positive()
    .max(2 ** 40),
  columns: z.record(Name, ColumnType),
  /** What rows of different holders can be matched by. */
  keys: z.record(Name, KeyType).optional(),
});
export type TableType = z.infer<typeof TableType>;

const bounded = { fractionBits: z.number().int().min(0).max(62), lo: Integer, hi: Integer };

export const ValueType = z.discriminatedUnion('kind', [
  /** A holder's table, perhaps filtered. */
  z.strictObject({ kind: z.literal('table'), role: Name, table: Name }),
  /** A column of the table node `of`; operations combine columns of the same table node only. */
  z.strictObject({
    kind: z.literal('column'),
    role: Name,
    of: Index,
    dtype: z.enum(['int', 'bool', 'category']),
    nullable: z.boolean(),
    values: z.array(z.string()).optional(),
    ...bounded,
  }),
  /** A fixed number of integers inside each holder of the role. */
  z.strictObject({ kind: z.literal('local'), role: Name, length: z.number().int().positive(), ...bounded }),
  /** Rows of a holder with a key, at most `length` of them; distinct in each pass. */
  z.strictObject({
    kind: z.literal('keyed'),
    role: Name,
    table: Name,
    key: Name,
    length: z.number().int().positive(),
  }),
  /**
   * Rows of several holders, side by side where they belong together (`join/1`) or one below the other (`union/1`);
   * `length` slots, of which a secret number holds a row. Secret-shared, matches in an order that nobody knows, or by the
   * bins of a leader (see `circuitMatch`).
   */
  z.strictObject({ kind: z.literal('joined'), roles: z.array(Name), length: z.number().int().positive() }),
  /** Rows that a holder learns to be in the intersection; they stay on its node. */
  z.strictObject({ kind: z.literal('held'), role: Name }),
  /** Secret-shared among the seats. `stacked`: one block of `length` for each member of that role, in roster order. */
  z.strictObject({
    kind: z.literal('shared'),
    length: z.number().int().positive(),
    stacked: Name.optional(),
    dtype: z.enum(['int', 'bool']),
    ...bounded,
  }),
  /** What a recipient reads out of a reveal: integers, null where suppressed. */
  z.strictObject({
    kind: z.literal('opened'),
    length: z.number().int().positive(),
    stacked: Name.optional(),
    to: Name,
    ...bounded,
  }),
  /** Computed by the recipient, in double precision, from opened values alone. */
  z.strictObject({ kind: z.literal('public'), length: z.number().int().positive(), to: Name }),
  z.strictObject({ kind: z.literal('constant'), fractionBits: z.number().int().min(0).max(62), value: Integer }),
]);
export type ValueType = z.infer<typeof ValueType>;

/**
 * Operations, each with its version; the catalogue that policy names. Arguments are node indices.
 * add, sub, comparisons and select take arguments of one scale (equal fractionBits); mul takes any. Shared arguments have one
 * length and are stacked alike, the supports of suppress included; a stacked value is neither summed nor computed on publicly.
 *
 * local tables and columns (compiled to the holder's engine)
 *   input/1 () {table}              the holder's table
 *   where/1 (table, bool)           rows where the column is true (null is false)
 *   column/1 (table) {name}
 *   add/1 sub/1 mul/1 (column|constant ×2), neg/1 (column)      null if any argument is null; mul adds fraction bits
 *   eq/1 ne/1 lt/1 le/1 gt/1 ge/1 (column, column|constant)      bool; eq and ne also take a category and {category}
 *   in/1 (column) {categories}      bool
 *   and/1 or/1 (bool ×2), not/1 (bool), is-null/1 (column)
 * local aggregates, result kind `local`
 *   count/1 (table|column)          rows, or non-null values; length 1
 *   sum/1 (column)                  nulls are skipped; length 1
 *   histogram/1 (column) {edges}    length edges-1; bins [e0,e1) … [e(k-1),ek] as numpy.histogram; others are ignored
 *   count-by/1 (category)           length of the declared values
 *   sum-by/1 (column, category)     length of the declared values
 *   rows/1 (table) {columns, capacity}  capacity × (1 + columns): validity bit then values, row by row, zero padded, each
 *                                   at its column's scale; rows with a null in one of the columns are left out
 * matching by keys (see `KeyType`)
 *   keyed/1 (table) {key, columns, capacity, duplicates}  rows with a key, and what they bring into a join. Rows with a
 *                                   null in one of the columns are left out. `duplicates`: rows that share a key are an
 *                                   `error`, or the `first` of them stays, or all of them are left out (`drop`)
 *   join/1 (keyed ×2…8) {matching, atLeast}  one slot for each match across all of them; `length` is the least capacity. With
 *                                   `matching` as `circuitMatch` says: a slot for each bin of the first argument, which leads
 *   union/1 (local)                 `rows/1` of all members, one below the other: capacity × most members slots
 *   keep/1 (joined, bool)           slots where the bit is true as well
 *   matched/1 (joined)              shared bool: whether the slot holds a row, of a join a match
 *   joined-column/1 (joined) {role, name}  a column that `role` brought; 0 where the slot holds no row
 *   intersect/1 (keyed ×2…16) {name, to, atLeast}  an exit: the holder in role `to` learns which of its rows are with all
 *                                   others, or in so many of the sets; see `circuitMatch`
 * order and groups of such rows; keys and x are shared ints, one a slot
 *   sort/1 (joined, key…) {descending}  stable, by the first key, then the next, each up or down; slots without a row last.
 *                                   Without a key: the rows in front, in their order
 *   head/1 (joined) {length}        the first slots
 *   rank/1 (joined, key…) {descending}  for each slot its place, from 0, after sort/1
 *   quantile/1 (joined, x) {numerators, denominator}  over the n rows, for each numerator: the element at numerator ×
 *                                   (n - 1) / denominator of the sorted x, between two of them in proportion (numpy's
 *                                   method "linear"), times the denominator; 0 without a row
 *   group-key/1 (joined, key) {length}  the value of the key in each of the largest groups of rows by it, the largest first,
 *                                   of equal ones that with the lesser key; 0 in slots beyond the groups
 *   group-count/1 (joined, key) {length}  the rows of these groups
 *   group-sum/1 (joined, key, x) {length}  the sums of x over these groups
 * local → shared
 *   total/1 (local)                 the sum over all members of the role
 *   stack/1 (local)                 the members' vectors side by side
 * shared (rep3 and its peers)
 *   add/1 sub/1 mul/1 (shared, shared|constant), neg/1, sum/1 (shared → length 1; of bools their number)
 *   rescale/1 (shared) {fractionBits}  to fewer fraction bits; one of the two neighbours, the nearer the likelier
 *   minimum/1 maximum/1 (shared, shared|constant), abs/1        element by element
 *   min/1 max/1 argmax/1 (shared → length 1)                    of all elements; the first place, from 0
 *   div/1 (shared ×2) {fractionBits}  by a divisor whose range lies above 0
 *   reciprocal/1 sqrt/1 exp/1 log/1 sigmoid/1 (shared) {fractionBits}  the range must lie above 0 for reciprocal and log,
 *                                   at or above 0 for sqrt; reciprocal, div, sqrt and exp give at most 32 bits; for errors see
 *                                   mpc/src/numeric/elementary.ts
 *   as-int/1 (bool)                 0 or 1
 *   dot/1 (x, y…)                   Σ x[i] y[i] for each y: as many elements as there are ys
 *   combine/1 (w, x…)               Σ w[j] x…[j], element by element of the xs; w has as many elements as there are xs
 *   repeat/1 (shared) {length}      one element over and over
 *   slice/1 (shared) {offset, length}, concat/1 (shared …); in a loop slice/1 (shared, step/1) begins that many elements later
 *   transpose/1 (shared) {rows}     of a row-major matrix
 *   matmul/1 (shared ×2) {inner}    of row-major matrices with `inner` columns and rows in common
 *   unstack/1 (shared, stacked)     the same vector, of a role that has a fixed number of members
 *   carried/1 (shared) {loop, place}  what a step of a loop begins with: its argument at first, then what the step before
 *                                   gave. Its range holds in every step; loops and their places are numbered from 0
 *   iterate/1 (carried…, shared…) {times, place}  the place-th value after so many steps, each of which turns the carried
 *                                   values into the others, of the same scales and lengths. Nothing else leaves a loop, and
 *                                   nothing in it is withheld, noisy or revealed; see `Loops`
 *   step/1 () {loop, values, fractionBits}  a public number in each step of a loop: as many values as it has steps
 *   lt/1 le/1 gt/1 ge/1 eq/1 ne/1 (shared, shared|constant)      shared bool
 *   and/1 or/1 (bool ×2), not/1 (bool), select/1 (bool, x, y)   x where true, y elsewhere
 *   suppress/1 (x, support…) {min}  x where every support ≥ min, otherwise withheld; support has x's length or 1
 *   rest/1 (whole, part) {min}      what subtraction leaves of a count: less the elements of part that are ≥ min, and min where
 *                                   nothing is left. Element by element, or a whole of length 1 less all of part
 *   beside/1 (slots, whole) {min}   counts by slot, and the count of all: min in each slot where rest/1 leaves min or more;
 *                                   elsewhere 0 in slots before one that is below min. Before the first is the last, and
 *                                   between them what is in no slot: so that what is not shown is 0, or min or more
 *   noise/1 (shared) {epsilonMicros, sensitivity}  to each element its own discrete Laplace noise, P(k) ∝ exp(-ε|k| / s) with
 *                                   ε in millionths and s an integer at the value's scale; only to be revealed. Drawn by the
 *                                   seats so that none of them knows it; `noiseDigits` bounds it, mpc/src/noise.ts has the proof
 *   reveal/1 (shared) {name, to}    the one exit
 * public (by the recipient)
 *   add/1 sub/1 mul/1 div/1 (opened|public, opened|public|constant), sqrt/1, neg/1   null if any argument is withheld;
 *                                   an argument of length 1 goes with any length
 *   sum/1 (→ length 1), cumsum/1, cumprod/1                     null from the first withheld element on
 *   slice/1 (opened|public) {offset, length}, concat/1 (opened|public …)
 *   chi-square-p/1 (x, degrees)     probability that a chi-square variable exceeds x
 *   student-t-p/1 (t, degrees)      probability that a Student t variable is further from 0 than t
 */
export const OPERATIONS = [
  'input/1',
  'where/1',
  'column/1',
  'constant/1',
  'add/1',
  'sub/1',
  'mul/1',
  'div/1',
  'neg/1',
  'sqrt/1',
  'cumsum/1',
  'cumprod/1',
  'chi-square-p/1',
  'student-t-p/1',
  'rescale/1',
  'minimum/1',
  'maximum/1',
  'abs/1',
  'min/1',
  'max/1',
  'argmax/1',
  'reciprocal/1',
  'exp/1',
  'log/1',
  'sigmoid/1',
  'as-int/1',
  'dot/1',
  'combine/1',
  'repeat/1',
  'slice/1',
  'concat/1',
  'transpose/1',
  'matmul/1',
  'unstack/1',
  'carried/1',
  'iterate/1',
  'step/1',
  'eq/1',
  'ne/1',
  'lt/1',
  'le/1',
  'gt/1',
  'ge/1',
  'in/1',
  'and/1',
  'or/1',
  'not/1',
  'is-null/1',
  'count/1',
  'sum/1',
  'histogram/1',
  'count-by/1',
  'sum-by/1',
  'rows/1',
  'keyed/1',
  'join/1',
  'keep/1',
  'matched/1',
  'joined-column/1',
  'union/1',
  'sort/1',
  'head/1',
  'rank/1',
  'quantile/1',
  'group-key/1',
  'group-count/1',
  'group-sum/1',
  'intersect/1',
  'total/1',
  'stack/1',
  'select/1',
  'rest/1',
  'beside/1',
  'suppress/1',
  'noise/1',
  'reveal/1',
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Attributes by operation; operations not listed take none. `edges` are integers at the column's scale. */
export const Attributes = z.strictObject({
  table: Name.optional(),
  name: Name.optional(),
  to: Name.optional(),
  category: z.string().max(256).optional(),
  categories: z.array(z.string().max(256)).min(1).max(4096).optional(),
  edges: z.array(Integer).min(2).max(4097).optional(),
  columns: z.array(Name).max(256).optional(),
  capacity: z
    .number()
    .int()
    .positive()
    .max(2 ** 27)
    .optional(),
  key: Name.optional(),
  role: Name.optional(),
  duplicates: z.enum(['error', 'first', 'drop']).optional(),
  /** Of an intersection of two: the receiver also gets what the other side brings of the matches. See `deliveredColumns`. */
  deliver: z.literal(true).optional(),
  /** Of a join: nobody learns how many rows match, and no seat is needed that brings none. See `circuitMatch`. */
  matching: z.literal('circuit').optional(),
  /** Of a join in a circuit, and of an intersection: how many of the sets a row must be in, the leader's included. */
  atLeast: z.number().int().min(2).max(15).optional(),
  min: z.number().int().min(2).max(1_000_000).optional(),
  fractionBits: z.number().int().min(0).max(62).optional(),
  offset: Index.optional(),
  length: z.number().int().positive().optional(),
  rows: z.number().int().positive().optional(),
  inner: z.number().int().positive().optional(),
  loop: Index.optional(),
  place: Index.optional(),
  times: z.number().int().positive().optional(),
  values: z.array(Integer).min(1).max(100_000).optional(),
  descending: z.array(z.boolean()).max(8).optional(),
  numerators: z.array(Index).min(1).max(64).optional(),
  denominator: z.number().int().positive().max(10_000).optional(),
  epsilonMicros: z.number().int().positive().max(20_000_000).optional(),
  sensitivity: Integer.optional(),
});
export type Attributes = z.infer<typeof Attributes>;

export const PlanNode = z.strictObject({
  op: z.enum(OPERATIONS),
  args: z.array(Index).max(256),
  attrs: Attributes,
  type: ValueType,
  /** Line of the analyst's program, so that every refusal can point at it. */
  line: z.number().int().nonnegative(),
});
export type PlanNode = z.infer<typeof PlanNode>;

export type ResultTree = number | { [name: string]: ResultTree };
export const ResultTree: z.ZodType<ResultTree> = z.lazy(() =>
  z.union([Index, z.record(z.string().max(64), ResultTree)]),
);

export const Plan = z.strictObject({
  v: z.literal(1),
  /** Language and tracer version; a plan traced by another version is another plan. */
  language: z.literal('2pm/1'),
  name: z.string().min(1).max(128),
  tables: z.record(Name, TableType),
  roles: z.record(
    Name,
    z.strictObject({
      min: z.number().int().min(1).max(64),
      max: z.number().int().min(1).max(64),
      tables: z.array(Name),
    }),
  ),
  /** Names to whom something is revealed; the task spec maps each to a public key. */
  recipients: z.array(Name),
  nodes: z.array(PlanNode).min(1).max(1_000_000),
  /** What the recipient gets: names to opened or public nodes. */
  result: ResultTree,
});
export type Plan = z.infer<typeof Plan>;

/**
 * Binary digits of the two geometric variables whose difference is the noise of `noise/1`, which therefore lies within
 * ±(2^digits - 1): the fewest with ε 2^digits ≥ 64 s, so that what is cut off has a probability of about 2^-92 or less each.
 */
export function noiseDigits(epsilonMicros: number, sensitivity: bigint): number {
  let digits = 1;
  while (BigInt(epsilonMicros) << BigInt(digits) < 64_000_000n * sensitivity) digits++;
  return digits;
}

export function planHash(plan: Plan): Hash {
  return hashValue('2pm/plan/1', plan) as Hash;
}

/** Indices of all nodes that `roots` depend on, themselves included, ascending: the backward slice. */
export function slice(plan: Plan, roots: readonly number[]): number[] {
  const seen = new Set<number>();
  const stack = [...roots];
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    if (seen.has(index)) continue;
    seen.add(index);
    stack.push(...(plan.nodes[index]?.args ?? []));
  }
  return [...seen].sort((a, b) => a - b);
}

/** Operations by which a vector that is local to the holders of a role becomes shared; it is their argument. */
export const SHARING_OPERATIONS: readonly Operation[] = ['total/1', 'stack/1', 'union/1'];

/** Indices of the nodes with this operation, ascending. */
export function nodesOf(plan: Plan, ...operations: readonly Operation[]): number[] {
  return plan.nodes.flatMap((node, index) => (operations.includes(node.op) ? [index] : []));
}

/**
 * Columns of a `keyed/1` node that is an argument of a tagged join, as its holder shares them with the seats: one vector of
 * `capacity` words each, side by side. First, for each pass, two words of a tag (62 bits each, under a key that only the
 * joining holders know; random where the row has no key, and in rows that only fill the capacity), then the columns.
 */
export function keyedColumns(plan: Plan, node: number): { capacity: number; passes: number; columns: string[] } {
  const keyed = plan.nodes[node];
  if (keyed?.type.kind !== 'keyed') throw new RangeError(`node ${node} holds no keyed rows`);
  const passes = plan.tables[keyed.type.table]?.keys?.[keyed.type.key]?.length ?? 0;
  return { capacity: keyed.type.length, passes, columns: keyed.attrs.columns ?? [] };
}

/**
 * What an `intersect/1` node with `deliver` gives its receiver of each match: the columns that the other side's node brings,
 * in their order, as 64-bit integers. Undefined where nothing is delivered.
 */
export function deliveredColumns(
  plan: Plan,
  operation: number,
): { node: number; role: string; columns: { name: string; type: ColumnType }[] } | undefined {
  const { op, args, attrs } = plan.nodes[operation] ?? {};
  if (op !== 'intersect/1' || attrs?.deliver !== true) return undefined;
  for (const node of args ?? []) {
    const keyed = plan.nodes[node];
    if (keyed?.type.kind !== 'keyed' || keyed.type.role === attrs.to) continue;
    const { role, table } = keyed.type;
    const columns = (keyed.attrs.columns ?? []).map((name) => {
      const type = plan.tables[table]?.columns[name];
      if (type === undefined) throw new RangeError(`table ${table} has no column ${name}`);
      return { name, type };
    });
    return { node, role, columns };
  }
  return undefined;
}
