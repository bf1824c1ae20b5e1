import type { Plan } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { REP3_MALICIOUS, sharedBackends } from '@2pm/mpc';
import { defineTask, int, table, trace } from '@2pm/program';
import { type TaskNetwork, type TestData, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';
import { verifyReceipt } from './receipt.ts';

const plan: Plan = trace(
  defineTask({
    name: 'mean',
    tables: { visits: table({ days: int({ min: 0, max: 100 }) }, { maxRows: 1_000 }) },
    roles: { holder: { min: 2, max: 5, tables: ['visits'] } },
    run({ each, reveal }) {
      const { n, sum } = each('holder', ({ visits }) => ({ n: visits.count(), sum: visits.days.sum() })).total();
      const out = reveal({ n, sum }, { to: 'analyst', minGroupSize: 10 });
      return { n: out.n, mean: out.sum.div(out.n) };
    },
  }),
);
const rows = (n: bigint, sum: bigint): TestData => ({ vectors: { 'count/1': [n], 'sum/1': [sum] } });

let net: TaskNetwork;
afterEach(() => net.stop());

test('a task that asks for malicious security gets the protocol that gives it, and settles with a receipt', async () => {
  net = await taskNetwork({ plans: { mean: plan }, holders: [rows(5n, 10n), rows(7n, 70n), rows(8n, 20n)] });
  const request = SubmitRequest.parse({ program: 'mean', purpose: 'test', security: 'malicious' });
  const taskId = await net.analyst.tasks.submit(request);
  for await (const _ of net.analyst.tasks.updates(taskId, new AbortController().signal));
  expect(net.analyst.tasks.view(taskId)).toMatchObject({ phase: 'settled', attempt: 1 });
  const { result } = await net.analyst.tasks.result(taskId);
  expect(result).toEqual({ n: 20, mean: 5 });
  const receipt = await net.analyst.tasks.receipt(taskId);
  expect(Buffer.from(receipt).includes(REP3_MALICIOUS.id)).toBe(true);
  expect(verifyReceipt(receipt, sharedBackends)).toMatchObject({ result, taskId, name: 'mean' });
}, 60_000);
