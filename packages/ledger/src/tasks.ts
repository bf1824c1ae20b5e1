/**
 * Rules of tasks: open → running → settled; open | running → aborted; open past joinBy, running past settleBy → expired,
 * by anyone. Nobody has power over a task beyond these. The roster is kept as its hash; whoever needs it shows it again.
 * @module
 */
import {
  type AbortCommand,
  type CreateCommand,
  type ExpireCommand,
  type Hash,
  type LedgerTask,
  type NodeId,
  type SettleCommand,
  type StartCommand,
  type TaskId,
  type TaskStatus,
  ZERO_HASH,
} from '@2pm/core';
import { commandDigests, isReason, rosterHash, taskId as taskIdOf, verifySignature } from '@2pm/crypto';
import { requireActive } from './nodes.ts';
import { refusal, require } from './refusal.ts';
import { type BlockPoint, type LedgerState, nextTaskNonce, type Transition } from './state.ts';

const MAX_MEMBERS = 64;
/** Deadlines share one storage slot with the coordinator on chain. */
const MAX_TIME = 2 ** 40 - 1;

export function create(state: LedgerState, command: CreateCommand, { time }: BlockPoint): Transition {
  const { coordinator, nonce, specHash, invitedHash, joinBy, settleBy, quorum } = command;
  require(nonce === nextTaskNonce(state, coordinator), 'BAD_NONCE', coordinator);
  const entry = requireActive(state, coordinator);
  require(time < joinBy && joinBy < settleBy && settleBy <= MAX_TIME, 'BAD_DEADLINE');
  require(quorum <= MAX_MEMBERS, 'BAD_QUORUM');
  const digest = commandDigests.create(state.domain, command);
  require(verifySignature(digest, command.signature, coordinator), 'BAD_SIGNATURE');
  const taskId = taskIdOf(state.domain, coordinator, nonce);
  const roots = { rosterHash: ZERO_HASH, resultRoot: ZERO_HASH, transcriptRoot: ZERO_HASH };
  return {
    nodes: [{ ...entry, tasks: nonce + 1 }],
    task: { taskId, coordinator, status: 'open', specHash, joinBy, settleBy, quorum, ...roots },
    event: { type: 'taskCreated', taskId, coordinator, specHash, invitedHash, joinBy, settleBy, quorum },
  };
}

export function start(state: LedgerState, command: StartCommand, { time }: BlockPoint): Transition {
  const { taskId, members, consentHashes, consentSignatures, signature } = command;
  const task = taskIn(state, taskId, 'open');
  require(time <= task.joinBy, 'TOO_LATE');
  const n = members.length;
  require(n >= 1 && n <= MAX_MEMBERS, 'BAD_ROSTER');
  require(consentHashes.length === n && consentSignatures.length === n, 'BAD_ROSTER');
  require(task.quorum <= n, 'BAD_QUORUM');
  requireActive(state, task.coordinator);
  require(verifySignature(commandDigests.start(state.domain, command), signature, task.coordinator), 'BAD_SIGNATURE');
  for (const [i, member] of members.entries()) {
    require(i === 0 || (members[i - 1] ?? member) < member, 'BAD_ROSTER', member);
    requireActive(state, member);
    const digest = commandDigests.consent(state.domain, taskId, consentHashes[i] ?? ZERO_HASH);
    require(verifySignature(digest, consentSignatures[i] ?? '0x', member), 'BAD_CONSENT', member);
  }
  return {
    task: { ...task, status: 'running', rosterHash: rosterHash(members, consentHashes) },
    event: { type: 'taskStarted', taskId, members, consentHashes },
  };
}

export function settle(state: LedgerState, command: SettleCommand, { time }: BlockPoint): Transition {
  const { taskId, members, consentHashes, resultRoot, transcriptRoot, signatures } = command;
  const task = taskIn(state, taskId, 'running');
  require(time <= task.settleBy, 'TOO_LATE');
  requireRoster(task, members, consentHashes);
  require(signatures.length === members.length, 'ROSTER_MISMATCH');
  const digest = commandDigests.attest(state.domain, taskId, resultRoot, transcriptRoot);
  let attestations = 0;
  for (const [i, member] of members.entries()) {
    const signature = signatures[i] ?? '0x';
    if (signature === '0x') continue;
    require(verifySignature(digest, signature, member), 'BAD_ATTESTATION', member);
    attestations++;
  }
  require(attestations >= (task.quorum === 0 ? members.length : task.quorum), 'TOO_FEW_ATTESTATIONS');
  return {
    task: { ...task, status: 'settled', rosterHash: ZERO_HASH, resultRoot, transcriptRoot },
    event: { type: 'taskSettled', taskId, resultRoot, transcriptRoot, attestations },
  };
}

export function abort(state: LedgerState, command: AbortCommand): Transition {
  const { taskId, by, reason, culprit, members, consentHashes, signature } = command;
  const task = taskIn(state, taskId, 'open', 'running');
  require(isReason(reason), 'BAD_REASON');
  if (by !== task.coordinator) {
    require(task.status === 'running', 'NOT_ALLOWED', by);
    requireRoster(task, members, consentHashes);
    require(members.includes(by), 'NOT_ALLOWED', by);
  }
  require(verifySignature(commandDigests.abort(state.domain, command), signature, by), 'BAD_SIGNATURE');
  return {
    task: { ...task, status: 'aborted', rosterHash: ZERO_HASH },
    event: { type: 'taskAborted', taskId, by, reason, culprit },
  };
}

export function expire(state: LedgerState, { taskId }: ExpireCommand, { time }: BlockPoint): Transition {
  const task = taskIn(state, taskId, 'open', 'running');
  require(time > (task.status === 'open' ? task.joinBy : task.settleBy), 'TOO_EARLY');
  return { task: { ...task, status: 'expired', rosterHash: ZERO_HASH }, event: { type: 'taskExpired', taskId } };
}

function taskIn(state: LedgerState, taskId: TaskId, ...allowed: readonly TaskStatus[]): LedgerTask {
  const task = state.tasks.get(taskId);
  if (task === undefined) throw refusal('TASK_UNKNOWN', taskId);
  require(allowed.includes(task.status), 'TASK_WRONG_STATE', taskId);
  return task;
}

/** Equal lengths matter: the hash alone does not say where members end and consents begin. */
function requireRoster(task: LedgerTask, members: readonly NodeId[], consentHashes: readonly Hash[]): void {
  require(members.length === consentHashes.length, 'ROSTER_MISMATCH');
  require(rosterHash(members, consentHashes) === task.rosterHash, 'ROSTER_MISMATCH');
}
