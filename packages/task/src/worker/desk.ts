/** What the steps of a worker work with. @module */
import type {
  ChainConnector,
  CryptoProvider,
  DataHolder,
  Env,
  FinalityLevel,
  Plan,
  SharedBackend,
  Signer,
  TaskId,
} from '@2pm/core';
import type { Intersector } from '@2pm/psi';
import type { ControlPlane } from '../control.ts';
import type { WorkerBook } from './book.ts';
import type { Rendezvous } from './rendezvous.ts';

export interface WorkerDesk {
  book: WorkerBook;
  env: Env;
  chain: ChainConnector;
  signer: Signer;
  control: () => ControlPlane;
  /** Undefined for a node without data: it can hold a seat. */
  data: DataHolder | undefined;
  backends: readonly SharedBackend[];
  crypto: CryptoProvider;
  intersector: Intersector;
  /** Traces a program without data, in the sandbox. */
  trace: (program: Uint8Array, signal: AbortSignal) => Promise<Plan>;
  /** Level at which the start of a task counts: shares leave only after it. */
  finality: FinalityLevel;
  rendezvous: Rendezvous;
  /** What is computed now. */
  running: Map<TaskId, RunningAttempt>;
  /** Fires when the node stops. */
  stopped: AbortSignal;
}

export interface RunningAttempt {
  attempt: number;
  abort: AbortController;
  done: Promise<void>;
}

/** Work that nobody waits for. Its errors were reported where they arose; a stopping node has none to report. */
export function background(work: Promise<unknown>): void {
  work.catch(() => undefined);
}
