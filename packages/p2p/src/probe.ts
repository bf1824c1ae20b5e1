/** Which TLS key answers at an address, found by a handshake that goes no further. @module */
import type { Clock, Hash, NodeId } from '@2pm/core';
import { parseAddress } from './address.ts';
import { provenKey } from './tls-context.ts';
import { secureSocket } from './tls-dial.ts';

const HANDSHAKE_MS = 2_000;

/** Undefined where nobody answers, or nobody who speaks our protocol. @throws the signal's reason. */
export async function keyAt(
  address: string,
  { self, clock, signal }: { self: NodeId; clock: Clock; signal: AbortSignal },
): Promise<Hash | undefined> {
  const attempt = { address: parseAddress(address), peer: self, handshakeMs: HANDSHAKE_MS, clock, signal };
  try {
    return await secureSocket({ minVersion: 'TLSv1.3' }, attempt, async (socket) => {
      const key = provenKey(socket);
      socket.destroy();
      return key;
    });
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
