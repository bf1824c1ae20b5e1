/** Who matches the rows of a join. @module */
import { matchingSeats, NodeError, type Plan, type ProtocolCard, type TaskSpec } from '@2pm/core';

/** The seat that matches each tagged join; none where the protocol needs none. @throws {NodeError} `TASK_NO_MATCHER` where all seats bring rows. */
export function matchers({ matcher }: ProtocolCard, plan: Plan, spec: TaskSpec): Map<number, number> {
  if (matcher !== true) return new Map();
  return new Map(
    [...matchingSeats(plan, spec)].map(([node, seat]) => {
      if (seat === undefined) {
        throw new NodeError('TASK_NO_MATCHER', 'every seat brings rows into the join, so none may match them', {
          fault: 'caller',
          fix: 'Name a seat that is in none of the joined roles, or ask for a protocol that has none, such as rep3-malicious/1.',
        });
      }
      return [node, seat];
    }),
  );
}
