/** The dialling side of a handshake: one deadline over TCP, TLS and the first frames, and one clean-up. @module */
import { connect, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { type Clock, isNodeError, NodeError, type NodeId } from '@2pm/core';
import type { Address } from './address.ts';
import { ALPN } from './hello.ts';

export interface DialAttempt {
  address: Address;
  /** Whom the caller wants to find there; for the text of errors only. */
  peer: NodeId;
  handshakeMs: number;
  clock: Clock;
  signal: AbortSignal;
}

/**
 * Connects, runs `introduce` on the secured socket, and returns what it returns. The socket is destroyed when anything
 * fails. Nothing is known of the other end when `introduce` begins: it must check the key before it writes or reads.
 * @throws {NodeError} `P2P_UNREACHABLE`, `P2P_HANDSHAKE_TIMEOUT` (both retryable), what `introduce` throws, or the
 * signal's reason.
 */
export async function secureSocket<T>(
  context: SecureContextOptions,
  { address, peer, handshakeMs, clock, signal }: DialAttempt,
  introduce: (socket: TLSSocket, deadline: AbortSignal) => Promise<T>,
): Promise<T> {
  const socket = connect({
    ...context,
    ...address,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ALPNProtocols: [ALPN],
  });
  let stage: 'connecting' | 'securing' | 'introducing' = 'connecting';
  socket.once('connect', () => {
    stage = 'securing';
  });
  const done = new AbortController();
  const expired = new AbortController();
  const deadline = AbortSignal.any([expired.signal, signal]);
  const onDeadline = () => socket.destroy();
  deadline.addEventListener('abort', onDeadline, { once: true });
  clock.sleep(handshakeMs, done.signal).then(
    () => expired.abort(timeout(peer, stage !== 'connecting')),
    () => {},
  );
  try {
    await secured(socket);
    stage = 'introducing';
    return await introduce(socket, deadline);
  } catch (error) {
    socket.destroy();
    if (deadline.aborted) throw deadline.reason;
    if (isNodeError(error) && error.code !== 'P2P_CONNECTION_LOST') throw error;
    throw unreachable(error, stage);
  } finally {
    deadline.removeEventListener('abort', onDeadline);
    done.abort();
  }
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: Error | undefined;
    socket.on('error', (error) => {
      failure ??= error;
    });
    socket.once('secureConnect', () => resolve());
    socket.once('close', () => reject(failure ?? new Error('closed')));
  });
}

function timeout(peer: NodeId, connected: boolean): NodeError {
  const code = connected ? 'P2P_HANDSHAKE_TIMEOUT' : 'P2P_UNREACHABLE';
  const text = connected ? 'did not finish the handshake in time' : 'did not answer in time';
  return new NodeError(code, `${peer} ${text}`, { fault: 'peer', retryable: true });
}

const TEXT = {
  connecting: 'no connection',
  securing: 'what listens there does not speak mutual TLS 1.3',
  // A stranger is told nothing, so this end can only guess.
  introducing: 'it hung up before it accepted the session; it may not know this node yet',
} as const;

function unreachable(cause: unknown, stage: keyof typeof TEXT): NodeError {
  const code = cause instanceof Error && 'code' in cause && stage === 'connecting' ? `, ${cause.code}` : '';
  return new NodeError('P2P_UNREACHABLE', `${TEXT[stage]}${code}`, { fault: 'peer', retryable: true, cause });
}
