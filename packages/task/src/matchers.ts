/** Who matches the rows of a join. @module */
import { matchingSeats, NodeError, type Plan, type TaskSpec } from '@2pm/core';

/** The seat that matches each tagged join. @throws {NodeError} `TASK_NO_MATCHER` where all seats bring rows. */
export function matchers(plan: Plan, spec: TaskSpec): Map<number, number> {
  return new Map(
    [...matchingSeats(plan, spec)].map(([node, seat]) => {
      if (seat === undefined) {
        throw new NodeError('TASK_NO_MATCHER', 'every seat brings rows into the join, so none may match them', {
          fault: 'caller',
          fix: "Name a seat that is in none of the joined roles, or match in a circuit: join(…, { matching: 'circuit' }).",
        });
      }
      return [node, seat];
    }),
  );
}
