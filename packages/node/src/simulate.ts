/** A plan with all its parties in one process: the real local engine, the real protocol, in-memory channels. @module */
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, type DataSource, type Hash, hashValue, NodeError, type Plan } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { compileLocal, type Engine, type TableBinding } from '@2pm/data';
import { rep3SemiHonest, simulateSeats } from '@2pm/mpc';
import { describePlan, stripTypes } from '@2pm/program';
import { finish } from '@2pm/task';
import type { Simulation } from './cli/engine.ts';
import { driversOn, serverOf, withEngine } from './data.ts';
import { createSandbox } from './sandbox/index.ts';

/** One holder for each entry: logical table → file. No policy is asked and no contract checked: the data is yours. */
export async function simulate(request: {
  program: string;
  holders: readonly Readonly<Record<string, string>>[];
  signal: AbortSignal;
}): Promise<Simulation> {
  const { holders, program, signal } = request;
  const encoder = new TextEncoder();
  const sandbox = createSandbox();
  let plan: Plan;
  try {
    plan = await sandbox.traceProgram(encoder.encode(await stripTypes(encoder.encode(program))), { signal });
  } finally {
    sandbox.close();
  }
  const begin = performance.now();
  for (const [role, { min, max }] of Object.entries(plan.roles)) {
    if (holders.length < min || holders.length > max) {
      throw new NodeError(
        'SIMULATE_HOLDERS',
        `role ${role} wants ${min} to ${max} holders, ${holders.length} are given`,
        {
          fault: 'caller',
          fix: 'repeat --data table=FILE once for each holder',
        },
      );
    }
  }
  const scratch = join(tmpdir(), `2pm-simulate-${randomUUID()}`);
  return withEngine(scratch, async (engine) => {
    const inputs = new Map<string, BigInt64Array[][]>();
    for (const role of Object.keys(plan.roles)) {
      const members: BigInt64Array[][] = [];
      for (const [index, tables] of holders.entries()) {
        members.push(await localVectors(plan, role, tables, engine, join(scratch, `${role}-${index}`), signal));
      }
      inputs.set(role, members);
    }
    const channels: Channel[] = [];
    const { seats, opened } = await simulateSeats(rep3SemiHonest, {
      plan,
      sid: hashValue('2pm/simulation/1', scratch) as Hash,
      roles: Object.fromEntries(Object.keys(plan.roles).map((role) => [role, holders.length])),
      inputs,
      rng: nodeRng,
      crypto: nodeCrypto,
      signal,
      wrap(channel) {
        channels.push(channel);
        return channel;
      },
    });
    return {
      name: plan.name,
      result: finish(plan, opened),
      learns: describePlan(plan),
      rounds: seats[0]?.rounds ?? 0,
      bytes: channels.reduce((sum, { stats }) => sum + stats.bytesSent, 0),
      milliseconds: Math.round(performance.now() - begin),
    };
  });
}

async function localVectors(
  plan: Plan,
  role: string,
  files: Readonly<Record<string, string>>,
  engine: Engine,
  prefix: string,
  signal: AbortSignal,
): Promise<BigInt64Array[]> {
  const bindings = new Map<string, TableBinding>();
  for (const table of plan.roles[role]?.tables ?? []) {
    const source = files[table];
    if (source === undefined) {
      throw new NodeError('SIMULATE_NO_FILE', `a holder has no file for table ${table}`, {
        fault: 'caller',
        fix: `give --data ${table}=FILE for each holder`,
      });
    }
    bindings.set(table, await bind(plan, table, source, driversOn(engine), `${prefix}-${table}.parquet`, signal));
  }
  const wanted = rep3SemiHonest.inputNodes(plan, role).map((index) => plan.nodes[index]?.args[0] ?? -1);
  const compiled = compileLocal(plan, role, [...new Set(wanted)], bindings);
  const values = compiled.read(await engine.query(compiled, { signal }));
  return wanted.map((index) => values.get(index) ?? new BigInt64Array());
}

async function bind(
  plan: Plan,
  table: string,
  path: string,
  drivers: readonly DataSource[],
  target: string,
  signal: AbortSignal,
): Promise<TableBinding> {
  const { kind, server } = serverOf({ source: path });
  const driver = drivers.find((candidate) => candidate.kind === kind) as DataSource;
  const session = await driver.open(server, { signal });
  try {
    const tables = await session.describe();
    const info = tables.length === 1 ? tables[0] : tables.find(({ name }) => name === table);
    const wanted = Object.keys(plan.tables[table]?.columns ?? {});
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
    await session.snapshot({
      table: info?.name ?? table,
      columns: [...columns.values()].map(({ source }) => source),
      target,
      signal,
    });
    return { file: target, columns };
  } finally {
    await session.close();
  }
}
