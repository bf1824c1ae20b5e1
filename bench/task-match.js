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
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { addDataset, found, gathered, makeNode, start } from '@2pm/demo/cast';
import { DuckDBInstance } from '@duckdb/node-api';

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

const dir = await mkdtemp(join(tmpdir(), '2pm-bench-'));
const parties = [];
try {
  const expected = await makeFiles();
  const founding = await found(dir, 3);
  const { analyst } = founding;
  parties.push(analyst);
  for (const org of ['a', 'b', 'third']) {
    const home = join(dir, org);
    await makeNode(founding, home, org);
    if (orgs.includes(org)) await addDataset(home, join(dir, `${org}.parquet`), 'rows', PERMIT);
    parties.push(await start(org, home, undefined));
  }
  await gathered(analyst, 3);
  const peers = await analyst.client.peers();
  const roles = Object.fromEntries(
    orgs.map((org) => [org, peers.filter((peer) => peer.org === org).map(({ node }) => node)]),
  );
  for (let run = 0; run < Number(flags.runs); run++) {
    const begin = performance.now();
    const seats = form === 'circuit' ? { seats: Object.values(roles).flat() } : {};
    const taskId = await analyst.client.submit({ program: PROGRAM, purpose: 'benchmark', roles, ...seats });
    let wall_ms = 0;
    for await (const { org, phase } of analyst.client.updates(taskId)) {
      if (phase === 'settled' && org === analyst.org) wall_ms = Math.round(performance.now() - begin);
    }
    const { cost, phase, error } = await analyst.client.task(taskId);
    if (phase !== 'settled') throw new Error(`the task is ${phase}: ${JSON.stringify(error)}`);
    const line = {
      name: 'task-match',
      form,
      n,
      warm: run > 0,
      wall_ms,
      phase_ms: cost.phaseMs,
      bytes: cost.bytesSent,
      right: await isRight(analyst, taskId, expected),
    };
    console.log(flags.json ? JSON.stringify(line) : `${run + 1}  ${wall_ms} ms  ${JSON.stringify(cost.phaseMs)}`);
  }
} finally {
  await Promise.all(parties.map((party) => party.process.stop()));
  await rm(dir, { recursive: true, force: true });
}

/** Keys [0, n), [n/2, 3n/2) and [n/4, 5n/4) in orders of their own; the value of a key is what its hash says. */
async function makeFiles() {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const half = Math.floor(n / 2);
  for (const [org, from] of [
    ['a', 0],
    ['b', half],
    ['third', Math.floor(n / 4)],
  ].slice(0, orgs.length)) {
    const select = `SELECT 'customer-' || i AS id, (hash(i) % 1000)::INTEGER AS value FROM range(${from}, ${from + n}) t(i) ORDER BY hash(i, '${org}')`;
    await connection.run(`COPY (${select}) TO '${join(dir, `${org}.parquet`)}' (FORMAT parquet)`);
  }
  const reader = await connection.runAndReadAll(`SELECT sum(hash(i) % 1000) FROM range(${half}, ${n}) t(i)`);
  connection.closeSync();
  instance.closeSync();
  return { n: n - (form === 'threshold' ? Math.floor(n / 4) : half), sum: Number(reader.getRows()[0][0]) };
}

async function isRight(analyst, taskId, { n: matches, sum }) {
  if (!kept) {
    const { result } = await analyst.client.result(taskId);
    return result.n === matches && result.sum === sum;
  }
  const { own } = await parties[1].client.task(taskId);
  return own?.kept[0]?.rows === matches;
}
