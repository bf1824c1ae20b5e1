/** A coordinator that shows its members something else than the chain, or than it shows the others, gets nothing. */
import { type Channel, decode, encode, type Plan, programHash, type TaskId } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { personalDigest } from '@2pm/crypto';
import { defineTask, int, table, trace } from '@2pm/program';
import { type Lies, lyingChannel, type Message, say } from '@2pm/testing/lying-control';
import { type TaskNetwork, type TestData, type TestNode, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, describe, expect, test } from 'vitest';
import { COMPUTE_PROTOCOL, CONTROL_PROTOCOL, Hello } from './messages.ts';

const planNamed = (name: string): Plan =>
  trace(
    defineTask({
      name,
      tables: { visits: table({ days: int({ min: 0, max: 100 }) }, { maxRows: 1_000 }) },
      roles: { holder: { min: 3, max: 5, tables: ['visits'] } },
      run({ each, reveal }) {
        const { n, sum } = each('holder', ({ visits }) => ({ n: visits.count(), sum: visits.days.sum() })).total();
        return reveal({ n, sum }, { to: 'analyst', minGroupSize: 10 });
      },
    }),
  );
const plans = { mean: planNamed('mean') };
const request = SubmitRequest.parse({ program: 'mean', purpose: 'test', settleWithinSeconds: 20 });

let net: TaskNetwork;
/** How often a holder was asked for its rows. */
let computed: number;
afterEach(() => net.stop());

interface Raising {
  lies?: Lies;
  /** The one member that is lied to; left out, all. */
  toNode?: number;
  analystPlans?: Record<string, Plan>;
  holders?: number;
  /** In place of the analyst's or a member's end of a computation channel. */
  compute?: (channel: Channel) => Channel;
  liar?: number;
}

async function raise({ lies, toNode, analystPlans, holders = 3, compute, liar = 0 }: Raising = {}): Promise<void> {
  computed = 0;
  const data = (): TestData => ({
    get vectors() {
      computed++;
      return { 'count/1': [20n], 'sum/1': [40n] };
    },
  });
  net = await taskNetwork({
    plans,
    holders: Array.from({ length: holders }, data),
    plansOf: (node) => (node === 0 ? analystPlans : undefined),
    wrap: (channel, { self, peer, binding }) => {
      if (self !== net.nodes[liar]?.id || (toNode !== undefined && peer !== net.nodes[toNode]?.id)) return channel;
      if (binding.protocol === CONTROL_PROTOCOL && lies !== undefined) return lyingChannel(channel, lies);
      return binding.protocol === COMPUTE_PROTOCOL && compute !== undefined ? compute(channel) : channel;
    },
  });
}

async function end(taskId: TaskId) {
  for await (const _ of net.analyst.tasks.updates(taskId, new AbortController().signal));
  return net.analyst.tasks.view(taskId);
}

const submitted = async () => end(await net.analyst.tasks.submit(request));

function holder(index = 0): TestNode {
  const found = net.holders[index];
  if (found === undefined) throw new Error('no such holder');
  return found;
}

/** Says something in the coordinator's name. */
const dictate = (to: TestNode, message: Message) =>
  say(net.network.join(net.analyst.id), to.id, CONTROL_PROTOCOL, message);

/** Runs a task and keeps what the coordinator asked of the first holder. */
async function recorded(): Promise<{ taskId: TaskId; attempt: Message; release: Message }> {
  const said: Message[] = [];
  await raise({
    toNode: 1,
    lies: {
      request: (message) => {
        said.push(message);
        return message;
      },
    },
  });
  const view = await submitted();
  expect(view.phase).toBe('settled');
  const of = (kind: string) => said.find((message) => message.kind === kind) ?? {};
  return { taskId: view.taskId, attempt: of('attempt'), release: of('release') };
}

describe('a member refuses, before it reads a row,', () => {
  const OTHER = new TextEncoder().encode('evil');

  test.each<[string, (answer: Message) => Promise<Message> | Message]>([
    ['another program than the spec names', (answer) => ({ ...answer, program: OTHER })],
    [
      'another spec than the chain names, though its recipient signed it',
      async (answer) => {
        const { spec } = answer.signed as Extract<Message['signed'], { spec: unknown }>;
        const other = { ...spec, purpose: 'another', programHash: programHash(OTHER) };
        const signature = await net.analyst.signer.sign(personalDigest(encode(other)));
        return { signed: { spec: other, signatures: { analyst: signature } }, program: OTHER };
      },
    ],
    [
      'a spec that its recipient did not sign',
      async (answer) => {
        const { spec } = answer.signed as Extract<Message['signed'], { spec: unknown }>;
        const signature = await holder().signer.sign(personalDigest(encode(spec)));
        return { ...answer, signed: { spec, signatures: { analyst: signature } } };
      },
    ],
  ])('%s', async (_, change) => {
    await raise({
      lies: {
        answer: async (asked, answer) => ({ answer: asked.kind === 'fetch' ? await change(answer) : answer }),
      },
    });
    const view = await submitted();
    expect(view).toMatchObject({ phase: 'refused', error: { code: 'TASK_MISMATCH' } });
    expect(computed).toBe(0);
  });

  test('a program that traces to another plan than the spec names', async () => {
    await raise({ analystPlans: { mean: planNamed('harmless') } });
    expect(await submitted()).toMatchObject({ phase: 'refused', error: { code: 'TASK_MISMATCH' } });
    expect(computed).toBe(0);
  });

  test.each<[string, (attempt: Message) => Message, string]>([
    [
      'a roster without a member that is on the chain',
      (attempt) => ({ ...attempt, consents: attempt.consents?.slice(0, -1) ?? [] }),
      'TASK_ROSTER',
    ],
    [
      'a member that is listed twice',
      (attempt) => ({ ...attempt, consents: [...(attempt.consents ?? []), ...(attempt.consents?.slice(0, 1) ?? [])] }),
      'TASK_ROSTER',
    ],
    [
      'a consent that its member did not sign',
      (attempt) => ({
        ...attempt,
        consents: (attempt.consents ?? []).map(({ consent, signature }) => ({
          consent: { ...consent, dataCommitment: `0x${'11'.repeat(32)}` as typeof consent.dataCommitment },
          signature,
        })),
      }),
      'TASK_ROSTER',
    ],
  ])('%s', async (_, change, code) => {
    await raise({
      holders: 4,
      lies: { request: (message) => (message.kind === 'attempt' ? change(message) : message) },
    });
    expect(await submitted()).toMatchObject({ phase: 'aborted', error: { code } });
    expect(computed).toBe(0);
  });

  test('a consent that was given to another task', async () => {
    const { attempt: earlier } = await recorded();
    await net.stop();
    const [old] = earlier.consents ?? [];
    // The same keys, and the next task of the same coordinator.
    const replay = (attempt: Message) => ({
      ...attempt,
      consents: attempt.consents?.map((one) => (one.consent.member === old?.consent.member ? old : one)) ?? [],
    });
    let tasks = 0;
    await raise({
      lies: {
        request: (message) => (message.kind === 'attempt' && tasks === 2 ? replay(message) : message),
      },
    });
    tasks++;
    expect((await submitted()).phase).toBe('settled');
    const before = computed;
    tasks++;
    expect(await submitted()).toMatchObject({ phase: 'aborted', error: { code: 'TASK_ROSTER' } });
    expect(computed).toBe(before);
  });

  test('an attempt before the task runs on the chain', async () => {
    const { attempt } = await recorded();
    await net.stop();
    // The same keys and the same task again, up to the consent of the first holder.
    let early: Promise<unknown> | undefined;
    await raise({
      toNode: 1,
      lies: {
        heard: (message) => {
          if (message.kind === 'consent' && early === undefined) {
            early = dictate(holder(), attempt).catch((error: unknown) => error);
          }
          return message;
        },
      },
    });
    await submitted();
    // It waits for the chain, whose word it is, and then counts once.
    expect(await early).toEqual({});
  });
});

describe('after the one release of a task, a member', () => {
  test('begins no other attempt, and computes nothing', async () => {
    const { attempt } = await recorded();
    const before = computed;
    await expect(dictate(holder(), { ...attempt, attempt: 2 })).rejects.toMatchObject({ code: 'TASK_STATE' });
    expect(computed).toBe(before);
  });

  test('signs no second, different one, and gives the first again', async () => {
    const { release } = await recorded();
    const again = await dictate(holder(), release);
    expect(again).toEqual({ attestation: expect.stringMatching(/^0x/) });
    const leaves = release.leaves?.map((leaf, i) => (i === 0 ? { ...leaf, commitment: leaf.sealedHash } : leaf)) ?? [];
    for (const other of [{ leaves }, { transcriptRoot: `0x${'22'.repeat(32)}` }, { attempt: 2 }]) {
      await expect(dictate(holder(), { ...release, ...other })).rejects.toMatchObject({ code: 'TASK_STATE' });
    }
  });
});

describe('at the release, a member signs nothing', () => {
  test.each<[string, (release: Message) => Message, string]>([
    [
      'that lists other outputs for its seat',
      (release) => ({
        ...release,
        leaves: release.leaves?.map((leaf) => ({ ...leaf, commitment: leaf.sealedHash })) ?? [],
      }),
      'TASK_STATE',
    ],
    ['that leaves out a seat', (release) => ({ ...release, leaves: release.leaves?.slice(1) ?? [] }), 'TASK_LEAVES'],
    [
      'that names another recipient',
      (release) => ({ ...release, leaves: release.leaves?.map((leaf) => ({ ...leaf, recipient: 'me' })) ?? [] }),
      'TASK_LEAVES',
    ],
    [
      'with another transcript',
      (release) => ({ ...release, transcriptRoot: `0x${'33'.repeat(32)}` }),
      'TASK_TRANSCRIPT',
    ],
  ])('%s', async (_, change, code) => {
    await raise({ lies: { request: (message) => (message.kind === 'release' ? change(message) : message) } });
    const view = await submitted();
    expect(view).toMatchObject({ phase: 'aborted', error: { code } });
    await expect(net.analyst.tasks.result(view.taskId)).rejects.toMatchObject({ code: 'TASK_NOT_SETTLED' });
  });

  test('and hands out no sealed output before it', async () => {
    await raise();
    let early: Promise<unknown> | undefined;
    const taskId = await net.analyst.tasks.submit(request);
    for await (const { phase, node } of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
      if (early !== undefined || phase !== 'prepared' || node !== holder().id) continue;
      early = dictate(holder(), { kind: 'sealed', taskId, attempt: 1, recipient: 'analyst', offset: 0 }).catch(
        (error: unknown) => error,
      );
      expect(await early).toMatchObject({ code: 'TASK_STATE' });
    }
    expect(early).toBeDefined();
  });
});

describe('a member takes orders', () => {
  test('from nobody but the coordinator of the task', async () => {
    const { attempt, release, taskId } = await recorded();
    const stranger = net.network.join(holder(1).id);
    for (const order of [attempt, release, { kind: 'sealed', taskId, attempt: 1, recipient: 'analyst', offset: 0 }]) {
      await expect(say(stranger, holder().id, CONTROL_PROTOCOL, order)).rejects.toMatchObject({ code: 'TASK_STATE' });
    }
  });

  test('and not those of a member to a coordinator', async () => {
    await raise();
    const view = await submitted();
    const message = {
      kind: 'prepared',
      taskId: view.taskId,
      attempt: 1,
      leaves: [],
      cost: { bytesSent: 0, bytesReceived: 0, rounds: 0 },
    };
    await expect(dictate(holder(), message)).rejects.toMatchObject({ code: 'TASK_NOT_INVITED' });
  });
});

test.each(['specHash', 'planHash', 'rosterHash', 'sid'])(
  'members that mean another %s by a session say so and compute nothing shared',
  async (key) => {
    await raise({ liar: 1, compute: (channel) => otherHello(channel, key) });
    expect(await submitted()).toMatchObject({ phase: 'aborted', error: { code: 'TASK_DISAGREEMENT' } });
  },
);

/** A channel whose first frame says something else at `key`. */
function otherHello(channel: Channel, key: string): Channel {
  let first = true;
  return {
    peer: channel.peer,
    get stats() {
      return channel.stats;
    },
    send(bytes) {
      if (!first) return channel.send(bytes);
      first = false;
      return channel.send(encode({ ...decode(bytes, Hello, 'hello'), [key]: `0x${'44'.repeat(32)}` }));
    },
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  };
}
