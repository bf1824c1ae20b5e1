import { SubmitRequest } from '@2pm/core/api';
import { ADDITIVE_SEMI_HONEST, sharedBackends } from '@2pm/mpc';
import { meanPlan, rows } from '@2pm/testing/mean-task';
import { type TaskNetwork, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';
import { verifyReceipt } from './receipt.ts';

const plan = meanPlan();
const protocol = ADDITIVE_SEMI_HONEST.id;

let net: TaskNetwork;
afterEach(() => net.stop());

test.each([2, 3])(
  'a task of %i holders settles between two seats, with a receipt that verifies',
  async (holders) => {
    const data = [rows(5n, 10n), rows(7n, 70n), rows(8n, 20n)].slice(0, holders);
    net = await taskNetwork({ plans: { mean: plan }, holders: data });
    const request = SubmitRequest.parse({ program: 'mean', purpose: 'test', protocol });
    const taskId = await net.analyst.tasks.submit(request);
    for await (const _ of net.analyst.tasks.updates(taskId, new AbortController().signal));
    expect(net.analyst.tasks.view(taskId)).toMatchObject({ phase: 'settled', attempt: 1 });
    const { result } = await net.analyst.tasks.result(taskId);
    expect(result).toEqual(holders === 2 ? { n: 12, mean: 80 / 12 } : { n: 20, mean: 5 });
    const receipt = await net.analyst.tasks.receipt(taskId);
    expect(verifyReceipt(receipt, sharedBackends)).toMatchObject({ result, taskId, name: 'mean' });
  },
  60_000,
);

test.each([3, 4])(
  'a task of %i holders settles among seats that all hold data, with a receipt that verifies',
  async (n) => {
    const data = [rows(5n, 10n), rows(7n, 70n), rows(8n, 20n), rows(1n, 5n)].slice(0, n);
    net = await taskNetwork({ plans: { mean: plan }, holders: data });
    const seats = net.holders.map(({ id }) => id);
    const request = SubmitRequest.parse({ program: 'mean', purpose: 'test', protocol, seats });
    const taskId = await net.analyst.tasks.submit(request);
    for await (const _ of net.analyst.tasks.updates(taskId, new AbortController().signal));
    expect(net.analyst.tasks.view(taskId)).toMatchObject({ phase: 'settled', attempt: 1 });
    const { result } = await net.analyst.tasks.result(taskId);
    expect(result).toEqual(n === 3 ? { n: 20, mean: 5 } : { n: 21, mean: 5 });
    const receipt = await net.analyst.tasks.receipt(taskId);
    expect(verifyReceipt(receipt, sharedBackends)).toMatchObject({ result, taskId, name: 'mean' });
  },
  60_000,
);

test('a number of seats that the protocol does not have is refused, with those that it has', async () => {
  net = await taskNetwork({ plans: { mean: plan }, holders: [rows(5n, 10n), rows(7n, 70n)] });
  const one = SubmitRequest.safeParse({ program: 'mean', purpose: 'test', protocol, seats: [] });
  expect(one.success).toBe(false);
  const seats = net.holders.map(({ id }) => id);
  const rep3 = SubmitRequest.parse({ program: 'mean', purpose: 'test', protocol: 'rep3-semi-honest/1', seats });
  await expect(net.analyst.tasks.submit(rep3)).rejects.toMatchObject({
    code: 'TASK_PROTOCOL',
    fix: expect.stringContaining('additive-semi-honest/1 (semi-honest, 2 to 8 seats)'),
  });
});
