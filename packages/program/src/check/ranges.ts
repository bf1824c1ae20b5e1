/**
 * Ranges of results that are not exact. They contain what the circuits may give, errors included (mpc's elementary.ts):
 * each end is moved outwards by 2 and by 2^-20 of its size. In integers alone, so that everybody finds the same.
 * @module
 */
import type { Bounds } from './bounds.ts';

export type Elementary = 'reciprocal/1' | 'sqrt/1' | 'exp/1' | 'log/1' | 'sigmoid/1';

/** Of x / 2^bits, rounded to either neighbour. */
export function rescaledBounds({ lo, hi }: Bounds, bits: number): Bounds {
  return { lo: lo >> BigInt(bits), hi: -(-hi >> BigInt(bits)) };
}

/** Most fraction bits of a result, and most bits of one that has no fixed range. */
const MAX_FRACTION_BITS = 30;
const RESULT_BITS = 32;

/** Of a function of x / 2^from, as integers with `to` fraction bits; undefined where it is not computed. */
export function elementaryBounds(op: Elementary, { lo, hi }: Bounds, from: number, to: number): Bounds | undefined {
  if (to > MAX_FRACTION_BITS) return undefined;
  const one = 1n << BigInt(to);
  switch (op) {
    case 'reciprocal/1': {
      if (lo <= 0n || from + to - bitLength(lo) + 2 > RESULT_BITS) return undefined;
      const unit = 1n << BigInt(from + to);
      return atLeastZero(widened(unit / hi, unit / lo));
    }
    case 'sqrt/1': {
      // The root of a number below 2^n is below 2^⌈n/2⌉; n in units of the result.
      const above = Math.max(Math.ceil((bitLength(hi) - from) / 2 + to), 0);
      if (lo < 0n || above >= RESULT_BITS) return undefined;
      const below = Math.floor((bitLength(lo) - 1 - from) / 2 + to);
      return atLeastZero(widened(lo === 0n || below < 0 ? 0n : 1n << BigInt(below), 1n << BigInt(above)));
    }
    case 'exp/1': {
      // e^x < 2^(1.4427 x + 1); 94549 / 65536 is a little more than 1 / ln 2.
      const above = Number((hi * 94549n) >> BigInt(from + 16)) + 1 + to;
      if (above >= RESULT_BITS) return undefined;
      return atLeastZero(widened(0n, above < 0 ? 1n : 1n << BigInt(above)));
    }
    case 'log/1': {
      if (lo <= 0n) return undefined;
      // |ln x| is less than the number of bits that x has before or after the point.
      const [below, above] = [Math.min(bitLength(lo) - 1 - from, 0), Math.max(bitLength(hi) - from, 0)];
      return widened(BigInt(below) * one, BigInt(above) * one);
    }
    case 'sigmoid/1': {
      const error = 2n + (one >> 18n);
      return { lo: -error, hi: one + error };
    }
  }
}

/** Of a / b · 2^shift; undefined where it is not computed. */
export function quotientBounds(a: Bounds, b: Bounds, shift: number): Bounds | undefined {
  const size = Math.max(bitLength(a.hi), bitLength(-a.lo));
  if (b.lo <= 0n || size - bitLength(b.lo) + 1 + shift >= RESULT_BITS) return undefined;
  const [up, down] = [BigInt(Math.max(shift, 0)), BigInt(Math.max(-shift, 0))];
  const { lo, hi } = widened(-((-a.lo << up) / (b.lo << down)), (a.hi << up) / (b.lo << down));
  return { lo: a.lo >= 0n ? 0n : lo, hi: a.hi <= 0n ? 2n : hi };
}

function widened(lo: bigint, hi: bigint): Bounds {
  const slack = (end: bigint) => ((end < 0n ? -end : end) >> 20n) + 2n;
  return { lo: lo - slack(lo), hi: hi + slack(hi) };
}

function atLeastZero({ lo, hi }: Bounds): Bounds {
  return { lo: lo < 0n ? 0n : lo, hi };
}

function bitLength(x: bigint): number {
  return x <= 0n ? 0 : x.toString(2).length;
}
