/** The thread in which intersections run: their arithmetic blocks it for a second and more, and nothing else of the node. @module */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Channel, emptyStats, type NodeId } from '@2pm/core';
import { loadGroup } from '@2pm/crypto/group';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { loadKernels } from '@2pm/crypto/wasm';
import { intersector, type SetSizes } from '@2pm/psi';
import { fileBucketStore } from '../psi-buckets/file-store.ts';
import { type FromThread, fromWire, type Job, type ToThread, toWire } from './messages.ts';

/** Frames on their way to the sockets. More wait: the sockets take them no faster. */
const WINDOW = 16;

const { sizes } = workerData as { sizes: SetSizes | undefined };
const own = intersector({
  ...{ rng: nodeRng, crypto: nodeCrypto, now: () => performance.now() },
  ...(sizes === undefined ? {} : { sizes }),
});

parentPort?.on('message', (job: Job) => void serve(job));
// Ahead of the first run; what fails here fails there again, and is reported.
Promise.all([loadGroup(), loadKernels()]).catch(() => undefined);

async function serve({ request, scratch, parties, port }: Job): Promise<void> {
  const calls = new Calls(port);
  try {
    const { resume } = request;
    const store = scratch === undefined ? {} : { store: fileBucketStore(scratch) };
    const result = await own.intersect({
      ...request,
      ...(resume === undefined ? {} : { resume: { ...resume, ...store } }),
      parties: parties.map(({ peer, capacity, identity }, party) => ({
        capacity,
        ...(peer === undefined ? {} : { channel: calls.channel(party, peer) }),
        ...(identity === undefined ? {} : { identity }),
      })),
      signal: calls.aborted.signal,
      onProgress: (done) => calls.say({ type: 'progress', ...done }),
    });
    await calls.sent();
    const buffers = result === undefined ? [] : [result.matches.buffer, result.payloads.buffer];
    port.postMessage({ type: 'done', result } satisfies FromThread, buffers as ArrayBuffer[]);
  } catch (error) {
    calls.say({ type: 'failed', error: toWire(error) });
  }
}

interface Waiting {
  resolve: (frame: Uint8Array) => void;
  reject: (reason: unknown) => void;
}

/** What one run asks of the node's thread. */
class Calls {
  readonly aborted = new AbortController();
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  readonly #sending = new Set<Promise<unknown>>();
  #last = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: ToThread) => this.#hear(message));
    // Nobody waits for this run any more.
    port.on('close', () => this.aborted.abort());
  }

  say(message: FromThread): void {
    this.#port.postMessage(message);
  }

  /** Resolves when all that was sent has been accepted. */
  async sent(): Promise<void> {
    await Promise.all(this.#sending);
  }

  channel(party: number, peer: NodeId): Channel {
    return {
      peer,
      // Counted where the sockets are.
      stats: emptyStats(),
      send: (frame) => this.#send(party, frame),
      receive: ({ signal } = {}) => this.#receive(party, signal),
      close: () => undefined,
    };
  }

  async #send(party: number, frame: Uint8Array): Promise<void> {
    while (this.#sending.size >= WINDOW) await Promise.race(this.#sending);
    const copy = frame.slice();
    const accepted = this.#call((call) =>
      this.#port.postMessage({ type: 'send', call, party, frame: copy } satisfies FromThread, [copy.buffer]),
    );
    // One that fails stays: whoever sends next is told, and the run cannot end well.
    const sending: Promise<unknown> = accepted.then(() => this.#sending.delete(sending));
    sending.catch(() => undefined);
    this.#sending.add(sending);
  }

  #receive(party: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const received = this.#call((call) => this.say({ type: 'receive', call, party }));
    if (signal === undefined) return received;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      received.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  #call(ask: (call: number) => void): Promise<Uint8Array> {
    const call = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      ask(call);
    });
  }

  #hear(message: ToThread): void {
    const waiting = this.#waiting.get(message.call);
    this.#waiting.delete(message.call);
    if (message.type === 'refused') waiting?.reject(fromWire(message.error));
    else waiting?.resolve(message.type === 'received' ? message.frame : new Uint8Array());
  }
}
