/** Shared placement: values that nobody holds, computed on between the seats. @module */
import {
  type Arithmetic,
  aligned,
  arithmetic,
  BIT,
  bitsOf,
  type Comparison,
  comparison,
  constantBeside,
  interval,
  type ShapeAt,
  type Sides,
} from './arithmetic.ts';
import type { KeyedRows } from './keyed-rows.ts';
import { LocalRows, LocalVector } from './local.ts';
import {
  absolute,
  dots,
  type Elementary,
  elementary,
  lengthOf,
  numberLike,
  quotient,
  reduced,
  repeated,
  rescaled,
  scaled,
  sliced,
} from './numeric.ts';
import { fail } from './program-error.ts';
import { type Bounds, describeOperand, type Ref, refOf, type Shape, sameTrace, Value } from './trace.ts';
import { mapTree, type Tree } from './tree.ts';

export type SharedKind = 'int' | 'bool';
export type Numeric = SharedVector<'int'> | number | bigint;

export interface Precision {
  /** Of the result: 16 unless told, at most 30. */
  readonly fractionBits?: number;
}

/**
 * A secret vector. Both sides of an operation have the same length, or one is a number or has a single entry.
 * `reciprocal`, `div`, `sqrt`, `exp`, `log` and `sigmoid` err by at most 2 units of the last place and by 2^-27 of the
 * value (`log`: by 2^-26, `sigmoid`: by 2^-19 in all; `div`: see there); they take about 30 rounds.
 */
export class SharedVector<K extends SharedKind = SharedKind> extends Value {
  declare protected readonly holds: K;

  /** Public: number of entries (of one member's block, when stacked). */
  get length(): number {
    return typeOf(refOf(this)).length;
  }

  add(this: SharedVector<'int'>, other: Numeric): SharedVector<'int'> {
    return this.#arithmetic('add', other);
  }
  sub(this: SharedVector<'int'>, other: Numeric): SharedVector<'int'> {
    return this.#arithmetic('sub', other);
  }
  /** Fraction bits add up. */
  mul(this: SharedVector<'int'>, other: Numeric): SharedVector<'int'> {
    return this.#arithmetic('mul', other);
  }
  neg(this: SharedVector<'int'>): SharedVector<'int'> {
    const ref = this.#expect('int');
    return new SharedVector(ref.trace.emit('neg/1', [ref], shapeLike(ref, 'int', bitsOf(ref)), interval.neg(ref)));
  }
  /** Of all entries; of bools, how many are true. */
  sum(): SharedVector<'int'> {
    const ref = refOf(this);
    const { length, stacked } = typeOf(ref);
    if (stacked !== undefined) {
      fail('PROGRAM_STACKED', 'sum() does not apply to stacked values', 'Take .total() of what each holder does');
    }
    const shape: Shape = { kind: 'shared', length: 1, dtype: 'int', fractionBits: bitsOf(ref) };
    const bounds = { lo: ref.lo * BigInt(length), hi: ref.hi * BigInt(length) };
    return new SharedVector(ref.trace.emit('sum/1', [ref], shape, bounds));
  }

  /** To `fractionBits`: exactly, if they are more; else to one of the two neighbours, the nearer the likelier. */
  rescale(this: SharedVector<'int'>, fractionBits: number): SharedVector<'int'> {
    return new SharedVector(rescaled(this.#expect('int'), fractionBits));
  }
  abs(this: SharedVector<'int'>): SharedVector<'int'> {
    return new SharedVector(absolute(this.#expect('int')));
  }
  /** Entry by entry the lesser of the two, as numpy.minimum. */
  minimum(this: SharedVector<'int'>, other: Numeric): SharedVector<'int'> {
    return this.#arithmetic('minimum', other);
  }
  maximum(this: SharedVector<'int'>, other: Numeric): SharedVector<'int'> {
    return this.#arithmetic('maximum', other);
  }
  clip(this: SharedVector<'int'>, least: Numeric, most: Numeric): SharedVector<'int'> {
    return this.maximum(least).minimum(most);
  }
  /** The least entry. */
  min(this: SharedVector<'int'>): SharedVector<'int'> {
    return new SharedVector(reduced('min', this.#whole()));
  }
  max(this: SharedVector<'int'>): SharedVector<'int'> {
    return new SharedVector(reduced('max', this.#whole()));
  }
  /** The first place, from 0, of the greatest entry. */
  argmax(this: SharedVector<'int'>): SharedVector<'int'> {
    return new SharedVector(reduced('argmax', this.#whole()));
  }
  /** Σ x[i] y[i], without rounding. */
  dot(this: SharedVector<'int'>, other: SharedVector<'int'>): SharedVector<'int'> {
    const ref = this.#whole();
    return new SharedVector(dots(ref, [sameShape(ref, other, 'int')]));
  }
  /** Entries from `start` up to `end`, which is left out. */
  slice(this: SharedVector<'int'>, start: number, end: number = this.length): SharedVector<'int'> {
    return new SharedVector(sliced(this.#whole(), start, end - start));
  }
  /** The members' vectors as one: for roles that have a fixed number of members. */
  unstack(this: SharedVector<'int'>): SharedVector<'int'> {
    const ref = this.#expect('int');
    const { length, stacked } = typeOf(ref);
    const role = ref.trace.roles[stacked ?? ''];
    if (role === undefined || role.min !== role.max) {
      fail('PROGRAM_STACKED', 'unstack() needs a stacked value of a role whose min and max are equal');
    }
    const shape = numberLike(ref, bitsOf(ref), length * role.max);
    return new SharedVector(ref.trace.emit('unstack/1', [ref], shape, ref));
  }
  /** Entry `place`, from 0. */
  at(this: SharedVector<'int'>, place: number): SharedVector<'int'> {
    return this.slice(place, place + 1);
  }

  /** 1 / x, for x that its range keeps above 0. */
  reciprocal(this: SharedVector<'int'>, options: Precision = {}): SharedVector<'int'> {
    return this.#elementary('reciprocal', options);
  }
  /**
   * This over a divisor that its range keeps above 0. The error is at most 2 units of the last place and 2^-27 of what the
   * greatest |dividend| of the range over the same divisor gives; by a number, 2^-27 of the quotient.
   */
  div(this: SharedVector<'int'>, divisor: Numeric, { fractionBits = 16 }: Precision = {}): SharedVector<'int'> {
    if (!(divisor instanceof Value)) {
      const value = Number(divisor);
      if (value === 0 || !Number.isFinite(value)) fail('PROGRAM_RANGE', `cannot divide by ${String(divisor)}`);
      return new SharedVector(rescaled(scaled(this.#expect('int'), 1 / value), fractionBits));
    }
    const sides = broadcast(this.#expect('int'), divisor, 'int');
    return new SharedVector(quotient(sides[0], sides[1], fractionBits));
  }
  sqrt(this: SharedVector<'int'>, options: Precision = {}): SharedVector<'int'> {
    return this.#elementary('sqrt', options);
  }
  exp(this: SharedVector<'int'>, options: Precision = {}): SharedVector<'int'> {
    return this.#elementary('exp', options);
  }
  /** The natural logarithm of x that its range keeps above 0. */
  log(this: SharedVector<'int'>, options: Precision = {}): SharedVector<'int'> {
    return this.#elementary('log', options);
  }
  /** 1 / (1 + e^-x). */
  sigmoid(this: SharedVector<'int'>, options: Precision = {}): SharedVector<'int'> {
    return this.#elementary('sigmoid', options);
  }

  lt(this: SharedVector<'int'>, other: Numeric): SharedVector<'bool'> {
    return this.#compare('lt', other);
  }
  le(this: SharedVector<'int'>, other: Numeric): SharedVector<'bool'> {
    return this.#compare('le', other);
  }
  gt(this: SharedVector<'int'>, other: Numeric): SharedVector<'bool'> {
    return this.#compare('gt', other);
  }
  ge(this: SharedVector<'int'>, other: Numeric): SharedVector<'bool'> {
    return this.#compare('ge', other);
  }
  eq(this: SharedVector<'int'>, other: Numeric): SharedVector<'bool'> {
    return this.#compare('eq', other);
  }
  ne(this: SharedVector<'int'>, other: Numeric): SharedVector<'bool'> {
    return this.#compare('ne', other);
  }

  and(this: SharedVector<'bool'>, other: SharedVector<'bool'>): SharedVector<'bool'> {
    return this.#logic('and', other);
  }
  or(this: SharedVector<'bool'>, other: SharedVector<'bool'>): SharedVector<'bool'> {
    return this.#logic('or', other);
  }
  not(this: SharedVector<'bool'>): SharedVector<'bool'> {
    const ref = this.#expect('bool');
    return new SharedVector(ref.trace.emit('not/1', [ref], shapeLike(ref, 'bool', 0), BIT));
  }
  /** 1 where this is true, 0 elsewhere. */
  toInt(this: SharedVector<'bool'>): SharedVector<'int'> {
    const ref = this.#expect('bool');
    return new SharedVector(ref.trace.emit('as-int/1', [ref], shapeLike(ref, 'int', 0), BIT));
  }
  /** `yes` where this is true, `no` elsewhere; nobody learns which. */
  select(this: SharedVector<'bool'>, yes: SharedVector<'int'>, no: SharedVector<'int'>): SharedVector<'int'> {
    const condition = this.#expect('bool');
    const [, x1] = broadcast(condition, yes, 'int');
    const [, x2] = broadcast(condition, no, 'int');
    const length = Math.max(lengthOf(x1), lengthOf(x2));
    const ref = repeated(condition, length);
    const [x, y] = aligned([repeated(x1, length), repeated(x2, length)], numberAt);
    const shape = shapeLike(ref, 'int', bitsOf(x));
    return new SharedVector(ref.trace.emit('select/1', [ref, x, y], shape, interval.hull(x, y)));
  }

  #expect(kind: SharedKind): Ref {
    const ref = refOf(this);
    if (ref.type.kind !== 'shared' || ref.type.dtype !== kind)
      fail('PROGRAM_TYPE', `expected a shared ${kind} value, got ${describeOperand(this)}`);
    return ref;
  }
  /** A vector that is not stacked. */
  #whole(): Ref {
    const ref = this.#expect('int');
    if (typeOf(ref).stacked !== undefined) fail('PROGRAM_STACKED', 'this does not apply to stacked values');
    return ref;
  }
  /** Both sides, of one length. */
  #operands(other: unknown, role: 'term' | 'factor'): Sides {
    const ref = this.#expect('int');
    return other instanceof Value ? broadcast(ref, other, 'int') : [ref, constantBeside(ref, other as number, role)];
  }
  #arithmetic(op: Arithmetic, other: unknown): SharedVector<'int'> {
    const sides = this.#operands(other, op === 'mul' ? 'factor' : 'term');
    return new SharedVector(arithmetic(op, sides, numberAt));
  }
  #compare(op: Comparison, other: unknown): SharedVector<'bool'> {
    const sides = this.#operands(other, 'term');
    return new SharedVector(comparison(op, sides, numberAt, shapeLike(sides[0], 'bool', 0)));
  }
  #elementary(name: Elementary, { fractionBits = 16 }: Precision): SharedVector<'int'> {
    return new SharedVector(elementary(name, this.#expect('int'), fractionBits));
  }
  #logic(op: 'and' | 'or', other: unknown): SharedVector<'bool'> {
    const args = broadcast(this.#expect('bool'), other, 'bool');
    return new SharedVector(args[0].trace.emit(`${op}/1`, args, shapeLike(args[0], 'bool', 0), BIT));
  }
}

function typeOf(ref: Ref) {
  if (ref.type.kind !== 'shared') fail('PROGRAM_PLACEMENT', `expected a shared value, got a ${ref.type.kind} one`);
  return ref.type;
}

function shapeLike(ref: Ref, dtype: SharedKind, fractionBits: number): Shape {
  const type = typeOf(ref);
  if (type.dtype === dtype && type.fractionBits === fractionBits) return type;
  const { length, stacked } = type;
  return { kind: 'shared', length, ...(stacked === undefined ? {} : { stacked }), dtype, fractionBits };
}

const numberAt: ShapeAt = (fractionBits, args) => numberLike(args[0] as Ref, fractionBits);

/** Both sides; a single entry goes with any length. */
function broadcast(ref: Ref, other: unknown, dtype: SharedKind): Sides {
  const operand = operandOf(ref, other, dtype);
  if (operand.type === ref.type) return [ref, operand];
  const length = Math.max(lengthOf(ref), lengthOf(operand));
  const x = stretched(ref, length);
  const y = stretched(operand, length);
  checkShapes(x, y);
  return [x, y];
}

function stretched(ref: Ref, length: number): Ref {
  return lengthOf(ref) === 1 && !isStacked(ref) ? repeated(ref, length) : ref;
}

function sameShape(ref: Ref, other: unknown, dtype: SharedKind): Ref {
  const operand = operandOf(ref, other, dtype);
  checkShapes(ref, operand);
  return operand;
}

function isStacked(ref: Ref): boolean {
  return typeOf(ref).stacked !== undefined;
}

function checkShapes(a: Ref, b: Ref): void {
  const mine = typeOf(a);
  const its = typeOf(b);
  if (mine.stacked !== its.stacked) fail('PROGRAM_STACKED', 'one side is stacked by member, the other is not');
  if (mine.length !== its.length) fail('PROGRAM_LENGTH', `lengths differ: ${mine.length} and ${its.length}`);
}

function operandOf(ref: Ref, other: unknown, dtype: SharedKind): Ref {
  if (!(other instanceof SharedVector)) {
    const fix = other instanceof LocalVector ? 'Share it first: each(…).total() or .stack()' : undefined;
    fail('PROGRAM_PLACEMENT', `expected a shared value, got ${describeOperand(other)}`, fix);
  }
  const operand = refOf(other);
  sameTrace(ref, operand);
  const its = typeOf(operand);
  if (its.dtype !== dtype) fail('PROGRAM_TYPE', `expected a shared ${dtype} value, got a shared ${its.dtype} value`);
  return operand;
}

export type Shared<T> = T extends KeyedRows
  ? never
  : T extends LocalVector
    ? SharedVector<'int'>
    : { readonly [N in keyof T]: Shared<T[N]> };

/** What every holder of a role computed, on its way into shares. */
export class Each<T extends Tree<LocalVector> | KeyedRows> {
  /** For `join` and `psi`. */
  readonly values: T;
  readonly #role: string;
  readonly #members: number;

  constructor(values: T, role: string, members: number) {
    this.values = values;
    this.#role = role;
    this.#members = members;
  }

  /** The sum over all members of the role. */
  total(): Shared<T> {
    const members = BigInt(this.#members);
    return this.#share('total/1', (ref) => ({ lo: ref.lo * members, hi: ref.hi * members }));
  }

  /** The members' vectors side by side, in roster order. */
  stack(): Shared<T> {
    return this.#share('stack/1', (ref) => ref);
  }

  #share(op: 'total/1' | 'stack/1', bounds: (ref: Ref) => Bounds): Shared<T> {
    const share = (leaf: unknown) => {
      if (!(leaf instanceof LocalVector)) {
        const fix = 'Reduce columns with count(), sum() or histogram()';
        fail('PROGRAM_PLACEMENT', `each() must give local aggregates, got ${describeOperand(leaf)}`, fix);
      }
      const ref = refOf(leaf);
      if (ref.type.kind !== 'local' || ref.type.role !== this.#role) {
        fail('PROGRAM_ROLE', `${describeOperand(leaf)} cannot leave each('${this.#role}', …)`);
      }
      if (op === 'total/1' && ref.trace.nodes[ref.index]?.op === 'rows/1') {
        fail('PROGRAM_STACKED', 'rows of several holders cannot be added up', 'Use .stack()');
      }
      if (leaf instanceof LocalRows && LocalRows.haveFractions(leaf)) {
        fail('PROGRAM_TYPE', 'stack() of rows takes whole numbers only', 'Use union(each(…))');
      }
      const { length, fractionBits } = ref.type;
      const stacked = op === 'stack/1' ? { stacked: this.#role } : {};
      const shape: Shape = { kind: 'shared', length, ...stacked, dtype: 'int', fractionBits };
      return new SharedVector(ref.trace.emit(op, [ref], shape, bounds(ref)));
    };
    return mapTree(this.values, (value) => value instanceof Value, share) as Shared<T>;
  }
}
