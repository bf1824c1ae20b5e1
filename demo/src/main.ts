/**
 * `npm run demo`: a whole network on this machine, from nothing to a settled private result, then what must not work: a
 * task that wants too much, a holder killed in the middle, a forged receipt. `--json` ends with one line for machines,
 * `--keep` leaves the network running.
 * @module
 */
import { randomInt } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { NodeId, TaskId } from '@2pm/core';
import type { TaskUpdate, TaskView } from '@2pm/core/api';
import type { AnswerLine } from './answer.ts';
import { addMembers, found, gathered, joinNetwork, type Party, start } from './cast.ts';
import { splitFlights } from './datasets.ts';
import { makeMembers } from './members.ts';
import { letGo, stopAll, twopm } from './processes.ts';
import { Stage } from './stage.ts';

const PROGRAMS = fileURLToPath(new URL('../../examples/', import.meta.url));
const DELAYS = 'Public statistics of flight delays';
const MEMBERS = 'How two programmes overlap, before they honour each other’s members';

const { values: flags } = parseArgs({
  options: { json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
});
const stage = new Stage(flags.json ? process.stderr : process.stdout);
const began = Date.now();
const dir = await mkdtemp(join(tmpdir(), '2pm-demo-'));
const parties: Party[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void stopAll()
      .then(() => rm(dir, { recursive: true, force: true }))
      .finally(() => process.exit(130));
  });
}

try {
  process.exitCode = (await play()) ? 0 : 1;
} catch (error) {
  stage.note(error instanceof Error ? error.message : String(error));
  // Whatever else was being started must not outlive this.
  await stopAll();
  await rm(dir, { recursive: true, force: true });
  process.exit(1);
} finally {
  if (flags.keep && parties.length > 0) {
    stage.note(`left running in ${dir}; stop it with: kill ${parties.map((party) => party.process.pid).join(' ')}`);
    letGo();
  } else {
    await stopAll();
    await rm(dir, { recursive: true, force: true });
  }
}

async function play(): Promise<boolean> {
  stage.title('Three airlines, one question, no flight shown to anybody');
  stage.step('splitting 3 million real flights into Parquet, CSV and SQLite; founding the network');
  const [{ files, answer }, founding] = await Promise.all([splitFlights(dir), found(dir, 3)]);
  const { analyst } = founding;
  parties.push(analyst);
  stage.step(`${analyst.org} hosts the chain`);
  const holders = await Promise.all(
    files.map(async (file, index) => {
      const party = await joinNetwork(founding, join(dir, `holder-${index + 1}`), file);
      stage.step(`${file.org} joins with ${file.rows.toLocaleString('en')} rows of ${file.kind}`);
      return party;
    }),
  );
  parties.push(...holders);
  await gathered(analyst, holders.length);

  stage.title('1  A private answer');
  const first = await submit(analyst, '01-flight-delays.ts');
  const view = await follow(analyst, first);
  const settled = view.phase === 'settled';
  const firstSeconds = (Date.now() - began) / 1_000;
  const matches = settled && stage.compare((await analyst.client.result(first)).result, answer);
  stage.learnt(view, "the three airlines: that the task ran, with whom, and nothing of each other's flights");
  stage.cost(view);

  stage.title('2  A greedy task');
  const refusal = await follow(analyst, await submit(analyst, '02-greedy-rows.ts'));
  const refused = refusal.phase === 'refused' && refusal.refusals.length > 0;
  stage.refusals(refusal);

  stage.title('3  Members in common');
  const overlaps = await findOverlap(analyst, holders);

  stage.title('4  A holder dies in the middle');
  const recovered = await surviveKill(analyst, holders, answer);

  stage.title('5  A forged receipt');
  const forgeryRejected = await forge(analyst, first);

  const seconds = (Date.now() - began) / 1_000;
  const ok = settled && matches && refused && overlaps && recovered && forgeryRejected;
  stage.end(ok, firstSeconds, seconds);
  if (flags.json) {
    const { gas, bytesSent: bytes } = view.cost;
    console.log(
      JSON.stringify({
        settled,
        matches,
        refused,
        overlaps,
        recovered,
        forgeryRejected,
        seconds,
        firstSeconds,
        gas,
        bytes,
      }),
    );
  }
  return ok;
}

async function submit(
  { client }: Party,
  program: string,
  options: { purpose?: string; roles?: Record<string, NodeId[]> } = {},
): Promise<TaskId> {
  const { purpose = DELAYS, roles = {} } = options;
  return client.submit({ program: await readFile(join(PROGRAMS, program), 'utf8'), purpose, roles });
}

async function follow(
  { client }: Party,
  taskId: TaskId,
  onUpdate?: (update: TaskUpdate) => Promise<void>,
): Promise<TaskView> {
  const progress = stage.progress();
  for await (const update of client.updates(taskId)) {
    progress.update(update);
    await onUpdate?.(update);
  }
  progress.end();
  return client.task(taskId);
}

/** Two holders match their members, the third puts tags together; the analyst reads totals, the host its own list. */
async function findOverlap(analyst: Party, holders: readonly Party[]): Promise<boolean> {
  const [host, partner, third] = holders;
  if (host === undefined || partner === undefined || third === undefined) throw new Error('the demo has three holders');
  const files = await makeMembers(dir);
  await Promise.all([addMembers(host, files.host.path), addMembers(partner, files.partner.path)]);
  for (const [{ org }, { rows }] of [
    [host, files.host],
    [partner, files.partner],
  ] as const) {
    stage.step(`${org} brings ${rows.toLocaleString('en')} members with emails as people type them`);
  }
  const peers = await analyst.client.peers();
  const idOf = ({ org }: Party) => peers.filter((peer) => peer.org === org).map(({ node }) => node);
  const roles = { host: idOf(host), partner: idOf(partner) };
  const taskId = await submit(analyst, '03-shared-members.ts', { purpose: MEMBERS, roles });
  const view = await follow(analyst, taskId);
  if (view.phase !== 'settled') {
    stage.refusals(view);
    stage.outcome(view);
    return false;
  }
  const equal = stage.compare((await analyst.client.result(taskId)).result, files.answer);
  const { own } = await host.client.task(taskId);
  const kept = stage.kept(own?.kept[0]?.rows, files.shared, host.org);
  stage.learnt(view, `${third.org}: how many tags are equal, not whose`);
  stage.cost(view);
  return equal && kept;
}

/** Kills one holder while it computes, brings it back, and sees the task to its end. */
async function surviveKill(analyst: Party, holders: readonly Party[], answer: readonly AnswerLine[]): Promise<boolean> {
  const victim = holders[1];
  if (victim === undefined) throw new Error('the demo has three holders');
  const taskId = await submit(analyst, '01-flight-delays.ts');
  let killed = false;
  const view = await follow(analyst, taskId, async ({ org, phase }) => {
    if (killed || org !== victim.org || (phase !== 'connecting' && phase !== 'local')) return;
    killed = true;
    await victim.process.kill();
    stage.note(`kill -9 ${victim.process.pid}: ${victim.org} is gone`);
    const back = await start(victim.org, victim.dir, victim.file);
    parties.splice(parties.indexOf(victim), 1, back);
    stage.note(`${victim.org} is back, reads its log, and the members begin again with fresh secrets`);
  });
  stage.outcome(view);
  return (
    killed &&
    view.phase === 'settled' &&
    view.attempt > 1 &&
    stage.compare((await analyst.client.result(taskId)).result, answer)
  );
}

/** The receipt verifies as it is, and with one bit flipped, whichever, it does not. */
async function forge(analyst: Party, taskId: TaskId): Promise<boolean> {
  const receipt = await analyst.client.receipt(taskId);
  const genuine = join(dir, 'receipt');
  const forged = join(dir, 'forged-receipt');
  await writeFile(genuine, receipt);
  const bit = randomInt(receipt.length * 8);
  const altered = receipt.slice();
  altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  await writeFile(forged, altered);
  await twopm(analyst.dir, 'task', 'verify', genuine);
  stage.step(`the receipt of ${receipt.length.toLocaleString('en')} bytes verifies offline`);
  const rejection = await twopm(analyst.dir, 'task', 'verify', forged).then(
    () => undefined,
    (error: Error) => error.message,
  );
  const rejected = rejection?.includes('RECEIPT_INVALID') === true;
  stage.rejected(rejected, bit);
  return rejected;
}
