import { type Hash, nodesOf, type Plan } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { evaluatePlain, rep3SemiHonest, simulateSeats } from '@2pm/mpc';
import {
  defineTask,
  int,
  jointMoments,
  linearRegression,
  logisticRegression,
  type OpenedVector,
  predict,
  SharedMatrix,
  table,
  trace,
} from '@2pm/program';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import { finish } from './finish.ts';

const HOLDERS = 2;
const CAPACITY = 200;
const ROWS = 180;

const stream = seededRng(7);
const uniform = () => new DataView(stream.fill(new Uint8Array(4)).buffer).getUint32(0) / 2 ** 32;
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));

/** Two features in thousandths, and the label. */
const patients = Array.from({ length: HOLDERS * ROWS }, () => {
  const [a, b] = [Math.round(2000 * uniform() - 1000), Math.round(2000 * uniform() - 1000)];
  return [a, b, uniform() < sigmoid(0.4 + 0.0018 * a - 0.0012 * b) ? 1 : 0] as const;
});
const x = patients.map(([a, b]) => [1, a / 1000, b / 1000]);

/** What each holder shares: validity, then the columns, row by row, zeros to fill the capacity; then its number of rows. */
const rows = Array.from({ length: HOLDERS }, (_, holder) => {
  const vector = new BigInt64Array(CAPACITY * 4);
  for (const [i, row] of patients.slice(holder * ROWS, (holder + 1) * ROWS).entries()) {
    vector.set([1n, ...row.map(BigInt)], 4 * i);
  }
  return [vector, BigInt64Array.of(BigInt(ROWS))];
});

function program(iterations: number, penalty = 0, minGroupSize = 20): Plan {
  const feature = { min: -1000, max: 1000 };
  const people = table({ a: int(feature), b: int(feature), ill: int({ min: 0, max: 1 }) }, { maxRows: CAPACITY });
  return trace(
    defineTask({
      ...{
        name: 'logistic',
        tables: { people },
        roles: { clinic: { min: HOLDERS, max: HOLDERS, tables: ['people'] } },
      },
      run({ each, reveal }) {
        const stacked = each('clinic', (t) => t.people.rows(['a', 'b', 'ill'], { capacity: CAPACITY })).stack();
        const columns = new SharedMatrix(stacked.unstack(), HOLDERS * CAPACITY).transpose();
        const [valid, a, b, ill] = [columns.row(0), columns.row(1), columns.row(2), columns.row(3)];
        const features = [a.div(1000).clip(-1, 1), b.div(1000).clip(-1, 1)];
        const model = logisticRegression(features, ill.eq(1), { iterations, penalty, rows: valid.eq(1) });
        const said = predict(features, { intercept: 0.5, coefficients: [1.25, -2] }).sigmoid();
        const known = predict(features, { intercept: model.at(0), coefficients: model.slice(1) }).sigmoid();
        const out = { model, said: said.mul(valid).sum(), known: known.mul(valid).sum() };
        return reveal(out, { to: 'analyst', minGroupSize }) as { [name: string]: OpenedVector };
      },
    }),
  );
}

const dot = (u: readonly number[], v: readonly number[]) => u.reduce((sum, value, i) => sum + value * (v[i] ?? 0), 0);

/** Newton's method on all rows in the clear. */
function fitted(penalty: number): number[] {
  let w = [0, 0, 0];
  for (let step = 0; step < 25; step++) {
    const said = x.map((row) => sigmoid(dot(row, w)));
    const gradient = w.map(
      (value, j) =>
        x.reduce((sum, row, i) => sum + (row[j] ?? 0) * ((patients[i]?.[2] ?? 0) - (said[i] ?? 0)), 0) -
        penalty * value,
    );
    const matrix = w.map((_, j) => {
      const spread = (k: number) =>
        x.reduce((sum, row, i) => sum + (row[j] ?? 0) * (row[k] ?? 0) * (said[i] ?? 0) * (1 - (said[i] ?? 0)), 0);
      return [...w.map((_, k) => spread(k) + (j === k ? penalty : 0)), gradient[j] ?? 0];
    });
    for (let p = 0; p < 3; p++) {
      for (let i = 0; i < 3; i++) {
        if (i === p) continue;
        const factor = (matrix[i]?.[p] ?? 0) / (matrix[p]?.[p] ?? 1);
        matrix[i] = (matrix[i] ?? []).map((value, j) => value - factor * (matrix[p]?.[j] ?? 0));
      }
    }
    w = w.map((value, i) => value + (matrix[i]?.[3] ?? 0) / (matrix[i]?.[i] ?? 1));
  }
  return w;
}

type Result = { model: number[]; said: number; known: number };
const inputs = new Map([['clinic', rows]]);
const clearly = (plan: Plan) => finish(plan, evaluatePlain(plan, { clinic: HOLDERS }, inputs)) as never as Result;

test('a logistic regression comes to the weights of the greatest likelihood', () => {
  const { model, said, known } = clearly(program(100));
  const w = fitted(0);
  for (const [j, value] of model.entries()) expect(value).toBeCloseTo(w[j] ?? 0, 2);
  const total = (weights: readonly number[]) => x.reduce((sum, row) => sum + sigmoid(dot(row, weights)), 0);
  expect(said / total([0.5, 1.25, -2])).toBeCloseTo(1, 4);
  expect(known / total(model)).toBeCloseTo(1, 4);
});

test('a penalty on the mean loss shrinks the weights as it should', () => {
  const { model } = clearly(program(60, 0.05));
  const w = fitted(0.05 * HOLDERS * CAPACITY);
  for (const [j, value] of model.entries()) expect(value).toBeCloseTo(w[j] ?? 0, 2);
});

test('a model of fewer rows than are asked for is withheld', () => {
  expect(clearly(program(2, 0, HOLDERS * ROWS)).said).not.toBeNull();
  expect(clearly(program(2, 0, HOLDERS * ROWS + 1))).toEqual({ model: [null, null, null], said: null, known: null });
});

test('seats come to the weights of the clear computation, in 19 rounds an iteration at most', async () => {
  const [plan, longer] = [program(6), program(7)];
  const run = async (of: Plan) =>
    simulateSeats(rep3SemiHonest, {
      ...{ plan: of, sid: `0x${'ab'.repeat(32)}` as Hash, roles: { clinic: HOLDERS }, inputs },
      ...{ rng: seededRng(3), crypto: nodeCrypto },
    });
  const { opened, seats } = await run(plan);
  const { model } = finish(plan, opened) as never as Result;
  for (const [j, value] of clearly(plan).model.entries()) expect(model[j]).toBeCloseTo(value, 3);
  const more = (await run(longer)).seats[0]?.rounds ?? 0;
  expect(more - (seats[0]?.rounds ?? 0)).toBeLessThanOrEqual(19);
  expect(longer.nodes.length).toBe(plan.nodes.length);
  expect(nodesOf(plan, 'sigmoid/1')).toHaveLength(3);
});

test('a linear regression of shared columns is that of all rows', () => {
  const feature = { min: -1000, max: 1000 };
  const people = table({ a: int(feature), b: int(feature), ill: int({ min: 0, max: 1 }) }, { maxRows: CAPACITY });
  const plan = trace(
    defineTask({
      ...{ name: 'least-squares', tables: { people } },
      roles: { clinic: { min: HOLDERS, max: HOLDERS, tables: ['people'] } },
      run({ each, reveal }) {
        const stacked = each('clinic', (t) => t.people.rows(['a', 'b', 'ill'], { capacity: CAPACITY })).stack();
        const columns = new SharedMatrix(stacked.unstack(), HOLDERS * CAPACITY).transpose();
        const shared = { a: columns.row(1), b: columns.row(2), ill: columns.row(3) };
        const sums = jointMoments(shared, { rows: columns.row(0).eq(1) });
        return linearRegression(reveal(sums, { to: 'analyst', minGroupSize: 20 }), { y: 'ill', x: ['a', 'b'] });
      },
    }),
  );
  type Fit = { intercept: number; coefficients: { a: number; b: number }; r2: number };
  const { intercept, coefficients, r2 } = clearly(plan) as never as Fit;
  const residuals = patients.map(([a, b, ill]) => ill - intercept - coefficients.a * a - coefficients.b * b);
  // What makes it least squares: residuals are orthogonal to every column, that of ones included.
  for (const column of [0, 1, 2])
    expect(
      dot(
        residuals,
        x.map((row) => row[column] ?? 0),
      ),
    ).toBeCloseTo(0, 6);
  const mean = patients.reduce((sum, [, , ill]) => sum + ill, 0) / patients.length;
  const spread = patients.reduce((sum, [, , ill]) => sum + (ill - mean) ** 2, 0);
  expect(r2).toBeCloseTo(1 - dot(residuals, residuals) / spread, 9);
});
