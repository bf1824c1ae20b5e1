import { type Channel, type Hash, Plan } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CircuitBuilder } from '../circuit.ts';
import { largest, place, quantile, ranks, sortBy } from '../order/sort.ts';
import { simulateSeats } from '../simulate.ts';
import { rep3SemiHonest, runCircuit } from './backend.ts';
import { Masks } from './masks.ts';
import { composed, uniformOrder } from './permutation.ts';
import { checkPermutation } from './sort.ts';

/** Stands for a circuit: what it computes does not matter, only that all seats name the same. */
const PLAN = Plan.parse({
  ...{ v: 1, language: '2pm/1', name: 'circuit', tables: {}, recipients: [], result: 0 },
  roles: { h: { min: 1, max: 1, tables: [] } },
  nodes: [
    { ...{ op: 'constant/1', args: [], attrs: {}, line: 1 }, type: { kind: 'constant', fractionBits: 0, value: '0' } },
  ],
});

/** Runs what `build` makes of the vectors, and opens it. */
async function run(
  vectors: readonly (readonly bigint[])[],
  build: (b: CircuitBuilder, inputs: number[]) => number[],
  { seed = 1, wrap = (channel: Channel, _seat: number, _peer: number) => channel } = {},
) {
  const builder = new CircuitBuilder();
  let offset = 0;
  const inputs = vectors.map(({ length }) => {
    const input = { role: 'h', offset, length };
    offset += length;
    return builder.add({ op: 'total', args: [], form: 'words', length, input });
  });
  const outputs = build(builder, inputs).map((value, node) => ({ node, value: builder.asWords(value) }));
  const circuit = { gates: builder.gates, outputs, inputWords: new Map([['h', offset]]) };
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
      ...{ plan: PLAN, sid: `0x${'ab'.repeat(32)}` as Hash, roles: { h: 1 }, wrap },
      inputs: new Map([['h', [vectors.map((vector) => BigInt64Array.from(vector))]]]),
      ...{ rng: seededRng(seed), crypto: nodeCrypto },
    },
  );
  return { columns: outputs.map(({ node }) => opened.get(node) ?? []), rounds: seats[0]?.rounds };
}

const ascending = (x: bigint, y: bigint) => (x < y ? -1 : x > y ? 1 : 0);
const count = (n: number) => Array.from({ length: n }, (_, i) => BigInt(i));

describe('a shuffle', () => {
  test('keeps rows together, loses none, and comes to every order', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const columns = [count(3), count(3).map((i) => -i * 2n ** 60n), count(3).map((i) => i * i)];
      const { columns: shuffled, rounds } = await run(columns, (b, inputs) => b.shuffle(inputs), { seed });
      const [first = []] = shuffled;
      expect(shuffled).toEqual(columns.map((column) => first.map((i) => column[Number(i)])));
      expect(rounds).toBe(4);
      seen.add(first.join());
    }
    expect(seen.size).toBe(6);
  });

  test('permutes any number of rows', async () => {
    for (const n of [1, 2, 31, 1000, 40_000]) {
      const [[column = []]] = [(await run([count(n)], (b, inputs) => b.shuffle(inputs))).columns];
      expect((column as bigint[]).toSorted(ascending)).toEqual(count(n));
      if (n > 1000) expect(column.filter((value, i) => value === BigInt(i)).length).toBeLessThan(12);
    }
  });
});

test('orders of a stream are uniform, also composed', () => {
  const stream = new Masks(nodeCrypto, new Uint8Array(16).fill(9), `0x${'cd'.repeat(32)}` as Hash);
  const seen = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const key = composed(uniformOrder(stream, 3), Uint32Array.of(2, 0, 1)).join();
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  expect(seen.size).toBe(6);
  // Six standard deviations of a binomial count.
  for (const times of seen.values()) expect(Math.abs(times - 1000)).toBeLessThan(6 * Math.sqrt((6000 * 5) / 36));
  expect(composed(Uint32Array.of(1, 2, 0), Uint32Array.of(0, 2, 1))).toEqual(Uint32Array.of(1, 0, 2));
});

describe('a sort', () => {
  const keys = (bits: number) => {
    const edge = 2n ** BigInt(bits - 1);
    return fc.array(fc.oneof(fc.bigInt({ min: -edge, max: edge - 1n }), fc.constantFrom(-edge, edge - 1n, 0n, -1n)), {
      minLength: 1,
      maxLength: 70,
    });
  };

  test('is that of the clear, and stable, for keys of any width', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 7, 32).chain((bits) => fc.tuple(fc.constant(bits), keys(bits))),
        async ([bits, key]) => {
          const [place, values] = [count(key.length), key.map((x, i) => x * 2n ** 20n - BigInt(i))];
          const { columns, rounds } = await run([key, place, values], (b, [k = 0, ...rest]) =>
            sortBy(b, k, bits, [k, ...rest]),
          );
          const order = place.toSorted((i, j) => ascending(key[Number(i)] ?? 0n, key[Number(j)] ?? 0n));
          expect(columns).toEqual([key, place, values].map((column) => order.map((i) => column[Number(i)])));
          expect(rounds).toBe(2 + 7 + 7 * Math.ceil(bits / 2) + 3 + 3);
        },
      ),
      { numRuns: 12 },
    );
  });

  test('gives ranks, the largest rows and quantiles', async () => {
    const key = [5n, -3n, 12n, 5n, 0n, 7n, -8n];
    const payload = key.map((_, i) => BigInt(100 + i));
    const { columns } = await run([key, payload], (b, [k = 0, v = 0]) => {
      const [sorted = 0] = sortBy(b, k, 5, [k]);
      return [ranks(b, k, 5), ...largest(b, 3, k, 5, [k, v]), ...[0, 0.5, 0.9, 1].map((p) => quantile(b, sorted, p))];
    });
    expect(columns).toEqual([
      [3n, 1n, 6n, 4n, 2n, 5n, 0n],
      [12n, 7n, 5n],
      [102n, 105n, 100n],
      ...[[-8n], [5n], [7n], [12n]],
    ]);
  });

  test('costs the same frames, whatever the keys', async () => {
    const trace = async (key: bigint[]) => {
      const sent = new Map<string, number[]>();
      const wrap = (channel: Channel, seat: number, peer: number) =>
        sending(channel, (frame) => {
          sent.set(`${seat} to ${peer}`, [...(sent.get(`${seat} to ${peer}`) ?? []), frame.length]);
          return frame;
        });
      await run([key], (b, [k = 0]) => sortBy(b, k, 6, [k]), { wrap });
      return sent;
    };
    expect(await trace(count(30))).toEqual(await trace(count(30).map(() => 7n)));
  });

  test('that is told to move two rows to one place ends with a code', async () => {
    for (const bad of [Uint32Array.of(0, 0), Uint32Array.of(0, 2), Uint32Array.of(2 ** 32 - 1, 0)]) {
      expect(() => checkPermutation(bad)).toThrow(expect.objectContaining({ code: 'MPC_BAD_ORDER' }));
    }
    for (const peer of [1, 2]) {
      const wrap = (channel: Channel, seat: number, to: number) =>
        sending(channel, (frame) => (seat === 0 && to === peer && frame.length === 4 * 9 ? new Uint8Array(36) : frame));
      const sorted = run([count(9), count(9)], (b, [to = 0, column = 0]) => place(b, to, [column]), { wrap });
      await expect(sorted).rejects.toMatchObject({ code: 'MPC_BAD_ORDER', fault: 'peer' });
    }
  });

  test('takes keys of 1 to 32 bits', () => {
    const b = new CircuitBuilder();
    const key = b.words('constant', 4, [], 1n);
    for (const bits of [0, 33, 1.5]) expect(() => ranks(b, key, bits)).toThrow(RangeError);
    expect(() => quantile(b, key, 1.1)).toThrow(RangeError);
  });
});

function sending(channel: Channel, altered: (frame: Uint8Array) => Uint8Array): Channel {
  return {
    ...{ peer: channel.peer, stats: channel.stats },
    send: (frame) => channel.send(altered(frame)),
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  };
}
