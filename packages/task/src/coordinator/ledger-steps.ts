/** What a coordinator says to the chain about a task: create, start, settle, and how it ends otherwise. @module */
import {
  type ChainReceipt,
  type Hash,
  hashValue,
  invitedHash,
  isNodeError,
  type NodeError,
  type NodeId,
  type SettleCommand,
  specHash,
  type TaskId,
} from '@2pm/core';
import { isReason, signAbort, signCreate, signStart, taskId as taskIdOf } from '@2pm/crypto';
import { wireError } from '../control.ts';
import { rosterOf } from '../roster.ts';
import { asNodeError } from './attempt.ts';
import type { Desk } from './desk.ts';
import type { CoordinatorTask } from './log.ts';
import { outcomeOf } from './outputs.ts';

const NOBODY = `0x${'00'.repeat(20)}` as NodeId;
const SETTLE_MARGIN_MS = 2_000;
const PLACEHOLDER_SECONDS = 60;
const MAX_TRIES = 5;

export async function publish(desk: Desk, { taskId, submitted }: CoordinatorTask): Promise<void> {
  const { chain, signer } = desk;
  const { spec } = submitted.signed;
  const { nonce, joinBy, settleBy, quorum } = spec;
  const command = await signCreate(signer, chain.info.domain, {
    nonce,
    specHash: specHash(spec),
    invitedHash: invitedHash(spec),
    joinBy,
    settleBy,
    quorum,
  });
  const receipt = await chain.submit(command, { signal: desk.stopped });
  desk.book.log(taskId, { type: 'published', ...desk.book.transaction(receipt) });
  desk.book.say(taskId, 'published', `published in block ${receipt.block}`);
}

/**
 * The nonce for the next task. Tasks that the chain has lost are published again first, because nonces are consecutive and
 * name the task; one whose deadline has passed meanwhile leaves an empty task in its place, which expires.
 */
export async function nextNonce(desk: Desk): Promise<number> {
  const { chain, clock, signer } = desk;
  for (;;) {
    const nonce = await chain.nextTaskNonce(signer.id);
    const lost = desk.book.find(taskIdOf(chain.info.domain, signer.id, nonce));
    if (lost === undefined) return nonce;
    try {
      await publish(desk, lost);
    } catch (error) {
      if (!isNodeError(error, 'LEDGER_BAD_DEADLINE')) throw error;
      const joinBy = Math.ceil(clock.now() / 1_000) + PLACEHOLDER_SECONDS;
      const nothing = hashValue('2pm/placeholder/1', nonce) as Hash;
      const empty = { nonce, specHash: nothing, invitedHash: nothing, joinBy, settleBy: joinBy + 1, quorum: 0 };
      await chain.submit(await signCreate(signer, chain.info.domain, empty), { signal: desk.stopped });
    }
  }
}

/**
 * The chain as the log has it: one that has lost its newest blocks hears again what it was told. Every command is
 * idempotent. A loss may go unnoticed by the event stream, when the lost block had not been read yet.
 */
export async function uphold(desk: Desk, taskId: TaskId): Promise<void> {
  const task = desk.book.task(taskId);
  // Unreachable is not lost.
  const onChain = await desk.chain.task(taskId).catch(() => undefined);
  if (task.published === undefined || onChain === undefined) return;
  if (onChain === null) await nextNonce(desk);
  const status = onChain?.status ?? 'open';
  if (task.started !== undefined && status === 'open') await start(desk, task);
  if (task.ended?.phase === 'settled' && (status === 'open' || status === 'running')) await settle(desk, taskId);
}

/** Says something about a published task to a chain that may have lost it meanwhile. */
async function insist<T>(desk: Desk, taskId: TaskId, say: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await say();
    } catch (error) {
      const lost = isNodeError(error, 'LEDGER_TASK_UNKNOWN') || isNodeError(error, 'LEDGER_TASK_WRONG_STATE');
      if (!lost || tries === MAX_TRIES) throw error;
      await uphold(desk, taskId);
    }
  }
}

export async function start(desk: Desk, { taskId, chosen, submitted }: CoordinatorTask): Promise<void> {
  const { chain, signer } = desk;
  const { members, consents, consentHashes } = rosterOf(
    chosen?.consents ?? [],
    submitted.signed.spec,
    chain.info.domain,
  );
  const consentSignatures = consents.map(({ signature }) => signature);
  const command = await signStart(signer, chain.info.domain, { taskId, members, consentHashes, consentSignatures });
  const receipt = await insist(desk, taskId, () => chain.submit(command, { signal: desk.stopped }));
  desk.book.log(taskId, { type: 'started', ...desk.book.transaction(receipt) });
  desk.book.say(taskId, 'started', `started with ${members.length} members in block ${receipt.block}`);
}

export async function settle(desk: Desk, taskId: TaskId): Promise<void> {
  const { chain } = desk;
  const task = desk.book.task(taskId);
  const { members, consentHashes } = desk.book.roster(taskId);
  const { resultRoot, transcriptRoot } = outcomeOf(task);
  if (task.settling === undefined) desk.book.log(taskId, { type: 'settling', at: desk.clock.now() });
  const command: SettleCommand = {
    type: 'settle',
    taskId,
    members,
    consentHashes,
    resultRoot,
    transcriptRoot,
    signatures: members.map((member) => task.released.get(member)?.attestation ?? '0x'),
  };
  const receipt = await insist(desk, taskId, () => chain.submit(command, { signal: desk.stopped }));
  desk.book.log(taskId, { type: 'ended', phase: 'settled', ...desk.book.transaction(receipt) });
  desk.book.say(taskId, 'settled', `settled in block ${receipt.block}`);
}

/** Ends a task that cannot go on: on the chain, with a reason. */
export async function conclude(desk: Desk, taskId: TaskId, error: unknown): Promise<void> {
  const task = desk.book.task(taskId);
  if (desk.stopped.aborted) return;
  const { chain, signer } = desk;
  const cause = asNodeError(error);
  if (task.ended !== undefined) {
    // Settled on the chain, and what a seat sealed does not open: the analyst must hear of it, not wait.
    desk.book.log(taskId, { ...task.ended, phase: 'failed', error: wireError(cause) });
    desk.book.say(taskId, 'failed', `${cause.code}: ${cause.message}`);
    return;
  }
  const signal = desk.stopped;
  const none = { tx: '', block: 0, gasUsed: 0, at: desk.clock.now() };
  if (task.published === undefined) {
    desk.book.log(taskId, { type: 'ended', phase: 'failed', ...none, error: wireError(cause) });
    return;
  }
  const expired = isNodeError(error, 'TASK_DEADLINE');
  try {
    let receipt: ChainReceipt;
    if (expired) {
      await desk.clock.sleep(SETTLE_MARGIN_MS, signal);
      receipt = await chain.submit({ type: 'expire', taskId }, { signal });
    } else {
      const running = task.started === undefined ? undefined : desk.book.roster(taskId);
      receipt = await chain.submit(
        await signAbort(signer, chain.info.domain, {
          taskId,
          reason: isReason(cause.code) ? cause.code : 'TASK_FAILED',
          culprit: culpritOf(task, cause),
          members: running?.members ?? [],
          consentHashes: running?.consentHashes ?? [],
        }),
        { signal },
      );
    }
    const phase = expired ? 'expired' : cause.fault === 'policy' || task.refusals.size > 0 ? 'refused' : 'aborted';
    desk.book.log(taskId, { type: 'ended', phase, ...desk.book.transaction(receipt), error: wireError(cause) });
    desk.book.say(taskId, phase, `${cause.code}: ${cause.message}`);
  } catch {
    if (signal.aborted) return;
    desk.book.log(taskId, { type: 'ended', phase: 'failed', ...none, error: wireError(cause) });
    desk.book.say(taskId, 'failed', `${cause.code}: ${cause.message}`);
  }
}

/** Who refused, or failed by itself. Where a member accuses another, the coordinator cannot tell which of them lies. */
function culpritOf({ failed, refusals }: CoordinatorTask, cause: NodeError): NodeId {
  if (failed === undefined || failed.error.code !== cause.code) return [...refusals.keys()][0] ?? NOBODY;
  return failed.error.fault === 'peer' ? NOBODY : failed.node;
}
