/** Tasks of two holders that compute with the help of a node without data, which deals. */
import { decode, type NodeId, type SharedBackend } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { ADDITIVE_DEALER_SEMI_HONEST, additiveDealerSemiHonest, sharedBackends } from '@2pm/mpc';
import { meanPlan, rows } from '@2pm/testing/mean-task';
import { type TaskNetwork, type TestData, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';
import { ReceiptBody, verifyReceipt } from './receipt.ts';

const plan = meanPlan();
const protocol = ADDITIVE_DEALER_SEMI_HONEST.id;

let net: TaskNetwork;
afterEach(() => net.stop());

interface Raising {
  /** Nodes beside the analyst's; undefined for one without data. */
  holders?: readonly (TestData | undefined)[];
  backends?: (node: number) => readonly SharedBackend[];
}

async function raise({ holders = [rows(5n, 10n), undefined, rows(7n, 70n)], ...options }: Raising = {}) {
  net = await taskNetwork({ plans: { mean: plan }, holders, ...options });
  return net.holders.map(({ id }) => id);
}

async function submit(seats?: readonly (NodeId | undefined)[]) {
  const request = { program: 'mean', purpose: 'test', protocol, ...(seats === undefined ? {} : { seats }) };
  return net.analyst.tasks.submit(SubmitRequest.parse(request));
}

async function ended(taskId: Awaited<ReturnType<typeof submit>>) {
  for await (const _ of net.analyst.tasks.updates(taskId, new AbortController().signal));
  return net.analyst.tasks.view(taskId);
}

test('two holders and a node without data settle a task, which that node deals for', async () => {
  const [one, dealer, other] = await raise();
  const taskId = await submit();
  expect(await ended(taskId)).toMatchObject({ phase: 'settled', attempt: 1 });
  const { result } = await net.analyst.tasks.result(taskId);
  expect(result).toEqual({ n: 12, mean: 80 / 12 });
  const receipt = await net.analyst.tasks.receipt(taskId);
  expect(verifyReceipt(receipt, sharedBackends)).toMatchObject({ result, taskId, name: 'mean' });
  const { signed, shares } = decode(receipt.slice(0, -65), ReceiptBody, 'receipt');
  expect(signed.spec.seats).toEqual([...[one, other].sort(), dealer]);
  expect(shares.at(-1)?.outputs.map(([, share]) => share.length)).toEqual([0, 0]);
}, 60_000);

test('so do three that all compute, in the order in which they are named', async () => {
  const [a, b, c, dealer] = await raise({ holders: [rows(5n, 10n), rows(7n, 70n), rows(8n, 20n), undefined] });
  const taskId = await submit([c, a, b, dealer]);
  expect(await ended(taskId)).toMatchObject({ phase: 'settled' });
  expect((await net.analyst.tasks.result(taskId)).result).toEqual({ n: 20, mean: 5 });
}, 60_000);

test('a dealer that dies fails the attempt, and the next one settles when it is back', async () => {
  const [, dealer] = await raise();
  const victim = net.holders.find(({ id }) => id === dealer);
  if (victim === undefined) throw new Error('no dealer');
  const taskId = await submit();
  let killed = false;
  for await (const { node, phase } of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
    if (killed || node !== dealer || phase !== 'connecting') continue;
    killed = true;
    net.kill(victim);
    await net.clock.sleep(3_000);
    net.restart(victim);
  }
  expect(killed).toBe(true);
  const view = net.analyst.tasks.view(taskId);
  expect(view.phase).toBe('settled');
  expect(view.attempt).toBeGreaterThan(1);
  expect((await net.analyst.tasks.result(taskId)).result).toEqual({ n: 12, mean: 80 / 12 });
}, 60_000);

test('nobody deals where all nodes bring data, and the analyst is told whom to ask', async () => {
  await raise({ holders: [rows(5n, 10n), rows(7n, 70n), rows(8n, 20n)] });
  await expect(submit()).rejects.toMatchObject({
    code: 'TASK_SEATS',
    fix: expect.stringContaining('additive-semi-honest/1'),
  });
});

test('a holder may not deal: the coordinator does not publish it', async () => {
  const [one, idle, other] = await raise();
  await expect(submit([one, idle, other])).rejects.toMatchObject({
    code: 'TASK_DEALER',
    message: expect.stringContaining('in role holder'),
    fix: expect.stringContaining('--seats'),
  });
});

test('and where a coordinator publishes it all the same, the holders refuse before they read a row', async () => {
  const { dealer: _, ...card } = ADDITIVE_DEALER_SEMI_HONEST;
  const reading: TestData = {
    get vectors(): never {
      throw new Error('a row was read');
    },
  };
  const [one, idle, other] = await raise({
    holders: [reading, undefined, reading],
    backends: (node) => (node === 0 ? [{ ...additiveDealerSemiHonest, card }] : sharedBackends),
  });
  const view = await ended(await submit([one, idle, other]));
  expect(view).toMatchObject({ phase: 'refused', error: { code: 'TASK_DEALER' } });
});
