import type { Plan, TaskId } from '@2pm/core';
import { FINAL_PHASES, SubmitRequest } from '@2pm/core/api';
import { defineTask, int, table, trace } from '@2pm/program';
import { type TaskNetwork, type TestData, taskNetwork } from '@2pm/testing/task-network';
import { describe, expect, test } from 'vitest';

const plan: Plan = trace(
  defineTask({
    name: 'sum',
    tables: { visits: table({ days: int({ min: 0, max: 100 }) }, { maxRows: 1_000 }) },
    roles: { holder: { min: 3, max: 3, tables: ['visits'] } },
    run({ each, reveal }) {
      const { n, sum } = each('holder', ({ visits }) => ({ n: visits.count(), sum: visits.days.sum() })).total();
      return reveal({ n, sum }, { to: 'analyst', minGroupSize: 10 });
    },
  }),
);
const holder = (n: bigint, sum: bigint): TestData => ({ vectors: { 'count/1': [n], 'sum/1': [sum] } });
const HOLDERS = [holder(5n, 10n), holder(7n, 70n), holder(8n, 20n)];
const request = SubmitRequest.parse({ program: 'sum', purpose: 'test' });

async function settle(net: TaskNetwork): Promise<TaskId | undefined> {
  // The submission itself may be what the crash interrupts; the caller then finds the task in the list, or none.
  const submitted = await Promise.race([
    net.analyst.tasks.submit(request).catch(() => undefined),
    net.clock.sleep(10_000).then(() => undefined),
  ]);
  for (let tries = 0; tries < 2_000; tries++) {
    const taskId = submitted ?? net.analyst.tasks.list()[0]?.taskId;
    if (taskId === undefined && tries > 100) return undefined;
    if (taskId !== undefined) {
      const view = net.analyst.tasks.list().find((task) => task.taskId === taskId);
      const done = await net.analyst.tasks.result(taskId).then(
        () => true,
        () => false,
      );
      if (done || (view !== undefined && view.phase !== 'settled' && FINAL_PHASES.includes(view.phase))) return taskId;
    }
    await net.clock.sleep(500);
  }
  throw new Error('the task did not end');
}

/** Appends that a node makes in a run without a crash: every point at which its state is made durable. */
async function appendsOf(node: number): Promise<number> {
  const net = await taskNetwork({ plans: { sum: plan }, holders: HOLDERS });
  await settle(net);
  const { appends } = net.nodes[node]?.disk ?? { appends: 0 };
  await net.stop();
  return appends;
}

describe.each([
  ['the coordinator', 0],
  ['a data holder that is a seat', 1],
])('%s killed at every point where it stores something', (_, node) => {
  test.each(['before', 'after'] as const)(
    '%s the entry is durable, the task still settles with the right result',
    async (when) => {
      const appends = await appendsOf(node);
      expect(appends).toBeGreaterThan(5);
      for (let append = 1; append <= appends; append++) {
        const net = await taskNetwork({
          plans: { sum: plan },
          holders: HOLDERS,
          crash: { node, append, when, downMs: 2_000 },
        });
        const taskId = await settle(net);
        if (taskId === undefined) {
          // Nothing of the task was durable: it never existed, and the analyst was told so.
          expect(node, `append ${append}`).toBe(0);
        } else {
          const { result } = await net.analyst.tasks.result(taskId).catch((error) => {
            throw new Error(
              `append ${append} ${when}: ${error} ${JSON.stringify(net.analyst.tasks.view(taskId), null, 1)}`,
            );
          });
          expect(result, `append ${append}`).toEqual({ n: 20, sum: 100 });
          expect((await net.chain.connector().task(taskId))?.status, `append ${append}`).toBe('settled');
        }
        await net.stop();
      }
    },
    120_000,
  );
});
