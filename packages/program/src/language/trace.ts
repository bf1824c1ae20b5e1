/**
 * The plan under construction. Every value of a program is a handle on one node; equal expressions are one node, so that
 * a count which protects a reveal is recognised wherever it is written.
 * @module
 */
import type { Attributes, KeyType, Operation, ValueType } from '@2pm/core';
import { callerLine } from './line.ts';
import { LIMIT } from './number.ts';
import { fail } from './program-error.ts';

export type Bounds = { readonly lo: bigint; readonly hi: bigint };

type WithoutNumbers<T> = T extends unknown ? Omit<T, 'lo' | 'hi' | 'value'> : never;
/** A value type whose bounds, or whose number, stand beside it. */
export type Shape = WithoutNumbers<ValueType>;

/** A node of a trace, with its bounds as integers. */
export interface Ref extends Bounds {
  readonly trace: Trace;
  readonly index: number;
  readonly op: Operation;
  readonly args: readonly number[];
  readonly attrs: Attributes;
  readonly type: Shape;
  /** The innermost loop whose steps give it different values; 0 outside of loops. */
  readonly loop: number;
  line: number;
}

export const MAX_NODES = 100_000;
const UNBOUNDED: Bounds = { lo: 0n, hi: 0n };
const NONE: Attributes = Object.freeze({});
const NOTHING: readonly never[] = Object.freeze([]);
const UNKNOWN_LINE = -1;
const LEAST = -LIMIT;

/** Shapes of constants by their fraction bits: what is the same object is not compared. */
const CONSTANTS: Shape[] = [];

/** What tells nodes of one operation from each other. */
type Key = number | bigint | string;

export class Trace {
  readonly nodes: Ref[] = [];
  readonly recipients: string[] = [];
  readonly revealed = new Set<string>();
  readonly tables: {
    readonly [name: string]: { readonly maxRows: number; readonly keys?: { readonly [name: string]: KeyType } };
  };
  readonly roles: { readonly [name: string]: { readonly min: number; readonly max: number } };
  readonly #known = new Map<Operation, Map<Key, Ref>>();
  readonly #loops: number[] = [];
  #loopsBegun = 0;
  /** Operations of all steps of loops but the first. */
  #repeated = 0;

  constructor(tables: Trace['tables'], roles: Trace['roles']) {
    this.tables = tables;
    this.roles = roles;
  }

  ref(index: number): Ref {
    return this.nodes[index] as Ref;
  }

  /** Visits the shared values that `roots` depend on, and themselves, each once; past one only where `visit` says so. */
  walkShared(roots: readonly number[], visit: (ref: Ref) => boolean): void {
    const { nodes } = this;
    const seen = new Uint8Array(nodes.length);
    const stack = [...roots];
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      const ref = nodes[index] as Ref;
      if (seen[index] === 1 || ref.type.kind !== 'shared') continue;
      seen[index] = 1;
      if (!visit(ref)) continue;
      const { args } = ref;
      for (let i = 0; i < args.length; i++) stack.push(args[i] as number);
    }
  }

  emit(op: Operation, args: readonly Ref[], shape: Shape, bounds = UNBOUNDED, attrs = NONE): Ref {
    // By places and without spreading, here and in what leads here: iterators are slow in the sandbox.
    if (this.#loops.length > 0) expectInLoop(op, shape);
    const { nodes } = this;
    const indices: number[] = [];
    let loop = 0;
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] as Ref;
      const its = arg.loop;
      if (nodes[arg.index] !== arg || (its > 0 && op !== 'iterate/1' && !this.#loops.includes(its))) outOfStep();
      if (its > loop) loop = its;
      indices.push(arg.index);
    }
    const alike = this.#known.get(op) ?? new Map<Key, Ref>();
    const key = keyOf(indices, shape, bounds, attrs);
    const known = alike.get(key);
    // What a loop took back is known no more.
    if (known !== undefined && nodes[known.index] === known) return known;
    if (nodes.length >= MAX_NODES) this.#expectSize();
    if (op === 'carried/1' || op === 'iterate/1') loop = this.#loops.at(-1) ?? 0;
    const { lo, hi } = bounds;
    if (lo <= LEAST || hi >= LIMIT || ('fractionBits' in shape && shape.fractionBits > 62)) overflow(op, shape, bounds);
    // A constant takes the line of the operation that it is written for.
    const line = op === 'constant/1' ? UNKNOWN_LINE : callerLine();
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] as Ref;
      if (arg.line === UNKNOWN_LINE) arg.line = line;
    }
    const ref: Ref = { trace: this, index: nodes.length, op, args: indices, attrs, type: shape, lo, hi, loop, line };
    nodes.push(ref);
    if (alike.set(key, ref).size === 1) this.#known.set(op, alike);
    return ref;
  }

  /** What a step of a loop emits; stays in the plan if `keep` says so of what the step gives. */
  inLoop<Out>(times: number, step: (loop: number) => Out, keep: (out: Out) => boolean): Out {
    const [nodes, loops, repeated] = [this.nodes.length, this.#loopsBegun, this.#repeated];
    this.#loops.push(++this.#loopsBegun);
    try {
      const out = step(loops);
      this.#repeated += (times - 1) * (this.nodes.length - nodes + this.#repeated - repeated);
      this.#expectSize();
      if (!keep(out)) {
        this.nodes.length = nodes;
        [this.#loopsBegun, this.#repeated] = [loops, repeated];
      }
      return out;
    } finally {
      this.#loops.pop();
    }
  }

  #expectSize(): void {
    if (this.nodes.length + this.#repeated < MAX_NODES) return;
    fail('PROGRAM_SIZE', `the plan has more than ${MAX_NODES} operations, each step of a loop counted`);
  }

  /** A number for each step of a loop, which must be under way. */
  numberOfStep(loop: number, numbers: readonly bigint[], fractionBits: number): Ref {
    if (!this.#loops.includes(loop + 1)) outOfStep();
    let [lo, hi] = [numbers[0] ?? 0n, numbers[0] ?? 0n];
    for (const number of numbers) {
      if (number < lo) lo = number;
      if (number > hi) hi = number;
    }
    const shape: Shape = { kind: 'shared', length: 1, dtype: 'int', fractionBits };
    return this.emit('step/1', [], shape, { lo, hi }, { loop, values: numbers.map(String), fractionBits });
  }

  constant(value: bigint, fractionBits: number): Ref {
    if (value <= LEAST || value >= LIMIT) fail('PROGRAM_OVERFLOW', `the constant ${value} lies beyond ±2^62`);
    const bounds = { lo: value, hi: value };
    CONSTANTS[fractionBits] ??= { kind: 'constant', fractionBits };
    return this.emit('constant/1', NOTHING, CONSTANTS[fractionBits] as Shape, bounds);
  }
}

/** One or two arguments are a number: text is slow in the sandbox. */
function keyOf(args: readonly number[], shape: Shape, { lo }: Bounds, attrs: Attributes): Key {
  if (shape.kind === 'constant') return lo * 64n + BigInt(shape.fractionBits);
  if (attrs === NONE && args.length === 2) return ((args[0] as number) + 1) * MAX_NODES + (args[1] as number);
  if (attrs === NONE && args.length === 1) return args[0] as number;
  const role = shape.kind === 'table' ? shape.role : '';
  return `${args.join(' ')}${attrs === NONE ? '' : JSON.stringify(attrs)}${role}`;
}

const OUTSIDE_LOOPS: ReadonlySet<Operation> = new Set([
  'total/1',
  'stack/1',
  'rest/1',
  'beside/1',
  'suppress/1',
  'noise/1',
]);

function expectInLoop(op: Operation, { kind }: Shape): void {
  if ((kind === 'shared' || kind === 'constant') && !OUTSIDE_LOOPS.has(op)) return;
  const fix = 'Share values before the loop, and reveal after it what repeat() returns';
  fail('PROGRAM_LOOP', `a step of repeat() computes on shared values alone; it does not ${op.split('/')[0]}`, fix);
}

function outOfStep(): never {
  fail(
    'PROGRAM_LOOP',
    'this value belongs to one step of a repeat()',
    'Return it from the step; repeat() gives the last',
  );
}

function overflow(op: Operation, shape: Shape, { lo, hi }: Bounds): never {
  const bits = 'fractionBits' in shape ? shape.fractionBits : 0;
  if (lo > LEAST && hi < LIMIT) {
    fail('PROGRAM_OVERFLOW', `the result would have ${bits} fraction bits, more than 62`);
  }
  const scaled = bits > 0 ? ` in units of 2^-${bits}` : '';
  fail(
    'PROGRAM_OVERFLOW',
    `${op.split('/')[0]} could reach ${lo}..${hi}${scaled}, beyond ±2^62 = ±${LIMIT}`,
    'Declare narrower column ranges, a smaller maxRows, fewer members or fewer fraction bits',
  );
}

export let refOf: (value: Value) => Ref;

/** Base of everything that a program holds. The node behind it is out of the program's reach. */
export abstract class Value {
  readonly #ref: Ref;

  constructor(ref: Ref) {
    this.#ref = ref;
  }

  static {
    refOf = (value) => value.#ref;
  }

  /** A handle is no number: `a + b`, `a < b` and `if (a)` cannot see data. */
  [Symbol.toPrimitive](): never {
    fail('PROGRAM_OPERATOR', 'values are no JavaScript numbers', 'Write a.add(b), a.lt(b), condition.select(a, b)');
  }

  toJSON(): never {
    fail('PROGRAM_OPERATOR', 'values hold no data while the program is traced');
  }
}

/** In plain words, for messages. */
export function describeOperand(value: unknown): string {
  if (!(value instanceof Value)) return value === null ? 'null' : typeof value;
  const { type } = refOf(value);
  switch (type.kind) {
    case 'table':
      return `a local table of ${type.role}`;
    case 'column':
      return `a local ${type.dtype} column of ${type.role}`;
    case 'local':
      return `a local value of ${type.role}`;
    case 'shared':
      return `a shared ${type.dtype} value`;
    case 'keyed':
      return `rows of ${type.role} with a key`;
    case 'joined':
      return 'shared rows';
    case 'opened':
      return `a value opened to ${type.to}`;
    case 'public':
      return `a value computed by ${type.to}`;
    default:
      return 'a constant';
  }
}

export function sameTrace(a: Ref, b: Ref): void {
  if (a.trace !== b.trace) fail('PROGRAM_PLACEMENT', 'this value belongs to another task');
}
