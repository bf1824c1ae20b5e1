/**
 * Everything a node takes from the outside world: time, randomness, network and disk. The real one is made in `node`,
 * a simulated one in `testing`; nothing else in the product may ask the operating system for these.
 * @module
 */
import type { Channel } from './channel.ts';
import type { NodeId } from './ids.ts';

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Rng {
  /** Fills with cryptographically secure bytes and returns the same array. */
  fill<T extends Uint8Array>(bytes: T): T;
}

/** What a session is for, bound into its first frame on both sides. */
export interface SessionBinding {
  /** Protocol id, `/2pm/<name>/<version>`. */
  protocol: string;
  /** Unique per use: the sid of a computation, or a random id for a control session. */
  session: string;
}

/** One authenticated session with a peer. `peer` is proven before the first byte of either side is handed over. */
export interface Backbone {
  readonly self: NodeId;
  /** Opens a session. @throws {NodeError} `P2P_UNREACHABLE` (retryable), `P2P_IDENTITY`, `P2P_UNKNOWN_NODE`. */
  dial(peer: NodeId, binding: SessionBinding, options?: { signal?: AbortSignal }): Promise<Channel>;
  /**
   * Serves sessions of one protocol. The handler gets channels whose first frame named this protocol.
   * Returns a function that stops serving.
   */
  serve(protocol: string, handler: (channel: Channel, binding: SessionBinding) => void): () => void;
}

/** An append-only journal, durable before `append` returns. One per concern; the name is its file. */
export interface Journal {
  /** Appends atomically: all entries or none. Returns the sequence number of the last. */
  append(entries: readonly JournalEntry[]): number;
  /** All entries in order; `key` restricts to one stream (a task id, say). */
  read(key?: string): Iterable<JournalEntry & { seq: number }>;
  close(): void;
}

export interface JournalEntry {
  key: string;
  kind: string;
  body: Uint8Array;
}

export interface Disk {
  journal(name: string): Journal;
}

export interface Env {
  clock: Clock;
  rng: Rng;
  disk: Disk;
  backbone: Backbone;
}
