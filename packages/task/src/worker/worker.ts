/**
 * The client side of task management: watches the chain, fetches spec and program, decides, fixes its data, consents,
 * computes, releases, attests. Every promise is logged before it leaves the node.
 * @module
 */
import {
  type ChainConnector,
  type Clock,
  type CryptoProvider,
  consentHash,
  type DataHolder,
  type Env,
  type FinalityLevel,
  type Hash,
  hashValue,
  isNodeError,
  type Journal,
  type LedgerEvent,
  NodeError,
  type NodeId,
  type Plan,
  planHash,
  type SharedBackend,
  type SignedConsent,
  type Signer,
  specHash,
  type TaskId,
  type TaskRequest,
} from '@2pm/core';
import type { TaskUpdate } from '@2pm/core/api';
import { rosterHash, signAttestation, signConsent, taskId as taskIdOf } from '@2pm/crypto';
import { type Intersector, intersector } from '@2pm/psi';
import { checkProtocol } from '../check-protocol.ts';
import { type ControlPlane, wireError } from '../control.ts';
import type { ControlAnswers, ControlRequest, Leaf, Reason } from '../messages.ts';
import { mismatch } from '../mismatch.ts';
import { checkLeaves, resultRoot, sealOutputs } from '../release.ts';
import { checkRoster, expectRoster, rosterOf } from '../roster.ts';
import { blamed } from './blame.ts';
import { runAttempt } from './compute.ts';
import { checkFetched, decide, refusalOf } from './decide.ts';
import { readWorkerTasks, reduceWorker, type WorkerEvent, type WorkerTask, workerEntry } from './log.ts';
import { Rendezvous } from './rendezvous.ts';

/** Sealed bytes handed out by one answer. */
const CHUNK_BYTES = 512 * 1024;
/** A coordinator that has said nothing this long after its task appeared is asked. */
const OFFER_GRACE_MS = 3_000;
/** How long the start may take to become final here after the coordinator says that it is; less than a call's patience. */
const START_MS = 15_000;
const START_POLL_MS = 100;
/** After a deadline, how long others may be first to expire the task. */
const EXPIRE_GRACE_MS = 4_000;

export interface WorkerOptions {
  env: Env;
  chain: ChainConnector;
  signer: Signer;
  control: () => ControlPlane;
  /** Undefined for a node without data: it can hold a seat. */
  data: DataHolder | undefined;
  backends: readonly SharedBackend[];
  crypto: CryptoProvider;
  /** Runs intersections; without it, in this thread. */
  intersector?: Intersector;
  /** Traces a program without data, in the sandbox. */
  trace: (program: Uint8Array, signal: AbortSignal) => Promise<Plan>;
  orgOf: (node: NodeId) => string;
  /** Level at which the start of a task counts: shares leave only after it. */
  finality: FinalityLevel;
  onUpdate: (update: TaskUpdate) => void;
  onChanged: (task: WorkerTask) => void;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #rendezvous: Rendezvous;
  readonly #intersector: Intersector;
  readonly #tasks: Map<TaskId, WorkerTask>;
  readonly #considering = new Map<TaskId, Promise<void>>();
  readonly #running = new Map<TaskId, { attempt: number; abort: AbortController; done: Promise<void> }>();
  readonly #stopped = new AbortController();
  #checking: Promise<unknown> = Promise.resolve();

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#clock = options.env.clock;
    this.#journal = options.env.disk.journal('worker');
    this.#tasks = readWorkerTasks(this.#journal.read());
    this.#rendezvous = new Rendezvous({ backbone: options.env.backbone, clock: this.#clock });
    const { crypto, env } = options;
    this.#intersector = options.intersector ?? intersector({ rng: env.rng, crypto, now: () => env.clock.now() });
  }

  /** Takes up what was left open when the node went down. */
  resume(): void {
    this.#forgetEnded();
    for (const task of this.#tasks.values()) {
      if (task.ended !== undefined) continue;
      this.#watchDeadlines(task);
      if (task.consent !== undefined)
        this.#background(this.#tell(task, { kind: 'consent', taskId: task.taskId, signed: task.consent }));
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new NodeError('NODE_STOPPING', 'the node is stopping', { fault: 'node', retryable: true }));
    this.#rendezvous.stop();
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done));
    await Promise.allSettled(this.#considering.values());
    this.#journal.close();
  }

  list(): WorkerTask[] {
    return [...this.#tasks.values()];
  }

  /** Called for every ledger event, at least once, in order. */
  onLedgerEvent(event: LedgerEvent): void {
    if (event.type === 'taskCreated') {
      if (this.#tasks.has(event.taskId)) return;
      // The chain does not say who is invited. The coordinator usually does, at once; if not, we ask.
      this.#background(
        this.#clock
          .sleep(OFFER_GRACE_MS, this.#stopped.signal)
          .then(() => this.consider(event.taskId, event.coordinator)),
      );
    } else if (event.type === 'taskStarted')
      this.#started(event.taskId, rosterHash(event.members, event.consentHashes));
    else if (event.type === 'taskSettled') this.#end(event.taskId, { status: 'settled', reason: '' });
    else if (event.type === 'taskExpired') this.#end(event.taskId, { status: 'expired', reason: '' });
    else if (event.type === 'taskAborted') {
      this.#end(event.taskId, { status: 'aborted', reason: event.reason, by: event.by });
    }
  }

  /** Answers a request of a coordinator. */
  async answer<R extends ControlRequest>(peer: NodeId, request: R): Promise<unknown> {
    switch (request.kind) {
      case 'offer':
        this.#background(this.consider(request.taskId, peer));
        return {};
      case 'check':
        return this.check(peer, request);
      case 'attempt':
        return this.#attempt(this.#mine(request.taskId, peer), request);
      case 'release':
        return this.#release(this.#mine(request.taskId, peer), request);
      case 'sealed':
        return this.#sealed(this.#mine(request.taskId, peer), request);
      default:
        throw new NodeError('TASK_BAD_REQUEST', `${request.kind} is not for a member`, { fault: 'peer' });
    }
  }

  /** What this node would say to a task, by its policy alone. Nothing is kept, and no row is read. */
  check(coordinator: NodeId, { signed, program }: ControlAnswers['fetch']): Promise<ControlAnswers['check']> {
    const { chain, data, signer } = this.#options;
    // One at a time: asking costs a peer nothing, tracing costs us a process.
    const answer = this.#checking.then(async (): Promise<ControlAnswers['check']> => {
      try {
        const taskId = taskIdOf(chain.info.domain, signed.spec.coordinator, signed.spec.nonce);
        const plan = await this.#understand(
          { signed, program },
          { taskId, coordinator, specHash: specHash(signed.spec) },
        );
        const decision = await data?.judge({ taskId, signed, plan, self: signer.id });
        return decision?.verdict === 'refuse'
          ? decision
          : { verdict: decision?.verdict ?? 'allow', code: '', reasons: [] };
      } catch (error) {
        const { code, reasons } = refusalOf(error);
        return { verdict: 'refuse', code, reasons };
      }
    });
    this.#checking = answer;
    return answer;
  }

  /** Fetches, checks, traces, judges, fixes the data, consents. Once a task, whatever comes of it. */
  consider(taskId: TaskId, coordinator: NodeId): Promise<void> {
    const known = this.#tasks.get(taskId);
    if (known?.consent !== undefined) {
      return this.#tell(known, { kind: 'consent', taskId, signed: known.consent });
    }
    if (known?.refusal !== undefined) return this.#repeatRefusal(known, coordinator, known.refusal);
    if (known?.ended !== undefined) return Promise.resolve();
    const running = this.#considering.get(taskId);
    if (running !== undefined) return running;
    const work = this.#consider(taskId, coordinator).finally(() => this.#considering.delete(taskId));
    this.#considering.set(taskId, work);
    return work;
  }

  async #consider(taskId: TaskId, coordinator: NodeId): Promise<void> {
    const { chain, control, signer, data } = this.#options;
    const { signal } = this.#stopped;
    const onChain = await chain.task(taskId);
    if (onChain === null || onChain.status !== 'open' || onChain.coordinator !== coordinator) return;
    let fetched: ControlAnswers['fetch'];
    try {
      fetched = await control().call(coordinator, { kind: 'fetch', taskId }, { signal });
    } catch (error) {
      if (isNodeError(error, 'TASK_NOT_INVITED'))
        this.#log(taskId, { type: 'ended', status: 'ignored', reason: 'not invited' });
      return;
    }
    const { signed } = fetched;
    let plan: Plan;
    try {
      plan = await this.#understand(fetched, { taskId, coordinator, specHash: onChain.specHash });
    } catch (error) {
      return this.#refuse(taskId, coordinator, refusalOf(error));
    }
    this.#log(taskId, { type: 'understood', taskId, signed, plan });
    const answer = await decide({ taskId, signed, plan, self: signer.id }, data, {
      signal,
      onChecking: () => this.#update(taskId, 'checking', 'fixing and checking the data'),
    });
    if (answer.type === 'refuse') return this.#refuse(taskId, coordinator, answer);
    const { consent, keys } = answer;
    const signature = await signConsent(signer, chain.info.domain, { taskId, consentHash: consentHash(consent) });
    const own = keys.length === 0 ? {} : { keys };
    this.#log(taskId, { type: 'consented', signed: { consent, signature }, ...own });
    for (const { table, key, warnings } of keys) {
      for (const warning of warnings) this.#say(taskId, 'warning', `${table} by ${key}: ${warning}`);
    }
    this.#watchDeadlines(this.#task(taskId));
    await this.#tell(this.#task(taskId), { kind: 'consent', taskId, signed: { consent, signature } });
  }

  /** The plan of a program, if all that was handed out belongs together. @throws {NodeError} of whatever is wrong with it. */
  async #understand(
    fetched: ControlAnswers['fetch'],
    expected: { taskId: TaskId; coordinator: NodeId; specHash: Hash },
  ): Promise<Plan> {
    const { chain, signer, trace } = this.#options;
    const { spec } = fetched.signed;
    checkFetched(fetched, { ...expected, self: signer.id, domain: chain.info.domain });
    const plan = await trace(fetched.program, this.#stopped.signal);
    if (planHash(plan) !== spec.planHash) throw mismatch('the program traces to another plan than the spec names');
    checkProtocol(this.#backend(spec.protocol), plan, spec);
    return plan;
  }

  async #refuse(
    taskId: TaskId,
    coordinator: NodeId,
    { code, reasons }: { code: string; reasons: Reason[] },
  ): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#log(taskId, { type: 'refused', code, reasons });
    this.#say(taskId, 'refused', `${code}: ${reasons[0]?.message ?? ''}`);
    const { signal } = this.#stopped;
    await this.#options.control().call(coordinator, { kind: 'refuse', taskId, code, reasons }, { signal });
  }

  /** A refusal may have been lost. It is for the coordinator of the task alone, whom the chain names. */
  async #repeatRefusal(
    { taskId }: WorkerTask,
    coordinator: NodeId,
    refusal: { code: string; reasons: Reason[] },
  ): Promise<void> {
    const { chain, control } = this.#options;
    if ((await chain.task(taskId))?.coordinator !== coordinator) return;
    await control().call(coordinator, { kind: 'refuse', taskId, ...refusal }, { signal: this.#stopped.signal });
  }

  /** True for a repeated request. @throws {NodeError} `TASK_STATE` for one that may not be begun. */
  #isTakenUp(taskId: TaskId, attempt: number): boolean {
    const { attempt: latest, ended, prepared, released } = this.#task(taskId);
    if (ended !== undefined) throw badState(`the task has ended: ${ended.status}`);
    if (released !== undefined) throw badState('outputs were released; there is no other attempt');
    if (attempt > latest) return false;
    if (this.#running.get(taskId)?.attempt === attempt || prepared?.attempt === attempt) return true;
    throw badState(`attempt ${attempt} is used up`);
  }

  #started(taskId: TaskId, hash: Hash): void {
    const task = this.#tasks.get(taskId);
    if (task?.consent !== undefined && task.rosterHash !== hash)
      this.#log(taskId, { type: 'started', rosterHash: hash });
  }

  /**
   * The roster that this node's own view of the chain has for the task, at the finality that it waits for: the event
   * comes with the stream; where a seen block is enough, the chain is asked at once.
   */
  async #rosterOnChain(taskId: TaskId): Promise<Hash> {
    const { chain, finality } = this.#options;
    for (let waited = 0; waited < START_MS; waited += START_POLL_MS) {
      const logged = this.#task(taskId).rosterHash;
      if (logged !== undefined) return logged;
      const onChain = finality === 'seen' ? await chain.task(taskId) : null;
      if (onChain?.status === 'running') return onChain.rosterHash;
      await this.#clock.sleep(START_POLL_MS, this.#stopped.signal);
    }
    throw new NodeError('TASK_NOT_STARTED', 'the start of the task is not final on the chain that this node sees', {
      fault: 'chain',
      retryable: true,
    });
  }

  /** Starts one attempt in the background; the answer only says that it was taken up. */
  async #attempt(
    task: WorkerTask,
    { attempt, consents }: Extract<ControlRequest, { kind: 'attempt' }>,
  ): Promise<object> {
    const { chain, signer } = this.#options;
    const { taskId, signed, plan } = task;
    if (signed === undefined || plan === undefined || task.consent === undefined)
      throw badState('this node did not consent');
    if (this.#isTakenUp(taskId, attempt)) return {};
    const roster = rosterOf(consents, signed.spec, chain.info.domain);
    checkRoster(roster, signed.spec, plan);
    expectRoster(roster, await this.#rosterOnChain(taskId));
    const own = roster.consentHashes[roster.members.indexOf(signer.id)];
    if (own !== consentHash(task.consent.consent)) throw badState('the roster holds another consent of this node');

    // The same request may have come twice while this one waited.
    if (this.#isTakenUp(taskId, attempt)) return {};
    const previous = this.#running.get(taskId);
    previous?.abort.abort(
      new NodeError('TASK_SUPERSEDED', 'a later attempt has begun', { fault: 'peer', retryable: true }),
    );
    await previous?.done;
    if (this.#isTakenUp(taskId, attempt)) return {};
    this.#log(taskId, { type: 'attempted', attempt, consents });
    const abort = new AbortController();
    const timer = this.#clock.sleep(signed.spec.limits.attemptMs, abort.signal).then(
      () => abort.abort(new NodeError('TASK_TIMEOUT', 'the attempt took too long', { fault: 'peer', retryable: true })),
      () => undefined,
    );
    const done = this.#compute(this.#task(taskId), signed.spec.protocol, attempt, consents, abort.signal)
      .catch(async (error) => {
        if (this.#stopped.signal.aborted || isNodeError(error, 'TASK_SUPERSEDED')) return;
        const culprit = blamed(error);
        const wire = wireError(error);
        this.#say(taskId, 'failed', `${wire.code}: ${wire.message}`);
        await this.#tell(task, {
          kind: 'failed',
          taskId,
          attempt,
          error: wire,
          ...(culprit === undefined ? {} : { culprit }),
        });
      })
      .finally(() => {
        abort.abort();
        if (this.#running.get(taskId)?.attempt === attempt) this.#running.delete(taskId);
        return timer;
      });
    this.#running.set(taskId, { attempt, abort, done });
    this.#background(done);
    return {};
  }

  async #compute(
    task: WorkerTask,
    protocol: string,
    attempt: number,
    consents: readonly SignedConsent[],
    signal: AbortSignal,
  ): Promise<void> {
    const { chain, crypto, data, env, signer } = this.#options;
    const { taskId, signed, plan } = task;
    if (signed === undefined || plan === undefined) throw badState('nothing to compute');
    const request: TaskRequest = { taskId, signed, plan, self: signer.id };
    const both = AbortSignal.any([signal, this.#stopped.signal]);
    let lastProgress = 0;
    const { output, cost, kept } = await runAttempt({
      request,
      roster: rosterOf(consents, signed.spec, chain.info.domain),
      attempt,
      backend: this.#backend(protocol),
      data,
      backbone: env.backbone,
      rendezvous: this.#rendezvous,
      rng: env.rng,
      crypto,
      intersector: this.#intersector,
      signal: both,
      onProgress: (phase, message, done, of) => {
        const now = this.#clock.now();
        if (done !== undefined && done !== of && now - lastProgress < 200) return;
        lastProgress = now;
        this.#update(taskId, phase, message, done, of);
      },
    });
    const sealedOutputs =
      output === undefined
        ? { leaves: [] as Leaf[], sealed: {} }
        : await sealOutputs({
            plan,
            spec: signed.spec,
            taskId,
            attempt,
            seat: signer.id,
            outputs: output.outputs,
            rng: env.rng,
          });
    both.throwIfAborted();
    this.#log(taskId, {
      type: 'prepared',
      attempt,
      ...sealedOutputs,
      ...(output === undefined ? {} : { transcript: output.transcript }),
      cost,
      ...(kept.length === 0 ? {} : { kept }),
    });
    for (const { name, file, rows } of kept) this.#say(taskId, 'kept', `${rows} rows of "${name}" in ${file}`);
    this.#say(taskId, 'prepared', 'outputs are sealed and wait for the others');
    await this.#tell(this.#task(taskId), {
      kind: 'prepared',
      taskId,
      attempt,
      leaves: sealedOutputs.leaves,
      ...(output === undefined ? {} : { transcript: output.transcript }),
      cost,
    });
  }

  async #release(
    task: WorkerTask,
    { attempt, leaves, transcriptRoot }: Extract<ControlRequest, { kind: 'release' }>,
  ): Promise<ControlAnswers['release']> {
    const { chain, signer } = this.#options;
    const { taskId, signed, prepared, released } = task;
    const root = resultRoot(taskId, attempt, leaves);
    if (released !== undefined) {
      if (released.attempt !== attempt || released.resultRoot !== root || released.transcriptRoot !== transcriptRoot) {
        throw badState('another release of this task was signed already');
      }
      return { attestation: released.attestation };
    }
    if (signed === undefined || prepared?.attempt !== attempt)
      throw badState(`attempt ${attempt} is not prepared here`);
    checkLeaves(leaves, signed.spec);
    const own = leaves.filter(({ seat }) => seat === signer.id);
    if (hashValue('leaves', own) !== hashValue('leaves', [...prepared.leaves].sort(byRecipient))) {
      throw badState('the outputs listed for this seat are not its own');
    }
    if (prepared.transcript !== undefined && prepared.transcript !== transcriptRoot) {
      throw new NodeError('TASK_TRANSCRIPT', 'the seats do not agree on what was said', { fault: 'peer' });
    }
    const attestation = await signAttestation(signer, chain.info.domain, { taskId, resultRoot: root, transcriptRoot });
    this.#log(taskId, { type: 'released', attempt, resultRoot: root, transcriptRoot, attestation });
    this.#say(taskId, 'released', 'outputs released, result attested');
    return { attestation };
  }

  #sealed(
    { released, prepared }: WorkerTask,
    { attempt, recipient, offset }: Extract<ControlRequest, { kind: 'sealed' }>,
  ): ControlAnswers['sealed'] {
    if (released?.attempt !== attempt) throw badState('nothing was released');
    const bytes = prepared?.sealed[recipient];
    if (bytes === undefined || offset > bytes.length) throw badState('no such output');
    return { bytes: bytes.slice(offset, offset + CHUNK_BYTES), total: bytes.length };
  }

  /** Whoever notices first ends a task whose deadline has passed; a coordinator that vanished cannot hold it open. */
  #watchDeadlines(task: WorkerTask): void {
    const spec = task.signed?.spec;
    if (spec === undefined) return;
    const { chain } = this.#options;
    const watch = async () => {
      const { signal } = this.#stopped;
      while (!signal.aborted && this.#tasks.get(task.taskId)?.ended === undefined) {
        const onChain = await chain.task(task.taskId).catch(() => undefined);
        if (onChain !== undefined && onChain !== null) {
          if (onChain.status !== 'open' && onChain.status !== 'running') {
            this.#end(task.taskId, { status: onChain.status, reason: '' });
            return;
          }
          const by = (onChain.status === 'open' ? spec.joinBy : spec.settleBy) * 1_000 + EXPIRE_GRACE_MS;
          if (this.#clock.now() > by)
            await chain.submit({ type: 'expire', taskId: task.taskId }, { signal }).catch(() => undefined);
          else {
            await this.#clock.sleep(Math.min(by - this.#clock.now() + 500, 60_000), signal);
            continue;
          }
        }
        await this.#clock.sleep(2_000, signal);
      }
    };
    this.#background(watch());
  }

  #end(taskId: TaskId, end: Omit<Extract<WorkerEvent, { type: 'ended' }>, 'type'>): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined || task.ended !== undefined) return;
    this.#log(taskId, { type: 'ended', ...end });
    this.#running
      .get(taskId)
      ?.abort.abort(new NodeError('TASK_ENDED', `the task has ended: ${end.status}`, { fault: 'peer' }));
    const running = this.#running.get(taskId)?.done;
    this.#background(this.#options.data?.release(taskId) ?? Promise.resolve());
    this.#background((running ?? Promise.resolve()).finally(() => this.#forgetEnded()));
    this.#say(
      taskId,
      end.status,
      end.reason === '' ? `the task is ${end.status}` : `the task is ${end.status}: ${end.reason}`,
    );
  }

  /** What intersections keep for another attempt serves open tasks alone. */
  #forgetEnded(): void {
    const open = this.list().filter(({ ended }) => ended === undefined);
    this.#background(this.#intersector.retain(open.map(({ taskId }) => taskId)));
  }

  #log(taskId: TaskId, event: WorkerEvent): void {
    const next = reduceWorker(this.#tasks.get(taskId) ?? { taskId, attempt: 0 }, event);
    this.#journal.append([workerEntry(taskId, event)]);
    this.#tasks.set(taskId, next);
    this.#options.onChanged(next);
  }

  /** Says something to the coordinator; what cannot be said now is asked for later. */
  async #tell(task: WorkerTask, request: ControlRequest): Promise<void> {
    const coordinator = this.#task(task.taskId).signed?.spec.coordinator;
    if (coordinator === undefined) return;
    const { signal } = this.#stopped;
    for (let pause = 250; ; pause = Math.min(pause * 2, 4_000)) {
      try {
        await this.#options.control().call(coordinator, request, { signal });
        return;
      } catch (error) {
        if (!isNodeError(error) || !error.retryable || this.#tasks.get(task.taskId)?.ended !== undefined) return;
        await this.#clock.sleep(pause, signal);
      }
    }
  }

  /** On this node alone; the coordinator hears of it by the message that it is about. */
  #say(taskId: TaskId, phase: string, message: string, progress?: { done: number; of: number }): void {
    const { onUpdate, orgOf, signer } = this.#options;
    const update = { at: this.#clock.now(), taskId, node: signer.id, org: orgOf(signer.id), phase, message };
    onUpdate(progress === undefined ? update : { ...update, progress });
  }

  /** Here and to the coordinator. */
  #update(taskId: TaskId, phase: string, message: string, done?: number, of?: number): void {
    const { control } = this.#options;
    this.#say(taskId, phase, message, done === undefined || of === undefined ? undefined : { done, of });
    const task = this.#tasks.get(taskId);
    const coordinator = task?.signed?.spec.coordinator;
    if (coordinator === undefined) return;
    const report = {
      kind: 'progress',
      taskId,
      attempt: task?.attempt ?? 0,
      phase,
      message: message.slice(0, 300),
    } as const;
    this.#background(
      control()
        .call(
          coordinator,
          { ...report, ...(done === undefined || of === undefined ? {} : { done, of }) },
          { signal: this.#stopped.signal },
        )
        .then(() => undefined),
    );
  }

  #task(taskId: TaskId): WorkerTask {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw badState('unknown task');
    return task;
  }

  #mine(taskId: TaskId, coordinator: NodeId): WorkerTask {
    const task = this.#tasks.get(taskId);
    if (task === undefined || task.signed?.spec.coordinator !== coordinator)
      throw badState('no task of this coordinator');
    return task;
  }

  #backend(protocol: string): SharedBackend {
    const backend = this.#options.backends.find(({ card }) => card.id === protocol);
    if (backend === undefined) {
      throw new NodeError('TASK_PROTOCOL', `this node does not speak ${protocol}`, { fault: 'caller' });
    }
    return backend;
  }

  /** Work that nobody waits for. Its errors were reported where they arose; a stopping node has none to report. */
  #background(work: Promise<unknown>): void {
    work.catch(() => undefined);
  }
}

function byRecipient(a: Leaf, b: Leaf): number {
  return a.recipient < b.recipient ? -1 : 1;
}

function badState(problem: string): NodeError {
  return new NodeError('TASK_STATE', problem, { fault: 'peer' });
}
