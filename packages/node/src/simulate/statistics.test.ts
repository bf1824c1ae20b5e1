/** The library of statistics, from the program's text over files and shares to the result, against plain code on all rows. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRng } from '@2pm/testing/seeded-rng';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { simulate } from './simulate.ts';

const HOLDERS = 3;
const ROWS = 150;

interface Row {
  age: number;
  dose: number | null;
  pressure: number;
  days: number;
  died: boolean;
  arm: 'drug' | 'placebo';
  site: 'north' | 'south' | 'west';
}

const stream = seededRng(7);
const uniform = () => new DataView(stream.fill(new Uint8Array(4)).buffer).getUint32(0) / 2 ** 32;
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

function patient(): Row {
  const arm = uniform() < 0.5 ? 'drug' : 'placebo';
  const age = Math.round(30 + 50 * uniform());
  const dose = uniform() < 0.1 ? null : Math.round(uniform() * 400) / 4;
  const pressure = Math.round(90 + 0.6 * age - 0.15 * (dose ?? 50) + 8 * normal());
  const days = Math.min(Math.floor(-Math.log(1 - uniform()) * (arm === 'drug' ? 700 : 350)), 899);
  const site = uniform() < 0.4 ? 'north' : uniform() < (arm === 'drug' ? 0.7 : 0.4) ? 'south' : 'west';
  return { age, dose, pressure, days, died: uniform() < 0.6, arm, site };
}

const holders = Array.from({ length: HOLDERS }, () => Array.from({ length: ROWS }, patient));
const all = holders.flat();
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), '2pm-statistics-'));
  const data = await Promise.all(
    holders.map(async (rows, i) => {
      const names = Object.keys(rows[0] as Row) as (keyof Row)[];
      const lines = [names.join(), ...rows.map((row) => names.map((name) => row[name] ?? '').join())];
      const file = join(folder, `${i}.csv`);
      await writeFile(file, `${lines.join('\n')}\n`);
      return { patients: file };
    }),
  );
  const signal = AbortSignal.timeout(30_000);
  result = (await simulate({ program: PROGRAM, holders: data, signal })).result as never;
}, 30_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const EDGES = [0, 90, 180, 360, 540, 900];
const PROGRAM = `
import { bool, category, defineTask, fixed, int, table } from '@2pm/program';
import { correlation, describe, linearRegression, moments, ridgeRegression, sample, tTest } from '@2pm/program';
import { chiSquare, contingency, kaplanMeier, lifeTable, logRank } from '@2pm/program';

const patients = table({
  age: int({ min: 0, max: 120 }),
  dose: fixed({ min: 0, max: 100, fractionBits: 4, nullable: true }),
  pressure: int({ min: 50, max: 250 }),
  days: int({ min: 0, max: 2000 }),
  died: bool(),
  arm: category(['drug', 'placebo']),
  site: category(['north', 'south', 'west']),
}, { maxRows: 1000 });

export default defineTask({
  name: 'statistics',
  tables: { patients },
  roles: { clinic: { min: 3, max: 8, tables: ['patients'] } },
  run({ each, reveal }) {
    const totals = each('clinic', ({ patients }) => {
      const armed = (arm) => patients.where(patients.arm.eq(arm));
      const life = (arm) => lifeTable(armed(arm), { time: 'days', event: 'died', edges: [${EDGES}] });
      return {
        all: moments(patients, ['age', 'dose', 'pressure']),
        pressure: { drug: sample(armed('drug').pressure), placebo: sample(armed('placebo').pressure) },
        sites: contingency(patients, 'arm', 'site'),
        life: { drug: life('drug'), placebo: life('placebo') },
      };
    }).total();
    const { all, pressure, sites, life } = reveal(totals, { to: 'analyst', minGroupSize: 5 });
    const model = { y: 'pressure', x: ['age', 'dose'] } as const;
    return {
      describe: describe(all),
      correlation: correlation(all),
      test: tTest(pressure.drug, pressure.placebo),
      linear: linearRegression(all, model),
      ridge: ridgeRegression(all, { ...model, penalty: 5000 }),
      sites,
      chi: chiSquare(sites),
      drug: kaplanMeier(life.drug),
      rank: logRank(life.drug, life.placebo),
    };
  },
});
`;
let result: never;

const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length;
const cross = (x: readonly number[], y: readonly number[]) =>
  x.reduce((sum, value, i) => sum + (value - mean(x)) * ((y[i] ?? 0) - mean(y)), 0);
const variance = (x: readonly number[]) => cross(x, x) / (x.length - 1);

/** Solves a linear system by elimination with pivoting. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i] ?? 0]);
  for (let p = 0; p < rows.length; p++) {
    rows.sort((a, b) => (rows.indexOf(a) < p || rows.indexOf(b) < p ? 0 : Math.abs(b[p] ?? 0) - Math.abs(a[p] ?? 0)));
    for (const [i, row] of rows.entries()) {
      if (i === p) continue;
      const factor = (row[p] ?? 0) / (rows[p]?.[p] ?? 1);
      rows[i] = row.map((value, j) => value - factor * (rows[p]?.[j] ?? 0));
    }
  }
  return rows.map((row, i) => (row.at(-1) ?? 0) / (row[i] ?? 1));
}

test('describe, correlation, t-test and regressions are those of all rows together', () => {
  const rows = all.filter((row): row is Row & { dose: number } => row.dose !== null);
  const [age, dose, pressure] = [rows.map((r) => r.age), rows.map((r) => r.dose), rows.map((r) => r.pressure)];
  const [saa, sad, sdd] = [cross(age, age), cross(age, dose), cross(dose, dose)];
  const [say, sdy, syy] = [cross(age, pressure), cross(dose, pressure), cross(pressure, pressure)];
  const [a = 0, d = 0] = solve(
    [
      [saa, sad],
      [sad, sdd],
    ],
    [say, sdy],
  );
  const residuals = rows.map((r) => r.pressure - mean(pressure) - a * (r.age - mean(age)) - d * (r.dose - mean(dose)));
  const sigma2 = residuals.reduce((sum, value) => sum + value * value, 0) / (rows.length - 3);
  const [inverse = 0] = solve(
    [
      [saa, sad],
      [sad, sdd],
    ],
    [1, 0],
  );
  const [ra, rd] = solve(
    [
      [saa + 5000, sad],
      [sad, sdd + 5000],
    ],
    [say, sdy],
  );
  const [x, y] = (['drug', 'placebo'] as const).map((arm) =>
    all.filter((r) => r.arm === arm).map((r) => r.pressure),
  ) as [number[], number[]];
  const error = variance(x) / x.length + variance(y) / y.length;
  const close = (value: number) => expect.closeTo(value, 8);
  expect(result).toMatchObject({
    describe: { age: { count: rows.length, mean: close(mean(age)), std: close(Math.sqrt(variance(age))) } },
    correlation: {
      age: { pressure: close(say / Math.sqrt(saa * syy)), age: close(1) },
      pressure: { age: close(say / Math.sqrt(saa * syy)) },
    },
    test: {
      statistic: close((mean(x) - mean(y)) / Math.sqrt(error)),
      degrees: close(
        error ** 2 / ((variance(x) / x.length) ** 2 / (x.length - 1) + (variance(y) / y.length) ** 2 / (y.length - 1)),
      ),
      p: expect.any(Number),
    },
    linear: {
      intercept: close(mean(pressure) - a * mean(age) - d * mean(dose)),
      coefficients: { age: close(a), dose: close(d) },
      r2: close(1 - (sigma2 * (rows.length - 3)) / syy),
      standardErrors: { age: close(Math.sqrt(sigma2 * inverse)) },
    },
    ridge: { coefficients: { age: close(ra ?? 0), dose: close(rd ?? 0) } },
  });
});

test('counts by two categories, and survival by intervals, are those of all rows together', () => {
  const edges = EDGES;
  const arms = ['drug', 'placebo'] as const;
  const observed = arms.map((arm) =>
    ['north', 'south', 'west'].map((site) => all.filter((r) => r.arm === arm && r.site === site).length),
  );
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  const columns = [0, 1, 2].map((j) => total(observed.map((row) => row[j] ?? 0)));
  const chi = total(
    observed.flatMap((row) =>
      row.map((o, j) => {
        const expected = (total(row) * (columns[j] ?? 0)) / all.length;
        return (o - expected) ** 2 / expected;
      }),
    ),
  );
  const inside = (row: Row, j: number) =>
    row.days >= (edges[j] ?? 0) && (j === edges.length - 2 || row.days < (edges[j + 1] ?? 0));
  const risk = (arm: string, j: number) => all.filter((r) => r.arm === arm && r.days >= (edges[j] ?? 0)).length;
  const events = (arm: string, j: number) => all.filter((r) => r.arm === arm && r.died && inside(r, j)).length;
  let [survival, excess, spread] = [1, 0, 0];
  const curve: unknown[] = [];
  for (let j = 0; j < edges.length - 1; j++) {
    survival *= 1 - events('drug', j) / risk('drug', j);
    curve.push(expect.closeTo(survival, 10));
    const [n1, n, d] = [
      risk('drug', j),
      risk('drug', j) + risk('placebo', j),
      events('drug', j) + events('placebo', j),
    ];
    excess += events('drug', j) - (d * n1) / n;
    spread += (d * (n1 / n) * (1 - n1 / n) * (n - d)) / (n - 1);
  }
  expect(result).toMatchObject({
    sites: { row0: observed[0], row1: observed[1] },
    chi: { statistic: expect.closeTo(chi, 8), degrees: 2, p: expect.closeTo(Math.exp(-chi / 2), 10) },
    drug: { atRisk: [0, 1, 2, 3, 4].map((j) => risk('drug', j)), survival: curve },
    rank: { statistic: expect.closeTo(excess ** 2 / spread, 8), degrees: 1, p: expect.any(Number) },
  });
});
