/**
 * The digests of keys, from a snapshot to the holder's node.
 *
 *   npm run bench -- keys [--n 1048576] [--rule email/v1] [--dirty] [--json]
 *
 * One table of `n` rows in a Parquet file, one pass by one column, no other column. `wall_ms` is the best of three runs of
 * `DataHolder.keyed` with a warm child process, its snapshot check included; `cpu_ms` the mean CPU time of both processes; `rss_mb` the peak of the node's process and
 * `engine_rss_mb` that of the engine's. With --dirty every third value has capitals, white space or separators.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { planHash, ZERO_HASH } from '../packages/core/dist/index.js';
import { nodeRng } from '../packages/crypto/dist/node/provider.js';
import { childEngine, DEFAULT_LIMITS, dataHolder, parseContract } from '../packages/data/dist/index.js';
import { fileSource } from '../packages/data/dist/sources/file/file-source.js';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '1048576' },
    rule: { type: 'string', default: 'email/v1' },
    dirty: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const n = Number(values.n);
const VALUES = {
  'email/v1': ["'user' || i || '@mail' || i % 100 || '.example.org'", "' User.' || i || '@Example-Corp.COM '"],
  'e164/v1': ["'+4930' || (10000000 + i)", "'030 / ' || (10000000 + i)"],
  'name/v1': ["'maria ' || chr(97 + i % 26) || i", "'Mária O''Brien-' || i"],
  'digits/v1': ["lpad(CAST(i AS VARCHAR), 11, '0')", "'12-' || i || ' 4'"],
  'sha256/v1': ['sha256(CAST(i AS VARCHAR))', 'upper(sha256(CAST(i AS VARCHAR)))'],
  'exact/v1': ["'customer-' || i", "' customer-' || i"],
};
const [clean, dirty] = VALUES[values.rule];
const dir = await mkdtemp(join(tmpdir(), '2pm-keys-'));
const engine = childEngine({ ...DEFAULT_LIMITS, tempDirectory: join(dir, 'spill') });
try {
  const file = join(dir, 'people.parquet');
  const value = values.dirty ? `CASE WHEN i % 3 = 0 THEN ${dirty} ELSE ${clean} END` : clean;
  const make = `COPY (SELECT ${value} AS k FROM range(${n}) AS t(i)) TO '${file}' (FORMAT parquet)`;
  await engine.query({ statements: [make], files: [file] }, {});
  /** A new one each time: a holder keeps the rows that it made in `prepare` for a while. */
  const holder = () =>
    dataHolder({
      dir: join(dir, 'data'),
      engine,
      sources: [fileSource({ engine })],
      contracts: [parseContract(contract(file))],
      clock: { now: () => Date.UTC(2026, 10, 22) },
      rng: nodeRng,
    });
  const { signal } = new AbortController();
  const request = ask();
  const prepareStart = performance.now();
  await holder().prepare(request, { signal });
  const prepareMs = performance.now() - prepareStart;
  const runs = [];
  const cpuBefore = await cpuMs();
  for (let i = 0; i < 3; i++) {
    const fresh = holder();
    const start = performance.now();
    const { rows } = await fresh.keyed(request, 'shop', 1, { signal });
    runs.push(performance.now() - start);
    if (rows !== n) throw new Error(`${rows} rows have a key, not ${n}`);
  }
  const cpu = ((await cpuMs()) - cpuBefore) / runs.length;
  const peak = async (pid) => Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  const result = {
    name: 'keys',
    rule: values.rule,
    dirty: values.dirty,
    n,
    wall_ms: Math.round(Math.min(...runs)),
    cpu_ms: Math.round(cpu),
    prepare_ms: Math.round(prepareMs),
    rss_mb: Math.round(await peak(process.pid)),
    engine_rss_mb: Math.round(await peak(engine.pid)),
  };
  console.log(values.json ? JSON.stringify(result) : result);
} finally {
  await engine.close();
  await rm(dir, { recursive: true, force: true });
}

/** User and system time of the node's process and of the engine's, so far; the kernel counts in ticks of 10 ms. */
async function cpuMs() {
  const { user, system } = process.cpuUsage();
  const fields = (await readFile(`/proc/${engine.pid}/stat`, 'utf8')).split(') ')[1].split(' ');
  return (user + system) / 1_000 + 10 * (Number(fields[11]) + Number(fields[12]));
}

function contract(path) {
  return JSON.stringify({
    apiVersion: 'v3.1.0',
    kind: 'DataContract',
    id: 'urn:2pm:people',
    version: '1.0.0',
    status: 'active',
    servers: [{ server: 'main', type: 'local', path, format: 'parquet' }],
    schema: [{ name: 'people', properties: [{ name: 'k', logicalType: 'string' }] }],
    customProperties: [
      {
        property: 'twopm.policy',
        value: {
          permit: [
            {
              parties: 'any',
              operations: ['match'],
              reveals: ['rows'],
              columns: 'any',
              thresholds: { minParties: 1, minGroupSize: 2 },
              approval: 'auto',
            },
          ],
          defaults: 'deny',
        },
      },
    ],
  });
}

function ask() {
  const table = { kind: 'table', role: 'shop', table: 'people' };
  const attrs = { key: 'k', columns: [], capacity: n, duplicates: 'first' };
  const callingCode = values.rule === 'e164/v1' ? { callingCode: '49' } : {};
  const plan = {
    v: 1,
    language: '2pm/1',
    name: 'keys',
    tables: {
      people: { maxRows: n, columns: {}, keys: { k: [[{ column: 'k', rule: values.rule, ...callingCode }]] } },
    },
    roles: { shop: { min: 1, max: 1, tables: ['people'] } },
    recipients: ['analyst'],
    nodes: [
      { op: 'input/1', args: [], attrs: { table: 'people' }, type: table, line: 1 },
      {
        op: 'keyed/1',
        args: [0],
        attrs,
        type: { kind: 'keyed', role: 'shop', table: 'people', key: 'k', length: n },
        line: 2,
      },
    ],
    result: {},
  };
  const id = (of) => `0x${String(of).padStart(40, '0')}`;
  const spec = {
    v: 1,
    coordinator: id(9),
    nonce: 1,
    programHash: ZERO_HASH,
    planHash: planHash(plan),
    roles: { shop: [id(1)] },
    seats: [id(1), id(2), id(3)],
    protocol: 'rep3-semi-honest/1',
    security: 'semi-honest',
    recipients: { analyst: { id: id(8), hpke: '0x00' } },
    purpose: 'figures',
    limits: { attemptMs: 60_000 },
    joinBy: 1,
    settleBy: 2,
    quorum: 0,
  };
  return { taskId: `0x${'1'.repeat(64)}`, signed: { spec, signatures: {} }, plan, self: id(1) };
}
