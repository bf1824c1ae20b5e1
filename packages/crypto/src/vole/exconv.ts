/**
 * The expand-convolute code ExConv7x24 (eprint 2023/882), systematic, rate 1/2: maps 2m blocks to m blocks, linearly.
 *
 * Convolute, over the upper half x of size m, indices modulo m: for i = 0 … m−1 with 24 random bits b each,
 * x[i] ^= ⊕_{k=1..24} b_k·x[i−k] ^ x[i−25], where sources before the start count when everything else is done. Run twice
 * with independent bits. Expand: each output, already the lower half's block, takes 7 blocks of x: one uniform position
 * in each quarter and three uniform positions.
 * Corruption model, rounds, leakage: none of its own; both parties apply it to what they hold. Both know its randomness.
 * Deviations: AES-CTR gives the bits and ChaCha8 the positions (libOTe: AES for both): the seed is public, so they need to
 * look random, not to hide it; bits of neighbouring positions are independent (libOTe shares 16 of 24); the bits are named by target
 * instead of source, which is the same distribution; the last m mod 4 positions are in no quarter.
 * @module
 */
import { type CryptoProvider, sha256Bytes } from '@2pm/core';
import { type Kernels, pieces, putStream } from '../wasm/kernels.ts';

const utf8 = new TextEncoder();

/** What both parties know: a public 16-byte seed of the code's randomness, for this session alone. */
export interface ExConv {
  /** m, at least 64. */
  length: number;
  seed: Uint8Array;
}

/**
 * In place. `lower`: the addresses of the lower halves of one or two vectors, each of m blocks, where the results go.
 * `upper`: the address of the upper half, or of both upper halves side by side, block by block; it is used up.
 */
export function exConv(
  kernels: Kernels,
  crypto: CryptoProvider,
  { length, seed }: ExConv,
  upper: number,
  lower: readonly [first: number, second?: number],
): void {
  const lanes = lower[1] === undefined ? 1 : 2;
  const mark = kernels.mark();
  const key = kernels.put(sha256Bytes(utf8.encode('2pm/exconv/expand/1'), seed));
  const bits = kernels.alloc(4 * length);
  for (const pass of ['conv/1/0', 'conv/1/1']) {
    putStream(kernels, crypto, { key: seed, nonce: utf8.encode(pass) }, bits, 4 * length);
    for (const [from, to] of pieces(length)) kernels.run.convolute(upper, bits, from, to, lanes);
    kernels.run.convolute_wrap(upper, bits, length, lanes);
  }
  for (const [from, to] of pieces(length)) {
    kernels.run.expand(upper, length, key, from, to, lower[0], lower[1] ?? 0, lanes);
  }
  kernels.release(mark);
}
