/**
 * Files as a data source: CSV and Parquet. The file is parsed in the engine's process, which can open nothing else.
 * Types of a CSV file come from `types` (the contract's); without it, from its first 10,000 rows.
 * @module
 */
import { basename } from 'node:path';
import { type DataSource, isNodeError, NodeError, type PhysicalType, parse, type SourceSession } from '@2pm/core';
import { z } from 'zod';
import type { Engine } from '../../engine/engine.ts';
import { identifier, literal } from '../../sql.ts';
import { fileVersion, readStill, resolveFile } from '../guarded-file.ts';
import { parquetColumns } from '../parquet-schema.ts';
import { type CsvHeader, csvHeader, csvRelation, csvSample, csvValue, csvWrong, SNIFFED } from './csv.ts';

export const FileServer = z.strictObject({
  /** Absolute, or relative to the process. */
  path: z.string().min(1),
  format: z.enum(['csv', 'parquet']),
  delimiter: z.string().length(1).optional(),
  types: z
    .record(
      z.string(),
      z.custom<PhysicalType>((value) => typeof value === 'string'),
    )
    .optional(),
});
type FileServer = z.infer<typeof FileServer>;

export function fileSource({ engine }: { engine: Engine }): DataSource {
  return {
    kind: 'file',
    async open(block, { signal }) {
      signal?.throwIfAborted();
      const server = parse(block, FileServer, 'the server block of a file');
      await resolveFile(server.path);
      return server.format === 'csv' ? csvSession(engine, server) : parquetSession(engine, server);
    },
  };
}

function csvSession(engine: Engine, server: FileServer): SourceSession {
  const table = tableName(server.path);
  const sniff = async (file: string, header: CsvHeader) => {
    const relation = csvRelation(file, header);
    const [sample] = await engine
      .query({ statements: [csvSample(relation, header.names)], files: [file] }, {})
      .catch((error) => Promise.reject(csvError(error)));
    const flag = (column: number) => sample?.columns[column]?.values[0] === 1;
    return header.names.map((name, i): PhysicalType => {
      const empty = flag(header.names.length * SNIFFED.length + i);
      const fits = empty ? -1 : SNIFFED.findIndex((_, t) => !flag(i * SNIFFED.length + t));
      return server.types?.[name] ?? SNIFFED[fits] ?? 'text';
    });
  };
  return {
    async describe() {
      const file = await resolveFile(server.path);
      const header = await csvHeader(file, server.delimiter);
      const types = await sniff(file, header);
      const columns = header.names.map((name, i) => ({ name, type: types[i] ?? 'text', nullable: true }));
      return [{ name: table, columns }];
    },
    version: () => fileVersion(server.path),
    async snapshot({ columns, target, signal }) {
      const { value, version } = await readStill(server.path, target, signal, async (file) => {
        const header = await csvHeader(file, server.delimiter);
        expectColumns(columns, header.names);
        const types = server.types === undefined ? await sniff(file, header) : undefined;
        const typeOf = (name: string) => server.types?.[name] ?? types?.[header.names.indexOf(name)] ?? 'text';
        const relation = csvRelation(file, header);
        const select = columns.map((name) => `${csvValue(name, typeOf(name))} AS ${identifier(name)}`).join(', ');
        try {
          return await copy(engine, `SELECT ${select} FROM ${relation}`, file, target, signal);
        } catch (error) {
          throw await wrongFields(engine, file, relation, columns, typeOf, csvError(error));
        }
      });
      return { rows: value, version };
    },
    close: async () => {},
  };
}

/** Where and what the wrong fields are, for the holder's eyes. */
async function wrongFields(
  engine: Engine,
  file: string,
  relation: string,
  columns: readonly string[],
  typeOf: (name: string) => PhysicalType,
  error: unknown,
): Promise<unknown> {
  if (!isNodeError(error, 'DATA_WRONG_TYPE')) return error;
  const finds = columns.map(
    (name) =>
      `SELECT CAST(row + 1 AS BIGINT), ${literal(name)}, ${literal(typeOf(name))}, ${identifier(name)} ` +
      `FROM (SELECT *, row_number() OVER () AS row FROM ${relation}) WHERE ${csvWrong(name, typeOf(name))} LIMIT 3`,
  );
  const tables = await engine.query({ statements: finds, files: [file] }, {}).catch(() => []);
  const lines = tables.flatMap(({ rows, columns: found }) =>
    Array.from({ length: rows }, (_, i) => {
      const [line, name, type, value] = found.map((column) => column.values[i]);
      return `line ${line}, column "${name}": ${JSON.stringify(value)} is not of type ${type}`;
    }),
  );
  if (lines.length === 0) return error;
  return new NodeError(error.code, error.message, {
    fault: 'data',
    fix: 'correct the fields, or the types in the dataset contract',
    // Line numbers count records; a field with a line break in it makes later ones larger in an editor.
    privateDetail: lines.slice(0, 20).join('\n'),
  });
}

function csvError(error: unknown): unknown {
  if (!isNodeError(error, 'DATA_ENGINE_QUERY')) return error;
  const detail = error.privateDetail ?? '';
  if (/wrong type/.test(detail)) {
    return new NodeError('DATA_WRONG_TYPE', 'a field of the CSV file is not of its column’s type', { fault: 'data' });
  }
  return new NodeError('DATA_BROKEN_LINE', 'a line of the CSV file is broken', {
    fault: 'data',
    fix: 'every line needs the same number of fields, closed quotes, and UTF-8',
    privateDetail: detail.split('\n').slice(0, 4).join('\n'),
  });
}

function parquetSession(engine: Engine, server: FileServer): SourceSession {
  const corrupt = (error: unknown) =>
    isNodeError(error, 'DATA_ENGINE_QUERY')
      ? new NodeError('DATA_PARQUET_CORRUPT', 'the Parquet file is damaged or no Parquet file', {
          fault: 'data',
          fix: 'write the file again; it may have been copied only in part',
          privateDetail: error.privateDetail ?? '',
        })
      : error;
  const schema = async (signal?: AbortSignal) => {
    const file = await resolveFile(server.path);
    return parquetColumns(engine, file, signal).catch((error) => Promise.reject(corrupt(error)));
  };
  return {
    async describe() {
      return [{ name: tableName(server.path), ...(await schema()) }];
    },
    version: () => fileVersion(server.path),
    async snapshot({ columns, target, signal }) {
      const { value, version } = await readStill(server.path, target, signal, async (file) => {
        const known = (await schema(signal)).columns.map((column) => column.name);
        expectColumns(columns, known);
        const select = columns.map(identifier).join(', ');
        try {
          return await copy(engine, `SELECT ${select} FROM read_parquet(${literal(file)})`, file, target, signal);
        } catch (error) {
          throw corrupt(error);
        }
      });
      return { rows: value, version };
    },
    close: async () => {},
  };
}

async function copy(engine: Engine, select: string, file: string, target: string, signal: AbortSignal | undefined) {
  const statement = `COPY (${select}) TO ${literal(target)} (FORMAT parquet)`;
  const [copied] = await engine.query({ statements: [statement], files: [file, target] }, { signal });
  return Number(copied?.columns[0]?.values[0] ?? 0);
}

/** The columns asked for are the contract's: their names stay with the holder. */
export function expectColumns(asked: readonly string[], known: readonly string[]): void {
  const missing = asked.filter((name) => !known.includes(name));
  if (missing.length === 0) return;
  throw new NodeError('DATA_MISSING_COLUMN', 'the data source lacks a column of its contract', {
    fault: 'data',
    fix: 'correct physicalName in the dataset contract, or add the column to the source',
    privateDetail: `missing: ${missing.join(', ')}; there are: ${known.join(', ')}`,
  });
}

function tableName(path: string): string {
  return basename(path).replace(/\.[^.]*$/, '') || 'table';
}
