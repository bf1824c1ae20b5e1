/** What a worker says to the coordinator of a task. @module */
import { isNodeError, type TaskId } from '@2pm/core';
import type { ControlRequest } from '../messages.ts';
import { background, type WorkerDesk } from './desk.ts';

/** Repeats until it is said or the task has ended; what cannot be said now is asked for later. */
export async function tell(
  { book, control, env, stopped }: WorkerDesk,
  request: Extract<ControlRequest, { kind: 'consent' | 'prepared' | 'failed' }>,
): Promise<void> {
  const coordinator = book.task(request.taskId).signed?.spec.coordinator;
  if (coordinator === undefined) return;
  for (let pause = 250; ; pause = Math.min(pause * 2, 4_000)) {
    try {
      await control().call(coordinator, request, { signal: stopped });
      return;
    } catch (error) {
      if (!isNodeError(error) || !error.retryable || book.find(request.taskId)?.ended !== undefined) return;
      await env.clock.sleep(pause, stopped);
    }
  }
}

/** Says how far the work is, here and to the coordinator. */
export function report(
  { book, control, stopped }: WorkerDesk,
  taskId: TaskId,
  phase: string,
  message: string,
  progress?: { done: number; of: number },
): void {
  book.say(taskId, phase, message, progress);
  const { attempt, signed } = book.task(taskId);
  if (signed === undefined) return;
  const news = { kind: 'progress', taskId, attempt, phase, message: message.slice(0, 300), ...progress } as const;
  background(control().call(signed.spec.coordinator, news, { signal: stopped }));
}
