/** A member that lies can stop a task, and is told so in words; it cannot make a wrong result count. */
import { type Hash, type Plan, type SignedConsent, sha256Bytes, type TaskId, toHex } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { signAttestation } from '@2pm/crypto';
import { defineTask, int, table, trace } from '@2pm/program';
import { type Lies, lyingChannel, type Message, say } from '@2pm/testing/lying-control';
import { type TaskNetwork, type TestNode, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, describe, expect, test } from 'vitest';
import { CONTROL_PROTOCOL, type Leaf } from './messages.ts';
import { resultRoot, sortLeaves } from './release.ts';

const plan: Plan = trace(
  defineTask({
    name: 'total',
    tables: { visits: table({ days: int({ min: 0, max: 100 }) }, { maxRows: 1_000 }) },
    roles: { holder: { min: 3, max: 5, tables: ['visits'] } },
    run({ each, reveal }) {
      const n = each('holder', ({ visits }) => visits.count()).total();
      return reveal({ n }, { to: 'analyst', minGroupSize: 10 });
    },
  }),
);
const request = SubmitRequest.parse({ program: 'total', purpose: 'test', settleWithinSeconds: 20 });
const OTHER = `0x${'55'.repeat(32)}` as Hash;

let net: TaskNetwork;
afterEach(() => net.stop());

/** Node 1 lies to the coordinator. */
async function raise(lies: Lies = {}): Promise<void> {
  net = await taskNetwork({
    plans: { total: plan },
    holders: Array.from({ length: 3 }, () => ({ vectors: { 'count/1': [20n] } })),
    wrap: (channel, { self, peer, binding }) =>
      self === net.nodes[1]?.id && peer === net.analyst.id && binding.protocol === CONTROL_PROTOCOL
        ? lyingChannel(channel, lies)
        : channel,
  });
}

async function end(taskId: TaskId, onUpdate?: (phase: string, node: string) => Promise<void>) {
  for await (const { phase, node } of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
    await onUpdate?.(phase, node);
  }
  return net.analyst.tasks.view(taskId);
}

const submitted = async () => end(await net.analyst.tasks.submit(request));

function holder(index: number): TestNode {
  const found = net.holders[index];
  if (found === undefined) throw new Error('no such holder');
  return found;
}

/** Says something to the coordinator in a member's name. */
const claim = (from: TestNode, message: Message) =>
  say(net.network.join(from.id), net.analyst.id, CONTROL_PROTOCOL, message);

const onlyIn = (kind: string, change: (message: Message) => Message) => (message: Message) =>
  message.kind === kind ? change(message) : message;

describe('a task is not settled when a member', () => {
  test.each<[string, Lies, string]>([
    [
      'prepares other outputs than it releases',
      {
        request: onlyIn('prepared', (message) => ({
          ...message,
          leaves: message.leaves?.map((leaf) => ({ ...leaf, commitment: leaf.sealedHash })) ?? [],
        })),
      },
      'TASK_STATE',
    ],
    [
      'prepares no output for its seat',
      { request: onlyIn('prepared', (message) => ({ ...message, leaves: [] })) },
      'TASK_LEAVES',
    ],
    [
      'heard something else than the other seats',
      { request: onlyIn('prepared', (message) => ({ ...message, transcript: OTHER })) },
      'TASK_TRANSCRIPT',
    ],
    [
      'refuses at the release',
      {
        answer: (asked, answer) =>
          asked.kind === 'release'
            ? { error: { code: 'TASK_STATE', message: 'no', fault: 'peer', retryable: false } }
            : { answer },
      },
      'TASK_STATE',
    ],
    [
      'signs another result',
      {
        answer: (asked, answer) =>
          asked.kind === 'release' ? { answer: { attestation: `0x${'66'.repeat(64)}1b` } } : { answer },
      },
      'TASK_ATTESTATION',
    ],
    [
      'hands out other bytes than it sealed',
      {
        answer: (asked, answer) =>
          asked.kind === 'sealed' ? { answer: { bytes: new Uint8Array(100), total: 100 } } : { answer },
      },
      'TASK_SEALED_OUTPUT',
    ],
    [
      'hands out bytes without end',
      {
        answer: (asked, answer) =>
          asked.kind === 'sealed' ? { answer: { bytes: new Uint8Array(100), total: 2 ** 50 } } : { answer },
      },
      'TASK_BAD_REQUEST',
    ],
    [
      'fails for a reason of its own',
      {
        request: onlyIn('prepared', ({ taskId, attempt = 0 }) => ({
          kind: 'failed',
          taskId,
          attempt,
          error: { code: 'DATA_NO', message: 'no', fault: 'data', retryable: false },
        })),
      },
      'DATA_NO',
    ],
  ])('%s', async (_, lies, code) => {
    await raise(lies);
    const view = await submitted();
    expect(view).toMatchObject({ phase: 'aborted', error: { code } });
    expect((await net.chain.connector().task(view.taskId))?.status).toBe('aborted');
    await expect(net.analyst.tasks.result(view.taskId)).rejects.toMatchObject({ code: 'TASK_NOT_SETTLED' });
  });

  test('never says that it has prepared', async () => {
    await raise({ request: onlyIn('prepared', () => ({ kind: 'ping' })) });
    expect((await submitted()).phase).toBe('expired');
  });

  test('claims the output of another seat', async () => {
    await raise({
      request: onlyIn('prepared', (message) => ({
        ...message,
        leaves: message.leaves?.map((leaf) => ({ ...leaf, seat: holder(1).id })) ?? [],
      })),
    });
    expect((await submitted()).phase).toBe('expired');
  });
});

test('sealed junk that a lying seat signs for settles on the chain, and the analyst is told that it does not open', async () => {
  const junk = new Uint8Array(100).fill(7);
  let honest: Leaf[] = [];
  await raise({
    request: onlyIn('prepared', (message) => {
      honest = message.leaves ?? [];
      return {
        ...message,
        leaves: honest.map((leaf) => ({ ...leaf, sealedHash: toHex(sha256Bytes(junk)) as Hash })),
      };
    }),
    // Its honest part signs what it knows; the liar's own signature goes out in place of that.
    heard: onlyIn('release', (message) => ({
      ...message,
      leaves: sortLeaves([...(message.leaves ?? []).filter(({ seat }) => seat !== holder(0).id), ...honest]),
    })),
    answer: async (asked, answer) => {
      if (asked.kind === 'sealed') return { answer: { bytes: junk, total: junk.length } };
      if (asked.kind !== 'release') return { answer };
      const { taskId, attempt, leaves, transcriptRoot } = asked as Message & { taskId: TaskId; transcriptRoot: Hash };
      const root = resultRoot(taskId, attempt ?? 0, leaves ?? []);
      const { domain } = net.chain.connector().info;
      return {
        answer: {
          attestation: await signAttestation(holder(0).signer, domain, { taskId, resultRoot: root, transcriptRoot }),
        },
      };
    },
  });
  const view = await submitted();
  expect(view).toMatchObject({ phase: 'failed', error: { fault: 'peer' } });
  expect((await net.chain.connector().task(view.taskId))?.status).toBe('settled');
});

describe('a task settles with the right result although a member', () => {
  const N = { n: 60 };

  test('prepares a second time, with other outputs', async () => {
    await raise();
    const taskId = await net.analyst.tasks.submit(request);
    let again: Promise<Message> | undefined;
    const view = await end(taskId, async (phase, node) => {
      if (phase !== 'prepared' || node !== holder(0).id || again !== undefined) return;
      const other = { seat: holder(0).id, recipient: 'analyst', commitment: OTHER, sealedHash: OTHER };
      const cost = { bytesSent: 0, bytesReceived: 0, rounds: 0 };
      again = claim(holder(0), {
        kind: 'prepared',
        taskId,
        attempt: 1,
        leaves: [other],
        transcript: OTHER,
        cost,
      });
      await again;
    });
    expect(again).toBeDefined();
    expect(view.phase).toBe('settled');
    expect((await net.analyst.tasks.result(taskId)).result).toEqual(N);
  });

  test('floods the coordinator with progress, of which a bounded part is kept', async () => {
    await raise();
    const taskId = await net.analyst.tasks.submit(request);
    const text = '\u001b[2Jx'.repeat(60);
    const flood = Promise.all(
      Array.from({ length: 3_000 }, () =>
        claim(holder(0), { kind: 'progress', taskId, attempt: 1, phase: 'local', message: text }),
      ),
    );
    let updates = 0;
    const view = await end(taskId, async () => void updates++);
    await flood;
    expect(view.phase).toBe('settled');
    expect(updates).toBeLessThanOrEqual(2_000);
    expect((await net.analyst.tasks.result(taskId)).result).toEqual(N);
  });

  test('speaks for another member, or for the coordinator, which is refused', async () => {
    await raise();
    const taskId = await net.analyst.tasks.submit(request);
    let consent: Message | undefined;
    const refusals: unknown[] = [];
    const view = await end(taskId, async (phase, node) => {
      if (phase !== 'prepared' || node !== holder(1).id || consent !== undefined) return;
      consent = {};
      const seat = { seat: holder(1).id, recipient: 'analyst', commitment: OTHER, sealedHash: OTHER };
      const cost = { bytesSent: 0, bytesReceived: 0, rounds: 0 };
      for (const message of [
        { kind: 'prepared', taskId, attempt: 1, leaves: [seat], cost },
        { kind: 'attempt', taskId, attempt: 1, consents: [] },
        { kind: 'fetch', taskId: OTHER },
        { kind: 'nonsense', taskId },
      ]) {
        refusals.push(
          await claim(holder(0), message).then(
            () => 'taken',
            ({ code }) => code,
          ),
        );
      }
    });
    expect(refusals).toEqual(['TASK_BAD_REQUEST', 'TASK_STATE', 'TASK_NOT_INVITED', 'CHANNEL_CLOSED']);
    expect(view.phase).toBe('settled');
    expect((await net.analyst.tasks.result(taskId)).result).toEqual(N);
  });
});

test('a consent that its member did not sign does not count', async () => {
  await raise({
    request: onlyIn('consent', (message) => ({
      ...message,
      signed: { ...(message.signed as SignedConsent), signature: `0x${'66'.repeat(64)}1b` },
    })),
  });
  expect(await submitted()).toMatchObject({ phase: 'aborted', error: { code: 'TASK_ROSTER' } });
});
