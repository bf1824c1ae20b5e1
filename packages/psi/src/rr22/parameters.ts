/** What the two parties of RR22 agree on before the first frame, and its name. @module */

import type { Channel } from '@2pm/core';
import { type CryptoProvider, fromHex, type Hash, hashValue, NodeError, type Rng } from '@2pm/core';
import { binCapacity, type OkvsParameters, okvsLength, okvsParameters } from '@2pm/crypto/okvs';
import { type VoleParameters, voleParameters } from '@2pm/crypto/vole';
import { rr22Card } from './card.ts';

/** Public bounds on the two set sizes; what travels has these sizes, whatever the sets hold. */
export interface Capacity {
  receiver: number;
  sender: number;
}

export interface Rr22Options {
  channel: Channel;
  /** Unique for each run: a second run under the same sid would repeat public randomness. */
  sid: Hash;
  capacity: Capacity;
  /** Digests of 16 bytes, see `digestKeys`; distinct, at most the own capacity. */
  items: Uint8Array;
  rng: Rng;
  crypto: CryptoProvider;
  signal?: AbortSignal;
  /** Called at the end of each phase with its name; for measurements. */
  onPhase?: (phase: string) => void;
}

export interface Rr22Parameters {
  okvs: OkvsParameters;
  /** Most items of the sender in one bin. */
  senderBinCapacity: number;
  vole: VoleParameters;
  /** ⌈(40 + log2(nx·ny)) / 8⌉: a false match has probability 2^-40 over all pairs. */
  tagBytes: number;
}

export const ITEM_BYTES = 16;
/** Addresses of 32 bits hold the receiver's working memory up to here. */
const LARGEST_CAPACITY = 2 ** 23;

/** @throws {NodeError} `PSI_BAD_CAPACITY`. */
export function rr22Parameters(capacity: Capacity): Rr22Parameters {
  const { receiver, sender } = capacity;
  for (const size of [receiver, sender]) {
    if (!Number.isInteger(size) || size < 1 || size > LARGEST_CAPACITY) {
      throw new NodeError('PSI_BAD_CAPACITY', `a capacity of ${size} is outside 1 to ${LARGEST_CAPACITY}`, {
        fault: 'caller',
        fix: 'Declare a capacity in range, or cut the sets into buckets by a keyed hash.',
      });
    }
  }
  const okvs = okvsParameters(receiver);
  return {
    okvs,
    senderBinCapacity: binCapacity(sender, okvs.bins),
    vole: voleParameters(okvsLength(okvs)),
    tagBytes: Math.max(8, Math.ceil((40 + Math.log2(receiver) + Math.log2(sender)) / 8)),
  };
}

/** 32 bytes that bind protocol, sid, capacities and all parameters. */
export function rr22Session(sid: Hash, capacity: Capacity, parameters: Rr22Parameters): Uint8Array {
  const { okvs, vole, senderBinCapacity, tagBytes } = parameters;
  const { receiver, sender } = capacity;
  const agreed = { sid, receiver, sender, okvs: { ...okvs }, vole: { ...vole }, senderBinCapacity, tagBytes };
  return fromHex(hashValue(`2pm/${rr22Card.id}`, agreed));
}

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

export function duplicateItem(cause?: unknown): NodeError {
  return new NodeError('PSI_DUPLICATE_ITEM', 'an item comes twice in one set', {
    fault: 'data',
    fix: 'Remove duplicates before the intersection.',
    cause,
  });
}

/** Random items up to the capacity. They meet another item with probability below 2^-80. */
export function padding(items: Uint8Array, capacity: number, rng: Rng): Uint8Array {
  return rng.fill(new Uint8Array(ITEM_BYTES * capacity - items.length));
}
