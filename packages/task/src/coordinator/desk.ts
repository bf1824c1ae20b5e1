/** What the steps of a task work with. @module */
import type { AnalystKeys, ChainConnector, Clock, Hex, SharedBackend, Signer } from '@2pm/core';
import { NodeError } from '@2pm/core';
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

export function badRequest(problem: string): NodeError {
  return new NodeError('TASK_BAD_REQUEST', problem, { fault: 'peer' });
}
