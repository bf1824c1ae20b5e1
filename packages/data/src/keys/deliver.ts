/**
 * What a holder keeps of an intersection: its own rows, with the columns that they were matched by and those that they
 * brought, as the source has them. Written beside and renamed into place, so that a reader finds an old file or a new one.
 * @module
 */
import { chmod, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NodeError } from '@2pm/core';
import type { ColumnBatch, Engine } from '../engine/engine.ts';
import type { TableBinding } from '../plan-sql.ts';
import { identifier, literal } from '../sql.ts';
import type { KeyedTable } from './keyed.ts';

const BATCH = 8_192;

/** Rows of the snapshot for ascending rows of the keyed table. @throws {NodeError} `DATA_BAD_ROWS`. */
export function positionsOf(table: Pick<KeyedTable, 'rows' | 'positions'>, rows: Uint32Array): BigInt64Array {
  const ascending = rows.every((row, i) => row < table.rows && (i === 0 || row > (rows[i - 1] as number)));
  if (!ascending) {
    throw new NodeError('DATA_BAD_ROWS', 'the rows to keep are not ascending rows of the table', { fault: 'node' });
  }
  return BigInt64Array.from(rows, (row) => table.positions[row] as bigint);
}

export async function writeRows(
  engine: Engine,
  request: { file: string; binding: TableBinding; columns: readonly string[]; positions: BigInt64Array },
  signal: AbortSignal,
): Promise<void> {
  const { file, binding, positions } = request;
  const [listed, fresh] = [`${file}.rows`, `${file}.new`];
  const columns = [...new Set(request.columns)].map(identifier).join(', ');
  const clear = () => Promise.all([listed, fresh].map((path) => rm(path, { force: true })));
  // What a killed attempt may have left.
  await clear();
  try {
    await engine.append({ columns: [{ name: 'row', type: 'BIGINT' }], target: listed }, batches(positions), { signal });
    const chosen = `file_row_number IN (SELECT "row" FROM read_parquet(${literal(listed)}))`;
    const rows = `SELECT ${columns} FROM read_parquet(${literal(binding.file)}, file_row_number = true) WHERE ${chosen} ORDER BY file_row_number`;
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

function* batches(positions: BigInt64Array): Generator<ColumnBatch> {
  for (let from = 0; from < positions.length; from += BATCH) yield [[...positions.subarray(from, from + BATCH)]];
}
