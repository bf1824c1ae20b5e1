/** Where dialled computation channels wait for the attempt that they belong to: the peer may be ahead of us. @module */
import { type Backbone, type Channel, type Clock, NodeError, type NodeId } from '@2pm/core';
import { COMPUTE_PROTOCOL } from '../messages.ts';

const WAIT_MS = 15_000;
const MAX_WAITING = 256;

export class Rendezvous {
  readonly #clock: Clock;
  readonly #arrived = new Map<string, { channel: Channel; timer: AbortController }>();
  readonly #expected = new Map<string, (channel: Channel) => void>();
  readonly #stopServing: () => void;

  constructor(options: { backbone: Backbone; clock: Clock }) {
    this.#clock = options.clock;
    this.#stopServing = options.backbone.serve(COMPUTE_PROTOCOL, (channel, { session }) =>
      this.#arrive(`${session} ${channel.peer}`, channel),
    );
  }

  take(session: string, peer: NodeId, signal: AbortSignal): Promise<Channel> {
    const key = `${session} ${peer}`;
    const arrived = this.#arrived.get(key);
    if (arrived !== undefined) {
      this.#arrived.delete(key);
      arrived.timer.abort();
      return Promise.resolve(arrived.channel);
    }
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#expected.delete(key);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#expected.set(key, (channel) => {
        signal.removeEventListener('abort', onAbort);
        this.#expected.delete(key);
        resolve(channel);
      });
    });
  }

  stop(): void {
    this.#stopServing();
    for (const { channel, timer } of this.#arrived.values()) {
      timer.abort();
      channel.close();
    }
    this.#arrived.clear();
  }

  #arrive(key: string, channel: Channel): void {
    const expected = this.#expected.get(key);
    if (expected !== undefined) {
      expected(channel);
      return;
    }
    if (this.#arrived.has(key) || this.#arrived.size >= MAX_WAITING) {
      channel.close(new NodeError('TASK_SESSION', 'session already open, or too many waiting', { fault: 'peer' }));
      return;
    }
    const timer = new AbortController();
    this.#arrived.set(key, { channel, timer });
    this.#clock.sleep(WAIT_MS, timer.signal).then(
      () => {
        this.#arrived.delete(key);
        channel.close(
          new NodeError('TASK_SESSION', 'nobody here expects this session', { fault: 'peer', retryable: true }),
        );
      },
      () => undefined,
    );
  }
}
