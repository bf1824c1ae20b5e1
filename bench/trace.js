#!/usr/bin/env node
/**
 * Cost of tracing a program and of checking its plan.
 *
 *   node bench/trace.js --n 100000 [--json]
 *
 * The program writes about n operations out, none of them in a loop. Processor time, in milliseconds: `trace_ms` in the
 * sandbox (QuickJS in WebAssembly, in this process), `check_ms` what reading and checking the plan takes, `hash_ms` its
 * canonical bytes and their hash take, `bytes` how many they are.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { encode, planHash } from '@2pm/core';
import { readPlan, traceToPacked } from '@2pm/program';

const { values } = parseArgs({
  options: { n: { type: 'string', default: '100000' }, json: { type: 'boolean', default: false } },
});

/** Four operations a round, the constant included. */
const program = (rounds) =>
  new TextEncoder().encode(`import { defineTask, int, table } from '@2pm/program';
export default defineTask({
  name: 'many',
  tables: { t: table({ x: int({ min: 0, max: 9 }) }, { maxRows: 100 }) },
  roles: { holder: { min: 2, max: 2, tables: ['t'] } },
  run({ each, reveal }) {
    const x = each('holder', ({ t }) => t.x.sum()).total();
    let y = x;
    for (let i = 0; i < ${rounds}; i++) y = x.mul(i).minimum(y).add(x);
    return reveal(y, { to: 'analyst', minGroupSize: 5 });
  },
});`);

async function measured(body) {
  const before = process.cpuUsage();
  const out = await body();
  const { user, system } = process.cpuUsage(before);
  return [out, Math.round((user + system) / 1000)];
}

await traceToPacked(program(3));
const [packed, trace_ms] = await measured(() => traceToPacked(program(Math.floor((Number(values.n) - 10) / 4))));
const [plan, check_ms] = await measured(() => readPlan(packed));
const [, hash_ms] = await measured(() => planHash(plan));
const bytes = encode(plan).length;
const result = { name: 'trace', nodes: plan.nodes.length, trace_ms, check_ms, hash_ms, bytes };
console.log(
  values.json
    ? JSON.stringify(result)
    : `${result.nodes} operations, ${bytes} bytes: traced in ${trace_ms} ms, checked in ${check_ms} ms, hashed in ${hash_ms} ms`,
);
