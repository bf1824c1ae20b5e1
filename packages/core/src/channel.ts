/** Ordered, authenticated, framed messages to one party. Protocols see nothing else of the network. @module */
import { NodeError } from './errors.ts';
import type { NodeId } from './ids.ts';

export interface ChannelStats {
  bytesSent: number;
  bytesReceived: number;
  framesSent: number;
  framesReceived: number;
}

export interface Channel {
  /** The proven identity of the other end. */
  readonly peer: NodeId;
  readonly stats: Readonly<ChannelStats>;
  /** Resolves when the frame was accepted for sending and there is room for another (back-pressure). */
  send(frame: Uint8Array): Promise<void>;
  /** The next frame. @throws {NodeError} `CHANNEL_CLOSED`, or what the other end or the signal gave as reason. */
  receive(options?: { signal?: AbortSignal }): Promise<Uint8Array>;
  /** Idempotent. Pending receives reject with `reason`, or with `CHANNEL_CLOSED`. */
  close(reason?: Error): void;
}

export function channelClosed(peer: NodeId): NodeError {
  return new NodeError('CHANNEL_CLOSED', `the channel to ${peer} is closed`, { fault: 'peer', retryable: true });
}

/** One end's inbox: frames and waiting receivers, first in first out. Shared by every Channel implementation. */
export class Inbox {
  readonly #frames: Uint8Array[] = [];
  readonly #waiting: { resolve: (frame: Uint8Array) => void; reject: (reason: unknown) => void }[] = [];
  #closed: { reason: unknown } | undefined;

  /** Number of frames that nobody has asked for yet. */
  get length(): number {
    return this.#frames.length;
  }

  push(frame: Uint8Array): void {
    if (this.#closed !== undefined) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#frames.push(frame);
    else waiting.resolve(frame);
  }

  /** Frames already here are still handed out after a close; then receivers get the reason. */
  close(reason: unknown): void {
    if (this.#closed !== undefined) return;
    this.#closed = { reason };
    for (const waiting of this.#waiting.splice(0)) waiting.reject(reason);
  }

  next(signal?: AbortSignal): Promise<Uint8Array> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#closed !== undefined) return Promise.reject(this.#closed.reason);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const entry = { resolve: settle(resolve), reject: settle(reject) };
      const onAbort = () => {
        const index = this.#waiting.indexOf(entry);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(signal?.reason);
      };
      function settle<T>(done: (value: T) => void): (value: T) => void {
        return (value) => {
          signal?.removeEventListener('abort', onAbort);
          done(value);
        };
      }
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(entry);
    });
  }
}

/** Two ends of an in-memory channel. `a` talks to `peerOfA`, `b` to `peerOfB`. Frames are copied, as a wire would. */
export function channelPair(peerOfA: NodeId, peerOfB: NodeId): [a: Channel, b: Channel] {
  const inboxes = [new Inbox(), new Inbox()] as const;
  const stats: [ChannelStats, ChannelStats] = [emptyStats(), emptyStats()];
  const end = (mine: 0 | 1, peer: NodeId): Channel => {
    const other = mine === 0 ? 1 : 0;
    let closed = false;
    return {
      peer,
      stats: stats[mine],
      async send(frame) {
        if (closed) throw channelClosed(peer);
        stats[mine].framesSent++;
        stats[mine].bytesSent += frame.length;
        stats[other].framesReceived++;
        stats[other].bytesReceived += frame.length;
        inboxes[other].push(frame.slice());
      },
      receive: (options) => inboxes[mine].next(options?.signal),
      close(reason) {
        if (closed) return;
        closed = true;
        inboxes[mine].close(reason ?? channelClosed(peer));
        inboxes[other].close(channelClosed(mine === 0 ? peerOfB : peerOfA));
      },
    };
  };
  return [end(0, peerOfA), end(1, peerOfB)];
}

export function emptyStats(): ChannelStats {
  return { bytesSent: 0, bytesReceived: 0, framesSent: 0, framesReceived: 0 };
}
