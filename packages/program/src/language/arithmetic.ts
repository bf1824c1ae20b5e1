/** Fixed-point arithmetic on nodes of one placement: scales are aligned and bounds follow by interval arithmetic. @module */
import type { Operation } from '@2pm/core';
import { scale } from './number.ts';
import { fail } from './program-error.ts';
import type { Bounds, Ref, Shape } from './trace.ts';

export type Arithmetic = 'add' | 'sub' | 'mul' | 'minimum' | 'maximum';
export type Comparison = 'lt' | 'le' | 'gt' | 'ge' | 'eq' | 'ne';

/** Both sides of an operation. They are handed on as they are, and read by their places: arrays are slow in the sandbox. */
export type Sides = readonly [Ref, Ref];

export const BIT: Bounds = { lo: 0n, hi: 1n };

// Math.min and Math.max do not take bigints. Every node of a plan comes here, so: no arrays.
function least(a: bigint, b: bigint): bigint {
  if (a <= b) return a;
  return b;
}
function greatest(a: bigint, b: bigint): bigint {
  if (a >= b) return a;
  return b;
}

export const interval = {
  add: (a: Bounds, b: Bounds): Bounds => ({ lo: a.lo + b.lo, hi: a.hi + b.hi }),
  sub: (a: Bounds, b: Bounds): Bounds => ({ lo: a.lo - b.hi, hi: a.hi - b.lo }),
  mul: (a: Bounds, b: Bounds): Bounds => {
    if (a.lo >= 0n && b.lo >= 0n) return { lo: a.lo * b.lo, hi: a.hi * b.hi };
    const p = a.lo * b.lo;
    const q = a.lo * b.hi;
    const r = a.hi * b.lo;
    const s = a.hi * b.hi;
    return { lo: least(least(p, q), least(r, s)), hi: greatest(greatest(p, q), greatest(r, s)) };
  },
  minimum: (a: Bounds, b: Bounds): Bounds => ({ lo: least(a.lo, b.lo), hi: least(a.hi, b.hi) }),
  maximum: (a: Bounds, b: Bounds): Bounds => ({ lo: greatest(a.lo, b.lo), hi: greatest(a.hi, b.hi) }),
  neg: (a: Bounds): Bounds => ({ lo: -a.hi, hi: -a.lo }),
  hull: (a: Bounds, b: Bounds): Bounds => ({ lo: least(a.lo, b.lo), hi: greatest(a.hi, b.hi) }),
  /** Of any sum of at most `count` such values, none included. */
  sum: (a: Bounds, count: number): Bounds => ({
    lo: least(0n, a.lo * BigInt(count)),
    hi: greatest(0n, a.hi * BigInt(count)),
  }),
};

/** The result's shape at a number of fraction bits; the caller knows placement, length and nullability. */
export type ShapeAt = (fractionBits: number, args: readonly Ref[]) => Shape;

export function bitsOf(ref: Ref): number {
  return 'fractionBits' in ref.type ? ref.type.fractionBits : 0;
}

/** A number beside `other`: at its scale, or as a whole factor. */
export function constantBeside(other: Ref, value: number | bigint, role: 'term' | 'factor'): Ref {
  const whole = typeof value === 'bigint' || Number.isInteger(value);
  const bits = role === 'factor' && whole ? 0 : bitsOf(other);
  return other.trace.constant(scaledBeside(other, value, bits), bits);
}

/** A number as an integer with `bits` fraction bits; fractions only beside a value that has them. */
export function scaledBeside(other: Ref, value: number | bigint, bits: number = bitsOf(other)): bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    fail('PROGRAM_TYPE', `expected a number or a value, got ${value === null ? 'null' : typeof value}`);
  }
  if (bits === 0 && Number.isInteger(value)) return BigInt(value);
  if (typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value) && bitsOf(other) === 0) {
    fail('PROGRAM_FRACTION', `${value} is no whole number, but the other side is`, 'Declare the column as fixed(…)');
  }
  return scale(value, bits);
}

const OPERATIONS = {
  add: 'add/1',
  sub: 'sub/1',
  mul: 'mul/1',
  minimum: 'minimum/1',
  maximum: 'maximum/1',
} satisfies Record<Arithmetic, Operation>;

export function arithmetic(op: Arithmetic, given: Sides, shapeAt: ShapeAt): Ref {
  const product = op === 'mul';
  const sides = product ? given : aligned(given, shapeAt);
  const a = sides[0];
  const b = sides[1];
  const bits = product ? bitsOf(a) + bitsOf(b) : bitsOf(a);
  return a.trace.emit(OPERATIONS[op], sides, shapeAt(bits, sides), interval[op](a, b));
}

export function comparison(op: Comparison, sides: Sides, shapeAt: ShapeAt, result: Shape): Ref {
  return sides[0].trace.emit(`${op}/1`, aligned(sides, shapeAt), result, BIT);
}

/** Brings the coarser of two to the finer scale: times the constant 1.0 with the missing fraction bits. */
export function aligned(sides: Sides, shapeAt: ShapeAt): Sides {
  const a = sides[0];
  const b = sides[1];
  if (a.type === b.type) return sides;
  const difference = bitsOf(b) - bitsOf(a);
  if (difference > 0) return [widened(a, difference, shapeAt), b];
  if (difference < 0) return [a, widened(b, -difference, shapeAt)];
  return sides;
}

function widened(ref: Ref, bits: number, shapeAt: ShapeAt): Ref {
  const one = ref.trace.constant(1n << BigInt(bits), bits);
  return ref.trace.emit('mul/1', [ref, one], shapeAt(bitsOf(ref) + bits, [ref]), interval.mul(ref, one));
}
