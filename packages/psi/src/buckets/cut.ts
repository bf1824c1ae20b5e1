/**
 * Cuts a set into buckets by a keyed hash: bucket of x = ⌊w·buckets / 2^32⌋ with w the first word of BLAKE3(key, x), which
 * is uniform up to buckets / 2^32. Both parties use one key, so equal items meet in equal buckets. @module
 */
import { concatBytes, equalBytes, NodeError } from '@2pm/core';
import type { Kernels } from '@2pm/crypto/wasm';
import { ITEM_BYTES } from '../items.ts';
import type { BucketOptions } from './parameters.ts';
import type { BucketStore } from './store.ts';

/** What is kept with a cut: its session, its key, and how many items each bucket has (private). */
export interface Seal {
  session: Uint8Array;
  key: Uint8Array;
  counts: Uint32Array;
}

/** Words of a record: the item, and its place in the set. */
const RECORD_WORDS = 5;
const RECORD_BYTES = 4 * RECORD_WORDS;
const CHUNK = 8_192;
/** Bytes that wait in memory for all buckets together, and most records of one. */
const WAITING_BYTES = 2 ** 25;
const WAITING = 8_192;

/**
 * Reads the whole set into the store and seals it.
 * @throws {NodeError} `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_BUCKET_OVERFLOW`.
 */
export async function cutSet(
  kernels: Kernels,
  { items, store, signal }: Pick<BucketOptions, 'items' | 'store' | 'signal'>,
  { buckets, capacity, total }: { buckets: number; capacity: number; total: number },
  seal: Omit<Seal, 'counts'>,
): Promise<void> {
  await store.clear();
  const counts = new Uint32Array(buckets);
  const room = Math.min(WAITING, Math.ceil(WAITING_BYTES / (RECORD_BYTES * buckets)));
  const waiting = Array.from({ length: buckets }, () => new Uint32Array(RECORD_WORDS * room));
  const held = new Uint32Array(buckets);
  const flush = async (bucket: number) => {
    const records = waiting[bucket] as Uint32Array;
    await store.append(bucket, new Uint8Array(records.buffer, 0, RECORD_BYTES * (held[bucket] as number)));
    held[bucket] = 0;
  };
  const mark = kernels.mark();
  const [key, at, hashed] = [
    kernels.put(seal.key),
    kernels.alloc(ITEM_BYTES * CHUNK),
    kernels.alloc(ITEM_BYTES * CHUNK),
  ];
  let seen = 0;
  for await (const piece of items()) {
    if (piece.length % ITEM_BYTES !== 0) {
      throw new NodeError('PSI_BAD_ITEMS', 'items are digests of 16 bytes each', { fault: 'caller' });
    }
    for (let offset = 0; offset < piece.length; offset += ITEM_BYTES * CHUNK) {
      signal?.throwIfAborted();
      const chunk = piece.subarray(offset, offset + ITEM_BYTES * CHUNK);
      const n = chunk.length / ITEM_BYTES;
      if (seen + n > total) throw overCapacity(total);
      kernels.bytes(at, chunk.length).set(chunk);
      kernels.run.blake3_items(key, at, Math.ceil(n / 4) * 4, hashed);
      const [words, hashes] = [kernels.words(at, 4 * n), kernels.words(hashed, 4 * n)];
      for (let i = 0; i < n; i++) {
        const bucket = Math.floor(((hashes[4 * i] as number) * buckets) / 2 ** 32);
        const records = waiting[bucket] as Uint32Array;
        const to = RECORD_WORDS * (held[bucket] as number);
        records[to] = words[4 * i] as number;
        records[to + 1] = words[4 * i + 1] as number;
        records[to + 2] = words[4 * i + 2] as number;
        records[to + 3] = words[4 * i + 3] as number;
        records[to + 4] = seen + i;
        held[bucket] = (held[bucket] as number) + 1;
        counts[bucket] = (counts[bucket] as number) + 1;
        if (held[bucket] === room) await flush(bucket);
      }
      seen += n;
    }
  }
  kernels.release(mark);
  if (counts.some((count) => count > capacity)) throw bucketOverflow();
  for (let bucket = 0; bucket < buckets; bucket++) if (held[bucket] !== 0) await flush(bucket);
  await store.seal(concatBytes(seal.session, seal.key, new Uint8Array(counts.buffer)));
}

/** The seal of a complete cut for this session, if the store has one. @throws {NodeError} `PSI_STORE_IN_USE`. */
export async function sealOf(store: BucketStore, session: Uint8Array, buckets: number): Promise<Seal | undefined> {
  const bytes = await store.sealed();
  if (bytes === undefined) return undefined;
  if (bytes.length !== 64 + 4 * buckets || !equalBytes(bytes.subarray(0, 32), session)) {
    throw new NodeError('PSI_STORE_IN_USE', 'the store holds the cut of another session', {
      fault: 'caller',
      fix: 'Use one store for each session, and the sid, capacities and number of buckets it began with.',
    });
  }
  return { session, key: bytes.slice(32, 64), counts: new Uint32Array(bytes.slice(64).buffer) };
}

/** One bucket of a sealed cut: its items, and the place of each in the set. @throws {NodeError} `PSI_STORE_DAMAGED`. */
export async function readBucket(store: BucketStore, { counts }: Seal, bucket: number) {
  const bytes = await store.read(bucket);
  const n = counts[bucket] as number;
  if (bytes.length !== RECORD_BYTES * n) {
    throw new NodeError('PSI_STORE_DAMAGED', `bucket ${bucket} is not as it was sealed`, {
      fault: 'node',
      fix: 'Clear the store and start again under a new sid.',
    });
  }
  const { buffer, byteOffset } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const records = new Uint32Array(buffer, byteOffset, RECORD_WORDS * n);
  const [items, places] = [new Uint32Array(4 * n), new Uint32Array(n)];
  for (let i = 0, from = 0, to = 0; i < n; i++, from += RECORD_WORDS, to += 4) {
    items[to] = records[from] as number;
    items[to + 1] = records[from + 1] as number;
    items[to + 2] = records[from + 2] as number;
    items[to + 3] = records[from + 3] as number;
    places[i] = records[from + 4] as number;
  }
  return { items: new Uint8Array(items.buffer), places };
}

function overCapacity(total: number): NodeError {
  return new NodeError('PSI_OVER_CAPACITY', `more items than the declared capacity of ${total}`, {
    fault: 'data',
    fix: 'Declare a larger capacity; it is public, the number of items is not.',
  });
}

function bucketOverflow(): NodeError {
  return new NodeError('PSI_BUCKET_OVERFLOW', 'a bucket is fuller than random hashing makes it', {
    fault: 'data',
    fix: 'Remove items that come more than once. Distinct items overflow with probability below 2^-40.',
  });
}
