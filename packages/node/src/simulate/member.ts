/** The tables of a holder in one role, copied and bound to the names of the program. @module */
import { type DataSource, NodeError, type Plan } from '@2pm/core';
import type { Engine, TableBinding } from '@2pm/data';
import { driversOn, serverOf } from '../data.ts';
import type { Files } from './cast.ts';

/** A holder in one role: where each of its tables is, and how many rows that has. */
export type Member = ReadonlyMap<string, { binding: TableBinding; rows: number }>;

export async function member(
  plan: Plan,
  role: string,
  files: Files,
  engine: Engine,
  prefix: string,
  signal: AbortSignal,
): Promise<Member> {
  const tables = new Map<string, { binding: TableBinding; rows: number }>();
  for (const table of plan.roles[role]?.tables ?? []) {
    const source = files[table];
    if (source === undefined) {
      throw new NodeError('SIMULATE_NO_FILE', `a holder has no file for table ${table}`, {
        fault: 'caller',
        fix: `give --data ${table}=FILE for each holder`,
      });
    }
    tables.set(table, await bind(plan, table, source, driversOn(engine), `${prefix}-${table}.parquet`, signal));
  }
  return tables;
}

async function bind(
  plan: Plan,
  table: string,
  path: string,
  drivers: readonly DataSource[],
  target: string,
  signal: AbortSignal,
): Promise<{ binding: TableBinding; rows: number }> {
  const { kind, server } = serverOf({ source: path });
  const driver = drivers.find((candidate) => candidate.kind === kind) as DataSource;
  const session = await driver.open(server, { signal });
  try {
    const tables = await session.describe();
    const info = tables.length === 1 ? tables[0] : tables.find(({ name }) => name === table);
    const declared = plan.tables[table];
    const keys = Object.values(declared?.keys ?? {}).flatMap((key) => key.flat().map(({ column }) => column));
    const wanted = [...new Set([...Object.keys(declared?.columns ?? {}), ...keys])];
    const columns = new Map(
      wanted.map((name) => {
        const column = info?.columns.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
        if (info === undefined || column === undefined) {
          throw new NodeError('SIMULATE_NO_COLUMN', `${path} has no column ${name} for table ${table}`, {
            fault: 'caller',
            fix: 'give a file whose columns bear the names of the program',
          });
        }
        return [name, { source: column.name, physical: column.type }] as const;
      }),
    );
    const { rows } = await session.snapshot({
      table: info?.name ?? table,
      columns: [...new Set([...columns.values()].map(({ source }) => source))],
      target,
      signal,
    });
    return { binding: { file: target, columns }, rows };
  } finally {
    await session.close();
  }
}
