/**
 * Operations on replicated shares in which every message is part of a multiplication, so that checking multiplications
 * checks everything. Products and ANDs are those of the semi-honest engine and are recorded; a conversion between words
 * and bits starts from the three components, which are shared as they stand (each is known to two seats, and 0 is in the
 * other places), where the semi-honest engine lets one seat share a sum that nobody else could verify.
 * Reference: Araki et al., CCS 2016, §2 (multiplication); Mohassel–Rindal (ABY3), CCS 2018, §5.3 (adders on components).
 * Corruption: one seat, which may send anything: an additive error in a product or AND, found by `check.ts`.
 * Per element and seat, sent: mul 1 round, 8 bytes; and 1 round, 1 bit; dot, matmul 1 round, 8 bytes a result; zero 8
 * rounds, 191 bits; negative 8 rounds, 245 bits; inject 2 rounds, 16 bytes; truncate 11 rounds, 48 bytes and 184 bits;
 * and in the check 40 bytes a product, 8 and 32 for each of its terms in dot, and about 10 bits an AND.
 * @module
 */
import type { Gate } from '../circuit.ts';
import type { Interactive } from '../execute.ts';
import { bits, pairwise, planes, Rep3Engine, words, xorShares } from '../rep3/engine.ts';
import { add, blockSums, crossProduct, scale, sub, widen } from '../rep3/kernels.ts';
import type { Masks } from '../rep3/masks.ts';
import { type BitShare, bytesOf, packedLength, type Share, toWords, type WordShare } from '../rep3/share.ts';
import type { Simd, Stream } from '../rep3/simd.ts';
import type { RoundCosts } from '../schedule.ts';
import { Ands, type Product } from './record.ts';

/** Rounds of the interactive operations. What is not here or local is refused. */
export const ROUND_COSTS = {
  mul: 1,
  dot: 1,
  matmul: 1,
  truncate: 11,
  and: 1,
  zero: 8,
  negative: 8,
  inject: 2,
} as const;

export class Rep3MaliciousEngine extends Rep3Engine {
  override readonly costs: RoundCosts = ROUND_COSTS;
  readonly products: Product[] = [];
  readonly ands = new Ands();
  readonly #seat: number;
  readonly #masks: { a: Masks; b: Masks };
  readonly #slices: Simd;

  constructor(seat: number, masks: { a: Masks; b: Masks }, simd: Simd, inputs: (gate: Gate) => WordShare, own: Masks) {
    super(seat, masks, simd, inputs, own);
    this.#seat = seat;
    this.#masks = masks;
    this.#slices = simd;
  }

  override interactive(gate: Gate, args: readonly Share[]): Interactive<Share> {
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
        return this.#inject([bits(x)], gate.length);
      default:
        throw new Error(`${gate.op} is not interactive`);
    }
  }

  protected override *andAll(pairs: readonly (readonly [BitShare, BitShare])[]): Interactive<BitShare> {
    const z = yield* super.andAll(pairs);
    this.ands.add(pairs, z);
    return z;
  }

  *#multiply(x: WordShare, y: WordShare): Interactive<WordShare> {
    const a = new BigUint64Array(x.a.length);
    const [f, g] = [new BigUint64Array(a.length), new BigUint64Array(a.length)];
    const masks = this.#kept(f, g);
    const prepare = (from: number, to: number) => this.#slices.maskedProduct(a, x, y, masks, from / 8, to / 8);
    const b = toWords(yield { send: bytesOf(a), prepare, expect: a.byteLength });
    this.products.push({ kind: { shape: 'each' }, x, y, received: b, f, g });
    return { form: 'words', a, b };
  }

  /** Products, summed over blocks down to `length` results before they are masked and sent. */
  *#dot(x: WordShare, y: WordShare, length: number): Interactive<WordShare> {
    const sums = blockSums(crossProduct(x.a, x.b, y.a, y.b), length);
    return yield* this.#masked(sums, { kind: { shape: 'blocks' }, x, y });
  }

  *#matmul(x: WordShare, y: WordShare, inner: number): Interactive<WordShare> {
    const pairs = [
      [x.a, add(y.a, y.b)],
      [x.b, y.a],
    ] as const;
    return yield* this.#masked(this.#slices.matrixProducts(pairs, inner), { kind: { shape: 'matrix', inner }, x, y });
  }

  /** Sums of products, this seat's part, to a replicated share. */
  *#masked(a: BigUint64Array, product: Pick<Product, 'kind' | 'x' | 'y'>): Interactive<WordShare> {
    const [f, g] = [new BigUint64Array(a.length), new BigUint64Array(a.length)];
    const masks = this.#kept(f, g);
    const prepare = (from: number, to: number) => this.#slices.maskWords(a, masks, from / 8, to / 8);
    const b = toWords(yield { send: bytesOf(a), prepare, expect: a.byteLength });
    this.products.push({ ...product, received: b, f, g });
    return { form: 'words', a, b };
  }

  /** The streams of masks, with what they give also written to f and g, for the check. */
  #kept(f: BigUint64Array, g: BigUint64Array): { a: Stream; b: Stream } {
    return { a: kept(this.#masks.a, bytesOf(f)), b: kept(this.#masks.b, bytesOf(g)) };
  }

  /** d = s + c with s = d0 ⊕ d1 ⊕ d2, which is d sliced as it stands, and c the majorities, one place up. */
  *#carrySave(d: WordShare): Interactive<{ s: BitShare; c: BitShare }> {
    const s: BitShare = { form: 'bits', a: this.#slices.slicePlanes(d.a), b: this.#slices.slicePlanes(d.b) };
    return { s, c: raised(yield* this.#majority(s)) };
  }

  /** Of the three components of a share, which are not secret to those that hold them: (d0 ⊕ d2)(d1 ⊕ d2) ⊕ d2. */
  *#majority(d: BitShare): Interactive<BitShare> {
    const product = yield* this.and(this.#without(d, 1), this.#without(d, 0));
    return xorShares(product, this.#without(this.#without(d, 0), 1));
  }

  *#negative(d: WordShare): Interactive<BitShare> {
    const { s, c } = yield* this.#carrySave(d);
    return yield* this.signOfSum(s, c);
  }

  /**
   * s + c = 0 exactly if s ⊕ c = 2 (s ∨ c): where a sum is to have only zeros, the carry into each place is s ⊕ c there,
   * and the carry out of it s ∨ c.
   */
  *#zero(d: WordShare): Interactive<BitShare> {
    const { s, c } = yield* this.#carrySave(d);
    const different = xorShares(s, c);
    const either = xorShares(different, yield* this.and(s, c));
    return yield* this.conjunction(this.not(xorShares(different, raised(either))));
  }

  /** Bits as words, times the factors: Σ factors[k] · bits[k]. With b = b0 ⊕ b1 ⊕ b2, two products each. */
  *#inject(of: readonly BitShare[], length: number, factors: readonly bigint[] = [1n]): Interactive<WordShare> {
    const wide = (part: 'a' | 'b') => {
      const out = new BigUint64Array(of.length * length);
      for (const [k, share] of of.entries()) out.set(widen(share[part], length), k * length);
      return out;
    };
    const all: WordShare = { form: 'words', a: wide('a'), b: wide('b') };
    const [b0, b1, b2] = [0, 1, 2].map((k) => this.#only(all, k)) as [WordShare, WordShare, WordShare];
    const exclusive = (x: WordShare, y: WordShare, xy: WordShare) => pairwise(pairwise(x, y, add), twice(xy), sub);
    const u = exclusive(b0, b1, yield* this.#multiply(b0, b1));
    const word = exclusive(u, b2, yield* this.#multiply(u, b2));
    const combined = (part: BigUint64Array) =>
      factors
        .map((factor, k) => scale(part.subarray(k * length, (k + 1) * length), factor))
        .reduce((sum, one) => add(sum, one));
    return { form: 'words', a: combined(word.a), b: combined(word.b) };
  }

  /**
   * x / 2^bits for x in [-2^62, 2^62), to one of the two neighbouring integers. X = x + 2^62 is the integer
   * x0' + x1 + x2 - 2^64 w with w ≤ 2 and X < 2^63, so ⌊(x0' + x1) / 2^bits⌋ + ⌈x2 / 2^bits⌉ - 2^(64-bits) w is ⌊X / 2^bits⌋
   * or one more, the latter with the probability of X's fraction when x2 is uniform, as in the semi-honest engine. The first
   * term lacks the carry of the low bits of x0 + x1; w is the majority of the highest bits and, as bit 63 of X is 0, the
   * disjunction of the parity of the highest and the majority of the second highest bits.
   */
  *#truncate({ a, b }: WordShare, cut: number): Interactive<WordShare> {
    const n = a.length;
    const half = 1n << 62n;
    const shifted: WordShare = {
      form: 'words',
      a: this.#seat === 0 ? plus(a, half) : a,
      b: this.#seat === 2 ? plus(b, half) : b,
    };
    const width = packedLength(n);
    const top = (part: BigUint64Array) => topBits(part, width);
    const highest: BitShare = { form: 'bits', a: top(shifted.a), b: top(shifted.b) };
    const majorities = yield* this.#majority(highest);
    const [first, second] = [planes(majorities, 0, 1, width), planes(majorities, 1, 2, width)];
    const parity = planes(highest, 0, 1, width);
    const either = xorShares(xorShares(parity, second), yield* this.and(parity, second));

    const lowest = (part: BigUint64Array) => {
      const sliced = this.#slices.slicePlanes(scale(part, 1n << BigInt(63 - cut)));
      sliced.fill(0, 63 * width);
      return sliced;
    };
    const low: BitShare = { form: 'bits', a: lowest(a), b: lowest(b) };
    const carry = yield* this.signOfSum(
      this.#without(this.#without(low, 1), 2),
      this.#without(this.#without(low, 0), 2),
    );
    const wraps = -(1n << BigInt(64 - cut));
    const corrections = yield* this.#inject([carry, first, either], n, [1n, wraps, wraps]);
    const part = (of: BigUint64Array, component: number) => shiftedRight(of, cut, component === 2);
    const whole: WordShare = {
      form: 'words',
      a: part(shifted.a, this.#seat),
      b: part(shifted.b, (this.#seat + 1) % 3),
    };
    const sum = pairwise(whole, corrections, add);
    const offset = -(half >> BigInt(cut));
    return {
      form: 'words',
      a: this.#seat === 0 ? plus(sum.a, offset) : sum.a,
      b: this.#seat === 2 ? plus(sum.b, offset) : sum.b,
    };
  }

  /** The share with one component set to 0. */
  #without({ a, b }: BitShare, component: number): BitShare {
    const none = () => new Uint32Array(a.length);
    return {
      form: 'bits',
      a: this.#seat === component ? none() : a,
      b: (this.#seat + 1) % 3 === component ? none() : b,
    };
  }

  /** The share with two components set to 0: a component as a share of itself. */
  #only({ a, b }: WordShare, component: number): WordShare {
    const none = () => new BigUint64Array(a.length);
    return {
      form: 'words',
      a: this.#seat === component ? a : none(),
      b: (this.#seat + 1) % 3 === component ? b : none(),
    };
  }
}

function kept(stream: Stream, by: Uint8Array): Stream {
  let used = 0;
  return {
    fill(out) {
      stream.fill(out);
      by.set(out, used);
      used += out.length;
    },
  };
}

function twice({ a, b }: WordShare): WordShare {
  return { form: 'words', a: scale(a, 2n), b: scale(b, 2n) };
}

function plus(x: BigUint64Array, constant: bigint): BigUint64Array {
  const out = new BigUint64Array(x.length);
  const by = BigInt.asUintN(64, constant);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + by;
  return out;
}

/** ⌊x / 2^bits⌋, or ⌈x / 2^bits⌉. */
function shiftedRight(x: BigUint64Array, bits: number, up: boolean): BigUint64Array {
  const out = new BigUint64Array(x.length);
  const by = BigInt(bits);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! >> by;
  if (!up) return out;
  const rest = (1n << by) - 1n;
  for (let i = 0; i < out.length; i++) out[i] = out[i]! + (((x[i]! & rest) + rest) >> by);
  return out;
}

/** Bits 63 of all words, packed in `width` words, then bits 62. */
function topBits(x: BigUint64Array, width: number): Uint32Array {
  const out = new Uint32Array(2 * width);
  const halves = new Uint32Array(x.buffer, x.byteOffset, x.length * 2);
  for (let i = 0; i < x.length; i++) {
    const high = halves[2 * i + 1]!;
    out[i >>> 5] = out[i >>> 5]! | ((high >>> 31) << (i & 31));
    out[width + (i >>> 5)] = out[width + (i >>> 5)]! | (((high >>> 30) & 1) << (i & 31));
  }
  return out;
}

/** Bit planes one place up: bit k + 1 of the result is bit k, and bit 0 is 0. Plane numbers are places with bits reversed. */
function raised(x: BitShare): BitShare {
  const width = x.a.length / 64;
  const up = (part: Uint32Array) => {
    const out = new Uint32Array(part.length);
    for (let k = 0; k < 63; k++) {
      const [from, to] = [reversed(k) * width, reversed(k + 1) * width];
      out.set(part.subarray(from, from + width), to);
    }
    return out;
  };
  return { form: 'bits', a: up(x.a), b: up(x.b) };
}

function reversed(k: number): number {
  let out = 0;
  for (let bit = 0; bit < 6; bit++) out |= ((k >> bit) & 1) << (5 - bit);
  return out;
}
