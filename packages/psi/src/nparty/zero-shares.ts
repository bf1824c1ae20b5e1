/**
 * Shares of zero among the members, for any item, without a message: s_i(x) = ⊕_j F(K_ij, H(x)) over the other members j, so
 * that each key comes twice in the sum of all. Who lacks the key of two members finds any shares but a full set of the
 * remaining ones random.
 * Reference: KMPRT, CCS 2017 (unconditional zero-sharing). F is AES-128, cut to `SHARE_BYTES`; a permutation differs
 * from a function on 2^24 points with advantage below 2^-80. Rounds: one, 16 bytes each way for each pair of members.
 * @module
 */
import { type CryptoProvider, concatBytes, type Rng, sha256Bytes } from '@2pm/core';
import { type Kernels, pieces } from '@2pm/crypto/wasm';
import { ITEM_BYTES } from '../items.ts';
import type { Peer } from './session.ts';

const KEY_BYTES = 16;
const CHUNK = 4_096;
const TAG = new TextEncoder().encode('2pm/nparty/share/1\0');

/** The key shared with a fellow member. Both contribute: neither decides it. The one with the lower number speaks first. */
export async function agreeKey({ channel, session, number }: Peer, own: number, rng: Rng): Promise<Uint8Array> {
  const mine = rng.fill(new Uint8Array(KEY_BYTES));
  const speaksFirst = own < number;
  if (speaksFirst) await channel.send(mine);
  const theirs = await channel.receive(KEY_BYTES);
  if (!speaksFirst) await channel.send(mine);
  const both = speaksFirst ? [mine, theirs] : [theirs, mine];
  return sha256Bytes(concatBytes(TAG, session, ...both)).subarray(0, KEY_BYTES);
}

/**
 * XORs the shares of n items onto the blocks at `out`. `values`: address of the items' hashes under r, the same 16 bytes
 * for an item at every member; two of 2^27 items share one, and so their shares, with probability below 2^-74.
 */
export function addShares(
  kernels: Kernels,
  crypto: CryptoProvider,
  keys: readonly Uint8Array[],
  { values, n, out }: { values: number; n: number; out: number },
): void {
  const mark = kernels.mark();
  const buffer = kernels.alloc(ITEM_BYTES * CHUNK);
  for (const [from, to] of pieces(n, CHUNK)) {
    const size = ITEM_BYTES * (to - from);
    for (const key of keys) {
      kernels.bytes(buffer, size).set(crypto.aes128Ecb(key, kernels.bytes(values + ITEM_BYTES * from, size)));
      kernels.run.xor_blocks(out + ITEM_BYTES * from, buffer, out + ITEM_BYTES * from, to - from);
    }
  }
  kernels.release(mark);
}
