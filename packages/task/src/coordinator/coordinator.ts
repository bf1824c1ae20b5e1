/**
 * The server side of task management: registers a task, hands out its code, gathers consents, starts it, sees it through
 * its attempts, gathers the sealed outputs, settles it. It learns who takes part and what it costs; as coordinator it can
 * read no output (the analyst's keys, which may live on the same node, can).
 * @module
 */
import {
  type AnalystKeys,
  type ChainConnector,
  type ChainReceipt,
  type Clock,
  concatBytes,
  type Env,
  encode,
  type Hex,
  invitedHash,
  invitedNodes,
  isNodeError,
  type Journal,
  NodeError,
  type NodeId,
  type Plan,
  planHash,
  programHash,
  type SharedBackend,
  type Signer,
  specHash,
  type TaskId,
  type TaskSpec,
} from '@2pm/core';
import type { ResultNode, SubmitRequest, TaskUpdate } from '@2pm/core/api';
import {
  commandDigests,
  isReason,
  personalDigest,
  signAbort,
  signCreate,
  signStart,
  taskId as taskIdOf,
  verifySignature,
} from '@2pm/crypto';
import { type ControlPlane, wireError } from '../control.ts';
import { Notifier } from '../deadline.ts';
import { finish } from '../finish.ts';
import type { ControlAnswers, ControlRequest, WireError } from '../messages.ts';
import { openShares, sealReceipt } from '../receipt.ts';
import { checkSealed, openOutput, recipientsHeldBy, resultRoot, sortLeaves } from '../release.ts';
import { checkRoster, type Roster, roleSizes, rosterOf } from '../roster.ts';
import { type AttemptWatch, allPrepared, allReachable, asNodeError } from './attempt.ts';
import {
  type CoordinatorEvent,
  type CoordinatorTask,
  coordinatorEntry,
  readCoordinatorTasks,
  reduceCoordinator,
} from './log.ts';
import { draftSpec, type Peer } from './spec.ts';

const NOBODY = `0x${'00'.repeat(20)}` as NodeId;
const MAX_ATTEMPTS = 20;
/** Start this long before joinBy with those who have consented, so that the transaction is in time. */
const START_MARGIN_MS = 3_000;
const SETTLE_MARGIN_MS = 2_000;
/** Of one seat's output for one recipient. */
const MAX_SEALED_BYTES = 256 * 1024 * 1024;

export interface AnalystSecret {
  signer: Signer;
  keys: AnalystKeys;
  hpkePrivateKey: Hex;
}

export interface CoordinatorOptions {
  env: Env;
  chain: ChainConnector;
  signer: Signer;
  analyst: AnalystSecret;
  control: () => ControlPlane;
  backends: readonly SharedBackend[];
  /** TypeScript to the JavaScript that is published and hashed. */
  strip: (source: string) => Promise<Uint8Array>;
  trace: (program: Uint8Array, signal: AbortSignal) => Promise<Plan>;
  peers: () => Peer[];
  orgOf: (node: NodeId) => string;
  onUpdate: (update: TaskUpdate) => void;
  onChanged: (task: CoordinatorTask) => void;
}

/** What a member was last heard to be doing. Not durable: it is only for people. */
export interface MemberProgress {
  phase: string;
  message: string;
  error?: WireError;
}

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #tasks: Map<TaskId, CoordinatorTask>;
  readonly #progress = new Map<TaskId, Map<NodeId, MemberProgress>>();
  readonly #changed = new Map<TaskId, Notifier>();
  readonly #givenUp = new Map<TaskId, AbortController>();
  readonly #driving = new Map<TaskId, Promise<void>>();
  readonly #stopped = new AbortController();
  /** Task nonces are consecutive, so publications queue. */
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#clock = options.env.clock;
    this.#journal = options.env.disk.journal('coordinator');
    this.#tasks = readCoordinatorTasks(this.#journal.read());
  }

  resume(): void {
    for (const task of this.#tasks.values()) {
      if (task.ended === undefined || (task.ended.phase === 'settled' && task.opened === undefined))
        this.#drive(task.taskId);
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new NodeError('NODE_STOPPING', 'the node is stopping', { fault: 'node', retryable: true }));
    await Promise.allSettled(this.#driving.values());
    this.#journal.close();
  }

  list(): CoordinatorTask[] {
    return [...this.#tasks.values()];
  }

  get(taskId: TaskId): CoordinatorTask | undefined {
    return this.#tasks.get(taskId);
  }

  progressOf(taskId: TaskId): ReadonlyMap<NodeId, MemberProgress> {
    return this.#progress.get(taskId) ?? new Map();
  }

  /** Traces, drafts the spec, publishes. @throws {NodeError} `PROGRAM_*`, `TASK_TOO_FEW_MEMBERS`, `CHAIN_*`. */
  async submit(request: SubmitRequest): Promise<TaskId> {
    const { analyst, backends, chain, peers, signer, strip, trace } = this.#options;
    const program = await strip(request.program);
    const plan = await trace(program, this.#stopped.signal);
    const publication = this.#publishing
      .catch(() => undefined)
      .then(async () => {
        const nonce = await chain.nextTaskNonce(signer.id);
        const spec = draftSpec({
          request,
          plan,
          peers: peers(),
          coordinator: signer.id,
          nonce,
          programHash: programHash(program),
          planHash: planHash(plan),
          recipient: analyst.keys,
          protocol: backends[0]?.card.id ?? '',
          nowMs: this.#clock.now(),
        });
        const backend = this.#backend(spec.protocol);
        backend.check(plan);
        const signature = await analyst.signer.sign(personalDigest(encode(spec)));
        const signatures = Object.fromEntries(Object.keys(spec.recipients).map((name) => [name, signature]));
        const taskId = taskIdOf(chain.info.domain, signer.id, nonce);
        this.#log(taskId, {
          type: 'submitted',
          taskId,
          signed: { spec, signatures },
          program,
          plan,
          at: this.#clock.now(),
        });
        await this.#publish(this.#task(taskId));
        return taskId;
      });
    this.#publishing = publication;
    const taskId = await publication;
    this.#drive(taskId);
    return taskId;
  }

  /** Gives a task up. It ends on the chain with reason `ANALYST_ABORT`. */
  async abort(taskId: TaskId): Promise<void> {
    this.#task(taskId);
    this.#giveUp(taskId).abort(new NodeError('ANALYST_ABORT', 'the analyst gave the task up', { fault: 'caller' }));
    await this.#driving.get(taskId);
  }

  async answer(peer: NodeId, request: ControlRequest): Promise<unknown> {
    if (request.kind === 'ping' || !('taskId' in request)) throw badRequest('not a message about a task');
    const task = this.#tasks.get(request.taskId);
    if (task === undefined || !invitedNodes(task.submitted.signed.spec).includes(peer)) {
      throw new NodeError('TASK_NOT_INVITED', 'this node was not invited to such a task', { fault: 'caller' });
    }
    const { taskId } = task;
    switch (request.kind) {
      case 'fetch':
        this.#heard(taskId, peer, 'fetched', 'reads spec and program');
        return { signed: task.submitted.signed, program: task.submitted.program } satisfies ControlAnswers['fetch'];
      case 'consent': {
        const { consent } = request.signed;
        if (consent.member !== peer) throw badRequest('a consent is given by its member');
        rosterOf([request.signed], task.submitted.signed.spec, this.#options.chain.info.domain);
        if (consent.taskId !== taskId) throw badRequest('a consent for another task');
        if (!task.consents.has(peer) && task.chosen === undefined) {
          this.#log(taskId, { type: 'consented', signed: request.signed });
          this.#heard(taskId, peer, 'consented', 'takes part');
        }
        return {};
      }
      case 'refuse':
        if (!task.refusals.has(peer) && task.chosen === undefined) {
          this.#log(taskId, { type: 'refused', node: peer, code: request.code, reasons: request.reasons });
          this.#heard(taskId, peer, 'refused', `${request.code}: ${request.reasons[0]?.message ?? ''}`);
        }
        return {};
      case 'progress': {
        const { done, of } = request;
        const progress = done === undefined || of === undefined ? undefined : { done, of };
        this.#heard(taskId, peer, request.phase, request.message, progress);
        return {};
      }
      case 'prepared': {
        const { kind: _, ...prepared } = request;
        if (prepared.leaves.some(({ seat }) => seat !== peer))
          throw badRequest('a member speaks for its own seat only');
        if (request.attempt === task.attempt && !task.prepared.has(peer)) {
          const { taskId: __, ...event } = prepared;
          this.#log(taskId, { type: 'prepared', node: peer, ...event });
          this.#heard(taskId, peer, 'prepared', 'done, waits for the others');
        }
        return {};
      }
      case 'failed':
        if (request.attempt === task.attempt && task.releasing === undefined) {
          this.#log(taskId, { type: 'failed', node: peer, attempt: request.attempt, error: request.error });
          this.#heard(taskId, peer, 'failed', `${request.error.code}: ${request.error.message}`);
        }
        return {};
      default:
        throw badRequest(`${request.kind} is not for a coordinator`);
    }
  }

  /** The chain lost its newest blocks: say again what was said. Every command is idempotent. */
  async onRollback(): Promise<void> {
    for (const task of this.#tasks.values()) {
      const onChain = await this.#options.chain.task(task.taskId).catch(() => undefined);
      if (onChain === null) {
        await this.#publish(task).catch(() => undefined);
        if (task.started !== undefined) await this.#start(task).catch(() => undefined);
      }
    }
  }

  #drive(taskId: TaskId): void {
    if (this.#driving.has(taskId)) return;
    const work = this.#run(taskId)
      .catch((error) => this.#conclude(taskId, error))
      .catch(() => undefined)
      .finally(() => this.#driving.delete(taskId));
    this.#driving.set(taskId, work);
  }

  /** The life of a task, straight through. Every step looks at the log first, so it resumes where it stopped. */
  async #run(taskId: TaskId): Promise<void> {
    const { spec } = this.#task(taskId).submitted.signed;
    if (this.#task(taskId).ended === undefined) {
      const giveUp = this.#giveUp(taskId);
      if (this.#task(taskId).published === undefined) await this.#publish(this.#task(taskId));
      if (this.#task(taskId).chosen === undefined)
        await this.#until(spec.joinBy, giveUp, (signal) => this.#gather(taskId, signal));
      if (this.#task(taskId).started === undefined) await this.#start(this.#task(taskId));
      await this.#until(spec.settleBy, giveUp, async (signal) => {
        while (this.#task(taskId).releasing === undefined) await this.#attempt(taskId, signal);
        await this.#gatherOutputs(taskId, signal);
      });
      await this.#settle(taskId);
    }
    await this.#open(taskId);
  }

  async #publish({ taskId, submitted }: CoordinatorTask): Promise<void> {
    const { chain, signer } = this.#options;
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
    const receipt = await chain.submit(command, { signal: this.#stopped.signal });
    this.#log(taskId, { type: 'published', ...this.#transaction(receipt) });
    this.#say(taskId, 'published', `published in block ${receipt.block}`);
  }

  /** Offers the task, until everyone has answered or it is time to start with those who have. */
  async #gather(taskId: TaskId, signal: AbortSignal): Promise<void> {
    const { chain } = this.#options;
    const { plan, signed } = this.#task(taskId).submitted;
    const { spec } = signed;
    const invited = invitedNodes(spec);
    this.#say(taskId, 'gathering', `waiting for ${invited.length} answers`);
    const offering = new AbortController();
    const offers = AbortSignal.any([signal, offering.signal]);
    const answered = (node: NodeId) => this.#task(taskId).consents.has(node) || this.#task(taskId).refusals.has(node);
    for (const node of invited) void this.#offer(taskId, node, () => answered(node), offers);
    const late = this.#clock
      .sleep(Math.max(0, spec.joinBy * 1_000 - START_MARGIN_MS - this.#clock.now()), offers)
      .then(() => 'late' as const);
    late.catch(() => undefined);
    try {
      await Promise.race([
        late,
        this.#notifier(taskId).until(() => {
          const task = this.#task(taskId);
          // One refusal can settle the question before everyone has answered.
          return invited.every(answered) || this.#cannotStart(task, plan, spec) ? true : undefined;
        }, offers),
      ]);
    } finally {
      offering.abort();
    }
    const task = this.#task(taskId);
    let roster: Roster;
    try {
      roster = rosterOf([...task.consents.values()], spec, chain.info.domain);
      checkRoster(roster, spec, plan);
    } catch (error) {
      const refused = [...task.refusals.values()][0];
      if (refused === undefined) throw error;
      throw new NodeError(refused.code, refused.reasons[0]?.message ?? 'a member refused', { fault: 'policy' });
    }
    this.#log(taskId, { type: 'chosen', consents: roster.consents, at: this.#clock.now() });
  }

  /** True once refusals make it impossible to fill every seat and role. */
  #cannotStart(task: CoordinatorTask, plan: Plan, spec: TaskSpec): boolean {
    if (spec.seats.some((seat) => task.refusals.has(seat))) return true;
    return Object.entries(spec.roles).some(
      ([role, nodes]) => nodes.filter((node) => !task.refusals.has(node)).length < (plan.roles[role]?.min ?? 1),
    );
  }

  async #offer(taskId: TaskId, node: NodeId, answered: () => boolean, signal: AbortSignal): Promise<void> {
    try {
      for (let pause = 500; !answered(); pause = Math.min(pause * 2, 5_000)) {
        await this.#options
          .control()
          .call(node, { kind: 'offer', taskId }, { signal })
          .catch((error) => {
            signal.throwIfAborted();
            this.#heard(taskId, node, 'unreachable', asNodeError(error).message);
          });
        await this.#clock.sleep(pause, signal);
      }
    } catch {
      // The gathering is over.
    }
  }

  async #start({ taskId, chosen, submitted }: CoordinatorTask): Promise<void> {
    const { chain, signer } = this.#options;
    const { members, consents, consentHashes } = rosterOf(
      chosen?.consents ?? [],
      submitted.signed.spec,
      chain.info.domain,
    );
    const consentSignatures = consents.map(({ signature }) => signature);
    const command = await signStart(signer, chain.info.domain, { taskId, members, consentHashes, consentSignatures });
    const receipt = await chain.submit(command, { signal: this.#stopped.signal });
    this.#log(taskId, { type: 'started', ...this.#transaction(receipt) });
    this.#say(taskId, 'started', `started with ${members.length} members in block ${receipt.block}`);
  }

  /** One attempt: begins it, waits for all, and either marks it for release or leaves the way free for the next. */
  async #attempt(taskId: TaskId, signal: AbortSignal): Promise<void> {
    const { control } = this.#options;
    const { consents } = this.#rosterOfTask(taskId);
    const watch = this.#watch(taskId, signal);
    await allReachable(watch);
    if (this.#task(taskId).attempt >= MAX_ATTEMPTS) {
      throw new NodeError('TASK_TOO_MANY_ATTEMPTS', `${MAX_ATTEMPTS} attempts failed`, { fault: 'peer' });
    }
    const attempt = this.#task(taskId).attempt + 1;
    this.#log(taskId, { type: 'attempted', attempt });
    this.#say(taskId, 'computing', attempt === 1 ? 'the members compute' : `attempt ${attempt}, with fresh secrets`);
    try {
      await Promise.all(
        watch.members.map((member) =>
          control().call(member, { kind: 'attempt', taskId, attempt, consents }, { signal }),
        ),
      );
      await allPrepared(watch, attempt);
    } catch (error) {
      signal.throwIfAborted();
      const cause = asNodeError(error);
      if (!cause.retryable) throw cause;
      this.#say(taskId, 'failed', `attempt ${attempt}: ${cause.message}`);
      await this.#clock.sleep(200, signal);
      return;
    }
    this.#log(taskId, { type: 'releasing', attempt, at: this.#clock.now() });
  }

  /** Asks every member to release and attest, and fetches what the seats sealed. Repeats until all have answered. */
  async #gatherOutputs(taskId: TaskId, signal: AbortSignal): Promise<void> {
    const { control } = this.#options;
    const task = this.#task(taskId);
    const attempt = task.releasing?.attempt ?? 0;
    const { members } = this.#rosterOfTask(taskId);
    const leaves = sortLeaves([...task.prepared.values()].flatMap((prepared) => prepared.leaves));
    const transcriptRoot = this.#transcriptRoot(task);
    const root = resultRoot(taskId, attempt, leaves);
    const digest = commandDigests.attest(this.#options.chain.info.domain, taskId, root, transcriptRoot);
    this.#say(taskId, 'releasing', 'outputs leave, sealed to the recipients');
    await Promise.all(
      members.map(async (member) => {
        for (let pause = 250; !this.#task(taskId).released.has(member); pause = Math.min(pause * 2, 4_000)) {
          try {
            const { attestation } = await control().call(
              member,
              { kind: 'release', taskId, attempt, leaves, transcriptRoot },
              { signal },
            );
            if (!verifySignature(digest, attestation, member)) {
              throw new NodeError('TASK_ATTESTATION', `${member} did not sign this result`, { fault: 'peer' });
            }
            const sealed = await Promise.all(
              leaves
                .filter(({ seat }) => seat === member)
                .map(async ({ recipient, sealedHash }) => {
                  const bytes = await this.#fetchSealed(member, taskId, attempt, recipient, signal);
                  checkSealed(member, bytes, sealedHash);
                  return { recipient, bytes };
                }),
            );
            this.#log(taskId, { type: 'released', node: member, attestation, sealed });
            this.#heard(taskId, member, 'attested', 'released and attested');
          } catch (error) {
            signal.throwIfAborted();
            const cause = asNodeError(error);
            if (!cause.retryable) throw cause;
            await this.#clock.sleep(pause, signal);
          }
        }
      }),
    );
  }

  async #fetchSealed(
    member: NodeId,
    taskId: TaskId,
    attempt: number,
    recipient: string,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const request = { kind: 'sealed', taskId, attempt, recipient } as const;
    const chunks: Uint8Array[] = [];
    for (let offset = 0, end = 1; offset < end; ) {
      const { bytes, total } = await this.#options.control().call(member, { ...request, offset }, { signal });
      if (bytes.length === 0 || total > MAX_SEALED_BYTES) throw badRequest('an output ended early, or is too long');
      chunks.push(bytes);
      offset += bytes.length;
      end = total;
    }
    return concatBytes(...chunks);
  }

  async #settle(taskId: TaskId): Promise<void> {
    const { chain } = this.#options;
    const task = this.#task(taskId);
    const { members, consentHashes } = this.#rosterOfTask(taskId);
    const attempt = task.releasing?.attempt ?? 0;
    const leaves = sortLeaves([...task.prepared.values()].flatMap((prepared) => prepared.leaves));
    if (task.settling === undefined) this.#log(taskId, { type: 'settling', at: this.#clock.now() });
    const receipt = await chain.submit(
      {
        type: 'settle',
        taskId,
        members,
        consentHashes,
        resultRoot: resultRoot(taskId, attempt, leaves),
        transcriptRoot: this.#transcriptRoot(task),
        signatures: members.map((member) => task.released.get(member)?.attestation ?? '0x'),
      },
      { signal: this.#stopped.signal },
    );
    this.#log(taskId, { type: 'ended', phase: 'settled', ...this.#transaction(receipt) });
    this.#say(taskId, 'settled', `settled in block ${receipt.block}`);
  }

  /** The analyst's part: opens the outputs, finishes in public, writes the receipt. */
  async #open(taskId: TaskId): Promise<void> {
    const { analyst, chain, signer } = this.#options;
    const task = this.#task(taskId);
    const { ended, opened, submitted } = task;
    if (ended?.phase !== 'settled' || opened !== undefined) return;
    const { signed, plan, program } = submitted;
    const recipient = recipientsHeldBy(signed.spec, analyst.keys)[0];
    if (recipient === undefined) return;
    const roster = this.#rosterOfTask(taskId);
    const attempt = task.releasing?.attempt ?? 0;
    const leaves = sortLeaves([...task.prepared.values()].flatMap((prepared) => prepared.leaves));
    const shares = await Promise.all(
      signed.spec.seats.map((seat) => {
        const leaf = leaves.find((candidate) => candidate.seat === seat && candidate.recipient === recipient);
        const sealed = task.released.get(seat)?.sealed.find((candidate) => candidate.recipient === recipient)?.bytes;
        if (leaf === undefined || sealed === undefined) throw badRequest(`the output of seat ${seat} is missing`);
        return openOutput({ leaf, sealed, taskId, attempt, privateKey: analyst.hpkePrivateKey });
      }),
    );
    const result: ResultNode = finish(
      plan,
      openShares({
        plan,
        roles: roleSizes(roster),
        seats: signed.spec.seats,
        backend: this.#backend(signed.spec.protocol),
        recipient,
        shares,
      }),
    );
    const receipt = await sealReceipt(
      {
        v: 1,
        taskId,
        domain: chain.info.domain,
        signed,
        program,
        plan,
        consents: roster.consents,
        attempt,
        leaves,
        transcriptRoot: this.#transcriptRoot(task),
        resultRoot: resultRoot(taskId, attempt, leaves),
        attestations: roster.members.flatMap((member) => {
          const signature = task.released.get(member)?.attestation;
          return signature === undefined ? [] : [{ member, signature }];
        }),
        recipient,
        shares,
        result,
        settlement: { tx: ended.tx, block: ended.block },
      },
      (digest) => signer.sign(digest),
    );
    this.#log(taskId, { type: 'opened', result, receipt });
    this.#say(taskId, 'opened', 'the analyst opened the result');
  }

  /** Ends a task that cannot go on: on the chain, with a reason. */
  async #conclude(taskId: TaskId, error: unknown): Promise<void> {
    const task = this.#task(taskId);
    if (this.#stopped.signal.aborted) return;
    const { chain, signer } = this.#options;
    const cause = asNodeError(error);
    if (task.ended !== undefined) {
      // Settled on the chain, and what a seat sealed does not open: the analyst must hear of it, not wait.
      this.#log(taskId, { ...task.ended, phase: 'failed', error: wireError(cause) });
      this.#say(taskId, 'failed', `${cause.code}: ${cause.message}`);
      return;
    }
    const { signal } = this.#stopped;
    const none = { tx: '', block: 0, gasUsed: 0, at: this.#clock.now() };
    if (task.published === undefined) {
      this.#log(taskId, { type: 'ended', phase: 'failed', ...none, error: wireError(cause) });
      return;
    }
    const expired = isNodeError(error, 'TASK_DEADLINE');
    try {
      let receipt: ChainReceipt;
      if (expired) {
        await this.#clock.sleep(SETTLE_MARGIN_MS, signal);
        receipt = await chain.submit({ type: 'expire', taskId }, { signal });
      } else {
        const running = task.started === undefined ? undefined : this.#rosterOfTask(taskId);
        receipt = await chain.submit(
          await signAbort(signer, chain.info.domain, {
            taskId,
            reason: isReason(cause.code) ? cause.code : 'TASK_FAILED',
            culprit: task.failed?.node ?? [...task.refusals.keys()][0] ?? NOBODY,
            members: running?.members ?? [],
            consentHashes: running?.consentHashes ?? [],
          }),
          { signal },
        );
      }
      const phase = expired ? 'expired' : cause.fault === 'policy' || task.refusals.size > 0 ? 'refused' : 'aborted';
      this.#log(taskId, { type: 'ended', phase, ...this.#transaction(receipt), error: wireError(cause) });
      this.#say(taskId, phase, `${cause.code}: ${cause.message}`);
    } catch {
      if (signal.aborted) return;
      this.#log(taskId, { type: 'ended', phase: 'failed', ...none, error: wireError(cause) });
      this.#say(taskId, 'failed', `${cause.code}: ${cause.message}`);
    }
  }

  #watch(taskId: TaskId, signal: AbortSignal): AttemptWatch {
    return {
      taskId,
      members: this.#rosterOfTask(taskId).members,
      control: this.#options.control(),
      clock: this.#clock,
      signal,
      task: () => this.#task(taskId),
      changed: this.#notifier(taskId),
      onLost: (member, error) => this.#heard(taskId, member, 'lost', `does not answer (${error.code})`),
      onBack: (member) => this.#heard(taskId, member, 'back', 'is back'),
    };
  }

  /** Runs `work` under the deadline `by` (Unix seconds) and the analyst's own giving up. */
  async #until(by: number, giveUp: AbortController, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const timer = new AbortController();
    const expiry = new AbortController();
    this.#clock.sleep(Math.max(0, by * 1_000 - this.#clock.now()), timer.signal).then(
      () => expiry.abort(new NodeError('TASK_DEADLINE', 'the deadline of the task has passed', { fault: 'peer' })),
      () => undefined,
    );
    try {
      await work(AbortSignal.any([expiry.signal, giveUp.signal, this.#stopped.signal]));
    } finally {
      timer.abort();
    }
  }

  #transcriptRoot({ prepared, submitted }: CoordinatorTask) {
    const seats = submitted.signed.spec.seats;
    const transcripts = new Set(seats.map((seat) => prepared.get(seat)?.transcript));
    const [transcript] = transcripts;
    if (transcripts.size !== 1 || transcript === undefined) {
      throw new NodeError('TASK_TRANSCRIPT', 'the seats do not agree on what was said', { fault: 'peer' });
    }
    return transcript;
  }

  #rosterOfTask(taskId: TaskId): Roster {
    const { chosen, submitted } = this.#task(taskId);
    return rosterOf(chosen?.consents ?? [], submitted.signed.spec, this.#options.chain.info.domain);
  }

  #transaction({ tx, block, gasUsed }: ChainReceipt) {
    return { tx, block, gasUsed, at: this.#clock.now() };
  }

  #heard(taskId: TaskId, node: NodeId, phase: string, message: string, progress?: { done: number; of: number }): void {
    const members = this.#progress.get(taskId) ?? new Map<NodeId, MemberProgress>();
    members.set(node, { phase, message });
    this.#progress.set(taskId, members);
    const org = this.#options.orgOf(node);
    const update = { at: this.#clock.now(), taskId, node, org, phase, message };
    this.#options.onUpdate(progress === undefined ? update : { ...update, progress });
  }

  #say(taskId: TaskId, phase: string, message: string): void {
    const node = this.#options.signer.id;
    this.#options.onUpdate({ at: this.#clock.now(), taskId, node, org: this.#options.orgOf(node), phase, message });
  }

  #log(taskId: TaskId, event: CoordinatorEvent): void {
    const next = reduceCoordinator(this.#tasks.get(taskId), event);
    this.#journal.append([coordinatorEntry(taskId, event)]);
    this.#tasks.set(taskId, next);
    this.#notifier(taskId).notify();
    this.#options.onChanged(next);
  }

  #task(taskId: TaskId): CoordinatorTask {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw new NodeError('TASK_UNKNOWN', `no task ${taskId} of this node`, { fault: 'caller' });
    return task;
  }

  #notifier(taskId: TaskId): Notifier {
    const notifier = this.#changed.get(taskId) ?? new Notifier();
    this.#changed.set(taskId, notifier);
    return notifier;
  }

  #giveUp(taskId: TaskId): AbortController {
    const controller = this.#givenUp.get(taskId) ?? new AbortController();
    this.#givenUp.set(taskId, controller);
    return controller;
  }

  #backend(protocol: string): SharedBackend {
    const backend = this.#options.backends.find(({ card }) => card.id === protocol);
    if (backend === undefined)
      throw new NodeError('TASK_PROTOCOL', `no protocol ${protocol} here`, { fault: 'caller' });
    return backend;
  }
}

function badRequest(problem: string): NodeError {
  return new NodeError('TASK_BAD_REQUEST', problem, { fault: 'peer' });
}
