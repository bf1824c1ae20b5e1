import { type Channel, type Hash, Plan } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import { describe, expect, test } from 'vitest';
import { CircuitBuilder } from '../circuit.ts';
import { simulateSeats } from '../simulate.ts';
import { rep3SemiHonest, runCircuit } from './backend.ts';

const EDGE = 2n ** 62n;

/** A plan of one holder that stands for a circuit: what it computes does not matter, only that all seats name the same. */
const PLAN = Plan.parse({
  ...{ v: 1, language: '2pm/1', name: 'circuit', tables: {}, recipients: [], result: 0 },
  roles: { h: { min: 1, max: 1, tables: [] } },
  nodes: [
    {
      ...{ op: 'constant/1', args: [], attrs: {}, line: 1 },
      type: { kind: 'constant', fractionBits: 0, value: '0' },
    },
  ],
});

/** Runs what `build` makes of the vectors, and opens it. */
async function run(
  vectors: readonly bigint[][],
  build: (b: CircuitBuilder, inputs: number[]) => number,
  { seed = 1, sent = [] as number[] } = {},
) {
  const builder = new CircuitBuilder();
  let offset = 0;
  const inputs = vectors.map(({ length }) => {
    const input = { role: 'h', offset, length };
    offset += length;
    return builder.add({ op: 'total', args: [], form: 'words', length, input });
  });
  const circuit = {
    gates: builder.gates,
    outputs: [{ node: 0, value: build(builder, inputs) }],
    inputWords: new Map([['h', offset]]),
  };
  const { opened, seats } = await simulateSeats(
    {
      ...rep3SemiHonest,
      check: () => {},
      runSeat: (context) => runCircuit(circuit, context),
      open: (_plan, _roles, _node, shares) => {
        const parts = shares.map((share) => new BigInt64Array(share.slice(0, share.length / 2).buffer));
        return Array.from(parts[0] ?? [], (part, i) =>
          BigInt.asIntN(64, part + (parts[1]?.[i] ?? 0n) + (parts[2]?.[i] ?? 0n)),
        );
      },
    },
    {
      ...{ plan: PLAN, sid: `0x${'ab'.repeat(32)}` as Hash, roles: { h: 1 } },
      inputs: new Map([['h', [vectors.map((vector) => BigInt64Array.from(vector))]]]),
      ...{ rng: seededRng(seed), crypto: nodeCrypto },
      wrap: (channel) => counting(channel, sent),
    },
  );
  return { values: (opened.get(0) ?? []).map((value) => value ?? 0n), rounds: seats[0]?.rounds };
}

function counting(channel: Channel, sent: number[]): Channel {
  return {
    ...{ peer: channel.peer, stats: channel.stats },
    send: (frame) => {
      sent.push(frame.length);
      return channel.send(frame);
    },
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  };
}

const random = seededRng(99);
/** Uniform in [-2^bits, 2^bits). */
function uniform(length: number, bits: number): bigint[] {
  const words = new BigUint64Array(random.fill(new Uint8Array(8 * length)).slice().buffer);
  return Array.from(words, (word) => BigInt.asIntN(bits + 1, word));
}

const floor = (x: bigint, bits: number) => x >> BigInt(bits);
/** Whether y is one of the integers next to x / 2^bits, or x / 2^bits itself. */
const isNeighbour = (y: bigint, x: bigint, bits: number) => {
  const error = (y << BigInt(bits)) - x;
  return error > -(1n << BigInt(bits)) && error < 1n << BigInt(bits);
};
const strays = (values: bigint[], exact: bigint[], bits: number) =>
  exact.filter((x, i) => !isNeighbour(values[i] ?? 2n ** 70n, x, bits));

const EXTREMES = [
  0n,
  1n,
  -1n,
  2n,
  EDGE - 1n,
  -EDGE,
  1n - EDGE,
  EDGE / 2n,
  -EDGE / 2n,
  2n ** 32n,
  -(2n ** 31n),
  65_535n,
];

describe('truncation', () => {
  test.each([1, 2, 16, 31, 32, 33, 40, 61, 62])(
    'by %i bits is never off by 1, at any size, in two rounds',
    async (bits) => {
      const x = [
        ...EXTREMES,
        ...uniform(300, 61),
        ...uniform(300, bits),
        ...EXTREMES.map((e) => BigInt.asIntN(62, e << 7n)),
      ];
      for (const seed of [1, 2, 3]) {
        const { values, rounds } = await run([x], (b, [input = 0]) => b.truncate(input, bits), { seed });
        expect(strays(values, x, bits)).toEqual([]);
        expect(rounds).toBe(2 + 2);
      }
    },
  );

  test('at 2^44, where shifting shares in place fails a thousand times in 2^30, stays within 1', async () => {
    const x = Array.from({ length: 200_000 }, (_, i) => (i % 2 === 0 ? 1n : -1n) * (2n ** 44n + BigInt(i * 7919)));
    const { values } = await run([x], (b, [input = 0]) => b.truncate(input, 16));
    expect(strays(values, x, 16)).toEqual([]);
  });

  test('of a whole multiple is exact', async () => {
    const x = uniform(1000, 40).map((value) => value << 16n);
    const { values } = await run([x], (b, [input = 0]) => b.truncate(input, 16));
    expect(values).toEqual(x.map((value) => value >> 16n));
  });

  test('rounds up as often as the fraction says, so that errors do not add up', async () => {
    const n = 20_000;
    for (const quarters of [1n, 2n, 3n]) {
      const x = new Array<bigint>(n).fill(-(5n << 16n) + (quarters << 14n));
      const { values } = await run([x], (b, [input = 0]) => b.truncate(input, 16));
      const up = values.filter((value) => value === -4n).length;
      const p = Number(quarters) / 4;
      expect(Math.abs(up - n * p)).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)));
    }
  });

  test('to the floor is the same at every run, in twelve rounds', async () => {
    const x = [...EXTREMES, ...uniform(200, 61), ...uniform(200, 17)];
    for (const [bits, seed] of [
      [1, 1],
      [16, 2],
      [16, 3],
      [62, 4],
    ] as const) {
      const { values, rounds } = await run([x], (b, [input = 0]) => b.floor(input, bits), { seed });
      expect(values).toEqual(x.map((value) => floor(value, bits)));
      expect(rounds).toBe(2 + 12);
    }
  });

  test('by no bits is the value itself, and by more than a word holds is refused', async () => {
    const { values, rounds } = await run([[5n, -7n]], (b, [input = 0]) => b.floor(b.truncate(input, 0), 0));
    expect(values).toEqual([5n, -7n]);
    expect(rounds).toBe(2);
    await expect(run([[5n]], (b, [input = 0]) => b.truncate(input, 63))).rejects.toThrow('63 bits');
  });
});

describe('fixed point with 16 fraction bits', () => {
  test('a product is within 1 of the last place, in three rounds', async () => {
    const [x, y] = [uniform(5000, 30), uniform(5000, 30)];
    const { values, rounds } = await run([x, y], (b, [left = 0, right = 0]) =>
      b.truncate(b.words('mul', x.length, [left, right]), 16),
    );
    expect(
      strays(
        values,
        x.map((one, i) => one * (y[i] ?? 0n)),
        16,
      ),
    ).toEqual([]);
    expect(rounds).toBe(2 + 3);
  });

  test('a sum of products is truncated once: within 1, whatever its length', async () => {
    const [x, y] = [uniform(3000, 25), uniform(3000, 25)];
    const { values, rounds } = await run([x, y], (b, [left = 0, right = 0]) =>
      b.truncate(b.words('dot', 3, [left, right]), 16),
    );
    const exact = [0, 1, 2].map((block) =>
      x.slice(1000 * block, 1000 * (block + 1)).reduce((sum, one, i) => sum + one * (y[1000 * block + i] ?? 0n), 0n),
    );
    expect(strays(values, exact, 16)).toEqual([]);
    expect(rounds).toBe(2 + 3);
  });

  test.each([
    [1, 1, 1],
    [4, 7, 3],
    [3, 40, 130],
  ])('a %i × %i by × %i matrix product is within 1 in every element, in three rounds', async (rows, inner, columns) => {
    const [x, y] = [uniform(rows * inner, 25), uniform(inner * columns, 25)];
    const { values, rounds } = await run([x, y], (b, [left = 0, right = 0]) =>
      b.truncate(b.matmul(left, right, inner), 16),
    );
    const exact = Array.from({ length: rows * columns }, (_, place) => {
      const [i, j] = [Math.floor(place / columns), place % columns];
      let sum = 0n;
      for (let k = 0; k < inner; k++) sum += (x[i * inner + k] ?? 0n) * (y[k * columns + j] ?? 0n);
      return sum;
    });
    expect(strays(values, exact, 16)).toEqual([]);
    expect(rounds).toBe(2 + 3);
  });

  test('independent truncations by different numbers of bits, of odd lengths, share their rounds with products', async () => {
    const [x, y] = [uniform(7, 21), uniform(7, 21)];
    const { values, rounds } = await run([x, y], (b, [left = 0, right = 0]) => {
      const product = b.words('mul', 7, [left, right]);
      const cut = [3, 16, 20, 40].map((bits) => b.truncate(b.words('scale', 7, [left], 1n << BigInt(bits)), bits));
      const sum = [product, b.words('mul', 7, [product, b.words('constant', 7, [], 1n)]), ...cut];
      return sum.reduce((one, other) => b.words('add', 7, [one, other]));
    });
    expect(values).toEqual(x.map((one, i) => 2n * one * (y[i] ?? 0n) + 4n * one));
    expect(rounds).toBe(2 + 2);
  });

  test('matrices without a common dimension are refused', async () => {
    const built = run([new Array(6).fill(1n), new Array(8).fill(1n)], (b, [x = 0, y = 0]) => b.matmul(x, y, 3));
    await expect(built).rejects.toThrow('common dimension');
  });

  test('lengths and order of frames are the same for any data', async () => {
    const trace = async (x: bigint[], y: bigint[], seed: number) => {
      const sent: number[] = [];
      await run(
        [x, y],
        (b, [left = 0, right = 0]) =>
          b.words('add', 9, [b.truncate(b.words('mul', 9, [left, right]), 16), b.floor(b.matmul(left, right, 3), 16)]),
        { seed, sent },
      );
      return sent;
    };
    const one = await trace(new Array<bigint>(9).fill(0n), new Array<bigint>(9).fill(0n), 1);
    expect(await trace(uniform(9, 29), uniform(9, 29), 2)).toEqual(one);
  });
});
