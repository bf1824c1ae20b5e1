/**
 * Rules of nodes: none → active ⇄ left, active | left → revoked for ever. `seq` counts the commands of one node, so each
 * signed command works once. The controller never changes while an address lives: a thief of the hot key cannot leave
 * and register again under a controller of his own.
 * @module
 */
import {
  type LeaveCommand,
  type NodeId,
  type RegisterCommand,
  type RevokeCommand,
  type RotateCommand,
  recordBytesHash,
  type UpdateCommand,
} from '@2pm/core';
import { commandDigests, verifySignature } from '@2pm/crypto';
import { refusal, require } from './refusal.ts';
import type { LedgerNode, LedgerState, Transition } from './state.ts';

const MAX_RECORD_BYTES = 1024;
const ZERO_ADDRESS = `0x${'00'.repeat(20)}`;

export function register(state: LedgerState, command: RegisterCommand): Transition {
  const { node, controller, record, nonce } = command;
  const earlier = state.nodes.get(node);
  require(nonce === (earlier?.seq ?? 0) + 1, 'BAD_NONCE', node);
  require(earlier?.status !== 'active', 'ALREADY_REGISTERED', node);
  require(earlier?.status !== 'revoked', 'NODE_REVOKED', node);
  require(controller !== ZERO_ADDRESS && controller === (earlier?.controller ?? controller), 'BAD_CONTROLLER', node);
  requireRecord(record);
  require(verifySignature(commandDigests.register(state.domain, command), command.signature, node), 'BAD_SIGNATURE');
  const tasks = earlier?.tasks ?? 0;
  return {
    nodes: [{ node, controller, status: 'active', seq: nonce, recordHash: recordBytesHash(record), tasks }],
    event: { type: 'nodeRegistered', node, controller, seq: nonce, record },
  };
}

export function update(state: LedgerState, command: UpdateCommand): Transition {
  const { node, record, nonce } = command;
  const entry = activeWithNonce(state, node, nonce);
  requireRecord(record);
  require(verifySignature(commandDigests.update(state.domain, command), command.signature, node), 'BAD_SIGNATURE');
  return {
    nodes: [{ ...entry, seq: nonce, recordHash: recordBytesHash(record) }],
    event: { type: 'nodeUpdated', node, seq: nonce, record },
  };
}

/** The old address is revoked; the new one takes over controller and sequence. It must never have been a node before. */
export function rotate(state: LedgerState, command: RotateCommand): Transition {
  const { node, newNode, record, nonce, controllerSignature, newNodeSignature } = command;
  const entry = activeWithNonce(state, node, nonce);
  require(!state.nodes.has(newNode), 'ALREADY_REGISTERED', newNode);
  requireRecord(record);
  const digest = commandDigests.rotate(state.domain, command);
  require(verifySignature(digest, controllerSignature, entry.controller), 'BAD_SIGNATURE');
  require(verifySignature(digest, newNodeSignature, newNode), 'BAD_SIGNATURE');
  return {
    nodes: [
      { ...entry, status: 'revoked' },
      { ...entry, node: newNode, seq: nonce, recordHash: recordBytesHash(record), tasks: 0 },
    ],
    event: { type: 'nodeRotated', node, newNode, seq: nonce, record },
  };
}

export function leave(state: LedgerState, command: LeaveCommand): Transition {
  const { node, nonce, signature } = command;
  const entry = activeWithNonce(state, node, nonce);
  require(verifySignature(commandDigests.leave(state.domain, command), signature, node), 'BAD_SIGNATURE');
  return { nodes: [{ ...entry, status: 'left', seq: nonce }], event: { type: 'nodeLeft', node } };
}

/** Any nonce above `seq` will do: a thief of the hot key cannot outrun his revocation by updates. */
export function revoke(state: LedgerState, command: RevokeCommand): Transition {
  const { node, nonce, signature } = command;
  const entry = state.nodes.get(node);
  if (entry === undefined) throw refusal('NODE_UNKNOWN', node);
  require(entry.status !== 'revoked', 'NODE_REVOKED', node);
  require(nonce > entry.seq, 'BAD_NONCE', node);
  require(verifySignature(commandDigests.revoke(state.domain, command), signature, entry.controller), 'BAD_SIGNATURE');
  return { nodes: [{ ...entry, status: 'revoked' }], event: { type: 'nodeRevoked', node } };
}

/** @throws {NodeError} `LEDGER_NODE_NOT_ACTIVE`. */
export function requireActive(state: LedgerState, node: NodeId): LedgerNode {
  const entry = state.nodes.get(node);
  if (entry?.status !== 'active') throw refusal('NODE_NOT_ACTIVE', node);
  return entry;
}

function activeWithNonce(state: LedgerState, node: NodeId, nonce: number): LedgerNode {
  require(nonce === (state.nodes.get(node)?.seq ?? 0) + 1, 'BAD_NONCE', node);
  return requireActive(state, node);
}

function requireRecord(record: Uint8Array): void {
  require(record.length >= 1 && record.length <= MAX_RECORD_BYTES, 'BAD_RECORD');
}
