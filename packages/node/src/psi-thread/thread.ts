/**
 * Intersections in a thread of their own, so that the node answers while they run. The thread starts with the first, keeps
 * base transfers and working memory for those that follow, and ends when it had nothing to do for a while, its memory with
 * it. Several runs share it, taking turns wherever they wait for a peer.
 * @module
 */
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type Channel, NodeError, type NodeId } from '@2pm/core';
import type { IntersectionRequest, Intersector, MatchedPayloads, SetSizes } from '@2pm/psi';
import { retainScratch, type ScratchOptions, scratchOf } from '../psi-buckets/scratch.ts';
import { type FromThread, fromWire, type Job, type ToThread, toWire } from './messages.ts';

export interface PsiThreadOptions {
  /** What else a peer is known by: base transfers are kept as long as it is the same. */
  identityOf?: (peer: NodeId) => string | undefined;
  idleMs?: number;
  /** For sets that do not fit into memory; without it they have to. */
  scratch?: ScratchOptions;
  sizes?: SetSizes;
}

/** `intersect` throws `PSI_THREAD_DIED` (retryable), errors of the protocol and of the channels, or the signal's reason. */
export interface PsiThread extends Intersector {
  /** Starts the thread before the first intersection needs it. */
  start(): void;
  /** Ends the thread, and with it what runs there. */
  close(): Promise<void>;
}

/** Run from sources (in tests), the thread is the one that was built: Node 20 does not strip types. */
const CHILD = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/psi-thread/child.js' : './child.js',
  import.meta.url,
);
const IDLE_MS = 600_000;

export function psiThread(options: PsiThreadOptions = {}): PsiThread {
  const { identityOf = () => undefined, idleMs = IDLE_MS, scratch, sizes } = options;
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  const runs = new Set<Run>();

  function started(): Worker {
    if (worker !== undefined) return worker;
    // Nothing in the node's environment is its business.
    const fresh = new Worker(fileURLToPath(CHILD), { name: 'psi', env: {}, execArgv: [], workerData: { sizes } });
    let cause: unknown;
    fresh.on('error', (error) => {
      cause = error;
    });
    fresh.on('exit', () => {
      if (worker === fresh) worker = undefined;
      for (const run of runs) if (run.thread === fresh) run.fail(died(cause));
    });
    worker = fresh;
    return fresh;
  }

  async function close(): Promise<void> {
    clearTimeout(idle);
    const ending = worker;
    worker = undefined;
    await ending?.terminate();
  }

  function rest(thread: Worker): void {
    thread.unref();
    clearTimeout(idle);
    idle = setTimeout(() => void close(), idleMs).unref();
  }

  return {
    start() {
      if (runs.size === 0) rest(started());
    },
    async intersect(request) {
      request.signal.throwIfAborted();
      clearTimeout(idle);
      const thread = started();
      const folder = scratch === undefined ? undefined : scratchOf(scratch, request, sizes);
      const run = new Run(thread, request, folder, identityOf);
      runs.add(run);
      thread.ref();
      try {
        return await run.result;
      } finally {
        runs.delete(run);
        if (runs.size === 0) rest(thread);
      }
    },
    async retain(tasks) {
      if (scratch !== undefined) await retainScratch(scratch, tasks);
    },
    close,
  };
}

/** One intersection as the node's own thread sees it. */
class Run {
  readonly thread: Worker;
  readonly result: Promise<MatchedPayloads | undefined>;
  fail!: (reason: unknown) => void;
  readonly #port: MessagePort;
  readonly #channels: readonly (Channel | undefined)[];
  /** Ends what waits on a channel for a run that is over. */
  readonly #over = new AbortController();
  /** Of channels, by call: a run that ends with one ends with itself and not with its copy. */
  readonly #errors = new Map<number, unknown>();
  readonly #onProgress: IntersectionRequest['onProgress'];

  constructor(
    thread: Worker,
    request: IntersectionRequest,
    scratch: string | undefined,
    identityOf: (peer: NodeId) => string | undefined,
  ) {
    const { parties, signal, onProgress, ...rest } = request;
    const { port1, port2 } = new MessageChannel();
    this.thread = thread;
    this.#port = port1;
    this.#channels = parties.map(({ channel }) => channel);
    this.#onProgress = onProgress;
    let succeed!: (result: MatchedPayloads | undefined) => void;
    const ended = new Promise<MatchedPayloads | undefined>((resolve, reject) => {
      succeed = resolve;
      this.fail = reject;
    });
    const onAbort = () => this.fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    // A closed port tells the thread that nobody waits for its run.
    this.result = ended.finally(() => {
      signal.removeEventListener('abort', onAbort);
      port1.close();
      this.#over.abort();
    });
    port1.on('message', (message: FromThread) => this.#hear(message, succeed));
    // Copies: what the caller has stays its own.
    const items = rest.items.slice();
    const payloads = rest.payloads?.slice();
    const job: Job = {
      request: { ...rest, items, ...(payloads === undefined ? {} : { payloads }) },
      parties: parties.map(({ capacity, channel }) => {
        const identity = channel === undefined ? undefined : identityOf(channel.peer);
        return {
          capacity,
          ...(channel === undefined ? {} : { peer: channel.peer }),
          ...(identity === undefined ? {} : { identity }),
        };
      }),
      ...{ port: port2, scratch },
    };
    thread.postMessage(job, [port2, items.buffer, ...(payloads === undefined ? [] : [payloads.buffer])]);
  }

  #hear(message: FromThread, succeed: (result: MatchedPayloads | undefined) => void): void {
    switch (message.type) {
      case 'send':
        this.#answer(message.call, this.#channel(message.party).send(message.frame), (call) =>
          this.#say({ type: 'sent', call }),
        );
        break;
      case 'receive':
        this.#answer(
          message.call,
          this.#channel(message.party).receive({ signal: this.#over.signal }),
          // Copied: it may be a piece of what the socket has read.
          (call, frame) => this.#say({ type: 'received', call, frame }),
        );
        break;
      case 'progress':
        this.#onProgress?.({ buckets: message.buckets, of: message.of });
        break;
      case 'done':
        succeed(message.result);
        break;
      default:
        this.fail(this.#errors.get(message.error.call ?? 0) ?? fromWire(message.error));
    }
  }

  #answer<T>(call: number, work: Promise<T>, say: (call: number, value: T) => void): void {
    work.then(
      (value) => say(call, value),
      (error: unknown) => {
        this.#errors.set(call, error);
        this.#say({ type: 'refused', call, error: toWire(error, call) });
      },
    );
  }

  #say(message: ToThread): void {
    this.#port.postMessage(message);
  }

  #channel(party: number): Channel {
    const channel = this.#channels[party];
    if (channel === undefined) throw new RangeError(`there is no channel to party ${party}`);
    return channel;
  }
}

function died(cause: unknown): NodeError {
  return new NodeError('PSI_THREAD_DIED', 'the thread of the intersection ended before it', {
    fault: 'node',
    retryable: true,
    fix: 'Look at the memory of this node: large sets need about 200 bytes an item.',
    cause,
  });
}
