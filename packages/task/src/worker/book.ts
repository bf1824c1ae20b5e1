/** What a worker knows of the tasks of others: durable in the log, and said to people as it happens. @module */
import { type Clock, type Journal, NodeError, type NodeId, type TaskId } from '@2pm/core';
import type { TaskUpdate } from '@2pm/core/api';
import { readWorkerTasks, reduceWorker, type WorkerEvent, type WorkerTask, workerEntry } from './log.ts';

export interface WorkerBookOptions {
  self: NodeId;
  clock: Clock;
  journal: Journal;
  orgOf: (node: NodeId) => string;
  onUpdate: (update: TaskUpdate) => void;
  onChanged: (task: WorkerTask) => void;
}

export class WorkerBook {
  readonly #options: WorkerBookOptions;
  readonly #tasks: Map<TaskId, WorkerTask>;

  constructor(options: WorkerBookOptions) {
    this.#options = options;
    this.#tasks = readWorkerTasks(options.journal.read());
  }

  close(): void {
    this.#options.journal.close();
  }

  list(): WorkerTask[] {
    return [...this.#tasks.values()];
  }

  find(taskId: TaskId): WorkerTask | undefined {
    return this.#tasks.get(taskId);
  }

  /** @throws {NodeError} `TASK_STATE`. */
  task(taskId: TaskId): WorkerTask {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw badState('unknown task');
    return task;
  }

  /** A task that `coordinator` may speak for. @throws {NodeError} `TASK_STATE`. */
  taskOf(coordinator: NodeId, taskId: TaskId): WorkerTask {
    const task = this.#tasks.get(taskId);
    if (task?.signed?.spec.coordinator !== coordinator) throw badState('no task of this coordinator');
    return task;
  }

  /** Durable when it returns. */
  log(taskId: TaskId, event: WorkerEvent): void {
    const next = reduceWorker(this.#tasks.get(taskId) ?? { taskId, attempt: 0 }, event);
    this.#options.journal.append([workerEntry(taskId, event)]);
    this.#tasks.set(taskId, next);
    this.#options.onChanged(next);
  }

  /** On this node alone; the coordinator hears of it by the message that it is about. */
  say(taskId: TaskId, phase: string, message: string, progress?: { done: number; of: number }): void {
    const { clock, onUpdate, orgOf, self } = this.#options;
    const update = { at: clock.now(), taskId, node: self, org: orgOf(self), phase, message };
    onUpdate(progress === undefined ? update : { ...update, progress });
  }
}

export function badState(problem: string): NodeError {
  return new NodeError('TASK_STATE', problem, { fault: 'peer' });
}
