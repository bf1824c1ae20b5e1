/**
 * A model of joined rows, from `submit` to settled: two holders with Parquet files of n keys each, half of them in common, half
 * of the features with each; a third node brings none and matches, or deals, or does nothing, as the protocol says. Four nodes as processes of their own, embedded chain with
 * blocks of 0.1 s.
 *
 *   npm run bench -- join-regress [--n 100000] [--features 20] [--model linear|logistic] [--steps 20] [--runs 2] [--json]
 *     [--protocol additive-dealer-semi-honest/1]
 *
 * Rows are matched by tags with rep3-semi-honest/1, which is the default, and in a circuit with any other protocol.
 * `linear`: least squares from sums of products over all matches. `logistic`: so many steps of a logistic regression. `right`:
 * whether the weights are those that the labels were made with, up to their noise (linear), or have their signs (logistic).
 * One JSON object a run.
 */
import { parseArgs } from 'node:util';
import { timedTask, withMatchingNodes } from './parts/matching.js';

const { values: flags } = parseArgs({
  options: {
    n: { type: 'string', default: '100000' },
    features: { type: 'string', default: '20' },
    model: { type: 'string', default: 'linear' },
    steps: { type: 'string', default: '20' },
    protocol: { type: 'string', default: 'rep3-semi-honest/1' },
    runs: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const [n, features] = [Number(flags.n), Number(flags.features)];
const { model, protocol } = flags;
const matching = protocol === 'rep3-semi-honest/1' ? '' : ", { matching: 'circuit' }";
const names = Array.from({ length: features }, (_, j) => `x${j}`);
const own = { a: names.slice(0, Math.ceil(features / 2)), b: names.slice(Math.ceil(features / 2)) };
const label = model === 'linear' ? 'int({ min: -20000, max: 20000 })' : 'int({ min: 0, max: 1 })';
const columnsOf = (org) => own[org].map((name) => `${name}: int({ min: -1000, max: 1000 })`).join(', ');
const brought = (org, more) => own[org].map((name) => `'${name}'`).join(', ') + more;
const MODELS = {
  linear: `const sums = reveal(jointMoments({ ...x, y }, { rows: both.matched }), { to: 'analyst', minGroupSize: 20 });
    const { coefficients } = linearRegression(sums, { y: 'y', x: NAMES });
    return { coefficients };`,
  logistic: `const features = NAMES.map((name) => x[name].div(1000).clip(-1, 1));
    const weights = logisticRegression(features, y.eq(1), { rows: both.matched, iterations: ${Number(flags.steps)} });
    return reveal({ weights }, { to: 'analyst', minGroupSize: 20 });`,
};
const PROGRAM = `
import { defineTask, int, jointMoments, key, linearRegression, logisticRegression, table } from '@2pm/program';
const keys = { id: key.exact('id') };
const left = table({ ${columnsOf('a')}, y: ${label} }, { maxRows: ${n}, keys });
const right = table({ ${columnsOf('b')} }, { maxRows: ${n}, keys });
const NAMES = ${JSON.stringify(names)};
export default defineTask({
  name: 'join-regress',
  tables: { left, right },
  roles: { a: { min: 1, max: 1, tables: ['left'] }, b: { min: 1, max: 1, tables: ['right'] } },
  run({ each, join, reveal }) {
    const a = each('a', ({ left }) => left.by('id', { columns: [${brought('a', ", 'y'")}] }));
    const b = each('b', ({ right }) => right.by('id', { columns: [${brought('b', '')}] }));
    const both = join(a, b${matching});
    const y = both.column('a', 'y');
    const x = {
      ${own.a.map((name) => `${name}: both.column('a', '${name}'),`).join(' ')}
      ${own.b.map((name) => `${name}: both.column('b', '${name}'),`).join(' ')}
    };
    ${MODELS[model]}
  },
});`;
const PERMIT = {
  parties: 'any',
  operations: ['aggregate', 'match'],
  reveals: ['aggregate'],
  columns: 'any',
  thresholds: { minParties: 1, minGroupSize: 20 },
  approval: 'auto',
};
/** What the label is made of. */
const weights = names.map((_, j) => ((j * 7) % 11) - 5);

/** Keys [0, n) with a, [n/2, 3n/2) with b; features are what hashes of key and name say. */
function selectOf(org, from, more) {
  const columns = own[org].map((name) => `${feature(name)} AS ${name}`).join(', ');
  return `SELECT 'customer-' || i AS id, ${columns}${more} FROM range(${from}, ${from + n}) t(i) ORDER BY hash(i, '${org}')`;
}
const feature = (name) => `((hash(i, '${name}') % 2001)::INTEGER - 1000)`;
const score = names.map((name, j) => `${weights[j]} * ${feature(name)}`).join(' + ');
const y =
  model === 'linear' ? `(${score}) // 5 + (hash(i, 'noise') % 401)::INTEGER - 200` : `((${score}) > 0)::INTEGER`;
const files = {
  a: { table: 'left', select: selectOf('a', 0, `, (${y})::INTEGER AS y`) },
  b: { table: 'right', select: selectOf('b', Math.floor(n / 2), '') },
};

await withMatchingNodes({ files, permit: PERMIT }, async ({ analyst, roles }) => {
  for (let run = 0; run < Number(flags.runs); run++) {
    const { taskId, wall_ms, cost } = await timedTask(analyst, { program: PROGRAM, roles, protocol });
    const { result } = await analyst.client.result(taskId);
    const line = {
      ...{ name: 'join-regress', protocol, n, features, model, warm: run > 0, wall_ms },
      ...{ rounds: cost.rounds, bytes: cost.bytesSent, phase_ms: cost.phaseMs, right: isRight(result) },
    };
    console.log(flags.json ? JSON.stringify(line) : `${run + 1}  ${wall_ms} ms  ${JSON.stringify(cost.phaseMs)}`);
    if (!line.right) process.exitCode = 1;
  }
});

function isRight(result) {
  if (model === 'linear') return names.every((name, j) => Math.abs(result.coefficients[name] - weights[j] / 5) < 0.02);
  return names.every((_, j) => weights[j] === 0 || Math.sign(result.weights[j + 1]) === Math.sign(weights[j]));
}
