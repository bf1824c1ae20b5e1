/**
 * What only two seats can do: each of two shares is known to a seat, so that a sign is the carry of two known words, a
 * truncation wraps where two known bits are 1, and a choice is two products of a word here and a bit there.
 * Per element, sent by a seat, beside what the correlations cost (`transfers.ts`):
 *   zero 6 rounds, 126 bits; negative 6 rounds, 52 bits, and 64 bytes of seat 0, 8 of seat 1; inject, truncate 1 round, 1 bit;
 *   mul, dot of a bit 1 round, 8 bytes and a bit.
 * Leakage to a seat: none beyond the lengths. Deviations: seat 0 reads a table of 64 bytes at secret places.
 * @module
 */
import { concatBytes } from '@2pm/core';
import type { Exchange, Interactive } from '../execute.ts';
import { add, lowestBits, scale, sub, widen, xor, xorTo } from '../rep3/kernels.ts';
import { bytesOf, packedLength, toPacked, toWords } from '../rep3/share.ts';
import { AdditiveEngine, type Share, signs, words } from './engine.ts';

/** Rounds of the interactive operations. */
const ROUND_COSTS = { mul: 1, dot: 1, matmul: 1, truncate: 1, and: 1, zero: 6, negative: 6, inject: 1 } as const;

export class TwoSeatEngine extends AdditiveEngine {
  static readonly costs = ROUND_COSTS;
  readonly costs = ROUND_COSTS;

  protected override product(x: Share | undefined, y: Share | undefined): Interactive<BigUint64Array> {
    return x instanceof Uint32Array ? this.#choose(x, words(y)) : super.product(x, y);
  }

  /**
   * The word y where the bit x is 1, else 0. With the own x0, y0: x y0 = x0 y0 + x1 (1 - 2 x0) y0, of which the last is the
   * product of a word of this seat and a bit of the other. With α = word - a and β = bit ⊕ t in the open, word·bit is
   * β word + (1 - 2β)(a t + α t).
   */
  *#choose(x: Uint32Array, y: BigUint64Array): Interactive<BigUint64Array> {
    const { length } = y;
    const { word: a, sent, bit: t, received } = this.supply.choices(x.length);
    const own = widen(x, length);
    const word = new BigUint64Array(length);
    for (let i = 0; i < length; i++) word[i] = y[i]! - (y[i]! + y[i]!) * own[i]!;
    const masked = xor(x, t);
    const send = concatBytes(bytesOf(sub(word, a)), bytesOf(masked));
    const answer = yield { send, expect: send.length };
    const alpha = toWords(answer.subarray(0, 8 * length));
    const [theirs, mine] = [widen(toPacked(answer.subarray(8 * length)), length), widen(masked, length)];
    const bit = widen(t, length);
    const out = new BigUint64Array(length);
    for (let i = 0; i < length; i++) {
      const [give, take] = [sent[i]!, received[i]! + alpha[i]! * bit[i]!];
      out[i] =
        own[i]! * y[i]! + theirs[i]! * word[i]! + give - (give + give) * theirs[i]! + take - (take + take) * mine[i]!;
    }
    return out;
  }

  /**
   * x / 2^bits for x in [-2^62, 2^62), to one of the two neighbouring integers. Seat 0 knows u = x0 + 2^62, seat 1 knows
   * r = -x1, and X = x + 2^62 = u - r modulo 2^64 with X < 2^63. So the subtraction wraps exactly if r ≥ 2^63 and
   * u < 2^63, and (u >> bits) - (r >> bits) + 2^(64-bits) [wraps] is ⌊X / 2^bits⌋ or one more, the latter if the low bits
   * of u are below those of r: with the probability of X's fraction when those of r are uniform.
   */
  protected override *truncate(x: BigUint64Array, by: bigint): Interactive<BigUint64Array> {
    const part = new BigUint64Array(x.length);
    const half = 1n << 62n;
    const low = half >> by;
    const top = new BigUint64Array(x.length);
    const [shift, sign] = [by, 63n];
    if (this.first) {
      for (let i = 0; i < part.length; i++) {
        const u = BigInt.asUintN(64, x[i]! + half);
        part[i] = (u >> shift) - low;
        top[i] = 1n - (u >> sign);
      }
    } else {
      for (let i = 0; i < part.length; i++) {
        const r = BigInt.asUintN(64, -x[i]!);
        part[i] = -(r >> shift);
        top[i] = r >> sign;
      }
    }
    const wraps = yield* this.#crossWords(lowestBits(top), x.length);
    return add(part, scale(wraps, 1n << (64n - by)));
  }

  /** ANDs of a bit of this seat with one of the other's, as words. */
  *#crossWords(own: Uint32Array, length: number): Interactive<BigUint64Array> {
    const { factor, share } = this.supply.crossWords(own.length);
    const [mine, theirs] = yield* swapMasked(own, factor);
    // With α = f0 ⊕ s and β = f1 ⊕ t in the open, f0 f1 = β f0 + α (f1 - β) + (1 - 2α)(1 - 2β) s t.
    const flips = widen(xor(mine, theirs), length);
    const out = widen(and(theirs, own), length);
    if (!this.first) {
      const both = widen(and(theirs, mine), length);
      for (let i = 0; i < length; i++) out[i] = out[i]! - both[i]!;
    }
    for (let i = 0; i < length; i++) out[i] = out[i]! + share[i]! - (share[i]! + share[i]!) * flips[i]!;
    return out;
  }

  /**
   * Sign of d = d0 + d1: bit 63 of either ⊕ the carry out of bits 0..62, which a tree of (generate, propagate) pairs finds,
   * from those of four bits each (after Rathee et al., CrypTFlow2, CCS 2020, §3.1).
   */
  protected override *negative(d: BigUint64Array): Interactive<Uint32Array> {
    const { g: carry, p } = yield* this.#carries(d);
    const width = packedLength(d.length);
    const run = (planes: Uint32Array, from: number, to: number) => planes.subarray(from * width, to * width);
    // A pair (g, p) of a run of bits: it generates a carry, or hands on the one from below. Higher runs lie `half` planes
    // behind lower ones, and join: g = g' ⊕ p'g, p = p'p.
    for (let half = BLOCKS / 2; half >= 1; half >>= 1) {
      const joined = yield* this.andAll([
        [run(p, half, 2 * half), run(carry, 0, half)],
        // The lowest run has nothing below it, so nobody asks whether it hands a carry on.
        [run(p, half + 1, 2 * half), run(p, 1, half)],
      ]);
      xorTo(carry, run(carry, half, 2 * half), joined.subarray(0, half * width));
      p.set(joined.subarray(half * width), width);
    }
    return xor(signs(d), run(carry, 0, 1));
  }

  /**
   * Of each four bits of d0 and d1, a plane of whether their sum carries and one of whether it hands a carry on; block j is
   * in the plane whose number is j with its four bits reversed. Seat 1 gets from a table of seat 0's what belongs to its own
   * bits: it says by how much those differ from the ones it chose before, and the table comes masked by the pads, moved
   * accordingly. Seat 0's share is what makes the first entry 0. Bit 63 hands the carry out of bit 62 on.
   */
  *#carries(d: BigUint64Array): Interactive<{ g: Uint32Array; p: Uint32Array }> {
    const { length } = d;
    const width = packedLength(length);
    const { choice, pad } = this.supply.carries(length);
    const [g, p] = [new Uint32Array(BLOCKS * width), new Uint32Array(BLOCKS * width)];
    const put = (i: number, block: number, pair: number) => {
      const at = (REVERSED[block] ?? 0) * width + (i >>> 5);
      g[at] = g[at]! | ((pair & 1) << (i & 31));
      p[at] = p[at]! | ((pair >>> 1) << (i & 31));
    };
    const nibble = (halves: Uint32Array, i: number, block: number) =>
      (halves[2 * i + (block >>> 3)]! >>> (4 * (block & 7))) & 15;
    const own = new Uint32Array(length * 2);
    own.set(new Uint32Array(d.buffer, d.byteOffset, 2 * length));
    for (let i = 0; i < length; i++) {
      own[2 * i + 1] = this.first ? own[2 * i + 1]! | 0x80000000 : own[2 * i + 1]! & 0x7fffffff;
    }
    if (this.first) {
      const moves = toPacked(yield { send: new Uint8Array(0), expect: 8 * length });
      const tables = new Uint32Array(BLOCKS * length);
      for (let i = 0; i < length; i++) {
        for (let block = 0; block < BLOCKS; block++) {
          const at = BLOCKS * i + block;
          const masked = CARRIES[nibble(own, i, block)]! ^ moved(pad[at]!, nibble(moves, i, block));
          const share = masked & 3;
          tables[at] = masked ^ (share * 0x55555555);
          put(i, block, share);
        }
      }
      yield* sendOnly(bytesOf(tables));
    } else {
      const mine = new Uint32Array(choice.buffer, choice.byteOffset, 2 * length);
      yield* sendOnly(bytesOf(xor(own, mine)));
      const tables = toPacked(yield { send: new Uint8Array(0), expect: 4 * BLOCKS * length });
      for (let i = 0; i < length; i++) {
        for (let block = 0; block < BLOCKS; block++) {
          const at = BLOCKS * i + block;
          put(i, block, ((tables[at]! >>> (2 * nibble(own, i, block))) & 3) ^ pad[at]!);
        }
      }
    }
    return { g, p };
  }

  /** d = 0 exactly if every bit of d0 equals that of -d1; a tree of ANDs over the 64 bits. */
  protected override *zero(d: BigUint64Array): Interactive<Uint32Array> {
    return yield* this.all(this.not(this.simd.slicePlanes(this.first ? d : scale(d, -1n))));
  }

  /** The bit b0 ⊕ b1 as words: b0 + b1 - 2 b0 b1. */
  protected override *inject(x: Uint32Array, length: number): Interactive<BigUint64Array> {
    const product = yield* this.#crossWords(x, length);
    return sub(widen(x, length), scale(product, 2n));
  }
}

/** Blocks of four bits in a word. */
const BLOCKS = 16;
const REVERSED = Uint8Array.from(
  { length: BLOCKS },
  (_, j) => ((j & 1) << 3) | ((j & 2) << 1) | ((j & 4) >> 1) | (j >> 3),
);
/** For four bits of one seat, in slot m what they make with the bits m of the other: a carry (1), a carry handed on (2). */
const CARRIES = Uint32Array.from({ length: 16 }, (_, u) => {
  let table = 0;
  for (let m = 0; m < 16; m++) table |= (((u + m) >> 4) | (u + m === 15 ? 2 : 0)) << (2 * m);
  return table;
});

/** Slot m of the result is slot m ⊕ by. */
function moved(word: number, by: number): number {
  let out = word;
  out ^= (out ^ (((out >>> 2) & 0x33333333) | ((out & 0x33333333) << 2))) & -(by & 1);
  out ^= (out ^ (((out >>> 4) & 0x0f0f0f0f) | ((out & 0x0f0f0f0f) << 4))) & -((by >> 1) & 1);
  out ^= (out ^ (((out >>> 8) & 0x00ff00ff) | ((out & 0x00ff00ff) << 8))) & -((by >> 2) & 1);
  out ^= (out ^ ((out >>> 16) | (out << 16))) & -((by >> 3) & 1);
  return out;
}

function* sendOnly(send: Uint8Array): Generator<Exchange, void, Uint8Array> {
  yield { send, expect: 0 };
}

/** Each seat's own bits under its factors, in the open. */
function* swapMasked(own: Uint32Array, factor: Uint32Array): Interactive<[mine: Uint32Array, theirs: Uint32Array]> {
  const mine = xor(own, factor);
  return [mine, toPacked(yield { send: bytesOf(mine), expect: mine.byteLength })];
}

function and(x: Uint32Array, y: Uint32Array): Uint32Array {
  const out = new Uint32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! & y[i]!;
  return out;
}
