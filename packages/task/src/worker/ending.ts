/** How a task ends for a member: by the chain's word, which it may bring about where a deadline has passed. @module */
import { NodeError, type TaskId } from '@2pm/core';
import { background, type WorkerDesk } from './desk.ts';
import type { WorkerEvent } from './log.ts';

/** After a deadline, how long others may be first to expire the task. */
const EXPIRE_GRACE_MS = 4_000;

/** Stops what runs, and lets go of the data. */
export function end(
  desk: WorkerDesk,
  taskId: TaskId,
  ending: Omit<Extract<WorkerEvent, { type: 'ended' }>, 'type'>,
): void {
  const { book, data, running } = desk;
  const task = book.find(taskId);
  if (task === undefined || task.ended !== undefined) return;
  const { reason, status } = ending;
  book.log(taskId, { type: 'ended', ...ending });
  const attempt = running.get(taskId);
  attempt?.abort.abort(new NodeError('TASK_ENDED', `the task has ended: ${status}`, { fault: 'peer' }));
  background(data?.release(taskId) ?? Promise.resolve());
  background((attempt?.done ?? Promise.resolve()).finally(() => forgetEnded(desk)));
  book.say(taskId, status, reason === '' ? `the task is ${status}` : `the task is ${status}: ${reason}`);
}

/** What intersections keep for another attempt serves open tasks alone. */
export function forgetEnded({ book, intersector }: WorkerDesk): void {
  const open = book.list().filter(({ ended }) => ended === undefined);
  background(intersector.retain(open.map(({ taskId }) => taskId)));
}

/** Whoever notices first ends a task whose deadline has passed; a coordinator that vanished cannot hold it open. */
export function watchDeadlines(desk: WorkerDesk, taskId: TaskId): void {
  const { book, chain, env, stopped: signal } = desk;
  const { clock } = env;
  const spec = book.task(taskId).signed?.spec;
  if (spec === undefined) return;
  const watch = async () => {
    while (!signal.aborted && book.find(taskId)?.ended === undefined) {
      const onChain = await chain.task(taskId).catch(() => undefined);
      if (onChain !== undefined && onChain !== null) {
        if (onChain.status !== 'open' && onChain.status !== 'running') {
          end(desk, taskId, { status: onChain.status, reason: '' });
          return;
        }
        const by = (onChain.status === 'open' ? spec.joinBy : spec.settleBy) * 1_000 + EXPIRE_GRACE_MS;
        if (clock.now() > by) await chain.submit({ type: 'expire', taskId }, { signal }).catch(() => undefined);
        else {
          await clock.sleep(Math.min(by - clock.now() + 500, 60_000), signal);
          continue;
        }
      }
      await clock.sleep(2_000, signal);
    }
  };
  background(watch());
}
