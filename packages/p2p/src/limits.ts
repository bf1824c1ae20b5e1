/** What one node spends on its peers at most. @module */

export interface P2pLimits {
  /** Longest frame of a session. */
  frameBytes: number;
  /** The same for single protocols, by protocol id: those that carry bulk data. */
  frameBytesOf: Readonly<Record<string, number>>;
  /**
   * A session is not read while complete frames of more than this wait for a receiver. Two ends that each send more
   * than this, and what the sockets hold, before either receives, wait for each other.
   */
  inboxBytes: number;
  /** From the first packet to the answered first frame. */
  handshakeMs: number;
  /** Longest pause within a frame, and longest farewell. */
  stallMs: number;
  /** Longest silence in both directions; Infinity for none. A dead peer is found by TCP keep-alive long before. */
  idleMs: number;
  maxSessions: number;
  maxSessionsPerPeer: number;
  /** Connections that have not proven who they are; when full, the oldest makes room. */
  maxHandshakes: number;
}

export const DEFAULT_LIMITS: P2pLimits = {
  frameBytes: 1024 * 1024,
  frameBytesOf: {},
  inboxBytes: 32 * 1024 * 1024,
  handshakeMs: 10_000,
  stallMs: 30_000,
  idleMs: 30 * 60_000,
  maxSessions: 1024,
  maxSessionsPerPeer: 64,
  maxHandshakes: 128,
};
