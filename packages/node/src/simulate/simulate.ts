/** A plan with all its parties in one process: the real local engine, the real protocol, in-memory channels. @module */
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, circuitExits, type Hash, hashValue, type Plan } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { compileLocal, type Engine } from '@2pm/data';
import { rep3SemiHonest, simulateSeats } from '@2pm/mpc';
import { describePlan, stripTypes } from '@2pm/program';
import { rowsInSlots } from '@2pm/psi';
import { finish } from '@2pm/task';
import type { Simulation } from '../cli/engine.ts';
import { withEngine } from '../data.ts';
import { createSandbox } from '../sandbox/index.ts';
import { cast } from './cast.ts';
import { match } from './match.ts';
import { type Member, member } from './member.ts';

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
  const casting = cast(plan, holders);
  const scratch = join(tmpdir(), `2pm-simulate-${randomUUID()}`);
  return withEngine(scratch, async (engine) => {
    const bound = new Map<string, Member[]>();
    for (const [role, files] of casting) {
      const members = files.map((one, i) => member(plan, role, one, engine, join(scratch, `${role}-${i}`), signal));
      bound.set(role, await Promise.all(members));
    }
    const sid = hashValue('2pm/simulation/1', scratch) as Hash;
    const matching = await match(plan, bound, engine, sid, signal);
    const inputs = new Map<string, BigInt64Array[][]>();
    for (const [role, members] of bound) {
      const shared = members.map((one) => localVectors(plan, role, one, matching.shared, engine, signal));
      inputs.set(role, await Promise.all(shared));
    }
    const channels: Channel[] = [];
    const { seats, opened } = await simulateSeats(rep3SemiHonest, {
      plan,
      sid,
      roles: Object.fromEntries([...bound].map(([role, members]) => [role, members.length])),
      inputs,
      rng: nodeRng,
      crypto: nodeCrypto,
      signal,
      wrap(channel) {
        channels.push(channel);
        return channel;
      },
    });
    const counted = circuitExits(plan).map((exit) => {
      const { name = '', to: role = '' } = plan.nodes[exit]?.attrs ?? {};
      const { length: rows } = rowsInSlots(matching.rowOf.get(exit) ?? new Int32Array(), opened.get(exit) ?? []);
      return { name, role, rows, delivered: [] };
    });
    return {
      name: plan.name,
      result: finish(plan, opened),
      learns: describePlan(plan),
      kept: [...matching.kept, ...counted],
      rounds: seats[0]?.rounds ?? 0,
      bytes: matching.bytes + channels.reduce((sum, { stats }) => sum + stats.bytesSent, 0),
      milliseconds: Math.round(performance.now() - begin),
    };
  });
}

async function localVectors(
  plan: Plan,
  role: string,
  tables: Member,
  shared: ReadonlyMap<string, BigInt64Array>,
  engine: Engine,
  signal: AbortSignal,
): Promise<BigInt64Array[]> {
  const bindings = new Map([...tables].map(([table, { binding }]) => [table, binding]));
  const inputs = rep3SemiHonest.inputNodes(plan, role);
  const argument = (node: number) => plan.nodes[node]?.args[0] ?? -1;
  const given = (node: number) => shared.get(`${role} ${node}`);
  const wanted = inputs.filter((node) => given(node) === undefined).map(argument);
  const compiled = compileLocal(plan, role, [...new Set(wanted)], bindings);
  const values = wanted.length === 0 ? new Map() : compiled.read(await engine.query(compiled, { signal }));
  return inputs.map((node) => given(node) ?? values.get(argument(node)) ?? new BigInt64Array());
}
