/**
 * Correlated OT extension: from 128 base transfers to `count` correlations q_j = t_j ⊕ r_j·Δ, where the receiver holds
 * the bits r_j and the blocks t_j, the sender the 128-bit Δ (its choices in the base transfers) and the blocks q_j.
 *
 * Construction: Ishai, Kilian, Nissim and Petrank (CRYPTO 2003), in the formulation of Asharov et al. (CCS 2013, §4).
 * Corruption model: semi-honest; the receiver's consistency across columns is not checked.
 * Rounds and bytes: one message of 16·count bytes from the receiver. Leakage: none beyond the outputs.
 * Hashing (`hashCorrelations`) turns correlations into transfers: H(session, j, q_j) and H(session, j, q_j ⊕ Δ).
 * @module
 */
import { type CryptoProvider, NodeError } from '@2pm/core';
import type { Kernels } from '../wasm/kernels.ts';

export const BASE_COUNT = 128;
const NONCE = new TextEncoder().encode('iknp/1\0\0');

/** `count` is a multiple of 8. Returns the message to the sender and the address of the blocks t. */
export function extendReceiver(
  kernels: Kernels,
  crypto: CryptoProvider,
  keys: readonly [Uint8Array, Uint8Array][],
  choices: Uint8Array,
): { correction: Uint8Array; t: number } {
  const rowBytes = choices.length;
  const correction = new Uint8Array(BASE_COUNT * rowBytes);
  const t = kernels.alloc(16 * 8 * rowBytes);
  const mark = kernels.mark();
  const rows = kernels.alloc(BASE_COUNT * rowBytes);
  for (const [i, [zero, one]] of keys.entries()) {
    const column = stream(crypto, zero, rowBytes);
    kernels.bytes(rows + i * rowBytes, rowBytes).set(column);
    const other = stream(crypto, one, rowBytes);
    const out = correction.subarray(i * rowBytes, (i + 1) * rowBytes);
    for (let k = 0; k < rowBytes; k++) out[k] = column[k]! ^ other[k]! ^ choices[k]!;
  }
  kernels.run.transpose_bits(rows, 8 * rowBytes, t);
  kernels.release(mark);
  return { correction, t };
}

/** Returns the address of the blocks q. `delta` holds the base choices, bit i of the block for transfer i. */
export function extendSender(
  kernels: Kernels,
  crypto: CryptoProvider,
  keys: readonly Uint8Array[],
  delta: Uint8Array,
  correction: Uint8Array,
): number {
  const rowBytes = correction.length / BASE_COUNT;
  if (!Number.isInteger(rowBytes)) {
    throw new NodeError('OT_BAD_LENGTH', `a correction of ${correction.length} bytes`, { fault: 'peer' });
  }
  const q = kernels.alloc(16 * 8 * rowBytes);
  const mark = kernels.mark();
  const rows = kernels.alloc(BASE_COUNT * rowBytes);
  for (const [i, key] of keys.entries()) {
    const column = stream(crypto, key, rowBytes);
    const mask = -((delta[i >> 3]! >> (i & 7)) & 1) & 255;
    const out = kernels.bytes(rows + i * rowBytes, rowBytes);
    const from = correction.subarray(i * rowBytes, (i + 1) * rowBytes);
    for (let k = 0; k < rowBytes; k++) out[k] = column[k]! ^ (from[k]! & mask);
  }
  kernels.run.transpose_bits(rows, 8 * rowBytes, q);
  kernels.release(mark);
  return q;
}

/**
 * Breaks the correlation of `count` blocks at `blocks`: 16 bytes each, BLAKE3 keyed with the session over
 * block ⊕ offset ‖ index. Correlation robustness is that of BLAKE3 as a random oracle.
 */
export function hashCorrelations(
  kernels: Kernels,
  session: Uint8Array,
  blocks: number,
  count: number,
  offset: Uint8Array = new Uint8Array(16),
): Uint8Array {
  const mark = kernels.mark();
  const padded = Math.ceil(count / 4) * 4;
  const key = kernels.put(session);
  const [messages, lengths, out] = [kernels.alloc(64 * padded), kernels.alloc(4 * padded), kernels.alloc(16 * padded)];
  kernels.bytes(messages, 64 * padded).fill(0);
  kernels.words(lengths, padded).fill(20);
  const [from, to] = [kernels.bytes(blocks, 16 * count), kernels.bytes(messages, 64 * padded)];
  const view = new DataView(to.buffer, to.byteOffset);
  for (let j = 0; j < count; j++) {
    for (let k = 0; k < 16; k++) to[64 * j + k] = from[16 * j + k]! ^ offset[k]!;
    view.setUint32(64 * j + 16, j, true);
  }
  kernels.run.blake3_blocks(key, messages, lengths, padded, out);
  const hashes = kernels.bytes(out, 16 * count).slice();
  kernels.release(mark);
  return hashes;
}

/** Base keys are used once, for this stream alone. */
function stream(crypto: CryptoProvider, key: Uint8Array, length: number): Uint8Array {
  return crypto.aes128Ctr(key, NONCE, 0n, length);
}
