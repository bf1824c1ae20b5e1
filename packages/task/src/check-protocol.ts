/** Whether plan, spec and protocols fit together: asked by the coordinator before it publishes, and by every member. @module */
import {
  admitsSeats,
  circuitMatch,
  deliveredColumns,
  keyedColumns,
  NodeError,
  nodesOf,
  type Plan,
  type ProtocolCard,
  type SharedBackend,
  seatsOf,
  type TaskSpec,
} from '@2pm/core';
import { checkCircuitMatch, intersectionCard, payloadCard, WORD_BYTES } from '@2pm/psi';
import { checkSides } from './match-sides.ts';
import { matchers } from './matchers.ts';
import { mismatch } from './mismatch.ts';

/**
 * Whether the protocol is what the spec says of it: policies judge the spec's word on security.
 * @throws {NodeError} `TASK_MISMATCH`, `TASK_DEALER`, `TASK_MATCH`, `TASK_NO_MATCHER`, `PSI_UNSUPPORTED`, `PSI_BAD_CAPACITY`, and what the back-end says of the plan.
 */
export function checkProtocol(backend: SharedBackend, plan: Plan, spec: TaskSpec): void {
  const { card } = backend;
  if (spec.security === 'malicious' && card.security !== 'malicious') {
    throw mismatch(`${card.id} does not withstand malicious seats, as the spec says it does`);
  }
  if (!admitsSeats(card, spec.seats.length)) {
    throw mismatch(`${card.id} has ${seatsOf(card)} seats, not ${spec.seats.length}`);
  }
  checkDealer(card, spec);
  backend.check(plan);
  checkSides(plan, spec);
  matchers(card, plan, spec);
  for (const index of nodesOf(plan, 'join/1', 'intersect/1')) {
    const match = circuitMatch(plan, index);
    if (match !== undefined) checkCircuitMatch(match, spec.security);
    if (match !== undefined || plan.nodes[index]?.op === 'join/1') continue;
    const args = plan.nodes[index]?.args ?? [];
    const capacityOf = (node: number) => keyedColumns(plan, node).capacity;
    const capacities = args.map(capacityOf);
    const delivered = deliveredColumns(plan, index);
    if (delivered === undefined) intersectionCard(capacities, spec.security);
    else {
      const [sender, ...own] = [delivered.node, ...args.filter((node) => node !== delivered.node)].map(capacityOf);
      payloadCard([...own, sender ?? 0], spec.security, WORD_BYTES * delivered.columns.length);
    }
  }
}

/** A dealer that also held data would have a reason to read what the others hold, and with any one of them it could. */
function checkDealer({ id, dealer }: ProtocolCard, { roles, seats }: TaskSpec): void {
  const last = seats.at(-1);
  if (dealer !== true || last === undefined) return;
  const [role] = Object.entries(roles).find(([, members]) => members.includes(last)) ?? [];
  if (role === undefined) return;
  throw new NodeError('TASK_DEALER', `${last} deals in ${id} and is in role ${role}: a dealer brings no data`, {
    fault: 'caller',
    fix: 'Name last with --seats a node that is in no role of this task, of an organisation that colludes with no other seat.',
  });
}
