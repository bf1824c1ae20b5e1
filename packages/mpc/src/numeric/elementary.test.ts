import { describe, expect, test } from 'vitest';
import type { CircuitBuilder } from '../circuit.ts';
import { interpolate, toFixed } from './approximate.ts';
import { clearly } from './clear.ts';
import { exp, log, quotient, type Range, reciprocal, sigmoid, sqrt } from './elementary.ts';

type Build = (b: CircuitBuilder, x: number, range: Range) => number;

/** Arguments over the whole range: its ends, both sides of every power of two, and a sweep. */
function argumentsOf({ lo, hi }: Range, count: number): bigint[] {
  const near = Array.from({ length: 62 }, (_, n) => 1n << BigInt(n)).flatMap((p) => [p - 1n, p, p + 1n, -p, 1n - p]);
  const sweep = Array.from({ length: count }, (_, i) => lo + ((hi - lo) * BigInt(i)) / BigInt(count - 1));
  const small = Array.from({ length: count }, (_, i) => lo + BigInt(i));
  return [...near, ...sweep, ...small].filter((x) => x >= lo && x <= hi);
}

/** The greatest of |error| - allowed, in units of the last place of the result. */
async function worst(build: Build, f: (x: number) => number, range: Range, allowed: (y: number) => number) {
  const x = argumentsOf(range, 1000);
  const { values, rounds } = await clearly([x], (b, [input = -1]) => build(b, input, range));
  let excess = Number.NEGATIVE_INFINITY;
  for (const [i, value] of values.entries()) {
    const exact = f(Number(x[i]) / 2 ** range.from) * 2 ** range.to;
    excess = Math.max(excess, Math.abs(Number(value) - exact) - allowed(exact));
  }
  return { excess, rounds };
}

const bits = (n: number) => 2n ** BigInt(n);
const range = (lo: bigint, hi: bigint, from: number, to: number): Range => ({ lo, hi, from, to });

describe('within the stated error, over the whole declared range', () => {
  test.each([
    range(1n, bits(20), 0, 30),
    range(bits(8), bits(40), 16, 16),
    range(bits(16), bits(61), 16, 20),
    range(5n, 7n, 0, 24),
    range(4n, 4n, 0, 20),
    range(bits(30), bits(31), 40, 20),
  ])('reciprocal %o', async (over) => {
    const { excess, rounds } = await worst(
      reciprocal,
      (x) => 1 / x,
      over,
      (y) => 2 + y * 2 ** -27,
    );
    expect(excess).toBeLessThanOrEqual(0);
    expect(rounds).toBeLessThanOrEqual(30);
  });

  test.each([
    range(0n, bits(20), 0, 20),
    range(0n, bits(50), 16, 12),
    range(1n, bits(61), 32, 8),
    range(0n, 0n, 0, 8),
    range(100n, 120n, 3, 16),
  ])('sqrt %o', async (over) => {
    const { excess, rounds } = await worst(sqrt, Math.sqrt, over, (y) => 2 + y * 2 ** -27);
    expect(excess).toBeLessThanOrEqual(0);
    expect(rounds).toBeLessThanOrEqual(30);
  });

  test.each([
    range(1n, bits(20), 0, 20),
    range(1n, bits(61), 16, 16),
    range(1n, bits(17), 16, 24),
    range(7n, 7n, 2, 30),
  ])('log %o', async (over) => {
    const { excess, rounds } = await worst(log, Math.log, over, () => 2 + 2 ** (over.to - 26));
    expect(excess).toBeLessThanOrEqual(0);
    expect(rounds).toBeLessThanOrEqual(27);
  });

  test.each([
    range(-bits(20), bits(19), 16, 16),
    range(-bits(40), 3n * bits(16), 16, 16),
    range(0n, 20n, 0, 2),
    range(-bits(33), bits(33), 32, 24),
    range(-3n, -3n, 0, 20),
    range(-bits(20), -bits(19), 16, 8),
  ])('exp %o', async (over) => {
    const { excess, rounds } = await worst(exp, Math.exp, over, (y) => 2 + y * 2 ** -27);
    expect(excess).toBeLessThanOrEqual(0);
    expect(rounds).toBeLessThanOrEqual(30);
  });

  test.each([
    range(-bits(21), bits(21), 16, 16),
    range(-bits(50), bits(50), 16, 20),
    range(-40n, 40n, 0, 16),
    range(bits(14), bits(15), 16, 16),
    range(-bits(33), bits(33), 32, 24),
    range(bits(40), bits(41), 16, 16),
  ])('sigmoid %o', async (over) => {
    const { excess, rounds } = await worst(
      sigmoid,
      (x) => 1 / (1 + Math.exp(-x)),
      over,
      () => 2 + 2 ** (over.to - 19),
    );
    expect(excess).toBeLessThanOrEqual(0);
    expect(rounds).toBeLessThanOrEqual(13);
  });
});

test.each([
  { most: 1_000_000n, from: 0, range: range(1n, 65_536n, 0, 11) },
  { most: 1_000_000n, from: 0, range: range(100n, 65_536n, 0, 16) },
  { most: bits(50), from: 32, range: range(bits(16), bits(40), 16, 10) },
  { most: 7n, from: 0, range: range(bits(20), bits(30), 8, 30) },
  { most: bits(61), from: 0, range: range(bits(40), bits(61), 0, 8) },
])('a quotient is within the stated error %o', async (division) => {
  const divisors = argumentsOf(division.range, 400);
  const { most } = division;
  const dividends = divisors.map((_, i) => [most, -most, most / 2n, 1n, 0n, -(most / 7n)][i % 6] ?? 0n);
  const { values, rounds } = await clearly([dividends, divisors], (b, [a = -1, x = -1]) => quotient(b, a, x, division));
  const scale = 2 ** (division.range.from + division.range.to - division.from);
  for (const [i, value] of values.entries()) {
    const divisor = Number(divisors[i]);
    const error = Math.abs(Number(value) - (Number(dividends[i]) / divisor) * scale);
    expect(error).toBeLessThanOrEqual(2 + (Number(most) / divisor) * scale * 2 ** -27);
  }
  expect(rounds).toBeLessThanOrEqual(36);
});

test('a polynomial is near its function everywhere between its nodes', () => {
  const coefficients = interpolate((t) => Math.exp(t), 0.5, 6);
  for (let t = -0.5; t <= 0.5; t += 0.001) {
    const value = coefficients.reduceRight((sum, c) => sum * t + c, 0);
    expect(Math.abs(value - Math.exp(t))).toBeLessThan(1e-7);
  }
});

test('coefficients are rounded to the nearest', () => {
  expect([0.5, -0.5, 0.3, -0.3, 1 / 3].map((value) => toFixed(value, 4))).toEqual([8n, -8n, 5n, -5n, 5n]);
  expect(toFixed(1.25, 60)).toBe(5n << 58n);
});
