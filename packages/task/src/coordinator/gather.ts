/** Asking the invited: offers, until everyone has answered or it is time to start with those who have. @module */
import { invitedNodes, NodeError, type NodeId, type TaskId } from '@2pm/core';
import { checkRoster, type Roster, rosterOf, startsWithout } from '../roster.ts';
import { asNodeError } from './attempt.ts';
import type { Desk } from './desk.ts';
import { uphold } from './ledger-steps.ts';

/** Start this long before joinBy with those who have consented, so that the transaction is in time. */
const START_MARGIN_MS = 3_000;
const UPHOLD_MS = 1_000;

/** Offers the task, until everyone has answered or it is time to start with those who have. */
export async function gather(desk: Desk, taskId: TaskId, signal: AbortSignal): Promise<void> {
  const { chain } = desk;
  const { plan, signed } = desk.book.task(taskId).submitted;
  const { spec } = signed;
  const invited = invitedNodes(spec);
  desk.book.say(taskId, 'gathering', `waiting for ${invited.length} answers`);
  const offering = new AbortController();
  const offers = AbortSignal.any([signal, offering.signal]);
  const answered = (node: NodeId) =>
    desk.book.task(taskId).consents.has(node) || desk.book.task(taskId).refusals.has(node);
  for (const node of invited) void offer(desk, taskId, node, () => answered(node), offers);
  void keepPublished(desk, taskId, offers);
  const late = desk.clock
    .sleep(Math.max(0, spec.joinBy * 1_000 - START_MARGIN_MS - desk.clock.now()), offers)
    .then(() => 'late' as const);
  late.catch(() => undefined);
  try {
    await Promise.race([
      late,
      desk.book.changes(taskId).until(() => {
        const task = desk.book.task(taskId);
        // One refusal can settle the question before everyone has answered.
        const decided = invited.every(answered) || !startsWithout((node) => task.refusals.has(node), spec, plan);
        return decided ? true : undefined;
      }, offers),
    ]);
  } finally {
    offering.abort();
  }
  const task = desk.book.task(taskId);
  let roster: Roster;
  try {
    roster = rosterOf([...task.consents.values()], spec, chain.info.domain);
    checkRoster(roster, spec, plan);
  } catch (error) {
    const refused = [...task.refusals.values()][0];
    if (refused === undefined) throw error;
    throw new NodeError(refused.code, refused.reasons[0]?.message ?? 'a member refused', { fault: 'policy' });
  }
  desk.book.log(taskId, { type: 'chosen', consents: roster.consents, at: desk.clock.now() });
}

/** Nobody answers for a task that the chain has lost. */
async function keepPublished(desk: Desk, taskId: TaskId, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await desk.clock.sleep(UPHOLD_MS, signal);
      await uphold(desk, taskId).catch(() => undefined);
    }
  } catch {
    // The gathering is over.
  }
}

async function offer(
  desk: Desk,
  taskId: TaskId,
  node: NodeId,
  answered: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (let pause = 500; !answered(); pause = Math.min(pause * 2, 5_000)) {
      await desk
        .control()
        .call(node, { kind: 'offer', taskId }, { signal })
        .catch((error) => {
          signal.throwIfAborted();
          desk.book.heard(taskId, node, 'unreachable', asNodeError(error).message);
        });
      await desk.clock.sleep(pause, signal);
    }
  } catch {
    // The gathering is over.
  }
}
