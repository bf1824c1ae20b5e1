import { type Channel, channelPair, type Hash, NodeError, type NodeId, toHex } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { type IntersectionRequest, type Intersector, intersector } from '@2pm/psi';
import { afterEach, expect, test } from 'vitest';
import { type PsiThread, type PsiThreadOptions, psiThread } from './thread.ts';

const threads: PsiThread[] = [];
afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.close();
});
function start(options?: PsiThreadOptions): PsiThread {
  const thread = psiThread(options);
  threads.push(thread);
  return thread;
}

const inline = () => intersector({ rng: nodeRng, crypto: nodeCrypto, now: () => 0 });
const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const ids = ['11', '22', '33'].map((byte) => `0x${byte.repeat(20)}` as NodeId);
const signal = () => new AbortController().signal;

interface Case {
  intersectors: readonly Intersector[];
  n?: number;
  more?: Partial<IntersectionRequest>;
  /** Of each party in turn. */
  own?: readonly Partial<IntersectionRequest>[];
  wrap?: (channel: Channel, from: number, to: number) => Channel;
}

/** Each with `n` items, two thirds of which all have; party 0 is the receiver. Also the channels between them. */
function begin({ intersectors, n = 3_000, more = {}, own = [], wrap = (channel) => channel }: Case) {
  const common = Math.floor((2 * n) / 3);
  const shared = random(16 * common);
  const channels = intersectors.map(() => new Map<number, Channel>());
  for (let a = 0; a < intersectors.length; a++) {
    for (let b = a + 1; b < intersectors.length; b++) {
      const [mine, theirs] = channelPair(ids[b] as NodeId, ids[a] as NodeId);
      channels[a]?.set(b, wrap(mine, a, b));
      channels[b]?.set(a, wrap(theirs, b, a));
    }
  }
  const sid = toHex(random(32)) as Hash;
  const runs = intersectors.map((one, self) => {
    const run = one.intersect({
      ...{ sid, security: 'semi-honest', receiver: 0, signal: signal(), ...more, ...own[self] },
      parties: intersectors.map((_, party) => {
        const channel = channels[self]?.get(party);
        return channel === undefined ? { capacity: n } : { capacity: n, channel };
      }),
      items: Buffer.concat([random(16 * (n - common)), shared]),
    });
    // As an attempt does.
    run.catch(() => channels[self]?.forEach((channel) => void channel.close()));
    return run;
  });
  const expected = Array.from({ length: common }, (_, i) => n - common + i);
  const bytes = () => channels.flatMap((of) => [...of.values()]).reduce((sum, { stats }) => sum + stats.bytesSent, 0);
  return { runs, expected, bytes };
}

test.each([
  ['both in threads', 2, 3_000],
  ['small sets', 2, 30],
  ['three parties', 3, 300],
])('finds what it finds elsewhere: %s', async (_name, parties, n) => {
  const { runs, expected } = begin({ intersectors: Array.from({ length: parties }, () => start()), n });
  const [found, ...others] = await Promise.all(runs);
  expect([...(found?.matches ?? [])]).toEqual(expected);
  expect(others).toEqual(others.map(() => undefined));
});

test('speaks with one that has no thread, delivers payloads, and leaves the items to their owner', async () => {
  const n = 1_000;
  const payloads = random(8 * n);
  const kept = payloads.slice();
  for (const intersectors of [
    [start(), inline()],
    [inline(), start()],
  ]) {
    const own = [{}, { payloads }];
    const { runs, expected } = begin({ intersectors, n, more: { payloadBytes: 8 }, own });
    const [found] = await Promise.all(runs);
    expect([...(found?.matches ?? [])]).toEqual(expected);
    expect(found?.payloads).toEqual(payloads.slice(8 * (n - expected.length)));
    expect(payloads).toEqual(kept);
  }
});

test('runs at once share a thread; later ones its base transfers, unless a peer is known by another key', async () => {
  let key = 'first';
  const [a, b] = [start({ identityOf: () => key }), start()];
  const intersectors = [a, b];
  const first = begin({ intersectors, n: 600 });
  await Promise.all(first.runs);
  const both = [begin({ intersectors, n: 600 }), begin({ intersectors, n: 600 })];
  const found = await Promise.all(both.map(({ runs }) => runs[0]));
  expect(found.map((one) => [...(one?.matches ?? [])])).toEqual(both.map(({ expected }) => expected));
  for (const { bytes } of both) expect(bytes()).toBeLessThan(first.bytes() - 8_192);
  key = 'second';
  const renewed = begin({ intersectors, n: 600 });
  await Promise.all(renewed.runs);
  expect(renewed.bytes()).toBe(first.bytes());
});

test('this thread goes on while the other computes', async () => {
  const n = 2 ** 17;
  const { runs } = begin({ intersectors: [start(), start()], n });
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await Promise.all(runs);
  clearInterval(timer);
  // In one thread the same takes a handful of turns.
  expect(turns).toBeGreaterThan(50);
});

test('who cancels is told at once, with the reason, and the thread serves the next', async () => {
  const thread = start();
  const stop = new AbortController();
  const reason = new NodeError('TASK_TIMEOUT', 'the attempt took too long', { fault: 'peer', retryable: true });
  // The peer says nothing, so that the run waits.
  const silent: Intersector = { intersect: () => new Promise(() => undefined), retain: async () => undefined };
  const { runs } = begin({ intersectors: [thread, silent], own: [{ signal: stop.signal }] });
  const cancelled = expect(runs[0]).rejects.toBe(reason);
  await new Promise((resolve) => setTimeout(resolve, 50));
  stop.abort(reason);
  await cancelled;
  await expect(begin({ intersectors: [thread, silent], own: [{ signal: stop.signal }] }).runs[0]).rejects.toBe(reason);
  const next = begin({ intersectors: [thread, inline()] });
  expect([...((await next.runs[0])?.matches ?? [])]).toEqual(next.expected);
});

test('a cancelled run takes no frame from the channel that comes later', async () => {
  const [mine, theirs] = channelPair(ids[1] as NodeId, ids[0] as NodeId);
  const stop = new AbortController();
  const run = start().intersect({
    ...{ sid: toHex(random(32)) as Hash, security: 'semi-honest', receiver: 0, signal: stop.signal },
    parties: [{ capacity: 600 }, { capacity: 600, channel: mine }],
    items: random(16),
  });
  await theirs.receive();
  stop.abort();
  await expect(run).rejects.toBe(stop.signal.reason);
  await theirs.send(Uint8Array.of(7));
  expect(await mine.receive()).toEqual(Uint8Array.of(7));
});

test('errors cross with code, fault, fix and cause; those of a channel come back as they were', async () => {
  const twice = Buffer.concat([Buffer.alloc(16), Buffer.alloc(16)]);
  const [mine] = channelPair(ids[1] as NodeId, ids[0] as NodeId);
  const parties = [{ capacity: 600 }, { capacity: 600, channel: mine }];
  const request = { sid: toHex(random(32)) as Hash, security: 'semi-honest', receiver: 0, signal: signal() } as const;
  const tooMany = start().intersect({
    ...request,
    parties: [{ capacity: 1 }, { capacity: 1, channel: mine }],
    items: twice,
  });
  await expect(tooMany).rejects.toMatchObject({
    name: 'NodeError',
    ...{ code: 'PSI_OVER_CAPACITY', fault: 'data', retryable: false, privateDetail: '2 items' },
    fix: expect.stringContaining('Declare a larger capacity'),
  });
  const lost = Object.assign(new Error('the cable'), { peer: ids[1] });
  const failing: Channel = {
    ...mine,
    peer: mine.peer,
    stats: mine.stats,
    receive: () => Promise.reject(lost),
    send: mine.send,
  };
  const items = new Uint8Array();
  await expect(
    start().intersect({
      ...request,
      parties: [parties[0] as { capacity: number }, { capacity: 600, channel: failing }],
      items,
    }),
  ).rejects.toBe(lost);
});

test('a thread that ends takes its runs with it, and another begins with the next', async () => {
  const thread = start({ idleMs: 1 });
  const silent: Intersector = { intersect: () => new Promise(() => undefined), retain: async () => undefined };
  const { runs } = begin({ intersectors: [thread, silent] });
  const died = expect(runs[0]).rejects.toMatchObject({ code: 'PSI_THREAD_DIED', retryable: true });
  await thread.close();
  await died;
  for (let run = 0; run < 2; run++) {
    const next = begin({ intersectors: [thread, inline()], n: 600 });
    expect([...((await next.runs[0])?.matches ?? [])]).toEqual(next.expected);
    // Idle for longer than it may.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
