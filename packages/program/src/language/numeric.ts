/**
 * Operations on shared numbers beyond sums and products. Where a result is not exact, its range contains the error; a
 * range on which a function is not defined, or too large, is refused here and not in the run. In integers alone, because
 * every engine must find the same range.
 * @module
 */
import { bitsOf, interval } from './arithmetic.ts';
import { scale } from './number.ts';
import { fail } from './program-error.ts';
import type { Bounds, Ref, Shape } from './trace.ts';

export type Elementary = 'reciprocal' | 'sqrt' | 'exp' | 'log' | 'sigmoid';

/** Most fraction bits of such a result, and most bits of one that has no fixed range. */
const MAX_FRACTION_BITS = 30;
const RESULT_BITS = 32;
const MAX_LENGTH = 2 ** 24;

/** The shape of a shared number like `ref`, with other fraction bits or another length. */
export function numberLike(ref: Ref, fractionBits: number, length?: number): Shape {
  const { type } = ref;
  if (type.kind !== 'shared') fail('PROGRAM_PLACEMENT', `expected a shared value, got a ${type.kind} one`);
  if (length === undefined && type.dtype === 'int' && type.fractionBits === fractionBits) return type;
  const stacked = type.stacked === undefined || length !== undefined ? {} : { stacked: type.stacked };
  return { kind: 'shared', length: length ?? type.length, ...stacked, dtype: 'int', fractionBits };
}

export function lengthOf(ref: Ref): number {
  return ref.type.kind === 'shared' ? ref.type.length : 1;
}

/** To `bits` fraction bits: exactly, if they are more; else to one of the two neighbours, the nearer the likelier. */
export function rescaled(ref: Ref, bits: number): Ref {
  checkBits(bits, 62);
  const cut = bitsOf(ref) - bits;
  if (cut === 0) return ref;
  if (cut < 0) {
    const one = ref.trace.constant(1n << BigInt(-cut), -cut);
    return ref.trace.emit('mul/1', [ref, one], numberLike(ref, bits), interval.mul(ref, one));
  }
  const bounds = { lo: ref.lo >> BigInt(cut), hi: -(-ref.hi >> BigInt(cut)) };
  return ref.trace.emit('rescale/1', [ref], numberLike(ref, bits), bounds, { fractionBits: bits });
}

export function elementary(name: Elementary, ref: Ref, fractionBits: number): Ref {
  checkBits(fractionBits, MAX_FRACTION_BITS);
  const bounds = RANGES[name](ref, bitsOf(ref), fractionBits);
  return ref.trace.emit(`${name}/1`, [ref], numberLike(ref, fractionBits), bounds, { fractionBits });
}

const RANGES: Readonly<Record<Elementary, (x: Bounds, from: number, to: number) => Bounds>> = {
  reciprocal({ lo, hi }, from, to) {
    if (lo <= 0n) outside('reciprocal() and div() need a divisor above 0');
    if (reciprocalBits(lo, from) + to > RESULT_BITS) tooLarge('reciprocal');
    const unit = 2n ** BigInt(from + to);
    return notBelow0(outwards(unit / hi, unit / lo));
  },
  sqrt({ lo, hi }, from, to) {
    if (lo < 0n) outside('sqrt() needs a value that is never below 0');
    const power = Math.max(0, Math.ceil((bitLength(hi) - from) / 2 + to));
    if (power >= RESULT_BITS) tooLarge('sqrt');
    const least = Math.floor((bitLength(lo) - 1 - from) / 2 + to);
    return notBelow0(outwards(lo > 0n && least >= 0 ? 2n ** BigInt(least) : 0n, 2n ** BigInt(power)));
  },
  exp({ hi }, from, to) {
    // 94549 / 65536 is a little more than log2(e).
    const power = 1 + to + Number((hi * 94549n) >> (BigInt(from) + 16n));
    if (power >= RESULT_BITS) tooLarge('exp');
    return notBelow0(outwards(0n, power > 0 ? 2n ** BigInt(power) : 1n));
  },
  log({ lo, hi }, from, to) {
    if (lo <= 0n) outside('log() needs a value above 0');
    // The logarithm to base e is nearer to 0 than that to base 2.
    const [least, most] = [Math.min(0, bitLength(lo) - 1 - from), Math.max(0, bitLength(hi) - from)];
    return outwards(BigInt(least) << BigInt(to), BigInt(most) << BigInt(to));
  },
  sigmoid(_, _from, to) {
    const one = 2n ** BigInt(to);
    const error = 2n + (one >> 18n);
    return { lo: -error, hi: one + error };
  },
};

/** Bits of the reciprocal of a value from `lo` on, before its fraction. */
function reciprocalBits(lo: bigint, from: number): number {
  return from - bitLength(lo) + 2;
}

export function quotient(a: Ref, b: Ref, fractionBits: number): Ref {
  checkBits(fractionBits, MAX_FRACTION_BITS);
  if (b.lo <= 0n) outside('reciprocal() and div() need a divisor above 0');
  const shift = bitsOf(b) - bitsOf(a) + fractionBits;
  const size = Math.max(bitLength(-a.lo), bitLength(a.hi));
  if (size - bitLength(b.lo) + 1 + shift >= RESULT_BITS) tooLarge('div');
  // The ends over the least divisor, towards 0.
  const end = (x: bigint) => (shift >= 0 ? (x << BigInt(shift)) / b.lo : x / (b.lo << BigInt(-shift)));
  const { lo, hi } = outwards(end(a.lo), end(a.hi));
  const bounds = { lo: a.lo < 0n ? lo : 0n, hi: a.hi > 0n ? hi : 2n };
  return a.trace.emit('div/1', [a, b], numberLike(a, fractionBits), bounds, { fractionBits });
}

/** x times a number, by as many bits of the number, 30 at most, as keep the product within ±2^62. */
export function scaled(ref: Ref, factor: number): Ref {
  const size = Math.max(bitLength(-ref.lo), bitLength(ref.hi));
  const before = Math.floor(Math.log2(Math.abs(factor))) + 1;
  const bits = Math.max(0, Math.min(MAX_FRACTION_BITS, 61 - size) - before);
  const constant = ref.trace.constant(
    scale(factor, Math.min(bits, 62 - bitsOf(ref))),
    Math.min(bits, 62 - bitsOf(ref)),
  );
  const shape = numberLike(ref, bitsOf(ref) + bitsOf(constant));
  return ref.trace.emit('mul/1', [ref, constant], shape, interval.mul(ref, constant));
}

export function absolute(ref: Ref): Ref {
  const { lo, hi } = interval.hull(ref, interval.neg(ref));
  const bounds = ref.lo >= 0n ? ref : ref.hi <= 0n ? interval.neg(ref) : { lo: lo > 0n ? lo : 0n, hi };
  return ref.trace.emit('abs/1', [ref], numberLike(ref, bitsOf(ref)), bounds);
}

export function reduced(op: 'min' | 'max' | 'argmax', ref: Ref): Ref {
  if (op !== 'argmax') return ref.trace.emit(`${op}/1`, [ref], numberLike(ref, bitsOf(ref), 1), ref);
  return ref.trace.emit('argmax/1', [ref], numberLike(ref, 0, 1), { lo: 0n, hi: BigInt(lengthOf(ref) - 1) });
}

/** Σ x[i] y[i] for each of several ys of one scale. */
export function dots(x: Ref, ys: readonly Ref[]): Ref {
  const products = ys.map((y) => interval.mul(x, y)).reduce(interval.hull);
  const n = BigInt(lengthOf(x));
  const bounds = { lo: products.lo * n, hi: products.hi * n };
  const bits = bitsOf(x) + bitsOf(ys[0] as Ref);
  return x.trace.emit('dot/1', [x, ...ys], numberLike(x, bits, ys.length), bounds);
}

/** Σ w[j] x…[j], element by element of xs of one scale. */
export function combined(weights: Ref, xs: readonly Ref[]): Ref {
  const [first] = xs as readonly [Ref, ...Ref[]];
  const bounds = xs.map((x) => interval.mul(weights, x)).reduce(interval.add);
  const shape = numberLike(first, bitsOf(weights) + bitsOf(first), lengthOf(first));
  return weights.trace.emit('combine/1', [weights, ...xs], shape, bounds);
}

export function repeated(ref: Ref, length: number): Ref {
  if (lengthOf(ref) === length || ref.type.kind !== 'shared') return ref;
  const shape: Shape = { ...ref.type, length: checkLength(length) } as Shape;
  return ref.trace.emit('repeat/1', [ref], shape, ref, { length });
}

/** `further`: a public number of a step of a loop, of entries that the part begins later. */
export function sliced(ref: Ref, offset: number, length: number, further?: Ref): Ref {
  if (![offset, length].every(Number.isInteger) || offset < 0 || length < 1 || offset + length > lengthOf(ref)) {
    fail('PROGRAM_LENGTH', `a vector of ${lengthOf(ref)} has no entries ${offset} to ${offset + length - 1}`);
  }
  const args = further === undefined ? [ref] : [ref, further];
  return ref.trace.emit('slice/1', args, numberLike(ref, bitsOf(ref), length), ref, { offset, length });
}

/** Of vectors of one scale. */
export function concatenated(parts: readonly Ref[]): Ref {
  const [first] = parts as readonly [Ref, ...Ref[]];
  if (parts.length > 256) fail('PROGRAM_LENGTH', 'at most 256 vectors can be put together at once');
  const length = checkLength(parts.reduce((sum, part) => sum + lengthOf(part), 0));
  const bounds = parts.map(({ lo, hi }): Bounds => ({ lo, hi })).reduce(interval.hull);
  return first.trace.emit('concat/1', parts, numberLike(first, bitsOf(first), length), bounds);
}

export function transposed(ref: Ref, rows: number): Ref {
  return ref.trace.emit('transpose/1', [ref], numberLike(ref, bitsOf(ref), lengthOf(ref)), ref, { rows });
}

/** Row-major matrices with `inner` columns and rows in common. */
export function matrixProduct(x: Ref, y: Ref, inner: number): Ref {
  const { lo, hi } = interval.mul(x, y);
  const length = checkLength((lengthOf(x) / inner) * (lengthOf(y) / inner));
  const bounds = { lo: lo * BigInt(inner), hi: hi * BigInt(inner) };
  return x.trace.emit('matmul/1', [x, y], numberLike(x, bitsOf(x) + bitsOf(y), length), bounds, { inner });
}

function checkBits(bits: number, most: number): void {
  if (!Number.isInteger(bits) || bits < 0 || bits > most) {
    fail('PROGRAM_CONSTANT', `fractionBits must be a whole number from 0 to ${most}`);
  }
}

function checkLength(length: number): number {
  if (!Number.isInteger(length) || length < 1 || length > MAX_LENGTH) {
    fail('PROGRAM_LENGTH', `a vector may have 1 to ${MAX_LENGTH} entries, not ${length}`);
  }
  return length;
}

function outside(message: string): never {
  fail('PROGRAM_RANGE', `${message}, and its declared range does not say so`, 'Bound it first: x.maximum(least)');
}

function tooLarge(name: string): never {
  const fix = 'Bound its argument with maximum() or minimum(), or ask for fewer fractionBits';
  fail('PROGRAM_RANGE', `${name}() could give a result of more than ${RESULT_BITS} bits, fraction included`, fix);
}

/** Moved by 2 and by 2^-20 of each end: more than any error of the circuits. */
function outwards(lo: bigint, hi: bigint): Bounds {
  return { lo: lo - 2n - ((lo < 0n ? -lo : lo) >> 20n), hi: hi + 2n + (hi >> 20n) };
}

function notBelow0({ lo, hi }: Bounds): Bounds {
  return { lo: lo > 0n ? lo : 0n, hi };
}

function bitLength(x: bigint): number {
  return x > 0n ? x.toString(2).length : 0;
}
