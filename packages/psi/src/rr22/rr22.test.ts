import { type Channel, channelPair, type Hash, isNodeError, type NodeId, type Rng } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { KernelPool } from '@2pm/crypto/wasm';
import { type ChannelFault, faultAt, faultyChannel } from '@2pm/testing/faulty-channel';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Capacity } from '../capacity.ts';
import { digestKeys } from '../digest-keys.ts';
import { rr22ReceiverSetup, rr22SenderSetup } from './pair-setup.ts';
import { rr22Receiver } from './receiver.ts';
import { rr22Sender } from './sender.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const sidOf = (byte: string) => `0x${byte.repeat(32)}` as Hash;
const crypto = nodeCrypto;
const code = (code: string) => expect.objectContaining({ code });

interface Run {
  capacity: Capacity;
  mine: Uint8Array;
  theirs: Uint8Array;
  sids?: [Hash, Hash];
  senderCapacity?: Capacity;
  wrap?: (channels: [Channel, Channel]) => [Channel, Channel];
}

/** Both parties in one process. When one fails its channel closes, as a session's would. */
async function run({ capacity, mine, theirs, sids = [sidOf('aa'), sidOf('aa')], senderCapacity, wrap }: Run) {
  const pair = channelPair(ids[1], ids[0]);
  const [a, b] = wrap?.(pair) ?? pair;
  const closing = <T>(party: Promise<T>, channel: Channel) =>
    party.catch((error: unknown) => {
      channel.close();
      throw error;
    });
  const [received, sent] = await Promise.allSettled([
    closing(rr22Receiver({ channel: a, sid: sids[0], capacity, items: mine, rng: nodeRng, crypto }), pair[0]),
    closing(
      rr22Sender({
        channel: b,
        sid: sids[1],
        capacity: senderCapacity ?? capacity,
        items: theirs,
        rng: nodeRng,
        crypto,
      }),
      pair[1],
    ),
  ]);
  return { received, sent, stats: [pair[0].stats, pair[1].stats] as const };
}

async function intersect(run_: Run): Promise<number[]> {
  const { received, sent } = await run(run_);
  if (sent.status === 'rejected') throw sent.reason;
  if (received.status === 'rejected') throw received.reason;
  return [...received.value];
}

/** Two sets of the given sizes with `common` items in both, at scattered places; and the plain answer. */
function sets(mine: number, theirs: number, common: number) {
  const [a, b] = [random(16 * mine), random(16 * theirs)];
  const expected: number[] = [];
  for (let i = 0; i < common; i++) {
    const at = common === mine ? i : Math.floor((i * mine) / common);
    expected.push(at);
    const to = theirs - 1 - (common === theirs ? i : Math.floor((i * theirs) / common));
    b.set(a.subarray(16 * at, 16 * at + 16), 16 * to);
  }
  return { mine: a, theirs: b, expected };
}

test.each([
  [100, 100, 0],
  [100, 100, 37],
  [100, 100, 100],
  [0, 50, 0],
  [50, 0, 0],
  [0, 0, 0],
  [1, 1, 1],
  [1, 1, 0],
  [3, 2000, 2],
  [2000, 3, 2],
  [2000, 2000, 1999],
])('of %i and %i items the receiver learns exactly the %i common ones', async (mine, theirs, common) => {
  const { expected, ...both } = sets(mine, theirs, common);
  const capacity = { receiver: Math.max(1, mine), sender: Math.max(1, theirs) };
  expect(await intersect({ ...both, capacity })).toEqual(expected);
});

test('sets of several bins intersect exactly, filled below their capacities', async () => {
  const { expected, ...both } = sets(60_000, 40_000, 12_345);
  expect(await intersect({ ...both, capacity: { receiver: 70_000, sender: 90_000 } })).toEqual(expected);
});

test('random sets over a small universe of keys intersect as plain sets do', async () => {
  const key = fc.integer({ min: 0, max: 40 });
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(key), fc.uniqueArray(key), async (left, right) => {
      const mine = await digestKeys(left.map((k) => `key ${k}`));
      const theirs = await digestKeys(right.map((k) => `key ${k}`));
      const found = await intersect({ mine, theirs, capacity: { receiver: 41, sender: 64 } });
      expect(found).toEqual([...left.keys()].filter((i) => right.includes(left[i]!)));
    }),
    { numRuns: 4 },
  );
});

test('what travels has the same lengths for the same capacities, whatever the sets hold', async () => {
  const capacity = { receiver: 3000, sender: 500 };
  const traces = [];
  for (const [mine, theirs, common] of [
    [0, 0, 0],
    [3000, 500, 500],
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
    const wrap = ([a, b]: [Channel, Channel]): [Channel, Channel] => [spy('receiver', a), spy('sender', b)];
    await intersect({ ...sets(mine, theirs, common), capacity, wrap });
    traces.push(trace);
  }
  expect(traces[1]).toEqual(traces[0]);
  expect(traces[2]).toEqual(traces[0]);
});

test('the order of the tags is drawn afresh, whatever the order of the items', async () => {
  const { mine, theirs } = sets(20, 20, 10);
  /** The tag frame of a run that repeats another but for what the sender draws last. */
  const tags = async (last: string) => {
    const [a, b] = channelPair(ids[1], ids[0]);
    let frame = new Uint8Array();
    const taped: Channel = {
      ...b,
      send: (sent) => {
        frame = sent.slice();
        return b.send(sent);
      },
    };
    const [rng, lastRng] = [seededRng('sender'), seededRng(last)];
    const shared = { sid: sidOf('cc'), capacity: { receiver: 20, sender: 20 }, crypto };
    const order: Rng = { fill: (bytes) => (bytes.length === 16 && drawn++ === 1 ? lastRng : rng).fill(bytes) };
    let drawn = 0;
    await Promise.all([
      rr22Receiver({ ...shared, channel: a, items: mine, rng: seededRng('receiver') }),
      rr22Sender({ ...shared, channel: taped, items: theirs, rng: order }),
    ]);
    const payload = Buffer.from(frame.subarray(16));
    return Array.from({ length: 20 }, (_, i) => payload.subarray(8 * i, 8 * i + 8).toString('hex'));
  };
  const [first, same, other] = [await tags('a'), await tags('a'), await tags('b')];
  expect(first).toEqual(same);
  expect(other).not.toEqual(first);
  expect(other.toSorted()).toEqual(first.toSorted());
});

test('a set is what it was at the call, whatever becomes of the caller’s buffer', async () => {
  const { mine, theirs, expected } = sets(20, 20, 10);
  const running = intersect({ mine, theirs, capacity: { receiver: 20, sender: 20 } });
  for (const buffer of [mine, theirs]) nodeRng.fill(buffer);
  expect(await running).toEqual(expected);
});

/** A setup at both ends of a pair. */
async function pairSetup(sid = sidOf('ee')) {
  const [a, b] = channelPair(ids[1], ids[0]);
  const shared = { sid, rng: nodeRng, crypto };
  const both = [rr22ReceiverSetup({ ...shared, channel: a }), rr22SenderSetup({ ...shared, channel: b })] as const;
  return { receiver: await both[0], sender: await both[1] };
}

test('runs over one setup and one pool intersect exactly, also at once and under one id', async () => {
  const setup = await pairSetup();
  const pool = new KernelPool();
  const one = async (sid: Hash, rows: number) => {
    const { mine, theirs, expected } = sets(rows, rows, Math.floor(rows / 3));
    const [a, b] = channelPair(ids[1], ids[0]);
    const shared = { sid, capacity: { receiver: 600, sender: 600 }, rng: nodeRng, crypto, pool };
    const receiver = rr22Receiver({ ...shared, channel: a, items: mine, setup: setup.receiver });
    const sender = rr22Sender({ ...shared, channel: b, items: theirs, setup: setup.sender });
    expect([...(await receiver)]).toEqual(expected);
    await sender;
  };
  await one(sidOf('01'), 600);
  await one(sidOf('02'), 17);
  await Promise.all([one(sidOf('03'), 500), one(sidOf('04'), 300), one(sidOf('03'), 400)]);
});

test('parties of different setups, or one without, stop at the first frame', async () => {
  const [setup, other] = [await pairSetup(), await pairSetup(sidOf('ef'))];
  const { mine, theirs } = sets(10, 10, 5);
  for (const theirSetup of [other.sender, undefined]) {
    const [a, b] = channelPair(ids[1], ids[0]);
    const shared = { sid: sidOf('aa'), capacity: { receiver: 10, sender: 10 }, rng: nodeRng, crypto };
    const receiver = rr22Receiver({ ...shared, channel: a, items: mine, setup: setup.receiver });
    const sender = rr22Sender({ ...shared, channel: b, items: theirs, ...(theirSetup && { setup: theirSetup }) });
    await expect(sender).rejects.toMatchObject(code('PSI_SESSION_MISMATCH'));
    b.close();
    await expect(receiver).rejects.toMatchObject(code('CHANNEL_CLOSED'));
  }
});

test('a setup of the other role, or with another peer, is refused', async () => {
  const setup = await pairSetup();
  const [a] = channelPair(ids[1], ids[0]);
  const shared = { sid: sidOf('aa'), capacity: { receiver: 1, sender: 1 }, rng: nodeRng, crypto, items: random(16) };
  await expect(rr22Receiver({ ...shared, channel: a, setup: setup.sender })).rejects.toEqual(code('PSI_BAD_SETUP'));
  const elsewhere = { ...a, peer: ids[0] };
  await expect(rr22Receiver({ ...shared, channel: elsewhere, setup: setup.receiver })).rejects.toEqual(
    code('PSI_BAD_SETUP'),
  );
});

test('two sessions with other ids, capacities or roles stop at the first frame', async () => {
  const both = sets(10, 10, 5);
  const capacity = { receiver: 10, sender: 10 };
  const other = await run({ ...both, capacity, sids: [sidOf('aa'), sidOf('ab')] });
  expect(other.sent).toMatchObject({ status: 'rejected', reason: code('PSI_SESSION_MISMATCH') });
  expect(other.received).toMatchObject({ status: 'rejected', reason: code('CHANNEL_CLOSED') });
  const sizes = await run({ ...both, capacity, senderCapacity: { receiver: 10, sender: 11 } });
  expect(sizes.sent).toMatchObject({ status: 'rejected', reason: code('PSI_SESSION_MISMATCH') });
  const [a, b] = channelPair(ids[1], ids[0]);
  const party = (channel: Channel) =>
    rr22Receiver({ channel, sid: sidOf('aa'), capacity, items: both.mine, rng: nodeRng, crypto });
  for (const result of await Promise.allSettled([party(a), party(b)])) {
    expect(result).toMatchObject({ status: 'rejected', reason: { fault: 'peer' } });
  }
});

/**
 * Frames at a capacity of 100: how many each side sends, and those to strike: every message, long ones at both ends. That
 * every kind of fault shows at every frame is tested with the channel that all of them go through (`bound-channel.ts`).
 */
const FRAMES = { receiver: { count: 9, struck: [0, 1, 2, 7, 8] }, sender: { count: 4, struck: [0, 1, 2, 3] } };

test('the faults below reach every message', async () => {
  const { stats } = await run({ ...sets(100, 100, 10), capacity: { receiver: 100, sender: 100 } });
  expect(stats.map((side) => side.framesSent)).toEqual([FRAMES.receiver.count, FRAMES.sender.count]);
});

const faults: [string, ChannelFault][] = [
  ['truncated', { kind: 'truncate', bytes: 15 }],
  ['oversized', { kind: 'oversize', bytes: 1 }],
  ['replayed', { kind: 'duplicate' }],
  ['lost with the connection', { kind: 'close' }],
];

async function strike(side: 0 | 1, frame: number, fault: ChannelFault) {
  const wrap = (pair: [Channel, Channel]): [Channel, Channel] => {
    pair[side] = faultyChannel(pair[side], faultAt(frame, fault));
    return pair;
  };
  const { received, sent } = await run({ ...sets(5, 5, 2), capacity: { receiver: 100, sender: 100 }, wrap });
  const victim = side === 0 ? sent : received;
  expect([side, frame, victim.status]).toEqual([side, frame, 'rejected']);
  for (const result of [received, sent]) {
    if (result.status === 'rejected') expect(isNodeError(result.reason)).toBe(true);
  }
}

test.each(faults)('a frame %s ends both sides with a coded error', async (_, fault) => {
  for (const side of [0, 1] as const) await strike(side, 1, fault);
});

test('a frame of another session ends both sides with a coded error, whichever frame it is', async () => {
  for (const frame of FRAMES.receiver.struck) await strike(0, frame, { kind: 'flip', bit: 3 });
  for (const frame of FRAMES.sender.struck) await strike(1, frame, { kind: 'flip', bit: 3 });
});

test('an abort of the signal ends both sides with its reason', async () => {
  const [a] = channelPair(ids[1], ids[0]);
  const capacity = { receiver: 5, sender: 5 };
  const controller = new AbortController();
  const options = { channel: a, sid: sidOf('aa'), capacity, items: random(80), rng: nodeRng, crypto };
  const party = rr22Receiver({ ...options, signal: controller.signal });
  controller.abort(new Error('stop'));
  await expect(party).rejects.toThrow('stop');
});

test('sets that are no sets, too large, or no items are refused before anything is matched', async () => {
  const capacity = { receiver: 10, sender: 10 };
  const good = random(160);
  const twice = random(160);
  twice.copyWithin(0, 144);
  const cases = [
    [random(15), good, 'PSI_BAD_ITEMS'],
    [random(176), good, 'PSI_OVER_CAPACITY'],
    [twice, good, 'PSI_DUPLICATE_ITEM'],
  ] as const;
  for (const [bad, other, expected] of cases) {
    const asReceiver = await run({ mine: bad, theirs: other, capacity });
    expect(asReceiver.received).toMatchObject({ status: 'rejected', reason: code(expected) });
    const asSender = await run({ mine: other, theirs: bad, capacity });
    expect(asSender.sent).toMatchObject({ status: 'rejected', reason: code(expected) });
    expect(asSender.received.status).toBe('rejected');
  }
  for (const receiver of [0, 1.5, 2 ** 24 + 1]) {
    const refused = await run({ mine: good, theirs: good, capacity: { receiver, sender: 10 } });
    expect(refused.received).toMatchObject({ status: 'rejected', reason: code('PSI_BAD_CAPACITY') });
  }
});
