/**
 * Judges a plan on its own, whoever made it: every operation's arguments, attributes and result type are derived anew
 * from the catalogue in core's plan.ts and must equal what the plan says, bounds included. Shares no code with the tracer,
 * because a plan comes out of a sandbox in which hostile code ran. Whether the plan is *acceptable* is for policy.
 * @module
 */
import {
  type Attributes,
  NodeError,
  type Operation,
  type Plan,
  type PlanNode,
  taggedJoins,
  type ValueType,
} from '@2pm/core';
import { boundsOf, LIMIT } from './bounds.ts';
import { derive } from './derive.ts';
import { checkLoops } from './loops.ts';
import { demand, Refusal, refuse } from './refusal.ts';

const ASKS = 'analyst';
const MAX_PLAN_NODES = 100_000;
/** Operations behind all reveals, each counted for every reveal that it is behind: whoever judges a plan walks them all. */
const MAX_JUDGED = 500_000;

/** Which attributes each operation must have; all others must be absent. eq/1 and ne/1 have `category` with one argument. */
const ATTRIBUTES: Partial<Record<Operation, readonly (keyof Attributes)[]>> = {
  'input/1': ['table'],
  'column/1': ['name'],
  'in/1': ['categories'],
  'histogram/1': ['edges'],
  'rows/1': ['columns', 'capacity'],
  'keyed/1': ['key', 'columns', 'capacity', 'duplicates'],
  'joined-column/1': ['role', 'name'],
  'sort/1': ['descending'],
  'head/1': ['length'],
  'rank/1': ['descending'],
  'quantile/1': ['numerators', 'denominator'],
  'group-key/1': ['length'],
  'group-count/1': ['length'],
  'group-sum/1': ['length'],
  'intersect/1': ['name', 'to'],
  'rescale/1': ['fractionBits'],
  'reciprocal/1': ['fractionBits'],
  'exp/1': ['fractionBits'],
  'log/1': ['fractionBits'],
  'sigmoid/1': ['fractionBits'],
  'repeat/1': ['length'],
  'slice/1': ['offset', 'length'],
  'transpose/1': ['rows'],
  'carried/1': ['loop', 'place'],
  'iterate/1': ['times', 'place'],
  'step/1': ['loop', 'values', 'fractionBits'],
  'matmul/1': ['inner'],
  'rest/1': ['min'],
  'beside/1': ['min'],
  'suppress/1': ['min'],
  'noise/1': ['epsilonMicros', 'sensitivity'],
  'reveal/1': ['name', 'to'],
};

/** Which it may have besides. */
const OPTIONAL: Partial<Record<Operation, readonly (keyof Attributes)[]>> = {
  'join/1': ['matching', 'atLeast'],
  'intersect/1': ['deliver', 'atLeast'],
};

/**
 * Accepts a plan that `Plan` has parsed, or throws. Linear in the size of the plan.
 * @throws {NodeError} `PLAN_INVALID`, naming operation and line.
 */
export function checkPlan(plan: Plan): void {
  guard('the plan', () => checkHead(plan));
  const names = new Set<string>();
  let at = 0;
  const where = () => `operation ${at} (${plan.nodes[at]?.op}, line ${plan.nodes[at]?.line})`;
  guard(where, () => {
    for (; at < plan.nodes.length; at++) checkNode(plan, plan.nodes[at] as PlanNode, at, names);
  });
  guard('the joins', () => checkJoins(plan));
  guard('the loops', () => checkLoops(plan, MAX_PLAN_NODES));
  guard('the reveals', () => checkReveals(plan));
  guard('the result', () => checkResult(plan));
}

/** A thousand reveals of what a hundred thousand operations compute would keep a holder's policy busy for minutes. */
function checkReveals(plan: Plan): void {
  let judged = 0;
  const reached = new Int32Array(plan.nodes.length).fill(-1);
  for (const [reveal, { op }] of plan.nodes.entries()) {
    if (op !== 'reveal/1') continue;
    const pending = [reveal];
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (reached[index] === reveal) continue;
      reached[index] = reveal;
      demand(++judged <= MAX_JUDGED, `rest on more than ${MAX_JUDGED} operations, one by one`);
      for (const arg of plan.nodes[index]?.args ?? []) pending.push(arg);
    }
  }
}

function guard(where: string | (() => string), check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new NodeError('PLAN_INVALID', `${typeof where === 'string' ? where : where()}: ${error.message}`, {
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
  const joined = taggedJoins(plan).flatMap((join) => plan.nodes[join]?.args ?? []);
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
  checkAttributes(node);
  const type = derive(plan, node);
  if (!sameType(type, node.type)) {
    demand(false, `has type ${JSON.stringify(node.type)}, expected ${JSON.stringify(type)}`);
  }
  const limits = boundsOf(node.type);
  demand(-LIMIT < limits.lo && limits.hi < LIMIT, 'may leave ±2^62');
  if (node.op === 'reveal/1' || node.op === 'intersect/1') {
    const name = node.attrs.name as string;
    demand(!names.has(name), `"${name}" is revealed twice`);
    names.add(name);
  }
}

function checkAttributes(node: PlanNode): void {
  const expected = attributesOf(node);
  const given = Object.keys(node.attrs) as (keyof Attributes)[];
  if (given.length === 0 && expected.length === 0) return;
  const optional = OPTIONAL[node.op] ?? [];
  const present = given.filter((key) => node.attrs[key] !== undefined && !optional.includes(key));
  if (present.length === expected.length && expected.every((key) => present.includes(key))) return;
  refuse(`takes the attributes {${expected.join()}}, has {${present.join()}}`);
}

/** Of a comparison with a category, which has one argument, and of roots and quotients of shares, which have a scale. */
function attributesOf({ op, args, type }: PlanNode): readonly (keyof Attributes)[] {
  if ((op === 'eq/1' || op === 'ne/1') && args.length === 1) return ['category'];
  if ((op === 'sqrt/1' || op === 'div/1') && type.kind === 'shared') return ['fractionBits'];
  return ATTRIBUTES[op] ?? [];
}

/** Field by field, in any order: numbers and text by themselves, which is nearly all, and lists as text. */
function sameType(a: ValueType, b: ValueType): boolean {
  const [x, y] = [a, b] as unknown as [Fields, Fields];
  return within(x, y) && within(y, x);
}

type Fields = Readonly<Record<string, unknown>>;

function within(x: Fields, y: Fields): boolean {
  for (const key in x) {
    if (x[key] !== y[key] && JSON.stringify(x[key]) !== JSON.stringify(y[key])) return false;
  }
  return true;
}

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
