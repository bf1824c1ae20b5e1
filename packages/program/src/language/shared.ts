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
} from './arithmetic.ts';
import type { KeyedRows } from './keyed-rows.ts';
import { LocalVector } from './local.ts';
import { fail } from './program-error.ts';
import { type Bounds, describeOperand, type Ref, refOf, type Shape, sameTrace, Value } from './trace.ts';
import { mapTree, type Tree } from './tree.ts';

export type SharedKind = 'int' | 'bool';
type Numeric = SharedVector<'int'> | number | bigint;

/** A secret vector. Both sides of an operation have the same length, or one is a number. */
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
  /** `yes` where this is true, `no` elsewhere; nobody learns which. */
  select(this: SharedVector<'bool'>, yes: SharedVector<'int'>, no: SharedVector<'int'>): SharedVector<'int'> {
    const ref = this.#expect('bool');
    const shapeAt = (bits: number) => shapeLike(ref, 'int', bits);
    const [x, y] = aligned(sameShape(ref, yes, 'int'), sameShape(ref, no, 'int'), shapeAt);
    return new SharedVector(ref.trace.emit('select/1', [ref, x, y], shapeAt(bitsOf(x)), interval.hull(x, y)));
  }

  #expect(kind: SharedKind): Ref {
    const ref = refOf(this);
    if (typeOf(ref).dtype !== kind)
      fail('PROGRAM_TYPE', `expected a shared ${kind} value, got ${describeOperand(this)}`);
    return ref;
  }
  #operand(ref: Ref, other: unknown, role: 'term' | 'factor'): Ref {
    return other instanceof Value ? sameShape(ref, other, 'int') : constantBeside(ref, other as number, role);
  }
  #arithmetic(op: Arithmetic, other: unknown): SharedVector<'int'> {
    const ref = this.#expect('int');
    const operand = this.#operand(ref, other, op === 'mul' ? 'factor' : 'term');
    return new SharedVector(arithmetic(op, ref, operand, (bits) => shapeLike(ref, 'int', bits)));
  }
  #compare(op: Comparison, other: unknown): SharedVector<'bool'> {
    const ref = this.#expect('int');
    const operand = this.#operand(ref, other, 'term');
    const shapeAt = (bits: number) => shapeLike(ref, 'int', bits);
    return new SharedVector(comparison(op, ref, operand, shapeAt, shapeLike(ref, 'bool', 0)));
  }
  #logic(op: 'and' | 'or', other: unknown): SharedVector<'bool'> {
    const ref = this.#expect('bool');
    const args = [ref, sameShape(ref, other, 'bool')];
    return new SharedVector(ref.trace.emit(`${op}/1`, args, shapeLike(ref, 'bool', 0), BIT));
  }
}

function typeOf(ref: Ref) {
  if (ref.type.kind !== 'shared') fail('PROGRAM_PLACEMENT', `expected a shared value, got a ${ref.type.kind} one`);
  return ref.type;
}

function shapeLike(ref: Ref, dtype: SharedKind, fractionBits: number): Shape {
  const { length, stacked } = typeOf(ref);
  return { kind: 'shared', length, ...(stacked === undefined ? {} : { stacked }), dtype, fractionBits };
}

function sameShape(ref: Ref, other: unknown, dtype: SharedKind): Ref {
  if (!(other instanceof SharedVector)) {
    const fix = other instanceof LocalVector ? 'Share it first: each(…).total() or .stack()' : undefined;
    fail('PROGRAM_PLACEMENT', `expected a shared value, got ${describeOperand(other)}`, fix);
  }
  const operand = refOf(other);
  sameTrace(ref, operand);
  const [mine, its] = [typeOf(ref), typeOf(operand)];
  if (its.dtype !== dtype) fail('PROGRAM_TYPE', `expected a shared ${dtype} value, got a shared ${its.dtype} value`);
  if (mine.stacked !== its.stacked) fail('PROGRAM_STACKED', 'one side is stacked by member, the other is not');
  if (mine.length !== its.length) fail('PROGRAM_LENGTH', `lengths differ: ${mine.length} and ${its.length}`);
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
      const { length, fractionBits } = ref.type;
      const stacked = op === 'stack/1' ? { stacked: this.#role } : {};
      const shape: Shape = { kind: 'shared', length, ...stacked, dtype: 'int', fractionBits };
      return new SharedVector(ref.trace.emit(op, [ref], shape, bounds(ref)));
    };
    return mapTree(this.values, (value) => value instanceof Value, share) as Shared<T>;
  }
}
