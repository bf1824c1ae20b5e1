/**
 * A small network of real processes: the analyst's node, which hosts the chain, and three holders of a few rows
 * each: the second one brings Parquet, the others CSV.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FINAL_PHASES, type SubmitInput, type TaskView } from '@2pm/core/api';
import { type Founding, found, gathered, joinNetwork, type Party } from '@2pm/demo/cast';
import { stopAll } from '@2pm/demo/processes';
import { DuckDBInstance } from '@duckdb/node-api';

export interface Network {
  dir: string;
  founding: Founding;
  analyst: Party;
  holders: [Party, Party, Party];
  /** Ends every process and removes every file. */
  stop(): Promise<void>;
}

const HOLDERS = ['Aurora Air', 'Borealis Jets', 'Cirrus Lines'];
/** Columns that a policy permits; `note` is in every file and in no policy. */
const PERMITTED = ['delay', 'serial'];

export interface Row {
  delay: number;
  serial: number;
  note: string;
}

export const csv = (rows: readonly Row[]) =>
  `delay,serial,note\n${rows.map(({ delay, serial, note }) => `${delay},${serial},${note}\n`).join('')}`;

/** @param rows Of each holder. */
export async function raise(rows: readonly [Row[], Row[], Row[]]): Promise<Network> {
  const dir = await mkdtemp(join(tmpdir(), '2pm-test-'));
  const stop = async () => {
    await stopAll();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const founding = await found(dir, HOLDERS.length + 4);
    const holders = await Promise.all(
      HOLDERS.map(async (org, index) => {
        const path = join(dir, `holder-${index}.csv`);
        await writeFile(path, csv(rows[index] ?? []));
        const kind = index === 1 ? 'parquet' : 'csv';
        if (kind === 'parquet') await toParquet(path);
        const file = { org, kind, path: path.replace('csv', kind), rows: rows[index]?.length ?? 0 } as const;
        return joinNetwork(founding, join(dir, `holder-${index}`), file, PERMITTED);
      }),
    );
    const { analyst } = founding;
    await gathered(analyst, holders.length);
    return { dir, founding, analyst, holders: holders as [Party, Party, Party], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Writes a CSV file once more, beside itself. */
async function toParquet(path: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (FROM read_csv('${path}')) TO '${path.replace('.csv', '.parquet')}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}

/** A program over the holders' rows; `body` computes inside each holder and returns what is added up and revealed. */
export function program(
  body: string,
  columns = 'delay: int({ min: -1440, max: 1800 }), serial: int({ min: 0, max: 1_000_000_000_000 })',
): string {
  return `import { category, defineTask, int, table } from '@2pm/program';
export default defineTask({
  name: 'test', roles: { holder: { min: 3, max: 16, tables: ['flights'] } },
  tables: { flights: table({ ${columns} }, { maxRows: 100_000 }) },
  run({ each, reveal }) {
    return reveal(each('holder', ({ flights }) => { ${body} }).total(), { to: 'analyst', minGroupSize: 20 });
  },
});`;
}

/** Count and sums over all. */
export const SUMS = program('return { n: flights.count(), delay: flights.delay.sum(), serial: flights.serial.sum() };');

/** Submits and waits for the end, whichever it is. */
export async function settle({ client }: Party, request: Partial<SubmitInput> = {}): Promise<TaskView> {
  const taskId = await client.submit({ program: SUMS, purpose: 'a test', ...request });
  return ended({ client }, taskId);
}

/** Waits for the end; asks again when the node goes down meanwhile. */
export async function ended({ client }: Pick<Party, 'client'>, taskId: TaskView['taskId']): Promise<TaskView> {
  for (;;) {
    const view = await client.task(taskId).catch(() => undefined);
    if (view !== undefined && FINAL_PHASES.includes(view.phase)) return view;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export function sums(rows: readonly (readonly Row[])[]): { n: number; delay: number; serial: number } {
  const all = rows.flat();
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return { n: all.length, delay: sum(all.map(({ delay }) => delay)), serial: sum(all.map(({ serial }) => serial)) };
}
