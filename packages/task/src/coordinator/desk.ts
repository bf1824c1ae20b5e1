/** What the steps of a task work with. @module */
import type { AnalystKeys, ChainConnector, Clock, Hex, SharedBackend, Signer } from '@2pm/core';
import { admitsSeats, NodeError, seatsOf } from '@2pm/core';
import type { SubmitRequest } from '@2pm/core/api';
import type { ControlPlane } from '../control.ts';
import type { TaskBook } from './book.ts';

export interface AnalystSecret {
  signer: Signer;
  keys: AnalystKeys;
  hpkePrivateKey: Hex;
}

export interface Desk {
  book: TaskBook;
  chain: ChainConnector;
  clock: Clock;
  signer: Signer;
  analyst: AnalystSecret;
  control: () => ControlPlane;
  backends: readonly SharedBackend[];
  /** Fires when the node stops. */
  stopped: AbortSignal;
}

/** @throws {NodeError} `TASK_PROTOCOL`. */
export function backendOf({ backends }: Pick<Desk, 'backends'>, protocol: string): SharedBackend {
  const backend = backends.find(({ card }) => card.id === protocol);
  if (backend === undefined) throw new NodeError('TASK_PROTOCOL', `no protocol ${protocol} here`, { fault: 'caller' });
  return backend;
}

/** The first that has the protocol, the security and the number of seats asked for. @throws {NodeError} `TASK_PROTOCOL`. */
export function chooseBackend(
  backends: readonly SharedBackend[],
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

export function badRequest(problem: string): NodeError {
  return new NodeError('TASK_BAD_REQUEST', problem, { fault: 'peer' });
}
