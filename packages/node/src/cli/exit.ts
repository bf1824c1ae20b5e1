/** Exit codes: a promise to scripts. @module */
import { isNodeError } from '@2pm/core';
import type { TaskPhase } from '@2pm/core/api';

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  config: 3,
  unreachable: 4,
  refused: 5,
  aborted: 6,
  unverified: 7,
  /** As shells have it: 128 and the number of SIGINT. */
  interrupted: 130,
} as const;

/** By whole code first, then by its last word, then by its first. */
const BY_CODE: Readonly<Record<string, number>> = {
  USAGE_INTERRUPTED: EXIT.interrupted,
  API_UNAUTHORIZED: EXIT.config,
  API_WRONG_HOST: EXIT.config,
  API_PORT_IN_USE: EXIT.config,
  API_CANNOT_LISTEN: EXIT.config,
  API_BAD_REQUEST: EXIT.usage,
  P2P_PORT_IN_USE: EXIT.config,
  P2P_LISTEN: EXIT.config,
  CHAIN_PORT_TAKEN: EXIT.config,
  CHAIN_ANVIL_RUNNING: EXIT.config,
  CHAIN_ANVIL_MISSING: EXIT.config,
  CHAIN_WRONG_ID: EXIT.config,
  CHAIN_NO_CONTRACT: EXIT.config,
  DATA_CONTRACT_EXISTS: EXIT.usage,
  DATA_CONTRACT_INVALID: EXIT.config,
  DATA_UNKNOWN_DATASET: EXIT.usage,
  DATA_WHICH_TABLE: EXIT.usage,
  MPC_UNSUPPORTED: EXIT.usage,
  NODE_NO_CONTROLLER: EXIT.config,
  NODE_REVOKED: EXIT.config,
  NODE_RUNS_ELSEWHERE: EXIT.config,
  TASK_BAD_REQUEST: EXIT.usage,
  TASK_UNKNOWN: EXIT.usage,
  TASK_UNKNOWN_NODE: EXIT.usage,
  TASK_UNKNOWN_ROLE: EXIT.usage,
  TASK_REFUSED: EXIT.refused,
  TASK_ABORTED: EXIT.aborted,
  TASK_EXPIRED: EXIT.aborted,
};
const BY_LAST_WORD: Readonly<Record<string, number>> = { UNREACHABLE: EXIT.unreachable };
const BY_FAMILY: Readonly<Record<string, number>> = {
  USAGE: EXIT.usage,
  PROGRAM: EXIT.usage,
  PLAN: EXIT.usage,
  CONFIG: EXIT.config,
  KEYSTORE: EXIT.config,
  POLICY: EXIT.refused,
  BUDGET: EXIT.refused,
  PEER: EXIT.aborted,
  RECEIPT: EXIT.unverified,
};

export function exitCodeOf(error: unknown): number {
  if (!isNodeError(error)) return EXIT.failure;
  const { code, fault } = error;
  const words = code.split('_');
  const named = BY_CODE[code] ?? BY_LAST_WORD[words.at(-1) ?? ''] ?? BY_FAMILY[words[0] ?? ''];
  if (named !== undefined) return named;
  return fault === 'policy' ? EXIT.refused : fault === 'peer' ? EXIT.aborted : EXIT.failure;
}

/** Of a command that waits for a task's end. */
export function exitCodeOfPhase(phase: TaskPhase): number {
  if (phase === 'refused') return EXIT.refused;
  if (phase === 'aborted' || phase === 'expired') return EXIT.aborted;
  return phase === 'failed' ? EXIT.failure : EXIT.ok;
}
