/**
 * How words become bits and bits words among three seats or more, where nobody knows all but one of the shares. The words are
 * added up in bits: carry-save adders take n shares to two, and a tree of (generate, propagate) pairs finds what the last
 * addition carries (Goldreich, Micali, Wigderson, STOC 1987, for the gates; Wallace, 1964, for the adders).
 * Rounds, with l the levels of adders (1 for three seats, 2 for four, 3 up to six, 4 up to eight): negative, zero l + 7; inject
 * ⌈log2 n⌉; truncate l + 7 + ⌈log2 n⌉. Sent by a seat to each other: 2 bits for each bit of `demand.ts`, 16 bytes for each
 * word.
 * Leakage to a seat: none beyond the lengths.
 * Deviations: a truncation counts carries at two places instead of opening a masked value, for which masks would have to be
 * shared bit by bit; it is exact, of a value to which seat 0 has added a random fraction.
 * @module
 */
import { assert, concatBytes } from '@2pm/core';
import type { Interactive } from '../execute.ts';
import { add, scale, sub, widen, xor, xorTo } from '../rep3/kernels.ts';
import { packedLength } from '../rep3/share.ts';
import { AdditiveEngine, type AdditiveSeat, signs } from './engine.ts';

/** Levels of a tree over 64 bits. */
const TREE_ROUNDS = 6;
/** Highest bits of each share that show how often the sum of up to 16 wraps, where it is known up to a quarter of 2^64. */
const TOP_BITS = 6;

/** Levels of carry-save adders from so many words to two. */
export function adderLevels(words: number): number {
  return words <= 2 ? 0 : 1 + adderLevels(words - Math.floor(words / 3));
}

/** Levels of a tree of multiplications. */
function treeLevels(leaves: number): number {
  return Math.ceil(Math.log2(leaves));
}

/** Planes of bits that go through an AND where `seats` numbers of so many bits are added up for their carries. */
export function carryPlanes(seats: number, width: number): number {
  let planes = (seats - 2) * width + width;
  for (let runs = width; runs > 1; runs = Math.ceil(runs / 2)) planes += 2 * Math.floor(runs / 2) - 1;
  return planes;
}

/** Planes through an AND, and products of words, that an element takes. */
export function severalDemand(seats: number, op: 'negative' | 'zero' | 'inject' | 'truncate', bits = 0) {
  const inject = seats - 1;
  switch (op) {
    case 'negative':
      return { planes: carryPlanes(seats, 63), words: 0 };
    case 'zero':
      return { planes: (seats - 2) * 64 + 64 + 63, words: 0 };
    case 'inject':
      return { planes: 0, words: inject };
    case 'truncate':
      return { planes: carryPlanes(seats, bits) + carryPlanes(seats, TOP_BITS), words: 2 * (seats - 1) * inject };
  }
}

export function severalCosts(seats: number) {
  const [bits, inject] = [adderLevels(seats) + 1 + TREE_ROUNDS, treeLevels(seats)];
  const products = { mul: 1, dot: 1, matmul: 1, and: 1 } as const;
  return { ...products, zero: bits, negative: bits, inject, truncate: bits + inject } as const;
}

export class SeveralSeatEngine extends AdditiveEngine {
  readonly costs: ReturnType<typeof severalCosts>;
  readonly #seat: number;
  readonly #seats: number;

  constructor(seat: AdditiveSeat) {
    super(seat);
    this.#seat = seat.seat;
    this.#seats = seat.seats;
    this.costs = severalCosts(seat.seats);
  }

  /** Bit 63 of all shares ⊕ what their other bits carry into it. */
  protected override *negative(x: BigUint64Array): Interactive<Uint32Array> {
    const sign = signs(x);
    for (const carry of yield* this.#carries(x, 63)) xorTo(sign, sign, carry);
    return sign;
  }

  /** Two words are opposite exactly if s ⊕ c = 2 (s ∨ c). */
  protected override *zero(x: BigUint64Array): Interactive<Uint32Array> {
    const { words, width } = yield* this.#twoWords(x, 64, []);
    const [s, c] = words;
    const differ = xor(s, c);
    const both = yield* this.andAll([[s, c]]);
    const either = xor(differ, both);
    const nonzero = differ.slice();
    xorTo(nonzero.subarray(width), nonzero.subarray(width), either.subarray(0, 63 * width));
    return yield* this.all(this.not(nonzero));
  }

  /** x ⊕ y = x + y - 2xy, in a tree over words that are a seat's own bit there and 0 elsewhere. */
  protected override *inject(x: Uint32Array, length: number): Interactive<BigUint64Array> {
    const own = widen(x, length);
    let words = Array.from({ length: this.#seats }, (_, seat) =>
      seat === this.#seat ? own : new BigUint64Array(length),
    );
    while (words.length > 1) {
      const pairs = Math.floor(words.length / 2);
      const [left, right] = [words.slice(0, pairs), words.slice(pairs, 2 * pairs)].map(sideBySide) as Pair;
      const product = yield* this.multiply(left, right);
      const joined = sub(add(left, right), scale(product, 2n));
      const parts = Array.from({ length: pairs }, (_, i) => joined.subarray(length * i, length * (i + 1)));
      words = [...parts, ...words.slice(2 * pairs)];
    }
    return words[0] as BigUint64Array;
  }

  /**
   * With X = x + 2^62 + ρ, ρ below 2^bits and drawn by seat 0: X is the sum of the shares less k 2^64, so ⌊X / 2^bits⌋ is the sum
   * of the shares' upper parts, and of what their lower parts carry, less k 2^(64-bits). k is what the highest six bits of
   * the shares carry, with the number of seats added for what lies below them: X stays below 3/4 of 2^64, so this is neither
   * too many nor too few.
   */
  protected override *truncate(x: BigUint64Array, bits: bigint): Interactive<BigUint64Array> {
    const { length } = x;
    const [half, shift, topShift] = [1n << 62n, bits, 64n - BigInt(TOP_BITS)];
    const share = x.slice();
    if (this.first) {
      const down = 64n - bits;
      const fraction = this.draw(length);
      for (let i = 0; i < length; i++) share[i] = share[i]! + half + (fraction[i]! >> down);
    }
    const [upper, top] = [new BigUint64Array(length), new BigUint64Array(length)];
    const allowance = this.first ? BigInt(this.#seats) : 0n;
    for (let i = 0; i < length; i++) {
      upper[i] = share[i]! >> shift;
      top[i] = (share[i]! >> topShift) + allowance;
    }
    const [low, high] = yield* this.#together([this.#carries(share, Number(bits)), this.#carries(top, TOP_BITS)]);
    const size = packedLength(length);
    const all = new Uint32Array(size * (low.length + high.length));
    for (const [i, carry] of [...low, ...high].entries()) all.set(carry, size * i);
    const counts = yield* this.inject(all, 32 * size * (low.length + high.length));
    const wrap = 1n << (64n - bits);
    const own = BigInt(TOP_BITS);
    for (let i = 0; i < length; i++) {
      // What the allowance carries by itself seat 0 knows.
      let sum = upper[i]! - (top[i]! >> own) * wrap;
      for (let k = 0; k < low.length; k++) sum += counts[32 * size * k + i]!;
      for (let k = 0; k < high.length; k++) sum -= counts[32 * size * (low.length + k) + i]! * wrap;
      upper[i] = sum;
    }
    if (this.first) {
      const offset = half >> bits;
      for (let i = 0; i < length; i++) upper[i] = upper[i]! - offset;
    }
    return upper;
  }

  /** What the lowest `width` bits of all shares carry when they are added up, as bits that count one each, a seat fewer than seats. */
  *#carries(x: BigUint64Array, width: number): Interactive<Uint32Array[]> {
    const out: Uint32Array[] = [];
    const { words, width: size } = yield* this.#twoWords(x, width, out);
    const plane = (planes: Uint32Array, i: number) => planes.subarray(size * i, size * (i + 1));
    let generate = yield* this.andAll([words]);
    let propagate = xor(...words);
    // A pair (g, p) of a run of bits: it generates a carry, or hands on the one from below.
    let runs = width;
    for (let round = 0; round < TREE_ROUNDS; round++) {
      const pairs = runs >> 1;
      if (pairs === 0) {
        yield { send: new Uint8Array(0), expect: 0 };
        continue;
      }
      const pick = (planes: Uint32Array, from: number, step: 0 | 1) =>
        concatPlanes(Array.from({ length: pairs - from }, (_, i) => plane(planes, 2 * (i + from) + step)));
      // The lowest run has nothing below it, so nobody asks whether it hands a carry on.
      const joined = yield* this.andAll([
        [pick(propagate, 0, 1), pick(generate, 0, 0)],
        [pick(propagate, 1, 1), pick(propagate, 1, 0)],
      ]);
      const rest = runs % 2 === 0 ? [] : [runs - 1];
      const higher = pick(generate, 0, 1);
      xorTo(higher, higher, joined.subarray(0, higher.length));
      generate = concatPlanes([higher, ...rest.map((i) => plane(generate, i))]);
      const handed = joined.subarray(higher.length);
      propagate = concatPlanes([new Uint32Array(size), handed, ...rest.map((i) => plane(propagate, i))]);
      runs = pairs + rest.length;
    }
    return [...out, generate];
  }

  /**
   * The lowest `width` bits of all shares, in planes of `width` packed words, added up to two words of shared bits, but for what
   * is carried beyond them: a plane of that for each adder goes to `out`.
   */
  *#twoWords(x: BigUint64Array, bits: number, out: Uint32Array[]): Interactive<{ words: Two; width: number }> {
    const width = packedLength(x.length);
    const planes = this.simd.slicePlanes(x);
    const places = Array.from({ length: bits }, (_, bit) => reversed(bit) * width);
    const own = concatPlanes(places.map((at) => planes.subarray(at, at + width)));
    let words = Array.from(
      { length: this.#seats },
      (_, seat): Uint32Array => (seat === this.#seat ? own : new Uint32Array(own.length)),
    );
    while (words.length > 2) {
      const adders = Array.from(
        { length: Math.floor(words.length / 3) },
        (_, i) => words.slice(3 * i, 3 * i + 3) as Three,
      );
      const products = yield* this.andAll(adders.map(([a, b, c]) => [xor(a, c), xor(b, c)]));
      const added = adders.flatMap(([a, b, c], i) => {
        const carry = xor(products.subarray(i * own.length, (i + 1) * own.length), c);
        out.push(carry.slice(own.length - width));
        const up = new Uint32Array(own.length);
        up.set(carry.subarray(0, own.length - width), width);
        return [xor(xor(a, b), c), up];
      });
      words = [...added, ...words.slice(3 * adders.length)];
    }
    return { words: words as unknown as Two, width };
  }

  /** Both at once: of equally many rounds. */
  *#together<T>(of: readonly [Interactive<T>, Interactive<T>]): Interactive<[T, T]> {
    let steps = of.map((one) => one.next());
    while (steps.every(({ done }) => done !== true)) {
      const exchanges = steps.map(({ value }) => value as { send: Uint8Array; expect: number });
      const [first = 0, second = 0] = exchanges.map(({ expect }) => expect);
      const answer = yield { send: concatBytes(...exchanges.map(({ send }) => send)), expect: first + second };
      const parts = [0, first].map((at, which) =>
        concatBytes(
          ...Array.from({ length: this.peers }, (_, peer) => {
            const from = peer * (first + second) + at;
            return answer.subarray(from, from + (which === 0 ? first : second));
          }),
        ),
      );
      steps = of.map((one, i) => one.next(parts[i] as Uint8Array));
    }
    assert(
      steps.every(({ done }) => done === true),
      'both take as many rounds',
    );
    return steps.map(({ value }) => value) as [T, T];
  }
}

/** Number of the plane that `slicePlanes` puts a bit of words into. */
function reversed(bit: number): number {
  let out = 0;
  for (let i = 0; i < 6; i++) out |= ((bit >> i) & 1) << (5 - i);
  return out;
}

type Two = [Uint32Array, Uint32Array];
type Three = [Uint32Array, Uint32Array, Uint32Array];
type Pair = [BigUint64Array, BigUint64Array];

function sideBySide(parts: readonly BigUint64Array[]): BigUint64Array {
  const [first] = parts;
  const length = first?.length ?? 0;
  const out = new BigUint64Array(length * parts.length);
  for (const [i, part] of parts.entries()) out.set(part, length * i);
  return out;
}

function concatPlanes(parts: readonly Uint32Array[]): Uint32Array {
  const out = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
