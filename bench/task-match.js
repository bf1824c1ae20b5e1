/**
 * A whole task that matches rows, from `submit` to settled: two holders with Parquet files of n keys each, half of them in
 * common, and a third node that brings none. Four nodes as processes of their own, embedded chain with blocks of 0.1 s.
 *
 *   npm run bench -- task-match [--n 1048576] [--form psi|join|circuit|threshold] [--runs 3] [--json]
 *
 * `psi`: one holder learns which of its rows the other has. `join`: the analyst learns number and sum over the matches.
 * `circuit`: the same, matched in a circuit by the two holders alone, as seats. `threshold`: the third node brings n keys as
 * well, three quarters of them in common with the first holder, which learns which of its rows another one has.
 * One JSON object a run: `wall_ms` from the call to the settled state as the analyst's node says it, `phase_ms` where it
 * went, `bytes` sent by all members, `right` whether the answer is. The first run pays for the snapshots; `warm` says which
 * are the others.
 */
import { parseArgs } from 'node:util';
import { query, timedTask, withMatchingNodes } from './parts/matching.js';

const { values: flags } = parseArgs({
  options: {
    n: { type: 'string', default: String(2 ** 20) },
    form: { type: 'string', default: 'psi' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const n = Number(flags.n);
const { form } = flags;
const reveal =
  "return reveal({ n: both.count(), sum: both.column('a', 'value').sum() }, { to: 'analyst', minGroupSize: 20 });";
const orgs = form === 'threshold' ? ['a', 'b', 'third'] : ['a', 'b'];
const kept = form === 'psi' || form === 'threshold';
const PERMIT = {
  parties: 'any',
  operations: ['aggregate', 'match'],
  reveals: ['aggregate', 'intersection'],
  columns: 'any',
  thresholds: { minParties: 1, minGroupSize: 20 },
  approval: 'auto',
};
const columns = kept ? '' : ", { columns: ['value'] }";
const BODIES = {
  psi: "psi(a, b, { to: 'a' });",
  threshold: "psi(a, b, third, { to: 'a', atLeast: 2 });",
  join: `const both = join(a, b); ${reveal}`,
  circuit: `const both = join(a, b, { matching: 'circuit' }); ${reveal}`,
};
const PROGRAM = `
import { defineTask, int, key, table } from '@2pm/program';
const rows = table({ value: int({ min: 0, max: 1000 }) }, { maxRows: ${n}, keys: { id: key.exact('id') } });
export default defineTask({
  name: 'match',
  tables: { rows },
  roles: { ${orgs.map((org) => `${org}: { min: 1, max: 1, tables: ['rows'] }`).join(', ')} },
  run({ each, join, psi, reveal }) {
    const a = each('a', (t) => t.rows.by('id'${columns}));
    const [${orgs.slice(1).join(', ')}] = [${orgs
      .slice(1)
      .map((org) => `each('${org}', (t) => t.rows.by('id'))`)
      .join(', ')}];
    ${BODIES[form]}
  },
});`;

/** Keys [0, n), [n/2, 3n/2) and [n/4, 5n/4) in orders of their own; the value of a key is what its hash says. */
const half = Math.floor(n / 2);
const from = { a: 0, b: half, third: Math.floor(n / 4) };
const files = Object.fromEntries(
  orgs.map((org) => [
    org,
    {
      table: 'rows',
      select: `SELECT 'customer-' || i AS id, (hash(i) % 1000)::INTEGER AS value FROM range(${from[org]}, ${from[org] + n}) t(i) ORDER BY hash(i, '${org}')`,
    },
  ]),
);
const matches = n - (form === 'threshold' ? Math.floor(n / 4) : half);
const [[sum]] = await query(`SELECT sum(hash(i) % 1000) FROM range(${half}, ${n}) t(i)`);

await withMatchingNodes({ files, permit: PERMIT }, async ({ analyst, parties, roles }) => {
  for (let run = 0; run < Number(flags.runs); run++) {
    const seats = form === 'circuit' ? { seats: Object.values(roles).flat() } : {};
    const { taskId, wall_ms, cost } = await timedTask(analyst, { program: PROGRAM, roles, ...seats });
    const line = {
      ...{ name: 'task-match', form, n, warm: run > 0, wall_ms },
      ...{ phase_ms: cost.phaseMs, bytes: cost.bytesSent, right: await isRight(analyst, parties[1], taskId) },
    };
    console.log(flags.json ? JSON.stringify(line) : `${run + 1}  ${wall_ms} ms  ${JSON.stringify(cost.phaseMs)}`);
    if (!line.right) process.exitCode = 1;
  }
});

async function isRight(analyst, first, taskId) {
  if (!kept) {
    const { result } = await analyst.client.result(taskId);
    return result.n === matches && result.sum === Number(sum);
  }
  const { own } = await first.client.task(taskId);
  return own?.kept[0]?.rows === matches;
}
