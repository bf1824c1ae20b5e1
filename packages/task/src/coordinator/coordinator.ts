/**
 * The server side of task management: registers a task, hands out its code, gathers consents, starts it, sees it through
 * its attempts, gathers the sealed outputs, settles it. It learns who takes part and what it costs; as coordinator it can
 * read no output (the analyst's keys, which may live on the same node, can).
 * @module
 */
import {
  type Env,
  encode,
  NodeError,
  type NodeId,
  type Plan,
  planHash,
  programHash,
  type SignedSpec,
  type TaskId,
} from '@2pm/core';
import type { SubmitRequest } from '@2pm/core/api';
import { personalDigest, taskId as taskIdOf } from '@2pm/crypto';
import { backendOf, chooseBackend } from '../backends.ts';
import { checkProtocol } from '../check-protocol.ts';
import type { ControlRequest } from '../messages.ts';
import { runAttempt } from './attempt.ts';
import { type BookOptions, type MemberProgress, TaskBook } from './book.ts';
import type { Desk } from './desk.ts';
import { gather } from './gather.ts';
import { conclude, nextNonce, publish, settle, start, uphold } from './ledger-steps.ts';
import type { CoordinatorTask } from './log.ts';
import { answerMember } from './members.ts';
import { openResult } from './opening.ts';
import { gatherOutputs } from './outputs.ts';
import { draftSpec, type Peer } from './spec.ts';

export type CoordinatorOptions = Pick<Desk, 'chain' | 'signer' | 'analyst' | 'control' | 'backends'> &
  Pick<BookOptions, 'orgOf' | 'onUpdate' | 'onChanged'> & {
    env: Env;
    /** TypeScript to the JavaScript that is published and hashed. */
    strip: (source: string) => Promise<Uint8Array>;
    trace: (program: Uint8Array, signal: AbortSignal) => Promise<Plan>;
    peers: () => Peer[];
  };

/** What an analyst asked for, and the plan that its program makes. */
export interface TracedRequest {
  request: SubmitRequest;
  program: Uint8Array;
  plan: Plan;
}

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #desk: Desk;
  readonly #book: TaskBook;
  readonly #givenUp = new Map<TaskId, AbortController>();
  readonly #driving = new Map<TaskId, Promise<void>>();
  readonly #stopped = new AbortController();
  /** Task nonces are consecutive, so publications queue. */
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(options: CoordinatorOptions) {
    const { chain, env, signer } = options;
    this.#options = options;
    this.#book = new TaskBook({
      ...options,
      self: signer.id,
      clock: env.clock,
      journal: env.disk.journal('coordinator'),
      domain: chain.info.domain,
    });
    this.#desk = { ...options, book: this.#book, clock: env.clock, stopped: this.#stopped.signal };
  }

  resume(): void {
    for (const { taskId, ended, opened } of this.#book.list()) {
      if (ended === undefined || (ended.phase === 'settled' && opened === undefined)) this.#drive(taskId);
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new NodeError('NODE_STOPPING', 'the node is stopping', { fault: 'node', retryable: true }));
    await Promise.allSettled(this.#driving.values());
    this.#book.close();
  }

  list(): CoordinatorTask[] {
    return this.#book.list();
  }

  get(taskId: TaskId): CoordinatorTask | undefined {
    return this.#book.find(taskId);
  }

  progressOf(taskId: TaskId): ReadonlyMap<NodeId, MemberProgress> {
    return this.#book.progressOf(taskId);
  }

  answer(peer: NodeId, request: ControlRequest): Promise<unknown> {
    return answerMember(this.#desk, peer, request);
  }

  /** @throws {NodeError} `PROGRAM_*`. */
  async trace(request: SubmitRequest): Promise<TracedRequest> {
    const { strip, trace } = this.#options;
    const program = await strip(request.program);
    return { request, program, plan: await trace(program, this.#stopped.signal) };
  }

  /**
   * The task as it would be published. `unwilling`: nodes that are invited, and sit, only if the others are too few.
   * @throws {NodeError} `TASK_TOO_FEW_MEMBERS`, `TASK_SEATS`, and what else `draftSpec` says; `MPC_UNSUPPORTED`.
   */
  async draft({ request, program, plan }: TracedRequest, unwilling: ReadonlySet<NodeId>): Promise<SignedSpec> {
    const { analyst, backends, env, peers, signer } = this.#options;
    const nonce = await nextNonce(this.#desk);
    const spec = draftSpec({
      request,
      plan,
      peers: peers(),
      unwilling,
      coordinator: signer.id,
      nonce,
      programHash: programHash(program),
      planHash: planHash(plan),
      recipient: analyst.keys,
      protocol: chooseBackend(backends, request).card,
      nowMs: env.clock.now(),
    });
    checkProtocol(backendOf(this.#desk, spec.protocol), plan, spec);
    const signature = await analyst.signer.sign(personalDigest(encode(spec)));
    const signatures = Object.fromEntries(Object.keys(spec.recipients).map((name) => [name, signature]));
    return { spec, signatures };
  }

  /** Publishes, one task after another: each takes the next nonce. @throws {NodeError} as `draft`; `CHAIN_*`. */
  async submit(traced: TracedRequest, unwilling: ReadonlySet<NodeId>): Promise<TaskId> {
    const publication = this.#publishing.catch(() => undefined).then(() => this.#register(traced, unwilling));
    this.#publishing = publication;
    const taskId = await publication;
    this.#drive(taskId);
    return taskId;
  }

  async #register(traced: TracedRequest, unwilling: ReadonlySet<NodeId>): Promise<TaskId> {
    const { chain, env, signer } = this.#options;
    const at = env.clock.now();
    const signed = await this.draft(traced, unwilling);
    const taskId = taskIdOf(chain.info.domain, signer.id, signed.spec.nonce);
    const { program, plan } = traced;
    this.#book.log(taskId, { type: 'submitted', taskId, signed, program, plan, at });
    await publish(this.#desk, this.#book.task(taskId));
    return taskId;
  }

  /** Gives a task up. It ends on the chain with reason `ANALYST_ABORT`. */
  async abort(taskId: TaskId): Promise<void> {
    this.#book.task(taskId);
    this.#giveUp(taskId).abort(new NodeError('ANALYST_ABORT', 'the analyst gave the task up', { fault: 'caller' }));
    await this.#driving.get(taskId);
  }

  /** The chain lost its newest blocks. */
  async onRollback(): Promise<void> {
    for (const { taskId } of this.#book.list()) {
      // Where a deadline has passed meanwhile, the chain's word stands.
      await uphold(this.#desk, taskId).catch(() => undefined);
    }
  }

  #drive(taskId: TaskId): void {
    if (this.#driving.has(taskId)) return;
    const work = this.#run(taskId)
      .catch((error) => conclude(this.#desk, taskId, error))
      .catch(() => undefined)
      .finally(() => this.#driving.delete(taskId));
    this.#driving.set(taskId, work);
  }

  /** The life of a task, straight through. Every step looks at the log first, so it resumes where it stopped. */
  async #run(taskId: TaskId): Promise<void> {
    const desk = this.#desk;
    const now = () => this.#book.task(taskId);
    const { spec } = now().submitted.signed;
    if (now().ended === undefined) {
      if (now().published === undefined) await publish(desk, now());
      if (now().chosen === undefined) await this.#until(spec.joinBy, taskId, (signal) => gather(desk, taskId, signal));
      if (now().started === undefined) await start(desk, now());
      await this.#until(spec.settleBy, taskId, async (signal) => {
        while (now().releasing === undefined) {
          await uphold(desk, taskId);
          await runAttempt(desk, taskId, signal);
        }
        await gatherOutputs(desk, taskId, signal);
      });
      await settle(desk, taskId);
    }
    await openResult(desk, taskId);
  }

  /** Runs `work` under the deadline `by` (Unix seconds) and the analyst's own giving up. */
  async #until(by: number, taskId: TaskId, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { clock, stopped } = this.#desk;
    const timer = new AbortController();
    const expiry = new AbortController();
    clock.sleep(Math.max(0, by * 1_000 - clock.now()), timer.signal).then(
      () => expiry.abort(new NodeError('TASK_DEADLINE', 'the deadline of the task has passed', { fault: 'peer' })),
      () => undefined,
    );
    try {
      await work(AbortSignal.any([expiry.signal, this.#giveUp(taskId).signal, stopped]));
    } finally {
      timer.abort();
    }
  }

  #giveUp(taskId: TaskId): AbortController {
    const controller = this.#givenUp.get(taskId) ?? new AbortController();
    this.#givenUp.set(taskId, controller);
    return controller;
  }
}
