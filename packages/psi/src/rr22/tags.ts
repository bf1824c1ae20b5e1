/** What the two parties compare: tags of items, and the hash table in which they meet. @module */
import { type CryptoProvider, sha256Bytes } from '@2pm/core';
import { ROW_BYTES, type Rows } from '@2pm/crypto/okvs';
import { type Kernels, pieces } from '@2pm/crypto/wasm';
import { ITEM_BYTES } from '../items.ts';

/**
 * A hash table over the first `width` bytes of n slots, and how many of them equal an earlier one. With `distinct` it
 * stops early when some do: a set that repeats one item all over would take quadratic time.
 */
export function joinSlots(
  kernels: Kernels,
  slots: number,
  n: number,
  width: number,
  distinct = false,
): { table: number; bits: number; repeated: number } {
  const bits = Math.max(3, Math.ceil(Math.log2(n)) + 1);
  const table = kernels.alloc(8 * 2 ** bits);
  kernels.bytes(table, 8 * 2 ** bits).fill(0);
  let repeated = 0;
  for (const [from, to] of pieces(n)) {
    repeated += kernels.run.join_build(slots, from, to, width, table, bits);
    if (distinct && repeated > 0) break;
  }
  return { table, bits, repeated };
}

/**
 * H_o, over n blocks in place: AES_k(x) ⊕ x under a key of the session. Correlation robust for x = a ⊕ Δ·b with Δ
 * secret, in the ideal-cipher model.
 */
export function outputTags(
  kernels: Kernels,
  crypto: CryptoProvider,
  session: Uint8Array,
  blocks: number,
  n: number,
): void {
  const mark = kernels.mark();
  const key = sha256Bytes(new TextEncoder().encode('2pm/rr22/tag/1\0'), session).subarray(0, 16);
  const hashed = kernels.alloc(ITEM_BYTES * TAG_CHUNK);
  for (const [from, to] of pieces(n, TAG_CHUNK)) {
    const [at, size] = [blocks + ITEM_BYTES * from, ITEM_BYTES * (to - from)];
    kernels.bytes(hashed, size).set(crypto.aes128Ecb(key, kernels.bytes(at, size)));
    kernels.run.xor_blocks(at, hashed, at, to - from);
  }
  kernels.release(mark);
}
const TAG_CHUNK = 4_096;

/**
 * H_o of a malicious run, over the blocks of `rows` in place: 16 bytes of BLAKE3 under a key of the session, over
 * (block ⊕ w) ‖ H_B(x, r). A random oracle that takes the item, so that who makes a tag must know of which one: H_B names it,
 * and for two items with equal H_B the blocks still differ, because their places in the store come from other bits.
 */
export function oracleTags(
  kernels: Kernels,
  { session, w }: { session: Uint8Array; w: Uint8Array },
  rows: Rows,
  blocks: number,
): void {
  const mark = kernels.mark();
  const key = kernels.put(sha256Bytes(new TextEncoder().encode('2pm/rr22/oracle/1\0'), session));
  const mask = kernels.put(w);
  let at = blocks;
  for (const [bin, count] of rows.counts.entries()) {
    const values = rows.at + ROW_BYTES * bin * rows.parameters.binCapacity;
    for (const [from, to] of pieces(count)) {
      kernels.run.hash_with_items(key, at + ITEM_BYTES * from, mask, values + ROW_BYTES * from, ROW_BYTES, to - from);
    }
    at += ITEM_BYTES * count;
  }
  kernels.release(mark);
}
