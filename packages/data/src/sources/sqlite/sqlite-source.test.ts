import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataSourceConformance } from '@2pm/testing/data-source-conformance';
import Database from 'libsql';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../engine/engine.ts';
import { inlineEngine } from '../../engine/inline.ts';
import { sqliteSource } from './sqlite-source.ts';

const engineIn = (dir: string) => inlineEngine({ ...DEFAULT_LIMITS, tempDirectory: join(dir, 'spill') });
const DECLARED: Record<string, string> = {
  integer: 'INTEGER',
  double: 'REAL',
  boolean: 'BOOLEAN',
  date: 'DATE',
  text: 'TEXT',
};

for (const mode of ['wal', 'delete'] as const) {
  dataSourceConformance(`a SQLite database (journal mode ${mode})`, {
    engine: engineIn,
    source: (engine) => sqliteSource({ engine }),
    concurrency: 'snapshot',
    async create(dir, { columns, rows }) {
      const path = join(dir, 'people #1?.sqlite');
      const db = new Database(path);
      db.pragma(`journal_mode = ${mode}`);
      const list = columns.map(({ name, type }) => `"${name}" ${DECLARED[type]}`).join(', ');
      db.exec(`CREATE TABLE people (${list}); BEGIN`);
      const insert = db.prepare(`INSERT INTO people VALUES (${columns.map(() => '?').join(', ')})`);
      for (const row of rows) {
        const values = row.map((value, i) => {
          if (columns[i]?.type === 'date' && value !== null)
            return new Date(Number(value) * 86_400_000).toISOString().slice(0, 10);
          return typeof value === 'boolean' ? Number(value) : value;
        });
        insert.run(...values);
      }
      db.exec('COMMIT');
      // Else it is done whenever the last statement is collected, perhaps in the middle of a test.
      db.pragma('wal_checkpoint(TRUNCATE)');
      db.close();
      const write = async (sql: string, ...values: unknown[]) => {
        const writer = new Database(path);
        try {
          writer.prepare(sql).run(...values);
        } catch (error) {
          // With a rollback journal a reader keeps writers out: then nothing changed, which is as consistent.
          if (!/locked/.test(String(error))) throw error;
        } finally {
          writer.close();
        }
      };
      return {
        server: { path },
        table: 'people',
        change: () => write(`INSERT INTO people ("${columns[0]?.name}") VALUES (1)`),
        spoil: (marker) => write(`INSERT INTO people ("${columns[0]?.name}") VALUES (?)`, marker),
        fingerprint: async () =>
          createHash('sha256')
            .update(await readFile(path))
            .digest('hex'),
      };
    },
  });
}

describe('SQLite', () => {
  it('refuses a file that is no database, and one cut in half', async () => {
    const dir = await mkdtemp(join(tmpdir(), '2pm-sqlite-'));
    const engine = engineIn(dir);
    const path = join(dir, 'x.sqlite');
    await writeFile(path, 'a,b\n1,2\n');
    await expect(sqliteSource({ engine }).open({ path }, {})).rejects.toMatchObject({ code: 'DATA_SOURCE_UNREADABLE' });
    await rm(path);
    const db = new Database(path);
    db.exec('CREATE TABLE t (a INTEGER); BEGIN');
    const insert = db.prepare('INSERT INTO t VALUES (?)');
    for (let i = 0; i < 20_000; i++) insert.run(i);
    db.exec('COMMIT');
    db.close();
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, whole.length / 2));
    const taking = (async () => {
      const session = await sqliteSource({ engine }).open({ path }, {});
      await session.snapshot({ table: 't', columns: ['a'], target: join(dir, 'o.parquet') });
    })();
    await expect(taking).rejects.toMatchObject({ code: 'DATA_SOURCE_UNREADABLE' });
    await engine.close();
    await rm(dir, { recursive: true, force: true });
  });
});
