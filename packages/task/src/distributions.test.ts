import { describe, expect, test } from 'vitest';
import { chiSquareP, studentTP } from './distributions.ts';

/** ∫ f from a to b by Simpson's rule. */
function integral(f: (x: number) => number, a: number, b: number, steps = 20_000): number {
  const h = (b - a) / steps;
  let sum = f(a) + f(b);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 0 ? 2 : 4) * f(a + i * h);
  return (sum * h) / 3;
}

describe('tail probabilities', () => {
  test('of chi-square with 2 and 4 degrees of freedom are what calculus says', () => {
    for (const x of [0.01, 0.5, 1, 3, 5.99, 20, 200]) {
      expect(chiSquareP(x, 2)).toBeCloseTo(Math.exp(-x / 2), 13);
      expect(chiSquareP(x, 4)).toBeCloseTo((1 + x / 2) * Math.exp(-x / 2), 13);
    }
  });

  test('of t with 1 and 2 degrees of freedom are what calculus says', () => {
    for (const t of [0, 0.1, 1, -2, 4.5, 60]) {
      expect(studentTP(t, 1)).toBeCloseTo(1 - (2 / Math.PI) * Math.atan(Math.abs(t)), 12);
      expect(studentTP(t, 2)).toBeCloseTo(1 - Math.abs(t) / Math.sqrt(2 + t * t), 12);
    }
  });

  test.each([3, 7.3, 29, 400])('with %f degrees of freedom are integrals of their densities', (k) => {
    // Densities up to a factor, which the whole integral gives.
    const t = (x: number) => (1 + (x * x) / k) ** (-(k + 1) / 2);
    const whole = integral((u) => t(u / (1 - u * u)) * ((1 + u * u) / (1 - u * u) ** 2), -1 + 1e-6, 1 - 1e-6);
    for (const x of [0.3, 1.1, 2.5]) expect(studentTP(x, k)).toBeCloseTo(1 - integral(t, -x, x) / whole, 6);
    // With y = x², to be smooth at 0.
    const chi = (y: number) =>
      2 * Math.exp((k - 1) * Math.log(y || 1e-300) - (y * y - k) / 2 - ((k - 1) / 2) * Math.log(k));
    const all = integral(chi, 0, Math.sqrt(k) + 20);
    for (const x of [k / 2, k, 1.6 * k]) {
      expect(chiSquareP(x, k)).toBeCloseTo(integral(chi, Math.sqrt(x), Math.sqrt(k) + 20) / all, 8);
    }
  });

  test('agree where the two meet: a t variable with many degrees of freedom, squared', () => {
    for (const x of [0.2, 1.96, 3.3]) expect(studentTP(x, 1e7)).toBeCloseTo(chiSquareP(x * x, 1), 6);
  });

  test('are known values', () => {
    expect(chiSquareP(3.841458820694124, 1)).toBeCloseTo(0.05, 12);
    expect(studentTP(2.2281388519862744, 10)).toBeCloseTo(0.05, 12);
    expect(chiSquareP(-1, 3)).toBe(1);
    expect(studentTP(1, 0)).toBeNaN();
  });
});
