/**
 * A whole task, from `submit` to settled: the mean of one column over three data holders, each with a CSV file of 1 MB.
 * Four nodes as processes of their own, embedded chain with blocks of 0.1 s, everything on the loopback interface.
 *
 *   npm run bench -- task [--runs 5] [--protocol rep3-malicious/1] [--json]
 *
 * One JSON object a run: `wall_ms` from the call to the settled state as the analyst's node says it, `phase_ms` where it
 * went, `bytes_per_node` sent by a member on average, `transactions` and `gas` of the whole task. The first run pays for
 * opening control sessions and snapshots; `warm` says which are the others.
 */
import { randomInt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { found, gathered, joinNetwork } from '@2pm/demo/cast';

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    protocol: { type: 'string', default: 'rep3-semi-honest/1' },
    json: { type: 'boolean', default: false },
  },
});
const FILE_BYTES = 1_000_000;
const PROGRAM = `
import { defineTask, int, mean, table } from '@2pm/program';
export default defineTask({
  name: 'mean',
  tables: { flights: table({ delay: int({ min: -1440, max: 1800 }) }, { maxRows: 1_000_000 }) },
  roles: { holder: { min: 3, max: 3, tables: ['flights'] } },
  run({ each, reveal }) {
    const totals = each('holder', ({ flights }) => ({ n: flights.count(), sum: flights.delay.sum() })).total();
    const { n, sum } = reveal(totals, { to: 'analyst', minGroupSize: 20 });
    return { n, mean: mean(sum, n) };
  },
});`;

const dir = await mkdtemp(join(tmpdir(), '2pm-bench-'));
const parties = [];
try {
  const files = await Promise.all(['A', 'B', 'C'].map((name) => csv(name)));
  const founding = await found(dir, files.length);
  const { analyst } = founding;
  parties.push(analyst);
  const holders = await Promise.all(files.map((file) => joinNetwork(founding, join(dir, file.org), file)));
  parties.push(...holders);
  await gathered(analyst, holders.length);
  const runs = Number(flags.runs);
  for (let run = 0; run < runs; run++) {
    const begin = performance.now();
    const taskId = await analyst.client.submit({ program: PROGRAM, purpose: 'benchmark', protocol: flags.protocol });
    let wall_ms = 0;
    for await (const { org, phase } of analyst.client.updates(taskId)) {
      if (phase === 'settled' && org === analyst.org) wall_ms = Math.round(performance.now() - begin);
    }
    const { cost, phase } = await analyst.client.task(taskId);
    const line = {
      name: 'task',
      protocol: flags.protocol,
      holders: holders.length,
      file_bytes: FILE_BYTES,
      warm: run > 0,
      wall_ms,
      phase,
      phase_ms: cost.phaseMs,
      bytes_per_node: Math.round(cost.bytesSent / holders.length),
      transactions: cost.transactions,
      transactions_per_node: Number((cost.transactions / parties.length).toFixed(2)),
      gas: cost.gas,
      rounds: cost.rounds,
    };
    console.log(flags.json ? JSON.stringify(line) : `${run + 1}  ${wall_ms} ms  ${JSON.stringify(cost.phaseMs)}`);
  }
} finally {
  await Promise.all(parties.map((party) => party.process.stop()));
  await rm(dir, { recursive: true, force: true });
}

async function csv(name) {
  const path = join(dir, `${name}.csv`);
  let text = 'delay,distance,origin\n';
  let rows = 0;
  for (; text.length < FILE_BYTES; rows++) text += `${randomInt(-60, 600)},${randomInt(50, 4900)},ATL\n`;
  await writeFile(path, text);
  return { org: `Holder ${name}`, kind: 'csv', path, rows };
}
