/**
 * The first frame of a session on either side. It binds the session to what it is for and to both identities: a frame
 * sent for one session, node or protocol is of no use in another.
 * @module
 */
import { decode, encode, NodeError, NodeId, type SessionBinding } from '@2pm/core';
import { z } from 'zod';

/** A hello is short; nothing longer is read before it is accepted. */
export const HELLO_LIMIT_BYTES = 1024;
/** Application protocol of RFC 7301, so that a port shared with other services can tell these sessions. */
export const ALPN = '2pm/1';

const binding = { protocol: z.string().min(1).max(64), session: z.string().min(1).max(128) };

/** From the node that dials. */
export const Hello = z.strictObject({ v: z.literal(1), ...binding, from: NodeId, to: NodeId });
export type Hello = z.infer<typeof Hello>;

/** The other's answer: the same facts from its own side, and why it refuses, if it does. */
export const Answer = z.strictObject({
  v: z.literal(1),
  ...binding,
  from: NodeId,
  to: NodeId,
  refused: z.enum(['P2P_PROTOCOL', 'P2P_BUSY']).optional(),
});
export type Answer = z.infer<typeof Answer>;

export function encodeHello(
  session: SessionBinding,
  from: NodeId,
  to: NodeId,
  refused?: Answer['refused'],
): Uint8Array {
  const { protocol, session: id } = session;
  return encode({ v: 1, protocol, session: id, from, to, ...(refused === undefined ? {} : { refused }) });
}

/** @throws {NodeError} `P2P_MALFORMED_FRAME`, `P2P_IDENTITY` (it names other nodes than the two that proved their keys). */
export function readHello(frame: Uint8Array, from: NodeId, to: NodeId): SessionBinding {
  const hello = read(frame, Hello);
  checkNames(hello, from, to);
  return { protocol: hello.protocol, session: hello.session };
}

/** @throws {NodeError} as `readHello`; `P2P_PROTOCOL`, `P2P_BUSY` (retryable) as the other side says. */
export function readAnswer(frame: Uint8Array, asked: SessionBinding, from: NodeId, to: NodeId): void {
  const answer = read(frame, Answer);
  checkNames(answer, from, to);
  if (answer.protocol !== asked.protocol || answer.session !== asked.session) {
    throw new NodeError('P2P_MALFORMED_FRAME', `${from} answered for another session`, { fault: 'peer' });
  }
  if (answer.refused === 'P2P_PROTOCOL') throw notServed(from, asked.protocol);
  if (answer.refused === 'P2P_BUSY') {
    throw new NodeError('P2P_BUSY', `${from} has no room for another session`, { fault: 'peer', retryable: true });
  }
}

export function notServed(peer: NodeId, protocol: string): NodeError {
  return new NodeError('P2P_PROTOCOL', `${peer} does not serve ${protocol}`, {
    fault: 'peer',
    fix: 'Compare the versions of both nodes.',
  });
}

function read<T>(frame: Uint8Array, schema: z.ZodType<T>): T {
  try {
    return decode(frame, schema, 'the first frame');
  } catch (cause) {
    throw new NodeError('P2P_MALFORMED_FRAME', 'the first frame of the session is malformed', { fault: 'peer', cause });
  }
}

function checkNames(names: { from: NodeId; to: NodeId }, from: NodeId, to: NodeId): void {
  if (names.from === from && names.to === to) return;
  throw new NodeError('P2P_IDENTITY', 'the first frame names other nodes than those that proved their keys', {
    fault: 'peer',
  });
}
