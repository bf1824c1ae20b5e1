/** The sets that PSI compares, as their owners hold them: packed digests of 16 bytes, distinct. See `digestKeys`. @module */
import { NodeError, type Rng } from '@2pm/core';

export const ITEM_BYTES = 16;

/** @throws {NodeError} `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`. */
export function checkItems(items: Uint8Array, capacity: number): void {
  if (items.length % ITEM_BYTES !== 0) {
    throw new NodeError('PSI_BAD_ITEMS', 'items are digests of 16 bytes each', { fault: 'caller' });
  }
  if (items.length / ITEM_BYTES > capacity) {
    throw new NodeError('PSI_OVER_CAPACITY', `more items than the declared capacity of ${capacity}`, {
      fault: 'data',
      fix: 'Declare a larger capacity; it is public, the number of items is not.',
      privateDetail: `${items.length / ITEM_BYTES} items`,
    });
  }
}

/**
 * A copy of the items with random ones behind them, `capacity` in all. A random item meets one of 2^24 of the peer's with
 * probability 2^-104, so that of two full sets any padding meets anything with probability at most 2^-80.
 * Taken before the first frame: from then on the set can follow from nothing that the peer says.
 * @throws {NodeError} as `checkItems`.
 */
export function paddedItems(items: Uint8Array, capacity: number, rng: Rng): Uint8Array {
  checkItems(items, capacity);
  const padded = new Uint8Array(ITEM_BYTES * capacity);
  padded.set(items);
  rng.fill(padded.subarray(items.length));
  return padded;
}

/** A store of items, or the refusal of a set that holds one twice. */
export function encodeDistinct<T>(encode: () => T): T {
  try {
    return encode();
  } catch (cause) {
    if (cause instanceof NodeError && cause.code === 'OKVS_DUPLICATE_KEY') throw duplicateItem(cause);
    throw cause;
  }
}

export function duplicateItem(cause?: unknown): NodeError {
  return new NodeError('PSI_DUPLICATE_ITEM', 'an item comes twice in one set', {
    fault: 'data',
    fix: 'Remove duplicates before the intersection.',
    cause,
  });
}
