import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childEngine } from './child-engine.ts';
import { DEFAULT_LIMITS, type Engine } from './engine.ts';
import { inlineEngine } from './inline.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), '2pm-engine-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const limits = (extra = {}) => ({ ...DEFAULT_LIMITS, tempDirectory: join(dir, 'spill'), ...extra });

for (const [name, make] of [
  ['child', childEngine],
  ['inline', inlineEngine],
] as const) {
  describe(`${name} engine`, () => {
    let engine: Engine;
    beforeAll(() => {
      engine = make(limits());
    });
    afterAll(() => engine.close());

    it('returns typed columns with their nulls', async () => {
      const [table] = await engine.query(
        {
          statements: [
            `SELECT * FROM (VALUES (9007199254740993::BIGINT, 1.5::DOUBLE, true, 'ä'), (NULL, NULL, NULL, NULL)) t(a, b, c, d)`,
          ],
          files: [],
        },
        {},
      );
      expect(table?.rows).toBe(2);
      expect(table?.columns.map((column) => [...column.valid])).toEqual([
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 0],
      ]);
      expect(table?.columns.map((column) => column.values[0])).toEqual([9007199254740993n, 1.5, 1, 'ä']);
      expect(table?.columns[0]?.values).toBeInstanceOf(BigInt64Array);
    });

    it('reads and writes no file that the job does not name, and takes no configuration', async () => {
      const secret = join(dir, 'secret.csv');
      await writeFile(secret, 'a\n1\n');
      for (const statement of [
        `SELECT * FROM read_csv('${secret}')`,
        `COPY (SELECT 1) TO '${join(dir, 'out.csv')}'`,
        `SET threads = 1`,
        `SET enable_external_access = true`,
        `INSTALL httpfs`,
        `LOAD httpfs`,
        `ATTACH '${join(dir, 'x.db')}'`,
      ]) {
        await expect(engine.query({ statements: [statement], files: [] }, {}), statement).rejects.toMatchObject({
          code: 'DATA_ENGINE_QUERY',
        });
      }
      const [table] = await engine.query({ statements: [`SELECT a FROM read_csv('${secret}')`], files: [secret] }, {});
      expect(table?.rows).toBe(1);
    });

    it('keeps what the engine says about rows out of the public message', async () => {
      const failed = engine.query({ statements: [`SELECT CAST('geheim' AS BIGINT)`], files: [] }, {});
      await expect(failed).rejects.toMatchObject({
        message: expect.not.stringContaining('geheim'),
        privateDetail: expect.stringContaining('geheim'),
      });
    });

    it('refuses a result beyond the row cap', async () => {
      const small = make(limits({ maxRows: 100 }));
      await expect(small.query({ statements: ['SELECT * FROM range(101)'], files: [] }, {})).rejects.toMatchObject({
        code: 'DATA_ENGINE_ROWS',
      });
      await small.close();
    });

    it('stops a job at its wall time and at an abort, and serves the next one', async () => {
      const quick = make(limits({ wallMs: 300 }));
      const endless = { statements: ['SELECT count(*) FROM range(1000000) a, range(1000000) b'], files: [] };
      await expect(quick.query(endless, {})).rejects.toMatchObject({ code: 'DATA_ENGINE_TIMEOUT' });
      const controller = new AbortController();
      const reason = new Error('no longer wanted');
      setTimeout(() => controller.abort(reason), 50);
      await expect(engine.query(endless, { signal: controller.signal })).rejects.toBe(reason);
      expect((await engine.query({ statements: ['SELECT 1'], files: [] }, {}))[0]?.rows).toBe(1);
      await quick.close();
    });
  });
}

describe('a dying child', () => {
  it('gives DATA_ENGINE_DIED, and the next job a fresh child', async () => {
    const engine = childEngine(limits());
    await engine.query({ statements: ['SELECT 1'], files: [] }, {});
    const first = engine.pid;
    const running = engine.query(
      { statements: ['SELECT count(*) FROM range(1000000) a, range(1000000) b'], files: [] },
      {},
    );
    setTimeout(() => process.kill(first as number, 'SIGABRT'), 50);
    await expect(running).rejects.toMatchObject({ code: 'DATA_ENGINE_DIED', retryable: true });
    const [table] = await engine.query({ statements: ['SELECT 7::BIGINT'], files: [] }, {});
    expect(table?.columns[0]?.values[0]).toBe(7n);
    expect(engine.pid).not.toBe(first);
    await engine.close();
  });

  it('does not take the node with it when its heap overflows', async () => {
    const engine = childEngine(limits({ heapMb: 32, maxRows: 20_000_000 }));
    const wide = `SELECT repeat('x', 100) || a.range FROM range(5000000) a`;
    await expect(engine.query({ statements: [wide], files: [] }, {})).rejects.toMatchObject({
      code: 'DATA_ENGINE_DIED',
    });
    expect((await engine.query({ statements: ['SELECT 1'], files: [] }, {}))[0]?.rows).toBe(1);
    await engine.close();
  });

  it('keeps one child warm over many jobs', async () => {
    const engine = childEngine(limits());
    await engine.query({ statements: ['SELECT 1'], files: [] }, {});
    const { pid } = engine;
    await Promise.all([1, 2, 3].map((n) => engine.query({ statements: [`SELECT ${n}`], files: [] }, {})));
    expect(engine.pid).toBe(pid);
    await engine.close();
  });
});
