/** The local part of a plan, on the snapshots that a holder took for its task: aggregates, rows, and rows with keys. @module */
import { type KeyReport, NodeError, type Plan } from '@2pm/core';
import type { Engine } from './engine/engine.ts';
import { KeptTables, keyedName } from './keys/kept-tables.ts';
import { type KeyedTable, keyedTable, keyOf } from './keys/keyed.ts';
import { Lineage } from './lineage.ts';
import { compileLocal, type TableBinding } from './plan-sql.ts';
import type { Snapshot, SnapshotStore, TaskRecord } from './snapshot-store.ts';
import { identifier, literal } from './sql.ts';
import { keyedNodes, sharedLocals, usedColumns } from './usage.ts';

/** Of 10^7 keys, for the task and those that follow on the same snapshot. */
const KEPT_BYTES = 256 * 2 ** 20;

type Snapshots = TaskRecord['snapshots'];

export class LocalPart {
  readonly #engine: Engine;
  readonly #store: SnapshotStore;
  readonly #kept = new KeptTables(KEPT_BYTES);

  constructor(engine: Engine, store: SnapshotStore) {
    this.#engine = engine;
    this.#store = store;
  }

  /** Where the rows of a `keyed/1` node lie. @throws {NodeError} `DATA_NO_DATASET`. */
  bindingOf(plan: Plan, node: number, snapshots: Snapshots): TableBinding {
    return this.#bind(snapshotOf(new Lineage(plan), node, snapshots));
  }

  /** The vectors that the plan declares for these nodes of the role. @throws {NodeError} as `compileLocal`. */
  async compute(
    plan: Plan,
    role: string,
    outputs: readonly number[],
    snapshots: Snapshots,
    signal: AbortSignal,
  ): Promise<Map<number, BigInt64Array>> {
    const bindings = new Map(snapshots.map(({ table, snapshot }) => [table, this.#bind(snapshot)] as const));
    const compiled = compileLocal(plan, role, outputs, bindings);
    return compiled.read(await this.#engine.query(compiled, { signal }));
  }

  async keyed(plan: Plan, node: number, snapshots: Snapshots, signal: AbortSignal): Promise<KeyedTable> {
    const lineage = new Lineage(plan);
    const snapshot = snapshotOf(lineage, node, snapshots);
    const table = await this.#kept.get(keyedName(plan, node, snapshot), () =>
      keyedTable(this.#engine, lineage, node, this.#bind(snapshot), snapshot.rows, signal),
    );
    return { ...table, report: { ...table.report, node } };
  }

  /**
   * What only the plan knows: capacities, columns that may not lack values, and that every local value and key can be had.
   * @throws {NodeError} `DATA_CAPACITY`, `DATA_QUALITY`, and what computing throws.
   */
  async rehearse(
    plan: Plan,
    roles: readonly string[],
    snapshots: Snapshots,
    signal: AbortSignal,
  ): Promise<KeyReport[]> {
    for (const { table, snapshot } of snapshots) {
      if (snapshot.rows > (plan.tables[table]?.maxRows ?? 0)) {
        throw new NodeError('DATA_CAPACITY', `dataset "${table}" has more rows than the task's maxRows`, {
          fault: 'data',
          fix: 'ask for a larger maxRows in the program',
          privateDetail: `${snapshot.rows} rows`,
        });
      }
      await this.#expectValues(plan, roles, table, this.#bind(snapshot), signal);
    }
    for (const role of roles) await this.compute(plan, role, sharedLocals(plan, role), snapshots, signal);
    const keys: KeyReport[] = [];
    for (const node of roles.flatMap((role) => keyedNodes(plan, role)).sort((a, b) => a - b)) {
      keys.push((await this.keyed(plan, node, snapshots, signal)).report);
    }
    return keys;
  }

  /** In every column that the plan reads and does not declare as optional. */
  async #expectValues(
    plan: Plan,
    roles: readonly string[],
    table: string,
    { file, columns }: TableBinding,
    signal: AbortSignal,
  ): Promise<void> {
    const lineage = new Lineage(plan);
    const sources = roles
      .flatMap((role) => usedColumns(lineage, role, table))
      .filter(({ column }) => plan.tables[table]?.columns[column]?.nullable === false)
      .map(({ column }) => columns.get(column)?.source ?? column);
    const whole = [...new Set(sources)];
    if (whole.length === 0) return;
    const counts = whole.map((source) => `count(*) - count(${identifier(source)})`);
    const statement = `SELECT ${counts.join(', ')} FROM read_parquet(${literal(file)})`;
    const [lacking] = await this.#engine.query({ statements: [statement], files: [file] }, { signal });
    if (lacking?.columns.some((column) => column.values[0] !== 0n)) {
      throw new NodeError('DATA_QUALITY', `dataset "${table}" lacks values where the task expects them`, {
        fault: 'data',
        fix: 'declare the column as optional in the program',
        privateDetail: whole.map((name, i) => `${name}: ${lacking.columns[i]?.values[0]} nulls`).join(', '),
      });
    }
  }

  #bind({ file, columns }: Snapshot): TableBinding {
    return {
      file: this.#store.path(file),
      columns: new Map(columns.map(({ property, ...column }) => [property, column])),
    };
  }
}

function snapshotOf(lineage: Lineage, node: number, snapshots: Snapshots): Snapshot {
  const { table } = keyOf(lineage, node);
  const found = snapshots.find((each) => each.table === table);
  if (found === undefined) throw new NodeError('DATA_NO_DATASET', `no dataset for table "${table}"`, { fault: 'data' });
  return found.snapshot;
}
