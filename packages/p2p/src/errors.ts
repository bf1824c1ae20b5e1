/** What a backbone tells the caller whose session did not come about, or ended. @module */
import { isNodeError, NodeError, type NodeId } from '@2pm/core';
import type { Address } from './address.ts';

export function unknownNode(peer: NodeId): NodeError {
  return new NodeError('P2P_UNKNOWN_NODE', `${peer} is not an active node of the registry`, {
    fault: 'caller',
    fix: 'Check the id, and that this node has read the registry up to now.',
  });
}

/** One error for all addresses of a peer that were tried, `problems` in the same order. */
export function dialError(peer: NodeId, addresses: readonly string[], problems: readonly unknown[]): unknown {
  const identity = problems.find((problem) => isNodeError(problem, 'P2P_IDENTITY'));
  if (identity !== undefined) return identity;
  if (problems.length > 0 && problems.every((problem) => isNodeError(problem, 'P2P_HANDSHAKE_TIMEOUT'))) {
    return problems[0];
  }
  const tried = addresses.map((address, index) => `${address} (${(problems[index] as Error).message})`);
  const text = addresses.length === 0 ? 'it publishes no address' : `tried ${tried.join(', ')}`;
  return new NodeError('P2P_UNREACHABLE', `${peer} cannot be reached: ${text}`, {
    fault: 'peer',
    retryable: addresses.length > 0,
    fix: addresses.length > 0 ? 'Check that it is up and its port is open.' : 'Let that node dial this one.',
    cause: problems[0],
  });
}

export function listenError(address: Address, cause: unknown): NodeError {
  const inUse = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
  return inUse
    ? new NodeError('P2P_PORT_IN_USE', `port ${address.port} is taken by another program`, {
        fault: 'caller',
        fix: 'Stop that program, or listen on another port and publish the new address.',
        cause,
      })
    : new NodeError('P2P_LISTEN', `cannot listen on ${address.host} port ${address.port}`, {
        fault: 'caller',
        fix: 'Listen on an address of this machine and on a port that this user may open.',
        cause,
      });
}

export function busy(): NodeError {
  return new NodeError('P2P_BUSY', 'this node has as many sessions as it may', { fault: 'node', retryable: true });
}

export function gone(peer: NodeId): NodeError {
  return new NodeError('P2P_IDENTITY', `${peer} is no longer registered with this key`, { fault: 'peer' });
}

export function silent(peer: NodeId): NodeError {
  return new NodeError('P2P_CONNECTION_LOST', `${peer} has been silent for too long`, {
    fault: 'peer',
    retryable: true,
  });
}
