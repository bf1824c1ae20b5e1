/**
 * Operations on additive shares over Z_2^64 and Z_2, among two or more seats, semi-honest, all but one corrupted. A share is a
 * vector of words, or of packed bits (bit i in word i >> 5 at place i & 31; what lies beyond the length is arbitrary).
 * Reference: Goldreich, Micali, Wigderson, STOC 1987; Beaver, CRYPTO 1991: operands are opened under the masks of a triple.
 * Per element, sent by a seat to each other, beside what the correlations cost (`preprocessing.ts`):
 *   mul, dot 1 round, 16 bytes an operand pair; matmul 1 round, 8 bytes an element of either matrix; and 1 round, 2 bits.
 * How words become bits and bits words is another matter for two (`two-seats.ts`) than for more (`several-seats.ts`).
 * Leakage to a seat: none beyond the lengths; every received word is masked by a correlation that serves once.
 * @module
 */
import { assert, type Rng } from '@2pm/core';
import type { Gate } from '../circuit.ts';
import type { Engine, Interactive } from '../execute.ts';
import {
  add,
  blockSums,
  complement,
  joined,
  lowestBits,
  prefixSums,
  scale,
  spread,
  strided,
  sub,
  transposed,
  xor,
  xorTo,
} from '../rep3/kernels.ts';
import { bytesOf, packedLength, toPacked, toWords } from '../rep3/share.ts';
import type { Simd } from '../rep3/simd.ts';
import type { RoundCosts } from '../schedule.ts';
import type { Supply } from './supply.ts';

export type Share = BigUint64Array | Uint32Array;

export interface AdditiveSeat {
  seat: number;
  seats: number;
  supply: Supply;
  simd: Simd;
  /** This seat's share of an input. */
  inputs: (gate: Gate) => BigUint64Array;
  /** This seat's alone; who draws nothing needs none. */
  rng?: Rng;
}

export abstract class AdditiveEngine implements Engine<Share> {
  abstract readonly costs: RoundCosts;
  readonly peers: number;
  /** Seat 0: it alone holds what is public. */
  protected readonly first: boolean;
  protected readonly supply: Supply;
  protected readonly simd: Simd;
  readonly #inputs: (gate: Gate) => BigUint64Array;
  readonly #rng: Rng | undefined;

  constructor({ seat, seats, supply, simd, inputs, rng }: AdditiveSeat) {
    this.peers = seats - 1;
    this.first = seat === 0;
    this.supply = supply;
    this.simd = simd;
    this.#inputs = inputs;
    this.#rng = rng;
  }

  local(gate: Gate, args: readonly Share[]): Share {
    const [x, y] = args;
    switch (gate.op) {
      case 'total':
      case 'stack':
        return this.#inputs(gate);
      case 'constant':
        return new BigUint64Array(gate.length).fill(this.first ? (gate.constant ?? 0n) : 0n);
      case 'random':
        return this.draw(gate.length);
      case 'scale':
        return scale(words(x), gate.constant ?? 0n);
      case 'add':
        return add(words(x), words(y));
      case 'sub':
        return sub(words(x), words(y));
      case 'sum':
        return blockSums(words(x), gate.length);
      case 'prefix':
        return prefixSums(words(x));
      case 'parity':
        return lowestBits(words(x));
      case 'xor':
        return xor(bits(x), bits(y));
      case 'not':
        return this.not(bits(x));
      case 'repeat':
        return repeat(x, gate.from ?? 1, gate.length);
      case 'slice':
        return strided(words(x), gate.offset ?? 0, gate.step ?? 1, gate.length, gate.run);
      case 'concat':
        return joined(args.map(words), gate.run);
      case 'transpose':
        return transposed(words(x), gate.inner ?? 1);
      default:
        throw new Error(`${gate.op} is not local`);
    }
  }

  interactive(gate: Gate, [x, y]: readonly Share[]): Interactive<Share> {
    switch (gate.op) {
      case 'mul':
        return this.product(x, y);
      case 'dot':
        return this.#dot(x, y, gate.length);
      case 'matmul':
        return this.#matmul(gate, words(x), words(y));
      case 'truncate':
        return this.truncate(words(x), BigInt(gate.constant ?? 0n));
      case 'and':
        return this.andAll([[bits(x), bits(y)]]);
      case 'zero':
        return this.zero(words(x));
      case 'negative':
        return this.negative(words(x));
      case 'inject':
        return this.inject(bits(x), gate.length);
      default:
        throw new Error(`${gate.op} is not interactive`);
    }
  }

  /** With d = x - a and e = y - b in the open, xy = c + d b + e a + d e. */
  protected *multiply(x: BigUint64Array, y: BigUint64Array): Interactive<BigUint64Array> {
    const { a, b, c } = this.supply.words(x.length);
    const [d, e] = yield* this.#openBoth(sub(x, a), sub(y, b));
    // One seat adds d e, within d (b + e).
    const other = this.first ? add(b, e) : b;
    const out = new BigUint64Array(x.length);
    for (let i = 0; i < out.length; i++) out[i] = c[i]! + d[i]! * other[i]! + e[i]! * a[i]!;
    return out;
  }

  /** See `fuse.ts` for when the first factor is of bits. */
  protected product(x: Share | undefined, y: Share | undefined): Interactive<BigUint64Array> {
    return this.multiply(words(x), words(y));
  }

  /** x / 2^bits, rounded to one of the two neighbouring integers, for x in [-2^62, 2^62). */
  protected abstract truncate(x: BigUint64Array, by: bigint): Interactive<BigUint64Array>;
  protected abstract zero(x: BigUint64Array): Interactive<Uint32Array>;
  protected abstract negative(x: BigUint64Array): Interactive<Uint32Array>;
  protected abstract inject(x: Uint32Array, length: number): Interactive<BigUint64Array>;

  *#dot(x: Share | undefined, y: Share | undefined, length: number): Interactive<BigUint64Array> {
    return blockSums(yield* this.product(x, y), length);
  }

  *#matmul(gate: Gate, x: BigUint64Array, y: BigUint64Array): Interactive<BigUint64Array> {
    const { a, b, c } = this.supply.matrix(gate);
    const [d, e] = yield* this.#openBoth(sub(x, a), sub(y, b));
    const pairs = [
      [d, this.first ? add(b, e) : b],
      [a, e],
    ] as const;
    return add(c, this.simd.matrixProducts(pairs, gate.inner ?? 1));
  }

  /** ANDs of several pairs, each of equal lengths, in one round and side by side in one share. */
  protected *andAll(pairs: readonly (readonly [Uint32Array, Uint32Array])[]): Interactive<Uint32Array> {
    const length = pairs.reduce((sum, [x]) => sum + x.length, 0);
    const { a, b, c } = this.supply.bits(length);
    const opened = new Uint32Array(2 * length);
    let [d, e] = [opened.subarray(0, length), opened.subarray(length)];
    let start = 0;
    for (const [x, y] of pairs) {
      d.set(x, start);
      e.set(y, start);
      start += x.length;
    }
    xorTo(d, d, a);
    xorTo(e, e, b);
    const theirs = toPacked(yield { send: bytesOf(opened), expect: opened.byteLength });
    const all = opened.slice();
    for (let at = 0; at < theirs.length; at += all.length) xorTo(all, all, theirs.subarray(at, at + all.length));
    [d, e] = [all.subarray(0, length), all.subarray(length)];
    const own = this.first ? -1 : 0;
    const out = new Uint32Array(length);
    for (let i = 0; i < length; i++) out[i] = c[i]! ^ (d[i]! & (b[i]! ^ (e[i]! & own))) ^ (e[i]! & a[i]!);
    return out;
  }

  /** Whether all of 64 planes of bits are 1; six rounds. */
  protected *all(planes: Uint32Array): Interactive<Uint32Array> {
    const width = planes.length / 64;
    let all = planes;
    for (let count = 32; count >= 1; count >>= 1) {
      all = yield* this.andAll([[all.subarray(0, count * width), all.subarray(count * width)]]);
    }
    return all;
  }

  /** Words of this seat's own. */
  protected draw(length: number): BigUint64Array {
    assert(this.#rng !== undefined, 'who draws has a generator of its own');
    return toWords(this.#rng.fill(new Uint8Array(8 * length)));
  }

  /** Both vectors of masked shares, opened. */
  *#openBoth(d: BigUint64Array, e: BigUint64Array): Interactive<[d: BigUint64Array, e: BigUint64Array]> {
    const send = new BigUint64Array(d.length + e.length);
    send.set(d);
    send.set(e, d.length);
    const theirs = toWords(yield { send: bytesOf(send), expect: send.byteLength });
    let opened: BigUint64Array = send;
    for (let at = 0; at < theirs.length; at += send.length) opened = add(opened, theirs.subarray(at, at + send.length));
    return [opened.subarray(0, d.length), opened.subarray(d.length)];
  }

  /** Seat 0 flips its share. */
  protected not(x: Uint32Array): Uint32Array {
    return this.first ? complement(x) : x;
  }
}

export function words(share: Share | undefined): BigUint64Array {
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

/** Bit 63 of each word, packed. */
export function signs(x: BigUint64Array): Uint32Array {
  const out = new Uint32Array(packedLength(x.length));
  const halves = new Uint32Array(x.buffer, x.byteOffset, 2 * x.length);
  for (let i = 0; i < x.length; i++) out[i >>> 5] = out[i >>> 5]! | ((halves[2 * i + 1]! >>> 31) << (i & 31));
  return out;
}
