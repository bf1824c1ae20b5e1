/**
 * The rows of a `keyed/1` node: which take part, in what order, by which digests, and a report of why the others do not.
 *
 * Order is that of the snapshot. A row takes part where the table's conditions hold, none of the node's columns is null, and
 * it has a key in one pass at least. What happens to rows that share a key is settled for each pass alone: with `first` the
 * later ones, with `drop` all of them have no key in that pass; they may still match in another.
 * @module
 */
import { type KeyedRows, type KeyReport, type KeyType, NodeError, type PlanNode } from '@2pm/core';
import type { Engine, ResultTable } from '../engine/engine.ts';
import { type Lineage, malformed } from '../lineage.ts';
import { keyedRowsSql, type TableBinding } from '../plan-sql.ts';
import { digestSql, fieldName, MANY, STATE } from './digest.ts';

/** Rows that one statement reads: what is in memory twice, in the engine and on the way, is bounded by it. */
const RANGE = 1 << 19;
/** A key of fewer values than this can be tried through by hand. */
const SMALL_DOMAIN = 10 ** 6;

export interface KeyedTable extends KeyedRows {
  /** Row in the snapshot of each row, ascending. */
  positions: BigInt64Array;
  report: KeyReport;
}

/** The key of a `keyed/1` node, by what it stands on and not by what its type claims. @throws {NodeError} `DATA_PLAN_MALFORMED`. */
export function keyOf(lineage: Lineage, index: number): { node: PlanNode; table: string; name: string; key: KeyType } {
  const node = lineage.node(index);
  const table = lineage.node(lineage.base(lineage.table(index)).input).attrs.table ?? '';
  const name = node.attrs.key ?? '';
  const key = lineage.plan.tables[table]?.keys?.[name];
  if (key === undefined) throw malformed(node, 'the table declares no such key');
  const { type, attrs } = node;
  const honest =
    type.kind === 'keyed' && type.table === table && type.key === name && type.length === (attrs.capacity ?? 0);
  if (!honest || attrs.duplicates === undefined) throw malformed(node, 'its type is not that of its attributes');
  return { node, table, name, key };
}

/**
 * @throws {NodeError} `DATA_PLAN_MALFORMED`, `DATA_MISSING_COLUMN`, `DATA_KEY_TYPE`, `DATA_DUPLICATE_KEYS`, `DATA_CAPACITY`;
 * counts only in `privateDetail`.
 */
export async function keyedTable(
  engine: Engine,
  lineage: Lineage,
  index: number,
  binding: TableBinding,
  snapshotRows: number,
  signal: AbortSignal,
): Promise<KeyedTable> {
  const { node, table, name, key } = keyOf(lineage, index);
  const { columns: names = [], capacity = 0, duplicates = 'error' } = node.attrs;
  const rows = await scan(
    engine,
    keyedSql(lineage, index, key, binding),
    snapshotRows,
    signal,
    key.length,
    names.length,
  );
  const passes = key.map((_, pass) => passOf(rows, pass, duplicates === 'drop'));
  const report: KeyReport = {
    node: index,
    table,
    key: name,
    rows: rows.count,
    lacking: rows.count === 0 ? 0 : count(rows.states[0] as Int32Array, STATE.lacking),
    passes: passes.map(({ report: found }) => found),
    keyed: 0,
    capacity,
    warnings: key.flatMap((_, pass) =>
      warnings(rows.states[pass] as Int32Array, passes[pass]?.report.distinct ?? 0, pass),
    ),
  };
  const shared = passes.map(({ report: found }) => found.duplicates);
  if (duplicates === 'error' && shared.some((found) => found > 0)) {
    throw new NodeError('DATA_DUPLICATE_KEYS', `rows of "${table}" share their key "${name}"`, {
      fault: 'data',
      fix: "correct the data, or set duplicates to 'first' or 'drop' in the program",
      privateDetail: shared.map((found, pass) => `pass ${pass + 1}: ${found} duplicates`).join(', '),
    });
  }
  const taking = takingPart(
    passes.map(({ present }) => present),
    rows.count,
  );
  report.keyed = taking.length;
  if (taking.length > capacity) {
    throw new NodeError('DATA_CAPACITY', `more rows of "${table}" have a key than the capacity at line ${node.line}`, {
      fault: 'data',
      fix: 'raise the capacity in the program, or filter the table further',
      privateDetail: `${taking.length} rows with a key, capacity ${capacity}`,
    });
  }
  return {
    rows: taking.length,
    digests: passes.map(({ present }, pass) => pickDigests(rows.digests[pass] as Uint8Array, present, taking)),
    present: passes.map(({ present }) => Uint8Array.from(taking, (row) => present[row] as number)),
    columns: rows.columns.map((column) => pick(column, taking)),
    positions: pick(rows.positions, taking),
    report,
  };
}

/** One table of every row under the node: `row_number`, its columns, then state and digest of each pass. */
function keyedSql(lineage: Lineage, index: number, key: KeyType, binding: TableBinding) {
  const { node } = keyOf(lineage, index);
  const source = (column: string) => {
    const bound = binding.columns.get(column);
    if (bound === undefined) {
      throw new NodeError('DATA_MISSING_COLUMN', `the dataset has no column "${column}" to match by`, {
        fault: 'data',
        fix: 'add the property to the dataset contract, or use a key that the holder publishes',
      });
    }
    return bound;
  };
  const sources = new Map(
    key.flatMap((pass, p) => pass.map(({ column }, f) => [fieldName(p, f), source(column).source] as const)),
  );
  const picked = keyedRowsSql(lineage, index, binding, sources);
  const carried = (node.attrs.columns ?? []).map((_, i) => `v${i}`);
  return {
    file: binding.file,
    /** Built first and read then: a result that streams is computed by one thread. */
    range: (from: number) => {
      const rows = `(SELECT * FROM ${picked.from} WHERE row_number BETWEEN ${from} AND ${from + RANGE - 1})`;
      const digests = digestSql(rows, carried, key, ({ column }) => source(column).physical);
      return [`CREATE TEMP TABLE keyed AS ${picked.with} ${digests}`, 'SELECT * FROM keyed ORDER BY row_number'];
    },
  };
}

interface Scanned {
  count: number;
  positions: BigInt64Array;
  columns: BigInt64Array[];
  /** By pass. */
  states: Int32Array[];
  digests: Uint8Array[];
}

async function scan(
  engine: Engine,
  sql: { file: string; range(from: number): string[] },
  snapshotRows: number,
  signal: AbortSignal,
  passes: number,
  columns: number,
): Promise<Scanned> {
  const parts: ResultTable[] = [];
  for (let from = 0; from < snapshotRows; from += RANGE) {
    const results = await engine.query({ statements: sql.range(from), files: [sql.file] }, { signal });
    parts.push(results[1] as ResultTable);
  }
  const total = parts.reduce((sum, part) => sum + part.rows, 0);
  const joined = <T extends BigInt64Array | Int32Array | Uint8Array>(target: T, column: number, width = 1): T => {
    let at = 0;
    for (const part of parts) {
      const values = part.columns[column]?.values as T;
      (target as Uint8Array).set(values as Uint8Array, at);
      at += part.rows * width;
    }
    return target;
  };
  const from = 1 + columns;
  return {
    count: total,
    positions: joined(new BigInt64Array(total), 0),
    columns: Array.from({ length: columns }, (_, i) => joined(new BigInt64Array(total), 1 + i)),
    states: Array.from({ length: passes }, (_, p) => joined(new Int32Array(total), from + 2 * p)),
    digests: Array.from({ length: passes }, (_, p) => joined(new Uint8Array(16 * total), from + 2 * p + 1, 16)),
  };
}

/** Which rows have a key in a pass once duplicates are settled. */
function passOf(
  { count: rows, states, digests }: Scanned,
  pass: number,
  drop: boolean,
): { present: Uint8Array; report: KeyReport['passes'][number] } {
  const state = states[pass] as Int32Array;
  const words = new Int32Array((digests[pass] as Uint8Array).buffer);
  const present = new Uint8Array(rows);
  // Open addressing over the first word of the digest, which is as good as random; a slot holds a row plus 1.
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * rows + 2)));
  const mask = slots.length - 1;
  const report = { nulls: 0, invalid: 0, duplicates: 0, distinct: 0 };
  const shared: number[] = [];
  for (let row = 0; row < rows; row++) {
    const of = state[row] as number;
    if (of === STATE.absent) report.nulls++;
    else if (of === STATE.invalid) report.invalid++;
    if (of < 0) continue;
    let slot = (words[4 * row] as number) & mask;
    let first = slots[slot] as number;
    while (first !== 0 && !equal(words, row, first - 1)) {
      slot = (slot + 1) & mask;
      first = slots[slot] as number;
    }
    if (first === 0) {
      slots[slot] = row + 1;
      present[row] = 1;
      report.distinct++;
    } else {
      report.duplicates++;
      if (drop) shared.push(first - 1);
    }
  }
  for (const row of shared) present[row] = 0;
  return { present, report };
}

function equal(words: Int32Array, a: number, b: number): boolean {
  for (let i = 0; i < 4; i++) if (words[4 * a + i] !== words[4 * b + i]) return false;
  return true;
}

/** Rows with a key in some pass, ascending. */
function takingPart(present: readonly Uint8Array[], rows: number): Uint32Array {
  const taking = new Uint32Array(rows);
  let found = 0;
  for (let row = 0; row < rows; row++) if (present.some((pass) => pass[row] === 1)) taking[found++] = row;
  return taking.subarray(0, found);
}

function pick(column: BigInt64Array, rows: Uint32Array): BigInt64Array {
  if (rows.length === column.length) return column;
  const picked = new BigInt64Array(rows.length);
  for (let i = 0; i < rows.length; i++) picked[i] = column[rows[i] as number] as bigint;
  return picked;
}

/** Zero where the row has no key: of the later of two rows with one key nothing must remain. */
function pickDigests(digests: Uint8Array, present: Uint8Array, rows: Uint32Array): Uint8Array {
  const picked = new Uint8Array(16 * rows.length);
  const [from, to] = [new Int32Array(digests.buffer), new Int32Array(picked.buffer)];
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    if (present[row] === 0) continue;
    for (let word = 0; word < 4; word++) to[4 * i + word] = from[4 * row + word] as number;
  }
  return picked;
}

function warnings(states: Int32Array, distinct: number, pass: number): string[] {
  let digits = 0;
  for (const state of states) if (state > digits) digits = state;
  const domain = 10 ** digits;
  if (digits === 0 || digits >= MANY || domain > SMALL_DOMAIN) return [];
  const most = distinct > domain / 2 ? '; more than half of them occur here, so that a match says little' : '';
  return [
    `pass ${pass + 1}: its keys can take at most ${domain.toLocaleString('en')} values, which anyone can try through${most}; match by another field as well`,
  ];
}

function count(states: Int32Array, wanted: number): number {
  let found = 0;
  for (const state of states) if (state === wanted) found++;
  return found;
}
