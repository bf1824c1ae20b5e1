/** What the dealer sees, what it can do, and what becomes of a run without it. That runs are right is in backend.test.ts. */
import { type Channel, type CryptoProvider, type Hash, Plan, type SeatContext } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import { describe, expect, test } from 'vitest';
import { type Circuit, CircuitBuilder } from '../../circuit.ts';
import { Masks } from '../../rep3/masks.ts';
import { type Simulation, simulateSeats } from '../../simulate.ts';
import { additiveDealerSemiHonest, runDealtCircuit } from './backend.ts';

const SID = `0x${'ab'.repeat(32)}` as Hash;
const [SECRET, BINDING] = [16, 32];

/** The sign and the product of two words of one holder, and the product alone. */
const LENGTH = 3;
const range = { fractionBits: 0, lo: '-1000', hi: '1000' };
const PLAN = Plan.parse({
  ...{ v: 1, language: '2pm/1', name: 'test', tables: {}, recipients: ['analyst'], result: 5 },
  roles: { h: { min: 1, max: 1, tables: [] } },
  nodes: [
    ...[0, 2].flatMap((at) => [
      { op: 'count/1', args: [], attrs: {}, type: { kind: 'local', role: 'h', length: LENGTH, ...range }, line: 1 },
      {
        op: 'total/1',
        args: [at],
        attrs: {},
        type: { kind: 'shared', length: LENGTH, dtype: 'int', ...range },
        line: 2,
      },
    ]),
    ...['mul/1', 'lt/1'].flatMap((op, i) => [
      {
        ...{ op, args: [1, 3], attrs: {}, line: 3 },
        type: {
          kind: 'shared',
          length: LENGTH,
          dtype: op === 'lt/1' ? 'bool' : 'int',
          ...range,
          lo: '-1000000',
          hi: '1000000',
        },
      },
      {
        ...{ op: 'reveal/1', args: [4 + 2 * i], attrs: { name: `r${i}`, to: 'analyst' }, line: 4 },
        type: { kind: 'opened', length: LENGTH, to: 'analyst', fractionBits: 0, lo: '-1000000', hi: '1000000' },
      },
    ]),
  ],
});
const X = BigInt64Array.of(11n, 12n, -13n);
const Y = BigInt64Array.of(4n, 12n, 6n);

function simulate(more: Partial<Simulation> = {}, backend = additiveDealerSemiHonest) {
  return simulateSeats(backend, {
    ...{ plan: PLAN, sid: SID, roles: { h: 1 }, rng: seededRng(1), crypto: nodeCrypto, seats: 3 },
    inputs: new Map([['h', [[X, Y]]]]),
    ...more,
  });
}

const values = async (run: ReturnType<typeof simulate>) => [...(await run).opened.values()];
const RIGHT = [
  [44n, 144n, -78n],
  [0n, 0n, 1n],
];

function through(channel: Channel, alter: (frame: Uint8Array) => Uint8Array[]): Channel {
  return {
    peer: channel.peer,
    stats: channel.stats,
    send: async (frame) => {
      for (const altered of alter(frame)) await channel.send(altered);
    },
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  };
}

/** Frames by sender and receiver. */
async function recorded(more: Partial<Simulation> = {}) {
  const frames = new Map<string, Uint8Array[]>();
  const wrap = (channel: Channel, seat: number, peer: number) => {
    const own: Uint8Array[] = [];
    frames.set(`${seat}${peer}`, own);
    return through(channel, (frame) => {
      own.push(frame.slice());
      return [frame];
    });
  };
  const result = await simulate({ wrap, ...more });
  return { ...result, of: (from: number, to: number) => frames.get(`${from}${to}`) ?? [] };
}

describe.each([3, 4])('of %i seats, the dealer', (seats) => {
  const computing = Array.from({ length: seats - 1 }, (_, seat) => seat);
  const dealer = seats - 1;

  test('is sent the same bytes whatever the inputs, but for digests at the end', async () => {
    const one = await recorded({ seats });
    const other = await recorded({ seats, inputs: new Map([['h', [[Y, BigInt64Array.of(-1n, 5n, 0n)]]]]) });
    expect([...one.opened.values()]).toEqual(RIGHT);
    expect([...other.opened.values()]).not.toEqual(RIGHT);
    for (const seat of computing) {
      const [first, last, ...more] = one.of(seat, dealer);
      expect([first?.length, last?.length, more]).toEqual([BINDING + SECRET, 64 * dealer, []]);
      expect(other.of(seat, dealer)[0]).toEqual(first);
      expect(other.of(seat, dealer)).toHaveLength(2);
      // What the seats say among themselves does depend on them.
      const peer = (seat + 1) % dealer;
      expect(other.of(seat, peer)).not.toEqual(one.of(seat, peer));
    }
  });

  test('sends what does not depend on them either', async () => {
    const one = await recorded({ seats });
    const other = await recorded({ seats, inputs: new Map([['h', [[Y, X]]]]) });
    for (const seat of computing)
      expect(other.of(dealer, seat).slice(0, -1)).toEqual(one.of(dealer, seat).slice(0, -1));
  });

  test('never sees the secret with which every stream between two others begins, so that digests tell nothing', async () => {
    const { of } = await recorded({ seats });
    const toDealer = computing.flatMap((seat) => of(seat, dealer)).map((frame) => Buffer.from(frame));
    const secrets = computing.flatMap((from) =>
      computing.filter((to) => to !== from).map((to) => Buffer.from(of(from, to)[0]!.subarray(BINDING))),
    );
    expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).toBe(secrets.length);
    for (const secret of secrets) {
      expect(secret.length).toBe(SECRET);
      expect(toDealer.some((frame) => frame.includes(secret))).toBe(false);
    }
  });

  test('gets no input and gives no output', async () => {
    const messages = additiveDealerSemiHonest.shareInputs([X, Y], {
      ...{ sid: SID, rng: seededRng(1), crypto: nodeCrypto, seats },
    });
    expect(messages.map(({ length }) => length)).toEqual([...new Array(seats - 2).fill(16), 8 * 2 * LENGTH, 0]);
    const { seats: ran } = await simulate({ seats });
    expect([...(ran[dealer]?.outputs.values() ?? [])].map(({ length }) => length)).toEqual([0, 0]);
    expect(new Set(ran.map(({ transcript }) => transcript)).size).toBe(1);
  });
});

test('output shares are masked by what the dealer does not know: else they would tell it the operands of a product', async () => {
  const circuit = circuitOf((b, [x = 0, y = 0]) => b.words('mul', LENGTH, [x, y]));
  const frames = new Map<string, Uint8Array>();
  const wrap = (channel: Channel, seat: number, peer: number) =>
    through(channel, (frame) => {
      if (!frames.has(`${seat}${peer}`)) frames.set(`${seat}${peer}`, frame.slice());
      return [frame];
    });
  const { seats } = await simulate({ wrap }, withCircuit(circuit));
  const first = (from: number, to: number) => frames.get(`${from}${to}`)!;
  const streamOf = (low: number, high: number) => {
    const seeds = [first(low, high), first(high, low)].map((frame) => [...frame.subarray(BINDING)]);
    const binding = `0x${Buffer.from(first(low, high).subarray(0, BINDING)).toString('hex')}` as Hash;
    return new Masks(nodeCrypto, Uint8Array.from(seeds.flat()), binding);
  };
  const words = (stream: Masks) => new BigUint64Array(stream.bytes(8 * LENGTH).slice().buffer);
  // What the dealer knows: of seat 0 the factors, of seat 1 the share of the product as well.
  const [zero, one] = [streamOf(0, 2), streamOf(1, 2)];
  const [a0, b0, a1, b1, c1] = [words(zero), words(zero), words(one), words(one), words(one)];
  const share = new BigUint64Array(seats[1]!.outputs.get(0)!.slice().buffer);
  const mask = words(streamOf(0, 1));
  for (let i = 0; i < LENGTH; i++) {
    const [d, e] = [X[i]! - a0[i]! - a1[i]!, Y[i]! - b0[i]! - b1[i]!];
    const bare = BigInt.asUintN(64, c1[i]! + d * b1[i]! + e * a1[i]!);
    expect(share[i]).not.toBe(bare);
    expect(BigInt.asUintN(64, share[i]! + mask[i]!)).toBe(bare);
  }
});

describe('a dealer', () => {
  test('that deals wrongly shifts results and nobody notices, as the card says', async () => {
    const lying: CryptoProvider = {
      ...nodeCrypto,
      aes128Ctr: (...args) => nodeCrypto.aes128Ctr(...args).map((byte) => byte ^ 1),
    };
    const backend = {
      ...additiveDealerSemiHonest,
      runSeat: (context: SeatContext) =>
        additiveDealerSemiHonest.runSeat(context.seat === 2 ? { ...context, crypto: lying } : context),
    };
    const { opened, seats } = await simulate({}, backend);
    expect([...opened.values()]).not.toEqual(RIGHT);
    expect(new Set(seats.map(({ transcript }) => transcript)).size).toBe(1);
    expect(additiveDealerSemiHonest.card.learns.join(' ')).toContain('shift a result unnoticed');
  });

  const ways: Record<string, [alter: (frame: Uint8Array) => Uint8Array[], code: RegExp]> = {
    'a byte less': [(frame) => [frame.subarray(1)], /^MPC_BAD_FRAME$/],
    'a byte more': [(frame) => [new Uint8Array([...frame, 0])], /^MPC_BAD_FRAME$/],
    'a frame twice': [(frame) => [frame, frame], /^MPC_(BAD_FRAME|TRANSCRIPT_MISMATCH)$/],
    'another byte': [
      (frame) => [frame.map((byte, i) => (i === frame.length - 1 ? byte ^ 1 : byte))],
      /^MPC_TRANSCRIPT_MISMATCH$/,
    ],
  };
  test.each(Object.entries(ways))('whose messages arrive with %s is found out', async (_, [alter, code]) => {
    const count = (await recorded()).of(2, 0).length;
    // What is agreed on, for products, for ANDs, and digests.
    expect(count).toBe(4);
    for (let place = 0; place < count; place++) {
      let seen = 0;
      const wrap = (channel: Channel, seat: number, peer: number) =>
        seat === 2 && peer === 0 ? through(channel, (frame) => (seen++ === place ? alter(frame) : [frame])) : channel;
      const outcome = await values(simulate({ wrap })).catch((error: Error) => error);
      // What comes after the last frame nobody reads any more.
      if (place === count - 1 && !(outcome instanceof Error)) expect(outcome).toEqual(RIGHT);
      else expect([place, outcome]).toEqual([place, expect.objectContaining({ code: expect.stringMatching(code) })]);
    }
  });

  test('that is lost ends the run of all others, wherever it was', async () => {
    const count = (await recorded()).of(2, 0).length;
    for (let place = 0; place < count; place++) {
      let seen = 0;
      const wrap = (channel: Channel, seat: number, peer: number) =>
        seat !== 2 || peer !== 0
          ? channel
          : through(channel, (frame) => {
              if (seen++ === place) throw Object.assign(new Error('killed'), { code: 'CHANNEL_CLOSED' });
              return [frame];
            });
      await expect(simulate({ wrap })).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
    }
  });
});

describe('what it cannot do it refuses', () => {
  const contextOf = (seats: number, seat = 0): SeatContext => ({
    ...{ plan: PLAN, sid: SID, seat, roles: { h: 1 }, inputs: new Map(), matchers: new Map() },
    channels: new Map(Array.from({ length: seats - 1 }, (_, i) => [i + 1, {} as Channel])),
    ...{ rng: seededRng(1), crypto: nodeCrypto, signal: new AbortController().signal },
  });

  test.each([2, 9])('%i seats', async (seats) => {
    await expect(additiveDealerSemiHonest.runSeat(contextOf(seats))).rejects.toMatchObject({ code: 'MPC_BAD_SEAT' });
  });

  test('an input to the dealer', async () => {
    const context = { ...contextOf(3, 2), inputs: new Map([['h', [new Uint8Array(1)]]]) };
    await expect(additiveDealerSemiHonest.runSeat(context)).rejects.toMatchObject({ code: 'MPC_BAD_INPUT' });
  });

  test('an output share of the dealer, and any number of seats but its own', () => {
    const share = new Uint8Array(8 * LENGTH);
    const open = (...shares: Uint8Array[]) => additiveDealerSemiHonest.open(PLAN, { h: 1 }, 5, shares);
    expect(open(share, share, new Uint8Array(0))).toEqual([0n, 0n, 0n]);
    const refused = expect.objectContaining({ code: 'MPC_INCONSISTENT_SHARES' });
    expect(() => open(share, share, share)).toThrow(refused);
    expect(() => open(share, new Uint8Array(0))).toThrow(refused);
    expect(() => open(share, share.subarray(1), new Uint8Array(0))).toThrow(refused);
  });

  test('a gate that it does not know', async () => {
    const circuit = circuitOf((b, args) =>
      b.add({ op: 'shuffle', args, form: 'words', length: 2 * LENGTH, rows: LENGTH }),
    );
    await expect(simulate({}, withCircuit(circuit))).rejects.toMatchObject({ code: 'MPC_UNSUPPORTED' });
  });
});

/** On both inputs; the last gate is the output. */
function circuitOf(build: (b: CircuitBuilder, inputs: number[]) => number): Circuit {
  const b = new CircuitBuilder();
  const inputs = [0, LENGTH].map((offset) =>
    b.add({ op: 'total', args: [], form: 'words', length: LENGTH, input: { role: 'h', offset, length: LENGTH } }),
  );
  const value = build(b, inputs);
  return { gates: b.gates, outputs: [{ node: 0, value }], inputWords: new Map([['h', 2 * LENGTH]]) };
}

function withCircuit(circuit: Circuit): typeof additiveDealerSemiHonest {
  return {
    ...additiveDealerSemiHonest,
    runSeat: (context) => runDealtCircuit(circuit, context),
    open: () => [],
  };
}
