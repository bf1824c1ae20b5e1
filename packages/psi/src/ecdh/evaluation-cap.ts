/** How much one peer may ask. @module */
import { NodeError, type NodeId } from '@2pm/core';

/**
 * Charged before the sender answers anything, with the receiver's whole capacity: padding cannot be told from guesses.
 * An implementation that outlives the process must have stored the charge when it returns.
 */
export interface EvaluationCap {
  /** @throws {NodeError} `PSI_EVALUATION_CAP`; then nothing was charged. */
  charge(peer: NodeId, evaluations: number): void | Promise<void>;
}

/**
 * At most `limit` evaluations for each peer, over all sessions and keys on one set: guessing goes against the set, and
 * a new key does not make it harder. `spent` is the count so far, and is written to.
 */
export function evaluationCap(limit: number, spent: Map<NodeId, number> = new Map()): EvaluationCap {
  return {
    charge(peer, evaluations) {
      const total = (spent.get(peer) ?? 0) + evaluations;
      if (total > limit) {
        throw new NodeError('PSI_EVALUATION_CAP', `the peer has used up its ${limit} evaluations`, {
          fault: 'policy',
          fix: 'Ask the data holder to raise the cap; it bounds how many items a peer can guess.',
        });
      }
      spent.set(peer, total);
    },
  };
}
