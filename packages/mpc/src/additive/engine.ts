/**
 * Operations on additive shares over Z_2^64 and Z_2, two seats, semi-honest, one corrupted. A share is a vector of words,
 * or of packed bits (bit i in word i >> 5 at place i & 31; what lies beyond the length is arbitrary).
 * Reference: Goldreich, Micali, Wigderson, STOC 1987; Beaver, CRYPTO 1991: operands are opened under the masks of a triple.
 * Per element, sent by a seat, beside what the correlations cost (`preprocessing.ts`):
 *   mul, dot 1 round, 16 bytes an operand pair, or 8 bytes and a bit where one is a bit; matmul 1 round, 8 bytes an element
 *   of either matrix; and 1 round, 2 bits; zero 6 rounds, 126 bits; negative 6 rounds, 52 bits, and 64 bytes of seat 0, 8
 *   of seat 1; inject, truncate 1 round, 1 bit.
 * Leakage to a seat: none beyond the lengths; every received word is masked by a correlation that serves once.
 * Deviations: a sign is the carry of the two shares, each known to its seat, as is the wrap in a truncation. Seat 0 reads a
 * table of 64 bytes at secret places.
 * @module
 */
import { assert, concatBytes, type Rng } from '@2pm/core';
import type { Gate } from '../circuit.ts';
import type { Engine, Exchange, Interactive } from '../execute.ts';
import {
  add,
  blockSums,
  complement,
  joined,
  lowestBits,
  scale,
  spread,
  strided,
  sub,
  transposed,
  widen,
  xor,
  xorTo,
} from '../rep3/kernels.ts';
import { bytesOf, packedLength, toPacked, toWords } from '../rep3/share.ts';
import type { Simd } from '../rep3/simd.ts';
import type { Supply } from './supply.ts';

export type Share = BigUint64Array | Uint32Array;

/** Rounds of the interactive operations. */
export const ROUND_COSTS = { mul: 1, dot: 1, matmul: 1, truncate: 1, and: 1, zero: 6, negative: 6, inject: 1 } as const;

export class AdditiveEngine implements Engine<Share> {
  readonly costs = ROUND_COSTS;
  readonly #first: boolean;
  readonly #supply: Supply;
  readonly #simd: Simd;
  readonly #inputs: (gate: Gate) => BigUint64Array;
  readonly #rng: Rng | undefined;

  /** `rng`: this seat's alone; without it the engine draws nothing. */
  constructor(seat: number, supply: Supply, simd: Simd, inputs: (gate: Gate) => BigUint64Array, rng?: Rng) {
    this.#rng = rng;
    this.#first = seat === 0;
    this.#supply = supply;
    this.#simd = simd;
    this.#inputs = inputs;
  }

  local(gate: Gate, args: readonly Share[]): Share {
    const [x, y] = args;
    switch (gate.op) {
      case 'total':
      case 'stack':
        return this.#inputs(gate);
      case 'constant':
        return new BigUint64Array(gate.length).fill(this.#first ? (gate.constant ?? 0n) : 0n);
      case 'random':
        assert(this.#rng !== undefined, 'who draws has a generator of its own');
        return toWords(this.#rng.fill(new Uint8Array(8 * gate.length)));
      case 'scale':
        return scale(words(x), gate.constant ?? 0n);
      case 'add':
        return add(words(x), words(y));
      case 'sub':
        return sub(words(x), words(y));
      case 'sum':
        return blockSums(words(x), gate.length);
      case 'parity':
        return lowestBits(words(x));
      case 'xor':
        return xor(bits(x), bits(y));
      case 'not':
        return this.#not(bits(x));
      case 'repeat':
        return repeat(x, gate.from ?? 1, gate.length);
      case 'slice':
        return strided(words(x), gate.offset ?? 0, gate.step ?? 1, gate.length);
      case 'concat':
        return joined(args.map(words));
      case 'transpose':
        return transposed(words(x), gate.inner ?? 1);
      default:
        throw new Error(`${gate.op} is not local`);
    }
  }

  interactive(gate: Gate, [x, y]: readonly Share[]): Interactive<Share> {
    switch (gate.op) {
      case 'mul':
        return this.#product(x, y);
      case 'dot':
        return this.#dot(x, y, gate.length);
      case 'matmul':
        return this.#matmul(gate, words(x), words(y));
      case 'truncate':
        return this.#truncate(words(x), BigInt(gate.constant ?? 0n));
      case 'and':
        return this.#andAll([[bits(x), bits(y)]]);
      case 'zero':
        return this.#zero(words(x));
      case 'negative':
        return this.#negative(words(x));
      case 'inject':
        return this.#inject(bits(x), gate.length);
      default:
        throw new Error(`${gate.op} is not interactive`);
    }
  }

  /** With d = x - a and e = y - b in the open, xy = c + d b + e a + d e. */
  *#multiply(x: BigUint64Array, y: BigUint64Array): Interactive<BigUint64Array> {
    const { a, b, c } = this.#supply.words(x.length);
    const [d, e] = yield* openBoth(sub(x, a), sub(y, b));
    // One seat adds d e, within d (b + e).
    const other = this.#first ? add(b, e) : b;
    const out = new BigUint64Array(x.length);
    for (let i = 0; i < out.length; i++) out[i] = c[i]! + d[i]! * other[i]! + e[i]! * a[i]!;
    return out;
  }

  /** See `fuse.ts` for when the first factor is of bits. */
  #product(x: Share | undefined, y: Share | undefined): Interactive<BigUint64Array> {
    return x instanceof Uint32Array ? this.#choose(x, words(y)) : this.#multiply(words(x), words(y));
  }

  *#dot(x: Share | undefined, y: Share | undefined, length: number): Interactive<BigUint64Array> {
    return blockSums(yield* this.#product(x, y), length);
  }

  /**
   * The word y where the bit x is 1, else 0. With the own x0, y0: x y0 = x0 y0 + x1 (1 - 2 x0) y0, of which the last is the
   * product of a word of this seat and a bit of the other. With α = word - a and β = bit ⊕ t in the open, word·bit is
   * β word + (1 - 2β)(a t + α t).
   */
  *#choose(x: Uint32Array, y: BigUint64Array): Interactive<BigUint64Array> {
    const { length } = y;
    const { word: a, sent, bit: t, received } = this.#supply.choices(x.length);
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

  *#matmul(gate: Gate, x: BigUint64Array, y: BigUint64Array): Interactive<BigUint64Array> {
    const { a, b, c } = this.#supply.matrix(gate);
    const [d, e] = yield* openBoth(sub(x, a), sub(y, b));
    const pairs = [
      [d, this.#first ? add(b, e) : b],
      [a, e],
    ] as const;
    return add(c, this.#simd.matrixProducts(pairs, gate.inner ?? 1));
  }

  /**
   * x / 2^bits for x in [-2^62, 2^62), to one of the two neighbouring integers. Seat 0 knows u = x0 + 2^62, seat 1 knows
   * r = -x1, and X = x + 2^62 = u - r modulo 2^64 with X < 2^63. So the subtraction wraps exactly if r ≥ 2^63 and
   * u < 2^63, and (u >> bits) - (r >> bits) + 2^(64-bits) [wraps] is ⌊X / 2^bits⌋ or one more, the latter if the low bits
   * of u are below those of r: with the probability of X's fraction when those of r are uniform.
   */
  *#truncate(x: BigUint64Array, by: bigint): Interactive<BigUint64Array> {
    const part = new BigUint64Array(x.length);
    const half = 1n << 62n;
    const low = half >> by;
    const top = new BigUint64Array(x.length);
    const [shift, sign] = [by, 63n];
    if (this.#first) {
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

  /** ANDs of several pairs, each of equal lengths, in one round and side by side in one share. */
  *#andAll(pairs: readonly (readonly [Uint32Array, Uint32Array])[]): Interactive<Uint32Array> {
    const length = pairs.reduce((sum, [x]) => sum + x.length, 0);
    const { a, b, c } = this.#supply.bits(length);
    const opened = new Uint32Array(2 * length);
    const [d, e] = [opened.subarray(0, length), opened.subarray(length)];
    let start = 0;
    for (const [x, y] of pairs) {
      d.set(x, start);
      e.set(y, start);
      start += x.length;
    }
    xorTo(d, d, a);
    xorTo(e, e, b);
    const theirs = toPacked(yield { send: bytesOf(opened), expect: opened.byteLength });
    xorTo(opened, opened, theirs);
    const own = this.#first ? -1 : 0;
    const out = new Uint32Array(length);
    for (let i = 0; i < length; i++) out[i] = c[i]! ^ (d[i]! & (b[i]! ^ (e[i]! & own))) ^ (e[i]! & a[i]!);
    return out;
  }

  /** ANDs of a bit of this seat with one of the other's, as words. */
  *#crossWords(own: Uint32Array, length: number): Interactive<BigUint64Array> {
    const { factor, share } = this.#supply.crossWords(own.length);
    const [mine, theirs] = yield* swapMasked(own, factor);
    // With α = f0 ⊕ s and β = f1 ⊕ t in the open, f0 f1 = β f0 + α (f1 - β) + (1 - 2α)(1 - 2β) s t.
    const flips = widen(xor(mine, theirs), length);
    const out = widen(and(theirs, own), length);
    if (!this.#first) {
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
  *#negative(d: BigUint64Array): Interactive<Uint32Array> {
    const { g: carry, p } = yield* this.#carries(d);
    const width = packedLength(d.length);
    const run = (planes: Uint32Array, from: number, to: number) => planes.subarray(from * width, to * width);
    // A pair (g, p) of a run of bits: it generates a carry, or hands on the one from below. Higher runs lie `half` planes
    // behind lower ones, and join: g = g' ⊕ p'g, p = p'p.
    for (let half = BLOCKS / 2; half >= 1; half >>= 1) {
      const joined = yield* this.#andAll([
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
    const { choice, pad } = this.#supply.carries(length);
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
      own[2 * i + 1] = this.#first ? own[2 * i + 1]! | 0x80000000 : own[2 * i + 1]! & 0x7fffffff;
    }
    if (this.#first) {
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
  *#zero(d: BigUint64Array): Interactive<Uint32Array> {
    const width = packedLength(d.length);
    let equal = this.#not(this.#simd.slicePlanes(this.#first ? d : scale(d, -1n)));
    for (let count = 32; count >= 1; count >>= 1) {
      equal = yield* this.#andAll([[equal.subarray(0, count * width), equal.subarray(count * width)]]);
    }
    return equal;
  }

  /** The bit b0 ⊕ b1 as words: b0 + b1 - 2 b0 b1. */
  *#inject(x: Uint32Array, length: number): Interactive<BigUint64Array> {
    const product = yield* this.#crossWords(x, length);
    return sub(widen(x, length), scale(product, 2n));
  }

  #not(x: Uint32Array): Uint32Array {
    return this.#first ? complement(x) : x;
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

/** Bit 63 of each word, packed. */
function signs(x: BigUint64Array): Uint32Array {
  const out = new Uint32Array(packedLength(x.length));
  const halves = new Uint32Array(x.buffer, x.byteOffset, 2 * x.length);
  for (let i = 0; i < x.length; i++) out[i >>> 5] = out[i >>> 5]! | ((halves[2 * i + 1]! >>> 31) << (i & 31));
  return out;
}

function* sendOnly(send: Uint8Array): Generator<Exchange, void, Uint8Array> {
  yield { send, expect: 0 };
}

/** Both vectors of masked shares, opened. */
function* openBoth(d: BigUint64Array, e: BigUint64Array): Interactive<[d: BigUint64Array, e: BigUint64Array]> {
  const send = new BigUint64Array(d.length + e.length);
  send.set(d);
  send.set(e, d.length);
  const opened = add(send, toWords(yield { send: bytesOf(send), expect: send.byteLength }));
  return [opened.subarray(0, d.length), opened.subarray(d.length)];
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

function words(share: Share | undefined): BigUint64Array {
  assert(share instanceof BigUint64Array, 'the circuit gives words where words are taken');
  return share;
}

function bits(share: Share | undefined): Uint32Array {
  assert(share instanceof Uint32Array, 'the circuit gives bits where bits are taken');
  return share;
}

/** `has` elements, each repeated to make `length`. */
function repeat(share: Share | undefined, has: number, length: number): Share {
  const times = length / has;
  if (share instanceof Uint32Array) return spread(share, length, times);
  const out = new BigUint64Array(length);
  for (const [i, word] of words(share).entries()) out.fill(word, i * times, (i + 1) * times);
  return out;
}
