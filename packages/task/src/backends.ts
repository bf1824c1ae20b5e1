/** Which back-end runs the shared part of a task. @module */
import { admitsSeats, NodeError, type SharedBackend, seatsOf } from '@2pm/core';
import type { SubmitRequest } from '@2pm/core/api';

type Backends = readonly SharedBackend[];

/** @throws {NodeError} `TASK_PROTOCOL`. */
export function backendOf({ backends }: { backends: Backends }, protocol: string): SharedBackend {
  const backend = backends.find(({ card }) => card.id === protocol);
  if (backend !== undefined) return backend;
  throw new NodeError('TASK_PROTOCOL', `this node does not speak ${protocol}`, { fault: 'caller' });
}

/** The first that has the protocol, the security and the number of seats asked for. @throws {NodeError} `TASK_PROTOCOL`. */
export function chooseBackend(
  backends: Backends,
  { protocol, security, seats }: Pick<SubmitRequest, 'protocol' | 'security' | 'seats'>,
): SharedBackend {
  const fitting = backends.find(
    ({ card }) =>
      (protocol === undefined || card.id === protocol) &&
      (security === 'semi-honest' || card.security === security) &&
      (seats === undefined || admitsSeats(card, seats.length)),
  );
  if (fitting !== undefined) return fitting;
  throw new NodeError('TASK_PROTOCOL', 'no protocol of this node gives what the task asks for', {
    fault: 'caller',
    fix: `these are there: ${backends.map(({ card }) => `${card.id} (${card.security}, ${seatsOf(card)} seats)`).join(', ')}`,
  });
}
