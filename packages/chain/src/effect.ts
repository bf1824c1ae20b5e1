/** When has a command taken effect? Asked when the rules refuse it, because somebody may have relayed it before. @module */
import { type ChainCommand, type ChainDomain, equalBytes, type LedgerEvent, type NodeId, type TaskId } from '@2pm/core';
import { taskId } from '@2pm/crypto';

/** The node or task that the command's event is about. */
export function subjectOf(domain: ChainDomain, command: ChainCommand): { node: NodeId } | { taskId: TaskId } {
  if ('taskId' in command) return { taskId: command.taskId };
  if (command.type === 'create') return { taskId: taskId(domain, command.coordinator, command.nonce) };
  return { node: command.node };
}

/** True for the event that exactly this command would have caused. */
export function isEffectOf(domain: ChainDomain, command: ChainCommand, event: LedgerEvent): boolean {
  switch (command.type) {
    case 'register':
      return (
        event.type === 'nodeRegistered' &&
        event.node === command.node &&
        event.seq === command.nonce &&
        event.controller === command.controller &&
        equalBytes(event.record, command.record)
      );
    case 'update':
      return (
        event.type === 'nodeUpdated' &&
        event.node === command.node &&
        event.seq === command.nonce &&
        equalBytes(event.record, command.record)
      );
    case 'rotate':
      return (
        event.type === 'nodeRotated' &&
        event.node === command.node &&
        event.newNode === command.newNode &&
        event.seq === command.nonce &&
        equalBytes(event.record, command.record)
      );
    case 'leave':
      return event.type === 'nodeLeft' && event.node === command.node;
    case 'revoke':
      return event.type === 'nodeRevoked' && event.node === command.node;
    case 'create':
      return (
        event.type === 'taskCreated' &&
        event.taskId === taskId(domain, command.coordinator, command.nonce) &&
        event.specHash === command.specHash &&
        event.invitedHash === command.invitedHash &&
        event.joinBy === command.joinBy &&
        event.settleBy === command.settleBy &&
        event.quorum === command.quorum
      );
    case 'start':
      return (
        event.type === 'taskStarted' &&
        event.taskId === command.taskId &&
        equalLists(event.members, command.members) &&
        equalLists(event.consentHashes, command.consentHashes)
      );
    case 'settle':
      return (
        event.type === 'taskSettled' &&
        event.taskId === command.taskId &&
        event.resultRoot === command.resultRoot &&
        event.transcriptRoot === command.transcriptRoot
      );
    case 'abort':
      return (
        event.type === 'taskAborted' &&
        event.taskId === command.taskId &&
        event.by === command.by &&
        event.reason === command.reason &&
        event.culprit === command.culprit
      );
    case 'expire':
      return event.type === 'taskExpired' && event.taskId === command.taskId;
  }
}

function equalLists(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
