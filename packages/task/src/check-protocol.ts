/** Whether plan, spec and protocols fit together: asked by the coordinator before it publishes, and by every member. @module */
import { keyedColumns, nodesOf, type Plan, type SharedBackend, type TaskSpec } from '@2pm/core';
import { intersectionCard } from '@2pm/psi';
import { matchers } from './matchers.ts';
import { mismatch } from './mismatch.ts';

/**
 * Whether the protocol is what the spec says of it: policies judge the spec's word on security.
 * @throws {NodeError} `TASK_MISMATCH`, `TASK_NO_MATCHER`, `PSI_UNSUPPORTED`, and what the back-end says of the plan.
 */
export function checkProtocol(backend: SharedBackend, plan: Plan, spec: TaskSpec): void {
  const { card } = backend;
  if (spec.security === 'malicious' && card.security !== 'malicious') {
    throw mismatch(`${card.id} does not withstand malicious seats, as the spec says it does`);
  }
  if (spec.seats.length !== card.seats) throw mismatch(`${card.id} has ${card.seats} seats, not ${spec.seats.length}`);
  backend.check(plan);
  matchers(plan, spec);
  for (const index of nodesOf(plan, 'intersect/1')) {
    const capacities = (plan.nodes[index]?.args ?? []).map((node) => keyedColumns(plan, node).capacity);
    intersectionCard(capacities, spec.security);
  }
}
