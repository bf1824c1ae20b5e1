/** How sets are cut, and what both parties agree on before the first frame. @module */
import { type Channel, type CryptoProvider, fromHex, type Hash, hashValue, type Rng } from '@2pm/core';
import { binCapacity } from '@2pm/crypto/okvs';
import type { KernelPool } from '@2pm/crypto/wasm';
import { badCapacity, type Capacity, checkCapacity } from '../capacity.ts';
import type { PairSetup } from '../rr22/pair-setup.ts';
import { bucketsCard } from './card.ts';
import type { BucketStore } from './store.ts';

export interface BucketOptions {
  channel: Channel;
  /** Unique for each intersection of the pair; the same again to go on with one that was interrupted. */
  sid: Hash;
  /** Of the whole sets. */
  capacity: Capacity;
  /** How many buckets; both sides the same. By default of about 2^19 items each. */
  buckets?: number;
  /**
   * The own set, from the beginning at each call: digests of 16 bytes, see `digestKeys`, distinct, in pieces of any whole
   * number of digests. Read once, or again when a cut was lost.
   */
  items: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  store: BucketStore;
  rng: Rng;
  crypto: CryptoProvider;
  /** As of `Rr22Options`; without it one is made for all buckets of this connection. Both sides must agree. */
  setup?: PairSetup;
  pool?: KernelPool;
  signal?: AbortSignal;
  /** Called when the own set is cut, and when a bucket is through (for the receiver: durable). */
  onProgress?: (done: { buckets: number; of: number }) => void;
}

export interface BucketParameters {
  buckets: number;
  /** Of each bucket; another has probability below 2^-40 over both sets. */
  capacity: Capacity;
}

/** An item's place in its set is kept in 32 bits. */
const LARGEST_CAPACITY = 2 ** 32 - 1;
const MOST_BUCKETS = 2 ** 14;
const BUCKET_TARGET = 2 ** 19;

/** @throws {NodeError} `PSI_BAD_CAPACITY`. */
export function bucketParameters(capacity: Capacity, buckets: number = defaultBuckets(capacity)): BucketParameters {
  checkCapacity(capacity, LARGEST_CAPACITY);
  if (!Number.isInteger(buckets) || buckets < 1 || buckets > MOST_BUCKETS) {
    throw badCapacity(`${buckets} buckets are outside 1 to ${MOST_BUCKETS}`);
  }
  const { receiver, sender } = capacity;
  return { buckets, capacity: { receiver: binCapacity(receiver, buckets), sender: binCapacity(sender, buckets) } };
}

function defaultBuckets({ receiver, sender }: Capacity): number {
  return Math.ceil(Math.max(receiver, sender) / BUCKET_TARGET);
}

/** 32 bytes that bind protocol, sid, capacities and the number of buckets. */
export function bucketSession(sid: Hash, capacity: Capacity, { buckets }: BucketParameters): Uint8Array {
  const { receiver, sender } = capacity;
  return fromHex(hashValue(`2pm/${bucketsCard.id}`, { sid, receiver, sender, buckets }));
}
