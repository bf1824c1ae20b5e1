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
  return { age, dose, pressure, days, died: uniform() < 0.8, arm, site };
}

const holders = Array.from({ length: HOLDERS }, () => Array.from({ length: ROWS }, patient));
const all = holders.flat();
let folder = '';
let data: Record<string, string>[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), '2pm-statistics-'));
  data = await Promise.all(
    holders.map(async (rows, i) => {
      const names = Object.keys(rows[0] as Row) as (keyof Row)[];
      const lines = [names.join(), ...rows.map((row) => names.map((name) => row[name] ?? '').join())];
      const file = join(folder, `${i}.csv`);
      await writeFile(file, `${lines.join('\n')}\n`);
      return { patients: file };
    }),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(imports: string, body: string): Promise<{ result: never; rounds: number }> {
  const program = `import { bool, category, defineTask, fixed, int, table, ${imports} } from '@2pm/program';
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
      name: 'statistics', tables: { patients },
      roles: { clinic: { min: ${HOLDERS}, max: ${HOLDERS}, tables: ['patients'] } },
      run({ each, reveal }) { ${body} },
    });`;
  const simulation = await simulate({ program, holders: data, signal: AbortSignal.timeout(30_000) });
  return { result: simulation.result as never, rounds: simulation.rounds };
}

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

test('describe, correlation, t-test and regressions are those of all rows together', async () => {
  const { result } = await run(
    'correlation, describe, linearRegression, moments, ridgeRegression, sample, tTest',
    `const totals = each('clinic', ({ patients }) => ({
       all: moments(patients, ['age', 'dose', 'pressure']),
       drug: sample(patients.where(patients.arm.eq('drug')).pressure),
       placebo: sample(patients.where(patients.arm.eq('placebo')).pressure),
     })).total();
     const { all, drug, placebo } = reveal(totals, { to: 'analyst', minGroupSize: 20 });
     const model = { y: 'pressure', x: ['age', 'dose'] } as const;
     return { describe: describe(all), correlation: correlation(all), test: tTest(drug, placebo),
       linear: linearRegression(all, model), ridge: ridgeRegression(all, { ...model, penalty: 5000 }) };`,
  );
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
      p: expect.closeTo(0.5, 0.5),
    },
    linear: {
      intercept: close(mean(pressure) - a * mean(age) - d * mean(dose)),
      coefficients: { age: close(a), dose: close(d) },
      r2: close(1 - (sigma2 * (rows.length - 3)) / syy),
      standardErrors: { age: close(Math.sqrt(sigma2 * inverse)) },
    },
    ridge: { coefficients: { age: close(ra ?? 0), dose: close(rd ?? 0) } },
  });
}, 30_000);

test('counts by two categories, and survival by intervals, are those of all rows together', async () => {
  const edges = [0, 90, 180, 360, 540, 900];
  const { result } = await run(
    'chiSquare, contingency, kaplanMeier, lifeTable, logRank',
    `const totals = each('clinic', ({ patients }) => {
       const of = (arm) => lifeTable(patients.where(patients.arm.eq(arm)), { time: 'days', event: 'died', edges: ${JSON.stringify(edges)} });
       return { sites: contingency(patients, 'arm', 'site'), drug: of('drug'), placebo: of('placebo') };
     }).total();
     const { sites, drug, placebo } = reveal(totals, { to: 'analyst', minGroupSize: 2 });
     return { ...sites, chi: chiSquare(sites), drug: kaplanMeier(drug), rank: logRank(drug, placebo) };`,
  );
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
    ...{ row0: observed[0], row1: observed[1] },
    chi: { statistic: expect.closeTo(chi, 8), degrees: 2, p: expect.closeTo(Math.exp(-chi / 2), 10) },
    drug: { atRisk: [0, 1, 2, 3, 4].map((j) => risk('drug', j)), survival: curve },
    rank: { statistic: expect.closeTo(excess ** 2 / spread, 8), degrees: 1, p: expect.any(Number) },
  });
}, 30_000);

test('a logistic regression on shared rows finds the weights of the greatest likelihood, and predicts', async () => {
  const { result } = await run(
    'logisticRegression, matrix, predict, SharedMatrix',
    `const rows = each('clinic', ({ patients }) => patients.rows(['age', 'pressure', 'days'], { capacity: ${ROWS + 10} })).stack();
     const [valid, age, pressure, days] = [0, 1, 2, 3].map((i) => new SharedMatrix(rows.unstack(), ${HOLDERS * (ROWS + 10)}).transpose().row(i));
     const x = [age.sub(55).div(30).clip(-1, 1), pressure.sub(115).div(40).clip(-1, 1)];
     const model = logisticRegression(x, days.ge(365), { rows: valid.eq(1), iterations: 60 });
     const said = predict(x, { intercept: 0.5, coefficients: [1.25, -2] }).sigmoid();
     return { model: reveal(model, { to: 'analyst', name: 'model' }), said: reveal(said.mul(valid).sum(), { to: 'analyst', name: 'said' }) };`,
  );
  const x = all.map((r) => [
    1,
    ...[(r.age - 55) / 30, (r.pressure - 115) / 40].map((v) => Math.min(Math.max(v, -1), 1)),
  ]);
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
  const dot = (u: readonly number[], v: readonly number[]) => u.reduce((sum, value, i) => sum + value * (v[i] ?? 0), 0);
  let w = [0, 0, 0];
  for (let step = 0; step < 20; step++) {
    const said = x.map((row) => sigmoid(dot(row, w)));
    const gradient = w.map((_, j) =>
      x.reduce((sum, row, i) => sum + (row[j] ?? 0) * (Number((all[i]?.days ?? 0) >= 365) - (said[i] ?? 0)), 0),
    );
    const hessian = w.map((_, j) =>
      w.map((_, k) =>
        x.reduce((sum, row, i) => sum + (row[j] ?? 0) * (row[k] ?? 0) * (said[i] ?? 0) * (1 - (said[i] ?? 0)), 0),
      ),
    );
    w = w.map((value, j) => value + (solve(hessian, gradient)[j] ?? 0));
  }
  const { model, said } = result as { model: number[]; said: number };
  for (const [j, value] of model.entries()) expect(value).toBeCloseTo(w[j] ?? 0, 2);
  const expected = x.reduce((sum, row) => sum + sigmoid(dot(row, [0.5, 1.25, -2])), 0);
  expect(Math.abs(said - expected) / expected).toBeLessThan(1e-4);
}, 30_000);
