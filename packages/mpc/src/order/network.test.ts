/** Networks against sorting in the clear, by the 0-1 principle and on the back-ends, and what they cost. */
import { type Channel, type Hash, Plan, type SharedBackend } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { additiveSemiHonest, runAdditiveCircuit } from '../additive/backend.ts';
import { additiveDealerSemiHonest, runDealtCircuit } from '../additive/dealer/backend.ts';
import { plannedFor } from '../additive/session.ts';
import { type Circuit, CircuitBuilder, prune } from '../circuit.ts';
import { rep3Malicious, runCircuitMalicious } from '../rep3-malicious/backend.ts';
import { ROUND_COSTS } from '../rep3-malicious/engine.ts';
import { schedule } from '../schedule.ts';
import { simulateSeats } from '../simulate.ts';
import { compacted } from './compact.ts';
import type { Digit } from './digits.ts';
import { mergeJoin } from './merge-join.ts';
import { type Layer, layersOf, networkOrder } from './network.ts';

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
  // Where their correlations come from is nothing to a network, and a dealer's come soon.
  'three seats and a dealer': { backend: additiveDealerSemiHonest, seats: 4, run: runDealtCircuit, layer: 8 + 2 + 1 },
};

/** A circuit over vectors of one holder; `make` names the gates that are opened. */
function circuitOver(
  lengths: readonly number[],
  make: (b: CircuitBuilder, inputs: number[]) => readonly number[],
): Circuit {
  const b = new CircuitBuilder('networks');
  let all = 0;
  const inputs = lengths.map((length) => {
    const input = { role: 'h', offset: all, length };
    all += length;
    return b.add({ op: 'total', args: [], form: 'words', length, input });
  });
  const outputs = make(b, inputs).map((value, node) => ({ node, value }));
  return prune({ gates: b.gates, outputs, inputWords: new Map([['h', all]]) });
}

/** The order by such digits, the last one first: columns in it, and the places of the rows. */
function circuitOf(n: number, bits: readonly number[]): Circuit {
  return circuitOver(
    [...bits, 0].map(() => n),
    (b, inputs) => {
      const digits: Digit[] = bits.map((width, column) => ({ gate: inputs[column] ?? -1, bits: width }));
      const { arranged, rank } = networkOrder(b, digits);
      return [arranged(inputs[bits.length] ?? -1), rank()];
    },
  );
}

async function opened(
  { backend, seats, run }: (typeof BACKENDS)[string],
  circuit: Circuit,
  columns: readonly (readonly bigint[])[],
  seed = 3,
) {
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
      ...{ inputs: new Map([['h', [[BigInt64Array.from(columns.flat())]]]]), rng: seededRng(seed), crypto: nodeCrypto },
    },
  );
  return { outputs: circuit.outputs.map(({ node }) => result.opened.get(node) ?? []), sent: sent.toSorted() };
}

describe.each(Object.entries(BACKENDS))('among %s an order', (_, by) => {
  const digit = (bits: number) =>
    fc.oneof(fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }), fc.constantFrom(0n, 2n ** BigInt(bits) - 1n));
  const world = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom([1], [62], [40, 30], [62, 1, 62]))
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
      { numRuns: 5 },
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
        by.backend === rep3Malicious
          ? schedule(circuit, ROUND_COSTS)
          : plannedFor(circuit, by.seats === 2 ? 2 : 3).planned;
      expect(rounds).toBe(layers * by.layer + layers - 1);
    }
  });
});

describe.each(Object.entries(BACKENDS))('among %s rows', (_, by) => {
  test('move to the front in the order that they had', async () => {
    const rows = fc.array(fc.option(fc.bigInt({ min: 1n, max: 2n ** 62n }), { nil: 0n }), {
      minLength: 1,
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(rows, async (rows) => {
        const circuit = circuitOver([rows.length, rows.length], (b, [present = 0, x = 0]) => {
          const forward = compacted(b, present);
          return [forward(present), forward(x)];
        });
        const { outputs } = await opened(by, circuit, [rows.map((x) => (x === 0n ? 0n : 1n)), rows]);
        const there = rows.filter((x) => x !== 0n);
        const behind = new Array<bigint>(rows.length - there.length).fill(0n);
        expect(outputs).toEqual([
          [...there.map(() => 1n), ...behind],
          [...there, ...behind],
        ]);
      }),
      { numRuns: 5 },
    );
  }, 60_000);

  test('of several relations meet where they have a tag in common', async () => {
    await fc.assert(
      fc.asyncProperty(relations, fc.boolean(), async (of, shuffled) => {
        const { outputs } = await joined(by, of.map(brought), shuffled);
        expect(outputs.map(({ length }) => length)).toEqual(
          outputs.map(() => Math.min(...of.map(({ rows }) => rows.length))),
        );
        expect(matches(outputs)).toEqual(expected(of));
      }),
      { numRuns: 5 },
    );
  }, 60_000);
});

interface Row {
  person: number;
  values: bigint[];
}
/** Of persons no two of whom are the same, negative ones being known to nobody else. */
interface Relation {
  columns: number;
  rows: Row[];
}
const relations = fc
  .array(
    fc.tuple(
      fc.uniqueArray(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 0, max: 2 }),
    ),
    {
      minLength: 2,
      maxLength: 3,
    },
  )
  .map((all) =>
    all.map(
      ([persons, columns], r): Relation => ({
        columns,
        rows: persons.map((person) => ({
          person,
          values: Array.from({ length: columns }, (_, c) => BigInt(100 * person + 10 * r + c) - 2n ** 61n),
        })),
      }),
    ),
  );

/** 59 and 62 bits. */
function tagOf(person: number): readonly [bigint, bigint] {
  const hash = nodeCrypto.sha256();
  hash.update(Uint8Array.of(person));
  const [first = 0n, second = 0n] = new BigUint64Array(hash.digest().slice(0, 16).buffer);
  return [first >> 5n, second >> 2n];
}

/** What a holder shares: rows in ascending order of the first words of their tags, then both words and the columns. */
function brought({ columns, rows }: Relation): { columns: number; table: bigint[][] } {
  const tagged = rows.map(({ person, values }) => [...tagOf(person), ...values]);
  tagged.sort(([x = 0n], [y = 0n]) => (x < y ? -1 : 1));
  return { columns, table: Array.from({ length: 2 + columns }, (_, c) => tagged.map((row) => row[c] ?? 0n)) };
}

function joined(
  by: (typeof BACKENDS)[string],
  of: readonly { columns: number; table: readonly (readonly bigint[])[] }[],
  shuffled: boolean,
  seed?: number,
) {
  const join = {
    relations: of.map(({ columns, table }) => ({ rows: table[0]?.length ?? 0, columns })),
    ...{ passes: 1, matcher: undefined },
  };
  const vectors = of.map(({ table }) => table.flat());
  const circuit = circuitOver(
    vectors.map(({ length }) => length),
    (b, inputs) => {
      const { valid, columns } = mergeJoin(b, join, inputs, { shuffled });
      return [valid, ...columns];
    },
  );
  return opened(by, circuit, vectors, seed);
}

/** Columns of the slots that hold a match, which the others may not show: in those they are 0. */
function matches([valid = [], ...columns]: readonly (readonly (bigint | null)[])[]): string[] {
  const slots = valid.map((bit, slot) => [bit, ...columns.map((column) => column[slot])].join());
  expect(slots.filter((slot) => /^0(,|$)/.test(slot)).every((slot) => /^0(,0)*$/.test(slot))).toBe(true);
  return slots.filter((slot) => slot.startsWith('1')).toSorted();
}

function expected(of: readonly Relation[]): string[] {
  const [first, ...others] = of;
  return (first?.rows ?? [])
    .flatMap((row) => {
      const found = others.map(({ rows }) => rows.find(({ person }) => person === row.person));
      return found.includes(undefined)
        ? []
        : [[1n, ...row.values, ...found.flatMap((one) => one?.values ?? [])].join()];
    })
    .toSorted();
}

describe('a join by merging', () => {
  const by = BACKENDS['three seats, one malicious'] as (typeof BACKENDS)[string];
  const persons = (...of: number[]): Relation => ({
    columns: 1,
    rows: of.map((person) => ({ person, values: [BigInt(person)] })),
  });
  const [left, right] = [persons(1, 2, 3, 4, 5), persons(2, 3, 5, 9)].map(brought) as [
    ReturnType<typeof brought>,
    ReturnType<typeof brought>,
  ];

  test('finds nothing where a holder brings rows out of order, twice, or with words that are no tags', async () => {
    const altered = (change: (first: bigint[], second: bigint[]) => void) => {
      const table = right.table.map((column) => [...column]);
      change(table[0] as bigint[], table[1] as bigint[]);
      return { columns: 1, table };
    };
    const all = ['1,2,2', '1,3,3', '1,5,5'];
    expect(matches((await joined(by, [left, right], false)).outputs)).toEqual(all);
    const bad = [
      altered((first, second) => {
        [first[1], first[2]] = [first[2] ?? 0n, first[1] ?? 0n];
        [second[1], second[2]] = [second[2] ?? 0n, second[1] ?? 0n];
      }),
      altered((first) => {
        first[1] = first[0] ?? 0n;
      }),
      altered((first) => {
        first[3] = 2n ** 61n;
      }),
      altered((first) => {
        first[0] = -1n;
      }),
      altered((first) => {
        first[3] = 2n ** 61n - 1n;
      }),
    ];
    for (const one of bad) {
      expect(matches((await joined(by, [left, one], false)).outputs)).toEqual([]);
      expect(matches((await joined(by, [one, left], false)).outputs)).toEqual([]);
    }
    // Another second word is another tag.
    const other = altered((_, second) => {
      second[0] = (second[0] ?? 0n) ^ 1n;
    });
    expect(matches((await joined(by, [left, other], false)).outputs)).toHaveLength(
      all.length - (right.table[2]?.[0] === 9n ? 0 : 1),
    );
  });

  test('comes to every order of its slots where they may be opened, and else to that of tags', async () => {
    const of = [persons(1, 2, 3), persons(1, 2, 3)].map(brought);
    const [shuffled, plain] = [new Set<string>(), new Set<string>()];
    for (let seed = 0; seed < 40; seed++) {
      shuffled.add((await joined(by, of, true, seed)).outputs[1]?.join() ?? '');
      if (seed < 3) plain.add((await joined(by, of, false, seed)).outputs[1]?.join() ?? '');
    }
    expect(shuffled.size).toBe(6);
    expect([...plain]).toEqual([of[0]?.table[2]?.join()]);
  });

  test('sends the same frames, whatever matches', async () => {
    const [one, other] = [persons(1, 2, 3, 4), persons(5, 6, 7, 8)].map(brought) as [typeof left, typeof left];
    expect((await joined(by, [one, one], true)).sent).toEqual((await joined(by, [one, other], true)).sent);
  });
});
