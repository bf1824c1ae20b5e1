/**
 * Discrete Laplace noise, P(k) ∝ exp(-ε|k| / s), as a circuit: the difference of two independent geometric variables
 * (Ghosh, Roughgarden, Sundararajan, STOC 2009 and SIAM J. Comput. 41(6), 2012, §2). The binary digits of a geometric
 * variable are independent, digit i being 1 with probability p(i) = 1 / (1 + exp(2^i ε/s)) (Dwork, Kenthapadi, McSherry,
 * Mironov, Naor, "Our Data, Ourselves", EUROCRYPT 2006, §4). A digit that is 1 with probability t / 2^63: for a uniform
 * word x modulo 2^64, x and x - t differ in the sign exactly if x lies in [0, t) or [2^63, 2^63 + t).
 * Integers only: no floating-point number takes part, whose holes would tell the value (Mironov, CCS 2012).
 *
 * Corruption: that of the back-end. No seat alone knows a word, so none knows the noise; two of rep3's three do. A seat that
 * is also the recipient learns the sum of value and noise, like any recipient.
 * Rounds: a sign and a bit to a word, 10 in rep3. Two signs and one such bit for each digit, twice, for each element.
 *
 * Privacy: not pure ε, because finitely many fair coins give no probability below some bound; (ε, δ) with a δ that has
 * this proof. Let D = `noiseDigits`. An element's noise is that of exact digits, cut at D digits, but for
 *   cut off: P(geometric ≥ 2^D) = exp(-2^D ε/s) ≤ e^-45 < 2^-64, for each of two variables;
 *   rounding: t(i) = ⌊2^63 p(i)⌋, so each of 2D digits is off by less than 2^-63 in total variation.
 * So the noise of n elements is within Δ < n (2^-63 + D 2^-62) < n (D + 1) 2^-62 of the ideal one, and the mechanism is
 * (ε, δ)-differentially private with δ ≤ (1 + e^ε) Δ: with D ≤ 62, below (1 + e^ε) n 2^-56. For a histogram of 1000 slots at
 * ε = 1 and s = 1 (D = 6) that is below 2^-47.
 * @module
 */
import { noiseDigits } from '@2pm/core';
import type { CircuitBuilder } from './circuit.ts';

/** Fraction bits of the fixed-point interval arithmetic below. */
const PRECISION = 256;
/** Terms of the series of exp(-x), x ≤ 1/2: x^n / n! < 2^-256 from here on. */
const TERMS = 60n;

/**
 * t(i) = ⌊2^63 / (1 + exp(2^i ε/s))⌋, exactly, for each digit from the lowest on.
 *
 * exp(-2^i ε/s) is kept as an interval of multiples of 2^-256, every operation rounded outwards; the floor is taken of
 * both ends, which must agree. The interval begins 2^-246 wide at x = 2^-r ε/s ≤ 1/2; each squaring doubles its relative
 * width and adds 2^-189, as no power but those not asked for is below 2^-66. After r + D < 100 of them it is far narrower
 * than 2^-63, and where the ends disagree all the same nothing is returned.
 */
export function digitThresholds(epsilonMicros: number, sensitivity: bigint): bigint[] {
  const one = 1n << BigInt(PRECISION);
  const [numerator, denominator] = [BigInt(epsilonMicros), 1_000_000n * sensitivity];
  let halvings = 0n;
  while (2n * numerator > denominator << halvings) halvings++;
  let power = exponential((numerator << BigInt(PRECISION)) / (denominator << halvings));
  const squared = () => {
    power = { lo: (power.lo * power.lo) >> BigInt(PRECISION), hi: -((-power.hi * power.hi) >> BigInt(PRECISION)) };
  };
  for (; halvings > 0n; halvings--) squared();
  return Array.from({ length: noiseDigits(epsilonMicros, sensitivity) }, (_, digit) => {
    if (digit > 0) squared();
    const [low, high] = [power.lo, power.hi].map((end) => (end << 63n) / (one + end));
    if (low === undefined || low !== high) throw new RangeError('the precision does not decide a threshold');
    return low;
  });
}

/** exp(-x) for every x in [least, least + 1] / 2^256 up to 1/2. */
function exponential(least: bigint): { lo: bigint; hi: bigint } {
  // Σ (-x)^n / n!: the terms decrease, so the rest is smaller than the first one left out.
  const series = (x: bigint) => {
    let [sum, term] = [0n, 1n << BigInt(PRECISION)];
    for (let n = 1n; n <= TERMS; n++) {
      sum += n % 2n === 1n ? term : -term;
      term = ((term * x) >> BigInt(PRECISION)) / n;
    }
    return sum;
  };
  // A term is at most 2 units too small: it halves the error of the one before, as x ≤ 1/2, and is rounded down twice.
  const slack = 4n * TERMS;
  return { lo: series(least + 1n) - slack, hi: series(least) + slack };
}

/** A vector of `length` independent draws. */
export function noise(b: CircuitBuilder, length: number, epsilonMicros: number, sensitivity: bigint): number {
  const thresholds = digitThresholds(epsilonMicros, sensitivity);
  // A block for each digit: that of the variables added, then that of those subtracted.
  const drawn = b.random(2 * length * thresholds.length);
  const { length: all } = b.at(drawn);
  const limits = b.concat(thresholds.map((threshold) => b.words('constant', 2 * length, [], threshold)));
  const signs = [drawn, b.words('sub', all, [drawn, limits])].map((word) => b.bits('negative', all, [word]));
  const digits = b.asWords(b.bits('xor', all, signs));
  const weighted = thresholds.map((_, digit) =>
    b.words('scale', 2 * length, [b.slice(digits, 2 * length * digit, 2 * length)], 1n << BigInt(digit)),
  );
  const both = weighted.reduce((sum, next) => b.words('add', 2 * length, [sum, next]));
  return b.words('sub', length, [b.slice(both, 0, length), b.slice(both, length, length)]);
}
