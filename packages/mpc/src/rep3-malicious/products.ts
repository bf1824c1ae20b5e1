/**
 * The check of products of words. Each seat in turn is the prover of what it sent; the seat before it (its left) heard
 * that, and with the seat after it (its right) knows all that it was made of.
 *
 * Construction: sacrifice with a lift to a larger ring (Cramer, Damgård, Escudero, Scholl, Xing: SPDZ2k, CRYPTO 2018, §3,
 * the lift; the fully linear proof of Boneh, Boyle, Corrigan-Gibbs, Gilboa, Ishai, CRYPTO 2019, §5, whose linear-size case
 * this is; three parties as in Boyle, Gilboa, Ishai, Nof, CCS 2019, §4). The prover, seat i, sent
 *   m = Σ (x_i y_i + x_i y_(i+1) + x_(i+1) y_i) + f - g.
 * Left knows x_i, y_i, f, m; right knows x_(i+1), y_(i+1), g. All of it is read as integers modulo 2^128, f, g and m getting
 * high words: fresh masks of the same two keys, and a second message.
 *  1. Left and prover draw A, B from their key. The prover sends left the high words of m, and c = Σ A y_(i+1) + B x_(i+1)
 *     less a mask γ that it shares with right.
 *  2. All toss a coin: a 64-bit weight χ for each result.
 *  3. Left sends right D = χ x_i - A, E = χ y_i - B and V = Σ χ (m - f - Σ x_i y_i) - (c - γ); the prover sends right a tag of
 *     D and E: GMAC under a key that the two share for this once. Right compares the tag first, and then V with Σ (D y_(i+1) + E x_(i+1)) - Σ χ g + γ.
 * A matrix product has χ = β_row γ_column; then D and E are as long as the factors, not as the number of products.
 *
 * Malicious seat, one of three. As prover: let e be what m and its high word are off by, as chosen before the coin, and δ
 * what c is off by. If the low word of any e is wrong, e is not 0 mod 2^64, and Σ χ e = δ mod 2^128 holds for at most one of
 * the 2^64 weights of that result: 2^-64. With χ = β γ: Σ_k 2^-(k+1) 2^-(65-k) over the zeros k that the sum over columns
 * gains: below 2^-59. As left: D and E are uniform to right, and a wrong one meets the prover's tag, whose
 * key left does not know, with a chance below 2^-100, whatever the data: it tells nothing, as does a wrong V. A prover who sends a
 * wrong tag makes the check fail, which it can have anyway. As right: it sees what it could compute. So no failure depends on a secret.
 * Not detected for certain: a wrong high word whose low word is right. It changes nothing.
 * Bytes sent by a seat: 8 for a result and 16 for each element of either factor; rounds: 1, coin, then 1 for every 2^18 of
 * these elements, and 1. Leakage: none beyond lengths.
 * @module
 */
import { type CryptoProvider, equalBytes, type Hash, NodeError } from '@2pm/core';
import type { Exchange } from '../execute.ts';
import { Masks, SEED_BYTES } from '../rep3/masks.ts';
import { bytesOf, toWords } from '../rep3/share.ts';
import { type Kernels, modulo } from './kernels.ts';
import type { Product } from './record.ts';

/** Elements of factors in one message. */
const MESSAGE = 1 << 18;
/** Elements whose masks are drawn at a time. */
const PIECE = 1 << 12;
const WIDE_BYTES = 16;
const TAG_KEY_BYTES = 16;
/** The nonce of a key that serves once. */
const ONCE = new Uint8Array(12);

interface Context {
  seat: number;
  sid: Hash;
  keys: { a: Masks; b: Masks };
  crypto: CryptoProvider;
  kernels: Kernels;
}

/** A factor of all products of a record, weighted: weight · (high, low) for each element; `high` undefined is 0. */
interface Weighted {
  weight: BigUint64Array;
  low: BigUint64Array;
  high?: BigUint64Array;
}

/** The weights of a record: one for each result, or one for each row and for each column. */
type Weights = { each: BigUint64Array } | { rows: BigUint64Array; columns: BigUint64Array };

export class ProductCheck {
  readonly #context: Context;
  readonly #products: readonly Product[];
  /** High words of the masks f and g, and of what the next seat sent. */
  readonly #high: { f: BigUint64Array; g: BigUint64Array }[] = [];
  #receivedHigh: BigUint64Array[] = [];
  /** Seeds of A and B: as prover, and as left of the next seat. */
  readonly #seeds: { prover: Uint8Array; left: Uint8Array };
  /** γ: as prover, and as right of the previous seat. */
  readonly #gamma: { prover: bigint; right: bigint };
  /** Key of the tag of D and E: as prover, and as right of the previous seat. */
  readonly #tagKeys: { prover: Uint8Array; right: Uint8Array };
  /** A and B as prover, as they were drawn. */
  #drawn: BigUint64Array[] = [];
  /** c - γ of the next seat. */
  #claim = 0n;

  /** Draws from both keys; all seats have the same products. */
  constructor(context: Context, products: readonly Product[]) {
    const { a, b } = context.keys;
    this.#context = context;
    this.#products = products;
    for (const { f } of products) {
      this.#high.push({ f: toWords(a.bytes(f.byteLength)), g: toWords(b.bytes(f.byteLength)) });
    }
    this.#seeds = { prover: a.bytes(SEED_BYTES).slice(), left: b.bytes(SEED_BYTES).slice() };
    const right = a.bytes(WIDE_BYTES);
    this.#gamma = { prover: wideOf(b.bytes(WIDE_BYTES)), right: wideOf(right) };
    this.#tagKeys = { prover: b.bytes(TAG_KEY_BYTES).slice(), right: a.bytes(TAG_KEY_BYTES).slice() };
  }

  /** Step 1: what this seat says as prover, and how to read what the next one said. */
  *claim(): Generator<Exchange, void, Uint8Array> {
    const { kernels } = this.#context;
    const masks = this.#masks(this.#seeds.prover);
    let c = -this.#gamma.prover;
    const results = this.#products.reduce((count, { received }) => count + received.length, 0);
    const send = new BigUint64Array(results + 2);
    let claimed = 0;
    for (const [index, { kind, x, y, f, g }] of this.#products.entries()) {
      const { f: fHigh, g: gHigh } = this.#high[index] ?? { f, g };
      const all = { f, g, fHigh, gHigh };
      const high = send.subarray(claimed, claimed + f.length);
      claimed += f.length;
      if (kind.shape === 'each') kernels.crossHigh(high, x, y, all);
      else if (kind.shape === 'blocks') kernels.blockHigh(high, x, y, all);
      else kernels.matrixHigh(high, x, y, kind.inner, all);
      for (const factor of [y.b, x.b]) {
        for (let from = 0; from < factor.length; from += PIECE) {
          const part = factor.subarray(from, from + PIECE);
          const mask = toWords(masks.bytes(WIDE_BYTES * part.length));
          this.#drawn.push(mask);
          c += kernels.innerProduct(mask, part);
        }
      }
    }
    send.set(wordsOfWide(c), results);
    const answer = yield { send: bytesOf(send), expect: send.byteLength };
    let offset = 0;
    this.#receivedHigh = this.#products.map(({ received }) => {
      const from = offset;
      offset += received.byteLength;
      return toWords(answer.subarray(from, offset));
    });
    this.#claim = wideOf(answer.subarray(offset));
  }

  /**
   * Step 3, given weights drawn from the coin.
   * @throws {NodeError} `MPC_CHECK_FAILED` naming two seats, one of which deviated.
   */
  *verify(coin: Masks): Generator<Exchange, void, Uint8Array> {
    const { seat, crypto, kernels } = this.#context;
    const weights = this.#products.map((product) => drawWeights(coin, product));
    const proof = crypto.gmac128(this.#tagKeys.prover, ONCE);
    const drawn = this.#drawn.values();
    const proofMask = () => drawn.next().value ?? new BigUint64Array(0);
    for (const piece of this.#opened('a', weights, proofMask)) proof.update(bytesOf(piece));
    this.#drawn = [];

    const received = crypto.gmac128(this.#tagKeys.right, ONCE);
    let sum = this.#gamma.right;
    const factors = this.#products.flatMap(({ x, y }) => [y.a, x.a]);
    const masks = this.#masks(this.#seeds.left);
    const pieces = this.#opened('b', weights, (length) => toWords(masks.bytes(WIDE_BYTES * length)));
    const total = factors.reduce((count, { length }) => count + length, 0);
    let [factor, used] = [0, 0];
    let rest = new BigUint64Array(0);
    for (let done = 0; done < total; done += MESSAGE) {
      const count = Math.min(MESSAGE, total - done);
      const send = new BigUint64Array(2 * count);
      const prepare = (fromByte: number, toByte: number) => {
        for (let at = fromByte / 8; at < toByte / 8; ) {
          if (rest.length === 0) rest = pieces.next().value ?? rest;
          const part = rest.subarray(0, toByte / 8 - at);
          send.set(part, at);
          at += part.length;
          rest = rest.subarray(part.length);
        }
      };
      const bytes = yield { send: bytesOf(send), prepare, expect: send.byteLength, vouched: true };
      received.update(bytes);
      const answer = toWords(bytes);
      for (let read = 0; read < count; ) {
        const vector = factors[factor] ?? new BigUint64Array(0);
        const part = vector.subarray(used, used + count - read);
        sum += kernels.innerProduct(answer.subarray(2 * read, 2 * (read + part.length)), part);
        read += part.length;
        used += part.length;
        if (used === vector.length) [factor, used] = [factor + 1, 0];
      }
    }
    let value = -this.#claim;
    for (const [index, product] of this.#products.entries()) {
      const [of, high] = [weights[index], this.#high[index]];
      if (of === undefined || high === undefined) continue;
      value += this.#results(of, product.received, this.#receivedHigh[index]) - this.#results(of, product.g, high.g);
      value -= this.#ownProducts(product, of);
      sum -= this.#results(of, product.f, high.f);
    }

    const tag = proof.digest();
    const back = { send: tag, expect: tag.length };
    const last = yield { send: bytesOfWide(value), expect: WIDE_BYTES, back };
    const [prover, left] = [(seat + 2) % 3, (seat + 1) % 3];
    const matches = equalBytes(last.subarray(WIDE_BYTES), received.digest());
    if (!matches || !equalBytes(last.subarray(0, WIDE_BYTES), bytesOfWide(sum))) throw checkFailed(prover, left);
  }

  #masks(seed: Uint8Array): Masks {
    return new Masks(this.#context.crypto, seed, this.#context.sid);
  }

  /**
   * D and E of all records in order, for the prover whose first components are `component` here; `masks` gives the next
   * so many of A and B. What is yielded is written over by the next piece.
   */
  *#opened(
    component: 'a' | 'b',
    weights: readonly Weights[],
    masks: (length: number) => BigUint64Array,
  ): Generator<BigUint64Array<ArrayBuffer>> {
    const room = new BigUint64Array(2 * PIECE);
    for (const [index, product] of this.#products.entries()) {
      const of = weights[index];
      if (of === undefined) continue;
      for (const { weight, low, high } of this.#weighted(product, component, of)) {
        for (let from = 0; from < low.length; from += PIECE) {
          const to = Math.min(low.length, from + PIECE);
          const out = room.subarray(0, 2 * (to - from));
          const mask = masks(to - from);
          const part = (vector: BigUint64Array) => vector.subarray(from, to);
          this.#context.kernels.weighMasked(out, part(weight), part(low), high && part(high), mask);
          yield out;
        }
      }
    }
  }

  /** What stands at y and at x of the right seat in the sum that is checked. */
  #weighted({ kind, x, y, received }: Product, component: 'a' | 'b', weights: Weights): Weighted[] {
    const [left, right] = [x[component], y[component]];
    if ('each' in weights) {
      const weight = repeatEach(weights.each, left.length / received.length);
      return [
        { weight, low: left },
        { weight, low: right },
      ];
    }
    const { inner } = kind as { inner: number };
    const folded = this.#foldFactors(left, right, inner, weights);
    const [rows, columns] = [weights.rows.length, weights.columns.length];
    return [
      {
        weight: repeatAll(weights.columns, inner),
        low: repeatEach(folded.x.low, columns),
        high: repeatEach(folded.x.high, columns),
      },
      {
        weight: repeatEach(weights.rows, inner),
        low: repeatAll(folded.y.low, rows),
        high: repeatAll(folded.y.high, rows),
      },
    ];
  }

  /** Σ_row β x[row] and Σ_column γ y[·][column]: vectors as long as the common dimension. */
  #foldFactors(
    x: BigUint64Array,
    y: BigUint64Array,
    inner: number,
    { rows, columns }: Extract<Weights, { rows: unknown }>,
  ) {
    const { kernels } = this.#context;
    const fold = (weights: BigUint64Array, vector: (k: number) => BigUint64Array) => {
      const [low, high] = [new BigUint64Array(inner), new BigUint64Array(inner)];
      for (let k = 0; k < inner; k++) {
        const sum = kernels.weightedSum(weights, vector(k));
        low[k] = BigInt.asUintN(64, sum);
        high[k] = sum >> 64n;
      }
      return { low, high };
    };
    const column = new BigUint64Array(rows.length);
    return {
      x: fold(rows, (k) => {
        for (let i = 0; i < column.length; i++) column[i] = x[i * inner + k] ?? 0n;
        return column;
      }),
      y: fold(columns, (k) => y.subarray(k * columns.length, (k + 1) * columns.length)),
    };
  }

  /** Σ χ Σ x y of the next seat's first components. */
  #ownProducts({ kind, x, y, received }: Product, weights: Weights): bigint {
    if ('each' in weights) {
      const weight = repeatEach(weights.each, x.b.length / received.length);
      return this.#context.kernels.weightedProducts(weight, x.b, y.b);
    }
    const { inner } = kind as { inner: number };
    const folded = this.#foldFactors(x.b, y.b, inner, weights);
    const at = ({ low, high }: { low: BigUint64Array; high: BigUint64Array }, k: number) =>
      (low[k] ?? 0n) + ((high[k] ?? 0n) << 64n);
    let sum = 0n;
    for (let k = 0; k < inner; k++) sum += at(folded.x, k) * at(folded.y, k);
    return sum;
  }

  /** Σ χ (high, low) over results. */
  #results(weights: Weights, low: BigUint64Array, high: BigUint64Array | undefined): bigint {
    const { kernels } = this.#context;
    if ('each' in weights) return kernels.weightedSum(weights.each, low, high);
    const { rows, columns } = weights;
    let sum = 0n;
    for (const [i, weight] of rows.entries()) {
      const row = (vector: BigUint64Array) => vector.subarray(i * columns.length, (i + 1) * columns.length);
      sum += weight * kernels.weightedSum(columns, row(low), high && row(high));
    }
    return sum;
  }
}

function drawWeights(coin: Masks, { kind, x, y, received }: Product): Weights {
  const draw = (length: number) => toWords(coin.bytes(8 * length));
  if (kind.shape !== 'matrix') return { each: draw(received.length) };
  return { rows: draw(x.a.length / kind.inner), columns: draw(y.a.length / kind.inner) };
}

/** Each element several times over, next to each other. */
function repeatEach(vector: BigUint64Array, times: number): BigUint64Array {
  if (times === 1) return vector;
  const out = new BigUint64Array(vector.length * times);
  for (let i = 0; i < vector.length; i++) out.fill(vector[i] ?? 0n, i * times, (i + 1) * times);
  return out;
}

/** The vector several times over. */
function repeatAll(vector: BigUint64Array, times: number): BigUint64Array {
  const out = new BigUint64Array(vector.length * times);
  for (let i = 0; i < times; i++) out.set(vector, i * vector.length);
  return out;
}

function wideOf(bytes: Uint8Array): bigint {
  const [low, high] = toWords(bytes.slice());
  return (low ?? 0n) + ((high ?? 0n) << 64n);
}

function wordsOfWide(value: bigint): BigUint64Array {
  const wrapped = modulo(value);
  return BigUint64Array.of(BigInt.asUintN(64, wrapped), wrapped >> 64n);
}

function bytesOfWide(value: bigint): Uint8Array {
  return bytesOf(wordsOfWide(value));
}

function checkFailed(prover: number, left: number): NodeError {
  return new NodeError('MPC_CHECK_FAILED', `what seat ${prover} sent to seat ${left} is not the product it should be`, {
    fault: 'peer',
    fix: 'Discard this attempt: one of these two seats deviated. Start another, with other seats if it happens again.',
  });
}
