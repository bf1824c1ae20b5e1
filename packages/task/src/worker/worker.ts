/**
 * The client side of task management: watches the chain, fetches spec and program, decides, fixes its data, consents,
 * computes, releases, attests. Every promise is logged before it leaves the node.
 * @module
 */
import { type LedgerEvent, NodeError, type NodeId, type TaskId } from '@2pm/core';
import { rosterHash } from '@2pm/crypto';
import { type Intersector, intersector } from '@2pm/psi';
import type { ControlAnswers, ControlRequest } from '../messages.ts';
import { takeUp } from './attempt.ts';
import { WorkerBook, type WorkerBookOptions } from './book.ts';
import { consider, judgeDraft, repeatAnswer } from './consider.ts';
import { background, type WorkerDesk } from './desk.ts';
import { end, forgetEnded, watchDeadlines } from './ending.ts';
import type { WorkerTask } from './log.ts';
import { handOut, release } from './outputs.ts';
import { Rendezvous } from './rendezvous.ts';
import { tell } from './tell.ts';

/** A coordinator that has said nothing this long after its task appeared is asked. */
const OFFER_GRACE_MS = 3_000;

export type WorkerOptions = Omit<WorkerDesk, 'book' | 'intersector' | 'rendezvous' | 'running' | 'stopped'> &
  Pick<WorkerBookOptions, 'orgOf' | 'onUpdate' | 'onChanged'> & {
    /** Runs intersections; without it, in this thread. */
    intersector?: Intersector;
  };

export class Worker {
  readonly #desk: WorkerDesk;
  readonly #considering = new Map<TaskId, Promise<void>>();
  readonly #stopped = new AbortController();
  #checking: Promise<unknown> = Promise.resolve();

  constructor(options: WorkerOptions) {
    const { crypto, env, signer } = options;
    const { backbone, clock, disk, rng } = env;
    this.#desk = {
      ...options,
      book: new WorkerBook({ ...options, self: signer.id, clock, journal: disk.journal('worker') }),
      rendezvous: new Rendezvous({ backbone, clock }),
      intersector: options.intersector ?? intersector({ rng, crypto, now: () => clock.now() }),
      running: new Map(),
      stopped: this.#stopped.signal,
    };
  }

  /** Takes up what was left open when the node went down. */
  resume(): void {
    const desk = this.#desk;
    forgetEnded(desk);
    for (const { taskId, consent, ended } of this.list()) {
      if (ended !== undefined) continue;
      watchDeadlines(desk, taskId);
      if (consent !== undefined) background(tell(desk, { kind: 'consent', taskId, signed: consent }));
    }
  }

  async stop(): Promise<void> {
    const { book, rendezvous, running } = this.#desk;
    this.#stopped.abort(new NodeError('NODE_STOPPING', 'the node is stopping', { fault: 'node', retryable: true }));
    rendezvous.stop();
    await Promise.allSettled([...running.values()].map(({ done }) => done));
    await Promise.allSettled(this.#considering.values());
    book.close();
  }

  list(): WorkerTask[] {
    return this.#desk.book.list();
  }

  /** Called for every ledger event, at least once, in order. */
  onLedgerEvent(event: LedgerEvent): void {
    const desk = this.#desk;
    const { book, env } = desk;
    if (event.type === 'taskCreated') {
      if (book.find(event.taskId) !== undefined) return;
      // The chain does not say who is invited. The coordinator usually does, at once; if not, we ask.
      const patience = env.clock.sleep(OFFER_GRACE_MS, desk.stopped);
      background(patience.then(() => this.#consider(event.taskId, event.coordinator)));
    } else if (event.type === 'taskStarted') {
      const hash = rosterHash(event.members, event.consentHashes);
      const task = book.find(event.taskId);
      if (task?.consent !== undefined && task.rosterHash !== hash)
        book.log(event.taskId, { type: 'started', rosterHash: hash });
    } else if (event.type === 'taskSettled') end(desk, event.taskId, { status: 'settled', reason: '' });
    else if (event.type === 'taskExpired') end(desk, event.taskId, { status: 'expired', reason: '' });
    else if (event.type === 'taskAborted')
      end(desk, event.taskId, { status: 'aborted', reason: event.reason, by: event.by });
  }

  /** Answers a request of a coordinator. */
  async answer(peer: NodeId, request: ControlRequest): Promise<unknown> {
    const { book } = this.#desk;
    switch (request.kind) {
      case 'offer':
        background(this.#consider(request.taskId, peer));
        return {};
      case 'check':
        return this.check(peer, request);
      case 'attempt':
        return takeUp(this.#desk, book.taskOf(peer, request.taskId), request);
      case 'release':
        return release(this.#desk, book.taskOf(peer, request.taskId), request);
      case 'sealed':
        return handOut(book.taskOf(peer, request.taskId), request);
      default:
        throw new NodeError('TASK_BAD_REQUEST', `${request.kind} is not for a member`, { fault: 'peer' });
    }
  }

  /** What this node would say to a task. One at a time: asking costs a peer nothing, tracing costs us a process. */
  check(coordinator: NodeId, draft: ControlAnswers['fetch']): Promise<ControlAnswers['check']> {
    const answer = this.#checking.then(() => judgeDraft(this.#desk, coordinator, draft));
    this.#checking = answer;
    return answer;
  }

  #consider(taskId: TaskId, coordinator: NodeId): Promise<void> {
    const known = repeatAnswer(this.#desk, taskId, coordinator) ?? this.#considering.get(taskId);
    if (known !== undefined) return known;
    const work = consider(this.#desk, taskId, coordinator).finally(() => this.#considering.delete(taskId));
    this.#considering.set(taskId, work);
    return work;
  }
}
