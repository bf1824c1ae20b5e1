/**
 * Where a stable sort by a digit of two bits puts each row: b0 and b1 of row i make one of four digits. With c_d(i) rows up to i,
 * itself included, that have digit d, and C_d in all, a row of digit d goes to p_d(i) = Σ_{d' < d} C_d' + c_d(i) - 1. As the indicators
 * of the digits are linear in b0, b1 and b0 b1, so are all p_d, and the place is
 *   p_0 + b0 (p_1 - p_0) + b1 (p_2 - p_0) + b0 b1 (p_3 - p_2 - p_1 + p_0).
 * Reference: Chida, Hamada, Ikarashi, Kikuchi, Kiribuchi, Pinkas: An Efficient Secure Three-Party Sorting Protocol with an
 * Honest Majority, IACR ePrint 2019/695, §4 (digits of several bits in a stable sort). Deviation: the bits are combined before they
 * become words, and the place is one sum of products, which is masked and sent once.
 *
 * All words are shares modulo 2^32, which holds every place. What comes out are shares modulo 2^64 with the place in the lower
 * half: whoever opens them sees the carry of the lower halves, which would tell of the shares, and so of the row, under the
 * upper halves of a random word that no seat knows. Semi-honest, one seat corrupted: what is sent is masked by streams
 * that the receiver does not know. Leakage: none. Rounds: 3, two for bits to words and one for the products. Sent a row:
 * 16 bytes by each seat, and 12 more by seat 0.
 * @module
 */
import type { Exchange } from '../execute.ts';
import { halves } from './kernels.ts';
import type { Masks } from './masks.ts';
import { bytesOf, toPacked, type WordShare } from './share.ts';
import type { Keys } from './shuffle.ts';

/** Components of shares modulo 2^32, of which each seat holds two, as of words. */
interface Residues {
  a: Uint32Array;
  b: Uint32Array;
}

/** Terms of the place beside the first. */
const TERMS = 3;
const NOTHING = new Uint8Array(0);

/** Places of the rows, in the lower halves of words that are random above, given the packed bits b0, b1 and b0 b1 as xored components. */
export function* digitPlaces(
  seat: number,
  keys: Keys,
  { a, b }: { a: readonly Uint32Array[]; b: readonly Uint32Array[] },
  rows: number,
): Generator<Exchange, WordShare, Uint8Array> {
  const bits = yield* residues(seat, keys, { a: widened(a, rows), b: widened(b, rows) });
  const ofA = places(bits.a, rows, seat === 0);
  const ofB = places(bits.b, rows, seat === 2);
  const moved = yield* products(keys, bits, { a: ofA.changes, b: ofB.changes }, TERMS);
  const word = (stream: Masks, first: Uint32Array, more: Uint32Array) => {
    const out = new BigUint64Array(rows);
    const [both, upper] = [halves(out), toPacked(stream.bytes(4 * rows))];
    for (let i = 0; i < rows; i++) {
      both[2 * i] = (first[i]! + more[i]!) | 0;
      both[2 * i + 1] = upper[i]!;
    }
    return out;
  };
  return { form: 'words', a: word(keys.a, ofA.first, moved.a), b: word(keys.b, ofB.first, moved.b) };
}

/** Packed bits, each 0 or 1, one vector behind the other. */
function widened(parts: readonly Uint32Array[], rows: number): Uint32Array {
  const out = new Uint32Array(parts.length * rows);
  for (const [k, part] of parts.entries()) {
    for (let i = 0; i < rows; i++) out[k * rows + i] = (part[i >>> 5]! >>> (i & 31)) & 1;
  }
  return out;
}

/** Bits b = u ⊕ v, with u = b0 ⊕ b1 known to seat 0 and v = b2, as u + v - 2uv: see `inject` of the engine. */
function* residues(seat: number, keys: Keys, x: Residues): Generator<Exchange, Residues, Uint8Array> {
  const { length } = x.a;
  const none = new Uint32Array(length);
  let u: Residues;
  if (seat === 0) {
    const b = toPacked(keys.b.bytes(4 * length));
    const a = new Uint32Array(length);
    for (let i = 0; i < length; i++) a[i] = ((x.a[i]! ^ x.b[i]!) - b[i]!) | 0;
    yield { send: bytesOf(a), expect: 0 };
    u = { a, b };
  } else if (seat === 1) {
    u = { a: toPacked(keys.a.bytes(4 * length)), b: none };
    yield { send: NOTHING, expect: 0 };
  } else {
    u = { a: none, b: toPacked(yield { send: NOTHING, expect: 4 * length }) };
  }
  const v = { a: seat === 2 ? x.a : none, b: seat === 1 ? x.b : none };
  const uv = yield* products(keys, u, v, 1);
  const sum = (left: Uint32Array, right: Uint32Array, product: Uint32Array) => {
    const out = new Uint32Array(length);
    for (let i = 0; i < length; i++) out[i] = (left[i]! + right[i]! - 2 * product[i]!) | 0;
    return out;
  };
  return { a: sum(u.a, v.a, uv.a), b: sum(u.b, v.b, uv.b) };
}

/** Element i of the result is the sum of x y over the elements i of each of `terms` vectors that lie behind one another. */
function* products(keys: Keys, x: Residues, y: Residues, terms: number): Generator<Exchange, Residues, Uint8Array> {
  const length = x.a.length / terms;
  const a = new Uint32Array(length);
  const prepare = (fromByte: number, toByte: number) => {
    const [from, to] = [fromByte / 4, toByte / 4];
    const [f, g] = [toPacked(keys.a.bytes(toByte - fromByte)), toPacked(keys.b.bytes(toByte - fromByte))];
    const part = a.subarray(from, to);
    for (let i = 0; i < part.length; i++) part[i] = (f[i]! - g[i]!) | 0;
    for (let term = 0; term < terms; term++) {
      const of = (vector: Uint32Array) => vector.subarray(term * length + from, term * length + to);
      addProducts(part, of(x.a), of(x.b), of(y.a), of(y.b));
    }
  };
  const b = toPacked(yield { send: bytesOf(a), prepare, expect: a.byteLength });
  return { a, b };
}

/** out += xa·ya + xa·yb + xb·ya. */
function addProducts(out: Uint32Array, xa: Uint32Array, xb: Uint32Array, ya: Uint32Array, yb: Uint32Array): void {
  for (let i = 0; i < out.length; i++) {
    const own = ya[i]! | 0;
    out[i] = (out[i]! + (Math.imul(xa[i]!, (own + yb[i]!) | 0) + Math.imul(xb[i]!, own))) | 0;
  }
}

/** Of one component of b0, b1 and b0 b1: that of p_0, and of what they are multiplied by. `isFirst`: it takes the constants. */
function places(bits: Uint32Array, rows: number, isFirst: boolean): { first: Uint32Array; changes: Uint32Array } {
  const [first, changes] = [new Uint32Array(rows), new Uint32Array(TERMS * rows)];
  // How many have b0, b1 and both: in all, then up to a row.
  let [all0, all1, all] = [0, 0, 0];
  for (let i = 0; i < rows; i++) {
    all0 = (all0 + bits[i]!) | 0;
    all1 = (all1 + bits[rows + i]!) | 0;
    all = (all + bits[2 * rows + i]!) | 0;
  }
  const one = isFirst ? 1 : 0;
  // What lies before digits 1, 2 and 3.
  const before1 = (one * rows - all0 - all1 + all) | 0;
  const before2 = (one * rows - all1) | 0;
  const before3 = (one * rows - all) | 0;
  let [c0, c1, c] = [0, 0, 0];
  for (let i = 0; i < rows; i++) {
    c0 = (c0 + bits[i]!) | 0;
    c1 = (c1 + bits[rows + i]!) | 0;
    c = (c + bits[2 * rows + i]!) | 0;
    const p0 = (one * i - c0 - c1 + c) | 0;
    const p1 = (before1 + c0 - c - one) | 0;
    const p2 = (before2 + c1 - c - one) | 0;
    first[i] = p0;
    changes[i] = (p1 - p0) | 0;
    changes[rows + i] = (p2 - p0) | 0;
    changes[2 * rows + i] = (before3 + c - one - p2 - p1 + p0) | 0;
  }
  return { first, changes };
}
