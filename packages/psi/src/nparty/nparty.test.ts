import { type Channel, channelPair, type Hash, isNodeError, type NodeId } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { KernelPool } from '@2pm/crypto/wasm';
import { type ChannelFault, faultAt, faultyChannel } from '@2pm/testing/faulty-channel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestKeys } from '../digest-keys.ts';
import { type PairSetup, rr22ReceiverSetup, rr22SenderSetup } from '../rr22/pair-setup.ts';
import { npartyLeader } from './leader.ts';
import { npartyMember } from './member.ts';

const crypto = nodeCrypto;
const rng = nodeRng;
const random = (size: number) => rng.fill(new Uint8Array(size));
const idOf = (party: number) => `0x${String(party + 10).repeat(20)}` as NodeId;
const sidOf = (byte: string) => `0x${byte.repeat(32)}` as Hash;
const code = (code: string) => expect.objectContaining({ code });

interface Run {
  sets: Uint8Array[];
  capacities: number[];
  /** Where a party means something else by the session. */
  sids?: Record<number, Hash>;
  declared?: Record<number, number[]>;
  /** By party; by default those of `keptSetups`. */
  setups?: Record<number, ReadonlyMap<number, PairSetup>>;
  /** The end of `from` of the channel to `to`. */
  wrap?: (channel: Channel, from: number, to: number) => Channel;
}

/** Base transfers of the leader with six members, made once: they take most of the time of a small run. */
async function keptSetups(): Promise<Record<number, ReadonlyMap<number, PairSetup>>> {
  const pairs = [1, 2, 3, 4, 5, 6].map(async (member) => {
    const [a, b] = channelPair(idOf(member), idOf(0));
    const shared = { sid: sidOf('5e'), rng, crypto };
    const both = [rr22ReceiverSetup({ ...shared, channel: a }), rr22SenderSetup({ ...shared, channel: b })] as const;
    return [member, ...(await Promise.all(both))] as const;
  });
  const made = await Promise.all(pairs);
  return Object.fromEntries([
    [0, new Map(made.map(([member, receiver]) => [member, receiver]))],
    ...made.map(([member, , sender]) => [member, new Map([[0, sender]])]),
  ]);
}
const kept = await keptSetups();
/** Memory that has seen all runs before, failed ones too. */
const pool = new KernelPool();

/** All parties in one process. When one fails its channels close, as a session's would. */
async function run({ sets, capacities, sids = {}, declared = {}, setups = kept, wrap = (channel) => channel }: Run) {
  const parties = [...sets.keys()];
  const channels = parties.map(() => new Map<number, Channel>());
  for (const low of parties) {
    for (const high of parties.slice(low + 1)) {
      const [a, b] = channelPair(idOf(high), idOf(low));
      channels[low]!.set(high, wrap(a, low, high));
      channels[high]!.set(low, wrap(b, high, low));
    }
  }
  const results = await Promise.allSettled(
    parties.map(async (party) => {
      const own = { channels: channels[party]!, sid: sids[party] ?? sidOf('aa'), items: sets[party]!, rng, crypto };
      const options = { ...own, pool, ...(setups[party] && { setups: setups[party] }) };
      const all = { ...options, capacities: declared[party] ?? capacities };
      try {
        return await (party === 0 ? npartyLeader(all) : npartyMember({ ...all, party }));
      } catch (error) {
        for (const channel of own.channels.values()) channel.close();
        throw error;
      }
    }),
  );
  return { results, channels };
}

async function intersect(run_: Run): Promise<number[]> {
  const { results } = await run(run_);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return [...(results[0] as PromiseFulfilledResult<Uint32Array>).value];
}

const hexes = (set: Uint8Array) =>
  Array.from({ length: set.length / 16 }, (_, i) => Buffer.from(set.subarray(16 * i, 16 * i + 16)).toString('hex'));

/** The slow and obvious way. */
function oracle([mine, ...others]: Uint8Array[]): number[] {
  const held = others.map((set) => new Set(hexes(set)));
  return hexes(mine!).flatMap((item, i) => (held.every((set) => set.has(item)) ? [i] : []));
}

/** Sets of these sizes with `common` items in all of them; half of the other items of each are also in the next party's set. */
function setsOf(sizes: number[], common: number): Uint8Array[] {
  const shared = random(16 * common);
  const own = sizes.map((size) => random(16 * (size - common)));
  return sizes.map((size, i) => {
    const set = new Uint8Array(16 * size);
    set.set(own[i]!, 0);
    const lent = own[(i + 1) % sizes.length]!;
    set.set(lent.subarray(0, 16 * Math.floor(Math.min(size - common, lent.length / 16) / 2)), 0);
    set.set(shared, 16 * (size - common));
    return set;
  });
}

test.each([
  [[100, 100, 100], 41],
  [[0, 5, 5], 0],
  [[1, 1, 1], 1],
  [[3, 2000, 40], 2],
  [[2000, 3, 1], 1],
  [[300, 300, 300, 300], 77],
  [[1500, 20, 1500, 3000], 13],
  [[64, 64, 64, 64, 64, 64, 64], 9],
])('of sets of %j items the leader learns exactly what all hold, at least %i', async (sizes, common) => {
  const sets = setsOf(sizes, common);
  const expected = oracle(sets);
  expect(expected.length).toBeGreaterThanOrEqual(common);
  expect(await intersect({ sets, capacities: sizes.map((size) => Math.max(1, size)) })).toEqual(expected);
});

test('sets of several bins intersect exactly, filled below their capacities, in stores of several shapes', async () => {
  const sets = setsOf([50_000, 40_000, 34_000, 10_000], 7_000);
  expect(await intersect({ sets, capacities: [60_000, 60_000, 80_000, 20_000] })).toEqual(oracle(sets));
});

test('random sets over a small universe of keys intersect as plain sets do', async () => {
  const set = fc.uniqueArray(fc.integer({ min: 0, max: 12 }));
  await fc.assert(
    fc.asyncProperty(fc.array(set, { minLength: 3, maxLength: 5 }), async (all) => {
      const sets = await Promise.all(all.map((keys) => digestKeys(keys.map((key) => `key ${key}`))));
      expect(await intersect({ sets, capacities: all.map(() => 13) })).toEqual(oracle(sets));
    }),
    { numRuns: 2 },
  );
});

test('what travels has the same lengths for the same capacities, whatever the sets hold', async () => {
  const capacities = [300, 50, 300];
  const traces = [];
  for (const sets of [
    [0, 0, 0].map(random),
    setsOf([300, 50, 300], 50),
    setsOf([7, 40, 290], 1),
    setsOf([290, 1, 3], 0),
  ]) {
    const trace: Record<string, number[]> = {};
    const wrap = (channel: Channel, from: number, to: number): Channel => ({
      ...channel,
      send: (frame) => {
        const talk = `${from} to ${to}`;
        trace[talk] = [...(trace[talk] ?? []), frame.length];
        return channel.send(frame);
      },
    });
    await intersect({ sets, capacities, wrap });
    traces.push(trace);
  }
  expect(Object.keys(traces[0]!)).toHaveLength(6);
  for (const trace of traces.slice(1)) expect(trace).toEqual(traces[0]);
});

test('what members send looks random to its last bit, whatever their sets hold, and differs from run to run', async () => {
  const capacities = [200, 200, 200];
  const same = setsOf([200, 200, 200], 200);
  const seen = new Set<string>();
  for (const sets of [same, same, [0, 0, 0].map(random)]) {
    const hints = new Map<number, Uint8Array>();
    const wrap = (channel: Channel, from: number, to: number): Channel => ({
      ...channel,
      send: (frame) => {
        if (to === 0) hints.set(from, frame.slice(16));
        return channel.send(frame);
      },
    });
    await intersect({ sets, capacities, wrap });
    for (const hint of hints.values()) {
      const ones = hint.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
      expect(Math.abs(ones - 4 * hint.length)).toBeLessThan(6 * Math.sqrt(2 * hint.length));
      for (let at = 0; at < hint.length; at += 8) seen.add(Buffer.from(hint.subarray(at, at + 8)).toString('hex'));
    }
    expect(hints.size).toBe(2);
  }
  // Six hints of one shape, without a column in common.
  expect(seen.size % 6).toBe(0);
});

test('a set is what it was at the call, whatever becomes of the caller’s buffer', async () => {
  const sets = setsOf([20, 20, 20], 10);
  const expected = oracle(sets);
  const running = intersect({ sets, capacities: [20, 20, 20] });
  for (const buffer of sets) rng.fill(buffer);
  expect(await running).toEqual(expected);
});

test('parties with another session id or other capacities stop, and nobody gets a result', async () => {
  const [sets, capacities] = [setsOf([10, 10, 10], 5), [10, 10, 10]];
  for (const party of [0, 1, 2]) {
    for (const odd of [{ sids: { [party]: sidOf('ab') } }, { declared: { [party]: [10, 10, 11] } }]) {
      const { results } = await run({ sets, capacities, ...odd });
      for (const result of results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: expect.any(String), fault: 'peer' } });
      }
      expect(results).toContainEqual(expect.objectContaining({ reason: code('PSI_SESSION_MISMATCH') }));
    }
  }
});

/**
 * Frames of each talk at capacities of 100, and those to strike: every message, long ones at both ends. That every kind of
 * fault shows at every frame is tested with the channel that all of them go through (`bound-channel.ts`).
 */
const FRAMES = {
  '0 to 1': { count: 6, struck: [0, 1, 2, 5] },
  '1 to 0': { count: 4, struck: [0, 1, 3] },
  '1 to 2': { count: 1, struck: [0] },
  '2 to 1': { count: 1, struck: [0] },
};

test('the faults below reach every message', async () => {
  const { channels } = await run({ sets: setsOf([100, 100, 100], 10), capacities: [100, 100, 100] });
  for (const [talk, { count }] of Object.entries(FRAMES)) {
    const [from, to] = talk.split(' to ').map(Number) as [number, number];
    expect([talk, channels[from]!.get(to)!.stats.framesSent]).toEqual([talk, count]);
  }
});

async function strike(talk: string, frame: number, fault: ChannelFault) {
  const wrap = (channel: Channel, from: number, to: number) =>
    `${from} to ${to}` === talk ? faultyChannel(channel, faultAt(frame, fault)) : channel;
  const { results } = await run({ sets: setsOf([5, 5, 5], 2), capacities: [100, 100, 100], wrap });
  expect([talk, frame, results[0]!.status]).toEqual([talk, frame, 'rejected']);
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  for (const reason of reasons) expect([talk, frame, isNodeError(reason)]).toEqual([talk, frame, true]);
  return reasons;
}

test.each([
  ['of another session', { kind: 'flip', bit: 3 }],
  ['lost with the connection', { kind: 'close' }],
] as [string, ChannelFault][])('a frame %s ends the run with coded errors, whichever frame it is', async (_, fault) => {
  for (const [talk, { struck }] of Object.entries(FRAMES)) {
    for (const frame of struck) await strike(talk, frame, fault);
  }
});

test.each([
  ['truncated', { kind: 'truncate', bytes: 31 }],
  ['oversized', { kind: 'oversize', bytes: 1 }],
] as [string, ChannelFault][])('a frame %s ends the run with coded errors, whoever it is from', async (_, fault) => {
  for (const talk of Object.keys(FRAMES)) expect(await strike(talk, 0, fault)).toContainEqual(code('PSI_BAD_LENGTH'));
});

test('a replayed frame ends the run with coded errors', async () => {
  for (const talk of ['0 to 1', '1 to 0']) {
    const reasons = await strike(talk, 1, { kind: 'duplicate' });
    expect(reasons.map(({ code }) => code)).toContainEqual(
      expect.stringMatching(/^PSI_(BAD_LENGTH|SESSION_MISMATCH)$/),
    );
  }
});

test('base transfers are of the run where none are kept, and kept ones serve whom they were made for', async () => {
  const [sets, capacities] = [setsOf([50, 50, 50], 20), [50, 50, 50]];
  for (const setups of [{}, { 0: new Map([...kept[0]!].slice(0, 1)), 1: kept[1]! }]) {
    expect(await intersect({ sets, capacities, setups })).toEqual(oracle(sets));
  }
  // One side alone has a setup; setups of the other role, and with another peer.
  const { results } = await run({ sets, capacities, setups: { 0: kept[0]! } });
  expect(results).toContainEqual(expect.objectContaining({ reason: code('PSI_SESSION_MISMATCH') }));
  expect(results[0]!.status).toBe('rejected');
  const [sender, receiver] = [kept[1]!.get(0)!, kept[0]!.get(1)!];
  for (const wrong of [new Map([[1, sender]]), new Map([[2, receiver]])]) {
    const refused = await run({ sets, capacities, setups: { 0: wrong } });
    expect(refused.results[0]).toMatchObject({ status: 'rejected', reason: code('PSI_BAD_SETUP') });
  }
});

test('an abort of the signal ends a party with its reason, whomever it waits for', async () => {
  for (const party of [0, 1, 2]) {
    const others = [0, 1, 2].filter((other) => other !== party);
    const channels = new Map(others.map((other) => [other, channelPair(idOf(other), idOf(party))[0]]));
    const controller = new AbortController();
    const options = { channels, sid: sidOf('aa'), capacities: [5, 5, 5], items: random(80), rng, crypto };
    const signalled = { ...options, signal: controller.signal };
    const running = party === 0 ? npartyLeader(signalled) : npartyMember({ ...signalled, party });
    controller.abort(new Error('stop'));
    await expect(running).rejects.toThrow('stop');
  }
});

test('a party waits for many others, and stops waiting, without a warning of too many listeners', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  const capacities = Array<number>(16).fill(5);
  const others = [...capacities.keys()].slice(1);
  const channels = new Map(others.map((other) => [other, channelPair(idOf(other), idOf(0))[0]]));
  const controller = new AbortController();
  const options = { channels, sid: sidOf('aa'), capacities, items: random(80), rng, crypto };
  const running = npartyLeader({ ...options, signal: controller.signal });
  await new Promise((resolve) => setTimeout(resolve, 300));
  controller.abort(new Error('stop'));
  await expect(running).rejects.toThrow('stop');
  process.off('warning', note);
  expect(warnings).toEqual([]);
});

test('sets that are no sets, too large, or no items are refused, whoever brings them', async () => {
  const capacities = [10, 10, 10];
  const twice = random(160);
  twice.copyWithin(0, 144);
  for (const [bad, expected] of [
    [random(15), 'PSI_BAD_ITEMS'],
    [random(176), 'PSI_OVER_CAPACITY'],
    [twice, 'PSI_DUPLICATE_ITEM'],
  ] as const) {
    for (const party of [0, 1, 2]) {
      const sets = setsOf([10, 10, 10], 3);
      sets[party] = bad;
      // Of party 2 the store has another shape than the leader's.
      const { results } = await run({ sets, capacities: party === 2 ? [11, 10, 10] : capacities });
      expect(results[party]).toMatchObject({ status: 'rejected', reason: code(expected) });
      expect(results[0]!.status).toBe('rejected');
    }
  }
});

test('numbers of parties, capacities and channels that do not fit are refused', async () => {
  const options = { channels: new Map<number, Channel>(), sid: sidOf('aa'), items: random(16), rng, crypto };
  const refused = (capacities: number[], party = 0) =>
    party === 0 ? npartyLeader({ ...options, capacities }) : npartyMember({ ...options, capacities, party });
  await expect(refused([1, 1])).rejects.toEqual(code('PSI_BAD_PARTIES'));
  await expect(refused(Array(17).fill(1))).rejects.toEqual(code('PSI_BAD_PARTIES'));
  await expect(refused([1, 1, 1])).rejects.toEqual(code('PSI_BAD_PARTIES'));
  for (const party of [-1, 3, 1.5]) await expect(refused([1, 1, 1], party)).rejects.toEqual(code('PSI_BAD_PARTIES'));
  for (const size of [0, 1.5, 2 ** 24]) {
    await expect(refused([1, size, 1])).rejects.toEqual(code('PSI_BAD_CAPACITY'));
  }
});
