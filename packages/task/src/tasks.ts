/** Task management of one node: coordinator for its own tasks, worker for those of others, behind one service. @module */
import { invitedNodes, NodeError, type NodeId, type TaskId } from '@2pm/core';
import type { SubmitRequest, TaskCheck, TaskResult, TaskService, TaskUpdate, TaskView } from '@2pm/core/api';
import { describePlan } from '@2pm/program';
import { watchChain } from './chain-watch.ts';
import { ControlPlane, wireError } from './control.ts';
import { Coordinator, type CoordinatorOptions, type TracedRequest } from './coordinator/coordinator.ts';
import type { AnalystSecret } from './coordinator/desk.ts';
import { Notifier } from './deadline.ts';
import type { ControlAnswers, ControlRequest } from './messages.ts';
import { startsWithout } from './roster.ts';
import { coordinatorView, workerView } from './view.ts';
import { Worker, type WorkerOptions } from './worker/worker.ts';

/** Updates of one task that are kept for late listeners. */
const MAX_UPDATES = 2_000;
/** A member may have others to answer first. */
const CHECK_MS = 60_000;
/** Who has not said by then whether it would take part sits only if it has to. */
const CHOOSE_MS = 5_000;
const FINAL: readonly string[] = ['settled', 'refused', 'aborted', 'expired', 'failed'];

type Answer = ControlAnswers['check'] | { verdict: 'silent'; code: string; reasons: [] };

type Callbacks = 'control' | 'onUpdate' | 'onChanged';
export type TaskOptions = Omit<CoordinatorOptions, Callbacks> &
  Omit<WorkerOptions, Callbacks> & {
    analyst: AnalystSecret;
  };

export class Tasks implements TaskService {
  readonly #options: TaskOptions;
  readonly #control: ControlPlane;
  readonly #coordinator: Coordinator;
  readonly #worker: Worker;
  readonly #updates = new Map<TaskId, TaskUpdate[]>();
  readonly #changed = new Map<TaskId, Notifier>();
  readonly #stopped = new AbortController();
  #watching: Promise<void> = Promise.resolve();

  constructor(options: TaskOptions) {
    this.#options = options;
    const callbacks = {
      control: () => this.#control,
      onUpdate: (update: TaskUpdate) => this.#record(update),
      onChanged: ({ taskId }: { taskId: TaskId }) => this.#notifier(taskId).notify(),
    };
    this.#coordinator = new Coordinator({ ...options, ...callbacks });
    this.#worker = new Worker({ ...options, ...callbacks });
    const { backbone, clock, rng } = options.env;
    this.#control = new ControlPlane({ backbone, clock, rng, handler: (peer, request) => this.#answer(peer, request) });
  }

  start(): void {
    this.#watching = watchChain({
      chain: this.#options.chain,
      clock: this.#options.env.clock,
      journal: this.#options.env.disk.journal('chain'),
      level: this.#options.finality,
      signal: this.#stopped.signal,
      onItem: async (item) => {
        if (item.type === 'event') this.#worker.onLedgerEvent(item.event);
        if (item.type === 'rollback') await this.#coordinator.onRollback();
      },
    });
    this.#coordinator.resume();
    this.#worker.resume();
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new NodeError('NODE_STOPPING', 'the node is stopping', { fault: 'node', retryable: true }));
    this.#control.stop();
    await Promise.allSettled([this.#coordinator.stop(), this.#worker.stop(), this.#watching]);
  }

  async submit(request: SubmitRequest): Promise<TaskId> {
    const traced = await this.#coordinator.trace(request);
    return this.#coordinator.submit(traced, await this.#unwilling(traced));
  }

  /** Asks all that would be invited. */
  async check(request: SubmitRequest): Promise<TaskCheck> {
    const { orgOf } = this.#options;
    const traced = await this.#coordinator.trace(request);
    const { signed, answers } = await this.#askAll(traced, await this.#unwilling(traced), CHECK_MS);
    const { spec } = signed;
    const members = answers.map(({ node, ...answer }) => {
      const seat = spec.seats.indexOf(node);
      const roles = Object.keys(spec.roles).filter((role) => spec.roles[role]?.includes(node));
      return { node, org: orgOf(node), roles, seat: seat < 0 ? null : seat, ...answer };
    });
    const willing = new Set(members.flatMap(({ node, verdict }) => (verdict === 'allow' ? [node] : [])));
    const starts = startsWithout((node) => !willing.has(node), spec, traced.plan);
    return { name: traced.plan.name, protocol: spec.protocol, members, starts, learns: describePlan(traced.plan) };
  }

  /** Who would not take part. Nobody is asked where the seats are named, or everyone has to sit in any case. */
  async #unwilling(traced: TracedRequest): Promise<ReadonlySet<NodeId>> {
    const nobody: ReadonlySet<NodeId> = new Set();
    const { peers, signer } = this.#options;
    if (traced.request.seats !== undefined) return nobody;
    const { spec } = await this.#coordinator.draft(traced, nobody);
    if (peers().every(({ node }) => node === signer.id || spec.seats.includes(node))) return nobody;
    const { answers } = await this.#askAll(traced, nobody, CHOOSE_MS);
    return new Set(answers.flatMap(({ node, verdict }) => (['refuse', 'silent'].includes(verdict) ? [node] : [])));
  }

  /** All at the same time. */
  async #askAll(traced: TracedRequest, unwilling: ReadonlySet<NodeId>, timeoutMs: number) {
    const { signer } = this.#options;
    const { program } = traced;
    const signed = await this.#coordinator.draft(traced, unwilling);
    const ask = async (node: NodeId): Promise<Answer> => {
      if (node === signer.id) return this.#worker.check(node, { signed, program });
      const question = { kind: 'check', signed, program } as const;
      try {
        return await this.#control.call(node, question, { signal: this.#stopped.signal, timeoutMs });
      } catch (error) {
        return { verdict: 'silent', code: wireError(error).code, reasons: [] };
      }
    };
    const nodes = invitedNodes(signed.spec);
    const answers = await Promise.all(nodes.map(async (node) => ({ node, ...(await ask(node)) })));
    return { signed, answers };
  }

  list(): TaskView[] {
    const own = this.#coordinator.list().map((task) => this.view(task.taskId));
    const others = this.#worker.list().flatMap((task) => workerView(task, this.#options.orgOf) ?? []);
    return [...own, ...others.filter(({ taskId }) => !own.some((view) => view.taskId === taskId))];
  }

  view(taskId: TaskId): TaskView {
    const own = this.#coordinator.get(taskId);
    if (own !== undefined) return coordinatorView(own, this.#coordinator.progressOf(taskId), this.#options.orgOf);
    const held = this.#worker.list().find((task) => task.taskId === taskId);
    const view = held === undefined ? undefined : workerView(held, this.#options.orgOf);
    if (view === undefined) {
      throw new NodeError('TASK_UNKNOWN', `this node knows no task ${taskId}`, {
        fault: 'caller',
        fix: '2pm task list shows all',
      });
    }
    return view;
  }

  async *updates(taskId: TaskId, signal: AbortSignal): AsyncIterable<TaskUpdate> {
    this.view(taskId);
    const notifier = this.#notifier(taskId);
    for (let next = 0; ; ) {
      const updates = this.#updates.get(taskId) ?? [];
      while (next < updates.length) {
        const update = updates[next++];
        if (update !== undefined) yield update;
      }
      if (this.#isOver(taskId)) return;
      try {
        await notifier.wait(AbortSignal.any([signal, this.#stopped.signal]));
      } catch {
        return;
      }
    }
  }

  async result(taskId: TaskId): Promise<TaskResult> {
    const { opened, submitted } = this.#opened(taskId);
    return { taskId, name: submitted.plan.name, result: opened.result };
  }

  async receipt(taskId: TaskId): Promise<Uint8Array> {
    return this.#opened(taskId).opened.receipt;
  }

  async abort(taskId: TaskId): Promise<TaskView> {
    await this.#coordinator.abort(taskId);
    return this.view(taskId);
  }

  /** Round trip to a peer over its control session, in milliseconds; null when it does not answer. */
  async ping(peer: NodeId, timeoutMs: number): Promise<number | null> {
    const { clock } = this.#options.env;
    const begin = clock.now();
    try {
      await this.#control.call(peer, { kind: 'ping' }, { signal: this.#stopped.signal, timeoutMs });
      return clock.now() - begin;
    } catch {
      return null;
    }
  }

  #opened(taskId: TaskId) {
    const task = this.#coordinator.get(taskId);
    if (task === undefined) {
      this.view(taskId);
      throw new NodeError('TASK_NOT_RECIPIENT', 'this node is not the recipient of that task', { fault: 'caller' });
    }
    const { opened, submitted } = task;
    if (opened === undefined) {
      const phase = this.view(taskId).phase;
      throw new NodeError('TASK_NOT_SETTLED', `the task has no result: it is ${phase}`, {
        fault: 'caller',
        retryable: !FINAL.includes(phase),
        fix: '2pm task status tells where it stands',
      });
    }
    return { opened, submitted };
  }

  #isOver(taskId: TaskId): boolean {
    const own = this.#coordinator.get(taskId);
    if (own === undefined) return FINAL.includes(this.view(taskId).phase);
    if (own.ended === undefined) return false;
    return own.ended.phase !== 'settled' || own.opened !== undefined;
  }

  async #answer(peer: NodeId, request: ControlRequest): Promise<unknown> {
    switch (request.kind) {
      case 'ping':
        return {};
      case 'offer':
      case 'check':
      case 'attempt':
      case 'release':
      case 'sealed':
        return this.#worker.answer(peer, request);
      default:
        return this.#coordinator.answer(peer, request);
    }
  }

  #record(update: TaskUpdate): void {
    const updates = this.#updates.get(update.taskId) ?? [];
    if (updates.length < MAX_UPDATES) updates.push(update);
    this.#updates.set(update.taskId, updates);
    this.#notifier(update.taskId).notify();
  }

  #notifier(taskId: TaskId): Notifier {
    const notifier = this.#changed.get(taskId) ?? new Notifier();
    this.#changed.set(taskId, notifier);
    return notifier;
  }
}
