/**
 * Functions of a secret that depend on which of several public intervals it lies in, and polynomials of a secret. What
 * belongs to an interval is a sum over bits "x is at or beyond this threshold", which costs nothing once the bits are
 * there: one comparison for each threshold, all in the same 10 rounds.
 * @module
 */
import type { CircuitBuilder } from '../circuit.ts';

/** Fraction bits of what a polynomial is taken of, and of its powers: products of two stay within 2^62. */
export const FRACTION = 30;

/** For each threshold the word 1 where x is at or beyond it, else 0. Thresholds ascend. Ten rounds. */
export function located(b: CircuitBuilder, x: number, thresholds: readonly bigint[]): number[] {
  const { length } = b.at(x);
  if (thresholds.length === 0) return [];
  const from = (threshold: bigint) => b.words('sub', length, [x, constant(b, threshold, length)]);
  // Side by side in one gate, so that short vectors fill whole words of bits.
  const all = b.concat(thresholds.map(from));
  const size = length * thresholds.length;
  const beyond = b.asWords(b.bits('not', size, [b.bits('negative', size, [all])]));
  return thresholds.map((_, i) => b.slice(beyond, i * length, length));
}

/** values[0] before the first threshold, values[i] from threshold i-1 on. Local. */
export function byPiece(
  b: CircuitBuilder,
  beyond: readonly number[],
  values: readonly bigint[],
  length: number,
): number {
  let sum = constant(b, values[0] ?? 0n, length);
  for (const [i, bit] of beyond.entries()) {
    const change = (values[i + 1] ?? 0n) - (values[i] ?? 0n);
    if (change !== 0n) sum = b.words('add', length, [sum, b.words('scale', length, [bit], change)]);
  }
  return sum;
}

export function constant(b: CircuitBuilder, value: bigint, length: number): number {
  return b.repeat(b.words('constant', 1, [], value), length);
}

/**
 * t, t², …, t^degree, for |t| < 2 and all powers below 2^31 / 2^FRACTION; each a few units of the last place off. Three
 * rounds for each doubling.
 */
export function powers(b: CircuitBuilder, t: number, degree: number): number[] {
  const { length } = b.at(t);
  const known = [t];
  for (let n = 2; n <= degree; n++) {
    const half = 2 ** Math.ceil(Math.log2(n) - 1);
    const [x, y] = [known[half - 1] ?? t, known[n - half - 1] ?? t];
    known.push(b.truncate(b.words('mul', length, [x, y]), FRACTION));
  }
  return known;
}

/** Σ c[m] t^m for public c with `bits` fraction bits, given t, t², …; has FRACTION + bits fraction bits. Local. */
export function combination(b: CircuitBuilder, known: readonly number[], coefficients: readonly bigint[]): number {
  const { length } = b.at(known[0] ?? -1);
  const [first = 0n, ...others] = coefficients;
  let sum = constant(b, first << BigInt(FRACTION), length);
  for (const [m, coefficient] of others.entries()) {
    sum = b.words('add', length, [sum, b.words('scale', length, [known[m] ?? -1], coefficient)]);
  }
  return sum;
}
