import { SubmitRequest } from '@2pm/core/api';
import { REP3_MALICIOUS, sharedBackends } from '@2pm/mpc';
import { meanPlan, rows } from '@2pm/testing/mean-task';
import { type TaskNetwork, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';
import { verifyReceipt } from './receipt.ts';

const plan = meanPlan();

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
