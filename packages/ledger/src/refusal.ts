/** Why the rules refuse a command: one list for the codes here and the custom errors of the contract. @module */
import { type Fault, NodeError } from '@2pm/core';

const REFUSALS = {
  BAD_NONCE: ['the nonce is not the next one', 'read the current sequence number from the chain and sign again'],
  BAD_SIGNATURE: ['the signature is not by the one whom the command needs', 'sign with the key that the command names'],
  BAD_RECORD: ['a node record is 1 to 1024 bytes', 'shorten the record'],
  BAD_CONTROLLER: ['the controller is zero, or not the one of the earlier registration', 'name the earlier controller'],
  ALREADY_REGISTERED: ['the node is registered already', 'update or rotate instead'],
  NODE_UNKNOWN: ['the node was never registered', 'check the address'],
  NODE_REVOKED: ['the node was revoked by its controller', 'register a new node key'],
  NODE_NOT_ACTIVE: ['the node is not registered, has left, or was revoked', 'register it, or leave it out'],
  BAD_DEADLINE: ['deadlines must satisfy now < joinBy < settleBy < 2^40', 'choose later deadlines'],
  BAD_QUORUM: ['the quorum is above 64 or above the number of members', 'lower the quorum or gather more members'],
  TASK_UNKNOWN: ['no such task', 'check the task id and the chain'],
  TASK_WRONG_STATE: ['the task is not in a state that allows this', 'read the state of the task'],
  TOO_LATE: ['the deadline of this state has passed', 'expire the task and create a new one'],
  TOO_EARLY: ['the deadline of this state has not passed', 'wait until it has'],
  BAD_ROSTER: ['a roster is 1 to 64 strictly ascending members, one consent each', 'sort the members, drop duplicates'],
  BAD_CONSENT: ['a consent is not signed by its member', 'ask the member for its consent again'],
  ROSTER_MISMATCH: ['these are not the members and consents that the task started with', 'take them from its start'],
  BAD_ATTESTATION: ['an attestation is not signed by its member over these roots', 'leave it out or ask again'],
  TOO_FEW_ATTESTATIONS: ['fewer attestations than the quorum', 'gather more attestations'],
  BAD_REASON: ['a reason is 1 to 32 upper-case letters, digits and underscores', 'give an error code'],
  NOT_ALLOWED: ['only the coordinator, or a member of a running task, may abort it', 'ask one of them'],
} as const satisfies Record<string, readonly [cause: string, fix: string]>;

export type Refusal = keyof typeof REFUSALS;
export type LedgerCode = `LEDGER_${Refusal}`;

/** Refusals that say something about the chain's state and not about the command itself. */
const OF_STATE: ReadonlySet<Refusal> = new Set(['TOO_LATE', 'TOO_EARLY', 'TASK_WRONG_STATE', 'TASK_UNKNOWN']);

/** The refusal `LEDGER_<reason>`; `who` is the node it is about. */
export function refusal(reason: Refusal, who?: string): NodeError {
  const [cause, fix] = REFUSALS[reason];
  const fault: Fault = OF_STATE.has(reason) ? 'chain' : 'caller';
  return new NodeError(`LEDGER_${reason}`, who === undefined ? cause : `${cause} (${who})`, { fault, fix });
}

/** @throws {NodeError} `LEDGER_<reason>` unless `condition` holds. */
export function require(condition: boolean, reason: Refusal, who?: string): asserts condition {
  if (!condition) throw refusal(reason, who);
}

/** Custom error of the contract → code: `LedgerBadNonce` → `LEDGER_BAD_NONCE`. */
export const CONTRACT_ERRORS: Readonly<Record<string, LedgerCode>> = Object.fromEntries(
  (Object.keys(REFUSALS) as Refusal[]).map((reason) => [contractError(reason), `LEDGER_${reason}` as const]),
);

/** The NodeError that a contract's custom error stands for, or undefined when it is none of the ledger's. */
export function refusalOfContract(errorName: string, who?: string): NodeError | undefined {
  const code = Object.hasOwn(CONTRACT_ERRORS, errorName) ? CONTRACT_ERRORS[errorName] : undefined;
  return code === undefined ? undefined : refusal(code.slice('LEDGER_'.length) as Refusal, who);
}

function contractError(reason: Refusal): string {
  const words = reason.toLowerCase().split('_');
  return `Ledger${words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('')}`;
}
