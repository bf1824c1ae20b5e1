/**
 * Cuckoo hashing with three positions an item and no stash (Pagh and Rodler, ESA 2001; for PSI: Pinkas, Schneider, Zohner,
 * USENIX Security 2014). Sizes: cryptoTools' fit to experiments for 2^-40, which is for 512 items and more; smaller sets get
 * the bins of 512. Corruption model, rounds: none of its own. Addresses follow the items.
 * @module
 */
import { type CryptoProvider, NodeError } from '@2pm/core';
import { ITEM_BYTES } from '../items.ts';

/** Positions of an item. */
export const POSITIONS = 3;
const LEAST_ITEMS = 512;

export function cuckooBins(items: number): number {
  const n = Math.max(items, LEAST_ITEMS);
  return Math.ceil((n * (40 + 256 + Math.log2(n))) / 240);
}

/** Of each item its three bins, under a key of 16 bytes drawn after the items were fixed. */
export function positionsOf(crypto: CryptoProvider, key: Uint8Array, items: Uint8Array, bins: number): Uint32Array {
  const hashed = crypto.aes128Ecb(key, items);
  const [x, y] = [items, hashed].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  const out = new Uint32Array((POSITIONS * items.length) / ITEM_BYTES);
  for (let i = 0; i < out.length; i++) {
    const at = ITEM_BYTES * Math.floor(i / POSITIONS) + 4 * (i % POSITIONS);
    const word = (x!.getUint32(at, true) ^ y!.getUint32(at, true)) >>> 0;
    out[i] = Math.floor((word * bins) / 2 ** 32);
  }
  return out;
}

/**
 * Puts each item into one of its bins. Of each bin the number 3·item + position that it holds, -1 where none.
 * @throws {NodeError} `PSI_CUCKOO_FAILED`: try again with a new sid.
 */
export function placeItems(positions: Uint32Array, bins: number): Int32Array {
  const held = new Int32Array(bins).fill(-1);
  const items = positions.length / POSITIONS;
  for (let item = 0; item < items; item++) {
    let moving = POSITIONS * item;
    for (let steps = 0; moving >= 0; steps++) {
      if (steps > MOST_STEPS) {
        throw new NodeError('PSI_CUCKOO_FAILED', 'the items do not fit into their bins', {
          fault: 'node',
          retryable: true,
          fix: 'Start a new session; if it happens again, look for items that come twice.',
        });
      }
      const bin = positions[moving]!;
      const evicted = held[bin]!;
      held[bin] = moving;
      // Who is driven out goes to the next of its positions.
      moving = evicted < 0 ? -1 : evicted - (evicted % POSITIONS) + ((evicted + 1) % POSITIONS);
    }
  }
  return held;
}
const MOST_STEPS = 10_000;
