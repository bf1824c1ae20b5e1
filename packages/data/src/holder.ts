/**
 * The holder's side of a task: judge, prepare, compute, match, release. Everything that the data could get wrong is found in
 * `prepare`, before the node consents: types, rules, ranges, capacities and the local computation itself, run once and
 * thrown away. After the start the data cannot abort a task, and so an abort tells nothing of it.
 *
 * The commitment is SHA-256 under a tag of a fresh 32-byte salt and the snapshots' roots: hiding by the salt, binding by
 * collision resistance. It shows that the data did not change, not that it is true.
 * @module
 */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  type DataHolder,
  type DataSource,
  encode,
  fromHex,
  type Hash,
  hashValue,
  type KeyReport,
  type KeyType,
  NodeError,
  type Plan,
  type PreparedData,
  planHash,
  type Rng,
  specHash,
  type TaskRequest,
  taggedHash,
  toHex,
  ZERO_HASH,
} from '@2pm/core';
import { Budget, type Charge } from './budget.ts';
import { type LoadedContract, tableOf } from './contract/contract.ts';
import { openContract, physicalName } from './contract/server.ts';
import type { Engine } from './engine/engine.ts';
import { positionsOf, writeRows } from './keys/deliver.ts';
import { KeptTables, keyedName } from './keys/kept-tables.ts';
import { keyedTable, keyOf } from './keys/keyed.ts';
import { Lineage } from './lineage.ts';
import { compileLocal, type TableBinding } from './plan-sql.ts';
import { epsilonOf, judgeTask, rolesOf } from './policy/judge.ts';
import { checkQuality, type DatasetReport, expectQuality, expectSchema } from './quality.ts';
import { fileRoot, type Snapshot, SnapshotStore, type TaskRecord } from './snapshot-store.ts';
import { parquetColumns } from './sources/parquet-schema.ts';
import { identifier, literal } from './sql.ts';
import { keyedNodes, sharedLocals, usedColumns } from './usage.ts';

/** Of 10^7 keys, for the task and those that follow on the same snapshot. */
const KEPT_BYTES = 256 * 2 ** 20;

export interface DataHolderOptions {
  /** Private folder for snapshots and task records. */
  dir: string;
  engine: Engine;
  contracts: readonly LoadedContract[];
  sources: readonly DataSource[];
  clock: Pick<Clock, 'now'>;
  rng: Rng;
  /** Where relative paths of contracts start. */
  baseDir?: string;
}

export function dataHolder(options: DataHolderOptions): DataHolder {
  const { engine, clock, rng } = options;
  const store = new SnapshotStore(options.dir);
  const budget = new Budget(options.dir);
  const contracts = new Map(
    options.contracts
      .filter(({ status }) => status !== 'retired')
      .map((contract) => [tableOf(contract).name, contract]),
  );
  const today = () => new Date(clock.now()).toISOString().slice(0, 10);
  const kept = new KeptTables(KEPT_BYTES);
  let last: Promise<unknown> = Promise.resolve();

  const judge = async (request: TaskRequest) => {
    await Promise.all([store.load(), budget.load()]);
    return judgeTask({
      plan: request.plan,
      spec: request.signed.spec,
      self: request.self,
      nowMs: clock.now(),
      contractOf: (table) => contracts.get(table),
      tasksToday: (contract) => store.tasksOn(today(), contract, request.taskId),
      epsilonSpent: (contract) => budget.spent(contract, request.taskId),
    });
  };

  async function prepareNow(request: TaskRequest, signal: AbortSignal): Promise<PreparedData> {
    const known = store.task(request.taskId);
    if (known !== undefined) {
      expectSame(known, request);
      for (const { snapshot } of known.snapshots) await store.expectWhole(snapshot);
      return prepared(known);
    }
    // Between the judgement and now another task may have used up the day, or the permit may have ended.
    const decision = await judge(request);
    if (decision.verdict === 'refuse') {
      const [reason] = decision.reasons;
      throw new NodeError(decision.code, reason?.message ?? 'the policy refuses the task', { fault: 'policy' });
    }
    const roles = rolesOf(request.signed.spec, request.self);
    const tables = [...new Set(roles.flatMap((role) => request.plan.roles[role]?.tables ?? []))].sort();
    await charge(request, roles, tables);
    const snapshots: TaskRecord['snapshots'] = [];
    for (const table of tables) {
      const contract = contracts.get(table);
      if (contract === undefined)
        throw new NodeError('DATA_NO_DATASET', `no dataset for table "${table}"`, { fault: 'data' });
      snapshots.push({ table, snapshot: await takeSnapshot(contract, signal) });
    }
    const keys = await rehearse(request, roles, snapshots, signal);
    const salt = rng.fill(new Uint8Array(32));
    const opening = snapshots.map(({ table, snapshot }) => [table, snapshot.contractHash, snapshot.root]);
    const record: TaskRecord = {
      taskId: request.taskId,
      request: requestHash(request),
      day: today(),
      salt: toHex(salt),
      commitment:
        tables.length === 0 ? ZERO_HASH : (taggedHash('2pm/data-commitment/1', salt, encode(opening)) as Hash),
      snapshots,
      keys,
      released: false,
    };
    await store.keepTask(record);
    await store.sweep();
    return prepared(record);
  }

  /** Before the first row is read. What is charged stays charged, also where the task never starts. */
  async function charge(request: TaskRequest, roles: readonly string[], tables: readonly string[]): Promise<void> {
    const lineage = new Lineage(request.plan);
    const epsilonMicros: Charge['epsilonMicros'] = {};
    for (const table of tables) {
      const [contract, micros] = [contracts.get(table), epsilonOf(lineage, roles, table)];
      if (contract !== undefined && micros > 0) {
        epsilonMicros[contract.id] = (epsilonMicros[contract.id] ?? 0) + micros;
      }
    }
    await budget.charge({ taskId: request.taskId, request: requestHash(request), epsilonMicros });
  }

  async function takeSnapshot(contract: LoadedContract, signal: AbortSignal): Promise<Snapshot> {
    const contractHash = `0x${createHash('sha256').update(contract.source).digest('hex')}` as Hash;
    const session = await openContract(contract, options.sources, { baseDir: options.baseDir, signal });
    try {
      const table = tableOf(contract);
      const name = table.physicalName ?? table.name;
      const known = store.find(contractHash, await session.version(name));
      if (known !== undefined) {
        await store.expectWhole(known);
        return known;
      }
      const file = `${toHex(rng.fill(new Uint8Array(16))).slice(2)}.parquet`;
      const target = store.path(file);
      const columns = [...new Set(table.properties.map(physicalName))];
      const { rows, version } = await session.snapshot({ table: name, columns, target, signal });
      const schema = await checked(contract, target, signal).catch(async (error) => {
        await rm(target, { force: true });
        throw error;
      });
      const snapshot: Snapshot = {
        contract: contract.id,
        contractHash,
        version,
        file,
        rows,
        root: await fileRoot(target),
        columns: table.properties.map((property) => {
          const source = physicalName(property);
          // `expectSchema` has seen that the column is there.
          return {
            property: property.name,
            source,
            physical: schema.columns.find((each) => each.name === source)?.type ?? 'binary',
          };
        }),
      };
      await store.keepSnapshot(snapshot);
      return snapshot;
    } finally {
      await session.close();
    }
  }

  async function checked(contract: LoadedContract, file: string, signal: AbortSignal) {
    const schema = await parquetColumns(engine, file, signal);
    expectSchema(contract, schema.columns);
    expectQuality(await checkQuality(engine, contract, file, signal));
    return schema;
  }

  /** What only the plan knows: capacities, columns that may not lack values, and that every local value and key can be had. */
  async function rehearse(
    request: TaskRequest,
    roles: readonly string[],
    snapshots: TaskRecord['snapshots'],
    signal: AbortSignal,
  ): Promise<KeyReport[]> {
    const { plan } = request;
    const lineage = new Lineage(plan);
    for (const { table, snapshot } of snapshots) {
      if (snapshot.rows > (plan.tables[table]?.maxRows ?? 0)) {
        throw new NodeError('DATA_CAPACITY', `dataset "${table}" has more rows than the task's maxRows`, {
          fault: 'data',
          fix: 'ask for a larger maxRows in the program',
          privateDetail: `${snapshot.rows} rows`,
        });
      }
      const binding = bind(snapshot);
      const whole = roles
        .flatMap((role) => usedColumns(lineage, role, table))
        .filter(({ column }) => plan.tables[table]?.columns[column]?.nullable === false)
        .map(({ column }) => binding.columns.get(column)?.source ?? column);
      if (whole.length === 0) continue;
      const counts = [...new Set(whole)].map((source) => `count(*) - count(${identifier(source)})`);
      const [lacking] = await engine.query(
        {
          statements: [`SELECT ${counts.join(', ')} FROM read_parquet(${literal(binding.file)})`],
          files: [binding.file],
        },
        { signal },
      );
      if (lacking?.columns.some((column) => column.values[0] !== 0n)) {
        throw new NodeError('DATA_QUALITY', `dataset "${table}" lacks values where the task expects them`, {
          fault: 'data',
          fix: 'declare the column as optional in the program',
          privateDetail: [...new Set(whole)]
            .map((name, i) => `${name}: ${lacking.columns[i]?.values[0]} nulls`)
            .join(', '),
        });
      }
    }
    for (const role of roles) await run(request, role, sharedLocals(plan, role), snapshots, signal);
    const keys: KeyReport[] = [];
    for (const node of roles.flatMap((role) => keyedNodes(plan, role)).sort((a, b) => a - b)) {
      keys.push((await runKeyed(request, node, snapshots, signal)).report);
    }
    return keys;
  }

  async function runKeyed(
    { plan }: TaskRequest,
    node: number,
    snapshots: TaskRecord['snapshots'],
    signal: AbortSignal,
  ) {
    const lineage = new Lineage(plan);
    const snapshot = snapshotOf(lineage, node, snapshots);
    const table = await kept.get(keyedName(plan, node, snapshot), () =>
      keyedTable(engine, lineage, node, bind(snapshot), snapshot.rows, signal),
    );
    return { ...table, report: { ...table.report, node } };
  }

  /** The record of a prepared task in which this node has the role, its snapshots still as they were. */
  async function recordOf(request: TaskRequest, role: string): Promise<TaskRecord> {
    await store.load();
    const record = store.task(request.taskId);
    if (record === undefined)
      throw new NodeError('DATA_NOT_PREPARED', 'no data was prepared for the task', { fault: 'node' });
    expectSame(record, request);
    if (!rolesOf(request.signed.spec, request.self).includes(role)) {
      throw new NodeError('DATA_WRONG_ROLE', `this node has no part as "${role}" in the task`, { fault: 'caller' });
    }
    for (const { snapshot } of record.snapshots) await store.expectWhole(snapshot);
    return record;
  }

  async function keyedOf(request: TaskRequest, role: string, node: number, signal: AbortSignal) {
    const record = await recordOf(request, role);
    if (!keyedNodes(request.plan, role).includes(node)) {
      throw new NodeError('DATA_PLAN_MALFORMED', `node ${node} brings no rows of "${role}"`, { fault: 'caller' });
    }
    return { record, table: await runKeyed(request, node, record.snapshots, signal) };
  }

  function bind({ file, columns }: Snapshot): TableBinding {
    return { file: store.path(file), columns: new Map(columns.map(({ property, ...column }) => [property, column])) };
  }

  async function run(
    { plan }: TaskRequest,
    role: string,
    outputs: readonly number[],
    snapshots: TaskRecord['snapshots'],
    signal: AbortSignal,
  ): Promise<Map<number, BigInt64Array>> {
    const bindings = new Map(snapshots.map(({ table, snapshot }) => [table, bind(snapshot)] as const));
    const compiled = compileLocal(plan, role, outputs, bindings);
    return compiled.read(await engine.query(compiled, { signal }));
  }

  return {
    judge,
    prepare(request, { signal }) {
      // One at a time: tasks that come together share one snapshot, and the day's limit is counted right.
      const next = last.then(async () => {
        signal.throwIfAborted();
        await store.load();
        return prepareNow(request, signal);
      });
      last = next.catch(() => {});
      return next;
    },
    async compute(request, role, outputs, { signal }) {
      const record = await recordOf(request, role);
      return run(request, role, outputs, record.snapshots, signal);
    },
    async keyed(request, role, node, { signal }) {
      const { rows, digests, present, columns } = (await keyedOf(request, role, node, signal)).table;
      return { rows, digests, present, columns };
    },
    async deliver(request, role, node, name, rows, { signal, delivered = [] }) {
      if (!/^[a-z][a-zA-Z0-9_]{0,63}$/.test(name))
        throw new NodeError('DATA_BAD_NAME', 'the name of a result is no name', { fault: 'caller' });
      const { record, table } = await keyedOf(request, role, node, signal);
      const lineage = new Lineage(request.plan);
      const binding = bind(snapshotOf(lineage, node, record.snapshots));
      const names = [
        ...keyOf(lineage, node)
          .key.flat()
          .map(({ column }) => column),
        ...(lineage.node(node).attrs.columns ?? []),
      ];
      const columns = names.map((column) => binding.columns.get(column)?.source ?? column);
      const folder = await store.results(request.taskId);
      const file = join(folder, `${name}.parquet`);
      await writeRows(engine, { file, binding, columns, positions: positionsOf(table, rows), delivered }, signal);
      return { file, rows: rows.length };
    },
    async release(taskId) {
      await store.load();
      const record = store.task(taskId);
      // The salt stays: with it the holder can still open the commitment.
      if (record !== undefined && !record.released) await store.keepTask({ ...record, released: true });
      await store.sweep();
    },
  };
}

export type CheckOptions = Pick<DataHolderOptions, 'engine' | 'sources' | 'baseDir'> & {
  /** A file path that does not exist yet, for the copy. */
  scratch: string;
  signal?: AbortSignal;
};

/** Everything `2pm data check` shows, for the holder's own eyes; the copy it is made from is deleted. */
export async function checkDataset(contract: LoadedContract, options: CheckOptions): Promise<DatasetReport> {
  return withCopy(contract, options, () => checkQuality(options.engine, contract, options.scratch, options.signal));
}

/**
 * What `prepare` would report of a key: every row of the dataset, the first of those that share a key.
 * @throws {NodeError} `DATA_MISSING_COLUMN`, `DATA_KEY_TYPE`, and what the source throws.
 */
export async function checkKey(contract: LoadedContract, key: KeyType, options: CheckOptions): Promise<KeyReport> {
  const { engine, scratch, signal = new AbortController().signal } = options;
  return withCopy(contract, options, async ({ columns, rows }) => {
    const table = tableOf(contract);
    const binding: TableBinding = {
      file: scratch,
      columns: new Map(
        table.properties.map((property) => {
          const source = physicalName(property);
          const physical = columns.find(({ name }) => name === source)?.type ?? 'binary';
          return [property.name, { source, physical }];
        }),
      ),
    };
    const lineage = new Lineage(keyPlan(table.name, key, Math.max(1, rows)));
    return (await keyedTable(engine, lineage, 1, binding, rows, signal)).report;
  });
}

/** A plan that does nothing but match by one key. */
function keyPlan(table: string, key: KeyType, rows: number): Plan {
  const attrs = { key: 'key', columns: [], capacity: rows, duplicates: 'first' as const };
  const type = { kind: 'keyed', role: 'holder', table, key: 'key', length: rows } as const;
  return {
    v: 1,
    language: '2pm/1',
    name: 'key',
    tables: { [table]: { maxRows: rows, columns: {}, keys: { key } } },
    roles: { holder: { min: 1, max: 1, tables: [table] } },
    recipients: [],
    nodes: [
      { op: 'input/1', args: [], attrs: { table }, type: { kind: 'table', role: 'holder', table }, line: 1 },
      { op: 'keyed/1', args: [0], attrs, type, line: 2 },
    ],
    result: {},
  };
}

async function withCopy<T>(
  contract: LoadedContract,
  { engine, sources, baseDir, scratch, signal }: CheckOptions,
  work: (copy: Awaited<ReturnType<typeof parquetColumns>>) => Promise<T>,
): Promise<T> {
  const session = await openContract(contract, sources, { baseDir, signal });
  try {
    const table = tableOf(contract);
    const columns = [...new Set(table.properties.map(physicalName))];
    await session.snapshot({
      table: table.physicalName ?? table.name,
      columns,
      target: scratch,
      ...(signal ? { signal } : {}),
    });
    const copy = await parquetColumns(engine, scratch, signal);
    expectSchema(contract, copy.columns);
    return await work(copy);
  } finally {
    await session.close();
    await rm(scratch, { force: true });
  }
}

function snapshotOf(lineage: Lineage, node: number, snapshots: TaskRecord['snapshots']): Snapshot {
  const { table } = keyOf(lineage, node);
  const found = snapshots.find((each) => each.table === table);
  if (found === undefined) throw new NodeError('DATA_NO_DATASET', `no dataset for table "${table}"`, { fault: 'data' });
  return found.snapshot;
}

function requestHash({ plan, signed }: TaskRequest): Hash {
  return hashValue('2pm/prepared-request/1', [planHash(plan), specHash(signed.spec)]) as Hash;
}

function expectSame(record: TaskRecord, request: TaskRequest): void {
  if (record.released) throw new NodeError('DATA_RELEASED', 'the data of the task was released', { fault: 'caller' });
  if (record.request !== requestHash(request)) {
    throw new NodeError('DATA_OTHER_TASK', 'data was prepared for another plan or spec under this task id', {
      fault: 'caller',
    });
  }
}

function prepared(record: TaskRecord): PreparedData {
  return {
    commitment: record.commitment,
    datasets: record.snapshots.map(({ table, snapshot }) => ({
      table,
      contract: snapshot.contract,
      version: snapshot.version,
      root: snapshot.root,
    })),
    keys: record.keys,
  };
}

/** Whether a commitment opens to these roots: for an audit. */
export function opensCommitment(
  commitment: Hash,
  salt: `0x${string}`,
  snapshots: readonly { table: string; contractHash: Hash; root: Hash }[],
): boolean {
  const opening = snapshots.map(({ table, contractHash, root }) => [table, contractHash, root]);
  return taggedHash('2pm/data-commitment/1', fromHex(salt), encode(opening)) === commitment;
}
