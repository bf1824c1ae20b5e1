/**
 * Operations on replicated shares over Z_2^64 and Z_2, three seats, semi-honest, one corrupted.
 * Reference: Araki et al., CCS 2016, §2; conversions after Mohassel–Rindal (ABY3), CCS 2018, §5.3.
 * In each round a seat sends to the previous seat and hears from the next. Per element and seat, sent:
 *   mul 1 round, 8 bytes; and 1 round, 1 bit; dot, matmul 1 round, 8 bytes a result; zero 7 rounds, 63 bits;
 *   negative 8 rounds, 181 bits; inject, truncate 2 rounds, 8 bytes. Seat 0 sends 64 more in zero, negative (bits),
 *   inject, and in truncate 16, 32 or 64, as many as hold the bits cut off. For rows see shuffle, join and sort.
 * Leakage to a seat: none beyond the lengths; every received word is masked by a stream that it does not know.
 * Each mask is the next stretch of a stream of a pairwise key, in the order of the schedule: no byte of it serves twice.
 * @module
 */
import { assert } from '@2pm/core';
import type { Gate } from '../circuit.ts';
import type { Engine, Exchange, Interactive } from '../execute.ts';
import type { RoundCosts } from '../schedule.ts';
import { joinRelations } from './join.ts';
import {
  add,
  blockSums,
  complement,
  crossProduct,
  halves,
  joined,
  lowestBits,
  lowHalves,
  prefixSums,
  scale,
  spread,
  strided,
  sub,
  transposed,
  widen,
  xor,
  xorTo,
} from './kernels.ts';
import type { Masks } from './masks.ts';
import { digitPlaces } from './radix.ts';
import { type BitShare, bytesOf, packedLength, type Share, toPacked, toWords, type WordShare } from './share.ts';
import { shuffle } from './shuffle.ts';
import { narrow, narrowBytes, type Simd } from './simd.ts';
import { bitOfRows, origins, placeRows, xoredWords } from './sort.ts';

/** Rounds of the interactive operations. */
export const ROUND_COSTS = {
  ...{ mul: 1, dot: 1, matmul: 1, truncate: 2, and: 1, zero: 7, negative: 8, inject: 2 },
  ...{ shuffle: 2, join: 3, sortable: 7, radix: 7, ranks: 3, place: 3 },
} as const;

export class Rep3Engine implements Engine<Share> {
  readonly costs: RoundCosts = ROUND_COSTS;
  readonly #seat: number;
  /** Keys of components `seat` (shared with the previous seat) and `seat + 1` (shared with the next). */
  readonly #keys: { a: Masks; b: Masks };
  readonly #simd: Simd;
  readonly #inputs: (gate: Gate) => WordShare;
  readonly #own: Masks | undefined;
  /** The components that are nothing but zeros are views of this. Nobody writes here. */
  #zeros = new ArrayBuffer(0);

  /** `own`: a stream that no other seat knows; without it the engine cannot join. */
  constructor(seat: number, keys: { a: Masks; b: Masks }, simd: Simd, inputs: (gate: Gate) => WordShare, own: Masks) {
    this.#seat = seat;
    this.#keys = keys;
    this.#simd = simd;
    this.#inputs = inputs;
    this.#own = own;
  }

  local(gate: Gate, args: readonly Share[]): Share {
    const [x, y] = args;
    switch (gate.op) {
      case 'total':
      case 'stack':
        return this.#inputs(gate);
      case 'constant':
        return this.#onComponent0(new BigUint64Array(gate.length).fill(gate.constant ?? 0n));
      case 'random': {
        const draw = (stream: Masks) => toWords(stream.bytes(8 * gate.length));
        return { form: 'words', a: draw(this.#keys.a), b: draw(this.#keys.b) };
      }
      case 'scale':
        return both(words(x), (part) => scale(part, gate.constant ?? 0n));
      case 'add':
        return pairwise(words(x), words(y), add);
      case 'sub':
        return pairwise(words(x), words(y), sub);
      case 'sum':
        return both(words(x), (part) => blockSums(part, gate.length));
      case 'prefix':
        return both(words(x), prefixSums);
      case 'parity': {
        const { a, b } = words(x);
        return { form: 'bits', a: lowestBits(a), b: lowestBits(b) };
      }
      case 'xor':
        return xorShares(bits(x), bits(y));
      case 'not':
        return this.not(bits(x));
      case 'repeat':
        return repeat(x, gate.from ?? 1, gate.length);
      case 'slice':
        return both(words(x), (part) => strided(part, gate.offset ?? 0, gate.step ?? 1, gate.length, gate.run));
      case 'concat': {
        const parts = args.map(words);
        const side = (part: 'a' | 'b') =>
          joined(
            parts.map((share) => share[part]),
            gate.run,
          );
        return { form: 'words', a: side('a'), b: side('b') };
      }
      case 'transpose':
        return both(words(x), (part) => transposed(part, gate.inner ?? 1));
      default:
        throw new Error(`${gate.op} is not local`);
    }
  }

  interactive(gate: Gate, args: readonly Share[]): Interactive<Share> {
    const [x, y] = args;
    switch (gate.op) {
      case 'mul':
        return this.#multiply(words(x), words(y));
      case 'dot':
        return this.#dot(words(x), words(y), gate.length);
      case 'matmul':
        return this.#matmul(words(x), words(y), gate.inner ?? 1);
      case 'truncate':
        return this.#truncate(words(x), Number(gate.constant));
      case 'and':
        return this.and(bits(x), bits(y));
      case 'zero':
        return this.#zero(words(x));
      case 'negative':
        return this.#negative(words(x));
      case 'inject':
        return this.#inject(bits(x), gate.length);
      case 'shuffle':
        return this.#shuffle(args.map(words), gate.rows ?? gate.length);
      case 'sortable':
        return this.#sortable(words(x), Number(gate.constant));
      case 'radix':
        return this.#radix(bits(x), Number(gate.constant));
      case 'ranks':
        return this.#ranks(bits(x));
      case 'place':
        return this.#place(words(x), columnsOf(args.slice(1).map(words), words(x).a.length));
      case 'join':
        assert(this.#own !== undefined, 'who joins has a stream of its own');
        return joinRelations(this.#seat, this.#keys, this.#own, gate, args.map(words));
      default:
        throw new Error(`${gate.op} is not interactive`);
    }
  }

  *#multiply(x: WordShare, y: WordShare): Interactive<WordShare> {
    const a = new BigUint64Array(x.a.length);
    const prepare = (from: number, to: number) => this.#simd.maskedProduct(a, x, y, this.#keys, from / 8, to / 8);
    const b = toWords(yield { send: bytesOf(a), prepare, expect: a.byteLength });
    return { form: 'words', a, b };
  }

  /** Additive parts of words, one at each seat, to a replicated share: this seat's part under a zero sharing. */
  *#share(a: BigUint64Array): Interactive<WordShare> {
    const prepare = (from: number, to: number) => this.#simd.maskWords(a, this.#keys, from / 8, to / 8);
    const b = toWords(yield { send: bytesOf(a), prepare, expect: a.byteLength });
    return { form: 'words', a, b };
  }

  /** Products, summed over blocks down to `length` results before they are masked and sent. */
  #dot(x: WordShare, y: WordShare, length: number): Interactive<WordShare> {
    return this.#share(blockSums(crossProduct(x.a, x.b, y.a, y.b), length));
  }

  #matmul(x: WordShare, y: WordShare, inner: number): Interactive<WordShare> {
    const pairs = [
      [x.a, add(y.a, y.b)],
      [x.b, y.a],
    ] as const;
    return this.#share(this.#simd.matrixProducts(pairs, inner));
  }

  /**
   * x / 2^bits for x in [-2^62, 2^62), to one of the two neighbouring integers. Seat 0 knows u = x0 + x1 + 2^62, seats 1
   * and 2 know r = -x2, and X = x + 2^62 = u - r modulo 2^64 with X < 2^63. So the subtraction wraps exactly if r ≥ 2^63
   * and u < 2^63, and (u >> bits) - (r >> bits) + 2^(64-bits) [wraps] is ⌊X / 2^bits⌋ or one more, the latter if the low
   * bits of u are below those of r: with the probability of X's fraction when those of r are uniform.
   * The product of the two bits: seat 0 splits its own into a stream of seats 0 and 1 and a word for seat 2, modulo
   * 2^bits or more, for times 2^(64-bits) no more counts.
   */
  *#truncate({ a, b }: WordShare, bits: number): Interactive<WordShare> {
    const bytes = narrowBytes(bits) * a.length;
    const part = new BigUint64Array(a.length);
    if (this.#seat === 0) {
      const bit = narrow(new Uint8Array(bytes), bits);
      this.#simd.truncateSum(bits, [a, b, narrow(this.#keys.b.bytes(bytes), bits)], [bit, part]);
      yield* sendOnly(bytesOf(bit));
    } else if (this.#seat === 1) {
      const mask = narrow(this.#keys.a.bytes(bytes), bits);
      yield* sendOnly(new Uint8Array(0));
      this.#simd.truncateDifference(bits, false, b, mask, part);
    } else {
      const masked = narrow(yield { send: new Uint8Array(0), expect: bytes }, bits);
      this.#simd.truncateDifference(bits, true, a, masked, part);
    }
    return yield* this.#share(part);
  }

  protected *and(x: BitShare, y: BitShare): Interactive<BitShare> {
    return yield* this.andAll([[x, y]]);
  }

  /** ANDs of several pairs, each of equal lengths, in one round and side by side in one share. */
  protected *andAll(pairs: readonly (readonly [BitShare, BitShare])[]): Interactive<BitShare> {
    const a = new Uint32Array(pairs.reduce((sum, [x]) => sum + x.a.length, 0));
    const prepare = (fromByte: number, toByte: number) => {
      const [from, to] = [fromByte / 4, toByte / 4];
      let start = 0;
      for (const [x, y] of pairs) {
        const [low, high] = [Math.max(from, start), Math.min(to, start + x.a.length)];
        if (low < high) {
          const [left, right] = [planes(x, low - start, high - start, 1), planes(y, low - start, high - start, 1)];
          this.#simd.maskedAnd(a.subarray(low, high), left, right, this.#keys);
        }
        start += x.a.length;
      }
    };
    const b = toPacked(yield { send: bytesOf(a), prepare, expect: a.byteLength });
    return { form: 'bits', a, b };
  }

  /** Sign of d = (d0 + d1) + d2. Seat 0 knows u = d0 + d1 and shares its bits; v = d2 is shared by standing still. */
  *#negative(d: WordShare): Interactive<BitShare> {
    const u = yield* this.#shareSum(d);
    return yield* this.signOfSum(
      u,
      this.#onComponent2(d, (part) => this.#simd.slicePlanes(part)),
    );
  }

  /**
   * Sign of u + v, both in bit planes: u63 ⊕ v63 ⊕ the carry out of bits 0..62, which a tree of (generate, propagate)
   * pairs finds in 6 rounds after one.
   */
  protected *signOfSum(u: BitShare, v: BitShare): Interactive<BitShare> {
    const width = u.a.length / 64;
    const run = (share: BitShare, from: number, to: number) => planes(share, from, to, width);
    const p = xorShares(u, v);
    const g = yield* this.and(run(u, 0, 63), run(v, 0, 63));
    // A pair (g, p) of a run of bits: it generates a carry, or hands on the one from below. Higher runs lie `half` planes
    // behind lower ones, and join: g = g' ⊕ p'g, p = p'p. Plane 31 has no partner in the first level, as 63 is the sign.
    const carry: BitShare = { form: 'bits', a: g.a.slice(0, 32 * width), b: g.b.slice(0, 32 * width) };
    for (let half = 32, high = g; half >= 1; half >>= 1, high = carry) {
      const pairs = half === 32 ? 31 : half;
      const joined = yield* this.andAll([
        [run(p, half, half + pairs), run(carry, 0, pairs)],
        // The lowest run has nothing below it, so nobody asks whether it hands a carry on.
        [run(p, half + 1, half + pairs), run(p, 1, pairs)],
      ]);
      for (const part of ['a', 'b'] as const) {
        xorTo(carry[part], high[part].subarray(half * width, (half + pairs) * width), joined[part]);
        p[part].set(joined[part].subarray(pairs * width), width);
      }
    }
    return xorShares(run(p, 63, 64), run(carry, 0, 1));
  }

  /** d = 0 exactly if every bit of u = d0 + d1 equals that of -d2; a tree of ANDs over the 64 bits. */
  *#zero(d: WordShare): Interactive<BitShare> {
    const u = yield* this.#shareSum(d);
    const v = this.#onComponent2(d, (part) => this.#simd.slicePlanes(scale(part, -1n)));
    return yield* this.conjunction(this.not(xorShares(u, v)));
  }

  /** Whether all 64 planes hold a 1, in 6 rounds. */
  protected *conjunction(equal: BitShare): Interactive<BitShare> {
    const width = equal.a.length / 64;
    for (let count = 32; count >= 1; count >>= 1) {
      equal = yield* this.and(planes(equal, 0, count, width), planes(equal, count, 2 * count, width));
    }
    return equal;
  }

  /** Bits of d0 + d1 in planes. */
  #shareSum(d: WordShare): Interactive<BitShare> {
    return this.#shareOfSeat0(64 * packedLength(d.a.length), () => this.#simd.slicePlanes(add(d.a, d.b)));
  }

  /** Bits that seat 0 knows, in `size` words: component 1 is a stream of seats 0 and 1, component 0 goes to seat 2. */
  *#shareOfSeat0(size: number, known: () => Uint32Array): Interactive<BitShare> {
    const none = () => this.#noBits(size);
    if (this.#seat === 0) {
      const b = toPacked(this.#keys.b.bytes(4 * size));
      const a = xor(known(), b);
      yield* sendOnly(bytesOf(a));
      return { form: 'bits', a, b };
    }
    if (this.#seat === 1) {
      const a = toPacked(this.#keys.a.bytes(4 * size));
      yield* sendOnly(new Uint8Array(0));
      return { form: 'bits', a, b: none() };
    }
    const b = toPacked(yield { send: new Uint8Array(0), expect: 4 * size });
    return { form: 'bits', a: none(), b };
  }

  /** The bit b = u ⊕ v with u = b0 ⊕ b1 known to seat 0 and v = b2: as words, u + v - 2uv. */
  *#inject(x: BitShare, length: number): Interactive<WordShare> {
    const none = () => this.#noWords(length);
    let u: WordShare;
    if (this.#seat === 0) {
      const b = toWords(this.#keys.b.bytes(8 * length));
      const a = sub(widen(xor(x.a, x.b), length), b);
      yield* sendOnly(bytesOf(a));
      u = { form: 'words', a, b };
    } else if (this.#seat === 1) {
      u = { form: 'words', a: toWords(this.#keys.a.bytes(8 * length)), b: none() };
      yield* sendOnly(new Uint8Array(0));
    } else {
      u = { form: 'words', a: none(), b: toWords(yield { send: new Uint8Array(0), expect: 8 * length }) };
    }
    const v: WordShare = {
      form: 'words',
      a: this.#seat === 2 ? widen(x.a, length) : none(),
      b: this.#seat === 1 ? widen(x.b, length) : none(),
    };
    const product = yield* this.#multiply(u, v);
    return pairwise(
      pairwise(u, v, add),
      both(product, (part) => scale(part, 2n)),
      sub,
    );
  }

  *#shuffle(args: readonly WordShare[], height: number): Interactive<WordShare> {
    const columns = columnsOf(args, height);
    const [shuffled] = yield* shuffle(this.#seat, this.#keys, 0, [{ height, columns, opened: 0 }]);
    return words(shuffled?.share);
  }

  /**
   * Rows of 64 bits: from the lowest on those of d = (d0 + d1) + d2 modulo 2^32, by prefixes of carries (Kogge and Stone),
   * with bit `bits` - 1 turned so that two's complement integers order like naturals, and none above it; from bit 32 on the
   * place of the row.
   */
  *#sortable(d: WordShare, bits: number): Interactive<BitShare> {
    const [size, seat] = [d.a.length, this.#seat];
    const u = yield* this.#shareOfSeat0(size, () => lowHalves(add(d.a, d.b)));
    const v: BitShare = {
      form: 'bits',
      a: seat === 2 ? lowHalves(d.a) : this.#noBits(size),
      b: seat === 1 ? lowHalves(d.b) : this.#noBits(size),
    };
    const unshifted = xorShares(u, v);
    let [g, p] = [yield* this.and(u, v), unshifted];
    for (let by = 1; by < 32; by *= 2) {
      const pairs: [BitShare, BitShare][] = [[p, shifted(g, by)]];
      if (by < 16) pairs.push([p, shifted(p, by)]);
      const joined = yield* this.andAll(pairs);
      g = xorShares(g, planes(joined, 0, 1, size));
      if (by < 16) p = planes(joined, 1, 2, size);
    }
    const low = xorShares(unshifted, shifted(g, 1));
    const rows = (part: Uint32Array, isFirst: boolean) => {
      const out = new Uint32Array(2 * size);
      const turned = isFirst ? 2 ** (bits - 1) : 0;
      const below = 2 ** bits - 1;
      for (let i = 0; i < size; i++) {
        out[2 * i] = (part[i]! & below) ^ turned;
        if (isFirst) out[2 * i + 1] = i;
      }
      return out;
    };
    return { form: 'bits', a: rows(low.a, seat === 0), b: rows(low.b, seat === 2) };
  }

  *#radix(rows: BitShare, bit: number): Interactive<BitShare> {
    const height = rows.a.length / 2;
    const [b0, b1] = [bit, bit + 1].map((place): BitShare => {
      return { form: 'bits', a: bitOfRows(rows.a, place), b: bitOfRows(rows.b, place) };
    }) as [BitShare, BitShare];
    const both = yield* this.and(b0, b1);
    const digits = { a: [b0.a, b1.a, both.a], b: [b0.b, b1.b, both.b] };
    const places = yield* digitPlaces(this.#seat, this.#keys, digits, height);
    const [sorted] = yield* placeRows(this.#seat, this.#keys, places, [xoredWords(rows)]);
    const { a, b } = words(sorted);
    return { form: 'bits', a: halves(a), b: halves(b) };
  }

  *#ranks(rows: BitShare): Interactive<WordShare> {
    const place = new BigUint64Array(rows.a.length / 2);
    const low = halves(place);
    for (let i = 0; i < place.length; i++) low[2 * i] = i;
    const [ranks] = yield* placeRows(this.#seat, this.#keys, origins(rows), [this.#onComponent0(place)]);
    return words(ranks);
  }

  *#place(ranks: WordShare, columns: readonly WordShare[]): Interactive<WordShare> {
    const placed = yield* placeRows(this.#seat, this.#keys, ranks, columns);
    return { form: 'words', a: joined(placed.map(({ a }) => a)), b: joined(placed.map(({ b }) => b)) };
  }

  /** A public vector is its own component 0. */
  #onComponent0(value: BigUint64Array): WordShare {
    const none = () => this.#noWords(value.length);
    return { form: 'words', a: this.#seat === 0 ? value : none(), b: this.#seat === 2 ? value : none() };
  }

  /** Component 2 of `d`, which seats 1 and 2 both know, bit-sliced, as a share of itself. */
  #onComponent2(d: WordShare, sliced: (part: BigUint64Array) => Uint32Array): BitShare {
    const none = () => this.#noBits(64 * packedLength(d.a.length));
    return {
      form: 'bits',
      a: this.#seat === 2 ? sliced(d.a) : none(),
      b: this.#seat === 1 ? sliced(d.b) : none(),
    };
  }

  #noWords(length: number): BigUint64Array {
    if (this.#zeros.byteLength < 8 * length) this.#zeros = new ArrayBuffer(8 * length);
    return new BigUint64Array(this.#zeros, 0, length);
  }

  #noBits(length: number): Uint32Array {
    const words = this.#noWords(Math.ceil(length / 2));
    return new Uint32Array(words.buffer, 0, length);
  }

  protected not({ a, b }: BitShare): BitShare {
    return { form: 'bits', a: this.#seat === 0 ? complement(a) : a, b: this.#seat === 2 ? complement(b) : b };
  }
}

/** The columns of a height that the arguments hold, one after another. */
function columnsOf(args: readonly WordShare[], height: number): WordShare[] {
  return args.flatMap((arg) =>
    Array.from({ length: arg.a.length / height }, (_, c) =>
      both(arg, (part) => part.subarray(c * height, (c + 1) * height)),
    ),
  );
}

/** Each word of 32 bits moved up. */
function shifted({ a, b }: BitShare, by: number): BitShare {
  const of = (part: Uint32Array) => {
    const out = new Uint32Array(part.length);
    for (let i = 0; i < out.length; i++) out[i] = part[i]! << by;
    return out;
  };
  return { form: 'bits', a: of(a), b: of(b) };
}

function* sendOnly(send: Uint8Array): Generator<Exchange, void, Uint8Array> {
  yield { send, expect: 0 };
}

export function words(share: Share | undefined): WordShare {
  assert(share?.form === 'words', 'the circuit gives words where words are taken');
  return share;
}

export function bits(share: Share | undefined): BitShare {
  assert(share?.form === 'bits', 'the circuit gives bits where bits are taken');
  return share;
}

export function both({ a, b }: WordShare, map: (part: BigUint64Array) => BigUint64Array): WordShare {
  return { form: 'words', a: map(a), b: map(b) };
}

export function pairwise(
  x: WordShare,
  y: WordShare,
  map: (left: BigUint64Array, right: BigUint64Array) => BigUint64Array,
): WordShare {
  return { form: 'words', a: map(x.a, y.a), b: map(x.b, y.b) };
}

export function xorShares(x: BitShare, y: BitShare): BitShare {
  return { form: 'bits', a: xor(x.a, y.a), b: xor(x.b, y.b) };
}

/** `has` elements, each repeated to make `length`. */
function repeat(share: Share | undefined, has: number, length: number): Share {
  const times = length / has;
  if (share?.form === 'words') {
    return both(share, (part) => {
      const out = new BigUint64Array(length);
      for (let i = 0; i < has; i++) out.fill(part[i] ?? 0n, i * times, (i + 1) * times);
      return out;
    });
  }
  const { a, b } = bits(share);
  return { form: 'bits', a: spread(a, length, times), b: spread(b, length, times) };
}

/** Planes `from` to `to` (excluded) of a bit-sliced share, without a copy. */
export function planes({ a, b }: BitShare, from: number, to: number, width: number): BitShare {
  return { form: 'bits', a: a.subarray(from * width, to * width), b: b.subarray(from * width, to * width) };
}
