/** What benchmarks of matched rows have in common: files of keys, four nodes as processes of their own, and one timed task. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addDataset, found, gathered, makeNode, start } from '@2pm/demo/cast';
import { DuckDBInstance } from '@duckdb/node-api';

/**
 * Makes the files, raises nodes of the organisations `a`, `b` and `third`, runs `work`, and removes all of it. `files`: of
 * each organisation that brings rows, its table and what DuckDB selects for it. `work` gets the analyst, all parties, and for
 * each of these organisations its node as a role.
 */
export async function withMatchingNodes({ files, permit }, work) {
  const dir = await mkdtemp(join(tmpdir(), '2pm-bench-'));
  const parties = [];
  try {
    for (const [org, { select }] of Object.entries(files)) {
      await query(`COPY (${select}) TO '${join(dir, `${org}.parquet`)}' (FORMAT parquet)`);
    }
    const founding = await found(dir, 3);
    const { analyst } = founding;
    parties.push(analyst);
    for (const org of ['a', 'b', 'third']) {
      const home = join(dir, org);
      await makeNode(founding, home, org);
      if (files[org] !== undefined) await addDataset(home, join(dir, `${org}.parquet`), files[org].table, permit);
      parties.push(await start(org, home, undefined));
    }
    await gathered(analyst, 3);
    const peers = await analyst.client.peers();
    const roles = Object.fromEntries(
      Object.keys(files).map((org) => [org, peers.filter((peer) => peer.org === org).map(({ node }) => node)]),
    );
    await work({ analyst, parties, roles });
  } finally {
    await Promise.all(parties.map((party) => party.process.stop()));
    await rm(dir, { recursive: true, force: true });
  }
}

/** Submits a task and waits until it has settled: milliseconds by the clock, its id and its cost. */
export async function timedTask(analyst, request) {
  const begin = performance.now();
  const taskId = await analyst.client.submit({ purpose: 'benchmark', ...request });
  let wall_ms = 0;
  for await (const { org, phase } of analyst.client.updates(taskId)) {
    if (phase === 'settled' && org === analyst.org) wall_ms = Math.round(performance.now() - begin);
  }
  const { cost, phase, error } = await analyst.client.task(taskId);
  if (phase !== 'settled') throw new Error(`the task is ${phase}: ${JSON.stringify(error)}`);
  return { taskId, wall_ms, cost };
}

/** Rows that DuckDB gives. */
export async function query(sql) {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(sql);
  const rows = reader.getRows();
  connection.closeSync();
  instance.closeSync();
  return rows;
}
