/**
 * Receiver of the intersection of sets that no memory holds: RR22 (`rr22/receiver.ts`) bucket after bucket. Model, leakage
 * and deviations: `card.ts`; how a run begins and goes on: `session.ts`. Two frames to begin, the base transfers, RR22's six
 * messages a bucket, one to end; bytes are those of RR22 on the capacities of the buckets.
 * @module
 */
import { rr22ReceiverSetup } from '../rr22/pair-setup.ts';
import { rr22Receiver } from '../rr22/receiver.ts';
import { readBucket } from './cut.ts';
import type { BucketOptions } from './parameters.ts';
import { beginBuckets } from './session.ts';
import type { BucketStore } from './store.ts';

/**
 * Leaves in the store, for each bucket, the places in the own set of the items that the sender also holds; read them with
 * `bucketMatches`. After an interruption, call both sides again with the same sid and stores: what is done stays done.
 * @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_BUCKET_OVERFLOW`, `PSI_STORE_IN_USE`,
 * `PSI_STORE_DAMAGED`, those of `rr22Receiver`, the store's and the channel's.
 */
export async function rr22BucketsReceiver(options: BucketOptions): Promise<void> {
  const { store, rng, crypto, signal, onProgress } = options;
  const { parameters, channel, pool, seal, open, sidOf } = await beginBuckets(options, 'receiver');
  const { buckets, capacity } = parameters;
  const shared = { channel: options.channel, rng, crypto, ...(signal === undefined ? {} : { signal }) };
  if (open.length > 0) {
    const setup = options.setup ?? (await rr22ReceiverSetup({ ...shared, sid: sidOf('setup') }));
    for (const [i, bucket] of open.entries()) {
      const { items, places } = await readBucket(store, seal, bucket);
      const run = { ...shared, sid: sidOf(`bucket ${bucket}`), capacity, items, setup, pool, parts: buckets };
      const found = await rr22Receiver(run);
      const matches = found.map((index) => places[index] as number);
      await store.putResult(bucket, new Uint8Array(matches.buffer, 0, 4 * matches.length));
      onProgress?.({ buckets: buckets - open.length + i + 1, of: buckets });
    }
  }
  await channel.sendFrame(new Uint8Array());
}

/** The results, bucket by bucket: ascending places in the own set. Complete once the receiver has ended. */
export async function* bucketMatches(store: BucketStore): AsyncGenerator<Uint32Array> {
  for (const bucket of await store.finished()) {
    const result = await store.result(bucket);
    if (result !== undefined) yield new Uint32Array(result.slice().buffer);
  }
}
