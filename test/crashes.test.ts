/** Processes that die by kill -9, at any moment: a task settles with the right result or ends in words, and the next one works. */
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskId } from '@2pm/core';
import { gathered, makeNode, type Party, start } from '@2pm/demo/cast';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ended, type Network, type Row, raise, SUMS, settle, sums } from './network.ts';

const rows = [0, 1, 2].map((holder) =>
  Array.from({ length: 40 }, (_, i): Row => ({ delay: i + holder, serial: 1_000 * holder + i, note: 'x' })),
) as [Row[], Row[], Row[]];
const request = { program: SUMS, purpose: 'to survive' };

let net: Network;
/** A coordinator that vanishes right after it has started its task, while everything else goes on. */
let orphan: TaskId;

beforeAll(async () => {
  net = await raise(rows);
  const dir = join(net.dir, 'fifth');
  await makeNode(net.founding, dir, 'Vanishing');
  const coordinator = await start('Vanishing', dir, undefined);
  await gathered(net.analyst, 4);
  orphan = await coordinator.client.submit({ ...request, joinWithinSeconds: 15, settleWithinSeconds: 5 });
  for await (const { phase } of coordinator.client.updates(orphan)) if (phase === 'started') break;
  await coordinator.process.kill();
}, 120_000);
afterAll(() => net?.stop());

async function expectRight(taskId: TaskId) {
  const view = await ended(net.analyst, taskId);
  expect(view.phase, JSON.stringify([view.error, view.refusals, view.members])).toBe('settled');
  expect((await net.analyst.client.result(taskId)).result).toEqual(sums(rows));
}

const settlesRight = async () => expectRight((await settle(net.analyst)).taskId);

/** kill -9, then up again in the same directory. */
async function revive(party: Party): Promise<Party> {
  await party.process.kill();
  return start(party.org, party.dir, party.file);
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test.each([1, 2])('a holder is killed at a random moment of a task (%i)', { timeout: 60_000 }, async (index) => {
  const taskId = await net.analyst.client.submit(request);
  const moment = randomInt(2_500);
  await sleep(moment);
  net.holders[index] = await revive(net.holders[index] as Party);
  const view = await ended(net.analyst, taskId);
  expect(['settled', 'aborted', 'expired'], `killed after ${moment} ms: ${JSON.stringify(view.error)}`).toContain(
    view.phase,
  );
  if (view.phase === 'settled') await expectRight(taskId);
  else expect(view.error).toMatchObject({ code: expect.any(String), message: expect.any(String) });
});

test('the chain is killed during a task, and its supervisor brings it back', { timeout: 60_000 }, async () => {
  const taskId = await net.analyst.client.submit(request);
  const pidFile = join(net.analyst.dir, 'state', 'chain', 'anvil.pid');
  const { pid } = JSON.parse(await readFile(pidFile, 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  await expectRight(taskId);
  await settlesRight();
});

test('the founding node is killed during its task, with the chain that it hosts, and comes back', {
  timeout: 60_000,
}, async () => {
  const taskId = await net.analyst.client.submit(request);
  await sleep(randomInt(2_000));
  net.analyst = await revive(net.analyst);
  await expectRight(taskId);
  await settlesRight();
});

test('a coordinator that vanished cannot hold its task open: the members end it', async () => {
  const [{ client }] = net.holders;
  expect(await ended({ client }, orphan)).toMatchObject({ phase: 'expired' });
});
