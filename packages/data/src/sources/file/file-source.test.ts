import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publicError } from '@2pm/core';
import { type ConformanceTable, dataSourceConformance } from '@2pm/testing/data-source-conformance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childEngine } from '../../engine/child-engine.ts';
import { type AppendType, DEFAULT_LIMITS, type Engine } from '../../engine/engine.ts';
import { inlineEngine } from '../../engine/inline.ts';
import { fileSource } from './file-source.ts';

const digest = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
const engineIn = (dir: string) => inlineEngine({ ...DEFAULT_LIMITS, tempDirectory: join(dir, 'spill') });

function csvField(value: unknown, type: string): string {
  if (value === null) return '';
  if (type === 'date') return new Date((value as number) * 86_400_000).toISOString().slice(0, 10);
  if (type === 'text') return `"${String(value).replaceAll('"', '""')}"`;
  return String(value);
}
const toCsv = ({ columns, rows }: ConformanceTable) =>
  [
    columns.map(({ name }) => name).join(','),
    ...rows.map((row) => row.map((v, i) => csvField(v, columns[i]?.type ?? '')).join(',')),
  ].join('\n');

dataSourceConformance('a CSV file', {
  engine: engineIn,
  source: (engine) => fileSource({ engine }),
  concurrency: 'refuse',
  async create(dir, table) {
    const path = join(dir, 'people.csv');
    await writeFile(path, `${toCsv(table)}\n`);
    return {
      server: { path, format: 'csv' },
      table: 'people',
      change: () => appendFile(path, table.columns.length === 2 ? '1,new\n' : '1,1,true,2000-01-01,new\n'),
      spoil: (marker) => appendFile(path, `${marker},1,true,2000-01-01,x\n`),
      fingerprint: () => digest(path),
    };
  },
});

const TYPES: Record<string, AppendType> = {
  integer: 'BIGINT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  text: 'VARCHAR',
};
dataSourceConformance('a Parquet file', {
  // A child, so that the reader and the change of the file run at the same time.
  engine: (dir) => childEngine({ ...DEFAULT_LIMITS, tempDirectory: join(dir, 'spill') }),
  source: (engine) => fileSource({ engine }),
  concurrency: 'refuse',
  async create(dir, { columns, rows }, engine) {
    const path = join(dir, 'people.parquet');
    const job = { columns: columns.map(({ name, type }) => ({ name, type: TYPES[type] as AppendType })), target: path };
    await engine.append(job, [columns.map((_, i) => rows.map((row) => row[i]))], {});
    return {
      server: { path, format: 'parquet' },
      table: 'people',
      change: () => appendFile(path, 'x'),
      fingerprint: () => digest(path),
    };
  },
});

describe('files', () => {
  let dir: string;
  let engine: Engine;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), '2pm-file-'));
    engine = engineIn(dir);
  });
  afterAll(async () => {
    await engine.close();
    await rm(dir, { recursive: true, force: true });
  });

  let count = 0;
  const target = () => join(dir, `out-${count++}.parquet`);
  async function csv(text: string | Uint8Array, columns: string[], types?: Record<string, string>) {
    const path = join(dir, `in-${count++}.csv`);
    await writeFile(path, text);
    const session = await fileSource({ engine }).open({ path, format: 'csv', ...(types ? { types } : {}) }, {});
    const file = target();
    await session.snapshot({ table: 'any', columns, target: file });
    const [result] = await engine.query({ statements: [`SELECT * FROM read_parquet('${file}')`], files: [file] }, {});
    return (result?.columns ?? []).map((column) =>
      Array.from(column.values as ArrayLike<unknown>, (v, i) => (column.valid[i] ? v : null)),
    );
  }

  it('finds the delimiter in the header, whatever the quoted names hold', async () => {
    expect(await csv('"a,b,c";b\n1;2\n', ['a,b,c', 'b'])).toEqual([[1n], [2n]]);
    expect(await csv('\uFEFFa\tb\n1\tx\n', ['a', 'b'])).toEqual([[1n], ['x']]);
    expect(await csv('a|b\r\n1|"x\ny"\r\n', ['b'])).toEqual([['x\ny']]);
  });

  it('takes an empty field for null, quoted or not', async () => {
    expect(await csv('a,b\n,""\n1,x\n', ['a', 'b'], { a: 'integer', b: 'text' })).toEqual([
      [null, 1n],
      [null, 'x'],
    ]);
  });

  it.each([
    ['a fraction in a column of integers', 'a\n1\n2.5\n', 'integer', 'line 3, column "a": "2.5"'],
    ['an integer beyond 64 bits', 'a\n9223372036854775808\n', 'integer', '9223372036854775808'],
    ['exponents in a column of integers', 'a\n1e3\n', 'integer', '1e3'],
    ['a word in a column of numbers', 'a\n1\n2\n3\nn/a\n', 'double', 'line 5'],
    ['not a number', 'a\nNaN\n', 'double', 'NaN'],
    ['a day that does not exist', 'a\n2023-02-29\n', 'date', '2023-02-29'],
    ['yes for true', 'a\nyes\n', 'boolean', 'yes'],
  ])('refuses %s, with the line for the holder only', async (_, text, type, detail) => {
    const failed = csv(text, ['a'], { a: type });
    await expect(failed).rejects.toMatchObject({
      code: 'DATA_WRONG_TYPE',
      privateDetail: expect.stringContaining(detail),
    });
    await failed.catch((error) => expect(publicError(error).message).not.toMatch(/\d/));
  });

  it.each([
    ['a line with a field too many', 'a,b\n1,2\n1,2,3\n'],
    ['a line with a field too few', 'a,b\n1,2\n1\n'],
    ['an open quote', 'a,b\n1,"2\n'],
    ['bytes that are no UTF-8', Uint8Array.of(0x61, 0x2c, 0x62, 0x0a, 0x31, 0x2c, 0xff, 0x0a)],
    ['a column name twice', 'a,a\n1,2\n'],
  ])('refuses %s', async (_, text) => {
    await expect(csv(text, ['a', 'b'], { a: 'integer', b: 'text' })).rejects.toMatchObject({
      code: 'DATA_BROKEN_LINE',
    });
  });

  it('reads a header without rows as an empty table, and refuses an empty file', async () => {
    expect(await csv('a,b\n', ['a'], { a: 'integer' })).toEqual([[]]);
    await expect(csv('', ['a'])).rejects.toMatchObject({ code: 'DATA_SOURCE_EMPTY' });
  });

  it('follows a symbolic link to its file', async () => {
    await writeFile(join(dir, 'real.csv'), 'a\n7\n');
    await symlink(join(dir, 'real.csv'), join(dir, 'link.csv'));
    const session = await fileSource({ engine }).open({ path: join(dir, 'link.csv'), format: 'csv' }, {});
    expect((await session.snapshot({ table: 'link', columns: ['a'], target: target() })).rows).toBe(1);
  });

  it('refuses a Parquet file that was cut, and one that never was one', async () => {
    const path = join(dir, 'cut.parquet');
    const many = Array.from({ length: 50_000 }, (_, i) => BigInt(i));
    await engine.append({ columns: [{ name: 'a', type: 'BIGINT' }], target: path }, [[many]], {});
    await truncate(path, 20_000);
    const cut = await fileSource({ engine }).open({ path, format: 'parquet' }, {});
    await expect(cut.describe()).rejects.toMatchObject({ code: 'DATA_PARQUET_CORRUPT' });
    await expect(cut.snapshot({ table: 'cut', columns: ['a'], target: target() })).rejects.toMatchObject({
      code: 'DATA_PARQUET_CORRUPT',
    });
    await writeFile(path, 'a,b\n1,2\n');
    await expect(cut.describe()).rejects.toMatchObject({ code: 'DATA_PARQUET_CORRUPT' });
  });
});
