/** One identity, one process: a copied keystore would make two nodes take turns in the registry and lose sessions. @module */
import { type Clock, type Hash, NodeError, type NodeId } from '@2pm/core';
import { keyAt } from '@2pm/p2p';

/**
 * Asks at the addresses that the registry names for this node and that are not its own now.
 * @throws {NodeError} `NODE_RUNS_ELSEWHERE`.
 */
export async function expectAlone(options: {
  self: NodeId;
  tlsKey: Hash;
  registered: readonly string[];
  own: readonly string[];
  clock: Clock;
  signal: AbortSignal;
}): Promise<void> {
  const { self, tlsKey, registered, own, clock, signal } = options;
  for (const address of registered.filter((one) => !own.includes(one))) {
    if ((await keyAt(address, { self, clock, signal })) !== tlsKey) continue;
    throw new NodeError('NODE_RUNS_ELSEWHERE', `a node with these keys is running already, at ${address}`, {
      fault: 'caller',
      fix: 'stop that one first, or make a node of its own here with `2pm init` in another directory',
    });
  }
}
