/**
 * The holders' files: three million flights of January to June 2001 (US Bureau of Transportation Statistics, from the
 * npm package vega-datasets), split by airport of origin, so that every holder knows other flights. One brings Parquet,
 * one CSV, one SQLite.
 * @module
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import Database from 'libsql';
import type { AnswerLine } from './answer.ts';

// The package exports its code alone; the data lies beside it.
const SOURCE = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data/flights-3m.parquet');
const COLUMNS = 'date, delay, distance, origin, destination';

export interface HolderFile {
  org: string;
  kind: 'parquet' | 'csv' | 'sqlite';
  path: string;
  rows: number;
}

/** `airports`: how many of sixteen hash classes of airports are theirs. */
const HOLDERS = [
  { org: 'Aurora Air', kind: 'parquet', file: 'flights.parquet', airports: 11 },
  { org: 'Borealis Jets', kind: 'csv', file: 'flights.csv', airports: 4 },
  { org: 'Cirrus Lines', kind: 'sqlite', file: 'flights.sqlite', airports: 1 },
] as const;

/** Edges of the histogram in examples/01-flight-delays.ts, in minutes. */
const EDGES = [-1440, -15, 0, 15, 60, 240, 1800];

export async function splitFlights(dir: string): Promise<{ files: HolderFile[]; answer: AnswerLine[] }> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const owner = HOLDERS.flatMap(({ airports }, holder) => new Array<number>(airports).fill(holder));
    await connection.run(
      `CREATE TABLE flights AS SELECT *, [${owner.join()}][1 + (hash(origin) % ${owner.length})::INTEGER] AS holder FROM read_parquet('${SOURCE}')`,
    );
    const files: HolderFile[] = [];
    for (const [index, { org, kind, file }] of HOLDERS.entries()) {
      const path = join(dir, file);
      const select = `SELECT ${COLUMNS} FROM flights WHERE holder = ${index}`;
      if (kind === 'sqlite') await writeSqlite(connection, select, path);
      else await connection.run(`COPY (${select}) TO '${path}' (FORMAT ${kind})`);
      const rows = await single(connection, `SELECT count(*) FROM flights WHERE holder = ${index}`);
      files.push({ org, kind, path, rows });
    }
    return { files, answer: await plainAnswer(connection) };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function plainAnswer(connection: DuckDBConnection): Promise<AnswerLine[]> {
  const [row = []] = await rowsOf(connection, 'SELECT count(*), avg(delay), var_pop(delay) FROM flights');
  const lines: AnswerLine[] = [
    { label: 'flights', at: ['n'], value: Number(row[0]) },
    { label: 'mean delay', at: ['mean'], value: Number(row[1]) },
    { label: 'variance', at: ['variance'], value: Number(row[2]) },
  ];
  for (const [index, edge] of EDGES.slice(0, -1).entries()) {
    const next = EDGES[index + 1];
    const upper = index === EDGES.length - 2 ? '<=' : '<';
    const bin = `SELECT count(*) FROM flights WHERE delay >= ${edge} AND delay ${upper} ${next}`;
    lines.push({
      label: `${edge} to ${next} min`,
      at: ['histogram', index],
      value: await single(connection, bin),
    });
  }
  return lines;
}

async function writeSqlite(connection: DuckDBConnection, select: string, path: string): Promise<void> {
  const database = new Database(path);
  database.exec('CREATE TABLE flights (date TEXT, delay INTEGER, distance INTEGER, origin TEXT, destination TEXT)');
  // Whole chunks as JSON, taken apart inside SQLite: several times faster than a call a row.
  const insert = database.prepare(
    'INSERT INTO flights SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?)',
  );
  const chunks = await rowsOf(
    connection,
    `SELECT json_group_array(json_array(date::VARCHAR, delay, distance, origin, destination))
     FROM (SELECT *, row_number() OVER () // 20000 AS part FROM (${select})) GROUP BY part`,
  );
  database.transaction(() => {
    for (const [json] of chunks) insert.run(json);
  })();
  database.close();
}

async function rowsOf(connection: DuckDBConnection, sql: string): Promise<unknown[][]> {
  return (await connection.runAndReadAll(sql)).getRows() as unknown[][];
}

async function single(connection: DuckDBConnection, sql: string): Promise<number> {
  return Number((await rowsOf(connection, sql))[0]?.[0]);
}
