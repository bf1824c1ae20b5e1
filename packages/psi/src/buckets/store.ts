/** Where a party keeps its cut set and, the receiver, its results. @module */
import { type CryptoProvider, concatBytes, equalBytes } from '@2pm/core';

const utf8 = new TextEncoder();

/**
 * One session's bytes at one party. Calls come one after another, but for `read`, which may overlap with any other.
 * Bytes handed in may be overwritten once the call has resolved. Holds the set in the clear: as safe a place as its source.
 */
export interface BucketStore {
  /** What `seal` was given, if anything: only what was appended before counts. */
  sealed(): Promise<Uint8Array | undefined>;
  /** Forgets everything: cut, seal and results. */
  clear(): Promise<void>;
  /** Puts records behind those of bucket number `bucket`. */
  append(bucket: number, records: Uint8Array): Promise<void>;
  /** Once resolved, all that was appended is durable, and so is the seal; before, there is none. */
  seal(seal: Uint8Array): Promise<void>;
  /** All records of one bucket of a sealed cut. */
  read(bucket: number): Promise<Uint8Array>;
  /** Durable once resolved, and never there in part. */
  putResult(bucket: number, result: Uint8Array): Promise<void>;
  result(bucket: number): Promise<Uint8Array | undefined>;
  /** The buckets that have results. */
  finished(): Promise<readonly number[]>;
}

/**
 * The same for one set alone: what was sealed for another one is as if it were not there. `set`: the items, in their order.
 */
export function storeOfSet(store: BucketStore, set: Uint8Array, crypto: CryptoProvider): BucketStore {
  const hash = crypto.sha256();
  hash.update(utf8.encode('2pm/psi/buckets/set\0'));
  hash.update(set);
  const name = hash.digest();
  return {
    ...store,
    async sealed() {
      const bytes = await store.sealed();
      const same = bytes !== undefined && equalBytes(bytes.subarray(0, name.length), name);
      return same ? bytes.slice(name.length) : undefined;
    },
    seal: (seal) => store.seal(concatBytes(name, seal)),
  };
}

/** In memory, for sets that fit and should be worked on in pieces that fit the caches; nothing of it survives the process. */
export function memoryBucketStore(): BucketStore {
  let sealed: Uint8Array | undefined;
  const records = new Map<number, Uint8Array[]>();
  const results = new Map<number, Uint8Array>();
  return {
    sealed: async () => sealed,
    async clear() {
      sealed = undefined;
      records.clear();
      results.clear();
    },
    async append(bucket, bytes) {
      const parts = records.get(bucket) ?? [];
      parts.push(bytes.slice());
      records.set(bucket, parts);
    },
    async seal(bytes) {
      sealed = bytes.slice();
    },
    async read(bucket) {
      const parts = records.get(bucket) ?? [];
      const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
      let at = 0;
      for (const part of parts) {
        whole.set(part, at);
        at += part.length;
      }
      return whole;
    },
    async putResult(bucket, result) {
      results.set(bucket, result.slice());
    },
    result: async (bucket) => results.get(bucket),
    finished: async () => [...results.keys()],
  };
}
