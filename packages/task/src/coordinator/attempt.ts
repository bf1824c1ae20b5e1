/** One attempt seen from the coordinator: tell everyone, wait until all have prepared, notice who is gone. @module */
import { type Clock, isNodeError, NodeError, type NodeId, type TaskId } from '@2pm/core';
import type { ControlPlane } from '../control.ts';
import { remoteError, wireError } from '../control.ts';
import type { Notifier } from '../deadline.ts';
import type { Desk } from './desk.ts';
import type { CoordinatorTask } from './log.ts';

const MAX_ATTEMPTS = 20;
const PING_EVERY_MS = 1_000;
const PING_TIMEOUT_MS = 5_000;

export interface AttemptWatch {
  taskId: TaskId;
  members: readonly NodeId[];
  control: ControlPlane;
  clock: Clock;
  /** Fires at the task's deadline or when the analyst gives up. */
  signal: AbortSignal;
  task: () => CoordinatorTask;
  changed: Notifier;
  onLost: (member: NodeId, error: NodeError) => void;
  onBack: (member: NodeId) => void;
}

/** Waits until every member answers; says who is missing meanwhile. */
export async function allReachable(watch: AttemptWatch): Promise<void> {
  await Promise.all(
    watch.members.map(async (member) => {
      for (let tries = 0; ; tries++) {
        try {
          await watch.control.call(member, { kind: 'ping' }, { signal: watch.signal, timeoutMs: PING_TIMEOUT_MS });
          if (tries > 0) watch.onBack(member);
          return;
        } catch (error) {
          watch.signal.throwIfAborted();
          if (tries === 0) watch.onLost(member, asNodeError(error));
          await watch.clock.sleep(Math.min(250 * 2 ** Math.min(tries, 3), 2_000), watch.signal);
        }
      }
    }),
  );
}

/** Resolves when all members have prepared `attempt`. @throws what a member reported, or `TASK_MEMBER_LOST`. */
export async function allPrepared(watch: AttemptWatch, attempt: number): Promise<void> {
  const over = new AbortController();
  const signal = AbortSignal.any([watch.signal, over.signal]);
  const waiting = watch.changed.until(() => {
    const task = watch.task();
    if (task.failed?.attempt === attempt) throw remoteError(task.failed.error);
    return watch.members.every((member) => task.prepared.get(member)?.attempt === attempt) ? true : undefined;
  }, signal);
  const pinging = Promise.all(
    watch.members.map(async (member) => {
      for (;;) {
        await watch.clock.sleep(PING_EVERY_MS, signal);
        if (watch.task().prepared.has(member)) return new Promise<never>(() => undefined);
        try {
          await watch.control.call(member, { kind: 'ping' }, { signal, timeoutMs: PING_TIMEOUT_MS });
        } catch (error) {
          signal.throwIfAborted();
          const lost = asNodeError(error);
          watch.onLost(member, lost);
          throw new NodeError('TASK_MEMBER_LOST', `${member} does not answer (${lost.code})`, {
            fault: 'peer',
            retryable: true,
          });
        }
      }
    }),
  );
  try {
    await Promise.race([waiting, pinging]);
  } finally {
    over.abort(new NodeError('TASK_ATTEMPT_OVER', 'the attempt is over', { fault: 'node' }));
    await Promise.allSettled([waiting]);
    pinging.catch(() => undefined);
  }
}

export function asNodeError(error: unknown): NodeError {
  return isNodeError(error) ? error : remoteError(wireError(error));
}

/** One attempt: begins it, waits for all, and either marks it for release or leaves the way free for the next. */
export async function runAttempt(desk: Desk, taskId: TaskId, signal: AbortSignal): Promise<void> {
  const { control } = desk;
  const { consents } = desk.book.roster(taskId);
  const watch = watchOf(desk, taskId, signal);
  await allReachable(watch);
  if (desk.book.task(taskId).attempt >= MAX_ATTEMPTS) {
    throw new NodeError('TASK_TOO_MANY_ATTEMPTS', `${MAX_ATTEMPTS} attempts failed`, { fault: 'peer' });
  }
  const attempt = desk.book.task(taskId).attempt + 1;
  desk.book.log(taskId, { type: 'attempted', attempt });
  desk.book.say(taskId, 'computing', attempt === 1 ? 'the members compute' : `attempt ${attempt}, with fresh secrets`);
  try {
    await Promise.all(
      watch.members.map((member) => control().call(member, { kind: 'attempt', taskId, attempt, consents }, { signal })),
    );
    await allPrepared(watch, attempt);
  } catch (error) {
    signal.throwIfAborted();
    const cause = asNodeError(error);
    if (!cause.retryable) throw cause;
    desk.book.say(taskId, 'failed', `attempt ${attempt}: ${cause.message}`);
    await desk.clock.sleep(200, signal);
    return;
  }
  desk.book.log(taskId, { type: 'releasing', attempt, at: desk.clock.now() });
}

function watchOf(desk: Desk, taskId: TaskId, signal: AbortSignal): AttemptWatch {
  return {
    taskId,
    members: desk.book.roster(taskId).members,
    control: desk.control(),
    clock: desk.clock,
    signal,
    task: () => desk.book.task(taskId),
    changed: desk.book.changes(taskId),
    onLost: (member, error) => desk.book.heard(taskId, member, 'lost', `does not answer (${error.code})`),
    onBack: (member) => desk.book.heard(taskId, member, 'back', 'is back'),
  };
}
