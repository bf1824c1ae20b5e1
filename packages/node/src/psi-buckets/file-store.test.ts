import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bucketMatches } from '@2pm/psi';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileBucketStore } from './file-store.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), '2pm-buckets-'));
});
afterEach(() => rm(root, { recursive: true }));

test('what was sealed and put is there for the next process, and what was not sealed is not', async () => {
  const dir = join(root, 'a');
  const store = fileBucketStore(dir);
  expect([await store.sealed(), await store.finished()]).toEqual([undefined, []]);
  await store.clear();
  await store.append(3, Uint8Array.of(1, 2));
  await store.append(3, Uint8Array.of(3));
  expect(await fileBucketStore(dir).sealed()).toBe(undefined);
  await store.seal(Uint8Array.of(9));
  await store.putResult(12, Uint8Array.of(5));
  await store.putResult(3, new Uint8Array());
  const again = fileBucketStore(dir);
  expect(await again.sealed()).toEqual(Uint8Array.of(9));
  expect([await again.read(3), await again.read(0)]).toEqual([Uint8Array.of(1, 2, 3), new Uint8Array()]);
  expect(await again.finished()).toEqual([3, 12]);
  expect([await again.result(12), await again.result(4)]).toEqual([Uint8Array.of(5), undefined]);
  await again.clear();
  expect([await again.sealed(), await again.finished()]).toEqual([undefined, []]);
  expect(await again.read(3)).toEqual(new Uint8Array());
});

test('a result that was cut off while it was written does not count, and files are the owner’s alone', async () => {
  const store = fileBucketStore(join(root, 'b'));
  await store.clear();
  await store.append(0, Uint8Array.of(1));
  await store.seal(Uint8Array.of(9));
  await store.putResult(1, Uint8Array.of(5));
  await writeFile(join(root, 'b', 'results', '2.partial'), 'x');
  expect(await store.finished()).toEqual([1]);
  for (const file of ['seal', 'cut/0', 'results/1']) {
    expect((await stat(join(root, 'b', file))).mode & 0o777).toBe(0o600);
  }
});

const built = fileURLToPath(new URL('../../dist/psi-buckets/file-store.js', import.meta.url));

/** One party as a process: frames go through its parent, the set stands in a file. */
const PARTY = `
import { Inbox } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { rr22BucketsReceiver, rr22BucketsSender } from '@2pm/psi';
import { readFileSync } from 'node:fs';
const [role, dir, capacity, store] = JSON.parse(process.env.PARTY);
const { fileBucketStore } = await import(store);
const inbox = new Inbox();
process.on('message', ({ frame }) => inbox.push(frame));
for (const end of ['disconnect', 'error']) process.on(end, () => process.exit(1));
const channel = {
  peer: '0x' + '00'.repeat(20),
  send: async (frame) => void process.send({ frame }),
  receive: () => inbox.next(),
  close() {},
};
await (role === 'receiver' ? rr22BucketsReceiver : rr22BucketsSender)({
  channel,
  sid: '0x' + 'ab'.repeat(32),
  capacity: { receiver: capacity, sender: capacity },
  buckets: 6,
  items: () => [new Uint8Array(readFileSync(dir + '/items'))],
  store: fileBucketStore(dir),
  rng: nodeRng,
  crypto: nodeCrypto,
  onProgress: ({ buckets }) => process.send({ buckets }),
});
process.send({ ended: true }, () => process.exit(0));
`;

describe.skipIf(!existsSync(built))('two processes over files', () => {
  /** Runs both until both have ended, or until `victim` has finished `after` buckets and is killed. */
  async function runBoth(dirs: string[], n: number, kill?: { victim: number; after: number }): Promise<number[]> {
    const progress: number[] = [];
    const children = ['receiver', 'sender'].map((role, i) =>
      spawn(process.execPath, ['--input-type=module', '-e', PARTY], {
        cwd: fileURLToPath(new URL('.', import.meta.url)),
        env: { PARTY: JSON.stringify([role, dirs[i], n, built]) },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        serialization: 'advanced',
      }),
    );
    for (const [i, child] of children.entries()) {
      child.on('message', (message: { frame?: Uint8Array; buckets?: number }) => {
        const other = children[1 - i];
        // One that was just killed still counts as connected: what it is sent is lost, as it would be.
        if (message.frame !== undefined && other?.connected) other.send(message, () => undefined);
        if (message.buckets === undefined) return;
        if (i === 0) progress.push(message.buckets);
        if (kill !== undefined && i === kill.victim && message.buckets === kill.after) child.kill('SIGKILL');
      });
      // A connection breaks at both ends.
      child.on('exit', (code) => code !== 0 && children[1 - i]?.connected && children[1 - i]?.disconnect());
    }
    await Promise.all(children.map((child) => once(child, 'exit')));
    return progress;
  }

  test('a party that is killed between buckets goes on where it was, and the result is that of a run in one piece', async () => {
    const n = 6000;
    const dirs = [join(root, 'receiver'), join(root, 'sender')];
    const [mine, theirs] = [randomBytes(16 * n), randomBytes(16 * n)];
    mine.copy(theirs, 0, 16 * 1000, 16 * 3000);
    for (const [i, items] of [mine, theirs].entries()) {
      await fileBucketStore(dirs[i] as string).clear();
      await writeFile(join(dirs[i] as string, 'items'), items);
    }
    expect((await runBoth(dirs, n, { victim: 0, after: 2 })).slice(0, 3)).toEqual([0, 1, 2]);
    const done = await fileBucketStore(dirs[0] as string).finished();
    expect(done.length).toBeGreaterThanOrEqual(2);
    expect(done.length).toBeLessThan(6);
    const second = await runBoth(dirs, n, { victim: 1, after: 4 });
    expect(second[0]).toBe(done.length);
    const third = await runBoth(dirs, n);
    expect(third[0]).toBeGreaterThanOrEqual(done.length);
    expect(third.at(-1)).toBe(6);
    const found: number[] = [];
    for await (const places of bucketMatches(fileBucketStore(dirs[0] as string))) found.push(...places);
    expect(found.sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, i) => 1000 + i));
    expect((await readdir(join(dirs[0] as string, 'results'))).length).toBe(6);
  }, 30_000);
});
