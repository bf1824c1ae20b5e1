/**
 * Elementary functions of fixed-point secrets. An argument is an integer x within a public range, with `from` fraction
 * bits; the result has `to`. Each function first finds, by comparisons with public thresholds, the interval in which x
 * lies, moves it into one short interval, and takes a polynomial there. The powers of two that the move cost are a sum
 * over the same comparison bits, so that they come back by one product.
 *
 *   function     argument   thresholds                 rounds   error, in units of 2^-to
 *   reciprocal   x ≥ 1      bit lengths of the range   30       2 + value · 2^-27   (quotient: see there)
 *   sqrt         x ≥ 0      bit lengths of the range   30       2 + value · 2^-27
 *   log          x ≥ 1      bit lengths of the range   27       2 + 2^(to-26)
 *   exp          any        one for each ln 2          25       2 + value · 2^-27
 *   sigmoid      any        22, to ±16                 13       2 + 2^(to-19)
 *
 * Normalisation by bit length after Catrina, Saxena: Secure Computation with Fixed-Point Numbers, FC 2010, §4; without
 * their bit decomposition. Nothing leaks: all is made of gates that leak nothing, and lengths are public.
 * @module
 */
import type { CircuitBuilder } from '../circuit.ts';
import { exp as expOf, interpolate, log as logOf, toFixed } from './approximate.ts';
import { byPiece, combination, FRACTION, located, powers } from './piecewise.ts';

export interface Range {
  lo: bigint;
  hi: bigint;
  /** Fraction bits of the argument, and of the result. */
  from: number;
  to: number;
}

/** √2 and ln 2 with 62 fraction bits. */
const SQRT_2 = 0x5a827999fcef3242n;
const LN_2 = 0x2c5c85fdf473de6an;
/** Bits of a dividend that count. */
const QUOTIENT_BITS = 31;
/** Fraction bits of coefficients: with those of powers, a value below 4 stays within 2^62. */
const COEFFICIENT = 30;
/** The results of reciprocal, sqrt and exp have at most so many bits. */
export const RESULT_BITS = 32;

/** Whether all intermediate values stay within 2^62, and the function is defined on the range. */
export function isSupported(
  name: 'reciprocal' | 'sqrt' | 'exp' | 'log' | 'sigmoid',
  { lo, hi, from, to }: Range,
): boolean {
  if (lo > hi || lo <= -(2n ** 62n) || hi >= 2n ** 62n || to > FRACTION) return false;
  switch (name) {
    case 'reciprocal':
      return lo > 0n && from + to - bitLength(lo) + 2 <= RESULT_BITS;
    case 'sqrt':
      return lo >= 0n && (bitLength(hi) - from) / 2 + to < RESULT_BITS;
    case 'exp':
      return floorOfLn2(hi, from) + to + 2 <= RESULT_BITS;
    case 'log':
      return lo > 0n;
    case 'sigmoid':
      return true;
  }
}

export function reciprocal(b: CircuitBuilder, x: number, range: Range): number {
  const { t, beyond, exponents } = normalised(b, x, range);
  // 1 / 2c, which is at most 1.
  const inverse = polynomial(b, t, (s) => 2 / (s + 3), 1, 12);
  return scaledBack(
    b,
    inverse,
    beyond,
    exponents.map((j) => 2 * (range.from + range.to - j + 1)),
  );
}

/**
 * a / x with `to` fraction bits, `x` on `range`; a in ±`most`, with `from` fraction bits. 33 rounds; the error is at most
 * 2 and 2^-27 of most / x.
 */
export function quotient(b: CircuitBuilder, a: number, x: number, { range, ...of }: Division): number {
  const { length } = b.at(a);
  const { t, beyond, exponents } = normalised(b, x, range);
  const inverse = polynomial(b, t, (s) => 2 / (s + 3), 1, 12);
  const size = bitLength(of.most);
  const coarse = Math.max(size - QUOTIENT_BITS, 0);
  const dividend = b.truncate(a, coarse);
  // |a| / 2c · 2^-cut stays below 2^31.
  const cut = Math.max(size - coarse - 1, 0);
  const fine = b.truncate(b.words('mul', length, [dividend, inverse]), cut);
  const powers = exponents.map((j) => range.from - j + 1 + range.to - of.from + coarse + cut - FRACTION);
  const spare = Math.min(62, FRACTION - Math.max(...powers));
  const factors = powers.map((power) => shifted(1n, power + spare));
  return b.truncate(b.words('mul', length, [fine, byPiece(b, beyond, factors, length)]), spare);
}

export interface Division {
  /** Of the divisor, and of the result. */
  range: Range;
  /** Of the dividend. */
  most: bigint;
  from: number;
}

export function isDivisible({ range, most, from }: Division): boolean {
  const { lo, hi, to } = range;
  if (lo <= 0n || lo > hi || hi >= 2n ** 62n || most >= 2n ** 62n || to > FRACTION) return false;
  return bitLength(most) - bitLength(lo) + 1 + range.from - from + to < RESULT_BITS;
}

export function sqrt(b: CircuitBuilder, x: number, range: Range): number {
  const { t, beyond, exponents } = normalised(b, x, range);
  const root = polynomial(b, t, (s) => Math.sqrt((s + 3) / 4), 1, 9);
  const halves = exponents.map((j) => (j === 0 ? undefined : j - range.from + 2 * range.to));
  return scaledBack(b, root, beyond, halves);
}

export function log(b: CircuitBuilder, x: number, range: Range): number {
  const { length } = b.at(x);
  const { t, beyond, exponents } = normalised(b, x, range);
  const bits = 26;
  const coefficients = interpolate((s) => logOf((s + 3) / 4), 1, 9).map((c) => toFixed(c, bits));
  const part = combination(b, powers(b, t, 9), coefficients);
  const whole = exponents.map((j) => (BigInt(j - range.from) * LN_2) >> BigInt(62 - FRACTION - bits));
  const sum = b.words('add', length, [part, byPiece(b, beyond, whole, length)]);
  return b.truncate(sum, FRACTION + bits - range.to);
}

/** e^x = e^t · √2 · 2^i for i ln 2 ≤ x < (i + 1) ln 2 and t = x - (i + ½) ln 2. */
export function exp(b: CircuitBuilder, x: number, range: Range): number {
  const { length } = b.at(x);
  const least = floorOfLn2(range.lo, range.from);
  const from = Math.max(least, -range.to - 3);
  const to = Math.max(floorOfLn2(range.hi, range.from), from);
  const pieces = Array.from({ length: to - from + 1 }, (_, n) => from + n);
  const starts = pieces.map((i) => -((-BigInt(i) * LN_2) >> BigInt(62 - range.from)));
  // Below the first piece the result is 0; if no x lies there, the first piece needs no threshold.
  const bounded = from === least;
  const beyond = located(b, x, bounded ? starts.slice(1) : starts);
  const centres = pieces.map((i) => shifted((2n * BigInt(i) + 1n) * LN_2, FRACTION - 63));
  const wide = b.words('sub', length, [
    atFraction(b, x, range.from),
    byPiece(b, beyond, bounded ? centres : [0n, ...centres], length),
  ]);
  const t = bounded ? wide : b.words('mul', length, [wide, beyond[0] ?? -1]);
  const power = polynomial(b, t, expOf, 0.36, 7);
  const halves = pieces.map((i) => 2 * (i + range.to) + 1);
  return scaledBack(b, power, beyond, bounded ? halves : [undefined, ...halves]);
}

/**
 * 1 / (1 + e^-x): 0 or 1 beyond ±16, and a polynomial of x / 16 on each piece between. The powers are of x itself and not of
 * what x is within its piece, so that they are made while it is compared. Beyond ±16 they are anything, times 0.
 */
export function sigmoid(b: CircuitBuilder, x: number, { lo, hi, from, to }: Range): number {
  const { length } = b.at(x);
  const pieces = sigmoidPieces().filter(({ start, end }) => at(start, from) <= hi && at(end, from) > lo);
  const starts = pieces.slice(1).map(({ start }) => at(start, from));
  const beyond = located(b, x, starts);
  const known = powers(b, atFraction(b, x, from + 4), SIGMOID_DEGREE);
  const coefficient = (m: number) =>
    byPiece(
      b,
      beyond,
      pieces.map(({ coefficients }) => coefficients[m] ?? 0n),
      length,
    );
  let sum = b.words('scale', length, [coefficient(0)], 1n << BigInt(FRACTION));
  for (const [m, power] of known.entries()) {
    sum = b.words('add', length, [sum, b.words('mul', length, [power, coefficient(m + 1)])]);
  }
  return b.truncate(sum, FRACTION + COEFFICIENT - to);
}

/** The least integer with `from` fraction bits that is not below so many sixteenths; beyond all words for infinity. */
function at(sixteenths: number, from: number): bigint {
  if (!Number.isFinite(sixteenths)) return sixteenths < 0 ? -(2n ** 64n) : 2n ** 64n;
  return -((-BigInt(sixteenths) << BigInt(from)) >> 4n);
}

const SIGMOID_DEGREE = 4;
/** Where pieces begin above 0, and below it likewise, in sixteenths: as wide as an error of 2^-22 lets them be. */
const SIGMOID_STARTS = [4, 14, 24, 34, 47, 65, 83, 105, 134, 179, 256];

interface SigmoidPiece {
  /** In sixteenths. */
  start: number;
  end: number;
  /** Of 1, x / 16, (x / 16)², …, with COEFFICIENT fraction bits. */
  coefficients: readonly bigint[];
}

/** A training asks for them again and again. */
function sigmoidPieces(): readonly SigmoidPiece[] {
  if (knownPieces.length > 0) return knownPieces;
  const starts = [...SIGMOID_STARTS.map((start) => -start).reverse(), ...SIGMOID_STARTS];
  const [least = 0, greatest = 0, one] = [starts[0], starts.at(-1), 1n << BigInt(COEFFICIENT)];
  knownPieces.push({ start: Number.NEGATIVE_INFINITY, end: least, coefficients: [] });
  for (const [i, start] of starts.slice(0, -1).entries()) {
    const end = starts[i + 1] ?? greatest;
    const [centre, half] = [(start + end) / 2 / 16, (end - start) / 2 / 16];
    const around = interpolate((t) => 1 / (1 + expOf(-(t + centre))), half, SIGMOID_DEGREE);
    const coefficients = recentred(around, centre).map((c, m) => toFixed(c * 16 ** m, COEFFICIENT));
    knownPieces.push({ start, end, coefficients });
  }
  knownPieces.push({ start: greatest, end: Number.POSITIVE_INFINITY, coefficients: [one] });
  return knownPieces;
}
const knownPieces: SigmoidPiece[] = [];

/** The coefficients of p(x - centre), by Horner's scheme. */
function recentred(p: readonly number[], centre: number): number[] {
  const out: number[] = [];
  for (const c of [...p].reverse()) {
    for (let m = out.length; m >= 0; m--) out[m] = (m > 0 ? (out[m - 1] ?? 0) : 0) - centre * (out[m] ?? 0);
    out[0] = (out[0] ?? 0) + c;
  }
  return out.slice(0, p.length);
}

/**
 * x = c · 2^j with c in [½, 1): t = 4c - 3 in [-1, 1) and, for each piece, its j. Where x is 0, j and t are 0.
 * Thirteen rounds, ten if the range lies between two powers of two.
 */
function normalised(b: CircuitBuilder, x: number, { lo, hi }: Range) {
  const { length } = b.at(x);
  const [least, most] = [bitLength(lo), bitLength(hi)];
  const exponents = Array.from({ length: most - least + 1 }, (_, i) => least + i);
  const beyond = located(
    b,
    x,
    exponents.slice(1).map((j) => 1n << BigInt(j - 1)),
  );
  const top = Math.max(most, FRACTION + 2);
  const factors = exponents.map((j) => (j === 0 ? 0n : 1n << BigInt(top - j)));
  const wide = b.words('mul', length, [x, byPiece(b, beyond, factors, length)]);
  const minus = exponents.map((j) => (j === 0 ? 0n : 3n << BigInt(FRACTION)));
  const fine = b.truncate(wide, top - FRACTION - 2);
  return { t: b.words('sub', length, [fine, byPiece(b, beyond, minus, length)]), beyond, exponents };
}

/** f(t), |t| ≤ h, with FRACTION fraction bits. */
function polynomial(b: CircuitBuilder, t: number, f: (t: number) => number, h: number, degree: number): number {
  const coefficients = interpolate(f, h, degree).map((c) => toFixed(c, COEFFICIENT));
  return b.truncate(combination(b, powers(b, t, degree), coefficients), COEFFICIENT);
}

/** value · 2^(halves / 2) of the piece, or 0; the largest result has at most RESULT_BITS bits. Three rounds. */
function scaledBack(
  b: CircuitBuilder,
  value: number,
  beyond: readonly number[],
  halves: readonly (number | undefined)[],
): number {
  const { length } = b.at(value);
  const largest = Math.max(...halves.map((half) => Math.ceil((half ?? 0) / 2)));
  const spare = Math.min(Math.max(RESULT_BITS - 1 - largest, 0), RESULT_BITS - 1);
  const factors = halves.map((half) => {
    if (half === undefined) return 0n;
    return half % 2 === 0 ? shifted(1n, half / 2 + spare) : shifted(SQRT_2, (half - 1) / 2 + spare - 62);
  });
  return b.truncate(b.words('mul', length, [value, byPiece(b, beyond, factors, length)]), FRACTION + spare);
}

/** x with FRACTION fraction bits, modulo 2^64. */
function atFraction(b: CircuitBuilder, x: number, bits: number): number {
  if (bits > FRACTION) return b.truncate(x, bits - FRACTION);
  return b.words('scale', b.at(x).length, [x], 1n << BigInt(FRACTION - bits));
}

/** The whole number of ln 2 in x. */
function floorOfLn2(x: bigint, bits: number): number {
  return Number(floorDiv(x << BigInt(62 - bits), LN_2));
}

function floorDiv(x: bigint, y: bigint): bigint {
  return x / y - (x % y !== 0n && x < 0n !== y < 0n ? 1n : 0n);
}

/** The nearest integer to x · 2^by. */
function shifted(x: bigint, by: number): bigint {
  return by >= 0 ? x << BigInt(by) : (x + (1n << BigInt(-by - 1))) >> BigInt(-by);
}

function bitLength(x: bigint): number {
  return x <= 0n ? 0 : x.toString(2).length;
}
