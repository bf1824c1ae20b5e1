/** What every data source must do, whatever stands behind it: one suite that each driver's test runs. @module */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataSource, isNodeError, type PhysicalType, publicError, type SourceSession } from '@2pm/core';
import type { Engine, ResultTable } from '@2pm/data';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Rows as the source is given them: integers as bigint, days since 1970-01-01 as number. */
export interface ConformanceTable {
  columns: readonly { name: string; type: Extract<PhysicalType, 'integer' | 'double' | 'boolean' | 'date' | 'text'> }[];
  rows: readonly (readonly (bigint | number | boolean | string | null)[])[];
}

export interface ConformanceSource {
  server: Record<string, unknown>;
  table: string;
  /** Changes the store as its owner would while it is in use: more rows, another version. */
  change(): Promise<void>;
  /** Damages one value: it is no longer of its column's type. The marker must occur in it. */
  spoil?(marker: string): Promise<void>;
  /** Everything that a reader could have altered: bytes, or a checksum. */
  fingerprint(): Promise<string>;
}

export interface ConformanceDriver {
  source(engine: Engine): DataSource;
  /** Puts a table into a fresh store below `dir`. */
  create(dir: string, table: ConformanceTable, engine: Engine): Promise<ConformanceSource>;
  engine(dir: string): Engine;
  /** Sources that keep a consistent read while others write (`snapshot`), or notice and refuse (`refuse`). */
  concurrency: 'snapshot' | 'refuse';
}

const SAMPLE: ConformanceTable = {
  columns: [
    { name: 'id', type: 'integer' },
    { name: 'amount', type: 'double' },
    { name: 'active', type: 'boolean' },
    { name: 'born', type: 'date' },
    { name: 'full name', type: 'text' },
  ],
  rows: [
    [1n, 0.5, true, 0, 'Ada'],
    [2n ** 63n - 1n, -1e300, false, 20_000, 'Ærøskøbing "the town", Danmark'],
    [-(2n ** 63n), 0.1, true, -25_000, "O'Neill; DROP TABLE x;--"],
    [null, null, null, null, null],
    [9_007_199_254_740_993n, 1 / 3, false, 11_016, '名前\u{1F600} line\nbreak'],
  ],
};

/** Runs the suite for one driver. Call it at the top of a test file. */
export function dataSourceConformance(name: string, driver: ConformanceDriver): void {
  describe(`${name} as a data source`, () => {
    let dir: string;
    let engine: Engine;
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), '2pm-source-'));
      engine = driver.engine(dir);
    });
    afterAll(async () => {
      await engine.close();
      await rm(dir, { recursive: true, force: true });
    });

    const target = () => join(dir, `${randomUUID()}.parquet`);
    async function open(table: ConformanceTable): Promise<{ store: ConformanceSource; session: SourceSession }> {
      const store = await driver.create(await mkdtemp(join(dir, 'store-')), table, engine);
      const types = Object.fromEntries(table.columns.map((column) => [column.name, column.type]));
      return { store, session: await driver.source(engine).open({ ...store.server, types }, {}) };
    }
    async function take(session: SourceSession, table: string, columns: readonly string[]) {
      const file = target();
      const taken = await session.snapshot({ table, columns, target: file });
      const select = columns.map((column) => `"${column}"`).join(', ');
      const [result] = await engine.query(
        { statements: [`SELECT ${select} FROM read_parquet('${file}')`], files: [file] },
        {},
      );
      return { ...taken, file, result: result as ResultTable };
    }
    const names = SAMPLE.columns.map((column) => column.name);
    const large: ConformanceTable = {
      columns: [
        { name: 'id', type: 'integer' },
        { name: 'label', type: 'text' },
      ],
      rows: Array.from({ length: 60_000 }, (_, i) => [BigInt(i), `row ${i}`]),
    };

    it('describes its columns by name and type', async () => {
      const { store, session } = await open(SAMPLE);
      const tables = await session.describe();
      const info = tables.find((each) => each.name === store.table);
      expect(info?.columns.map(({ name, type }) => ({ name, type }))).toEqual(SAMPLE.columns);
      await session.close();
    });

    it('copies every value exactly: nulls, 64-bit integers, doubles, dates, quotes, line breaks, any script', async () => {
      const { store, session } = await open(SAMPLE);
      const file = target();
      const { rows } = await session.snapshot({ table: store.table, columns: names, target: file });
      expect(rows).toBe(SAMPLE.rows.length);
      const [result] = await engine.query(
        {
          statements: [
            `SELECT "id", "amount", "active", CAST("born" - DATE '1970-01-01' AS BIGINT), "full name" FROM read_parquet('${file}')`,
          ],
          files: [file],
        },
        {},
      );
      for (const [c, column] of (result?.columns ?? []).entries()) {
        const expected = SAMPLE.rows.map((row) => row[c]);
        const got = expected.map((_, r) => (column.valid[r] === 1 ? column.values[r] : null));
        expect(got, column.name).toEqual(
          expected.map((value) =>
            typeof value === 'boolean' ? Number(value) : c === 3 && value !== null ? BigInt(value as number) : value,
          ),
        );
      }
      await session.close();
    });

    it('copies the columns asked for and no others, in the order asked', async () => {
      const { store, session } = await open(SAMPLE);
      const { file } = await take(session, store.table, ['full name', 'id']);
      const [schema] = await engine.query(
        { statements: [`DESCRIBE SELECT * FROM read_parquet('${file}')`], files: [file] },
        {},
      );
      expect(schema?.columns[0]?.values).toEqual(['full name', 'id']);
      await session.close();
    });

    it('refuses a column that the source lacks, naming it to the holder only', async () => {
      const { store, session } = await open(SAMPLE);
      const file = target();
      const failed = session.snapshot({ table: store.table, columns: ['id', 'secretName'], target: file });
      await expect(failed).rejects.toMatchObject({
        code: 'DATA_MISSING_COLUMN',
        privateDetail: expect.stringContaining('secretName'),
      });
      await failed.catch((error) => expect(JSON.stringify(publicError(error))).not.toContain('secretName'));
      await expect(stat(file)).rejects.toThrow();
      await session.close();
    });

    it('keeps the value of a wrong field out of what may leave the node', async () => {
      const { store, session } = await open(SAMPLE);
      if (store.spoil === undefined) return;
      await store.spoil('geheim-4711');
      const file = target();
      const error: unknown = await session
        .snapshot({ table: store.table, columns: names, target: file })
        .catch((e) => e);
      expect(isNodeError(error, 'DATA_WRONG_TYPE')).toBe(true);
      expect(isNodeError(error) && error.privateDetail).toContain('geheim-4711');
      expect(JSON.stringify(publicError(error))).not.toContain('geheim');
      await expect(stat(file)).rejects.toThrow();
      await session.close();
    });

    it('alters nothing', async () => {
      const { store, session } = await open(large);
      const before = await store.fingerprint();
      await session.describe();
      await take(session, store.table, ['id', 'label']);
      await session.close();
      expect(await store.fingerprint()).toBe(before);
    });

    it('reports another version after a change and the same one without', async () => {
      const { store, session } = await open(SAMPLE);
      const first = await session.version(store.table);
      expect(await session.version(store.table)).toBe(first);
      expect((await take(session, store.table, ['id'])).version).toBe(first);
      await store.change();
      expect(await session.version(store.table)).not.toBe(first);
      await session.close();
    });

    /** The engine, with a change of the store in the middle of the first job that writes `file`. */
    function disturbed(file: string, change: () => Promise<void>): Engine {
      let done = false;
      const once = async () => {
        if (!done) await change();
        done = true;
      };
      return {
        close: async () => {},
        async query(job, options) {
          const result = await engine.query(job, options);
          if (job.files.includes(file)) await once();
          return result;
        },
        records: (job, options) => engine.records(job, options),
        append(job, batches, options) {
          const stream = async function* () {
            for await (const batch of batches) {
              yield batch;
              await once();
            }
          };
          return engine.append(job, stream(), options);
        },
      };
    }

    it('takes one version while another is written, or none', async () => {
      const { store } = await open(large);
      const file = target();
      const types = Object.fromEntries(large.columns.map((column) => [column.name, column.type]));
      const source = driver.source(disturbed(file, () => store.change()));
      const session = await source.open({ ...store.server, types }, {});
      const taking = session.snapshot({ table: store.table, columns: ['id', 'label'], target: file });
      if (driver.concurrency === 'snapshot') {
        expect((await taking).rows).toBe(large.rows.length);
      } else {
        await expect(taking).rejects.toMatchObject({ code: 'DATA_SOURCE_CHANGED', retryable: true });
        await expect(stat(file)).rejects.toThrow();
      }
      await session.close();
    });

    it('stops at an abort with its reason and leaves no file', async () => {
      const { store, session } = await open(large);
      const controller = new AbortController();
      const reason = new Error('no longer wanted');
      const file = target();
      const taking = session.snapshot({ table: store.table, columns: ['id'], target: file, signal: controller.signal });
      controller.abort(reason);
      await expect(taking).rejects.toBe(reason);
      await expect(stat(file)).rejects.toThrow();
      await session.close();
    });

    it('refuses a server block with unknown keys, and a source that is not there', async () => {
      const { store, session } = await open(SAMPLE);
      const source = driver.source(engine);
      await expect(source.open({ ...store.server, surprise: 1 }, {})).rejects.toMatchObject({ code: 'CODEC_SCHEMA' });
      if ('path' in store.server) {
        const gone = source.open({ ...store.server, path: join(dir, 'gone') }, {});
        await expect(gone).rejects.toMatchObject({ code: 'DATA_SOURCE_MISSING' });
        const folder = source.open({ ...store.server, path: dir }, {});
        await expect(folder).rejects.toMatchObject({ code: 'DATA_SOURCE_NOT_A_FILE' });
      }
      await session.close();
    });
  });
}
