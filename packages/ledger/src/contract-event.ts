/** How a log of the Ledger contract reads as an event. @module */
import { fromHex, type Hash, type Hex, type LedgerEvent, NodeError, type NodeId, type TaskId } from '@2pm/core';
import { reasonText } from '@2pm/crypto';

/** Decoded arguments by name, as ABI decoders give them: hexadecimal in any case, integers as number or bigint. */
export type EventArguments = Readonly<Record<string, unknown>>;

/** @throws {NodeError} `LEDGER_UNKNOWN_EVENT` for an event that is none of the ledger's. */
export function ledgerEvent(eventName: string, args: EventArguments): LedgerEvent {
  const hex = (name: string) => String(args[name]).toLowerCase() as Hex;
  const node = (name: string) => hex(name) as NodeId;
  const hash = (name: string) => hex(name) as Hash;
  const list = (name: string) => (args[name] as readonly string[]).map((item) => item.toLowerCase());
  const integer = (name: string) => Number(args[name]);
  const record = () => fromHex(hex('record'));
  const taskId = args['taskId'] === undefined ? undefined : (hex('taskId') as TaskId);
  if (taskId === undefined) {
    switch (eventName) {
      case 'NodeRegistered':
        return {
          type: 'nodeRegistered',
          node: node('node'),
          controller: node('controller'),
          seq: integer('seq'),
          record: record(),
        };
      case 'NodeUpdated':
        return { type: 'nodeUpdated', node: node('node'), seq: integer('seq'), record: record() };
      case 'NodeRotated':
        return {
          type: 'nodeRotated',
          node: node('node'),
          newNode: node('newNode'),
          seq: integer('seq'),
          record: record(),
        };
      case 'NodeLeft':
        return { type: 'nodeLeft', node: node('node') };
      case 'NodeRevoked':
        return { type: 'nodeRevoked', node: node('node') };
    }
  } else {
    switch (eventName) {
      case 'TaskCreated':
        return {
          type: 'taskCreated',
          taskId,
          coordinator: node('coordinator'),
          specHash: hash('specHash'),
          invitedHash: hash('invitedHash'),
          joinBy: integer('joinBy'),
          settleBy: integer('settleBy'),
          quorum: integer('quorum'),
        };
      case 'TaskStarted':
        return {
          type: 'taskStarted',
          taskId,
          members: list('members') as NodeId[],
          consentHashes: list('consentHashes') as Hash[],
        };
      case 'TaskSettled':
        return {
          type: 'taskSettled',
          taskId,
          resultRoot: hash('resultRoot'),
          transcriptRoot: hash('transcriptRoot'),
          attestations: integer('attestations'),
        };
      case 'TaskAborted':
        return {
          type: 'taskAborted',
          taskId,
          by: node('by'),
          reason: reasonText(hex('reason')),
          culprit: node('culprit'),
        };
      case 'TaskExpired':
        return { type: 'taskExpired', taskId };
    }
  }
  throw new NodeError('LEDGER_UNKNOWN_EVENT', `the ledger has no event ${eventName}`, { fault: 'chain' });
}

/** `nodeOf` and `taskOf` answer states as numbers. */
export const NODE_STATUSES = [undefined, 'active', 'left', 'revoked'] as const;
export const TASK_STATUSES = [undefined, 'open', 'running', 'settled', 'aborted', 'expired'] as const;
