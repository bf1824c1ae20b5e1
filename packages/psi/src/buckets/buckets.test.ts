import { type Channel, channelPair, type Hash, type NodeId } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { KernelPool } from '@2pm/crypto/wasm';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { type PairSetup, rr22ReceiverSetup, rr22SenderSetup } from '../rr22/pair-setup.ts';
import { rr22Parameters } from '../rr22/parameters.ts';
import { type BucketOptions, bucketParameters } from './parameters.ts';
import { bucketMatches, rr22BucketsReceiver } from './receiver.ts';
import { rr22BucketsSender } from './sender.ts';
import { type BucketStore, memoryBucketStore } from './store.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const sidOf = (byte: string) => `0x${byte.repeat(32)}` as Hash;
const code = (code: string) => expect.objectContaining({ code });
const pool = new KernelPool();
let setup: { receiver: PairSetup; sender: PairSetup };
beforeAll(async () => {
  const [a, b] = channelPair(ids[1], ids[0]);
  const shared = { sid: sidOf('ee'), rng: nodeRng, crypto: nodeCrypto };
  const both = [rr22ReceiverSetup({ ...shared, channel: a }), rr22SenderSetup({ ...shared, channel: b })] as const;
  setup = { receiver: await both[0], sender: await both[1] };
});

interface Party {
  items: Uint8Array;
  store?: BucketStore;
  sid?: Hash;
  buckets?: number;
  setup?: PairSetup;
}

/** Both parties once, over a connection of their own; when one fails the connection closes. */
async function connect(
  receiver: Party,
  sender: Party,
  { capacity = { receiver: 900, sender: 700 }, wrap = (pair: [Channel, Channel]) => pair } = {},
) {
  const pair = wrap(channelPair(ids[1], ids[0]));
  const party = (run: (options: BucketOptions) => Promise<void>, { items, ...own }: Party, channel: Channel) =>
    run({
      sid: sidOf('aa'),
      buckets: 4,
      store: memoryBucketStore(),
      ...own,
      channel,
      capacity,
      pool,
      rng: nodeRng,
      crypto: nodeCrypto,
      // In pieces, as a reader would hand them in.
      items: function* () {
        for (let at = 0; at < items.length; at += 16 * 100) yield items.subarray(at, at + 16 * 100);
      },
    }).catch((error: unknown) => {
      channel.close();
      throw error;
    });
  const [r, s] = await Promise.allSettled([
    party(rr22BucketsReceiver, receiver, pair[0]),
    party(rr22BucketsSender, sender, pair[1]),
  ]);
  return { receiver: r, sender: s };
}

async function matches(store: BucketStore): Promise<number[]> {
  const found: number[] = [];
  for await (const places of bucketMatches(store)) found.push(...places);
  return found.toSorted((a, b) => a - b);
}

/** Two sets with `common` items in both, which stand at the given places of the receiver's. */
function sets(mine: number, theirs: number, common: number) {
  const [a, b] = [random(16 * mine), random(16 * theirs)];
  const expected = Array.from({ length: common }, (_, i) => Math.floor((i * mine) / common));
  for (const [i, at] of expected.entries()) b.set(a.subarray(16 * at, 16 * at + 16), 16 * (theirs - 1 - i));
  return { mine: a, theirs: b, expected };
}

test('sets of any sizes in any number of buckets intersect as plain sets do', async () => {
  const size = fc.integer({ min: 0, max: 300 });
  await fc.assert(
    fc.asyncProperty(
      size,
      size,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 9 }),
      async (m, t, share, buckets) => {
        const { mine, theirs, expected } = sets(m, t, Math.floor(share * Math.min(m, t)));
        const store = memoryBucketStore();
        const capacity = { receiver: 300, sender: 300 };
        const ended = await connect({ items: mine, store, buckets }, { items: theirs, buckets }, { capacity });
        expect(ended).toMatchObject({ receiver: { status: 'fulfilled' }, sender: { status: 'fulfilled' } });
        expect(await matches(store)).toEqual(expected);
      },
    ),
    { numRuns: 4 },
  );
});

/** A store that dies at its call number `at`, before or after the call took effect, as a process that is killed there. */
function dyingStore(inner: BucketStore, at: number, after: boolean): { store: BucketStore; calls: () => number } {
  let calls = 0;
  const dying =
    <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      if (calls++ !== at) return call(...args);
      if (after) await call(...args);
      throw new Error('killed');
    };
  const store: BucketStore = {
    sealed: dying(inner.sealed),
    clear: dying(inner.clear),
    append: dying(inner.append),
    seal: dying(inner.seal),
    read: dying(inner.read),
    putResult: dying(inner.putResult),
    result: inner.result,
    finished: dying(inner.finished),
  };
  return { store, calls: () => calls };
}

test('a party killed at any call of its store resumes with what was done, and ends with the same result', async () => {
  const capacity = { receiver: 200, sender: 200 };
  const { mine, theirs, expected } = sets(150, 180, 60);
  const whole = dyingStore(memoryBucketStore(), -1, false);
  await connect(
    { items: mine, store: whole.store, buckets: 3, setup: setup.receiver },
    { items: theirs, buckets: 3, setup: setup.sender },
    { capacity },
  );
  const calls = whole.calls();
  expect(calls).toBeGreaterThan(10);
  for (const victim of ['receiver', 'sender'] as const) {
    for (let at = 0; at < calls; at++) {
      const stores = { receiver: memoryBucketStore(), sender: memoryBucketStore() };
      const died = { ...stores, [victim]: dyingStore(stores[victim], at, at % 2 === 0).store };
      const parties = (both: typeof stores) =>
        [
          { items: mine, store: both.receiver, buckets: 3, setup: setup.receiver },
          { items: theirs, store: both.sender, buckets: 3, setup: setup.sender },
        ] as const;
      const first = await connect(...parties(died), { capacity });
      if (first[victim].status === 'fulfilled') continue;
      const before = new Map<number, string>();
      for (const bucket of await stores.receiver.finished())
        before.set(bucket, `${await stores.receiver.result(bucket)}`);
      const again: number[] = [];
      const counted: BucketStore = {
        ...stores.receiver,
        putResult: (bucket, result) => {
          again.push(bucket);
          return stores.receiver.putResult(bucket, result);
        },
      };
      const second = await connect(...parties({ ...stores, receiver: counted }), { capacity });
      expect([victim, at, second.receiver.status, second.sender.status]).toEqual([
        victim,
        at,
        'fulfilled',
        'fulfilled',
      ]);
      expect(await matches(stores.receiver)).toEqual(expected);
      // A bucket that was done is not done again.
      expect(again.toSorted()).toEqual([0, 1, 2].filter((bucket) => !before.has(bucket)));
    }
  }
});

test('when one party has lost its cut, both cut anew and nothing of before counts', async () => {
  const { mine, theirs, expected } = sets(150, 180, 60);
  const capacity = { receiver: 200, sender: 200 };
  const store = memoryBucketStore();
  await connect({ items: mine, store }, { items: theirs }, { capacity });
  const firstSeal = await store.sealed();
  await connect({ items: mine, store }, { items: theirs }, { capacity });
  expect(await store.sealed()).not.toEqual(firstSeal);
  expect(await matches(store)).toEqual(expected);
});

test('a run that is complete ends at once when asked for again', async () => {
  const { mine, theirs, expected } = sets(150, 180, 60);
  const capacity = { receiver: 200, sender: 200 };
  const [store, senderStore] = [memoryBucketStore(), memoryBucketStore()];
  await connect({ items: mine, store }, { items: theirs, store: senderStore }, { capacity });
  let frames = 0;
  const wrap = ([a, b]: [Channel, Channel]): [Channel, Channel] => [
    {
      ...a,
      send: (frame) => {
        frames++;
        return a.send(frame);
      },
    },
    b,
  ];
  // Not even the sets are needed.
  await connect({ items: random(7), store }, { items: random(7), store: senderStore }, { capacity, wrap });
  expect(frames).toBe(2);
  expect(await matches(store)).toEqual(expected);
});

test('what travels has the same lengths for the same capacities, whatever the sets hold', async () => {
  const traces = [];
  for (const [mine, theirs, common] of [
    [0, 0, 0],
    [900, 700, 700],
    [17, 400, 1],
  ] as const) {
    const trace: string[] = [];
    const spy = (name: string, channel: Channel): Channel => ({
      ...channel,
      send: (frame) => {
        trace.push(`${name} ${frame.length}`);
        return channel.send(frame);
      },
    });
    const all = sets(mine, theirs, common);
    const wrap = ([a, b]: [Channel, Channel]): [Channel, Channel] => [spy('receiver', a), spy('sender', b)];
    await connect({ items: all.mine }, { items: all.theirs }, { wrap });
    traces.push(trace);
  }
  expect(traces[1]).toEqual(traces[0]);
  expect(traces[2]).toEqual(traces[0]);
});

test('the capacity of a bucket is exceeded by random hashing with probability below 2^-40', () => {
  for (const [n, buckets] of [
    [10 ** 4, 4],
    [2 ** 20, 32],
    [10 ** 7, 20],
  ] as const) {
    const { capacity } = bucketParameters({ receiver: n, sender: 1 }, buckets);
    // The tail of the binomial, term by term.
    const logs = new Float64Array(n + 1);
    for (let k = 1; k <= n; k++) logs[k] = logs[k - 1]! + Math.log(k);
    const term = (k: number) =>
      Math.exp(logs[n]! - logs[k]! - logs[n - k]! - k * Math.log(buckets) + (n - k) * Math.log1p(-1 / buckets));
    let tail = 0;
    for (let k = capacity.receiver + 1; k <= capacity.receiver + 10_000 && k <= n; k++) tail += term(k);
    expect(tail).toBeGreaterThan(0);
    expect(2 * buckets * tail).toBeLessThan(2 ** -40);
    const mean = n / buckets;
    expect(capacity.receiver).toBeLessThan(1.2 * mean);
  }
});

test('tags are long enough that all buckets together match falsely with probability at most 2^-40', () => {
  for (const n of [1000, 2 ** 24, 10 ** 8, 10 ** 9]) {
    const { buckets, capacity } = bucketParameters({ receiver: n, sender: n });
    const { tagBytes } = rr22Parameters(capacity, { parts: buckets });
    expect(buckets * capacity.receiver * capacity.sender).toBeLessThanOrEqual(2 ** (8 * tagBytes - 40));
  }
});

test('sets and stores that do not fit are refused with a code', async () => {
  const good = random(1600);
  const capacity = { receiver: 100, sender: 100 };
  const refused = async (items: Uint8Array, over = {}) => {
    const ended = await connect({ items, ...over }, { items: good, ...over }, { capacity });
    return ended.receiver.status === 'rejected' ? ended.receiver.reason : undefined;
  };
  expect(await refused(random(15))).toEqual(code('PSI_BAD_ITEMS'));
  expect(await refused(random(1616))).toEqual(code('PSI_OVER_CAPACITY'));
  const twice = random(1600);
  twice.copyWithin(0, 1584);
  expect(await refused(twice)).toEqual(code('PSI_DUPLICATE_ITEM'));
  expect(await refused(new Uint8Array(1600))).toEqual(code('PSI_BUCKET_OVERFLOW'));
  for (const buckets of [0, 1.5, 2 ** 15]) expect(await refused(good, { buckets })).toEqual(code('PSI_BAD_CAPACITY'));
  const store = memoryBucketStore();
  await connect({ items: good, store }, { items: good }, { capacity });
  const other = await connect(
    { items: good, store, sid: sidOf('bb') },
    { items: good, sid: sidOf('bb') },
    { capacity },
  );
  expect(other.receiver).toMatchObject({ status: 'rejected', reason: code('PSI_STORE_IN_USE') });
  const damaged: BucketStore = { ...store, finished: async () => [], read: async () => random(20) };
  const senderStore = { ...memoryBucketStore(), sealed: store.sealed };
  const ended = await connect({ items: good, store: damaged }, { items: good, store: senderStore }, { capacity });
  expect(ended.receiver).toMatchObject({ status: 'rejected', reason: code('PSI_STORE_DAMAGED') });
});

test('parties that differ in sid, capacities or buckets stop at the first frame', async () => {
  const ended = await connect({ items: random(160) }, { items: random(160), buckets: 5 });
  expect(ended.sender).toMatchObject({ status: 'rejected', reason: code('PSI_SESSION_MISMATCH') });
  const named = await connect({ items: random(160) }, { items: random(160), sid: sidOf('bb') });
  expect(named.sender).toMatchObject({ status: 'rejected', reason: code('PSI_SESSION_MISMATCH') });
});
