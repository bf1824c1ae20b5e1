import { type Channel, channelPair, type Hash, type NodeId, type Plan } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { silentOtMessageBytes } from '@2pm/crypto/ot';
import { describe, expect, test } from 'vitest';
import { CircuitBuilder, type Gate } from '../circuit.ts';
import { execute } from '../execute.ts';
import { Masks } from '../rep3/masks.ts';
import { loadSimd } from '../rep3/simd.ts';
import { schedule } from '../schedule.ts';
import { deal, piecesOf as dealtPieces, receiveDealt, toldBytes } from './dealer/correlations.ts';
import { type Demand, demandOf, portionsOf } from './demand.ts';
import { fuse } from './fuse.ts';
import { Links } from './links.ts';
import { makeCorrelations, preprocessingOf } from './preprocessing.ts';
import { SeveralSeatEngine, severalCosts } from './several-seats.ts';
import { Supply } from './supply.ts';
import { directionOf, piecesOf } from './transfers.ts';
import { TwoSeatEngine } from './two-seats.ts';

const BINDING = `0x${'cd'.repeat(32)}` as Hash;
const NONE: Demand = { words: 0, bits: 0, carries: 0, crossWords: 0, choices: 0, matrices: [] };
const shapeOf = (rows: number, inner: number, columns: number) => ({
  gate: { op: 'matmul' as const, args: [], form: 'words' as const, length: rows * columns, inner },
  ...{ rows, inner, columns },
});
const modulo = (value: bigint) => BigInt.asUintN(64, value);
const bitOf = (packed: Uint32Array, i: number) => BigInt((packed[i >> 5]! >>> (i & 31)) & 1);

/** All seats in one process; the last is the dealer where there is one, and makes none for itself. */
async function make(demand: Demand, computing = 2, from: 'pairs' | 'dealer' = 'pairs') {
  const dealer = from === 'dealer' ? computing : undefined;
  const seats = computing + (dealer === undefined ? 0 : 1);
  const numbers = Array.from({ length: seats }, (_, seat) => seat);
  const channels = numbers.map(() => new Map<number, Channel>());
  for (const seat of numbers) {
    for (const peer of numbers.slice(seat + 1)) {
      const [mine, theirs] = channelPair(`0x${peer}` as NodeId, `0x${seat}` as NodeId);
      channels[seat]!.set(peer, mine);
      channels[peer]!.set(seat, theirs);
    }
  }
  let steps = 0;
  const made = await Promise.all(
    numbers.map(async (seat) => {
      const context = {
        ...{ plan: {} as Plan, sid: BINDING, seat, roles: {}, inputs: new Map(), rng: nodeRng, crypto: nodeCrypto },
        ...{ channels: channels[seat]!, signal: new AbortController().signal },
      };
      const onStep = () => void steps++;
      const { all: links } = new Links(context, 'test', BINDING);
      const simd = await loadSimd();
      if (dealer === undefined) return makeCorrelations(context, { links, binding: BINDING, simd, onStep }, demand);
      const stream = (of: number) => new Masks(nodeCrypto, new Uint8Array(16).fill(of + 1), BINDING);
      if (seat !== dealer) {
        const [dealing] = links.slice(-1) as [(typeof links)[0]];
        return receiveDealt({ seat, dealer: dealing, stream: stream(seat), onPiece: onStep }, demand);
      }
      await deal({ links, streams: links.map(({ peer }) => stream(peer)), simd, onPiece: onStep }, demand);
      return undefined;
    }),
  ).then((all) => all.filter((one) => one !== undefined));
  const told = dealer === undefined ? preprocessingOf(demand, BINDING, seats).steps : dealtPieces(demand).length;
  expect(steps).toBe(seats * told);
  const sent = channels.map((of) => [...of.values()].reduce((sum, { stats }) => sum + stats.bytesSent, 0));
  return { one: made[0]!, other: made[1]!, all: made, sent };
}

describe('every correlation is right', () => {
  const demands: [string, Demand][] = [
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
        crossWords: 9_024,
        choices: 3_200,
        matrices: [shapeOf(3, 40, 20), shapeOf(1, 9, 1000)],
      },
    ],
  ];
  test.each(demands.flatMap(([name, demand]) => [[name, 'pairs', demand] as const, [name, 'dealer', demand] as const]))(
    '%s, from %s',
    async (_, from, demand) => {
      const { one, other } = await make(demand, 2, from);
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
    },
  );

  test.each([
    [3, 'pairs'],
    [4, 'pairs'],
    [3, 'dealer'],
    [4, 'dealer'],
  ] as const)('of %i seats from %s: words, bits and matrices, in which each has a part', async (seats, from) => {
    const shapes = [shapeOf(2, 3, 2), shapeOf(3, 40, 20)];
    const { all } = await make({ ...NONE, words: 8200, bits: 4800, matrices: shapes }, seats, from);
    const sum = (of: (made: (typeof all)[0]) => bigint) => all.reduce((total, made) => total + of(made), 0n);
    let wrong = 0;
    for (let i = 0; i < 8200; i++) {
      const [a, b, c] = (['a', 'b', 'c'] as const).map((part) => sum(({ words }) => words[part][i]!));
      if (modulo(a! * b!) !== modulo(c!)) wrong++;
    }
    for (let i = 0; i < 4800 / 32; i++) {
      const [a, b, c] = (['a', 'b', 'c'] as const).map((part) => all.reduce((x, { bits }) => x ^ bits[part][i]!, 0));
      if ((a! & b!) !== c) wrong++;
    }
    for (const { gate, rows, inner, columns } of shapes) {
      for (let i = 0; i < rows * columns; i++) {
        const part = (name: 'a' | 'b' | 'c', at: number) => sum(({ matrices }) => matrices.get(gate)![name][at]!);
        let total = 0n;
        for (let k = 0; k < inner; k++) {
          total += part('a', Math.floor(i / columns) * inner + k) * part('b', k * columns + (i % columns));
        }
        if (modulo(total) !== modulo(part('c', i))) wrong++;
      }
    }
    expect(wrong).toBe(0);
    // All but one of the seats see what is independent of the last one's part.
    for (const { words, bits } of all) {
      for (const vector of [words.a, words.b, words.c]) expect(new Set(vector).size).toBe(vector.length);
      expect(new Set(bits.a).size + new Set(bits.b).size).toBe(2 * bits.a.length);
    }
  });

  test.each(['pairs', 'dealer'] as const)('and none repeats, from %s', async (from) => {
    const { one, other } = await make({ ...NONE, words: 1000, crossWords: 1024 }, 2, from);
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

  test('by a dealer is what makes its correlations, to two seats at most, cut into pieces of 128 KiB', async () => {
    const shapes = [shapeOf(3, 40, 20), shapeOf(2, 20, 70)];
    const all = { words: 40_000, bits: 3_000_000, carries: 33_000, crossWords: 640, choices: 20_000, matrices: shapes };
    const { sent } = await make(all, 2, 'dealer');
    const [first, second] = [8 * (40_000 + 640 + 20_000 + 60 + 140) + 375_000, 8 * 20_000 + 4 * 33_000];
    expect(sent).toEqual([0, 0, first + second]);
    expect([0, 1].map((seat) => toldBytes(all, seat))).toEqual([first, second]);
    for (const piece of dealtPieces(all))
      expect(toldBytes(piece, 0) + toldBytes(piece, 1)).toBeLessThanOrEqual(2 ** 18);
    const { sent: ofThree } = await make({ ...NONE, words: 5, bits: 64, matrices: shapes }, 3, 'dealer');
    expect(ofThree).toEqual([0, 0, 0, 8 * (5 + 60 + 140) + 8]);
  });

  test('takes a round for every four batches of products and one more, and three for transfers', () => {
    const rounds = (demand: Partial<Demand>) => preprocessingOf({ ...NONE, ...demand }, BINDING).rounds;
    expect([0, 1, 32_768, 32_769].map((words) => rounds({ words }))).toEqual([0, 2, 2, 3]);
    expect(rounds({ words: 1, bits: 32 })).toBe(5);
    expect(rounds({ bits: 32 })).toBe(3);
    expect(preprocessingOf({ ...NONE, bits: 32 }, BINDING, 3).rounds).toBe(4);
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

test.each([2, 3, 5])(
  'the demand of a circuit is what its operations draw, to the last one, of %i seats',
  async (seats) => {
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
    const whole = { gates: b.gates, outputs, inputWords: new Map() };
    const circuit = seats === 2 ? fuse(whole) : whole;
    const demand = demandOf(circuit, seats);
    const { all: made } = await make(demand, seats);
    const planned = schedule(circuit, seats === 2 ? TwoSeatEngine.costs : severalCosts(seats));
    const simd = await loadSimd();
    const supplies = made.map((correlations) => new Supply(correlations));
    // No seat waits for another: to all of them the others send zeros.
    for (const [seat, supply] of supplies.entries()) {
      const own = { seat, seats, supply, simd, inputs: ({ length }: Gate) => new BigUint64Array(length), rng: nodeRng };
      const engine = seats === 2 ? new TwoSeatEngine(own) : new SeveralSeatEngine(own);
      await execute(circuit, planned, engine, async ({ expect }) => new Uint8Array(expect * (seats - 1)));
    }
    const used = supplies.map((supply) => supply.used);
    const { words, bits, carries, crossWords, choices } = demand;
    expect(choices).toBe(seats === 2 ? 96 : 0);
    const all = {
      words,
      bits: bits / 32,
      carries,
      crossWords: crossWords / 32,
      choices: choices / 32,
      matrices: 1,
    };
    expect(used).toEqual(made.map(() => all));
  },
);

test('what is used up is not drawn again', async () => {
  const { one } = await make({ ...NONE, crossWords: 128 });
  const supply = new Supply(one);
  expect(supply.crossWords(3).share.length).toBe(96);
  expect(() => supply.crossWords(2)).toThrow();
  expect(() => supply.words(1)).toThrow();
  expect(() => supply.matrix(shapeOf(1, 1, 1).gate)).toThrow();
});
