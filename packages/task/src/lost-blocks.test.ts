/** The chain may lose its newest blocks: what this node said there is said again, and the next task works. */
import type { Plan } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { defineTask, int, table, trace } from '@2pm/program';
import { type TaskNetwork, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';

const plan: Plan = trace(
  defineTask({
    name: 'total',
    tables: { visits: table({ days: int({ min: 0, max: 100 }) }, { maxRows: 1_000 }) },
    roles: { holder: { min: 3, max: 5, tables: ['visits'] } },
    run({ each, reveal }) {
      return reveal({ n: each('holder', ({ visits }) => visits.count()).total() }, { to: 'analyst', minGroupSize: 10 });
    },
  }),
);
const request = SubmitRequest.parse({ program: 'total', purpose: 'test' });

let net: TaskNetwork;
afterEach(() => net.stop());

async function settles(): Promise<string> {
  const taskId = await net.analyst.tasks.submit(request);
  for await (const _ of net.analyst.tasks.updates(taskId, new AbortController().signal));
  expect(net.analyst.tasks.view(taskId).phase).toBe('settled');
  expect((await net.analyst.tasks.result(taskId)).result).toEqual({ n: 60 });
  return taskId;
}

/** From the creation of the last task on: created, started, settled. */
const TASK_BLOCKS = 3;

test.each([
  ['at once', 0],
  ['when its deadlines have passed meanwhile', 2_000_000],
])('after a task was lost, the next one is another one and settles, %s', async (_, pauseMs) => {
  net = await taskNetwork({
    plans: { total: plan },
    holders: Array.from({ length: 3 }, () => ({ vectors: { 'count/1': [20n] } })),
  });
  const first = await settles();
  net.kill(net.analyst);
  net.chain.lose(TASK_BLOCKS);
  await net.clock.sleep(pauseMs);
  net.restart(net.analyst);
  const second = await settles();
  expect(second).not.toBe(first);
});

test.each([
  ['its creation', 'published', 1],
  ['its start', 'started', 1],
  ['its creation and its start', 'started', 2],
])('a task in flight settles although the chain loses %s', async (_, phase, blocks) => {
  net = await taskNetwork({
    plans: { total: plan },
    holders: Array.from({ length: 3 }, () => ({ vectors: { 'count/1': [20n] } })),
  });
  const taskId = await net.analyst.tasks.submit(request);
  let lost = false;
  for await (const update of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
    if (lost || update.phase !== phase) continue;
    lost = true;
    net.chain.lose(blocks);
  }
  expect(lost).toBe(true);
  expect(net.analyst.tasks.view(taskId).phase).toBe('settled');
  expect((await net.analyst.tasks.result(taskId)).result).toEqual({ n: 60 });
  expect((await net.chain.connector().task(taskId))?.status).toBe('settled');
});
