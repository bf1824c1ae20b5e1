/**
 * SQLite databases as a data source, read by libsql in one read transaction. The connection is opened with `mode=ro` and
 * `query_only`: libsql 0.5 ignores the `readonly` option of its constructor. Values must have the type that the contract
 * (`types`) or else the declared column type promises; SQLite itself would store anything anywhere.
 * @module
 */
import { open, rm, stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { type DataSource, NodeError, type PhysicalType, parse, type SourceSession, type TableInfo } from '@2pm/core';
import Database from 'libsql';
import { z } from 'zod';
import type { AppendType, ColumnBatch, Engine } from '../../engine/engine.ts';
import { identifier } from '../../sql.ts';
import { expectColumns } from '../file/file-source.ts';
import { fileVersion, resolveFile } from '../guarded-file.ts';

export const SqliteServer = z.strictObject({
  path: z.string().min(1),
  format: z.literal('sqlite').optional(),
  types: z
    .record(
      z.string(),
      z.custom<PhysicalType>((value) => typeof value === 'string'),
    )
    .optional(),
});

const BATCH_ROWS = 8_192;
const UNIX_DAY_MS = 86_400_000;

export function sqliteSource({ engine }: { engine: Engine }): DataSource {
  return {
    kind: 'sqlite',
    async open(block, { signal }) {
      signal?.throwIfAborted();
      const server = parse(block, SqliteServer, 'the server block of a SQLite database');
      const file = await resolveFile(server.path);
      const magic = await firstBytes(file, 15);
      if (magic !== 'SQLite format 3') throw sourceError('the file is no SQLite database', file);
      const db = guarded(() => new Database(`${pathToFileURL(file).href}?mode=ro`));
      db.exec('PRAGMA query_only = ON');
      return session(engine, db, file, server.types ?? {});
    },
  };
}

function session(
  engine: Engine,
  db: Database.Database,
  file: string,
  types: Record<string, PhysicalType>,
): SourceSession {
  const columnsOf = (table: string): TableInfo['columns'] =>
    guarded(() => db.prepare('SELECT name, type, "notnull" AS required FROM pragma_table_info(?)').all(table)).map(
      (row) => {
        const { name, type, required } = row as { name: string; type: string; required: number };
        return { name, type: types[name] ?? declaredType(type), nullable: required === 0 };
      },
    );
  return {
    async describe() {
      const names = guarded(() =>
        db
          .prepare(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name",
          )
          .all(),
      ) as { name: string }[];
      return names.map(({ name }) => ({ name, columns: columnsOf(name) }));
    },
    async version() {
      const wal = await stat(`${file}-wal`, { bigint: true }).catch(() => undefined);
      return `${await fileVersion(file)}/${wal === undefined ? 'none' : `${wal.size}-${wal.mtimeNs}`}`;
    },
    async snapshot({ table, columns, target, signal }) {
      const known = columnsOf(table);
      expectColumns(
        columns,
        known.map((column) => column.name),
      );
      const chosen = columns.map((name) => known.find((column) => column.name === name) as (typeof known)[number]);
      const version = await this.version(table);
      try {
        const rows = await engine.append(
          { columns: chosen.map(({ name, type }) => ({ name, type: APPEND[type] })), target },
          batches(db, table, chosen, signal),
          { signal },
        );
        return { rows, version };
      } catch (error) {
        await rm(target, { force: true });
        throw error;
      }
    },
    close: async () => {
      db.close();
    },
  };
}

/** One statement is one read transaction: writers that commit meanwhile are not seen. */
function* batches(
  db: Database.Database,
  table: string,
  columns: TableInfo['columns'],
  signal: AbortSignal | undefined,
): Generator<ColumnBatch> {
  const select = `SELECT ${columns.map((column) => identifier(column.name)).join(', ')} FROM ${identifier(table)}`;
  const rows = guarded(() => db.prepare(select).raw(true).safeIntegers(true).iterate()) as IterableIterator<unknown[]>;
  let batch: unknown[][] = columns.map(() => []);
  let row = 0;
  for (const values of rows) {
    for (const [i, column] of columns.entries()) {
      const value = convert(values[i], column.type);
      if (value === undefined) throw wrongType(column, row, values[i]);
      batch[i]?.push(value);
    }
    row += 1;
    if (row % BATCH_ROWS !== 0) continue;
    signal?.throwIfAborted();
    yield batch;
    batch = columns.map(() => []);
  }
  if (row % BATCH_ROWS !== 0) yield batch;
}

const APPEND: Record<PhysicalType, AppendType> = {
  boolean: 'BOOLEAN',
  integer: 'BIGINT',
  double: 'DOUBLE',
  decimal: 'DOUBLE',
  date: 'DATE',
  timestamp: 'DATE',
  text: 'VARCHAR',
  binary: 'BLOB',
};

/** `undefined` where the value is not of the type. */
function convert(value: unknown, type: PhysicalType): unknown {
  if (value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'bigint' ? value : undefined;
    case 'double':
    case 'decimal':
      return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : undefined;
    case 'boolean':
      return value === 1n ? true : value === 0n ? false : undefined;
    case 'text':
      return typeof value === 'string' ? value : undefined;
    case 'binary':
      return value instanceof Uint8Array ? value : undefined;
    case 'date':
    case 'timestamp': {
      const match = typeof value === 'string' ? /^(\d{4}-\d{2}-\d{2})(?:[T ][\d:.]+Z?)?$/.exec(value) : null;
      if (match?.[1] === undefined || (type === 'date' && match[0] !== match[1])) return undefined;
      const ms = Date.parse(`${match[1]}T00:00:00Z`);
      // Date.parse takes February 30th for March 1st or 2nd.
      const exact = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(match[1]);
      return exact ? ms / UNIX_DAY_MS : undefined;
    }
  }
}

/** By the words of the declaration, as SQLite's own affinity rules go, with dates and truth values besides. */
function declaredType(declared: string): PhysicalType {
  const type = declared.toUpperCase();
  if (type.includes('INT')) return 'integer';
  if (type.includes('BOOL')) return 'boolean';
  if (type === 'DATE') return 'date';
  if (type.startsWith('DATETIME') || type.startsWith('TIMESTAMP')) return 'timestamp';
  if (/REAL|FLOA|DOUB|DEC|NUM/.test(type)) return 'double';
  if (type.includes('BLOB')) return 'binary';
  return 'text';
}

function wrongType(column: TableInfo['columns'][number], row: number, value: unknown): NodeError {
  const shown = typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  return new NodeError('DATA_WRONG_TYPE', 'a value of the data source is not of its column’s type', {
    fault: 'data',
    fix: 'correct the values, or the type in the dataset contract',
    privateDetail: `row ${row + 1}, column "${column.name}": ${shown} is not of type ${column.type}`,
  });
}

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw sourceError('the SQLite database cannot be read', String(cause));
  }
}

function sourceError(message: string, detail: string): NodeError {
  return new NodeError('DATA_SOURCE_UNREADABLE', message, {
    fault: 'data',
    fix: 'check the path in the servers block, and that the database is whole',
    privateDetail: detail,
  });
}

async function firstBytes(file: string, count: number): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
