/**
 * From correlated transfers to shares of products: the sender's factor times the receiver's, which is made of the random
 * choice bits of its transfers, as a sum of one share at each. (Of words with words: `ole/ole.ts`.)
 *
 * Construction: a step of Gilboa, "Two Party RSA Key Generation" (CRYPTO 1999, §4.1), modulo 2^64: a product of a word and a
 * bit takes one transfer and 8 bytes. Products of bits as XOR of bits take one transfer and nothing sent: the sender's factor is what the two pads differ in.
 * Pads are AES_k(x) ⊕ x under a public key of the session, correlation robust in the ideal-cipher model (Guo, Katz, Wang,
 * Yu, IEEE S&P 2020). Corruption model: semi-honest. A transfer serves for one product alone, or under one key each.
 * Leakage: none beyond the outputs. Deviations: none known.
 * @module
 */
import { type CryptoProvider, sha256Bytes } from '@2pm/core';
import { type Kernels, pieces } from '../wasm/kernels.ts';

/** Bytes that a product of a word and a bit takes. */
export const BIT_PRODUCT_BYTES = 8;
/** Transfers hashed at a time: pads stay in cache. */
const CHUNK = 8_192;

export interface PadContext {
  kernels: Kernels;
  crypto: CryptoProvider;
  /** 16 bytes, public, of the session, direction and use. */
  key: Uint8Array;
}

/** The key of one use of a session's transfers: those hashed twice need two. */
export function padKey(session: Uint8Array, use: number): Uint8Array {
  return sha256Bytes(new TextEncoder().encode(`2pm/transfer-pads/${use}/1\0`), session).slice(0, 16);
}

/** Address of the pads of `count` blocks at `blocks`. */
function pads({ kernels, crypto, key }: PadContext, blocks: number, count: number): number {
  const out = kernels.alloc(16 * count);
  kernels.bytes(out, 16 * count).set(crypto.aes128Ecb(key, kernels.bytes(blocks, 16 * count)));
  kernels.run.xor_blocks(out, blocks, out, count);
  return out;
}

/** Both pads of the sender's blocks at q. */
function bothPads(context: PadContext, q: number, delta: Uint8Array, count: number): [zero: number, one: number] {
  const { kernels } = context;
  const zero = pads(context, q, count);
  const shifted = kernels.alloc(16 * count);
  kernels.run.xor_offset(q, kernels.put(delta), shifted, count);
  return [zero, pads(context, shifted, count)];
}

/** A run of transfers: the sender's have Δ, blocks are at `at`. */
export interface Sent {
  at: number;
  delta: Uint8Array;
  count: number;
}
export interface Received {
  at: number;
  count: number;
}

function* chunks(kernels: Kernels, { at, count }: Received): Generator<{ from: number; to: number; at: number }> {
  for (const [from, to] of pieces(count, CHUNK)) {
    const mark = kernels.mark();
    yield { from, to, at: at + 16 * from };
    kernels.release(mark);
  }
}

/** The receiver's factors: the choice bits, packed. */
export function choiceBits(kernels: Kernels, { at, count }: Received): Uint32Array {
  const mark = kernels.mark();
  const out = kernels.alloc(count / 8);
  kernels.run.low_bits(at, count, out);
  const bits = kernels.words(out, count / 32).slice();
  kernels.release(mark);
  return bits;
}

/** XOR shares of products of bits, sender: its factors and shares, packed. `count` is a multiple of 32, as below. */
export function sendBits(context: PadContext, run: Sent): { factors: Uint32Array; shares: Uint32Array } {
  const { kernels } = context;
  const factors = new Uint32Array(run.count / 32);
  const shares = new Uint32Array(run.count / 32);
  for (const { from, to, at } of chunks(kernels, run)) {
    const [zero, one] = bothPads(context, at, run.delta, to - from);
    const low = choiceBits(kernels, { at: zero, count: to - from });
    const high = choiceBits(kernels, { at: one, count: to - from });
    shares.set(low, from / 32);
    factors.set(
      low.map((word, i) => word ^ high[i]!),
      from / 32,
    );
  }
  return { factors, shares };
}

/** The receiver's shares; its factors are its choice bits. */
export function receiveBits(context: PadContext, run: Received): Uint32Array {
  const { kernels } = context;
  const shares = new Uint32Array(run.count / 32);
  for (const { from, to, at } of chunks(kernels, run)) {
    const held = pads(context, at, to - from);
    shares.set(choiceBits(kernels, { at: held, count: to - from }), from / 32);
  }
  return shares;
}

/**
 * Transfers of one of sixteen pairs of bits, four transfers each (Naor and Pinkas, STOC 1999): the sender's pads, slot m of
 * a word (bits 2m and 2m + 1) for choice m. Each slot has bits of a pad to itself.
 */
export function sendSixteen(context: PadContext, run: Sent): Uint32Array {
  const { kernels } = context;
  const words = new Uint32Array(run.count / 4);
  for (const { from, to, at } of chunks(kernels, run)) {
    const [zero, one] = bothPads(context, at, run.delta, to - from);
    const out = kernels.alloc(to - from);
    kernels.run.sixteen_send(zero, one, (to - from) / 4, out);
    words.set(kernels.words(out, (to - from) / 4), from / 4);
  }
  return words;
}

/** The receiver's pad of the slot that it chose, two bits in a word; its choices are four choice bits each. */
export function receiveSixteen(context: PadContext, run: Received): Uint32Array {
  const { kernels } = context;
  const words = new Uint32Array(run.count / 4);
  for (const { from, to, at } of chunks(kernels, run)) {
    const held = pads(context, at, to - from);
    const out = kernels.alloc(to - from);
    kernels.run.sixteen_receive(at, held, (to - from) / 4, out);
    words.set(kernels.words(out, (to - from) / 4), from / 4);
  }
  return words;
}

/** Shares modulo 2^64 of products of the words `factors` with the receiver's choice bits. */
export function sendBitProducts(
  context: PadContext,
  run: Sent,
  factors: BigUint64Array,
): { shares: BigUint64Array; message: Uint8Array } {
  const { kernels } = context;
  const shares = new BigUint64Array(run.count);
  const message = new Uint8Array(BIT_PRODUCT_BYTES * run.count);
  for (const { from, to, at } of chunks(kernels, run)) {
    const n = to - from;
    const [zero, one] = bothPads(context, at, run.delta, n);
    const words = kernels.put(bytesOf(factors.subarray(from, to)));
    const [out, share] = [kernels.alloc(8 * n), kernels.alloc(8 * n)];
    kernels.run.bit_products_send(zero, one, words, n, out, share);
    message.set(kernels.bytes(out, 8 * n), 8 * from);
    bytesOf(shares).set(kernels.bytes(share, 8 * n), 8 * from);
  }
  return { shares, message };
}

export function receiveBitProducts(context: PadContext, run: Received, message: Uint8Array): BigUint64Array {
  const { kernels } = context;
  const shares = new BigUint64Array(run.count);
  for (const { from, to, at } of chunks(kernels, run)) {
    const n = to - from;
    const held = pads(context, at, n);
    const [sent, share] = [kernels.put(message.subarray(8 * from, 8 * to)), kernels.alloc(8 * n)];
    kernels.run.bit_products_receive(at, held, sent, n, share);
    bytesOf(shares).set(kernels.bytes(share, 8 * n), 8 * from);
  }
  return shares;
}

function bytesOf(array: BigUint64Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
