/**
 * How the two parties begin, or begin again. Two frames, bound to the session: → nonce, name of the receiver's sealed cut,
 * a bit for each bucket that is done; ← nonce, name of the sender's sealed cut (32 zero bytes for none).
 * Equal names: both go on with the buckets that are not done. Otherwise both cut anew under a key that follows from the
 * nonces. Whatever a bucket's run needs to be its own — its sid, and the sid of the base transfers — follows from the
 * nonces of this connection, so that a bucket that runs again runs under another name.
 * @module
 */
import { concatBytes, equalBytes, type Hash, sha256Bytes, toHex } from '@2pm/core';
import { KernelPool } from '@2pm/crypto/wasm';
import { BoundChannel } from '../bound-channel.ts';
import { cutSet, type Seal, sealOf } from './cut.ts';
import { type BucketOptions, type BucketParameters, bucketParameters, bucketSession } from './parameters.ts';

const NONE = new Uint8Array(32);
const utf8 = new TextEncoder();

export interface BucketRun {
  parameters: BucketParameters;
  channel: BoundChannel;
  pool: KernelPool;
  seal: Seal;
  /** Ascending. */
  open: number[];
  /** A sid for this connection and this purpose. */
  sidOf(purpose: string): Hash;
}

/** @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_STORE_IN_USE`, as `cutSet`, and the channel's. */
export async function beginBuckets(options: BucketOptions, role: 'receiver' | 'sender'): Promise<BucketRun> {
  const { sid, capacity, store, rng, crypto, signal, pool = new KernelPool() } = options;
  const parameters = bucketParameters(capacity, options.buckets);
  const { buckets } = parameters;
  const session = bucketSession(sid, capacity, parameters);
  const channel = new BoundChannel(options.channel, crypto, session, signal);
  const before = await sealOf(store, session, buckets);
  const nonce = rng.fill(new Uint8Array(32));
  const mine = before === undefined ? NONE : cutName(before);
  let theirs: Uint8Array = NONE;
  let nonces: Uint8Array = NONE;
  let done: Uint8Array = new Uint8Array(Math.ceil(buckets / 8));
  if (role === 'receiver') {
    for (const bucket of await store.finished())
      done[bucket >> 3] = (done[bucket >> 3] as number) | (1 << (bucket & 7));
    await channel.sendFrame(concatBytes(nonce, mine, done));
    const answer = await channel.receiveFrame(64);
    [nonces, theirs] = [concatBytes(nonce, answer.subarray(0, 32)), answer.slice(32)];
  } else {
    const hello = await channel.receiveFrame(64 + done.length);
    [nonces, theirs, done] = [concatBytes(hello.subarray(0, 32), nonce), hello.slice(32, 64), hello.slice(64)];
    await channel.sendFrame(concatBytes(nonce, mine));
  }
  const name = (purpose: string) => sha256Bytes(utf8.encode(`2pm/psi/buckets/${purpose}\0`), session, nonces);
  let seal = before;
  if (seal === undefined || !equalBytes(mine, theirs)) {
    done = new Uint8Array(done.length);
    const fresh = { session, key: name('cut') };
    const size = { buckets, capacity: parameters.capacity[role], total: capacity[role] };
    await pool.use((kernels) => cutSet(kernels, options, size, fresh));
    seal = (await sealOf(store, session, buckets)) as Seal;
  }
  const open = Array.from({ length: buckets }, (_, b) => b).filter(
    (b) => (((done[b >> 3] as number) >> (b & 7)) & 1) === 0,
  );
  options.onProgress?.({ buckets: buckets - open.length, of: buckets });
  return { parameters, channel, pool, seal, open, sidOf: (purpose) => toHex(name(purpose)) as Hash };
}

function cutName({ session, key }: Seal): Uint8Array {
  return sha256Bytes(utf8.encode('2pm/psi/buckets/name\0'), session, key);
}
