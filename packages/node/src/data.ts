/** The data connector of this node: contracts in its directory, drivers, the local engine. @module */
import { readdirSync, statSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import {
  type Clock,
  type DataHolder,
  type DataSource,
  isNodeError,
  type KeyType,
  NodeError,
  type Rng,
  toHex,
} from '@2pm/core';
import type { DatasetView } from '@2pm/core/api';
import {
  Budget,
  type ChildEngine,
  checkDataset,
  checkKey,
  childEngine,
  type DatasetReport,
  DEFAULT_LIMITS,
  dataHolder,
  draftContract,
  type Engine,
  type LoadedContract,
  parseContract,
  policyOf,
  tableOf,
} from '@2pm/data';
import { fileSource } from '@2pm/data/file';
import { sqliteSource } from '@2pm/data/sqlite';
import type { DatasetBudget, DatasetCheck, DraftRequest, KeyCheck } from './cli/engine.ts';
import type { NodeConfig } from './config/load.ts';

const SUFFIX = '.odcs.yaml';

export interface NodeData {
  /** Undefined where the node has no dataset contract. */
  holder: DataHolder | undefined;
  datasets(): Promise<DatasetView[]>;
  close(): Promise<void>;
}

/** @throws {NodeError} `DATA_CONTRACT_INVALID` when a contract in the directory cannot be read. */
export async function dataOf(options: { config: NodeConfig; clock: Clock; rng: Rng }): Promise<NodeData> {
  const { config, clock, rng } = options;
  const { dir } = config.data;
  const engine = engineIn(join(config.layout.state, 'engine'));
  const open = async () =>
    dataHolder({
      dir: config.layout.snapshots,
      engine,
      contracts: await readContracts(dir),
      sources: driversOn(engine),
      clock,
      rng,
      baseDir: dir,
    });
  let seen = fingerprint(dir);
  if (seen !== '') engine.start();
  let holder = await open();
  let busy = 0;
  /** What a holder edits counts from the next task on, without a restart. */
  const current = async () => {
    const now = fingerprint(dir);
    if (now !== seen && busy === 0) {
      holder = await open();
      seen = now;
    }
    return holder;
  };
  const using = async <T>(work: (current: DataHolder) => Promise<T>): Promise<T> => {
    const chosen = await current();
    busy++;
    try {
      return await work(chosen);
    } finally {
      busy--;
    }
  };
  return {
    holder:
      seen === ''
        ? undefined
        : {
            judge: (request) => using((it) => it.judge(request)),
            prepare: (request, given) => using((it) => it.prepare(request, given)),
            compute: (request, role, outputs, given) => using((it) => it.compute(request, role, outputs, given)),
            keyed: (request, role, node, given) => using((it) => it.keyed(request, role, node, given)),
            deliver: (request, role, node, name, rows, given) =>
              using((it) => it.deliver(request, role, node, name, rows, given)),
            release: (taskId) => using((it) => it.release(taskId)),
          },
    datasets: () => listDatasets(dir),
    close: () => engine.close(),
  };
}

export async function listDatasets(dir: string): Promise<DatasetView[]> {
  return (await readContracts(dir)).map(viewOf);
}

/** Of the permits of a dataset the largest total counts: as long as something is left of it, one of them holds. */
export async function listBudgets({ data, layout }: Pick<NodeConfig, 'data' | 'layout'>): Promise<DatasetBudget[]> {
  const budget = new Budget(layout.snapshots);
  await budget.load();
  return (await readContracts(data.dir)).map((contract) => {
    const totals = policyOf(contract).permit.flatMap(({ reveals, privacy }) =>
      reveals.includes('private') && privacy !== undefined ? [privacy.epsilonTotal] : [],
    );
    const spent = budget.spent(contract.id);
    const total = totals.length === 0 ? null : Math.max(...totals);
    const left = Math.max(Math.round((total ?? 0) * 1_000_000) - spent, 0) / 1_000_000;
    return { id: contract.id, spent: spent / 1_000_000, total, left };
  });
}

export async function checkDatasets(dir: string, rng: Rng, id?: string): Promise<DatasetCheck[]> {
  const checked: DatasetCheck[] = [];
  const wanted: LoadedContract[] = [];
  for (const path of contractFiles(dir)) {
    const name = basename(path, SUFFIX);
    try {
      const contract = parseContract(await readFile(path, 'utf8'), basename(path));
      if (id === undefined || contract.id === id || tableOf(contract).name === id) wanted.push(contract);
    } catch (error) {
      if (id === undefined || id === name) checked.push({ id: name, checks: failed(error) });
    }
  }
  if (checked.length === 0 && wanted.length === 0 && id !== undefined) {
    throw unknownDataset(id);
  }
  const scratch = join(dir, `.check-${random(rng)}`);
  await withEngine(scratch, async (engine) => {
    for (const contract of wanted) {
      const report = checkDataset(contract, {
        engine,
        sources: driversOn(engine),
        baseDir: dir,
        scratch: join(scratch, 'copy.parquet'),
      });
      checked.push({ id: contract.id, checks: await report.then(rendered, failed) });
    }
  });
  return checked;
}

/** What a task would find of a key, by its report before consent. @throws {NodeError} `DATA_UNKNOWN_DATASET`. */
export async function checkKeys(dir: string, rng: Rng, id: string, key: KeyType): Promise<KeyCheck> {
  const contract = (await readContracts(dir)).find((each) => each.id === id || tableOf(each).name === id);
  if (contract === undefined) throw unknownDataset(id);
  const scratch = join(dir, `.check-${random(rng)}`);
  return withEngine(scratch, async (engine) => {
    const sources = driversOn(engine);
    const report = await checkKey(contract, key, {
      engine,
      sources,
      baseDir: dir,
      scratch: join(scratch, 'copy.parquet'),
    });
    return { id: contract.id, report };
  });
}

export async function draft(
  dir: string,
  rng: Rng,
  request: DraftRequest,
): Promise<{ dataset: DatasetView; file: string }> {
  const { server, kind } = serverOf(request);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const scratch = join(dir, `.draft-${random(rng)}`);
  return withEngine(scratch, async (engine) => {
    const source = driversOn(engine).find((driver) => driver.kind === kind) as DataSource;
    const { yaml, table } = await draftContract({
      source,
      server,
      serverBlock: { type: 'local', ...server },
      ...(request.sourceTable === undefined ? {} : { table: request.sourceTable }),
      as: request.as ?? basename(request.source, extname(request.source)),
      engine,
      dir: scratch,
      rng,
    });
    const file = join(dir, `${table}${SUFFIX}`);
    await writeFile(file, yaml, { flag: 'wx', mode: 0o600 }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST') throw cause;
      throw new NodeError('DATA_CONTRACT_EXISTS', `there is a contract for table ${table} already`, {
        fault: 'caller',
        privateDetail: file,
        fix: 'edit it, remove it, or give the new one another table name with --as',
        cause,
      });
    });
    return { dataset: viewOf(parseContract(yaml, file)), file };
  });
}

/** Contracts of a directory, by name of the file. None where there is no directory. */
export async function readContracts(dir: string): Promise<LoadedContract[]> {
  return Promise.all(
    contractFiles(dir).map(async (path) => parseContract(await readFile(path, 'utf8'), basename(path))),
  );
}

export function driversOn(engine: Engine): DataSource[] {
  return [fileSource({ engine }), sqliteSource({ engine })];
}

/** An engine for one job of the command line; its directory is removed behind it. */
export async function withEngine<T>(scratch: string, work: (engine: Engine) => Promise<T>): Promise<T> {
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const engine = engineIn(join(scratch, 'engine'));
  try {
    return await work(engine);
  } finally {
    await engine.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Driver and server block for a path, by its ending unless the kind is given. */
export function serverOf({ source, kind }: Pick<DraftRequest, 'source' | 'kind'>): {
  kind: string;
  server: { path: string; format: string };
} {
  const endings: Record<string, string> = {
    '.csv': 'csv',
    '.tsv': 'csv',
    '.parquet': 'parquet',
    '.sqlite': 'sqlite',
    '.db': 'sqlite',
  };
  const format = kind ?? endings[extname(source).toLowerCase()];
  if (format === undefined || !Object.values(endings).includes(format)) {
    throw new NodeError('DATA_UNKNOWN_KIND', 'the kind of the source is not known', {
      fault: 'caller',
      fix: 'give --kind csv, parquet or sqlite',
    });
  }
  return { kind: format === 'sqlite' ? 'sqlite' : 'file', server: { path: resolve(source), format } };
}

function unknownDataset(id: string): NodeError {
  return new NodeError('DATA_UNKNOWN_DATASET', `there is no dataset ${id}`, {
    fault: 'caller',
    fix: '2pm data list shows the ids',
  });
}

function contractFiles(dir: string): string[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .map((name) => join(dir, name));
}

function fingerprint(dir: string): string {
  return contractFiles(dir)
    .map((path) => `${path} ${statSync(path).mtimeMs} ${statSync(path).size}`)
    .join('\n');
}

function engineIn(tempDirectory: string): ChildEngine {
  return childEngine({ ...DEFAULT_LIMITS, tempDirectory });
}

function viewOf(contract: LoadedContract): DatasetView {
  const table = tableOf(contract);
  const server = contract.servers[0] as Record<string, unknown>;
  return {
    id: contract.id,
    version: contract.version,
    table: table.name,
    source: String(server['path'] ?? server['type']),
    columns: table.properties.map(({ name, logicalType }) => ({ name, type: logicalType })),
  };
}

function rendered({ rows, checks }: DatasetReport): DatasetCheck['checks'] {
  return [
    { name: 'schema', ok: true, message: `${rows} rows` },
    ...checks.map(({ column, rule, found, ok, severity, examples }) => ({
      name: column === undefined ? rule : `${column}: ${rule}`,
      ok: ok || severity === 'warning',
      message: ok ? `${found}` : `found ${found}${examples.length > 0 ? `, e.g. ${examples.join('; ')}` : ''}`,
      ...(ok ? {} : { fix: 'correct the rows, or set severity: warning in the contract' }),
    })),
  ];
}

function failed(error: unknown): DatasetCheck['checks'] {
  if (!isNodeError(error)) throw error;
  const { code, message, privateDetail, fix } = error;
  const detail = privateDetail === undefined ? '' : ` (${privateDetail})`;
  return [{ name: code, ok: false, message: `${message}${detail}`, ...(fix === undefined ? {} : { fix }) }];
}

function random(rng: Rng): string {
  return toHex(rng.fill(new Uint8Array(8))).slice(2);
}
