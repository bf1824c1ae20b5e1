/** A Channel over one socket: frames, back-pressure in both directions, an orderly goodbye. @module */
import type { Duplex } from 'node:stream';
import { type Channel, channelClosed, emptyStats, Inbox, isNodeError, NodeError, type NodeId } from '@2pm/core';
import { FrameDecoder, frameTooLarge, GOODBYE, HEADER_BYTES } from './frame.ts';

export interface SocketChannelLimits {
  /** Longest frame, both ways. */
  frameBytes: number;
  /** The socket is not read while complete frames of more than this many bytes wait for a receiver. */
  inboxBytes: number;
}

/** Written at a time: long enough to fill TLS records, short enough that a long frame does not block the event loop. */
const WRITE_BYTES = 256 * 1024;
/** One TLS record: the header and the beginning of a frame leave together. */
const RECORD_BYTES = 16 * 1024;
/** Frames waiting for a receiver, so that a flood of empty ones is bounded too. */
const INBOX_FRAMES = 4096;

export class SocketChannel implements Channel {
  readonly peer: NodeId;
  readonly stats = emptyStats();
  readonly #socket: Duplex;
  readonly #inbox = new Inbox();
  readonly #decoder: FrameDecoder;
  readonly #inboxBytes: number;
  readonly #now: () => number;
  #waitingBytes = 0;
  #paused = false;
  /** Set once nothing more may be sent. */
  #ended: Error | undefined;
  /** Why the socket was destroyed, or what it failed with. */
  #failure: Error | undefined;
  /** Sends happen one after the other, in the order of the calls. */
  #turn: Promise<void> = Promise.resolve();
  #onDrain: (() => void) | undefined;
  /** When bytes last came in or went out. */
  activeAt: number;
  closingSince: number | undefined;
  /** Resolves when the socket is gone. */
  readonly closed: Promise<void>;

  constructor(socket: Duplex, peer: NodeId, limits: SocketChannelLimits, now: () => number) {
    this.peer = peer;
    this.#socket = socket;
    this.#decoder = new FrameDecoder(limits.frameBytes);
    this.#inboxBytes = limits.inboxBytes;
    this.#now = now;
    this.activeAt = now();
    socket.on('data', (chunk: Uint8Array) => this.#read(chunk));
    socket.on('drain', () => this.#wake());
    socket.on('end', () => this.#socket.end());
    socket.on('error', (error: Error) => {
      this.#failure ??= error;
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#lost();
        resolve();
      });
    });
  }

  get frameBytes(): number {
    return this.#decoder.limit;
  }

  set frameBytes(limit: number) {
    this.#decoder.limit = limit;
  }

  /** True when the other end began a frame and this end is ready to read the rest. */
  get midFrame(): boolean {
    return this.#decoder.partial && !this.#paused && this.#ended === undefined;
  }

  /** @throws {NodeError} also `P2P_FRAME_TOO_LARGE`. The frame must not change before the promise resolves. */
  async send(frame: Uint8Array): Promise<void> {
    await this.write(frame);
    this.stats.framesSent++;
    this.stats.bytesSent += frame.length;
  }

  async receive(options?: { signal?: AbortSignal }): Promise<Uint8Array> {
    const frame = await this.read(options?.signal);
    this.stats.framesReceived++;
    this.stats.bytesReceived += frame.length;
    return frame;
  }

  /** Frames already accepted by `send` still go out, then the goodbye. */
  close(reason?: Error): void {
    if (this.#ended !== undefined) return;
    this.#end(reason ?? channelClosed(this.peer));
    this.closingSince = this.#now();
    void this.#turn.then(() => {
      if (!this.#socket.destroyed) this.#socket.end(GOODBYE);
    });
    this.#resume();
  }

  /** Closes without a goodbye: the other end sees a lost connection. */
  destroy(reason: Error): void {
    this.#failure ??= reason;
    this.#end(reason);
    this.#socket.destroy();
    this.#wake();
  }

  /** `send`, not counted. */
  write(frame: Uint8Array): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (frame.length > this.frameBytes) return Promise.reject(frameTooLarge(frame.length, this.frameBytes, 'caller'));
    const written = this.#turn.then(() => this.#write(frame));
    this.#turn = written.catch(() => {});
    return written;
  }

  /** `receive`, not counted. */
  async read(signal?: AbortSignal): Promise<Uint8Array> {
    const frame = await this.#inbox.next(signal);
    this.#waitingBytes -= frame.length;
    if (this.#paused && this.#waitingBytes <= this.#inboxBytes / 2 && this.#inbox.length <= INBOX_FRAMES / 2) {
      this.#resume();
    }
    return frame;
  }

  async #write(frame: Uint8Array): Promise<void> {
    const head = Math.min(frame.length, RECORD_BYTES - HEADER_BYTES);
    const first = Buffer.allocUnsafe(HEADER_BYTES + head);
    first.writeUInt32LE(frame.length);
    first.set(frame.subarray(0, head), HEADER_BYTES);
    let room = this.#put(first);
    for (let at = head; at < frame.length; at += WRITE_BYTES) {
      // Not copied: after the drain the socket holds on to none of it.
      room = this.#put(frame.subarray(at, at + WRITE_BYTES));
      if (!room && at + WRITE_BYTES < frame.length) await this.#drained();
    }
    if (!room) await this.#drained();
  }

  #put(piece: Uint8Array): boolean {
    if (this.#socket.writableEnded || this.#socket.destroyed) throw this.#ended ?? channelClosed(this.peer);
    this.activeAt = this.#now();
    return this.#socket.write(piece);
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onDrain = () => {
        if (this.#socket.destroyed) reject(this.#ended ?? channelClosed(this.peer));
        else resolve();
      };
      if (this.#socket.destroyed) this.#wake();
    });
  }

  #wake(): void {
    const wake = this.#onDrain;
    this.#onDrain = undefined;
    wake?.();
  }

  #read(chunk: Uint8Array): void {
    this.activeAt = this.#now();
    // After a close this end reads on only so that the other's last bytes do not reset the connection.
    if (this.closingSince !== undefined) return;
    try {
      for (const frame of this.#decoder.push(chunk)) {
        this.#waitingBytes += frame.length;
        this.#inbox.push(frame);
      }
    } catch (error) {
      this.destroy(error as Error);
      return;
    }
    if (this.#decoder.ended) {
      this.#end(channelClosed(this.peer));
      this.closingSince = this.#now();
      this.#socket.end();
    } else if (this.#waitingBytes > this.#inboxBytes || this.#inbox.length > INBOX_FRAMES) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  #resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    this.#inbox.close(reason);
  }

  #lost(): void {
    const cause = this.#failure;
    const error = isNodeError(cause)
      ? cause
      : new NodeError('P2P_CONNECTION_LOST', `the connection to ${this.peer} broke off`, {
          fault: 'peer',
          retryable: true,
          ...(cause === undefined ? {} : { cause }),
        });
    this.#end(error);
    this.#wake();
  }
}
