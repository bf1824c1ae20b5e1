import { channelPair, type Hash, type NodeId, type Plan } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { silentOtMessageBytes } from '@2pm/crypto/ot';
import { describe, expect, test } from 'vitest';
import { CircuitBuilder } from '../circuit.ts';
import { execute } from '../execute.ts';
import { loadSimd } from '../rep3/simd.ts';
import { schedule } from '../schedule.ts';
import { type Demand, demandOf, portionsOf } from './demand.ts';
import { AdditiveEngine, ROUND_COSTS } from './engine.ts';
import { fuse } from './fuse.ts';
import { Link } from './link.ts';
import { makeCorrelations, preprocessingOf } from './preprocessing.ts';
import { Supply } from './supply.ts';
import { directionOf, piecesOf } from './transfers.ts';

const BINDING = `0x${'cd'.repeat(32)}` as Hash;
const NONE: Demand = { words: 0, bits: 0, carries: 0, crossWords: 0, choices: 0, matrices: [] };
const shapeOf = (rows: number, inner: number, columns: number) => ({
  gate: { op: 'matmul' as const, args: [], form: 'words' as const, length: rows * columns, inner },
  ...{ rows, inner, columns },
});
const modulo = (value: bigint) => BigInt.asUintN(64, value);
const bitOf = (packed: Uint32Array, i: number) => BigInt((packed[i >> 5]! >>> (i & 31)) & 1);

/** Both seats in one process. */
async function make(demand: Demand) {
  const channels = channelPair('0x1' as NodeId, '0x0' as NodeId);
  let steps = 0;
  const [one, other] = await Promise.all(
    channels.map(async (channel, seat) => {
      const context = {
        ...{ plan: {} as Plan, sid: BINDING, seat, roles: {}, inputs: new Map(), rng: nodeRng, crypto: nodeCrypto },
        ...{ channels: new Map([[1 - seat, channel]]), signal: new AbortController().signal },
      };
      const onStep = () => void steps++;
      const link = new Link(context, 'test', BINDING);
      return makeCorrelations(context, { link, binding: BINDING, simd: await loadSimd(), onStep }, demand);
    }),
  );
  expect(steps).toBe(2 * preprocessingOf(demand, BINDING).steps);
  return { one: one!, other: other!, sent: channels.map(({ stats }) => stats.bytesSent) };
}

describe('every correlation is right', () => {
  test.each<[string, Demand]>([
    [
      'a few of each',
      {
        words: 3,
        bits: 64,
        carries: 3,
        crossWords: 64,
        choices: 96,
        matrices: [shapeOf(2, 3, 2), shapeOf(5, 1, 1)],
      },
    ],
    ['of some kinds alone', { ...NONE, crossWords: 32 }],
    [
      'more than a batch',
      {
        ...NONE,
        words: 16_001,
        bits: 20_000,
        carries: 141,
        crossWords: 9_000,
        choices: 3_200,
        matrices: [shapeOf(3, 40, 20), shapeOf(1, 9, 1000)],
      },
    ],
  ])('%s', async (_, demand) => {
    const { one, other } = await make(demand);
    let wrong = 0;
    const [x, y] = [one.words, other.words];
    expect(x.a.length).toBeGreaterThanOrEqual(demand.words);
    for (let i = 0; i < x.a.length; i++) {
      if (modulo((x.a[i]! + y.a[i]!) * (x.b[i]! + y.b[i]!)) !== modulo(x.c[i]! + y.c[i]!)) wrong++;
    }
    const [p, q] = [one.bits, other.bits];
    expect(32 * p.a.length).toBeGreaterThanOrEqual(demand.bits);
    for (let i = 0; i < p.a.length; i++) {
      if (((p.a[i]! ^ q.a[i]!) & (p.b[i]! ^ q.b[i]!)) !== (p.c[i]! ^ q.c[i]!)) wrong++;
    }
    const [f, g] = [one.carries, other.carries];
    expect(g.choice.length).toBeGreaterThanOrEqual(demand.carries);
    expect([f.choice.length, f.pad.length]).toEqual([0, 16 * g.choice.length]);
    for (let i = 0; i < g.pad.length; i++) {
      const choice = Number((g.choice[i >> 4]! >> BigInt(4 * (i & 15))) & 15n);
      if (((f.pad[i]! >>> (2 * choice)) & 3) !== g.pad[i]) wrong++;
    }
    const [s, t] = [one.crossWords, other.crossWords];
    expect(32 * s.factor.length).toBeGreaterThanOrEqual(demand.crossWords);
    for (let i = 0; i < s.share.length; i++) {
      if (bitOf(s.factor, i) * bitOf(t.factor, i) !== modulo(s.share[i]! + t.share[i]!)) wrong++;
    }
    for (const [from, to] of [
      [one.choices, other.choices],
      [other.choices, one.choices],
    ] as const) {
      expect(from.word.length).toBeGreaterThanOrEqual(demand.choices);
      for (let i = 0; i < from.word.length; i++) {
        if (from.word[i]! * bitOf(to.bit, i) !== modulo(from.sent[i]! + to.received[i]!)) wrong++;
      }
    }
    for (const { gate, rows, inner, columns } of demand.matrices) {
      const [m, n] = [one.matrices.get(gate)!, other.matrices.get(gate)!];
      for (let i = 0; i < rows * columns; i++) {
        let sum = 0n;
        for (let k = 0; k < inner; k++) {
          const [left, right] = [Math.floor(i / columns) * inner + k, k * columns + (i % columns)];
          sum += (m.a[left]! + n.a[left]!) * (m.b[right]! + n.b[right]!);
        }
        if (modulo(sum) !== modulo(m.c[i]! + n.c[i]!)) wrong++;
      }
    }
    expect(wrong).toBe(0);
  });

  test('and none repeats', async () => {
    const { one, other } = await make({ ...NONE, words: 1000, crossWords: 1000 });
    for (const { words, crossWords } of [one, other]) {
      for (const vector of [words.a, words.b, words.c, crossWords.share]) {
        expect(new Set(vector).size).toBe(vector.length);
      }
    }
  });
});

describe('what is sent', () => {
  /** By each seat, from the lengths that the transfers and the products state. */
  const expected = (demand: Demand) =>
    [0, 1].map((seat) => {
      const products = demand.matrices.reduce((sum, { rows, inner, columns }) => sum + rows * inner * columns, 0);
      const offered = 1_769_472 * Math.ceil((demand.words + products) / 8192);
      const lengths = [seat, 1 - seat].map((from) => {
        const direction = directionOf(demand, from, BINDING);
        if (direction === undefined) return { sender: 0, receiver: 0 };
        const { offer, answer, choice, correction } = silentOtMessageBytes(direction);
        return { sender: answer + direction.batches * correction, receiver: offer + choice };
      });
      const [out, back] = lengths as [(typeof lengths)[0], (typeof lengths)[0]];
      return offered + out.sender + back.receiver + 8 * demand.choices + (seat === 0 ? 8 * demand.crossWords : 0);
    });

  test('is 1.77 MB for 8192 products of words, 8 of seat 0 a product of bits as words, and the transfers’ own', async () => {
    for (const demand of [
      { ...NONE, words: 8193 },
      { ...NONE, matrices: [shapeOf(3, 40, 20), shapeOf(2, 20, 70)] },
      { ...NONE, bits: 50_048, crossWords: 128, choices: 256, words: 2 },
    ]) {
      expect((await make(demand)).sent).toEqual(expected(demand));
    }
  });

  test('comes to 230 bytes or less for one of many triples of words, and to 0.3 for one of bits', () => {
    for (const words of [16_384, 100_000, 1_000_000]) {
      for (const bytes of expected({ ...NONE, words })) expect(bytes / words).toBeLessThan(231);
    }
    for (const bytes of expected({ ...NONE, bits: 2 ** 20 })) expect(bytes / 2 ** 20).toBeLessThan(0.3);
  });

  test('takes a round for every four batches of products and one more, and three for transfers', () => {
    const rounds = (demand: Partial<Demand>) => preprocessingOf({ ...NONE, ...demand }, BINDING).rounds;
    expect([0, 1, 32_768, 32_769].map((words) => rounds({ words }))).toEqual([0, 2, 2, 3]);
    expect(rounds({ words: 1, bits: 32 })).toBe(5);
    expect(rounds({ bits: 32 })).toBe(3);
  });
});

test('the pieces of all batches are each portion once, in order', () => {
  const demand = {
    words: 40_000,
    bits: 300_000,
    carries: 2,
    crossWords: 32,
    choices: 320,
    matrices: [shapeOf(3, 9, 11)],
  };
  for (const from of [0, 1]) {
    const direction = directionOf(demand, from, BINDING)!;
    const seen = new Map<object, number>();
    const places = new Set<number>();
    for (let batch = 0; batch < direction.batches; batch++) {
      for (const { portion, from: start, count, at } of piecesOf(direction, batch, 0)) {
        expect(start).toBe(seen.get(portion) ?? 0);
        expect(count % 128).toBe(0);
        seen.set(portion, start + count);
        places.add(batch * 2 ** 32 + at);
        expect(at / 16 + count).toBeLessThanOrEqual(direction.parameters.length);
      }
    }
    expect([...seen].map(([portion, count]) => [portion, count])).toEqual(
      direction.portions.map((portion) => [portion, portion.transfers]),
    );
    expect(direction.portions).toEqual(portionsOf(demand, from));
  }
});

test('the demand of a circuit is what its operations draw, to the last one', async () => {
  const b = new CircuitBuilder();
  const input = (offset: number, length: number) =>
    b.add({ op: 'total', args: [], form: 'words', length, input: { role: 'h', offset, length } });
  const [x, y] = [input(0, 70), input(70, 70)];
  const product = b.words('mul', 70, [x, y]);
  const sign = b.bits('negative', 70, [product]);
  const zero = b.bits('zero', 70, [x]);
  const last = [
    b.words('dot', 7, [x, y]),
    b.words('inject', 70, [b.bits('and', 70, [sign, zero])]),
    b.truncate(x, 9),
    b.words('mul', 70, [b.words('inject', 70, [zero]), y]),
    b.matmul(x, input(0, 35), 35),
  ];
  const outputs = last.map((value, node) => ({ node, value }));
  const circuit = fuse({ gates: b.gates, outputs, inputWords: new Map() });
  const demand = demandOf(circuit);
  const { one, other } = await make(demand);
  const planned = schedule(circuit, ROUND_COSTS);
  const channels = channelPair('0x1' as NodeId, '0x0' as NodeId);
  const used = await Promise.all(
    [one, other].map(async (correlations, seat) => {
      const supply = new Supply(correlations);
      const engine = new AdditiveEngine(seat, supply, await loadSimd(), ({ length }) => new BigUint64Array(length));
      await execute(circuit, planned, engine, async ({ send, expect }) => {
        if (send.length > 0) await channels[seat]!.send(send);
        return expect === 0 ? new Uint8Array(0) : channels[seat]!.receive();
      });
      return supply.used;
    }),
  );
  const { words, bits, carries, crossWords, choices } = demand;
  expect(choices).toBe(96);
  const all = {
    words,
    bits: bits / 32,
    carries,
    crossWords: crossWords / 32,
    choices: choices / 32,
    matrices: 1,
  };
  expect(used).toEqual([all, all]);
});

test('what is used up is not drawn again', async () => {
  const { one } = await make({ ...NONE, crossWords: 128 });
  const supply = new Supply(one);
  expect(supply.crossWords(3).share.length).toBe(96);
  expect(() => supply.crossWords(2)).toThrow();
  expect(() => supply.words(1)).toThrow();
  expect(() => supply.matrix(shapeOf(1, 1, 1).gate)).toThrow();
});
