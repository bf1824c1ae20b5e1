/** What a coordinator knows of its tasks: durable in the log, live in who was last heard doing what. @module */
import {
  type ChainDomain,
  type ChainReceipt,
  type Clock,
  type Journal,
  NodeError,
  type NodeId,
  type TaskId,
} from '@2pm/core';
import type { TaskUpdate } from '@2pm/core/api';
import { Notifier } from '../deadline.ts';
import type { WireError } from '../messages.ts';
import { type Roster, rosterOf } from '../roster.ts';
import {
  type CoordinatorEvent,
  type CoordinatorTask,
  coordinatorEntry,
  readCoordinatorTasks,
  reduceCoordinator,
} from './log.ts';

/** What a member was last heard to be doing. Not durable: it is only for people. */
export interface MemberProgress {
  phase: string;
  message: string;
  error?: WireError;
}

export interface BookOptions {
  self: NodeId;
  clock: Clock;
  journal: Journal;
  domain: ChainDomain;
  orgOf: (node: NodeId) => string;
  onUpdate: (update: TaskUpdate) => void;
  onChanged: (task: CoordinatorTask) => void;
}

export class TaskBook {
  readonly #options: BookOptions;
  readonly #tasks: Map<TaskId, CoordinatorTask>;
  readonly #progress = new Map<TaskId, Map<NodeId, MemberProgress>>();
  readonly #changed = new Map<TaskId, Notifier>();
  readonly #rosters = new Map<TaskId, Roster>();

  constructor(options: BookOptions) {
    this.#options = options;
    this.#tasks = readCoordinatorTasks(options.journal.read());
  }

  close(): void {
    this.#options.journal.close();
  }

  list(): CoordinatorTask[] {
    return [...this.#tasks.values()];
  }

  find(taskId: TaskId): CoordinatorTask | undefined {
    return this.#tasks.get(taskId);
  }

  /** @throws {NodeError} `TASK_UNKNOWN`. */
  task(taskId: TaskId): CoordinatorTask {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw new NodeError('TASK_UNKNOWN', `no task ${taskId} of this node`, { fault: 'caller' });
    return task;
  }

  /** Of a task whose members are chosen: checked once, it does not change any more. */
  roster(taskId: TaskId): Roster {
    const known = this.#rosters.get(taskId);
    if (known !== undefined) return known;
    const { chosen, submitted } = this.task(taskId);
    const roster = rosterOf(chosen?.consents ?? [], submitted.signed.spec, this.#options.domain);
    if (chosen !== undefined) this.#rosters.set(taskId, roster);
    return roster;
  }

  /** Durable when it returns. */
  log(taskId: TaskId, event: CoordinatorEvent): void {
    const next = reduceCoordinator(this.#tasks.get(taskId), event);
    this.#options.journal.append([coordinatorEntry(taskId, event)]);
    this.#tasks.set(taskId, next);
    this.changes(taskId).notify();
    this.#options.onChanged(next);
  }

  /** Wakes whoever waits for something to happen to the task. */
  changes(taskId: TaskId): Notifier {
    const notifier = this.#changed.get(taskId) ?? new Notifier();
    this.#changed.set(taskId, notifier);
    return notifier;
  }

  /** A transaction as the log keeps it. */
  transaction({ tx, block, gasUsed }: ChainReceipt) {
    return { tx, block, gasUsed, at: this.#options.clock.now() };
  }

  progressOf(taskId: TaskId): ReadonlyMap<NodeId, MemberProgress> {
    return this.#progress.get(taskId) ?? new Map();
  }

  /** Of a member. */
  heard(taskId: TaskId, node: NodeId, phase: string, message: string, progress?: { done: number; of: number }): void {
    const members = this.#progress.get(taskId) ?? new Map<NodeId, MemberProgress>();
    members.set(node, { phase, message });
    this.#progress.set(taskId, members);
    this.#tell(taskId, node, phase, message, progress);
  }

  /** Of the coordinator itself. */
  say(taskId: TaskId, phase: string, message: string): void {
    this.#tell(taskId, this.#options.self, phase, message);
  }

  #tell(taskId: TaskId, node: NodeId, phase: string, message: string, progress?: { done: number; of: number }): void {
    const { clock, onUpdate, orgOf } = this.#options;
    const update = { at: clock.now(), taskId, node, org: orgOf(node), phase, message };
    onUpdate(progress === undefined ? update : { ...update, progress });
  }
}
