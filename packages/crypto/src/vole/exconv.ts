/**
 * The expand-convolute code ExConv7x24 (eprint 2023/882), systematic, rate 1/2: maps 2m blocks to m blocks, linearly.
 *
 * Convolute, over the upper half x of size m, indices modulo m: for i = 0 … m−1 with 24 random bits b each,
 * x[i] ^= ⊕_{k=1..24} b_k·x[i−k] ^ x[i−25], where sources before the start count when everything else is done. Run twice
 * with independent bits. Expand: each output, already the lower half's block, takes 7 blocks of x: one uniform position
 * in each quarter and three uniform positions.
 * Deviations: bits of neighbouring positions are independent (libOTe shares 16 of 24); the bits are named by target
 * instead of source, which is the same distribution; the last m mod 4 positions are in no quarter.
 * @module
 */
import type { CryptoProvider } from '@2pm/core';
import type { Kernels } from '../wasm/kernels.ts';

const TAPS = 7;
const CHUNK = 32_768;
const utf8 = new TextEncoder();

/** What both parties know: a public 16-byte seed of the code's randomness, for this session alone. */
export interface ExConv {
  /** m, at least 64. */
  length: number;
  seed: Uint8Array;
}

/** In place over 2m blocks at `x`; afterwards the first m are the result. */
export function exConv(kernels: Kernels, crypto: CryptoProvider, { length, seed }: ExConv, x: number): void {
  const upper = x + 16 * length;
  const mark = kernels.mark();
  const bits = kernels.alloc(4 * length);
  for (const pass of ['conv/1/0', 'conv/1/1']) {
    kernels.bytes(bits, 4 * length).set(crypto.aes128Ctr(seed, utf8.encode(pass), 0n, 4 * length));
    kernels.run.convolute(upper, bits, length);
  }
  kernels.release(mark);
  const taps = kernels.alloc(4 * TAPS * CHUNK);
  for (let at = 0; at < length; at += CHUNK) {
    const count = Math.min(CHUNK, length - at);
    const counter = BigInt((at * 4 * TAPS) / 16);
    kernels.bytes(taps, 4 * TAPS * count).set(crypto.aes128Ctr(seed, EXPAND, counter, 4 * TAPS * count));
    kernels.run.expand(upper, length, taps, x + 16 * at, count);
  }
  kernels.release(mark);
}
const EXPAND = utf8.encode('expand/1');
