/**
 * Tags under which rows of several holders are matched by a party that holds none of them.
 *
 * Construction: the holders agree on a key K by exchanging 32 random bytes each over their own channels; in pass p the tag of
 * a digest x is AES-128 under a key derived from (K, p), cut to 59 and 62 bits. Rows without a key in the pass, and rows that only
 * fill the capacity, have random tags. The matching party sees tags alone, in an order that nobody knows.
 * Model: semi-honest; the matching party must collude with no holder, for K opens its tags to guesses.
 * Leakage to it: how many tags are equal, for each pass and each set of holders. Failure: any two of 2^27 rows of each of 8
 * holders meet wrongly with probability below 2^-61 (121 bits, 2^30 rows in all).
 * Bytes: 16 a row and pass, in shares.
 * @module
 */
import {
  type CryptoProvider,
  concatBytes,
  fromHex,
  type Hash,
  NodeError,
  type Rng,
  sha256Bytes,
  taggedHash,
} from '@2pm/core';
import { ITEM_BYTES } from '../items.ts';

export const CONTRIBUTION_BYTES = 32;
/** Words of a shared vector stay within ±2^62; those by which seats may sort (mpc/src/order/merge-join.ts) below 2^59. */
const HIGH_MASKS = [0x07ff_ffff, 0x3fff_ffff] as const;
const CHUNK_BYTES = 1 << 20;

/** The key of one join: `contributions` of all holders, in the order of the join's arguments. */
export function joinKey(session: Hash, contributions: readonly Uint8Array[]): Uint8Array {
  for (const { length } of contributions) {
    if (length !== CONTRIBUTION_BYTES) {
      throw new NodeError('PSI_BAD_LENGTH', `a contribution to the key of ${length} bytes, expected 32`, {
        fault: 'peer',
      });
    }
  }
  return fromHex(taggedHash('2pm/join-key/1', fromHex(session), ...contributions));
}

/**
 * Two vectors of `capacity` words, side by side: low and high half of each row's tag in this pass.
 * `digests`: 16 bytes a row, distinct where `present` is 1. @throws {NodeError} `PSI_OVER_CAPACITY`.
 */
export function joinTags(options: {
  crypto: CryptoProvider;
  rng: Rng;
  key: Uint8Array;
  pass: number;
  digests: Uint8Array;
  present: Uint8Array;
  capacity: number;
}): BigInt64Array {
  const { crypto, rng, key, pass, digests, present, capacity } = options;
  const rows = present.length;
  if (rows > capacity) {
    throw new NodeError('PSI_OVER_CAPACITY', `more rows than the declared capacity of ${capacity}`, {
      fault: 'data',
      fix: 'Declare a larger capacity; it is public, the number of rows is not.',
      privateDetail: `${rows} rows`,
    });
  }
  const tags = new Uint8Array(ITEM_BYTES * capacity);
  rng.fill(tags);
  const aesKey = sha256Bytes(concatBytes(key, Uint8Array.of(pass))).subarray(0, 16);
  for (let from = 0; from < ITEM_BYTES * rows; from += CHUNK_BYTES) {
    const to = Math.min(ITEM_BYTES * rows, from + CHUNK_BYTES);
    const encrypted = crypto.aes128Ecb(aesKey, digests.subarray(from, to));
    for (let at = from; at < to; at += ITEM_BYTES) {
      if (present[at / ITEM_BYTES] === 1) tags.set(encrypted.subarray(at - from, at - from + ITEM_BYTES), at);
    }
  }
  const from = new Uint32Array(tags.buffer);
  const words = new BigInt64Array(2 * capacity);
  const out = new Uint32Array(words.buffer);
  for (let row = 0; row < capacity; row++) {
    for (const half of [0, 1] as const) {
      const [source, target] = [4 * row + 2 * half, 2 * (half * capacity + row)];
      out[target] = from[source] ?? 0;
      out[target + 1] = (from[source + 1] ?? 0) & HIGH_MASKS[half];
    }
  }
  return words;
}
