import { type Channel, channelPair, type Hash, isNodeError, type NodeId, type Rng } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { okvsParameters, okvsRows } from '@2pm/crypto/okvs';
import { loadKernels } from '@2pm/crypto/wasm';
import { type ChannelFault, faultAt, faultyChannel } from '@2pm/testing/faulty-channel';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rr22Card, rr22CardOf, rr22MaliciousCard } from './card.ts';
import type { Rr22Options } from './parameters.ts';
import { openPayloads, placesOf, sealPayloads } from './payloads.ts';
import { rr22PayloadReceiver, rr22Receiver } from './receiver.ts';
import { rr22Sender } from './sender.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const crypto = nodeCrypto;
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const code = (code: string) => expect.objectContaining({ code });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const MODES = ['semi-honest', 'malicious'] as const;

type Extra = Partial<Rr22Options> & { wrap?: (pair: [Channel, Channel]) => [Channel, Channel] };

/** What a channel sends, as it is sent. */
function taped(channel: Channel, frames: Uint8Array[]): Channel {
  return {
    ...channel,
    send: (frame) => {
      frames.push(frame.slice());
      return channel.send(frame);
    },
  };
}

async function run(mine: Uint8Array, theirs: Uint8Array, { wrap, ...extra }: Extra, sendersOwn: Extra = {}) {
  const pair = channelPair(ids[1], ids[0]);
  const [a, b] = wrap?.(pair) ?? pair;
  const capacity = { receiver: Math.max(1, mine.length / 16), sender: Math.max(1, theirs.length / 16) };
  const { payloads, ...both } = extra;
  const shared = { sid: `0x${hex(random(32))}` as Hash, capacity, rng: nodeRng, crypto, ...both };
  const closing = <T>(party: Promise<T>, channel: Channel) =>
    party.catch((error: unknown) => {
      channel.close();
      throw error;
    });
  const [received, sent] = await Promise.allSettled([
    closing(rr22PayloadReceiver({ ...shared, channel: a, items: mine }), pair[0]),
    closing(
      rr22Sender({ ...shared, channel: b, items: theirs, ...(payloads && { payloads }), ...sendersOwn }),
      pair[1],
    ),
  ]);
  return { received, sent };
}

/** As `run`, of which both parties come to an end; what is received by item. */
async function delivered(...given: Parameters<typeof run>): Promise<[number, string][]> {
  const { received, sent } = await run(...given);
  if (sent.status === 'rejected') throw sent.reason;
  if (received.status === 'rejected') throw received.reason;
  const { matches, payloads } = received.value;
  const size = given[2].payloadBytes ?? 0;
  expect(payloads.length).toBe(size * matches.length);
  return Array.from(matches, (index, i) => [index, hex(payloads.subarray(size * i, size * (i + 1)))]);
}

/** What a person with both sets at hand would say. */
function oracle(mine: Uint8Array, theirs: Uint8Array, payloads: Uint8Array, size: number): [number, string][] {
  const at = new Map<string, string>();
  for (let i = 0; i < theirs.length / 16; i++) {
    at.set(hex(theirs.subarray(16 * i, 16 * i + 16)), hex(payloads.subarray(size * i, size * (i + 1))));
  }
  return Array.from({ length: mine.length / 16 }, (_, i): [number, string | undefined] => [
    i,
    at.get(hex(mine.subarray(16 * i, 16 * i + 16))),
  ]).flatMap(([i, payload]): [number, string][] => (payload === undefined ? [] : [[i, payload]]));
}

/** The first `common` of the one are the last of the other, backwards. */
function sets(mine: number, theirs: number, common: number): [Uint8Array, Uint8Array] {
  const [a, b] = [random(16 * mine), random(16 * theirs)];
  for (let i = 0; i < common; i++) b.set(a.subarray(16 * i, 16 * i + 16), 16 * (theirs - 1 - i));
  return [a, b];
}

test.each([
  [100, 100, 0, 8],
  [100, 60, 37, 24],
  [50, 50, 50, 16],
  [0, 20, 0, 8],
  [20, 0, 0, 8],
  [0, 0, 0, 8],
  [1, 1, 1, 1],
  [1, 1, 0, 40],
  [3, 9_000, 2, 17],
  [9_000, 3, 3, 33],
])(
  'of %i and %i items the receiver gets the payloads of exactly the %i common ones',
  async (mine, theirs, common, size) => {
    const [a, b] = sets(mine, theirs, common);
    const payloads = random(size * theirs);
    const expected = oracle(a, b, payloads, size);
    expect(expected.length).toBe(common);
    for (const security of mine + theirs < 1_000 ? MODES : (['semi-honest'] as const)) {
      expect(await delivered(a, b, { payloadBytes: size, payloads, security })).toEqual(expected);
    }
  },
);

test('random sets of any overlap with payloads of any length, below their capacities', async () => {
  const key = fc.integer({ min: 0, max: 60 });
  const universe = random(16 * 61);
  const itemsOf = (keys: number[]) => Buffer.concat(keys.map((k) => universe.subarray(16 * k, 16 * k + 16)));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key),
      fc.uniqueArray(key),
      fc.integer({ min: 1, max: 70 }),
      fc.constantFrom(...MODES),
      async (left, right, payloadBytes, security) => {
        const [mine, theirs] = [itemsOf(left), itemsOf(right)];
        const payloads = random(payloadBytes * right.length);
        const capacity = { receiver: 61, sender: 80 };
        expect(await delivered(mine, theirs, { payloadBytes, payloads, security, capacity })).toEqual(
          oracle(mine, theirs, payloads, payloadBytes),
        );
      },
    ),
    { numRuns: 4 },
  );
});

test('a receiver that asks for no payloads gets its matches', async () => {
  const [mine, theirs] = sets(30, 30, 10);
  const [a, b] = channelPair(ids[1], ids[0]);
  const shared = { sid: `0x${'ab'.repeat(32)}` as Hash, capacity: { receiver: 30, sender: 30 }, rng: nodeRng, crypto };
  const brought = { ...shared, payloadBytes: 8 };
  const sender = rr22Sender({ ...brought, channel: b, items: theirs, payloads: random(240) });
  expect([...(await rr22Receiver({ ...brought, channel: a, items: mine }))]).toEqual([...Array(10).keys()]);
  await sender;
});

/** Seals under the outputs of one party and opens under those of another, for sets that are the same for the store. */
async function sealing(security: (typeof MODES)[number], rowsOf: number, payloadBytes: number) {
  const kernels = await loadKernels();
  const rows = okvsRows(kernels, okvsParameters(rowsOf), random(32), random(16 * rowsOf));
  const blocks = kernels.put(random(16 * rowsOf));
  const w = security === 'malicious' ? random(16) : undefined;
  const source = { kernels, crypto, session: random(32), payloadBytes };
  const marks = kernels.put(new Uint8Array(rowsOf).fill(1));
  /** Row by row as they lie. */
  const rankOf = new Uint32Array(rowsOf);
  const items = Array.from(rows.counts.entries()).flatMap(([bin, count]) => [
    ...kernels.words(rows.indices + 4 * bin * rows.parameters.binCapacity, count),
  ]);
  for (const [at, item] of items.entries()) rankOf[item] = at;
  return { kernels, source, outputs: { rows, blocks, w }, opened: { marks, rankOf }, items };
}

test.each(MODES)('%s: a pad opens what it sealed; that of an output one bit away opens nothing', async (security) => {
  const [n, size] = [700, 40];
  const { kernels, source, outputs, opened, items } = await sealing(security, n, size);
  const payloads = random(size * n);
  const sealed = sealPayloads(source, outputs, payloads, nodeRng);
  const right = sealed.slice();
  openPayloads(source, outputs, opened, right);
  for (const [at, item] of items.entries()) {
    expect(hex(right.subarray(size * at, size * at + size))).toBe(
      hex(payloads.subarray(size * item, size * item + size)),
    );
  }
  const blocks = kernels.bytes(outputs.blocks, 16 * n);
  for (let i = 0; i < n; i++) blocks[16 * i + (i % 16)]! ^= 1 << (i & 7);
  const wrong = sealed.slice();
  openPayloads(source, outputs, opened, wrong);
  // 5,600 words of 32 bits from which nothing is left but chance.
  const [got, meant] = [new Uint32Array(wrong.buffer), new Uint32Array(right.buffer)];
  expect(got.filter((word, i) => word === meant[i]).length).toBeLessThan(2);
});

test.each(MODES)('%s: pads differ by row and by block, and from tags; equal payloads do not show', async (security) => {
  const [n, size] = [300, 48];
  const { kernels, source, outputs } = await sealing(security, n, size);
  const sealed = sealPayloads(source, outputs, new Uint8Array(size * n), nodeRng);
  const pads = new Set<string>();
  for (let at = 0; at < sealed.length; at += 16) pads.add(hex(sealed.subarray(at, at + 16)));
  const blocks = kernels.bytes(outputs.blocks, 16 * n);
  for (let i = 0; i < n; i++) pads.add(hex(blocks.subarray(16 * i, 16 * i + 16)));
  expect(pads.size).toBe(4 * n);
  const again = sealPayloads({ ...source, session: random(32) }, outputs, new Uint8Array(size * n), nodeRng);
  expect(again.filter((byte, i) => byte === sealed[i]).length).toBeLessThan(sealed.length / 64);
});

test('in what travels, the payload of no item stands, nor does its sealed form repeat', async () => {
  const [mine, theirs] = sets(40, 40, 20);
  const payload = random(16);
  const payloads = Buffer.concat(Array(40).fill(payload));
  for (const security of MODES) {
    const frames: Uint8Array[] = [];
    const wrap = ([a, b]: [Channel, Channel]): [Channel, Channel] => [a, taped(b, frames)];
    const got = await delivered(mine, theirs, { payloadBytes: 16, payloads, security, wrap });
    expect(got).toEqual(Array.from({ length: 20 }, (_, i) => [i, hex(payload)]));
    const [tags, sealed] = frames.slice(-2).map((frame) => frame.subarray(16)) as [Uint8Array, Uint8Array];
    expect(sealed.length).toBe(16 * 40);
    const parts = Array.from({ length: 40 }, (_, i) => hex(sealed.subarray(16 * i, 16 * i + 16)));
    expect(new Set([...parts, hex(payload)]).size).toBe(41);
    const width = tags.length / 40;
    for (let i = 0; i < 40; i++) {
      const pad = sealed.subarray(16 * i, 16 * i + 16).map((byte, k) => byte ^ payload[k]!);
      expect(hex(pad.subarray(0, width))).not.toBe(hex(tags.subarray(width * i, width * i + width)));
    }
  }
});

test('a wanted tag is found where it comes first', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: 30 })),
      fc.array(fc.integer({ min: 0, max: 30 })),
      fc.integer({ min: 8, max: 16 }),
      (wanted, tags, width) => {
        // Tags that differ in their last byte alone meet in the table.
        const packed = (values: number[]) =>
          Buffer.concat(values.map((v) => Buffer.concat([Buffer.alloc(width - 1, v & 3), Buffer.of(v)])));
        const { places, ranks } = placesOf(packed(wanted), packed(tags), width);
        expect(places).toEqual(places.toSorted((a, b) => a - b));
        expect(new Map(ranks.map((rank, i) => [wanted[rank], places[i]]))).toEqual(
          new Map(wanted.filter((value) => tags.includes(value)).map((value) => [value, tags.indexOf(value)])),
        );
      },
    ),
  );
});

test('what travels has the same lengths for the same capacities and payload bytes, whatever sets and payloads hold', async () => {
  for (const security of MODES) {
    const traces = [];
    for (const [mine, theirs, common] of [
      [0, 0, 0],
      [300, 200, 200],
      [17, 120, 1],
    ] as const) {
      const trace: string[] = [];
      const spy = (name: string, channel: Channel): Channel => ({
        ...channel,
        send: (frame) => {
          trace.push(`${name} ${frame.length}`);
          return channel.send(frame);
        },
      });
      const [a, b] = sets(mine, theirs, common);
      await delivered(a, b, {
        ...{ payloadBytes: 24, payloads: common === 1 ? random(24 * theirs) : new Uint8Array(24 * theirs), security },
        capacity: { receiver: 300, sender: 200 },
        wrap: ([x, y]) => [spy('receiver', x), spy('sender', y)],
      });
      traces.push(trace);
    }
    expect(traces[0]?.at(-1)).toBe(`sender ${16 + 24 * 200}`);
    expect(traces[1]).toEqual(traces[0]);
    expect(traces[2]).toEqual(traces[0]);
  }
});

test('payloads travel in the order of the shuffled tags, not of the items', async () => {
  const [mine, theirs] = sets(20, 20, 0);
  /** The last two frames of a run that repeats another but for what the sender draws for the order. */
  const sent = async (last: string) => {
    const frames: Uint8Array[] = [];
    const [rng, lastRng] = [seededRng('sender'), seededRng(last)];
    let drawn = 0;
    const order: Rng = { fill: (bytes) => (bytes.length === 16 && drawn++ === 1 ? lastRng : rng).fill(bytes) };
    const wrap = ([a, b]: [Channel, Channel]): [Channel, Channel] => [a, taped(b, frames)];
    const sid = `0x${'cd'.repeat(32)}` as Hash;
    const extra = { payloadBytes: 8, payloads: new Uint8Array(160), wrap, sid, rng: seededRng('receiver') };
    await delivered(mine, theirs, extra, { rng: order });
    const [tags, sealed] = frames.slice(-2).map((frame) => frame.subarray(16)) as [Uint8Array, Uint8Array];
    return Array.from({ length: 20 }, (_, i) =>
      [tags, sealed].map((all) => hex(all.subarray(8 * i, 8 * i + 8))).join(),
    );
  };
  const [first, same, other] = [await sent('a'), await sent('a'), await sent('b')];
  expect(first).toEqual(same);
  expect(other).not.toEqual(first);
  expect(other.toSorted()).toEqual(first.toSorted());
});

test('another number of payload bytes, or none, ends both sides at the first frame', async () => {
  const [mine, theirs] = sets(10, 10, 5);
  for (const payloadBytes of [16, 0]) {
    const own = { payloadBytes, payloads: new Uint8Array(10 * payloadBytes) };
    const { received, sent } = await run(mine, theirs, { payloadBytes: 8 }, own);
    expect(sent).toMatchObject({ status: 'rejected', reason: code('PSI_SESSION_MISMATCH') });
    expect(received).toMatchObject({ status: 'rejected', reason: code('CHANNEL_CLOSED') });
  }
});

const faults: ChannelFault[] = [
  { kind: 'truncate', bytes: 15 },
  { kind: 'truncate', bytes: 17 },
  { kind: 'oversize', bytes: 1 },
  { kind: 'flip', bit: 3 },
  { kind: 'close' },
];

test.each(faults)('a frame of payloads that suffers $kind gives no result', async (fault) => {
  const [mine, theirs] = sets(5, 5, 2);
  // Offer, answer, correction, tags: the payloads are the last frame.
  for (const [security, frames] of [
    ['semi-honest', 5],
    ['malicious', 9],
  ] as const) {
    if (security === 'malicious' && fault.kind !== 'flip') continue;
    const taken: Uint8Array[] = [];
    const wrap = ([a, b]: [Channel, Channel]): [Channel, Channel] => {
      return [a, faultyChannel(taped(b, taken), faultAt(frames - 1, fault))];
    };
    const { received, sent } = await run(mine, theirs, { payloadBytes: 8, payloads: random(40), security, wrap });
    expect(received.status).toBe('rejected');
    for (const result of [received, sent]) {
      if (result.status === 'rejected') expect(isNodeError(result.reason)).toBe(true);
    }
    expect(taken.length).toBe(fault.kind === 'close' ? frames - 1 : frames);
  }
});

test('payloads that do not fit their items are refused before anything is sent', async () => {
  const [mine, theirs] = sets(10, 10, 5);
  const refused = async (extra: Extra, expected: string) => {
    const frames: Uint8Array[] = [];
    const wrap = ([a, b]: [Channel, Channel]): [Channel, Channel] => [a, taped(b, frames)];
    const { sent } = await run(mine, theirs, { ...extra, wrap });
    expect(sent).toMatchObject({ status: 'rejected', reason: code(expected) });
    expect(frames).toEqual([]);
  };
  await refused({ payloadBytes: 8, payloads: random(79) }, 'PSI_BAD_PAYLOADS');
  await refused({ payloadBytes: 8 }, 'PSI_BAD_PAYLOADS');
  await refused({ payloads: random(80) }, 'PSI_BAD_PAYLOADS');
  for (const payloadBytes of [-1, 1.5, 4_097]) await refused({ payloadBytes }, 'PSI_BAD_PAYLOADS');
  const many = { receiver: 10, sender: 2 ** 20 };
  await refused({ payloadBytes: 4_096, payloads: random(40_960), capacity: many }, 'PSI_BAD_PAYLOADS');
  await refused({ payloadBytes: 8, payloads: random(80), encoding: 'compact' }, 'PSI_BAD_MODE');
});

test('what is sent is what the sender held at the call', async () => {
  const [mine, theirs] = sets(10, 10, 10);
  const payloads = random(80);
  const expected = oracle(mine, theirs, payloads, 8);
  const running = delivered(mine, theirs, { payloadBytes: 8, payloads });
  payloads.fill(0);
  expect(await running).toEqual(expected);
});

test('the cards say that payloads are learnt, and whose', () => {
  for (const [security, plain] of [
    ['semi-honest', rr22Card],
    ['malicious', rr22MaliciousCard],
  ] as const) {
    const card = rr22CardOf({ security, payloadBytes: 8 });
    expect(card).toMatchObject({ id: plain.id.replace('rr22', 'rr22-payload'), security, seats: 2 });
    expect(card.learns.filter((text) => /payload of each/.test(text)).length).toBe(1);
    expect(rr22CardOf({ security })).toBe(plain);
  }
});
