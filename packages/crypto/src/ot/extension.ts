/**
 * Correlated OT extension: from 128 base transfers to `count` correlations q_j = t_j ⊕ r_j·Δ, where the receiver holds
 * the bits r_j and the blocks t_j, the sender the 128-bit Δ (its choices in the base transfers) and the blocks q_j.
 *
 * Construction: Ishai, Kilian, Nissim and Petrank (CRYPTO 2003), in the formulation of Asharov et al. (CCS 2013, §4).
 * Corruption model: semi-honest; with the check of `consistency.ts`, for which callers get at the columns, malicious, where
 * a cheating receiver may guess bits of Δ and is refused when it guesses wrong.
 * The columns of base transfers are AES-128-CTR streams under keys of one use.
 * Rounds and bytes: one message of 16·count bytes from the receiver. Leakage: none beyond the outputs.
 * Deviations: Δ may be the caller's and serve elsewhere, as the VOLE does (see `vole/silent.ts`).
 * Hashing (`hashCorrelations`) turns correlations into transfers: H(session, j, q_j) and H(session, j, q_j ⊕ Δ).
 * @module
 */
import { type CryptoProvider, NodeError } from '@2pm/core';
import type { Kernels } from '../wasm/kernels.ts';

export const BASE_COUNT = 128;
const NONCE = new TextEncoder().encode('iknp/1\0\0');

/**
 * `count` is a multiple of 8. Returns the message to the sender and the address of the blocks t. `onColumns` sees the
 * 128 columns of t as bits, `choices.length` bytes each, and behind them the choices.
 */
export function extendReceiver(
  kernels: Kernels,
  crypto: CryptoProvider,
  keys: readonly [Uint8Array, Uint8Array][],
  choices: Uint8Array,
  onColumns?: (columns: number, correction: Uint8Array) => void,
): { correction: Uint8Array; t: number } {
  const rowBytes = choices.length;
  const correction = new Uint8Array(BASE_COUNT * rowBytes);
  const t = kernels.alloc(16 * 8 * rowBytes);
  const mark = kernels.mark();
  const blocks = Math.ceil(rowBytes / 16);
  const [rows, scratch] = [kernels.alloc(BASE_COUNT * rowBytes + 16 * blocks + 16), kernels.alloc(16 * blocks)];
  const chosen = rows + BASE_COUNT * rowBytes;
  kernels.bytes(chosen, rowBytes).set(choices);
  for (const [i, [zero, one]] of keys.entries()) {
    const row = rows + i * rowBytes;
    kernels.bytes(row, rowBytes).set(stream(crypto, zero, rowBytes));
    kernels.bytes(scratch, rowBytes).set(stream(crypto, one, rowBytes));
    kernels.run.xor_blocks(scratch, row, scratch, blocks);
    kernels.run.xor_blocks(scratch, chosen, scratch, blocks);
    correction.set(kernels.bytes(scratch, rowBytes), i * rowBytes);
  }
  onColumns?.(rows, correction);
  kernels.run.transpose_bits(rows, 8 * rowBytes, t);
  kernels.release(mark);
  return { correction, t };
}

/**
 * Returns the address of the blocks q. `delta` holds the base choices, bit i of the block for transfer i. `onColumns` sees
 * the 128 columns of q as bits.
 */
export function extendSender(
  kernels: Kernels,
  crypto: CryptoProvider,
  keys: readonly Uint8Array[],
  delta: Uint8Array,
  correction: Uint8Array,
  onColumns?: (columns: number) => void,
): number {
  const rowBytes = correction.length / BASE_COUNT;
  if (!Number.isInteger(rowBytes)) {
    throw new NodeError('OT_BAD_LENGTH', `a correction of ${correction.length} bytes`, { fault: 'peer' });
  }
  const q = kernels.alloc(16 * 8 * rowBytes);
  const mark = kernels.mark();
  const blocks = Math.ceil(rowBytes / 16);
  const [rows, row, from] = [BASE_COUNT * rowBytes, 16 * blocks, 16 * blocks].map((size) => kernels.alloc(size)) as [
    number,
    number,
    number,
  ];
  for (const [i, key] of keys.entries()) {
    kernels.bytes(row, rowBytes).set(stream(crypto, key, rowBytes));
    kernels.bytes(from, rowBytes).set(correction.subarray(i * rowBytes, (i + 1) * rowBytes));
    kernels.run.xor_selected(row, from, delta[i >> 3]! >> (i & 7), row, blocks);
    kernels.bytes(rows + i * rowBytes, rowBytes).set(kernels.bytes(row, rowBytes));
  }
  onColumns?.(rows);
  kernels.run.transpose_bits(rows, 8 * rowBytes, q);
  kernels.release(mark);
  return q;
}

/**
 * Breaks the correlation of `count` (a multiple of 4) blocks at `blocks`. Returns the address of the result: two pads of
 * 16 bytes each, all first pads before all second ones: BLAKE3 keyed with the session over block ⊕ offset ‖ index.
 * Correlation robustness is that of BLAKE3 as a random oracle.
 */
export function hashCorrelations(
  kernels: Kernels,
  session: Uint8Array,
  blocks: number,
  count: number,
  offset: Uint8Array = new Uint8Array(16),
): number {
  const out = kernels.alloc(32 * count);
  const mark = kernels.mark();
  kernels.run.hash_correlations(kernels.put(session), blocks, kernels.put(offset), count, out);
  kernels.release(mark);
  return out;
}

/** Base keys are used once, for this stream alone. */
function stream(crypto: CryptoProvider, key: Uint8Array, length: number): Uint8Array {
  return crypto.aes128Ctr(key, NONCE, 0n, length);
}
