/**
 * The holder's side of a task: judge, prepare, compute, match, release. Everything that the data could get wrong is found in
 * `prepare`, before the node consents: types, rules, ranges, capacities and the local computation itself, run once and
 * thrown away. After the start the data cannot abort a task, and so an abort tells nothing of it.
 * @module
 */
import { join } from 'node:path';
import {
  type Clock,
  type DataHolder,
  type DataSource,
  type Hash,
  hashValue,
  NodeError,
  type PreparedData,
  planHash,
  type Rng,
  specHash,
  type TaskRequest,
  toHex,
} from '@2pm/core';
import { Budget, type Charge } from './budget.ts';
import { commitmentTo } from './commitment.ts';
import { type LoadedContract, tableOf } from './contract/contract.ts';
import type { Engine } from './engine/engine.ts';
import { positionsOf, writeRows } from './keys/deliver.ts';
import { keyOf } from './keys/keyed.ts';
import { Lineage } from './lineage.ts';
import { LocalPart } from './local-part.ts';
import { judgeTask, rolesOf } from './policy/judge.ts';
import { epsilonOf } from './policy/private.ts';
import { SnapshotStore, type TaskRecord } from './snapshot-store.ts';
import { takeSnapshot } from './take-snapshot.ts';
import { keyedNodes } from './usage.ts';

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
  const local = new LocalPart(engine, store);
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
      snapshots.push({ table, snapshot: await takeSnapshot(contract, { ...options, store }, signal) });
    }
    const keys = await local.rehearse(request.plan, roles, snapshots, signal);
    const salt = rng.fill(new Uint8Array(32));
    const roots = snapshots.map(({ table, snapshot }) => ({ ...snapshot, table }));
    const record: TaskRecord = {
      taskId: request.taskId,
      request: requestHash(request),
      day: today(),
      salt: toHex(salt),
      commitment: commitmentTo(roots, salt),
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
    return { record, table: await local.keyed(request.plan, node, record.snapshots, signal) };
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
      return local.compute(request.plan, role, outputs, record.snapshots, signal);
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
      const binding = local.bindingOf(request.plan, node, record.snapshots);
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
