/**
 * Discrete Laplace noise inside the computation, with pure ε: a value v within [A, B] becomes v + Z, and once in a very long
 * while a uniform number instead that has nothing to do with v.
 *
 * Z = G - G' for independent geometric variables (Ghosh, Roughgarden, Sundararajan, STOC 2009 and SIAM J. Comput. 41(6), 2012,
 * §2), whose binary digits are independent, digit i being 1 with probability q^E / (1 + q^E), E = 2^i (Dwork, Kenthapadi,
 * McSherry, Mironov, Naor, "Our Data, Ourselves", EUROCRYPT 2006, §4), cut at D = `noiseDigits` digits. Fair coins give no
 * probability but multiples of a smallest one, so the tails end; mixing in uniform numbers makes up for that (Balcer, Vadhan,
 * "Differential Privacy on Finite Computers", ITCS 2018, §3). Bits that are 1 with probability t / 2^63: for a uniform word x
 * modulo 2^64, x and x - t differ in the sign exactly if x lies in [0, t) or [2^63, 2^63 + t). Digits that are rarely 1 are
 * ANDs of several such bits, so that their probabilities have small relative errors. Integers only: no floating-point number
 * takes part, whose holes would tell the value (Mironov, CCS 2012).
 *
 * Corruption: that of the back-end. No seat alone knows a word, so none knows the noise; two of rep3's three do. A seat that
 * is also the recipient learns the sum of value and noise, like any recipient.
 * Rounds: a sign, one for each doubling of the bits of a digit, a bit to a word, a product; in rep3 12 where the
 * rarest digit has two bits, 13 where it has four.
 *
 * Privacy: ε and no δ, for any number of elements, of which a neighbour's differ by integers whose absolute values sum up to
 * at most s; all words being uniform (from AES in counter mode: as far as nobody tells them from uniform ones). Elements are
 * independent, so it is enough that one whose values differ by c ≥ 1 has P(y | v) ≤ e^(εc/s) P(y | v') for every y. Let
 * N = 2^D, q = exp(-(ε/s - 2^-`SLACK`)), and p(i) and p̃(i) the probability of digit i and the one that it is drawn with.
 *  1. Each bit's t is rounded down; so p̃ = p (1 - ρ), and the odds of the digit are off by a factor in [1 - 2ρ, 1]. With τ = Σ 2ρ,
 *     P(G = g) = C q^g θ(g) for one C and θ in [1 - τ, 1]. `noiseLaw` demands that 3τ ≤ 2^-SLACK.
 *  2. P(Z = k) is C² Σ q^(2g + k) θ(g + k) θ(g) over 0 ≤ g < N - k, for k ≥ 0. Without the θ's it is C² q^k (1 - q^(2(N - k))) / (1 - q²) =:
 *     L(k), and L(k) - q^-c L(k ± c) ≤ C² q^(N - c) / (1 - q²), inside and where k ± c is cut off. The θ's cost a factor below
 *     e^(3τ) ≤ exp(c 2^-SLACK). So P(Z = k) ≤ e^(εc/s) P(Z = k ± c) + d with d = C² q^(N - c) / (1 - q²).
 *  3. v + Z lies in [A - N + 1, B + N - 1], which has W numbers. With probability η the output is A - N + 1 + U instead, U being the
 *     sum of a uniform number below 2^r and, or not, with probability 1/2 each, of W - 2^r, for 2^r ≤ W < 2^(r+1): it is each of
 *     these numbers with u ≥ 2^-(r+1), whatever v is. So P(y | v) ≤ e^(εc/s) P(y | v') if d ≤ (e^(εc/s) - 1) η u.
 *     As C ≤ (1 - q) / ((1 - τ) (1 - q^N)), and q^-c (1 - q) ≤ (e^(εc/s) - 1) (1 + q) (where q^-c ≥ 1 / q), that is so if 2 q^N ≤ η 2^-(r+1).
 *     `noiseLaw` takes the least η = 2^-h for which it is, and h at least 16.
 * For counts up to 10^6 at ε = 1 (N = 64) η is 2^-63, for values within ±2^49 where s / ε = 2^26 it is 2^-39.
 * @module
 */
import { NodeError, noiseDigits } from '@2pm/core';
import type { CircuitBuilder } from './circuit.ts';

/** What the noise depends on: ε in millionths, s, and the range that the values are in. */
export interface NoiseParameters {
  epsilonMicros: number;
  sensitivity: bigint;
  lo: bigint;
  hi: bigint;
}

export interface NoiseLaw {
  /** From the lowest digit on: the t of all bits whose AND it is, 2^m of them. */
  digits: readonly (readonly bigint[])[];
  /** t of the bit that lets a uniform number take the place of v + Z: 2^63 η. */
  uniform: bigint;
  /** What the r + 1 bits of U weigh. */
  weights: readonly bigint[];
  /** A - N + 1, the least that comes out. */
  least: bigint;
}

/** Largest exponent of e that a single bit stands for, and SLACK. The finer, the more bits. */
const COARSE = { most: 16n, slack: 34n };
const FINE = { most: 4n, slack: 49n };
/** Up to this s / ε, as a power of two, the slack is below 2^-8 of ε / s with COARSE, and 2^-3 with FINE. */
const MOST_COARSE = 26n;
const MOST_FINE = 46n;
/** A uniform number comes out at most this rarely, and at least: exponents of 1/2. */
const [RAREST, OFTENEST] = [63, 16];

/** Fraction bits of the fixed-point interval arithmetic below. */
const PRECISION = 256n;
/** Terms of the series of exp(-x), x ≤ 1/2: x^n / n! < 2^-256 from here on. */
const TERMS = 60n;

interface Interval {
  lo: bigint;
  hi: bigint;
}

/** @throws {NodeError} `MPC_NOISE_TOO_WIDE` where s / ε is beyond 2^46. */
export function noiseLaw({ epsilonMicros, sensitivity, lo, hi }: NoiseParameters): NoiseLaw {
  const scaled = 1_000_000n * sensitivity;
  const within = (power: bigint) => scaled <= BigInt(epsilonMicros) << power;
  if (!within(MOST_FINE)) throw tooWide(sensitivity, epsilonMicros);
  const { most, slack } = within(MOST_COARSE) ? COARSE : FINE;
  const count = noiseDigits(epsilonMicros, sensitivity);
  // -ln q = ε/s - 2^-slack
  const [numerator, denominator] = [(BigInt(epsilonMicros) << slack) - scaled, scaled << slack];
  const { powers, first } = squarings(numerator, denominator, count);
  const digits = Array.from({ length: count }, (_, digit) => {
    let halvings = 0;
    while ((most * denominator) << BigInt(halvings) < numerator << BigInt(digit)) halvings++;
    const bits = new Array<bigint>(1 << halvings).fill(threshold(powers[first + digit - halvings], UNIT));
    // The last of them makes exp(-E) / (1 + exp(-E)) of exp(-E).
    bits[0] = threshold(powers[first + digit - halvings], powers[first + digit]);
    return bits;
  });
  const end = powers[first + count];
  if (end === undefined || !isFine(digits, slack)) throw new RangeError('the noise is not as fine as its proof asks');

  const size = 1n << BigInt(count);
  const width = hi - lo + 2n * size - 1n;
  const bits = width.toString(2).length - 1;
  const weights = Array.from({ length: bits }, (_, bit) => 1n << BigInt(bit));
  let rare = RAREST;
  while (rare >= OFTENEST && end.hi << BigInt(2 + bits + rare) > 1n << PRECISION) rare--;
  if (rare < OFTENEST) throw tooWide(sensitivity, epsilonMicros);
  const rest = width - (1n << BigInt(bits));
  return { digits, uniform: 1n << BigInt(63 - rare), weights: [...weights, rest], least: lo - size + 1n };
}

/** 3τ ≤ 2^-slack: rounding down to t takes less than 1 / t of a probability. */
function isFine(digits: readonly (readonly bigint[])[], slack: bigint): boolean {
  const errors = digits.flat().map((t) => (t === 0n ? 1n << 128n : (1n << 128n) / t + 1n));
  return 6n * errors.reduce((sum, error) => sum + error) <= 1n << (128n - slack);
}

/**
 * exp(-x 2^k) for x = numerator / denominator, in multiples of 2^-256: from an argument of at most 1/2 on, over k = 0 at place
 * `first`, up to k = `count`. Every operation is rounded outwards. An interval begins 2^-246 wide; each squaring doubles its
 * relative width and adds 2^-163 at most until a power is below 2^-92, the last one that thresholds are made of.
 */
function squarings(numerator: bigint, denominator: bigint, count: number): { powers: Interval[]; first: number } {
  let first = 0;
  while (2n * numerator > denominator << BigInt(first)) first++;
  let power = exponential((numerator << PRECISION) / (denominator << BigInt(first)));
  const powers = [power];
  for (let k = 0; k < first + count; k++) {
    power = { lo: (power.lo * power.lo) >> PRECISION, hi: -((-power.hi * power.hi) >> PRECISION) };
    powers.push(power);
  }
  return { powers, first };
}

/** No power: what is divided by is then 1. */
const UNIT: Interval = { lo: 0n, hi: 0n };

/** ⌊2^63 x / (1 + y)⌋, of which both ends must agree. */
function threshold(x: Interval | undefined, y: Interval | undefined): bigint {
  const one = 1n << PRECISION;
  const floor = (above = 0n, below = 0n) => (above << 63n) / (one + below);
  const low = floor(x?.lo, y?.hi);
  if (low === 0n || low !== floor(x?.hi, y?.lo)) throw new RangeError('the precision does not decide a threshold');
  return low;
}

/** exp(-x) for every x in [least, least + 1] / 2^256 up to 1/2. */
function exponential(least: bigint): Interval {
  // Σ (-x)^n / n!: the terms decrease, so the rest is smaller than the first one left out.
  const series = (x: bigint) => {
    let [sum, term] = [0n, 1n << PRECISION];
    for (let n = 1n; n <= TERMS; n++) {
      sum += n % 2n === 1n ? term : -term;
      term = ((term * x) >> PRECISION) / n;
    }
    return sum;
  };
  // A term is at most 2 units too small: it halves the error of the one before, as x ≤ 1/2, and is rounded down twice.
  const slack = 4n * TERMS;
  return { lo: series(least + 1n) - slack, hi: series(least) + slack };
}

function tooWide(sensitivity: bigint, epsilonMicros: number): NodeError {
  return new NodeError(
    'MPC_NOISE_TOO_WIDE',
    `no noise hides changes of up to ${sensitivity} at ε = ${epsilonMicros / 1_000_000} exactly`,
    {
      fault: 'caller',
      fix: 'Clamp the column to a smaller range, keep fewer of its fraction bits, or give it more ε.',
    },
  );
}

/** The values with noise added, independently to each. */
export function noisy(b: CircuitBuilder, value: number, parameters: NoiseParameters): number {
  const { length } = b.at(value);
  const { digits, uniform, weights, least } = noiseLaw(parameters);
  const weighted = (words: number, each: number, factors: readonly bigint[]) =>
    factors
      .map((factor, i) => b.words('scale', each, [b.slice(words, each * i, each)], factor))
      .reduce((sum, next) => b.words('add', each, [sum, next]));

  // Digits of as many bits side by side, each of them for the variable added and then for the one subtracted.
  const geometric = [...new Set(digits.map((bits) => bits.length))].map((size) => {
    const alike = [...digits.entries()].filter(([, bits]) => bits.length === size);
    let drawn = Array.from({ length: size }, (_, bit) =>
      bits(
        b,
        alike.map(([, of]) => of[bit] ?? 0n),
        2 * length,
      ),
    );
    while (drawn.length > 1) {
      const half = drawn.length / 2;
      drawn = drawn.slice(0, half).map((x, i) => b.bits('and', b.at(x).length, [x, drawn[half + i] ?? x]));
    }
    return weighted(
      b.asWords(drawn[0] ?? -1),
      2 * length,
      alike.map(([digit]) => 1n << BigInt(digit)),
    );
  });
  const both = geometric.reduce((sum, next) => b.words('add', 2 * length, [sum, next]));
  const difference = b.words('sub', length, [b.slice(both, 0, length), b.slice(both, length, length)]);
  const near = b.words('add', length, [value, difference]);

  const fair = b.random(weights.length * length);
  const coins = b.asWords(b.bits('parity', weights.length * length, [fair]));
  const start = b.words('constant', length, [], least);
  const anywhere = b.words('add', length, [start, weighted(coins, length, weights)]);
  const jump = b.words('sub', length, [anywhere, near]);
  return b.words('add', length, [near, b.words('mul', length, [b.asWords(bits(b, [uniform], length)), jump])]);
}

/** `each` bits for every threshold t, 1 with probability t / 2^63. */
function bits(b: CircuitBuilder, thresholds: readonly bigint[], each: number): number {
  const drawn = b.random(thresholds.length * each);
  const { length } = b.at(drawn);
  const limits = b.concat(thresholds.map((threshold) => b.words('constant', each, [], threshold)));
  const signs = [drawn, b.words('sub', length, [drawn, limits])].map((word) => b.bits('negative', length, [word]));
  return b.bits('xor', length, signs);
}
