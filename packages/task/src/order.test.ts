/** Order statistics of shared rows, from the program's text to opened numbers, against plain code on all rows. */
import type { Hash, Plan, SharedBackend } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import {
  additiveDealerSemiHonest,
  additiveSemiHonest,
  additiveTraffic,
  dealerTraffic,
  evaluatePlain,
  maliciousTraffic,
  rep3Malicious,
  rep3SemiHonest,
  simulateSeats,
  traffic,
} from '@2pm/mpc';
import { bool, category, checkPlan, defineTask, fixed, int, type OpenedVector, table, trace } from '@2pm/program';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { finish } from './finish.ts';

const visits = table(
  {
    days: int({ min: -8, max: 7 }),
    price: fixed({ min: -2, max: 2, fractionBits: 3, nullable: true }),
    id: int({ min: -(2n ** 40n), max: 2n ** 40n }),
    ward: category(['a', 'b', 'c']),
    urgent: bool(),
  },
  { maxRows: 50 },
);
const tables = { visits };
const roles = { clinic: { min: 2, max: 3, tables: ['visits'] } } as const;
type Context = Parameters<Parameters<typeof defineTask<typeof tables, typeof roles>>[0]['run']>[0];

/** As a clinic has it; the price in eighths. */
interface Row {
  days: number;
  price: number;
  id: bigint;
  ward: number;
  urgent: number;
}
const COLUMNS = ['days', 'price', 'id', 'ward', 'urgent'] as const;

function planOf(capacity: number, run: (rows: ReturnType<typeof allOf>) => Parameters<Context['reveal']>[0]): Plan {
  const plan = trace(
    defineTask({
      ...{ name: 'order', tables, roles },
      run: (context) =>
        context.reveal(run(allOf(context, capacity)), { to: 'analyst' }) as { [name: string]: OpenedVector },
    }),
  );
  checkPlan(plan);
  return plan;
}
const allOf = ({ each, union }: Context, capacity: number) =>
  union(each('clinic', (t) => t.visits.rows(COLUMNS, { capacity })));

/** What each clinic shares: validity and columns, row by row. */
function inputsOf(capacity: number, clinics: readonly (readonly Row[])[]) {
  const vectors = clinics.map((rows) => {
    const vector = new BigInt64Array(capacity * (1 + COLUMNS.length));
    for (const [i, row] of rows.entries()) {
      vector.set([1n, ...COLUMNS.map((name) => BigInt(row[name]))], i * (1 + COLUMNS.length));
    }
    return [vector];
  });
  return new Map([['clinic', vectors]]);
}

const RUNS = Number(process.env['ORDER_RUNS'] ?? 1);

/** Rounds as told before the run. */
type Told = (plan: Plan, roles: { clinic: number }) => { rounds: number };
/** More than two seats without an honest majority sort the same circuit: `mpc/src/network.test.ts`. */
const BACKENDS: Record<string, { backend: SharedBackend; seats: number; told: Told; runs: number }> = {
  'three seats': { backend: rep3SemiHonest, seats: 3, told: traffic, runs: 3 },
  'three seats, one malicious': { backend: rep3Malicious, seats: 3, told: maliciousTraffic, runs: 2 },
  'two seats': {
    ...{ backend: additiveSemiHonest, seats: 2, told: (plan, roles) => additiveTraffic(plan, roles, 2), runs: 1 },
  },
  'two seats and a dealer': {
    ...{ backend: additiveDealerSemiHonest, seats: 3, told: (plan, roles) => dealerTraffic(plan, roles, 3), runs: 1 },
  },
};
type By = (typeof BACKENDS)[string];

async function computed(
  { backend, seats, told }: By,
  plan: Plan,
  capacity: number,
  clinics: readonly (readonly Row[])[],
) {
  const roles = { clinic: clinics.length };
  const inputs = inputsOf(capacity, clinics);
  const { opened, seats: ran } = await simulateSeats(backend, {
    ...{ plan, sid: `0x${'ab'.repeat(32)}` as Hash, roles, inputs, seats, rng: seededRng(5), crypto: nodeCrypto },
  });
  for (const [node, values] of evaluatePlain(plan, roles, inputs)) {
    // Deciles are rescaled, to a neighbouring integer.
    const most = plan.nodes[node]?.attrs.name === 'deciles' ? 1 : 0;
    for (const [i, value] of values.entries()) {
      expect(Math.abs(Number((opened.get(node)?.[i] ?? 0n) - (value ?? 0n)))).toBeLessThanOrEqual(most);
    }
    expect(opened.get(node)?.length).toBe(values.length);
  }
  expect(ran[0]?.rounds).toBe(told(plan, roles).rounds);
  return { result: finish(plan, opened) as Record<string, number[]>, rounds: ran[0]?.rounds ?? 0 };
}

const row = fc.record<Row>({
  days: fc.oneof(fc.integer({ min: -8, max: 7 }), fc.constantFrom(-8, 7, 0)),
  price: fc.integer({ min: -16, max: 16 }),
  id: fc.oneof(fc.bigInt({ min: -(2n ** 40n), max: 2n ** 40n }), fc.constantFrom(-(2n ** 40n), 2n ** 40n, 0n, 1n)),
  ward: fc.integer({ min: 0, max: 2 }),
  urgent: fc.integer({ min: 0, max: 1 }),
});
/** A capacity, and the rows of two or three clinics. */
const world = fc.integer({ min: 1, max: 7 }).chain((capacity) => {
  const rows = fc.array(row, { maxLength: capacity });
  return fc.tuple(fc.constant(capacity), fc.array(rows, { minLength: 2, maxLength: 3 }));
});

const compare = (x: bigint | number, y: bigint | number) => (x < y ? -1 : x > y ? 1 : 0);
/** numpy.quantile, method "linear". */
function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted(compare);
  const place = p * (sorted.length - 1);
  const [low = 0, high = low] = sorted.slice(Math.floor(place), Math.floor(place) + 2);
  return low + (place - Math.floor(place)) * (high - low);
}
const padded = (values: readonly (number | bigint)[], length: number) => [
  ...values.map(Number),
  ...new Array<number>(length - values.length).fill(0),
];

describe.each(Object.entries(BACKENDS))('shared rows among %s', (_, by) => {
  test('are sorted by several keys, stably, with slots that hold no row last', async () => {
    await fc.assert(
      fc.asyncProperty(world, fc.boolean(), fc.boolean(), async ([capacity, clinics], first, second) => {
        const plan = planOf(capacity, (all) => {
          const urgent = all.where(all.column('urgent'));
          const sorted = urgent.sortBy(['days', 'id'], { descending: [first, second] });
          const byWard = all.sortBy('ward');
          return {
            ...{ valid: sorted.valid, days: sorted.column('days'), id: sorted.column('id'), n: sorted.count() },
            ...{ ward: byWard.column('ward'), price: byWard.column('price') },
          };
        });
        const { result } = await computed(by, plan, capacity, clinics);
        const slots = 3 * capacity;
        const rows = clinics.flat();
        const sign = (flag: boolean) => (flag ? -1 : 1);
        const sorted = rows
          .filter(({ urgent }) => urgent === 1)
          .toSorted((x, y) => sign(first) * compare(x.days, y.days) || sign(second) * compare(x.id, y.id));
        const byWard = rows.toSorted((x, y) => compare(x.ward, y.ward));
        expect(result).toEqual({
          valid: padded(new Array(sorted.length).fill(1), slots),
          days: padded(
            sorted.map(({ days }) => days),
            slots,
          ),
          id: padded(
            sorted.map(({ id }) => id),
            slots,
          ),
          n: sorted.length,
          ward: padded(
            byWard.map(({ ward }) => ward),
            slots,
          ),
          price: padded(
            byWard.map(({ price }) => price / 8),
            slots,
          ),
        });
      }),
      { numRuns: RUNS * by.runs },
    );
  }, 120_000);

  test('give the largest, quantiles, ranks, and fewer slots', async () => {
    await fc.assert(
      fc.asyncProperty(world, fc.integer({ min: 1, max: 3 }), async ([capacity, clinics], few) => {
        const plan = planOf(capacity, (all) => {
          const top = all.nlargest(few, 'price');
          const compact = all.where(all.column('days').gt(0)).compact({ capacity: few });
          return {
            ...{ top: top.column('price'), id: top.column('id'), least: all.nsmallest(1, 'days').column('days') },
            ...{ median: all.median('price'), deciles: all.quantile('days', [0.1, 0.5, 0.9]) },
            ...{ ends: all.quantile('id', [0, 1]), one: all.where(all.column('days').eq(3)).median('id') },
            rank: all.valid.toInt().mul(all.rank(all.column('days').mul(all.column('days')))),
            ...{
              kept: compact.column('days'),
              missing: all.where(all.column('days').gt(0)).count().sub(compact.count()),
            },
            sum: all.sum(all.column('days').add(1)),
          };
        });
        const { result } = await computed(by, plan, capacity, clinics);
        const rows = clinics.flat();
        const top = rows.toSorted((x, y) => compare(y.price, x.price)).slice(0, few);
        const of = (name: 'days' | 'id' | 'price') => rows.map((one) => Number(one[name]));
        expect(result['top']).toEqual(
          few === 1
            ? (top[0]?.price ?? 0) / 8
            : padded(
                top.map(({ price }) => price / 8),
                few,
              ),
        );
        expect(result['least']).toBe(Math.min(...(rows.length === 0 ? [0] : of('days'))));
        expect(result['median']).toBe(rows.length === 0 ? 0 : quantile(of('price'), 0.5) / 8);
        for (const [i, p] of [0.1, 0.5, 0.9].entries()) {
          expect(result['deciles']?.[i]).toBeCloseTo(rows.length === 0 ? 0 : quantile(of('days'), p), 4);
        }
        expect(result['ends']).toEqual(rows.length === 0 ? [0, 0] : [Math.min(...of('id')), Math.max(...of('id'))]);
        const threes = rows.filter(({ days }) => days === 3).map(({ id }) => Number(id));
        expect(result['one']).toBe(threes.length === 0 ? 0 : quantile(threes, 0.5));
        const squares = rows.toSorted((x, y) => compare(x.days ** 2, y.days ** 2));
        // Clinics' rows lie in blocks of the capacity.
        const slots = clinics.flatMap((of) => [...of, ...new Array<undefined>(capacity - of.length).fill(undefined)]);
        expect(result['rank']).toEqual(
          padded(
            slots.map((one) => (one === undefined ? 0 : squares.indexOf(one) + 1)),
            3 * capacity,
          ),
        );
        const above = rows.filter(({ days }) => days > 0).map(({ days }) => days);
        expect(result['kept']).toEqual(few === 1 ? (above[0] ?? 0) : padded(above.slice(0, few), few));
        expect(result['missing']).toBe(Math.max(above.length - few, 0));
        expect(result['sum']).toBe(rows.reduce((sum, { days }) => sum + days + 1, 0));
      }),
      { numRuns: RUNS * by.runs },
    );
  }, 120_000);

  test('are grouped by a key of any values, the largest groups first', async () => {
    await fc.assert(
      fc.asyncProperty(world, fc.integer({ min: 1, max: 3 }), async ([capacity, clinics], few) => {
        const plan = planOf(capacity, (all) => {
          const long = all.where(all.column('days').gt(-8));
          const [byDays, byId] = [all.groupBy('days', { maxGroups: few }), long.groupBy('id', { maxGroups: 3 })];
          return {
            ...{ days: byDays.key, n: byDays.count(), price: byDays.sum('price') },
            ...{ id: byId.key, many: byId.count(), wards: byId.sum(long.column('ward').add(1)) },
          };
        });
        const { result } = await computed(by, plan, capacity, clinics);
        const rows = clinics.flat();
        const groupsOf = (among: readonly Row[], by: 'days' | 'id', length: number) => {
          const groups = new Map(
            [...new Set(among.map((one) => one[by]))].map((key) => [key, among.filter((one) => one[by] === key)]),
          );
          const sorted = [...groups].sort(([a, x], [b, y]) => y.length - x.length || compare(a, b)).slice(0, length);
          const columnOf = (of: (group: Row[], key: number | bigint) => number) => {
            const column = padded(
              sorted.map(([key, group]) => of(group, key)),
              length,
            );
            return length === 1 ? column[0] : column;
          };
          return columnOf;
        };
        const [days, ids] = [
          groupsOf(rows, 'days', few),
          groupsOf(
            rows.filter((one) => one.days > -8),
            'id',
            3,
          ),
        ];
        expect(result).toEqual({
          days: days((_, key) => Number(key)),
          n: days((group) => group.length),
          price: days((group) => group.reduce((sum, { price }) => sum + price / 8, 0)),
          id: ids((_, key) => Number(key)),
          many: ids((group) => group.length),
          wards: ids((group) => group.reduce((sum, { ward }) => sum + ward + 1, 0)),
        });
      }),
      { numRuns: RUNS * by.runs },
    );
  }, 120_000);

  test('take as many rounds whatever they hold', async () => {
    const plan = planOf(4, (all) => ({ median: all.median('days') }));
    const one = { days: 3, price: 1, id: 5n, ward: 0, urgent: 0 };
    const [none, some] = [await computed(by, plan, 4, [[], []]), await computed(by, plan, 4, [[one, one], [one]])];
    expect(some.rounds).toBe(none.rounds);
    expect([none.result['median'], some.result['median']]).toEqual([0, 3]);
    // Around the run 2, the column under its mask 1, sortable 7, ranks 3, place 3, the element 1, in proportion 1.
    const rounds = 2 + 1 + 7 + 7 * Math.ceil((4 + 1) / 2) + 3 + 3 + 1 + 1;
    if (by.backend === rep3SemiHonest) expect(none.rounds).toBe(rounds);
  });
});
