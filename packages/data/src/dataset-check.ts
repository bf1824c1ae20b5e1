/** What a holder can find out about a dataset before any task asks for it, by the rules that tasks apply. @module */
import { rm } from 'node:fs/promises';
import type { DataSource, KeyReport, KeyType, Plan } from '@2pm/core';
import { type LoadedContract, tableOf } from './contract/contract.ts';
import { openContract, physicalName } from './contract/server.ts';
import type { Engine } from './engine/engine.ts';
import { keyedTable } from './keys/keyed.ts';
import { Lineage } from './lineage.ts';
import type { TableBinding } from './plan-sql.ts';
import { checkQuality, type DatasetReport, expectSchema } from './quality.ts';
import { parquetColumns } from './sources/parquet-schema.ts';

export interface CheckOptions {
  engine: Engine;
  sources: readonly DataSource[];
  /** Where relative paths of contracts start. */
  baseDir?: string;
  /** A file path that does not exist yet, for the copy. */
  scratch: string;
  signal?: AbortSignal;
}

/** Everything `2pm data check` shows, for the holder's own eyes; the copy it is made from is deleted. */
export async function checkDataset(contract: LoadedContract, options: CheckOptions): Promise<DatasetReport> {
  return withCopy(contract, options, () => checkQuality(options.engine, contract, options.scratch, options.signal));
}

/**
 * What `prepare` would report of a key: every row of the dataset, the first of those that share a key.
 * @throws {NodeError} `DATA_MISSING_COLUMN`, `DATA_KEY_TYPE`, and what the source throws.
 */
export async function checkKey(contract: LoadedContract, key: KeyType, options: CheckOptions): Promise<KeyReport> {
  const { engine, scratch, signal = new AbortController().signal } = options;
  return withCopy(contract, options, async ({ columns, rows }) => {
    const table = tableOf(contract);
    const binding: TableBinding = {
      file: scratch,
      columns: new Map(
        table.properties.map((property) => {
          const source = physicalName(property);
          const physical = columns.find(({ name }) => name === source)?.type ?? 'binary';
          return [property.name, { source, physical }];
        }),
      ),
    };
    const lineage = new Lineage(keyPlan(table.name, key, Math.max(1, rows)));
    return (await keyedTable(engine, lineage, 1, binding, rows, signal)).report;
  });
}

/** A plan that does nothing but match by one key. */
function keyPlan(table: string, key: KeyType, rows: number): Plan {
  const attrs = { key: 'key', columns: [], capacity: rows, duplicates: 'first' as const };
  const type = { kind: 'keyed', role: 'holder', table, key: 'key', length: rows } as const;
  return {
    v: 1,
    language: '2pm/1',
    name: 'key',
    tables: { [table]: { maxRows: rows, columns: {}, keys: { key } } },
    roles: { holder: { min: 1, max: 1, tables: [table] } },
    recipients: [],
    nodes: [
      { op: 'input/1', args: [], attrs: { table }, type: { kind: 'table', role: 'holder', table }, line: 1 },
      { op: 'keyed/1', args: [0], attrs, type, line: 2 },
    ],
    result: {},
  };
}

async function withCopy<T>(
  contract: LoadedContract,
  { engine, sources, baseDir, scratch, signal }: CheckOptions,
  work: (copy: Awaited<ReturnType<typeof parquetColumns>>) => Promise<T>,
): Promise<T> {
  const session = await openContract(contract, sources, { baseDir, signal });
  try {
    const table = tableOf(contract);
    const columns = [...new Set(table.properties.map(physicalName))];
    await session.snapshot({
      table: table.physicalName ?? table.name,
      columns,
      target: scratch,
      ...(signal ? { signal } : {}),
    });
    const copy = await parquetColumns(engine, scratch, signal);
    expectSchema(contract, copy.columns);
    return await work(copy);
  } finally {
    await session.close();
    await rm(scratch, { force: true });
  }
}
