/**
 * The plan under construction. Every value of a program is a handle on one node; equal expressions are one node, so that
 * a count which protects a reveal is recognised wherever it is written.
 * @module
 */
import type { Attributes, KeyType, Operation, PlanNode, ValueType } from '@2pm/core';
import { callerLine } from './line.ts';
import { LIMIT } from './number.ts';
import { fail } from './program-error.ts';

export type Bounds = { readonly lo: bigint; readonly hi: bigint };

type Unbounded<T> = T extends { lo: string } ? Omit<T, 'lo' | 'hi'> : T;
/** A value type whose bounds are still to be written. */
export type Shape = Unbounded<ValueType>;

/** A node of a trace, with its bounds as integers. */
export interface Ref extends Bounds {
  readonly trace: Trace;
  readonly index: number;
  readonly type: ValueType;
  /** The innermost loop whose steps give it different values; 0 outside of loops. */
  readonly loop: number;
}

export const MAX_NODES = 100_000;
const UNBOUNDED: Bounds = { lo: 0n, hi: 0n };
const NONE: Attributes = Object.freeze({});
const UNKNOWN_LINE = -1;
const LEAST = -LIMIT;

export class Trace {
  readonly nodes: PlanNode[] = [];
  readonly recipients: string[] = [];
  readonly revealed = new Set<string>();
  readonly tables: {
    readonly [name: string]: { readonly maxRows: number; readonly keys?: { readonly [name: string]: KeyType } };
  };
  readonly roles: { readonly [name: string]: { readonly min: number; readonly max: number } };
  readonly #refs: Ref[] = [];
  readonly #known = new Map<string, Ref>();
  readonly #keys: string[] = [];
  readonly #loops: number[] = [];
  #loopsBegun = 0;
  /** Operations of all steps of loops but the first. */
  #repeated = 0;

  constructor(tables: Trace['tables'], roles: Trace['roles']) {
    this.tables = tables;
    this.roles = roles;
  }

  ref(index: number): Ref {
    return this.#refs[index] as Ref;
  }

  emit(op: Operation, args: readonly Ref[], shape: Shape, bounds = UNBOUNDED, attrs = NONE): Ref {
    // By places and without spreading, here and in what leads here: iterators are slow in the sandbox.
    if (this.#loops.length > 0) expectInLoop(op, shape);
    const indices: number[] = [];
    let key: string = op;
    let loop = 0;
    for (let i = 0; i < args.length; i++) {
      const { index, loop: its } = args[i] as Ref;
      if (this.#refs[index] !== args[i] || (its > 0 && op !== 'iterate/1' && !this.#loops.includes(its))) outOfStep();
      if (its > loop) loop = its;
      indices.push(index);
      key += ` ${index}`;
    }
    if (shape.kind === 'constant') key += `/${shape.value}/${shape.fractionBits}`;
    else if (op === 'input/1' && shape.kind === 'table') key += `/${shape.role}`;
    if (attrs !== NONE && Object.keys(attrs).length > 0) key += JSON.stringify(attrs);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.nodes.length >= MAX_NODES) this.#expectSize();
    const type = 'fractionBits' in shape && shape.kind !== 'constant' ? bounded(op, shape, bounds) : shape;
    if (op === 'carried/1' || op === 'iterate/1') loop = this.#loops.at(-1) ?? 0;
    if (op === 'step/1') loop = (attrs.loop ?? 0) + 1;
    const { lo, hi } = bounds;
    const ref: Ref = { trace: this, index: this.nodes.length, type: type as ValueType, lo, hi, loop };
    // Reading a stack is most of the cost of a node; a constant takes the line of the operation it is written for.
    const line = op === 'constant/1' ? UNKNOWN_LINE : callerLine();
    for (let i = 0; i < indices.length; i++) {
      const arg = this.nodes[indices[i] as number];
      if (arg?.line === UNKNOWN_LINE) arg.line = line;
    }
    this.nodes.push({ op, args: indices, attrs, type: ref.type, line });
    this.#refs.push(ref);
    this.#known.set(key, ref);
    this.#keys.push(key);
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
        for (const key of this.#keys.splice(nodes)) this.#known.delete(key);
        this.nodes.length = nodes;
        this.#refs.length = nodes;
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
    const shape: Shape = { kind: 'constant', fractionBits, value: String(value) };
    return this.emit('constant/1', [], shape, { lo: value, hi: value });
  }
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

function bounded(op: Operation, shape: Shape & { fractionBits: number }, { lo, hi }: Bounds): object {
  if (lo <= LEAST || hi >= LIMIT) {
    const scaled = shape.fractionBits > 0 ? ` in units of 2^-${shape.fractionBits}` : '';
    fail(
      'PROGRAM_OVERFLOW',
      `${op.split('/')[0]} could reach ${lo}..${hi}${scaled}, beyond ±2^62 = ±${LIMIT}`,
      'Declare narrower column ranges, a smaller maxRows, fewer members or fewer fraction bits',
    );
  }
  if (shape.fractionBits > 62) {
    fail('PROGRAM_OVERFLOW', `the result would have ${shape.fractionBits} fraction bits, more than 62`);
  }
  return { ...shape, lo: String(lo), hi: String(hi) };
}

let read: (value: Value) => Ref;

/** Base of everything that a program holds. The node behind it is out of the program's reach. */
export abstract class Value {
  readonly #ref: Ref;

  constructor(ref: Ref) {
    this.#ref = ref;
  }

  static {
    read = (value) => value.#ref;
  }

  /** A handle is no number: `a + b`, `a < b` and `if (a)` cannot see data. */
  [Symbol.toPrimitive](): never {
    fail('PROGRAM_OPERATOR', 'values are no JavaScript numbers', 'Write a.add(b), a.lt(b), condition.select(a, b)');
  }

  toJSON(): never {
    fail('PROGRAM_OPERATOR', 'values hold no data while the program is traced');
  }
}

export function refOf(value: Value): Ref {
  return read(value);
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
