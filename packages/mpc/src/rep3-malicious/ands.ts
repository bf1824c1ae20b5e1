/**
 * The check of ANDs: each block of 128 ANDs is compared with random triples of which the seats made more than they need,
 * in an order that they draw when all ANDs and triples are there.
 *
 * Construction: bucketed triple verification (Furukawa, Lindell, Nof, Weinstein, EUROCRYPT 2017, §2.3 opening, §2.4 checking
 * with another triple, §3 buckets; Araki et al., S&P 2017), with the ANDs of the circuit as the first members of their
 * buckets, so that triples are never verified among themselves.
 *  1. T = N B + B blocks of triples: a and b from the pairwise streams, c = a ∧ b by the protocol that is to be checked.
 *  2. Coin; it permutes the triples. The last B are opened and looked at. Each of the N blocks of ANDs gets B others.
 *  3. ρ = x ⊕ a and σ = y ⊕ b are opened: the next seat sends the missing component, the previous one a tag of it, which is GMAC
 *     under a key that the two share for this once.
 *  4. z ⊕ c ⊕ ρ b ⊕ σ a ⊕ ρ σ must share 0: each seat sends the next the hash of what the third component then has to be.
 *
 * Malicious seat, one of three. It fixes, before the coin, in which g ≥ 1 blocks of ANDs and in which triples to err. It is not
 * found only if every wrong block meets B wrong triples and every other block and the last B none: the g B positions of the wrong
 * triples are then determined, which a random order hits with 1 / C(T, g B) ≤ 1 / C(T, B), as B ≤ g B ≤ T - B. N (by blocks of zeros)
 * and B are chosen so that this is at most 2^-(41 + 2 ⌈log2 k⌉) in the k-th check of a session, 2^-40 in all.
 * Leakage: none. ρ and σ are masked by triples that serve once; a wrong opening fails, but for a chance below 2^-100,
 * against the other seat's tag, whose key its sender does not know, before anything that depends on it is sent; an error in z or c is known to who made it.
 * Bytes sent by a seat: 3 B bits an AND, with B = 3 from 10^6 ANDs on; rounds: 1, coin, 1, 1.
 * @module
 */
import { type CryptoProvider, equalBytes, NodeError } from '@2pm/core';
import type { Exchange } from '../execute.ts';
import { xorTo } from '../rep3/kernels.ts';
import type { Masks } from '../rep3/masks.ts';
import { uniformOrder } from '../rep3/permutation.ts';
import { type BitShare, bytesOf, toPacked } from '../rep3/share.ts';
import type { Simd } from '../rep3/simd.ts';
import { BLOCK_WORDS, type Kernels } from './kernels.ts';
import type { Ands } from './record.ts';

const MOST_TRIPLES = 41;
const TAG_KEY_BYTES = 16;

export interface Buckets {
  /** Blocks of ANDs, those added included. */
  blocks: number;
  /** Triples for each of them, and triples that are opened. */
  size: number;
}

/** The cheapest way to check `blocks` blocks with an error of at most 2^-bits. */
export function bucketsFor(blocks: number, bits: number): Buckets {
  let best: Buckets | undefined;
  for (let size = 2; size <= MOST_TRIPLES; size++) {
    let padded = blocks;
    while (log2Binomial(size * (padded + 1), size) < bits) padded = Math.ceil(1.02 * padded) + 1;
    if (best === undefined || size * (padded + 1) < best.size * (best.blocks + 1)) best = { blocks: padded, size };
  }
  return best ?? { blocks, size: MOST_TRIPLES };
}

export function log2Binomial(n: number, k: number): number {
  let bits = 0;
  for (let i = 0; i < k; i++) bits += Math.log2((n - i) / (i + 1));
  return bits;
}

/** Bits of security of the k-th check of a session, from 0 on: what all of them together miss stays below 2^-40. */
export function checkBits(k: number): number {
  return 41 + 2 * Math.ceil(Math.log2(k + 1));
}

interface Context {
  seat: number;
  keys: { a: Masks; b: Masks };
  crypto: CryptoProvider;
  simd: Simd;
  kernels: Kernels;
}

export class AndCheck {
  readonly #context: Context;
  readonly #buckets: Buckets;
  readonly #gates: { x: BitShare; y: BitShare; z: BitShare };
  readonly #a: BitShare;
  readonly #b: BitShare;
  /** Keys of the tags from the previous seat and to the next one. */
  readonly #tagKeys: { previous: Uint8Array; next: Uint8Array };
  #c: BitShare = { form: 'bits', a: new Uint32Array(0), b: new Uint32Array(0) };
  #verdict: { own: Uint8Array; expected: Uint8Array } | undefined;

  /** Takes what is recorded. Draws from both keys; all seats have the same ANDs. */
  constructor(context: Context, ands: Ands, bits: number) {
    this.#context = context;
    this.#buckets = bucketsFor(Math.ceil(ands.length / BLOCK_WORDS), bits);
    this.#gates = ands.take(BLOCK_WORDS * this.#buckets.blocks);
    [this.#a, this.#b] = [this.#random(), this.#random()];
    const key = (masks: Masks) => masks.bytes(TAG_KEY_BYTES).slice();
    this.#tagKeys = { previous: key(context.keys.a), next: key(context.keys.b) };
  }

  get #triples(): number {
    return this.#buckets.size * (this.#buckets.blocks + 1);
  }

  /** Step 1. */
  *makeTriples(): Generator<Exchange, void, Uint8Array> {
    const { simd, keys } = this.#context;
    const a = new Uint32Array(BLOCK_WORDS * this.#triples);
    simd.maskedAnd(a, this.#a, this.#b, keys);
    this.#c = { form: 'bits', a, b: toPacked(yield { send: bytesOf(a), expect: a.byteLength }) };
  }

  /**
   * Steps 2 and 3, given an order drawn from the coin.
   * @throws {NodeError} `MPC_CHECK_FAILED`.
   */
  *open(coin: Masks): Generator<Exchange, void, Uint8Array> {
    const { seat, crypto } = this.#context;
    const order = uniformOrder(coin, this.#triples);
    const own = { a: this.#openings('a', order), b: this.#openings('b', order) };
    const tag = tagOf(crypto, this.#tagKeys.next, own.a);
    const back = { send: tag, expect: tag.length };
    const answer = yield { send: bytesOf(own.b), expect: own.b.byteLength, back };
    const missing = toPacked(answer.subarray(0, own.b.byteLength));
    if (!equalBytes(tagOf(crypto, this.#tagKeys.previous, missing), answer.subarray(own.b.byteLength))) {
      throw checkFailed(`seats ${(seat + 1) % 3} and ${(seat + 2) % 3} opened different shares of the same bits`);
    }
    const opened = new Uint32Array(missing.length);
    for (let i = 0; i < opened.length; i++) opened[i] = missing[i]! ^ own.a[i]! ^ own.b[i]!;
    this.#lookAtLast(opened);
    this.#verdict = this.#differences(opened, order);
  }

  /** What goes to the next seat in the last round of the check, and what the previous one has to say. */
  verdict(): { own: Uint8Array; expected: Uint8Array } {
    if (this.#verdict === undefined) throw new Error('verdict before opening');
    return this.#verdict;
  }

  /** The blocks of x ⊕ a, then those of y ⊕ b, then the last triples, as one component. */
  #openings(part: 'a' | 'b', order: Uint32Array): Uint32Array<ArrayBuffer> {
    const { kernels } = this.#context;
    const { blocks, size } = this.#buckets;
    const used = blocks * size;
    const out = new Uint32Array(BLOCK_WORDS * (2 * used + 3 * size));
    out.set(kernels.mixedBlocks(this.#gates.x[part], size, order, [{ blocks: this.#a[part] }]));
    out.set(kernels.mixedBlocks(this.#gates.y[part], size, order, [{ blocks: this.#b[part] }]), BLOCK_WORDS * used);
    for (const [place, vector] of [this.#a[part], this.#b[part], this.#c[part]].entries()) {
      for (let k = 0; k < size; k++) {
        const triple = BLOCK_WORDS * (order[used + k] ?? 0);
        out.set(vector.subarray(triple, triple + BLOCK_WORDS), BLOCK_WORDS * (2 * used + place * size + k));
      }
    }
    return out;
  }

  #lookAtLast(opened: Uint32Array): void {
    const count = BLOCK_WORDS * this.#buckets.size;
    const start = opened.length - 3 * count;
    for (let i = start; i < start + count; i++) {
      if (((opened[i]! & opened[i + count]!) ^ opened[i + 2 * count]!) !== 0) throw wrongAnd();
    }
  }

  /** Hashes of the third component that makes the differences shares of 0, and of the one that this seat has as b. */
  #differences(opened: Uint32Array, order: Uint32Array): { own: Uint8Array; expected: Uint8Array } {
    const { seat, crypto, kernels } = this.#context;
    const { blocks, size } = this.#buckets;
    const length = BLOCK_WORDS * blocks * size;
    const [rho, sigma] = [opened.subarray(0, length), opened.subarray(length, 2 * length)];
    const component = (part: 'a' | 'b', number: number) => {
      const out = kernels.mixedBlocks(this.#gates.z[part], size, order, [
        { blocks: this.#c[part] },
        { blocks: this.#b[part], factor: rho },
        { blocks: this.#a[part], factor: sigma },
      ]);
      if (number === 0) for (let i = 0; i < length; i++) out[i] = out[i]! ^ (rho[i]! & sigma[i]!);
      return out;
    };
    const [first, mine] = [component('a', seat), component('b', (seat + 1) % 3)];
    xorTo(first, first, mine);
    return { own: hashOf(crypto, first), expected: hashOf(crypto, mine) };
  }

  /** Shared random bits: nobody knows all three streams. */
  #random(): BitShare {
    const { a, b } = this.#context.keys;
    const bytes = 4 * BLOCK_WORDS * this.#triples;
    return { form: 'bits', a: toPacked(a.bytes(bytes)), b: toPacked(b.bytes(bytes)) };
  }
}

export function wrongAnd(): NodeError {
  return checkFailed('an AND of shared bits is not what it should be: one of the three seats deviated');
}

function checkFailed(problem: string): NodeError {
  return new NodeError('MPC_CHECK_FAILED', problem, {
    fault: 'peer',
    fix: 'Discard this attempt; start another, with other seats if it happens again.',
  });
}

function hashOf(crypto: CryptoProvider, words: Uint32Array): Uint8Array {
  const hash = crypto.sha256();
  hash.update(bytesOf(words));
  return hash.digest();
}

function tagOf(crypto: CryptoProvider, key: Uint8Array, words: Uint32Array): Uint8Array {
  const mac = crypto.gmac128(key, new Uint8Array(12));
  mac.update(bytesOf(words));
  return mac.digest();
}
