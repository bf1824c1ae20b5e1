/**
 * What a holder keeps of an intersection: its own rows, with the columns that they were matched by and those that they
 * brought, as the source has them, and what the other side delivered, in readable form. Written beside and renamed into place, so that a reader finds an old file or a new one.
 * @module
 */
import { chmod, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ColumnType, type DeliveredColumn, NodeError } from '@2pm/core';
import type { ColumnBatch, Engine } from '../engine/engine.ts';
import type { TableBinding } from '../plan-sql.ts';
import { identifier, literal } from '../sql.ts';
import type { KeyedTable } from './keyed.ts';

const BATCH = 65_536;

/** Rows of the snapshot for ascending rows of the keyed table. @throws {NodeError} `DATA_BAD_ROWS`. */
export function positionsOf(table: Pick<KeyedTable, 'rows' | 'positions'>, rows: Uint32Array): BigInt64Array {
  const ascending = rows.every((row, i) => row < table.rows && (i === 0 || row > (rows[i - 1] as number)));
  if (!ascending) {
    throw new NodeError('DATA_BAD_ROWS', 'the rows to keep are not ascending rows of the table', { fault: 'node' });
  }
  const positions = new BigInt64Array(rows.length);
  for (let i = 0; i < rows.length; i++) positions[i] = table.positions[rows[i] as number] as bigint;
  return positions;
}

export async function writeRows(
  engine: Engine,
  request: {
    file: string;
    binding: TableBinding;
    columns: readonly string[];
    positions: BigInt64Array;
    delivered: readonly DeliveredColumn[];
  },
  signal: AbortSignal,
): Promise<void> {
  const { file, binding, positions, delivered } = request;
  if (delivered.some(({ values }) => values.length !== positions.length)) {
    throw new NodeError('DATA_BAD_ROWS', 'what was delivered is not one value for each row to keep', { fault: 'node' });
  }
  const [listed, fresh] = [`${file}.rows`, `${file}.new`];
  const own = [...new Set(request.columns)];
  const names = namesBeside(own, delivered);
  const columns = [
    ...own.map((name) => `own.${identifier(name)}`),
    ...delivered.map(({ type }, i) => `${readable(`kept.v${i}`, type)} AS ${identifier(names[i] as string)}`),
  ].join(', ');
  const clear = () => Promise.all([listed, fresh].map((path) => rm(path, { force: true })));
  // What a killed attempt may have left.
  await clear();
  try {
    const vectors = [positions, ...delivered.map(({ values }) => values)];
    const listing = ['row', ...delivered.map((_, i) => `v${i}`)].map((name) => ({ name, type: 'BIGINT' as const }));
    await engine.append({ columns: listing, target: listed }, batches(vectors), { signal });
    const source = `read_parquet(${literal(binding.file)}, file_row_number = true) AS own`;
    const kept = `read_parquet(${literal(listed)}) AS kept ON own.file_row_number = kept."row"`;
    const rows = `SELECT ${columns} FROM ${source} JOIN ${kept} ORDER BY own.file_row_number`;
    // The file holds personal data from its first byte on, and the engine may write no other beside it.
    await (await open(fresh, 'w', 0o600)).close();
    await engine.query(
      {
        statements: [`COPY (${rows}) TO ${literal(fresh)} (FORMAT parquet, USE_TMP_FILE false)`],
        files: [binding.file, listed, fresh],
      },
      { signal },
    );
    await chmod(fresh, 0o600);
    const handle = await open(fresh, 'r');
    await handle.sync().finally(() => handle.close());
    await rename(fresh, file);
    const folder = await open(dirname(file), 'r');
    await folder.sync().finally(() => folder.close());
  } finally {
    await clear();
  }
}

function* batches(vectors: readonly BigInt64Array[]): Generator<ColumnBatch> {
  const rows = vectors[0]?.length ?? 0;
  for (let from = 0; from < rows; from += BATCH) yield vectors.map((vector) => vector.subarray(from, from + BATCH));
}

/** Names of the delivered columns that are not among the own ones: the engine takes capitals for small letters. */
function namesBeside(own: readonly string[], delivered: readonly DeliveredColumn[]): string[] {
  const taken = new Set(own.map((name) => name.toLowerCase()));
  return delivered.map(({ name }) => {
    let free = name;
    while (taken.has(free.toLowerCase())) free += '_';
    taken.add(free.toLowerCase());
    return free;
  });
}

/** The value that an integer of the plan stands for. */
function readable(value: string, type: ColumnType): string {
  switch (type.type) {
    case 'int':
      return value;
    case 'fixed':
      return `CAST(${value} AS DOUBLE) / ${2 ** type.fractionBits}`;
    case 'bool':
      return `${value} <> 0`;
    case 'date':
      // Days of the years 1 to 9999: a file that failed for what another sent would tell it that the row matched.
      return `CASE WHEN ${value} BETWEEN -719162 AND 2932896 THEN DATE '1970-01-01' + TRY_CAST(${value} AS INTEGER) END`;
    case 'category':
      return `list_extract([${type.values.map(literal).join(', ')}], ${value} + 1)`;
  }
}
