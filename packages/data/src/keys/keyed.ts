/**
 * The rows of a `keyed/1` node: which take part, in what order, by which digests, and a report of why the others do not.
 *
 * Order is that of the snapshot. A row takes part where the table's conditions hold, none of the node's columns is null, and
 * it has a key in one pass at least. What happens to rows that share a key is settled for each pass alone: with `first` the
 * later ones, with `drop` all of them have no key in that pass; they may still match in another.
 * @module
 */
import { type KeyedRows, type KeyReport, type KeyType, NodeError, type PlanNode } from '@2pm/core';
import type { Records } from '@2pm/crypto/wasm';
import type { Engine } from '../engine/engine.ts';
import { type Lineage, malformed } from '../lineage.ts';
import { keyedRowsSql, type TableBinding } from '../plan-sql.ts';
import { fieldName, MANY, recordsOf, STATE } from './digest.ts';

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
  const { capacity = 0, duplicates = 'error' } = node.attrs;
  const rows = await scan(engine, keyedSql(lineage, index, key, binding), snapshotRows, signal);
  const passes = key.map((_, pass) => passOf(rows, pass, duplicates === 'drop'));
  const report: KeyReport = {
    node: index,
    table,
    key: name,
    rows: rows.count,
    lacking: passes[0]?.lacking ?? 0,
    passes: passes.map(({ report: found }) => found),
    keyed: 0,
    capacity,
    warnings: passes.flatMap(({ digits, report: { distinct } }, pass) => warnings(digits, distinct, pass)),
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
    present: passes.map(({ present }) => pick(present, taking)),
    columns: rows.columns.map((column) => pick(column, taking)),
    positions: pick(rows.positions, taking),
    report,
  };
}

/** Every row under the node, a range at a time: `row_number`, its columns, then state and digest of each pass. */
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
    columns: carried.length,
    passes: key.length,
    range: (from: number) => {
      const range = `(SELECT * FROM ${picked.from} WHERE row_number BETWEEN ${from} AND ${from + RANGE - 1})`;
      const { statement, shape } = recordsOf(range, carried, key, ({ column }) => source(column).physical);
      return { statement: `${picked.with} ${statement}`, shape };
    },
  };
}

interface Scanned {
  count: number;
  positions: BigInt64Array;
  columns: BigInt64Array[];
  /** By pass. */
  states: BigInt64Array[];
  digests: Uint8Array[];
}

async function scan(
  engine: Engine,
  sql: ReturnType<typeof keyedSql>,
  snapshotRows: number,
  signal: AbortSignal,
): Promise<Scanned> {
  const parts: Records[] = [];
  for (let from = 0; from < snapshotRows; from += RANGE) {
    parts.push(await engine.records({ ...sql.range(from), files: [sql.file] }, { signal }));
  }
  const count = parts.reduce((sum, part) => sum + part.rows, 0);
  const joined = <T extends BigInt64Array | Uint8Array>(all: T, of: (part: Records) => T | undefined): T => {
    let at = 0;
    for (const part of parts) {
      const values = of(part) as T;
      (all as Uint8Array).set(values as Uint8Array, at);
      at += values.length;
    }
    return all;
  };
  const number = (at: number) => joined(new BigInt64Array(count), (part) => part.numbers[at]);
  const { columns, passes } = sql;
  return {
    count,
    positions: number(0),
    columns: Array.from({ length: columns }, (_, i) => number(1 + i)),
    states: Array.from({ length: passes }, (_, p) => number(1 + columns + p)),
    digests: Array.from({ length: passes }, (_, p) => joined(new Uint8Array(16 * count), (part) => part.digests[p])),
  };
}

/** Which rows have a key in a pass once duplicates are settled. */
function passOf(
  { count: rows, states, digests }: Scanned,
  pass: number,
  drop: boolean,
): { present: Uint8Array; lacking: number; digits: number; report: KeyReport['passes'][number] } {
  // Values of a state fit the lower word.
  const state = new Int32Array((states[pass] as BigInt64Array).buffer);
  const words = new Int32Array((digests[pass] as Uint8Array).buffer);
  const present = new Uint8Array(rows);
  // Open addressing over the first word of the digest, which is as good as random; a slot holds a row plus 1.
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * rows + 2)));
  const mask = slots.length - 1;
  let [absent, invalid, lacking, duplicates, distinct, digits] = [0, 0, 0, 0, 0, 0];
  const shared: number[] = [];
  for (let row = 0; row < rows; row++) {
    const of = state[2 * row] as number;
    if (of < 0) {
      if (of === STATE.absent) absent++;
      else if (of === STATE.invalid) invalid++;
      else lacking++;
      continue;
    }
    if (of > digits) digits = of;
    let slot = (words[4 * row] as number) & mask;
    let first = slots[slot] as number;
    while (first !== 0 && !equal(words, row, first - 1)) {
      slot = (slot + 1) & mask;
      first = slots[slot] as number;
    }
    if (first === 0) {
      slots[slot] = row + 1;
      present[row] = 1;
      distinct++;
    } else {
      duplicates++;
      if (drop) shared.push(first - 1);
    }
  }
  for (const row of shared) present[row] = 0;
  return { present, lacking, digits, report: { nulls: absent, invalid, duplicates, distinct } };
}

function equal(words: Int32Array, a: number, b: number): boolean {
  for (let i = 0; i < 4; i++) if (words[4 * a + i] !== words[4 * b + i]) return false;
  return true;
}

/** Rows with a key in some pass, ascending. */
function takingPart(present: readonly Uint8Array[], rows: number): Uint32Array {
  const taking = new Uint32Array(rows);
  let found = 0;
  for (let row = 0; row < rows; row++) {
    for (let pass = 0; pass < present.length; pass++) {
      if (present[pass]?.[row] !== 1) continue;
      taking[found++] = row;
      break;
    }
  }
  return taking.subarray(0, found);
}

/** By loops: what typed arrays do with functions takes as long as the rest of a row together. */
function pick<T extends BigInt64Array | Uint8Array>(column: T, rows: Uint32Array): T {
  if (rows.length === column.length) return column;
  if (column instanceof Uint8Array) {
    const bytes = new Uint8Array(rows.length);
    for (let i = 0; i < rows.length; i++) bytes[i] = column[rows[i] as number] as number;
    return bytes as T;
  }
  const picked = new BigInt64Array(rows.length);
  for (let i = 0; i < rows.length; i++) picked[i] = column[rows[i] as number] as bigint;
  return picked as T;
}

/** Zero where the row has no key: of the later of two rows with one key nothing must remain. */
function pickDigests(digests: Uint8Array, present: Uint8Array, rows: Uint32Array): Uint8Array {
  if (16 * rows.length === digests.length && !present.includes(0)) return digests;
  const picked = new Uint8Array(16 * rows.length);
  const [from, to] = [new Int32Array(digests.buffer), new Int32Array(picked.buffer)];
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    if (present[row] === 0) continue;
    for (let word = 0; word < 4; word++) to[4 * i + word] = from[4 * row + word] as number;
  }
  return picked;
}

function warnings(digits: number, distinct: number, pass: number): string[] {
  const domain = 10 ** digits;
  if (digits === 0 || digits >= MANY || domain > SMALL_DOMAIN) return [];
  const most = distinct > domain / 2 ? '; more than half of them occur here, so that a match says little' : '';
  return [
    `pass ${pass + 1}: its keys can take at most ${domain.toLocaleString('en')} values, which anyone can try through${most}; match by another field as well`,
  ];
}
