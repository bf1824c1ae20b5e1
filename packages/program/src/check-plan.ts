/**
 * Judges a plan on its own, whoever made it: every operation's arguments, attributes and result type are derived anew
 * from the catalogue in core's plan.ts and must equal what the plan says, bounds included. Shares no code with the tracer,
 * because a plan comes out of a sandbox in which hostile code ran. Whether the plan is *acceptable* is for policy.
 * @module
 */
import {
  type Attributes,
  NodeError,
  noiseDigits,
  type Operation,
  type Plan,
  type PlanNode,
  type ValueType,
} from '@2pm/core';
import { type Elementary, elementaryBounds, quotientBounds, rescaledBounds } from './check-numeric.ts';

type Of<K extends ValueType['kind']> = Extract<ValueType, { kind: K }>;
type Column = Of<'column'>;
type Shared = Of<'shared'>;
type Bounds = { lo: bigint; hi: bigint };

const LIMIT = 2n ** 62n;
const ASKS = 'analyst';
const MAX_PLAN_NODES = 100_000;
const MAX_ROWS = 1_000_000;
const MAX_JOINED = 8;
const MAX_SETS = 16;
const MAX_LENGTH = 2 ** 24;

/** Which attributes each operation must have; all others must be absent. eq/1 and ne/1 have `category` with one argument. */
const ATTRIBUTES: Partial<Record<Operation, readonly (keyof Attributes)[]>> = {
  'input/1': ['table'],
  'column/1': ['name'],
  'in/1': ['categories'],
  'histogram/1': ['edges'],
  'rows/1': ['columns', 'capacity'],
  'keyed/1': ['key', 'columns', 'capacity', 'duplicates'],
  'joined-column/1': ['role', 'name'],
  'intersect/1': ['name', 'to'],
  'rescale/1': ['fractionBits'],
  'reciprocal/1': ['fractionBits'],
  'exp/1': ['fractionBits'],
  'log/1': ['fractionBits'],
  'sigmoid/1': ['fractionBits'],
  'repeat/1': ['length'],
  'slice/1': ['offset', 'length'],
  'transpose/1': ['rows'],
  'matmul/1': ['inner'],
  'suppress/1': ['min'],
  'noise/1': ['epsilonMicros', 'sensitivity'],
  'reveal/1': ['name', 'to'],
};

/** Which it may have besides. */
const OPTIONAL: Partial<Record<Operation, readonly (keyof Attributes)[]>> = { 'intersect/1': ['deliver'] };

class Refusal extends Error {}

function refuse(message: string): never {
  throw new Refusal(message);
}

function demand(condition: boolean, message: string): asserts condition {
  if (!condition) refuse(message);
}

/**
 * Accepts a plan that `Plan` has parsed, or throws. Linear in the size of the plan.
 * @throws {NodeError} `PLAN_INVALID`, naming operation and line.
 */
export function checkPlan(plan: Plan): void {
  guard('the plan', () => checkHead(plan));
  const names = new Set<string>();
  for (const [index, node] of plan.nodes.entries()) {
    guard(`operation ${index} (${node.op}, line ${node.line})`, () => checkNode(plan, node, index, names));
  }
  guard('the joins', () => checkJoins(plan));
  guard('the result', () => checkResult(plan));
}

function guard(where: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new NodeError('PLAN_INVALID', `${where}: ${error.message}`, {
      fault: 'caller',
      fix: 'Trace the program anew with this version of the language',
    });
  }
}

function checkHead(plan: Plan): void {
  demand(plan.nodes.length <= MAX_PLAN_NODES, `more than ${MAX_PLAN_NODES} operations`);
  for (const [name, table] of Object.entries(plan.tables)) {
    for (const [column, type] of Object.entries(table.columns)) {
      const where = `column ${name}.${column}`;
      if (type.type === 'category') {
        demand(new Set(type.values).size === type.values.length, `${where} lists a value twice`);
      } else if (type.type !== 'bool') {
        const [min, max] = [BigInt(type.min), BigInt(type.max)];
        demand(min <= max && -LIMIT < min && max < LIMIT, `${where} has no range within ±2^62`);
      }
    }
  }
  for (const [name, role] of Object.entries(plan.roles)) {
    demand(role.min <= role.max, `role ${name} has min above max`);
    demand(new Set(role.tables).size === role.tables.length, `role ${name} lists a table twice`);
    for (const table of role.tables) demand(Object.hasOwn(plan.tables, table), `role ${name}: no table ${table}`);
  }
  const revealedTo = plan.nodes.flatMap((node) => (node.op === 'reveal/1' ? [node.attrs.to] : []));
  if (revealedTo.length > 0) {
    demand([...new Set(revealedTo)].join() === plan.recipients.join(), 'recipients are not those of the reveals');
  } else {
    // Somebody must ask, and sign for the purpose, also where only holders learn something.
    demand(
      plan.nodes.some(({ op }) => op === 'intersect/1'),
      'nothing is revealed',
    );
    demand(plan.recipients.join() === ASKS, `without a reveal the one recipient is ${ASKS}`);
  }
}

/** Tags of one join are under one key: rows in two of them could be followed from one to the other. */
function checkJoins(plan: Plan): void {
  const joined = plan.nodes.flatMap(({ op, args }) => (op === 'join/1' ? args : []));
  demand(new Set(joined).size === joined.length, 'rows enter two of them');
}

function checkNode(plan: Plan, node: PlanNode, index: number, names: Set<string>): void {
  demand(
    node.args.every((arg) => arg < index),
    'an argument is not computed before it is used',
  );
  demand(
    node.op === 'reveal/1' || node.args.every((arg) => plan.nodes[arg]?.op !== 'noise/1'),
    'uses a value under noise, which may only be revealed',
  );
  const expected = attributesOf(node);
  const optional = OPTIONAL[node.op] ?? [];
  const present = Object.keys(node.attrs)
    .filter((key) => node.attrs[key as keyof Attributes] !== undefined)
    .filter((key) => !optional.includes(key as keyof Attributes));
  demand(
    present.length === expected.length && expected.every((key) => present.includes(key)),
    `takes the attributes {${expected.join()}}, has {${present.join()}}`,
  );
  const type = derive(plan, node);
  demand(sameType(type, node.type), `has type ${JSON.stringify(node.type)}, expected ${JSON.stringify(type)}`);
  const limits = boundsOf(node.type);
  demand(-LIMIT < limits.lo && limits.hi < LIMIT, 'may leave ±2^62');
  if (node.op === 'reveal/1' || node.op === 'intersect/1') {
    const name = node.attrs.name as string;
    demand(!names.has(name), `"${name}" is revealed twice`);
    names.add(name);
  }
}

/** Of a comparison with a category, which has one argument, and of roots and quotients of shares, which have a scale. */
function attributesOf({ op, args, type }: PlanNode): readonly (keyof Attributes)[] {
  if ((op === 'eq/1' || op === 'ne/1') && args.length === 1) return ['category'];
  if ((op === 'sqrt/1' || op === 'div/1') && type.kind === 'shared') return ['fractionBits'];
  return ATTRIBUTES[op] ?? [];
}

/** Field by field, in any order. */
function sameType(a: ValueType, b: ValueType): boolean {
  const [x, y] = [Object.entries(a), b as unknown as Record<string, unknown>];
  const defined = Object.values(y).filter((value) => value !== undefined).length;
  return (
    x.filter(([, value]) => value !== undefined).length === defined &&
    x.every(([key, value]) => JSON.stringify(value) === JSON.stringify(y[key]))
  );
}

function derive(plan: Plan, node: PlanNode): ValueType {
  const { op, attrs } = node;
  const args = node.args.map((arg) => (plan.nodes[arg] as PlanNode).type);
  const arity = (count: number) => demand(args.length === count, `takes ${count} arguments, has ${args.length}`);
  switch (op) {
    case 'constant/1':
      arity(0);
      demand(node.type.kind === 'constant', 'is no constant');
      return node.type;
    case 'input/1': {
      arity(0);
      const table = attrs.table as string;
      const role = node.type.kind === 'table' ? node.type.role : '';
      const brought = Object.hasOwn(plan.roles, role) && plan.roles[role]?.tables.includes(table);
      demand(brought === true, `role ${role} does not bring table ${table}`);
      return { kind: 'table', role, table };
    }
    case 'where/1': {
      arity(2);
      const table = as('table', args[0]);
      const condition = columnOf(args[1], 'bool');
      demand(condition.of === node.args[0], 'the condition is of another table');
      return table;
    }
    case 'column/1':
      arity(1);
      return inputColumn(plan, as('table', args[0]), node.args[0] as number, attrs.name as string);
    case 'count/1': {
      arity(1);
      const of = args[0] as ValueType;
      if (of.kind !== 'table') as('column', of);
      return local(plan, of, 1, 0, rowCount(plan, of));
    }
    case 'histogram/1': {
      arity(1);
      const column = columnOf(args[0], 'int');
      const edges = (attrs.edges as string[]).map(BigInt);
      demand(
        edges.every((edge, i) => i === 0 || edge > (edges[i - 1] as bigint)),
        'the edges do not ascend',
      );
      return local(plan, column, edges.length - 1, 0, rowCount(plan, column));
    }
    case 'count-by/1': {
      arity(1);
      const by = columnOf(args[0], 'category');
      return local(plan, by, (by.values as string[]).length, 0, rowCount(plan, by));
    }
    case 'sum-by/1': {
      arity(2);
      const column = columnOf(args[0], 'int');
      const by = columnOf(args[1], 'category');
      demand(by.of === column.of, 'column and category are of different tables');
      return local(plan, column, (by.values as string[]).length, column.fractionBits, rowSum(plan, column));
    }
    case 'rows/1':
      arity(1);
      return rows(plan, as('table', args[0]), attrs.columns as string[], attrs.capacity as number);
    case 'keyed/1':
      arity(1);
      return keyed(plan, as('table', args[0]), node);
    case 'join/1': {
      demand(args.length >= 2 && args.length <= MAX_JOINED, `takes 2 to ${MAX_JOINED} arguments, has ${args.length}`);
      const sides = matched(plan, args);
      return {
        kind: 'joined',
        roles: sides.map(({ role }) => role),
        length: Math.min(...sides.map((one) => one.length)),
      };
    }
    case 'keep/1': {
      arity(2);
      const joined = as('joined', args[0]);
      const condition = sharedOf(args[1], 'bool');
      demand(condition.stacked === undefined && condition.length === joined.length, 'the condition has another length');
      return joined;
    }
    case 'matched/1':
      arity(1);
      return shared({ length: as('joined', args[0]).length, dtype: 'bool', fractionBits: 0 }, { lo: 0n, hi: 1n });
    case 'joined-column/1':
      arity(1);
      return joinedColumn(plan, node, as('joined', args[0]));
    case 'intersect/1': {
      demand(args.length >= 2 && args.length <= MAX_SETS, `takes 2 to ${MAX_SETS} arguments, has ${args.length}`);
      const sides = matched(plan, args);
      const role = attrs.to as string;
      demand(
        sides.some((side) => side.role === role),
        `role ${role} brings no rows`,
      );
      for (const { table, key } of sides) {
        demand(plan.tables[table]?.keys?.[key]?.length === 1, `key ${table}.${key} has several passes`);
      }
      if (attrs.deliver !== undefined) {
        demand(sides.length === 2, 'delivers columns among more than two sides');
        const other = node.args.find((_, side) => sides[side]?.role !== role);
        demand((plan.nodes[other ?? -1]?.attrs.columns ?? []).length > 0, 'delivers no column');
      }
      return { kind: 'held', role };
    }
    case 'total/1': {
      arity(1);
      demand(plan.nodes[node.args[0] as number]?.op !== 'rows/1', 'adds rows of several holders');
      const { length, fractionBits, role, ...from } = as('local', args[0]);
      const members = BigInt(plan.roles[role]?.max ?? 0);
      const { lo, hi } = bounds(from);
      return shared({ length, dtype: 'int', fractionBits }, { lo: lo * members, hi: hi * members });
    }
    case 'stack/1': {
      arity(1);
      const { length, fractionBits, role, ...from } = as('local', args[0]);
      return shared({ length, dtype: 'int', fractionBits, stacked: role }, bounds(from));
    }
    case 'sum/1':
      arity(1);
      if (args[0]?.kind === 'column') return localSum(plan, columnOf(args[0], 'int'));
      if (args[0]?.kind === 'shared') return sharedSum(args[0]);
      return { ...byRecipient(args), length: 1 };
    case 'rescale/1': {
      arity(1);
      const x = sharedOf(args[0], 'int');
      const fractionBits = attrs.fractionBits as number;
      demand(fractionBits < x.fractionBits, 'does not lessen the fraction bits');
      return shared({ ...x, fractionBits }, rescaledBounds(bounds(x), x.fractionBits - fractionBits));
    }
    case 'minimum/1':
    case 'maximum/1': {
      arity(2);
      const lead = principal(args, 'int');
      demand(lead.kind === 'shared', 'does not apply to columns');
      demand(scaleOf(args[0] as ValueType) === scaleOf(args[1] as ValueType), 'the scales differ');
      const [a, b] = [bounds(args[0] as ValueType), bounds(args[1] as ValueType)];
      const [outer, inner] = [hull(a, b), overlap(a, b)];
      return shared(lead, op === 'minimum/1' ? { lo: outer.lo, hi: inner.hi } : { lo: inner.lo, hi: outer.hi });
    }
    case 'abs/1': {
      arity(1);
      const x = sharedOf(args[0], 'int');
      const { lo, hi } = bounds(x);
      if (lo >= 0n) return x;
      return shared(x, hi <= 0n ? { lo: -hi, hi: -lo } : { lo: 0n, hi: hull({ lo, hi }, { lo: -hi, hi: -lo }).hi });
    }
    case 'as-int/1': {
      arity(1);
      const x = sharedOf(args[0], 'bool');
      return shared({ ...x, dtype: 'int' }, bounds(x));
    }
    case 'min/1':
    case 'max/1':
    case 'argmax/1': {
      arity(1);
      const x = unstacked(args[0], 'int');
      if (op !== 'argmax/1') return shared({ ...x, length: 1 }, bounds(x));
      return shared({ dtype: 'int', fractionBits: 0, length: 1 }, { lo: 0n, hi: BigInt(x.length - 1) });
    }
    case 'reciprocal/1':
    case 'exp/1':
    case 'log/1':
    case 'sigmoid/1':
      arity(1);
      return elementary(op, args[0], attrs.fractionBits as number);
    case 'dot/1': {
      const [x, ...others] = args.map((arg) => unstacked(arg, 'int'));
      demand(x !== undefined && others.length > 0, 'takes at least two vectors');
      const ranges = others.map((y) => range('mul/1', bounds(x), bounds(y)));
      const like = others[0] as Shared;
      for (const y of others) {
        sameShape(x, y);
        demand(y.fractionBits === like.fractionBits, 'the scales differ');
      }
      const { lo, hi } = ranges.reduce(hull);
      const n = BigInt(x.length);
      return product(x, like, others.length, { lo: lo * n, hi: hi * n });
    }
    case 'combine/1': {
      const [weights, ...columns] = args.map((arg) => unstacked(arg, 'int'));
      demand(weights !== undefined && weights.length === columns.length, 'takes one weight for each vector');
      const like = columns[0] as Shared;
      for (const column of columns) {
        sameShape(like, column);
        demand(column.fractionBits === like.fractionBits, 'the scales differ');
      }
      const ranges = columns.map((column) => range('mul/1', bounds(weights), bounds(column)));
      return product(
        weights,
        like,
        like.length,
        ranges.reduce((a, b) => range('add/1', a, b)),
      );
    }
    case 'repeat/1': {
      arity(1);
      const x = as('shared', args[0]);
      demand(x.length === 1 && x.stacked === undefined, 'repeats a single element');
      return shared({ ...x, length: lengthWithin(attrs.length as number) }, bounds(x));
    }
    case 'slice/1': {
      arity(1);
      const x = unstacked(args[0], 'int');
      const [offset, length] = [attrs.offset as number, attrs.length as number];
      demand(offset + length <= x.length, 'reaches beyond the end');
      return shared({ ...x, length }, bounds(x));
    }
    case 'concat/1': {
      const parts = args.map((arg) => unstacked(arg, 'int'));
      demand(parts.length > 0, 'takes at least one vector');
      const [first] = parts as [Shared];
      for (const part of parts) demand(part.fractionBits === first.fractionBits, 'the scales differ');
      const length = lengthWithin(parts.reduce((sum, part) => sum + part.length, 0));
      return shared({ ...first, length }, parts.map((part) => bounds(part)).reduce(hull));
    }
    case 'transpose/1': {
      arity(1);
      const x = unstacked(args[0], 'int');
      demand(x.length % (attrs.rows as number) === 0, 'is no matrix of so many rows');
      return x;
    }
    case 'matmul/1': {
      arity(2);
      const [x, y] = [unstacked(args[0], 'int'), unstacked(args[1], 'int')];
      const inner = attrs.inner as number;
      demand(x.length % inner === 0 && y.length % inner === 0, 'the matrices have no such common dimension');
      const { lo, hi } = range('mul/1', bounds(x), bounds(y));
      const length = lengthWithin((x.length / inner) * (y.length / inner));
      return product(x, y, length, { lo: lo * BigInt(inner), hi: hi * BigInt(inner) });
    }
    case 'unstack/1': {
      arity(1);
      const x = as('shared', args[0]);
      const role = plan.roles[x.stacked ?? ''];
      demand(role !== undefined && role.min === role.max, 'is not stacked by a role with a fixed number of members');
      const { stacked: _, ...one } = x;
      return { ...one, length: lengthWithin(x.length * role.max) };
    }
    case 'select/1': {
      arity(3);
      const [condition, yes, no] = [sharedOf(args[0], 'bool'), sharedOf(args[1], 'int'), sharedOf(args[2], 'int')];
      sameShape(condition, yes);
      sameShape(yes, no);
      demand(yes.fractionBits === no.fractionBits, 'the scales differ');
      return shared(yes, hull(bounds(yes), bounds(no)));
    }
    case 'suppress/1': {
      demand(args.length >= 2, 'has no support');
      const x = as('shared', args[0]);
      for (const arg of args.slice(1)) {
        const support = sharedOf(arg, 'int');
        demand(support.stacked === x.stacked, 'a support is stacked in another way');
        demand(support.length === x.length || support.length === 1, 'a support has another length');
        demand(support.fractionBits === 0, 'a support is no whole number');
      }
      return x;
    }
    case 'noise/1': {
      arity(1);
      const x = sharedOf(args[0], 'int');
      const sensitivity = BigInt(attrs.sensitivity as string);
      demand(sensitivity > 0n && sensitivity < LIMIT, 'has no sensitivity within 2^62');
      const most = (1n << BigInt(noiseDigits(attrs.epsilonMicros as number, sensitivity))) - 1n;
      const { lo, hi } = bounds(x);
      return shared(x, { lo: lo - most, hi: hi + most });
    }
    case 'reveal/1': {
      arity(1);
      const { dtype: _, ...x } = as('shared', args[0]);
      return { ...x, kind: 'opened', to: attrs.to as string };
    }
    case 'is-null/1':
      arity(1);
      return bit({ ...as('column', args[0]), nullable: false });
    case 'in/1':
      arity(1);
      return bit(categoryWith(args[0], attrs.categories as string[]));
    case 'eq/1':
    case 'ne/1':
      if (args.length === 1) return bit(categoryWith(args[0], [attrs.category as string]));
      arity(2);
      return compare(args);
    case 'lt/1':
    case 'le/1':
    case 'gt/1':
    case 'ge/1':
      arity(2);
      return compare(args);
    case 'and/1':
    case 'or/1':
      arity(2);
      return logic(args);
    case 'not/1':
      arity(1);
      return logic(args);
    case 'neg/1':
      arity(1);
      return arithmetic(op, args);
    case 'add/1':
    case 'sub/1':
    case 'mul/1':
      arity(2);
      return arithmetic(op, args);
    case 'cumsum/1':
    case 'cumprod/1':
      arity(1);
      return byRecipient(args);
    case 'chi-square-p/1':
    case 'student-t-p/1':
    case 'div/1': {
      arity(2);
      if (args[0]?.kind !== 'shared') return byRecipient(args);
      const [a, b] = [sharedOf(args[0], 'int'), sharedOf(args[1], 'int')];
      sameShape(a, b);
      const fractionBits = attrs.fractionBits as number;
      const range = quotientBounds(bounds(a), bounds(b), b.fractionBits - a.fractionBits + fractionBits);
      demand(fractionBits <= 30 && range !== undefined, 'divides by what may be 0, or gives too large a quotient');
      return shared({ ...a, fractionBits }, range);
    }
    case 'sqrt/1':
      arity(1);
      if (args[0]?.kind === 'shared') return elementary(op, args[0], attrs.fractionBits as number);
      return byRecipient(args);
  }
}

// Placements

function as<K extends ValueType['kind']>(kind: K, type: ValueType | undefined): Of<K> {
  demand(type?.kind === kind, `expected a ${kind} argument, got ${type?.kind}`);
  return type as Of<K>;
}

function columnOf(type: ValueType | undefined, dtype: Column['dtype']): Column {
  const column = as('column', type);
  demand(column.dtype === dtype, `expected a ${dtype} column, got ${column.dtype}`);
  return column;
}

function sharedOf(type: ValueType | undefined, dtype: Shared['dtype']): Shared {
  const value = as('shared', type);
  demand(value.dtype === dtype, `expected a shared ${dtype}, got ${value.dtype}`);
  return value;
}

function unstacked(type: ValueType | undefined, dtype: Shared['dtype']): Shared {
  const value = sharedOf(type, dtype);
  demand(value.stacked === undefined, 'does not apply to stacked values');
  return value;
}

function lengthWithin(length: number): number {
  demand(length <= MAX_LENGTH, `has more than ${MAX_LENGTH} elements`);
  return length;
}

function product(x: Shared, y: Shared, length: number, range: Bounds): Shared {
  const fractionBits = x.fractionBits + y.fractionBits;
  demand(fractionBits <= 62, 'has more than 62 fraction bits');
  return shared({ dtype: 'int', length, fractionBits }, range);
}

function elementary(op: Elementary, type: ValueType | undefined, fractionBits: number): Shared {
  const x = sharedOf(type, 'int');
  const range = elementaryBounds(op, bounds(x), x.fractionBits, fractionBits);
  demand(range !== undefined, 'is not defined, or too large, on the whole range of its argument');
  return shared({ ...x, fractionBits }, range);
}

function shared(like: Pick<Shared, 'length' | 'dtype' | 'fractionBits' | 'stacked'>, { lo, hi }: Bounds): Shared {
  const { length, dtype, fractionBits, stacked } = like;
  const block = stacked === undefined ? {} : { stacked };
  return { kind: 'shared', length, ...block, dtype, fractionBits, lo: String(lo), hi: String(hi) };
}

function local(plan: Plan, of: ValueType, length: number, fractionBits: number, { lo, hi }: Bounds): ValueType {
  const role = of.kind === 'table' || of.kind === 'column' ? of.role : '';
  demand(Object.hasOwn(plan.roles, role), `no role ${role}`);
  return { kind: 'local', role, length, fractionBits, lo: String(lo), hi: String(hi) };
}

function sameShape(a: Shared, b: Shared): void {
  demand(a.length === b.length, `lengths differ: ${a.length} and ${b.length}`);
  demand(a.stacked === b.stacked, 'one argument is stacked by member, the other is not');
}

// Columns

function inputColumn(plan: Plan, table: Of<'table'>, of: number, name: string): Column {
  const columns = plan.tables[table.table]?.columns ?? {};
  const type = Object.hasOwn(columns, name) ? columns[name] : undefined;
  demand(type !== undefined, `table ${table.table} has no column ${name}`);
  const base = { kind: 'column', role: table.role, of, nullable: type.nullable } as const;
  switch (type.type) {
    case 'bool':
      return { ...base, dtype: 'bool', fractionBits: 0, lo: '0', hi: '1' };
    case 'category': {
      const hi = String(type.values.length - 1);
      return { ...base, dtype: 'category', values: type.values, fractionBits: 0, lo: '0', hi };
    }
    default: {
      const fractionBits = type.type === 'fixed' ? type.fractionBits : 0;
      return { ...base, dtype: 'int', fractionBits, lo: type.min, hi: type.max };
    }
  }
}

function bit({ role, of, nullable }: Column): Column {
  return { kind: 'column', role, of, dtype: 'bool', nullable, fractionBits: 0, lo: '0', hi: '1' };
}

function categoryWith(type: ValueType | undefined, categories: readonly string[]): Column {
  const column = columnOf(type, 'category');
  for (const value of categories) demand(column.values?.includes(value) === true, 'names an undeclared category');
  demand(new Set(categories).size === categories.length, 'names a category twice');
  return column;
}

function maxRows(plan: Plan, of: ValueType): bigint {
  const table = of.kind === 'column' ? plan.nodes[of.of]?.type : of;
  return BigInt(plan.tables[as('table', table).table]?.maxRows ?? 0);
}

function rowCount(plan: Plan, of: ValueType): Bounds {
  return { lo: 0n, hi: maxRows(plan, of) };
}

function rowSum(plan: Plan, column: Column): Bounds {
  const count = maxRows(plan, column);
  const { lo, hi } = bounds(column);
  return { lo: lo < 0n ? lo * count : 0n, hi: hi > 0n ? hi * count : 0n };
}

function localSum(plan: Plan, column: Column): ValueType {
  return local(plan, column, 1, column.fractionBits, rowSum(plan, column));
}

function rows(plan: Plan, table: Of<'table'>, names: readonly string[], capacity: number): ValueType {
  demand(names.length > 0 && capacity <= MAX_ROWS, 'carries no column, or too many rows');
  let range: Bounds = { lo: 0n, hi: 1n };
  for (const name of names) {
    const column = inputColumn(plan, table, 0, name);
    demand(!column.nullable && column.fractionBits === 0, `cannot carry ${name}: only whole numbers without nulls`);
    range = hull(range, bounds(column));
  }
  return local(plan, table, capacity * (1 + names.length), 0, range);
}

function sharedSum(type: ValueType | undefined): ValueType {
  const x = as('shared', type);
  demand(x.stacked === undefined, 'does not apply to stacked values');
  const { lo, hi } = bounds(x);
  return shared({ ...x, dtype: 'int', length: 1 }, { lo: lo * BigInt(x.length), hi: hi * BigInt(x.length) });
}

// Matching by keys

function keyed(plan: Plan, table: Of<'table'>, { args, attrs }: PlanNode): ValueType {
  const { key = '', columns = [], capacity: length = 1 } = attrs;
  const keys = plan.tables[table.table]?.keys ?? {};
  demand(Object.hasOwn(keys, key), `table ${table.table} has no key ${key}`);
  demand(plan.roles[table.role]?.max === 1, `role ${table.role} may have several members`);
  demand(new Set(columns).size === columns.length, 'carries a column twice');
  for (const name of columns) inputColumn(plan, table, args[0] as number, name);
  return { kind: 'keyed', role: table.role, table: table.table, key, length };
}

/** Keyed rows of different roles, whose keys are made by the same rules: others could never meet. */
function matched(plan: Plan, args: readonly ValueType[]): Of<'keyed'>[] {
  const sides = args.map((arg) => as('keyed', arg));
  demand(new Set(sides.map(({ role }) => role)).size === sides.length, 'a role comes twice');
  const rules = sides.map(({ table, key }) =>
    JSON.stringify(plan.tables[table]?.keys?.[key]?.map((pass) => pass.map(({ rule }) => rule))),
  );
  demand(new Set(rules).size === 1, 'the keys are made by different rules');
  return sides;
}

function joinedColumn(plan: Plan, { args, attrs }: PlanNode, joined: Of<'joined'>): ValueType {
  let join = plan.nodes[args[0] as number];
  while (join?.op === 'keep/1') join = plan.nodes[join.args[0] as number];
  const side = join?.args.map((arg) => plan.nodes[arg]).find((one) => roleOf(one?.type) === attrs.role);
  const table = plan.nodes[side?.args[0] ?? -1]?.type;
  demand(side?.attrs.columns?.includes(attrs.name ?? '') === true, `${attrs.role} brings no column ${attrs.name}`);
  const { dtype, fractionBits, ...range } = inputColumn(plan, as('table', table), 0, attrs.name as string);
  const like = { length: joined.length, dtype: dtype === 'bool' ? 'bool' : 'int', fractionBits } as const;
  return shared(like, hull(bounds(range), { lo: 0n, hi: 0n }));
}

function roleOf(type: ValueType | undefined): string | undefined {
  return type?.kind === 'keyed' ? type.role : undefined;
}

// Operations that exist in several placements

/** The argument that fixes the placement: never a constant; columns of one table, shared values of one shape. */
function principal(args: readonly ValueType[], dtype: 'int' | 'bool'): Column | Shared {
  const [first, second] = args;
  const lead = first?.kind === 'column' ? columnOf(first, dtype) : sharedOf(first, dtype);
  if (second === undefined) return lead;
  if (second.kind === 'constant') {
    demand(dtype === 'int', 'a condition does not combine with a constant');
    return lead;
  }
  if (lead.kind === 'column') {
    const other = columnOf(second, dtype);
    demand(lead.role === other.role && lead.of === other.of, 'the columns are of different tables');
    return { ...lead, nullable: lead.nullable || other.nullable };
  }
  sameShape(lead, sharedOf(second, dtype));
  return lead;
}

function scaleOf(type: ValueType): number {
  return 'fractionBits' in type ? type.fractionBits : 0;
}

function arithmetic(op: 'add/1' | 'sub/1' | 'mul/1' | 'neg/1', args: readonly ValueType[]): ValueType {
  if (args[0]?.kind === 'opened' || args[0]?.kind === 'public') return byRecipient(args);
  const lead = principal(args, 'int');
  const a = bounds(args[0] as ValueType);
  const b = args[1] === undefined ? a : bounds(args[1]);
  const scales = args.map(scaleOf) as [number, number?];
  if (op === 'add/1' || op === 'sub/1') demand(scales[0] === scales[1], 'the scales differ');
  const fractionBits = op === 'mul/1' ? scales[0] + (scales[1] ?? 0) : scales[0];
  demand(fractionBits <= 62, 'has more than 62 fraction bits');
  const { lo, hi } = range(op, a, b);
  if (lead.kind === 'shared') return shared({ ...lead, fractionBits }, { lo, hi });
  return { ...lead, fractionBits, lo: String(lo), hi: String(hi) };
}

function range(op: 'add/1' | 'sub/1' | 'mul/1' | 'neg/1', a: Bounds, b: Bounds): Bounds {
  switch (op) {
    case 'add/1':
      return { lo: a.lo + b.lo, hi: a.hi + b.hi };
    case 'sub/1':
      return { lo: a.lo - b.hi, hi: a.hi - b.lo };
    case 'neg/1':
      return { lo: -a.hi, hi: -a.lo };
    case 'mul/1': {
      const [p, q, r, s] = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
      return hull(hull({ lo: p, hi: p }, { lo: q, hi: q }), hull({ lo: r, hi: r }, { lo: s, hi: s }));
    }
  }
}

function compare(args: readonly ValueType[]): ValueType {
  const lead = principal(args, 'int');
  demand(scaleOf(args[0] as ValueType) === scaleOf(args[1] as ValueType), 'the scales differ');
  return truth(lead);
}

function logic(args: readonly ValueType[]): ValueType {
  return truth(principal(args, 'bool'));
}

function truth(lead: Column | Shared): ValueType {
  if (lead.kind === 'column') return bit(lead);
  return shared({ ...lead, dtype: 'bool', fractionBits: 0 }, { lo: 0n, hi: 1n });
}

function byRecipient(args: readonly ValueType[]): Of<'public'> {
  const known = args.map((arg, i) => {
    if (i > 0 && arg.kind === 'constant') return undefined;
    demand(arg.kind === 'opened' || arg.kind === 'public', `expected an opened argument, got ${arg.kind}`);
    demand(!('stacked' in arg) || arg.stacked === undefined, 'does not apply to stacked values');
    return arg;
  });
  const [first, second] = known;
  demand(first !== undefined, 'has no opened argument');
  if (second === undefined) return { kind: 'public', length: first.length, to: first.to };
  demand(first.to === second.to, 'mixes what two recipients know');
  demand(
    first.length === second.length || first.length === 1 || second.length === 1,
    `lengths differ: ${first.length} and ${second.length}`,
  );
  return { kind: 'public', length: Math.max(first.length, second.length), to: first.to };
}

// Bounds

function bounds(type: { lo: string; hi: string } | ValueType): Bounds {
  return 'lo' in type ? { lo: BigInt(type.lo), hi: BigInt(type.hi) } : boundsOf(type);
}

function boundsOf(type: ValueType): Bounds {
  if ('lo' in type) return { lo: BigInt(type.lo), hi: BigInt(type.hi) };
  if (type.kind === 'constant') return { lo: BigInt(type.value), hi: BigInt(type.value) };
  return { lo: 0n, hi: 0n };
}

function hull(a: Bounds, b: Bounds): Bounds {
  const [lo, hi] = [a.lo <= b.lo, a.hi >= b.hi];
  return { lo: lo ? a.lo : b.lo, hi: hi ? a.hi : b.hi };
}

/** The greater of the lower ends and the lesser of the upper ends. */
function overlap(a: Bounds, b: Bounds): Bounds {
  const [lo, hi] = [a.lo >= b.lo, a.hi <= b.hi];
  return { lo: lo ? a.lo : b.lo, hi: hi ? a.hi : b.hi };
}

// Result

function checkResult(plan: Plan): void {
  const recipients = new Set<string>();
  const silent = !plan.nodes.some(({ op }) => op === 'reveal/1');
  const pending: [tree: Plan['result'], depth: number][] = [[plan.result, 0]];
  let entries = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [tree, depth] = next;
    demand(++entries <= MAX_PLAN_NODES && depth <= 8, 'is too large or too deep');
    if (typeof tree === 'number') {
      const type = plan.nodes[tree]?.type;
      demand(type?.kind === 'opened' || type?.kind === 'public', 'holds a value that nobody may read');
      recipients.add(type.to);
      continue;
    }
    demand(Object.keys(tree).length > 0 || (depth === 0 && silent), 'has an empty part');
    for (const [name, part] of Object.entries(tree)) {
      demand(/^[a-zA-Z][a-zA-Z0-9_]{0,63}$/.test(name), 'has an entry without a proper name');
      pending.push([part, depth + 1]);
    }
  }
  demand(recipients.size === 1 || silent, 'mixes what several recipients know');
}
