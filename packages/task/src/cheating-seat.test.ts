/**
 * Seats of a task with malicious security that run something else than they agreed to, say different things to different
 * others, repeat themselves, or leave: the task ends in words, and nobody has an output.
 */
import type { Plan, SharedBackend } from '@2pm/core';
import { SubmitRequest, type TaskView } from '@2pm/core/api';
import { rep3Malicious, sharedBackends } from '@2pm/mpc';
import { defineTask, int, table, trace } from '@2pm/program';
import { type ChannelFault, faultyChannel } from '@2pm/testing/faulty-channel';
import { type TaskNetwork, type TestData, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, describe, expect, test } from 'vitest';
import { COMPUTE_PROTOCOL } from './messages.ts';

const planOf = (minGroupSize: number): Plan =>
  trace(
    defineTask({
      name: 'sums',
      tables: { visits: table({ days: int({ min: 0, max: 100 }) }, { maxRows: 1_000 }) },
      roles: { holder: { min: 3, max: 5, tables: ['visits'] } },
      run({ each, reveal }) {
        const { n, sum } = each('holder', ({ visits }) => ({ n: visits.count(), sum: visits.days.sum() })).total();
        return reveal({ n, sum }, { to: 'analyst', minGroupSize });
      },
    }),
  );
const plans = { sums: planOf(10) };
const CURIOUS = planOf(2);
const rows = (n: bigint, sum: bigint): TestData => ({ vectors: { 'count/1': [n], 'sum/1': [sum] } });
const HOLDERS = [rows(5n, 10n), rows(7n, 70n), rows(8n, 20n)];
const RIGHT = { n: 20, sum: 100 };

let net: TaskNetwork;
afterEach(() => net.stop());

async function run(options: Partial<Parameters<typeof taskNetwork>[0]> = {}, seconds = 20): Promise<TaskView> {
  net = await taskNetwork({ plans, holders: HOLDERS, ...options });
  const request = { program: 'sums', purpose: 'test', security: 'malicious', settleWithinSeconds: seconds };
  const taskId = await net.analyst.tasks.submit(SubmitRequest.parse(request));
  for await (const _ of net.analyst.tasks.updates(taskId, new AbortController().signal));
  return net.analyst.tasks.view(taskId);
}

async function expectNothingOpened({ taskId }: TaskView): Promise<void> {
  expect((await net.chain.connector().task(taskId))?.status).not.toBe('settled');
  await expect(net.analyst.tasks.result(taskId)).rejects.toMatchObject({ code: 'TASK_NOT_SETTLED' });
}

/** Seats are the holders, in the order of their ids. */
function seatOf(node: number): number {
  return net.holders.filter(({ id }) => id < (net.nodes[node]?.id ?? '')).length;
}

/** The real protocol under its own name, by code that takes the plan of a task for another. */
const curious: SharedBackend = {
  ...rep3Malicious,
  runSeat: (context) => rep3Malicious.runSeat({ ...context, plan: CURIOUS }),
};

describe('two seats that are about to run different things stop before the first mask', () => {
  test.each([1, 2, 3])('other code on node %i: in words that name its seat', async (node) => {
    const sent = new Map<string, number>();
    const view = await run({
      backends: (of) => (of === node ? [curious] : sharedBackends),
      wrap: (channel, { self, peer, binding }) => ({
        ...{ peer: channel.peer, stats: channel.stats },
        send(frame) {
          const way = `${binding.protocol} ${self} ${peer}`;
          sent.set(way, (sent.get(way) ?? 0) + 1);
          return channel.send(frame);
        },
        receive: (options) => channel.receive(options),
        close: (reason) => channel.close(reason),
      }),
    });
    const odd = seatOf(node);
    const { error, phase } = view;
    expect([phase, error?.code]).toEqual(['aborted', 'MPC_SCHEDULE_MISMATCH']);
    expect(error?.message).toMatch(new RegExp(`seats .*\\b${odd}\\b.* are about to run different computations`));
    expect(error?.fix).toMatch(/./);
    const compute = [...sent].filter(([way]) => way.startsWith(COMPUTE_PROTOCOL));
    expect(compute.length).toBeGreaterThan(0);
    // The hello, the input shares (a length and a piece), the agreement.
    for (const [, frames] of compute) expect(frames).toBeLessThanOrEqual(4);
    await expectNothingOpened(view);
  });

  test('another plan on one node, from the same program: it refuses before it consents', async () => {
    const view = await run({ plansOf: (node) => (node === 2 ? { sums: CURIOUS } : undefined) });
    expect(view).toMatchObject({ phase: 'refused', error: { code: 'TASK_MISMATCH' } });
    expect(view.refusals).toMatchObject([{ node: net.nodes[2]?.id, code: 'TASK_MISMATCH' }]);
    await expectNothingOpened(view);
  });

  test('a holder that shares another number of values than the plan has is named', async () => {
    const [first, ...others] = HOLDERS;
    const longer: TestData = { vectors: { ...first?.vectors, 'sum/1': [10n, 11n] } };
    const view = await run({ holders: [longer, ...others] });
    const place = seatOf(1) + 1;
    expect(view).toMatchObject({ phase: 'aborted', error: { code: 'MPC_BAD_INPUT' } });
    expect(view.error?.message).toContain(`member ${place} of role holder sent`);
    await expectNothingOpened(view);
  });
});

test('the chain blames nobody for what one seat says of another', async () => {
  await run({ backends: (of) => (of === 1 ? [curious] : sharedBackends) });
  const stop = new AbortController();
  for await (const item of net.chain.connector().events({ from: null, level: 'seen', signal: stop.signal })) {
    if (item.type !== 'event' || item.event.type !== 'taskAborted') continue;
    expect(item.event).toMatchObject({ reason: 'MPC_SCHEDULE_MISMATCH', culprit: `0x${'00'.repeat(20)}` });
    break;
  }
  stop.abort();
});

/** Faults strike frame `at` that node 1 sends to node 2 in an attempt, or all from there on; the hello is number 0. */
const striking = (fault: ChannelFault, at: number, every = false): Partial<Parameters<typeof taskNetwork>[0]> => ({
  wrap: (channel, { self, peer, binding }) =>
    self === net.nodes[1]?.id && peer === net.nodes[2]?.id && binding.protocol === COMPUTE_PROTOCOL
      ? faultyChannel(channel, (frame) => (frame === at || (every && frame > at) ? fault : undefined))
      : channel,
});

/** Frames that node 1 sends to node 2 in an honest run. */
async function framesOf(): Promise<number> {
  let frames = 0;
  const count: ChannelFault = {
    kind: 'replace',
    with(frame) {
      frames++;
      return frame;
    },
  };
  expect(await run(striking(count, 0, true))).toMatchObject({ phase: 'settled' });
  await net.stop();
  return frames;
}

/** Every message takes its turn in `mpc`; here a few of each part: hello, inputs, set-up, rounds, checks, the end. */
const STEP = 5;

describe('a seat that, at any one of its messages to another,', () => {
  test.each<[string, ChannelFault, RegExp]>([
    // The third seat is told the truth.
    ['says something else than to the third', { kind: 'flip', bit: 77 }, /^(MPC|TASK|CODEC)_/],
    ['says everything twice', { kind: 'duplicate' }, /^(MPC|TASK|CODEC)_/],
  ])('%s ends the task, or it settles with the right result', async (_, fault, code) => {
    const frames = await framesOf();
    expect(frames).toBeGreaterThan(20);
    const ended: string[] = [];
    for (let at = 0; at < frames; at += STEP) {
      const view = await run(striking(fault, at));
      if (view.phase === 'settled') {
        expect((await net.analyst.tasks.result(view.taskId)).result, `message ${at}`).toEqual(RIGHT);
      } else {
        ended.push(view.error?.code ?? '');
        await expectNothingOpened(view);
      }
      await net.stop();
    }
    expect(ended.length).toBeGreaterThan(frames / STEP / 2);
    for (const each of ended) expect(each).toMatch(code);
  });

  test('leaves, in every attempt: none of them opens anything, and the task ends', async () => {
    for (const at of [1, (await framesOf()) - 1]) {
      const view = await run(striking({ kind: 'close' }, at, true), 5);
      expect(view.attempt).toBeGreaterThan(1);
      expect(['expired', 'aborted']).toContain(view.phase);
      await expectNothingOpened(view);
      await net.stop();
    }
  });
});
