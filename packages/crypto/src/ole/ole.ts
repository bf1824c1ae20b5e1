/**
 * Oblivious linear evaluation modulo 2^64, 8192 at a time: the receiver has words b, the sender words a, and they get shares
 * of the products a·b, c_sender + c_receiver = a·b. One offer serves towards several senders.
 *
 * Construction: Rathee, Schneider, Shukla, "Improved Multiplication Triple Generation over Rings via RLWE-based AHE" (CANS
 * 2019). The receiver encrypts b, element by element in the slots of BGV ciphertexts (Brakerski, Gentry, Vaikuntanathan, ITCS
 * 2012; Smart and Vercauteren, DCC 2014), symmetrically: (c0, c1) with c1 out of a public stream and c0 = c1·s + T·e + b. The
 * sender multiplies both by a + T·u, u fresh and ternary, adds T·e' to the second, and to the first a random polynomial R of
 * 184 bits, which is mask and noise at once: R modulo T masks the products, and the rest drowns what the noise says about a
 * and u. The receiver decrypts a·b + R modulo T, and both take their residues, over three ciphertexts with T of 61 bits
 * each, back to integers and modulo 2^64.
 *
 * Corruption model: semi-honest. Security: of b, decision ring-LWE with the secret s (`parameters.ts`). Of a, first
 * statistical: what R drowns is within 2^-54 a coefficient of nothing, so 2^-39 a batch; then the second half, which is c1·a
 * over T and a sample c1·u + e', is uniform by decision ring-LWE with the secret u, for any a.
 * Correct but with probability below 2^-54 a product: where the mask is so close to the product of the T that the sum wraps.
 * Rounds and bytes of a batch: an offer of 589,824 bytes, an answer of 1,179,648, so 216 a product, whatever is used of it.
 * Leakage: none beyond the outputs. Deviations from the paper: symmetric encryption under a key of one session, in place of
 * public-key encryption; the second half of an offer is its seed; answers are
 * hidden by u and e' in place of a fresh encryption of zero; no modulus switching of answers.
 * @module
 */
import { type CryptoProvider, NodeError, type Rng, sha256Bytes } from '@2pm/core';
import { putStream } from '../wasm/kernels.ts';
import { GROUPS, inverse, LIMBS, MASK_BITS, PLAIN, Q, SLOTS } from './parameters.ts';
import { MONTGOMERY, POLYNOMIAL, pairOf, type Ring, type Term } from './ring.ts';

export const OFFER_BYTES = POLYNOMIAL * LIMBS.length * GROUPS.length;
export const ANSWER_BYTES = 2 * OFFER_BYTES;

export interface OleContext {
  ring: Ring;
  crypto: CryptoProvider;
  rng: Rng;
  /** 32 bytes, public, of the receiver's own and unique for this use. */
  session: Uint8Array;
}

type Group = (typeof GROUPS)[number];
type Five = [number, number, number, number, number];

/** Holds the key, for as many offers as wanted. */
export class OleReceiver {
  readonly #context: OleContext;
  /** s and -s as values modulo each limb, times 2^32. */
  readonly #key: readonly { plus: number; minus: number }[];
  #offers = 0;

  constructor(context: OleContext) {
    this.#context = context;
    const { ring, rng } = context;
    const key = LIMBS.map(() => ({ plus: ring.alloc(), minus: ring.alloc() }));
    const { kernels } = ring;
    const mark = kernels.mark();
    const secret = small(context, { key: rng.fill(new Uint8Array(16)), use: 0, kind: 'ternary' }, MONTGOMERY);
    for (const [j, { plus, minus }] of key.entries()) {
      ring.combine(secret, limb(j), plus);
      const negative = secret.map(([words, factor]): Term => [words, -factor]);
      ring.combine(negative, limb(j), minus);
      for (const at of [plus, minus]) ring.toValues(at, limb(j));
    }
    kernels.release(mark);
    this.#key = key;
  }

  /** Up to 8192 words, encrypted: goes to every sender. */
  offer(words: BigUint64Array): Uint8Array {
    const { ring, rng } = this.#context;
    const { kernels } = ring;
    const publics = publicStream(this.#context, this.#offers++);
    const mark = kernels.mark();
    const out = kernels.alloc(OFFER_BYTES);
    const seed = rng.fill(new Uint8Array(16));
    const halves = putWords(ring, words);
    for (const [g, group] of GROUPS.entries()) {
      const inner = kernels.mark();
      const plain = lift(ring, halves, group);
      const error = small(this.#context, { key: seed, use: g, kind: 'binomial' }, group[0] * group[1]);
      const [c1, body] = [ring.alloc(), ring.alloc()];
      for (const [j, { plus }] of this.#key.entries()) {
        ring.combine([...plain, ...error], limb(j), body);
        ring.toValues(body, limb(j));
        publics(g, j, c1);
        ring.multiplyAdd(c1, plus, body, limb(j), out + POLYNOMIAL * (g * LIMBS.length + j));
      }
      kernels.release(inner);
    }
    const message = kernels.bytes(out, OFFER_BYTES).slice();
    kernels.release(mark);
    return message;
  }

  /** From a sender's answer, the shares of a batch. @throws {NodeError} `OLE_BAD_LENGTH`. */
  finish(answer: Uint8Array): BigUint64Array {
    checkLength(answer, ANSWER_BYTES);
    const { ring } = this.#context;
    const { kernels } = ring;
    const mark = kernels.mark();
    const at = kernels.put(answer);
    const residues = ring.alloc(PLAIN.length);
    const primes = kernels.put(bytesOf(Uint32Array.from(LIMBS, Number)));
    // Residues x of an integer below q/2: it is the sum of y q/p, with y = x p/q modulo p, less the q's that are too many.
    const y = ring.alloc(LIMBS.length);
    const excess = ring.alloc();
    for (const [g, group] of GROUPS.entries()) {
      for (const [j, { minus }] of this.#key.entries()) {
        const [body, c1] = [0, 1].map((half) => at + POLYNOMIAL * ((2 * g + half) * LIMBS.length + j));
        const here = y + POLYNOMIAL * j;
        ring.multiplyAdd(c1 as number, minus, body, limb(j), here);
        ring.toCoefficients(here, limb(j), inverse(Q / limb(j), limb(j)));
      }
      kernels.run.quotients(y, LIMBS.length, SLOTS, primes, excess);
      for (const [i, prime] of group.entries()) {
        const out = residues + POLYNOMIAL * (2 * g + i);
        ring.combine([...LIMBS.map((p, j): Term => [y + POLYNOMIAL * j, Q / p]), [excess, -Q]], prime, out);
        ring.toValues(out, prime);
      }
    }
    const shares = integers(ring, residues, false);
    kernels.release(mark);
    return shares;
  }
}

/** Answers the offers of one receiver, in their order. */
export class OleSender {
  readonly #context: OleContext;
  #answers = 0;

  /** `session`: the receiver's. */
  constructor(context: OleContext) {
    this.#context = context;
  }

  /** The message for the receiver, and the shares of a batch of products of `words`. @throws {NodeError} `OLE_BAD_LENGTH`. */
  answer(offer: Uint8Array, words: BigUint64Array): { message: Uint8Array; shares: BigUint64Array } {
    checkLength(offer, OFFER_BYTES);
    const { ring, rng, crypto } = this.#context;
    const { kernels } = ring;
    const publics = publicStream(this.#context, this.#answers++);
    const mark = kernels.mark();
    const at = kernels.put(offer);
    const out = kernels.alloc(ANSWER_BYTES);
    const residues = ring.alloc(PLAIN.length);
    const seed = rng.fill(new Uint8Array(16));
    const halves = putWords(ring, words);
    const [digits, factor, mask, noise, c1] = [MASK_WORDS, 1, 1, 1, 1].map((count) => ring.alloc(count)) as Five;
    const masks = Array.from(
      { length: MASK_WORDS },
      (_, k): Term => [digits + POLYNOMIAL * k, MONTGOMERY ** BigInt(k)],
    );
    for (const [g, group] of GROUPS.entries()) {
      const inner = kernels.mark();
      const T = group[0] * group[1];
      const secret = small(this.#context, { key: seed, use: 3 * g, kind: 'ternary' }, T);
      const scaled = [...lift(ring, halves, group), ...secret].map(([x, by]): Term => [x, by * MONTGOMERY]);
      const error = small(this.#context, { key: seed, use: 3 * g + 1, kind: 'binomial' }, T);
      putStream(kernels, crypto, { key: seed, nonce: nonceOf(3 * g + 2) }, digits, POLYNOMIAL * MASK_WORDS);
      kernels.run.shift_down(digits + POLYNOMIAL * (MASK_WORDS - 1), SLOTS, 32 * MASK_WORDS - MASK_BITS);
      for (let j = 0; j < LIMBS.length; j++) {
        for (const [terms, at] of [
          [scaled, factor],
          [masks, mask],
          [error, noise],
        ] as const) {
          ring.combine(terms, limb(j), at);
          ring.toValues(at, limb(j));
        }
        publics(g, j, c1);
        const to = out + POLYNOMIAL * (2 * g * LIMBS.length + j);
        ring.multiplyAdd(at + POLYNOMIAL * (g * LIMBS.length + j), factor, mask, limb(j), to);
        ring.multiplyAdd(c1, factor, noise, limb(j), to + POLYNOMIAL * LIMBS.length);
      }
      for (const [i, prime] of group.entries()) {
        const here = residues + POLYNOMIAL * (2 * g + i);
        ring.combine(masks, prime, here);
        ring.toValues(here, prime);
      }
      kernels.release(inner);
    }
    const message = kernels.bytes(out, ANSWER_BYTES).slice();
    const shares = integers(ring, residues, true);
    kernels.release(mark);
    return { message, shares };
  }
}

/** 32-bit words of a mask. */
const MASK_WORDS = Math.ceil(MASK_BITS / 32);

function limb(j: number): bigint {
  return LIMBS[j] as bigint;
}

/** Lower and upper halves of the words, padded. */
function putWords(ring: Ring, words: BigUint64Array): readonly Term[] {
  const { kernels } = ring;
  const [low, high, at] = [ring.alloc(), ring.alloc(), kernels.alloc(8 * SLOTS)];
  kernels
    .bytes(at, 8 * SLOTS)
    .fill(0)
    .set(bytesOf(words));
  kernels.run.halves(at, SLOTS, low, high);
  return [
    [low, 1n],
    [high, 2n ** 32n],
  ];
}

/**
 * The polynomial whose values modulo the two primes are the words, as a sum of terms, with coefficients between plus and
 * minus half the product of the primes.
 */
function lift(ring: Ring, words: readonly Term[], [p, r]: Group): Term[] {
  const [x, y, wraps] = [ring.alloc(), ring.alloc(), ring.alloc()];
  for (const [prime, at] of [
    [p, x],
    [r, y],
  ] as const) {
    ring.combine(words, prime, at);
    ring.toCoefficients(at, prime);
  }
  const step = inverse(p, r);
  ring.combine(
    [
      [y, step],
      [x, -step],
    ],
    r,
    y,
  );
  ring.kernels.run.above(y, SLOTS, Number(r >> 1n), wraps);
  return [
    [x, 1n],
    [y, p],
    [wraps, -p * r],
  ];
}

/** A polynomial of small coefficients out of a secret stream, times `factor`, as a sum of terms. */
function small(
  { ring, crypto }: OleContext,
  { key, use, kind }: { key: Uint8Array; use: number; kind: 'ternary' | 'binomial' },
  factor: bigint,
): Term[] {
  const { kernels } = ring;
  const [ones, others] = [ring.alloc(), ring.alloc()];
  const mark = kernels.mark();
  const random = ring.alloc(2);
  putStream(kernels, crypto, { key, nonce: nonceOf(use) }, random, (kind === 'binomial' ? 2 : 1) * POLYNOMIAL);
  kernels.run[kind](random, SLOTS, ones, others);
  kernels.release(mark);
  return [
    [ones, factor],
    [others, -factor],
  ];
}

/** Of residues modulo all plaintext primes, the integers modulo 2^64. Uses the residues up. */
function integers({ kernels }: Ring, residues: number, negated: boolean): BigUint64Array {
  const count = PLAIN.length;
  const inverses = PLAIN.flatMap((of) =>
    PLAIN.flatMap((prime) => (prime < of ? pairOf(inverse(prime, of), of) : [0, 0])),
  );
  const places = PLAIN.map((_, k) => PLAIN.slice(0, k).reduce((product, prime) => product * prime, 1n));
  const lists = [Uint32Array.from(PLAIN, Number), Uint32Array.from(inverses), BigUint64Array.from(places)] as const;
  const [primes, table, weights] = lists.map((list) => kernels.put(bytesOf(list))) as [number, number, number];
  const out = kernels.alloc(8 * SLOTS);
  kernels.run.garner(residues, count, SLOTS, primes, table, weights, negated ? 1 : 0, out);
  return new BigUint64Array(kernels.bytes(out, 8 * SLOTS).slice().buffer);
}

/** The second half of an offer: uniform values modulo limb j of ciphertext g, written to `out`. */
function publicStream({ ring, crypto, session }: OleContext, index: number) {
  const key = sha256Bytes(utf8.encode(`2pm/ole/offer/${index}/1\0`), session).subarray(0, 16);
  return (g: number, j: number, out: number) => {
    const { kernels } = ring;
    const mark = kernels.mark();
    const words = SLOTS + SPARE;
    const at = kernels.alloc(4 * words);
    putStream(kernels, crypto, { key, nonce: nonceOf(LIMBS.length * g + j) }, at, 4 * words);
    const found = kernels.run.uniform(at, words, SLOTS, Number(limb(j)), out);
    kernels.release(mark);
    if (found < SLOTS) throw new Error('a public stream of hardly any small words');
  };
}

/** Words beyond those needed: one in 1,900 or fewer is rejected, 4 of a polynomial. */
const SPARE = 256;
const utf8 = new TextEncoder();

function nonceOf(use: number): Uint8Array {
  return Uint8Array.of(use, 0, 0, 0, 0, 0, 0, 0);
}

function bytesOf(array: BigUint64Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function checkLength(message: Uint8Array, expected: number): void {
  if (message.length === expected) return;
  throw new NodeError('OLE_BAD_LENGTH', `a message of ${message.length} bytes, expected ${expected}`, {
    fault: 'peer',
  });
}
