/** Intersections in files below the node's directory, and what a later attempt finds there. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, channelPair, type Hash, type KeyedRows, type NodeId, toHex } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { nodeRng } from '@2pm/crypto/node';
import { checkPlan, defineTask, key, table, trace } from '@2pm/program';
import { type TaskNetwork, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PsiThread, psiThread } from './thread.ts';

const SIZES = { small: 2, large: 50, bucket: 50 };
const BUCKETS = 4;
const N = SIZES.bucket * BUCKETS;
const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId);
const TASK = `0x${'7a'.repeat(32)}`;

let root = '';
const threads: PsiThread[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), '2pm-resume-'));
});
afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.close();
  await rm(root, { recursive: true, force: true });
});

function start(name: string, memoryBytes = 0): PsiThread {
  const thread = psiThread({ scratch: { dir: join(root, name), memoryBytes }, sizes: SIZES });
  threads.push(thread);
  return thread;
}

const sets = () => {
  const [mine, theirs] = [random(16 * N), random(16 * N)];
  theirs.set(mine.subarray(16 * 100, 16 * 200));
  return { mine, theirs, common: Array.from({ length: 100 }, (_, i) => 100 + i) };
};

/** One attempt. `stopAfter`: the receiver's thread is ended, as by a kill, when so many buckets are through. */
async function attempt(
  parties: readonly [PsiThread, PsiThread],
  items: readonly [Uint8Array, Uint8Array],
  { lasting, stopAfter }: { lasting: Hash; stopAfter?: number },
) {
  const channels = channelPair(ids[1] as NodeId, ids[0] as NodeId);
  const sid = toHex(random(32)) as Hash;
  const progress: number[] = [];
  const runs = parties.map((thread, self) =>
    thread
      .intersect({
        ...{ sid, security: 'semi-honest', receiver: 0, signal: new AbortController().signal },
        parties: parties.map((_, party) =>
          party === self ? { capacity: N } : { capacity: N, channel: channels[self] as Channel },
        ),
        items: items[self] as Uint8Array,
        resume: { task: TASK, sid: lasting },
        onProgress: ({ buckets }) => {
          if (self !== 0) return;
          progress.push(buckets);
          if (buckets === stopAfter) void thread.close();
        },
      })
      .catch((error: unknown) => {
        channels[self]?.close();
        throw error;
      }),
  );
  const [found, other] = await Promise.allSettled(runs);
  return { progress, found: found?.status === 'fulfilled' ? [...(found.value?.matches ?? [])] : undefined, other };
}

const lasting = `0x${'ab'.repeat(32)}` as Hash;

test('an attempt goes on where a killed one was, and nothing is left when the task has ended', async () => {
  const { mine, theirs, common } = sets();
  const parties = [start('a'), start('b')] as const;
  const first = await attempt(parties, [mine, theirs], { lasting, stopAfter: 2 });
  expect(first.progress.slice(0, 3)).toEqual([0, 1, 2]);
  expect([first.found, first.other?.status]).toEqual([undefined, 'rejected']);
  for (const file of ['seal', 'cut/0', 'results/0']) {
    expect((await stat(join(root, 'a', TASK, lasting, file))).mode & 0o777).toBe(0o600);
  }
  expect((await stat(join(root, 'a', TASK, lasting))).mode & 0o777).toBe(0o700);
  const second = await attempt(parties, [mine, theirs], { lasting });
  expect(second.progress[0]).toBeGreaterThanOrEqual(2);
  expect([second.progress.at(-1), second.found]).toEqual([BUCKETS, common]);
  await parties[0].retain([TASK]);
  expect(await readdir(join(root, 'a'))).toEqual([TASK]);
  for (const thread of parties) await thread.retain([]);
  expect([await readdir(join(root, 'a')), await readdir(join(root, 'b'))]).toEqual([[], []]);
});

test.each(['receiver', 'sender', 'store of the sender'] as const)(
  'with another set of the %s, or none, all begins anew',
  async (who) => {
    const { mine, theirs } = sets();
    const parties = [start('a'), start('b')] as const;
    await attempt(parties, [mine, theirs], { lasting, stopAfter: 3 });
    if (who === 'store of the sender') await parties[1].retain([]);
    // One item less in common.
    if (who === 'receiver') mine.set(random(16), 16 * 100);
    if (who === 'sender') theirs.set(random(16), 0);
    const second = await attempt(parties, [mine, theirs], { lasting });
    expect(second.progress[0]).toBe(0);
    const from = who === 'store of the sender' ? 100 : 101;
    expect(second.found).toEqual(Array.from({ length: 200 - from }, (_, i) => from + i));
  },
);

test('parties that mean another session stop at the first frame', async () => {
  const { mine, theirs } = sets();
  const [a, b] = [start('a'), start('b')];
  const other = `0x${'cd'.repeat(32)}` as Hash;
  const swapped: PsiThread = {
    ...b,
    intersect: (request) => b.intersect({ ...request, resume: { task: TASK, sid: other } }),
  };
  const { found, other: sender } = await attempt([a, swapped], [mine, theirs], { lasting });
  expect(found).toBe(undefined);
  expect(sender).toMatchObject({ status: 'rejected', reason: { code: 'PSI_SESSION_MISMATCH' } });
});

test('a damaged file ends the attempt, and the next one begins anew', async () => {
  const { mine, theirs, common } = sets();
  const parties = [start('a'), start('b')] as const;
  await attempt(parties, [mine, theirs], { lasting, stopAfter: 2 });
  const file = join(root, 'b', TASK, lasting, 'cut', `${BUCKETS - 1}`);
  await writeFile(file, (await readFile(file)).subarray(1));
  expect(await attempt(parties, [mine, theirs], { lasting })).toMatchObject({
    found: undefined,
    other: { reason: { code: 'PSI_STORE_DAMAGED' } },
  });
  const third = await attempt(parties, [mine, theirs], { lasting });
  expect([third.progress[0], third.found]).toEqual([0, common]);
});

test('what fits into memory leaves no file', async () => {
  const { mine, theirs, common } = sets();
  const parties = [start('a', 2 ** 30), start('b')] as const;
  expect((await attempt(parties, [mine, theirs], { lasting })).found).toEqual(common);
  await expect(readdir(join(root, 'a'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await readdir(join(root, 'b'))).toEqual([TASK]);
});

describe('in a task', () => {
  let net: TaskNetwork | undefined;
  afterEach(() => net?.stop());

  const tables = { people: table({}, { maxRows: N, keys: { id: key.exact('id') } }) };
  const one = { min: 1, max: 1, tables: ['people'] } as const;
  const plan = trace(
    defineTask({
      name: 'match',
      tables,
      roles: { bank: { ...one, tables: ['people'] }, shop: { ...one, tables: ['people'] } },
      run: ({ each, psi }) =>
        psi(
          each('bank', (t) => t.people.by('id')),
          each('shop', (t) => t.people.by('id')),
          { to: 'bank' },
        ),
    }),
  );
  checkPlan(plan);

  test('a holder that is killed comes back, and its second attempt takes up the first', async () => {
    const { mine, theirs, common } = sets();
    const rows = (digests: Uint8Array): KeyedRows => ({
      ...{ rows: N, digests: [digests], present: [new Uint8Array(N).fill(1)], columns: [] },
    });
    const progress: number[][] = [];
    let killed = false;
    const network = await taskNetwork({
      plans: { p: plan },
      holders: [{ vectors: {}, keyed: rows(mine), kept: new Map() }, { vectors: {}, keyed: rows(theirs) }, undefined],
      intersector: (node) => {
        const thread = start(`${node}`);
        return {
          retain: (tasks) => thread.retain(tasks),
          async intersect(request) {
            // The clock does not see the thread.
            const release = network.clock.hold();
            const seen: number[] = [];
            if (node === 1) progress.push(seen);
            const onProgress: typeof request.onProgress = (done) => {
              seen.push(done.buckets);
              request.onProgress?.(done);
              if (node !== 1 || killed || done.buckets !== 2) return;
              killed = true;
              void thread.close();
              network.kill(network.holders[0] as never);
              void network.clock.sleep(5_000).then(() => network.restart(network.holders[0] as never));
            };
            return thread.intersect({ ...request, onProgress }).finally(release);
          },
        };
      },
    });
    net = network;
    const id = (holder: number) => [network.holders[holder]?.id ?? '0x'] as never;
    const request = { program: 'p', purpose: 'test', roles: { bank: id(0), shop: id(1) } };
    const taskId = await network.analyst.tasks.submit(SubmitRequest.parse(request));
    for await (const _ of network.analyst.tasks.updates(taskId, new AbortController().signal));
    expect(network.analyst.tasks.view(taskId).phase).toBe('settled');
    expect([...(network.holders[0]?.data?.kept?.values() ?? [])]).toEqual([common]);
    expect(killed).toBe(true);
    expect(progress[0]?.slice(0, 3)).toEqual([0, 1, 2]);
    expect(progress.at(-1)?.[0]).toBeGreaterThanOrEqual(2);
    await vi.waitFor(async () => {
      for (const node of ['1', '2']) expect(await readdir(join(root, node))).toEqual([]);
    });
  }, 60_000);
});
