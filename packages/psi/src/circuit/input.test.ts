/** Matches of several holders by bins, among the holders alone: what they share must add up as who holds what says. */
import {
  type Channel,
  type CircuitMatch,
  channelPair,
  circuitWords,
  cuckooBins,
  type Hash,
  type KeyedRows,
  type NodeId,
} from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { type ChannelFault, faultAt, faultyChannel } from '@2pm/testing/faulty-channel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { circuitCost } from '../intersection-cost.ts';
import { circuitInput, rowsInSlots } from './input.ts';
import { checkCircuitMatch } from './parameters.ts';

const SID = `0x${'ab'.repeat(32)}` as Hash;
const idOf = (side: number) => `0x${String(side).padStart(40, '0')}` as NodeId;

interface Holder {
  capacity: number;
  /** Numbers for keys. */
  keys: readonly number[];
  /** How many columns it brings; column c of key k is 1000 c + k, negative for odd k. */
  columns: number;
}

const broughtOf = (key: number, column: number) => BigInt((1000 * column + key) * (key % 2 === 0 ? 1 : -1));

function rowsOf({ keys, columns }: Holder): KeyedRows {
  const digests = new Uint8Array(16 * keys.length);
  for (const [row, key] of keys.entries()) new DataView(digests.buffer).setUint32(16 * row + 4, key + 1);
  return {
    rows: keys.length,
    digests: [digests],
    present: [new Uint8Array(keys.length).fill(1)],
    columns: Array.from({ length: columns }, (_, c) => BigInt64Array.from(keys, (key) => broughtOf(key, c))),
  };
}

function matchOf(holders: readonly Holder[]): CircuitMatch {
  const sides = holders.map(({ capacity, columns }, node) => {
    const names = Array.from({ length: columns }, (_, c) => `c${c}`);
    return { node, role: `r${node}`, capacity, columns: names };
  });
  return { sides, atLeast: holders.length, bins: cuckooBins(holders[0]?.capacity ?? 0) };
}

type Wrap = (channel: Channel, side: number, peer: number) => Channel;

/** All holders at once. The first failure closes all channels. */
async function run(holders: readonly Holder[], wrap: Wrap = (channel) => channel) {
  const match = matchOf(holders);
  const channels = holders.map(() => new Map<number, Channel>());
  const closers: Channel[] = [];
  for (let member = 1; member < holders.length; member++) {
    const [mine, theirs] = channelPair(idOf(member), idOf(0));
    closers.push(mine);
    channels[0]?.set(member, wrap(mine, 0, member));
    channels[member]?.set(0, wrap(theirs, member, 0));
  }
  const common = { match, sid: SID, rng: nodeRng, crypto: nodeCrypto };
  const ends = await Promise.allSettled(
    holders.map(async (holder, self) => {
      try {
        return await circuitInput({ ...common, self, rows: rowsOf(holder), channels: channels[self] ?? new Map() });
      } catch (error) {
        for (const channel of closers) channel.close();
        throw error;
      }
    }),
  );
  const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  if (failures.length > 0) throw failures.find(({ code }) => code !== 'CHANNEL_CLOSED') ?? failures[0];
  return { match, ends: ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])) };
}

/** Slot by slot and member by member: whether the difference is 0, and what the columns add up to. */
function addUp({ match, ends }: Awaited<ReturnType<typeof run>>) {
  const { sides, bins } = match;
  let at = 0;
  const members = sides.slice(1).map(({ columns }, m) =>
    ['', ...columns].map((_, word) => {
      const from = bins * at++;
      return Array.from({ length: bins }, (_, slot) =>
        BigInt.asIntN(64, (ends[0]?.words[from + slot] ?? 0n) + (ends[m + 1]?.words[bins * word + slot] ?? 0n)),
      );
    }),
  );
  const own = (sides[0]?.columns ?? []).map(() => {
    const from = bins * at++;
    return [...(ends[0]?.words.subarray(from, from + bins) ?? [])];
  });
  return { members, own };
}

/** Every slot: of an own row what each member's set says; of an empty bin no match. */
async function expectRight(holders: readonly Holder[]) {
  const outcome = await run(holders);
  const { match, ends } = outcome;
  expect(ends.map(({ words }) => words.length)).toEqual(match.sides.map((_, side) => circuitWords(match, side)));
  const { members, own } = addUp(outcome);
  const rowOf = ends[0]?.rowOf ?? new Int32Array();
  expect(ends.slice(1).every((end) => end.rowOf === undefined)).toBe(true);
  const [leader, ...others] = holders as [Holder, ...Holder[]];
  expect([...rowOf].filter((row) => row >= 0).sort((a, b) => a - b)).toEqual([...leader.keys.keys()]);
  for (const [slot, row] of rowOf.entries()) {
    const key = leader.keys[row];
    for (const [c, column] of own.entries()) expect(column[slot]).toBe(key === undefined ? 0n : broughtOf(key, c));
    for (const [m, [difference, ...columns]] of members.entries()) {
      const held = key !== undefined && (others[m]?.keys.includes(key) ?? false);
      expect(difference?.[slot] === 0n).toBe(held);
      if (held) expect(columns.map((column) => column[slot])).toEqual(columns.map((_, c) => broughtOf(key, c)));
    }
  }
}

const of = (capacity: number, keys: readonly number[], columns = 0): Holder => ({ capacity, keys, columns });
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test.each<[string, Holder[]]>([
  ['nothing in common', [of(9, range(0, 9)), of(9, range(10, 19))]],
  ['all in common', [of(30, range(0, 30), 1), of(30, range(0, 30), 1)]],
  ['nobody with rows', [of(1, [], 1), of(1, [], 1), of(1, [])]],
  ['one row each', [of(1, [7], 2), of(1, [7], 2), of(1, [8], 3)]],
  [
    'sets of very unequal sizes, with 0 to 3 columns',
    [
      of(700, range(0, 700), 1),
      of(3, [5, 699, 999]),
      of(900, range(300, 1200), 1),
      of(40, range(680, 720), 2),
      of(40, range(0, 40), 3),
    ],
  ],
])('what the holders share adds up: %s', async (_, holders) => {
  await expectRight(holders);
});

test('what the holders share adds up, whatever they hold', async () => {
  const holder = fc.record({
    capacity: fc.constant(12),
    keys: fc.uniqueArray(fc.nat({ max: 20 }), { maxLength: 12 }),
    columns: fc.nat({ max: 4 }),
  });
  await fc.assert(fc.asyncProperty(fc.array(holder, { minLength: 2, maxLength: 4 }), expectRight), { numRuns: 4 });
});

test('rows of marked slots come back ascending, and empty bins are never among them', () => {
  expect(rowsInSlots(Int32Array.of(2, -1, 0, 1, -1), [1n, 1n, 1n, 0n, 0n])).toEqual(Uint32Array.of(0, 2));
});

describe('nothing of the sets shows', () => {
  test('in lengths or order of frames, which are as they were told', async () => {
    const trace = async (holders: readonly Holder[]) => {
      const sent: string[] = [];
      let bytes = 0;
      await run(holders, (channel, side, peer) => ({
        ...{ peer: channel.peer, stats: channel.stats, receive: (options) => channel.receive(options) },
        close: (reason) => channel.close(reason),
        send: (frame) => {
          sent.push(`${side} to ${peer}: ${frame.length}`);
          bytes += frame.length;
          return channel.send(frame);
        },
      }));
      return { sent: sent.sort(), bytes };
    };
    const full = await trace([of(60, range(0, 60), 1), of(50, range(0, 50), 2), of(2000, range(0, 2000))]);
    const empty = await trace([of(60, [], 1), of(50, [], 2), of(2000, [])]);
    expect(full).toEqual(empty);
    const told = circuitCost(matchOf([of(60, [], 1), of(50, [], 2), of(2000, [])])).bytes;
    expect(Math.abs(told - full.bytes)).toBeLessThan(0.01 * full.bytes);
  });

  test('in what a holder has: those of equal runs differ everywhere but in its own columns', async () => {
    const holders = [of(20, range(0, 20), 1), of(20, range(0, 20), 1)];
    const [one, other] = [await run(holders), await run(holders)];
    const bins = cuckooBins(20);
    for (const side of [0, 1]) {
      const [a, b] = [one, other].map(({ ends }) => ends[side]?.words.subarray(0, 2 * bins));
      expect(a?.filter((word, i) => word === b?.[i]).length).toBe(0);
    }
  });
});

describe('what cannot be right ends in an error', () => {
  const holders = [of(20, range(0, 20), 1), of(20, range(10, 30), 1), of(20, range(15, 35))];
  const code = (expected: string) => expect.objectContaining({ code: expected });

  test('more rows than were declared, and rows that share a key', async () => {
    await expect(run([of(3, range(0, 4)), of(9, [])])).rejects.toEqual(code('PSI_OVER_CAPACITY'));
    await expect(run([of(9, []), of(3, range(0, 4))])).rejects.toEqual(code('PSI_OVER_CAPACITY'));
    await expect(run([of(9, [1, 2, 1]), of(9, [])])).rejects.toEqual(code('PSI_DUPLICATE_ITEM'));
    await expect(run([of(9, []), of(9, [1, 2, 1])])).rejects.toEqual(code('PSI_DUPLICATE_ITEM'));
  });

  test('holders that must be taken for malicious, and sets that are too large', () => {
    expect(() => checkCircuitMatch(matchOf(holders), 'malicious')).toThrow(code('PSI_UNSUPPORTED'));
    expect(() => checkCircuitMatch(matchOf([of(9, []), of(2 ** 20 + 1, [])]), 'semi-honest')).toThrow(
      code('PSI_BAD_CAPACITY'),
    );
    expect(() => checkCircuitMatch(matchOf(holders), 'semi-honest')).not.toThrow();
  });

  const faults: [ChannelFault, string][] = [
    [{ kind: 'truncate', bytes: 20 }, 'PSI_BAD_LENGTH'],
    [{ kind: 'oversize', bytes: 1 }, 'PSI_BAD_LENGTH'],
    [{ kind: 'close' }, 'P2P_CONNECTION_LOST'],
  ];
  test.each(faults)('a frame to or from one of two members that suffers %o', async (fault, expected) => {
    for (const side of [0, 2]) {
      for (const frame of [0, 1, 3]) {
        const wrap: Wrap = (channel, of, peer) =>
          of === side && of + peer === 2 ? faultyChannel(channel, faultAt(frame, fault)) : channel;
        const outcome = await run(holders, wrap).catch((error) => error);
        // A frame that is not there cannot fail: a member sends fewer than the leader.
        if (outcome instanceof Error) expect(outcome).toEqual(code(expected));
        else expect([side, frame]).toEqual([2, 3]);
      }
    }
  });
});
