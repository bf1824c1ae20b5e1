/**
 * Operations on replicated shares over Z_2^64 and Z_2, three seats, semi-honest, one corrupted.
 * Reference: Araki et al., CCS 2016, §2; conversions after Mohassel–Rindal (ABY3), CCS 2018, §5.3.
 * In each round a seat sends to the previous seat and hears from the next. Per element and seat, sent:
 *   mul 1 round, 8 bytes; and 1 round, 1 bit; dot 1 round, 8 bytes a result; zero 7 rounds, 63 bits;
 *   negative 8 rounds, 181 bits; inject 2 rounds, 8 bytes. Seat 0 sends 64 more in zero, negative (bits) and inject.
 * Leakage to a seat: none beyond the lengths; every received word is masked by a stream that it does not know.
 * Each mask is a stream of a domain (gate, round) of a pairwise key; `Prg` refuses a second use.
 * @module
 */
import { assert } from '@2pm/core';
import type { Prg } from '@2pm/crypto';
import type { Gate } from '../circuit.ts';
import type { Engine, Exchange, Interactive } from '../execute.ts';
import {
  add,
  blockSums,
  complement,
  crossAnd,
  crossProduct,
  lowestBits,
  maskedProduct,
  maskWords,
  scale,
  slicePlanes,
  spread,
  sub,
  widen,
  xor,
  xorTo,
} from './kernels.ts';
import { type BitShare, bytesOf, packedLength, type Share, toPacked, toWords, type WordShare } from './share.ts';

/** Rounds of the interactive operations. */
export const ROUND_COSTS = { mul: 1, dot: 1, and: 1, zero: 7, negative: 8, inject: 2 } as const;

/** Words whose masks are drawn at a time: masks, operands and products of a chunk stay in cache. */
const CHUNK = 1 << 14;

export class Rep3Engine implements Engine<Share> {
  readonly costs = ROUND_COSTS;
  readonly #seat: number;
  /** Keys of components `seat` (shared with the previous seat) and `seat + 1` (shared with the next). */
  readonly #keys: { a: Prg; b: Prg };
  readonly #inputs: (gate: Gate) => WordShare;

  constructor(seat: number, keys: { a: Prg; b: Prg }, inputs: (gate: Gate) => WordShare) {
    this.#seat = seat;
    this.#keys = keys;
    this.#inputs = inputs;
  }

  local(gate: Gate, args: readonly Share[]): Share {
    const [x, y] = args;
    switch (gate.op) {
      case 'total':
      case 'stack':
        return this.#inputs(gate);
      case 'constant':
        return this.#onComponent0(new BigUint64Array(gate.length).fill(gate.constant ?? 0n));
      case 'scale':
        return both(words(x), (part) => scale(part, gate.constant ?? 0n));
      case 'add':
        return pairwise(words(x), words(y), add);
      case 'sub':
        return pairwise(words(x), words(y), sub);
      case 'sum':
        return both(words(x), (part) => blockSums(part, gate.length));
      case 'parity': {
        const { a, b } = words(x);
        return { form: 'bits', a: lowestBits(a), b: lowestBits(b) };
      }
      case 'xor':
        return xorShares(bits(x), bits(y));
      case 'not':
        return this.#not(bits(x));
      case 'repeat':
        return repeat(x, gate.from ?? 1, gate.length);
      default:
        throw new Error(`${gate.op} is not local`);
    }
  }

  interactive(gate: Gate, index: number, args: readonly Share[]): Interactive<Share> {
    const [x, y] = args;
    const step = new Step(index);
    switch (gate.op) {
      case 'mul':
        return this.#multiply(words(x), words(y), step);
      case 'dot':
        return this.#dot(words(x), words(y), gate.length, step);
      case 'and':
        return this.#and(bits(x), bits(y), step);
      case 'zero':
        return this.#zero(words(x), step);
      case 'negative':
        return this.#negative(words(x), step);
      case 'inject':
        return this.#inject(bits(x), gate.length, step);
      default:
        throw new Error(`${gate.op} is not interactive`);
    }
  }

  *#multiply(x: WordShare, y: WordShare, step: Step): Interactive<WordShare> {
    const domain = step.next();
    const a = new BigUint64Array(x.a.length);
    for (let from = 0, lane = 0; from < a.length; from += CHUNK, lane++) {
      const part = (vector: BigUint64Array) => vector.subarray(from, from + CHUNK);
      const size = part(a).byteLength;
      const f = toWords(this.#keys.a.bytes({ ...domain, lane }, size));
      const g = toWords(this.#keys.b.bytes({ ...domain, lane }, size));
      maskedProduct(part(a), part(x.a), part(x.b), part(y.a), part(y.b), f, g);
    }
    const b = toWords(yield { send: bytesOf(a), expect: a.byteLength });
    return { form: 'words', a, b };
  }

  /** Products, summed over blocks down to `length` results before they are masked and sent. */
  *#dot(x: WordShare, y: WordShare, length: number, step: Step): Interactive<WordShare> {
    const a = blockSums(crossProduct(x.a, x.b, y.a, y.b), length);
    const domain = step.next();
    maskWords(a, toWords(this.#keys.a.bytes(domain, a.byteLength)), toWords(this.#keys.b.bytes(domain, a.byteLength)));
    const b = toWords(yield { send: bytesOf(a), expect: a.byteLength });
    return { form: 'words', a, b };
  }

  *#and(x: BitShare, y: BitShare, step: Step): Interactive<BitShare> {
    return yield* this.#andAll([[x, y]], step);
  }

  /** ANDs of several pairs of equal lengths, in one round and side by side in one share. */
  *#andAll(pairs: readonly (readonly [BitShare, BitShare])[], step: Step): Interactive<BitShare> {
    const domain = step.next();
    const a = new Uint32Array(pairs.reduce((sum, [x]) => sum + x.a.length, 0));
    const f = toPacked(this.#keys.a.bytes(domain, a.byteLength));
    const g = toPacked(this.#keys.b.bytes(domain, a.byteLength));
    let at = 0;
    for (const [x, y] of pairs) {
      crossAnd(a, at, x, y, f, g);
      at += x.a.length;
    }
    const b = toPacked(yield { send: bytesOf(a), expect: a.byteLength });
    return { form: 'bits', a, b };
  }

  /**
   * Sign of d = (d0 + d1) + d2. Seat 0 knows u = d0 + d1 and shares its bits; v = d2 is shared by standing still.
   * The sign is u63 ⊕ v63 ⊕ the carry out of bits 0..62, which a tree of (generate, propagate) pairs finds in 6 rounds.
   */
  *#negative(d: WordShare, step: Step): Interactive<BitShare> {
    const u = yield* this.#shareSum(d, step);
    const v = this.#onComponent2(d, slicePlanes);
    const width = u.a.length / 64;
    const run = (share: BitShare, from: number, to: number) => planes(share, from, to, width);
    const p = xorShares(u, v);
    const g = yield* this.#and(run(u, 0, 63), run(v, 0, 63), step);
    // A pair (g, p) of a run of bits: it generates a carry, or hands on the one from below. Higher runs lie `half` planes
    // behind lower ones, and join: g = g' ⊕ p'g, p = p'p. Plane 31 has no partner in the first level, as 63 is the sign.
    const carry: BitShare = { form: 'bits', a: g.a.slice(0, 32 * width), b: g.b.slice(0, 32 * width) };
    for (let half = 32, high = g; half >= 1; half >>= 1, high = carry) {
      const pairs = half === 32 ? 31 : half;
      const joined = yield* this.#andAll(
        [
          [run(p, half, half + pairs), run(carry, 0, pairs)],
          // The lowest run has nothing below it, so nobody asks whether it hands a carry on.
          [run(p, half + 1, half + pairs), run(p, 1, pairs)],
        ],
        step,
      );
      for (const part of ['a', 'b'] as const) {
        xorTo(carry[part], high[part].subarray(half * width, (half + pairs) * width), joined[part]);
        p[part].set(joined[part].subarray(pairs * width), width);
      }
    }
    return xorShares(run(p, 63, 64), run(carry, 0, 1));
  }

  /** d = 0 exactly if every bit of u = d0 + d1 equals that of -d2; a tree of ANDs over the 64 bits. */
  *#zero(d: WordShare, step: Step): Interactive<BitShare> {
    const u = yield* this.#shareSum(d, step);
    const v = this.#onComponent2(d, (part) => slicePlanes(scale(part, -1n)));
    const width = u.a.length / 64;
    let equal = this.#not(xorShares(u, v));
    for (let count = 32; count >= 1; count >>= 1) {
      equal = yield* this.#and(planes(equal, 0, count, width), planes(equal, count, 2 * count, width), step);
    }
    return equal;
  }

  /** Bits of d0 + d1, which seat 0 knows: component 1 is a stream of seats 0 and 1, component 0 goes to seat 2. */
  *#shareSum(d: WordShare, step: Step): Interactive<BitShare> {
    const domain = step.next();
    const size = 64 * packedLength(d.a.length);
    const none = () => new Uint32Array(size);
    if (this.#seat === 0) {
      const b = toPacked(this.#keys.b.bytes(domain, 4 * size));
      const a = xor(slicePlanes(add(d.a, d.b)), b);
      yield* sendOnly(bytesOf(a));
      return { form: 'bits', a, b };
    }
    if (this.#seat === 1) {
      const a = toPacked(this.#keys.a.bytes(domain, 4 * size));
      yield* sendOnly(new Uint8Array(0));
      return { form: 'bits', a, b: none() };
    }
    const b = toPacked(yield { send: new Uint8Array(0), expect: 4 * size });
    return { form: 'bits', a: none(), b };
  }

  /** The bit b = u ⊕ v with u = b0 ⊕ b1 known to seat 0 and v = b2: as words, u + v - 2uv. */
  *#inject(x: BitShare, length: number, step: Step): Interactive<WordShare> {
    const domain = step.next();
    const none = () => new BigUint64Array(length);
    let u: WordShare;
    if (this.#seat === 0) {
      const b = toWords(this.#keys.b.bytes(domain, 8 * length));
      const a = sub(widen(xor(x.a, x.b), length), b);
      yield* sendOnly(bytesOf(a));
      u = { form: 'words', a, b };
    } else if (this.#seat === 1) {
      u = { form: 'words', a: toWords(this.#keys.a.bytes(domain, 8 * length)), b: none() };
      yield* sendOnly(new Uint8Array(0));
    } else {
      u = { form: 'words', a: none(), b: toWords(yield { send: new Uint8Array(0), expect: 8 * length }) };
    }
    const v: WordShare = {
      form: 'words',
      a: this.#seat === 2 ? widen(x.a, length) : none(),
      b: this.#seat === 1 ? widen(x.b, length) : none(),
    };
    const product = yield* this.#multiply(u, v, step);
    return pairwise(
      pairwise(u, v, add),
      both(product, (part) => scale(part, 2n)),
      sub,
    );
  }

  /** A public vector is its own component 0. */
  #onComponent0(value: BigUint64Array): WordShare {
    const none = () => new BigUint64Array(value.length);
    return { form: 'words', a: this.#seat === 0 ? value : none(), b: this.#seat === 2 ? value : none() };
  }

  /** Component 2 of `d`, which seats 1 and 2 both know, bit-sliced, as a share of itself. */
  #onComponent2(d: WordShare, sliced: (part: BigUint64Array) => Uint32Array): BitShare {
    const none = () => new Uint32Array(64 * packedLength(d.a.length));
    return {
      form: 'bits',
      a: this.#seat === 2 ? sliced(d.a) : none(),
      b: this.#seat === 1 ? sliced(d.b) : none(),
    };
  }

  #not({ a, b }: BitShare): BitShare {
    return { form: 'bits', a: this.#seat === 0 ? complement(a) : a, b: this.#seat === 2 ? complement(b) : b };
  }
}

/** Domains of one gate's streams, a new one for each round. */
class Step {
  readonly #node: number;
  #operation = 0;

  constructor(node: number) {
    this.#node = node;
  }

  next() {
    return { node: this.#node, operation: this.#operation++, lane: 0 };
  }
}

function* sendOnly(send: Uint8Array): Generator<Exchange, void, Uint8Array> {
  yield { send, expect: 0 };
}

function words(share: Share | undefined): WordShare {
  assert(share?.form === 'words', 'the circuit gives words where words are taken');
  return share;
}

function bits(share: Share | undefined): BitShare {
  assert(share?.form === 'bits', 'the circuit gives bits where bits are taken');
  return share;
}

function both({ a, b }: WordShare, map: (part: BigUint64Array) => BigUint64Array): WordShare {
  return { form: 'words', a: map(a), b: map(b) };
}

function pairwise(
  x: WordShare,
  y: WordShare,
  map: (left: BigUint64Array, right: BigUint64Array) => BigUint64Array,
): WordShare {
  return { form: 'words', a: map(x.a, y.a), b: map(x.b, y.b) };
}

function xorShares(x: BitShare, y: BitShare): BitShare {
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
function planes({ a, b }: BitShare, from: number, to: number, width: number): BitShare {
  return { form: 'bits', a: a.subarray(from * width, to * width), b: b.subarray(from * width, to * width) };
}
