import { type Channel, channelPair, cuckooBins, type Hash, type NodeId, type Rng } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { type ChannelFault, faultAt, faultyChannel } from '@2pm/testing/faulty-channel';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Capacity } from '../capacity.ts';
import { placeItems, positionsOf } from './bins.ts';
import {
  type CircuitPsiOptions,
  circuitPsiReceiver,
  circuitPsiSender,
  matchCount,
  type Program,
  payloadSum,
  type ResultShare,
} from './compute.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const SID = `0x${'aa'.repeat(32)}` as Hash;

interface Party {
  items: Uint8Array;
  payloads?: BigInt64Array;
}

/** Everything that there is to know of a match, and what can be computed on it. */
const everything: Program = (b, { bins, member, sender, receiver }) => {
  const bit = b.asWords(member);
  return [
    member,
    b.words('mul', bins, [bit, sender]),
    b.words('dot', 1, [receiver, b.words('mul', bins, [bit, sender])]),
  ];
};

async function run(
  { receiver, sender, capacity }: { receiver: Party; sender: Party; capacity: Capacity },
  program: Program,
  {
    wrap = (pair) => pair,
    rng = nodeRng,
    sender: theirs = {},
    theirProgram = program,
  }: {
    wrap?: (pair: [Channel, Channel]) => [Channel, Channel];
    rng?: Rng;
    sender?: Partial<CircuitPsiOptions>;
    theirProgram?: Program;
  } = {},
) {
  const pair = channelPair(ids[1], ids[0]);
  const [a, b] = wrap(pair);
  const closing = <T>(party: Promise<T>, channel: Channel) =>
    party.catch((error: unknown) => {
      channel.close();
      throw error;
    });
  const shared = { sid: SID, capacity, rng, crypto: nodeCrypto };
  const [received, sent] = await Promise.allSettled([
    closing(circuitPsiReceiver({ ...shared, ...receiver, channel: a }, program), pair[0]),
    closing(circuitPsiSender({ ...shared, ...sender, channel: b, ...theirs }, theirProgram), pair[1]),
  ]);
  const failures = [received, sent].flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  if (received.status === 'rejected' || sent.status === 'rejected') {
    throw failures.find(({ code }) => code !== 'CHANNEL_CLOSED') ?? failures[0];
  }
  const { itemOf, shares } = received.value;
  return { itemOf, results: shares.map((mine, i) => open(mine, sent.value[i]!)), shares, theirs: sent.value };
}

function open(mine: ResultShare, theirs: ResultShare): bigint[] {
  if (mine instanceof Uint32Array) {
    const bit = (i: number) => BigInt(((mine[i >> 5]! ^ Number(theirs[i >> 5])) >>> (i & 31)) & 1);
    return Array.from({ length: 32 * mine.length }, (_, i) => bit(i));
  }
  return Array.from(mine, (word, i) => BigInt.asIntN(64, word + (theirs[i] as bigint)));
}

/** Two sets of which `common` items are the same, with payloads, and what follows from them. */
function sets(mine: number, theirs: number, common: number) {
  const [a, b] = [random(16 * mine), random(16 * theirs)];
  const payloads = [mine, theirs].map((size) =>
    BigInt64Array.from({ length: size }, (_, i) => BigInt(i * 7919) - 5000n),
  );
  const matches = new Map<number, number>();
  for (let i = 0; i < common; i++) {
    const [from, to] = [Math.floor((i * mine) / common), theirs - 1 - i];
    b.set(a.subarray(16 * from, 16 * from + 16), 16 * to);
    matches.set(from, to);
  }
  const [receiver, sender] = [
    { items: a, payloads: payloads[0]! },
    { items: b, payloads: payloads[1]! },
  ];
  return { receiver, sender, matches };
}

test.each([
  [300, 200, 0],
  [300, 200, 77],
  [0, 50, 0],
  [50, 0, 0],
  [1, 1, 1],
  [1, 700, 1],
  [700, 3, 3],
])('of %i and %i items the %i common ones count, each with its payloads', async (mine, theirs, common) => {
  const { receiver, sender, matches } = sets(mine, theirs, common);
  const capacity = { receiver: mine + 1, sender: theirs + 1 };
  const { itemOf, results } = await run({ receiver, sender, capacity }, everything);
  const [member, values, [inner]] = results as [bigint[], bigint[], bigint[]];
  expect([...itemOf].filter((item) => item >= 0).sort((x, y) => x - y)).toEqual([...receiver.payloads.keys()]);
  let expected = 0n;
  for (const [bin, item] of itemOf.entries()) {
    const to = matches.get(item);
    expect(member[bin]).toBe(to === undefined ? 0n : 1n);
    expect(values[bin]).toBe(to === undefined ? 0n : sender.payloads[to]);
    if (to !== undefined) expected += receiver.payloads[item]! * sender.payloads[to]!;
  }
  expect(inner).toBe(expected);
});

test('a count and a sum open to what plain sets say', async () => {
  const key = fc.integer({ min: 0, max: 30 });
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(key), fc.uniqueArray(key), fc.nat(), async (left, right, seed) => {
      const names = seededRng(seed).fill(new Uint8Array(16 * 31));
      const items = (of: number[]) => Uint8Array.from(of.flatMap((k) => [...names.subarray(16 * k, 16 * k + 16)]));
      const payloads = BigInt64Array.from(right, (k) => BigInt(k) - 10n);
      const parties = { receiver: { items: items(left) }, sender: { items: items(right), payloads } };
      const program: Program = (b, matched) => [...matchCount(b, matched), ...payloadSum(b, matched)];
      const { results } = await run({ ...parties, capacity: { receiver: 31, sender: 31 } }, program);
      const common = right.filter((k) => left.includes(k));
      expect(results).toEqual([[BigInt(common.length)], [common.reduce((sum, k) => sum + BigInt(k) - 10n, 0n)]]);
    }),
    { numRuns: 2 },
  );
});

function sumOf({ sender, matches }: ReturnType<typeof sets>): bigint {
  return [...matches.values()].reduce((total, to) => total + sender.payloads[to]!, 0n);
}

test('sets of several thousand are matched in full', async () => {
  const both = sets(3000, 2000, 1111);
  const program: Program = (b, matched) => [...matchCount(b, matched), ...payloadSum(b, matched)];
  const { results } = await run({ ...both, capacity: { receiver: 3000, sender: 2000 } }, program);
  expect(results).toEqual([[1111n], [sumOf(both)]]);
});

describe('nothing of the sets shows', () => {
  test('in lengths or order of frames', async () => {
    const capacity = { receiver: 100, sender: 60 };
    const trace = async (mine: number, theirs: number, common: number) => {
      const { receiver, sender } = sets(mine, theirs, common);
      const sent: string[] = [];
      const traced = (channel: Channel, name: string): Channel => ({
        ...{ peer: channel.peer, stats: channel.stats, receive: (options) => channel.receive(options) },
        close: (reason) => channel.close(reason),
        send: (frame) => {
          sent.push(`${name} ${frame.length}`);
          return channel.send(frame);
        },
      });
      const wrap = ([a, b]: [Channel, Channel]): [Channel, Channel] => [traced(a, 'receiver'), traced(b, 'sender')];
      await run({ receiver, sender, capacity }, payloadSum, { wrap });
      return sent.sort();
    };
    expect(await trace(100, 60, 60)).toEqual(await trace(0, 0, 0));
  });

  test('in a party’s shares: those of equal runs differ, and bits of membership are balanced', async () => {
    const { receiver, sender } = sets(400, 400, 400);
    const capacity = { receiver: 400, sender: 400 };
    const all = await Promise.all([1, 2].map(() => run({ receiver, sender, capacity }, everything)));
    for (const end of ['shares', 'theirs'] as const) {
      const [one, other] = all.map((each) => each[end]);
      expect(one?.[1]).not.toEqual(other?.[1]);
      const bits = one?.[0] as Uint32Array;
      const ones = bits.reduce((sum, word) => sum + word.toString(2).replaceAll('0', '').length, 0);
      expect(Math.abs(ones - 16 * bits.length)).toBeLessThan(6 * Math.sqrt(8 * bits.length));
    }
  });
});

describe('bins', () => {
  test('hold every item once, at one of its positions', () => {
    for (const n of [0, 1, 511, 512, 5000]) {
      const bins = cuckooBins(n);
      const positions = positionsOf(nodeCrypto, random(16), random(16 * n), bins);
      const held = [...placeItems(positions, bins)];
      const items = held.filter((number) => number >= 0).map((number) => Math.floor(number / 3));
      expect(items.sort((x, y) => x - y)).toEqual(Array.from({ length: n }, (_, i) => i));
      for (const [bin, number] of held.entries()) if (number >= 0) expect(positions[number]).toBe(bin);
    }
  });

  test('into which items do not fit end in an error that may be retried', () => {
    expect(() => placeItems(new Uint32Array(3 * 5).fill(2), 4)).toThrow(
      expect.objectContaining({ code: 'PSI_CUCKOO_FAILED', retryable: true }),
    );
  });
});

describe('what cannot be right is refused', () => {
  const capacity = { receiver: 20, sender: 20 };
  const good = sets(20, 20, 5);
  const code = (expected: string) => expect.objectContaining({ code: expected });
  const refused = (parties: Partial<{ receiver: Party; sender: Party }>, expected: string) =>
    expect(run({ ...good, ...parties, capacity }, payloadSum)).rejects.toEqual(code(expected));

  test('an item twice, on either side', async () => {
    const twice = good.receiver.items.slice();
    twice.copyWithin(32, 0, 16);
    await refused({ receiver: { items: twice } }, 'PSI_DUPLICATE_ITEM');
    await refused({ sender: { items: twice } }, 'PSI_DUPLICATE_ITEM');
  });

  test('too many items, and payloads for others', async () => {
    await refused({ receiver: { items: random(16 * 21) } }, 'PSI_OVER_CAPACITY');
    await refused({ sender: { items: random(16 * 3), payloads: new BigInt64Array(2) } }, 'PSI_BAD_ITEMS');
  });

  test('another session, capacity or program at the other end', async () => {
    const other = { sid: `0x${'bb'.repeat(32)}` as Hash };
    await expect(run({ ...good, capacity }, payloadSum, { sender: other })).rejects.toEqual(
      code('PSI_SESSION_MISMATCH'),
    );
    const less = { capacity: { receiver: 20, sender: 21 } };
    await expect(run({ ...good, capacity }, payloadSum, { sender: less })).rejects.toEqual(
      code('PSI_SESSION_MISMATCH'),
    );
    await expect(run({ ...good, capacity }, payloadSum, { theirProgram: matchCount })).rejects.toEqual(
      code('MPC_SCHEDULE_MISMATCH'),
    );
  });

  const faults: ChannelFault[] = [
    { kind: 'flip', bit: 999 },
    { kind: 'truncate', bytes: 20 },
    { kind: 'oversize', bytes: 1 },
    { kind: 'duplicate' },
    { kind: 'close' },
  ];
  test.each([0, 1])('any fault in a frame of party %i ends in an error, never in a wrong sum', async (party) => {
    let failed = 0;
    // Frames of the stores, the last of them included, and of the circuit; every other one, with one of the faults.
    for (let frame = party; frame < 12; frame += 2) {
      const wrap = (pair: [Channel, Channel]): [Channel, Channel] => {
        const fault = faults[(frame + party) % faults.length] as ChannelFault;
        const wrapped = pair.map((channel, i) =>
          i === party ? faultyChannel(channel, faultAt(frame, fault)) : channel,
        );
        return wrapped as [Channel, Channel];
      };
      const outcome = await run({ ...good, capacity }, payloadSum, { wrap }).catch((error) => error);
      if (outcome instanceof Error && 'code' in outcome) failed++;
      else expect(outcome.results).toEqual([[sumOf(good)]]);
    }
    expect(failed).toBeGreaterThan(4);
  });
});
