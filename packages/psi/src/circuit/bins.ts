/**
 * Cuckoo hashing with three positions an item and no stash (Pagh and Rodler, ESA 2001; for PSI: Pinkas, Schneider, Zohner,
 * USENIX Security 2014). Bins: `cuckooBins` of core. Corruption model, rounds: none of its own. Addresses follow the items.
 * @module
 */
import { BIN_POSITIONS, type CryptoProvider, cuckooBins, NodeError, type Rng, sha256Bytes } from '@2pm/core';
import { type Kernels, loadKernels } from '@2pm/crypto/wasm';
import { checkItems, duplicateItem, ITEM_BYTES } from '../items.ts';
import { joinSlots } from '../rr22/tags.ts';

/** Where a leader has put its items: the same towards all others, so that one slot stands for one item. */
export interface Placement {
  /** 32 bytes from which bins and rows of stores follow. The others learn it when they have fixed their sets. */
  r: Uint8Array;
  /** Of each bin the index of the own item in it, -1 where none. */
  itemOf: Int32Array;
  /** 16 bytes a bin: the name of its item at that position, random where there is none. */
  keys: Uint8Array;
}

/**
 * `capacity`: the declared one of these items.
 * @throws {NodeError} `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_DUPLICATE_ITEM`, and `PSI_CUCKOO_FAILED` (try again).
 */
export async function placeInBins(options: {
  items: Uint8Array;
  capacity: number;
  rng: Rng;
  crypto: CryptoProvider;
}): Promise<Placement> {
  const { capacity, rng, crypto } = options;
  checkItems(options.items, capacity);
  // A copy: stores are sound only for sets that do not follow from r.
  const items = new Uint8Array(options.items);
  refuseDuplicates(await loadKernels(), items);
  const bins = cuckooBins(capacity);
  const r = rng.fill(new Uint8Array(32));
  const held = placeItems(positionsOf(crypto, binKey(r), items, bins), bins);
  const keys = rng.fill(new Uint8Array(ITEM_BYTES * bins));
  const [names, own] = [new Uint32Array(keys.buffer), new Uint32Array(items.buffer)];
  for (const [bin, number] of held.entries()) if (number >= 0) putKey(names, bin, own, number);
  return { r, keys, itemOf: held.map((number) => (number < 0 ? -1 : Math.floor(number / BIN_POSITIONS))) };
}

/** The key of the bins, of 16 bytes; rows of stores are found by r itself. */
export function binKey(r: Uint8Array): Uint8Array {
  return sha256Bytes(new TextEncoder().encode('2pm/psi-circuit/bins/1\0'), r).slice(0, 16);
}

/**
 * Writes the name of an item at one of its positions: items are digests, so that no two names are equal. Items and names have
 * four words each.
 */
export function putKey(out: Uint32Array, at: number, items: Uint32Array, number: number): void {
  const item = Math.floor(number / BIN_POSITIONS);
  for (let word = 0; word < 4; word++) out[4 * at + word] = items[4 * item + word]!;
  out[4 * at + 3] = out[4 * at + 3]! ^ ((number % BIN_POSITIONS) << 24);
}

/** No store would notice: equal items may stand in different bins, under different positions. */
function refuseDuplicates(kernels: Kernels, items: Uint8Array): void {
  if (items.length === 0) return;
  const n = items.length / ITEM_BYTES;
  if (joinSlots(kernels, kernels.put(items), n, ITEM_BYTES, true).repeated > 0) throw duplicateItem();
}

/** Of each item its three bins, under a key of 16 bytes drawn after the items were fixed. */
export function positionsOf(crypto: CryptoProvider, key: Uint8Array, items: Uint8Array, bins: number): Uint32Array {
  const hashed = crypto.aes128Ecb(key, items);
  const [x, y] = [items, hashed].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  const out = new Uint32Array((BIN_POSITIONS * items.length) / ITEM_BYTES);
  for (let i = 0; i < out.length; i++) {
    const at = ITEM_BYTES * Math.floor(i / BIN_POSITIONS) + 4 * (i % BIN_POSITIONS);
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
  const items = positions.length / BIN_POSITIONS;
  for (let item = 0; item < items; item++) {
    let moving = BIN_POSITIONS * item;
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
      moving = evicted < 0 ? -1 : evicted - (evicted % BIN_POSITIONS) + ((evicted + 1) % BIN_POSITIONS);
    }
  }
  return held;
}
const MOST_STEPS = 10_000;
