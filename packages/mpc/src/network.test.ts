/** Networks against sorting in the clear, by the 0-1 principle and on the back-ends, and what they cost. */
import { type Channel, type Hash, Plan, type SharedBackend } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { additiveSemiHonest, runAdditiveCircuit } from './additive/backend.ts';
import { plannedFor } from './additive/session.ts';
import { type Circuit, CircuitBuilder, prune } from './circuit.ts';
import type { Digit } from './digits.ts';
import { type Layer, layersOf, networkOrder } from './network.ts';
import { rep3Malicious, runCircuitMalicious } from './rep3-malicious/backend.ts';
import { ROUND_COSTS } from './rep3-malicious/engine.ts';
import { schedule } from './schedule.ts';
import { simulateSeats } from './simulate.ts';

const pairsOf = (n: number, { run, first, distance }: Layer) =>
  Array.from({ length: n - distance }, (_, i) => i).filter((i) => (i & run) === first);
const comparators = (n: number, layers: readonly Layer[]) =>
  layers.reduce((sum, layer) => sum + pairsOf(n, layer).length, 0);

function sortedBy(layers: readonly Layer[], values: readonly number[]): number[] {
  const x = [...values];
  for (const layer of layers) {
    for (const i of pairsOf(x.length, layer)) {
      const [low = 0, high = 0] = [x[i], x[i + layer.distance]];
      [x[i], x[i + layer.distance]] = [Math.min(low, high), Math.max(low, high)];
    }
  }
  return x;
}

describe('layers', () => {
  test('sort all zeros and ones, so everything', () => {
    for (let n = 1; n <= 12; n++) {
      for (let word = 0; word < 2 ** n; word++) {
        const bits = Array.from({ length: n }, (_, i) => (word >> i) & 1);
        expect(sortedBy(layersOf(n), bits)).toEqual(bits.toSorted());
      }
    }
  });

  test("merge lists that stand in each other's gaps", () => {
    for (const [lists, most] of [
      [2, 40],
      [4, 20],
      [8, 17],
    ] as const) {
      for (let n = 1; n <= most; n++) {
        const heights = Array.from({ length: lists }, (_, list) => Math.ceil((n - list) / lists));
        // All ways to have so many ones at the end of each list, or of many lists some.
        for (let choice = 0; choice < 150; choice++) {
          let rest = choice;
          const zeros = heights.map((height) => {
            const count = rest % (height + 1);
            rest = Math.floor(rest / (height + 1));
            return count;
          });
          const bits = Array.from({ length: n }, (_, i) => (Math.floor(i / lists) < (zeros[i % lists] ?? 0) ? 0 : 1));
          expect(sortedBy(layersOf(n, lists), bits)).toEqual(bits.toSorted());
        }
      }
    }
  });

  test('are as many as the header says, and so are their comparators', () => {
    for (const n of [1, 2, 3, 7, 64, 100, 1024, 10_000]) {
      const t = Math.ceil(Math.log2(n));
      const most = ((t * t - t + 4) * 2 ** t) / 4 - 1;
      expect(layersOf(n)).toHaveLength((t * (t + 1)) / 2);
      expect(comparators(n, layersOf(n))).toBeLessThanOrEqual(most);
      if (n === 2 ** t) expect(comparators(n, layersOf(n))).toBe(most);
      for (let s = 0; s <= t; s++) expect(layersOf(n, 2 ** s)).toHaveLength(s * t - (s * (s - 1)) / 2);
    }
  });
});

/** Stands for a circuit: what it computes does not matter, only that all seats name the same. */
const PLAN = Plan.parse({
  ...{ v: 1, language: '2pm/1', name: 'circuit', tables: {}, recipients: [], result: 0 },
  roles: { h: { min: 1, max: 1, tables: [] } },
  nodes: [
    { ...{ op: 'constant/1', args: [], attrs: {}, line: 1 }, type: { kind: 'constant', fractionBits: 0, value: '0' } },
  ],
});

type Run = typeof runCircuitMalicious;
const BACKENDS: Record<string, { backend: SharedBackend; seats: number; run: Run; layer: number }> = {
  // Rounds of a layer whose key is one word: those of a sign, of a bit that becomes a word, of a product.
  'three seats, one malicious': { backend: rep3Malicious, seats: 3, run: runCircuitMalicious, layer: 8 + 2 + 1 },
  'two seats': { backend: additiveSemiHonest, seats: 2, run: runAdditiveCircuit, layer: 6 + 1 },
  'three seats': { backend: additiveSemiHonest, seats: 3, run: runAdditiveCircuit, layer: 8 + 2 + 1 },
};

/** The order by such digits, the last one first: columns in it, and the places of the rows. */
function circuitOf(n: number, bits: readonly number[]): Circuit {
  const b = new CircuitBuilder('networks');
  const input = (column: number) => {
    const place = { role: 'h', offset: column * n, length: n };
    return b.add({ op: 'total', args: [], form: 'words', length: n, input: place });
  };
  const digits: Digit[] = bits.map((width, column) => ({ gate: input(column), bits: width }));
  const { arranged, rank } = networkOrder(b, digits);
  const outputs = [arranged(input(bits.length)), rank()].map((value, node) => ({ node, value }));
  return prune({ gates: b.gates, outputs, inputWords: new Map([['h', n * (bits.length + 1)]]) });
}

async function opened({ backend, seats, run }: (typeof BACKENDS)[string], circuit: Circuit, columns: bigint[][]) {
  const sent: string[] = [];
  const wrap = (channel: Channel, seat: number, peer: number): Channel => ({
    ...{ peer: channel.peer, stats: channel.stats },
    send: (frame) => {
      sent.push(`${seat} ${peer} ${frame.length}`);
      return channel.send(frame);
    },
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  });
  const words = (share: Uint8Array) => {
    // Of a replicated share the first component.
    const own = backend === rep3Malicious ? share.slice(0, share.length / 2) : share.slice();
    return new BigInt64Array(own.buffer);
  };
  const open: SharedBackend['open'] = (_plan, _roles, _node, shares) =>
    Array.from(shares.map(words).reduce((left, right) => left.map((word, i) => word + (right[i] ?? 0n))));
  const result = await simulateSeats(
    { ...backend, check: () => {}, runSeat: (context) => run(circuit, context), open },
    {
      ...{ plan: PLAN, sid: `0x${'ab'.repeat(32)}` as Hash, roles: { h: 1 }, seats, wrap },
      ...{ inputs: new Map([['h', [[BigInt64Array.from(columns.flat())]]]]), rng: seededRng(3), crypto: nodeCrypto },
    },
  );
  return { outputs: [0, 1].map((node) => result.opened.get(node)), sent: sent.toSorted() };
}

describe.each(Object.entries(BACKENDS))('among %s an order', (_, by) => {
  const digit = (bits: number) =>
    fc.oneof(fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }), fc.constantFrom(0n, 2n ** BigInt(bits) - 1n));
  const world = fc
    .tuple(fc.integer({ min: 1, max: by.seats === 2 ? 9 : 6 }), fc.constantFrom([1], [62], [40, 30], [62, 1, 62]))
    .chain(([n, bits]) =>
      fc.tuple(fc.constant(bits), fc.array(fc.tuple(...bits.map(digit)), { minLength: n, maxLength: n })),
    );

  test('is that of a stable sort by all digits, whatever the words that they fill', async () => {
    await fc.assert(
      fc.asyncProperty(world, async ([bits, rows]) => {
        const n = rows.length;
        const payload = rows.map((_, i) => 2n ** 63n - 1n - BigInt(i) * 3n ** 20n);
        const columns = [...bits.map((_, column) => rows.map((row) => row[column] ?? 0n)), payload];
        const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => {
          for (let d = bits.length - 1; d >= 0; d--) {
            const [x, y] = [rows[i]?.[d] ?? 0n, rows[j]?.[d] ?? 0n];
            if (x !== y) return x < y ? -1 : 1;
          }
          return i - j;
        });
        const { outputs } = await opened(by, circuitOf(n, bits), columns);
        expect(outputs).toEqual([
          order.map((i) => payload[i]),
          Array.from({ length: n }, (_, i) => BigInt(order.indexOf(i))),
        ]);
      }),
      { numRuns: by.backend === rep3Malicious ? 8 : 3 },
    );
  }, 60_000);

  test('sends the same frames, whatever the rows', async () => {
    const frames = async (of: (i: number) => bigint) => {
      const key = Array.from({ length: 5 }, (_, i) => of(i));
      return (await opened(by, circuitOf(5, [40]), [key, key])).sent;
    };
    expect(await frames((i) => BigInt(i))).toEqual(await frames(() => 2n ** 40n - 1n));
  });

  test('takes the rounds of its layers, and those once more for places', () => {
    for (const n of [2, 16, 100]) {
      const t = Math.ceil(Math.log2(n));
      const layers = (t * (t + 1)) / 2;
      // Of the key the last product is not needed, of the column it is; back it goes by products alone.
      const circuit = circuitOf(n, [30]);
      const { rounds } =
        by.backend === rep3Malicious ? schedule(circuit, ROUND_COSTS) : plannedFor(circuit, by.seats).planned;
      expect(rounds).toBe(layers * by.layer + layers - 1);
    }
  });
});
