/** Sender of RR22 bucket by bucket. Model, leakage and deviations: `card.ts`; turns: `receiver.ts`. @module */
import { rr22SenderSetup } from '../rr22/pair-setup.ts';
import { rr22Sender } from '../rr22/sender.ts';
import { readBucket } from './cut.ts';
import type { BucketOptions } from './parameters.ts';
import { beginBuckets } from './session.ts';

/** Errors as of `rr22BucketsReceiver`. Learns nothing; resolves when the receiver has everything safe. */
export async function rr22BucketsSender(options: BucketOptions): Promise<void> {
  const { store, rng, crypto, signal, onProgress } = options;
  const { parameters, channel, pool, seal, open, sidOf } = await beginBuckets(options, 'sender');
  const { buckets, capacity } = parameters;
  const shared = { channel: options.channel, rng, crypto, ...(signal === undefined ? {} : { signal }) };
  if (open.length > 0) {
    const setup = options.setup ?? (await rr22SenderSetup({ ...shared, sid: sidOf('setup') }));
    for (const [i, bucket] of open.entries()) {
      const { items } = await readBucket(store, seal, bucket);
      await rr22Sender({ ...shared, sid: sidOf(`bucket ${bucket}`), capacity, items, setup, pool, parts: buckets });
      onProgress?.({ buckets: buckets - open.length + i + 1, of: buckets });
    }
  }
  await channel.receiveFrame(0);
}
