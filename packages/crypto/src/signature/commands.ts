/** Builds signed chain commands: the one place where a command's fields meet the struct that its signer signs. @module */
import {
  type AbortCommand,
  type ChainDomain,
  type CreateCommand,
  type Hash,
  type Hex,
  type LeaveCommand,
  type NodeId,
  type RegisterCommand,
  type RevokeCommand,
  type RotateCommand,
  type Signer,
  type StartCommand,
  type TaskId,
  toHex,
  type UpdateCommand,
} from '@2pm/core';
import { commandDigest, rosterHash } from './eip712.ts';
import { keccak256 } from './keccak.ts';
import { reasonBytes32 } from './reason.ts';

type Fields<Command, Signatures extends string = 'signature'> = Omit<Command, 'type' | Signatures>;

/** Digest that each command's signer signs; the ledger recovers signers from the same. */
export const commandDigests = {
  register: (domain: ChainDomain, { node, controller, record, nonce }: Fields<RegisterCommand>) =>
    commandDigest(domain, 'Register', { node, controller, recordHash: hashOf(record), nonce }),
  update: (domain: ChainDomain, { node, record, nonce }: Fields<UpdateCommand>) =>
    commandDigest(domain, 'Update', { node, recordHash: hashOf(record), nonce }),
  rotate: (
    domain: ChainDomain,
    { node, newNode, record, nonce }: Fields<RotateCommand, 'controllerSignature' | 'newNodeSignature'>,
  ) => commandDigest(domain, 'Rotate', { node, newNode, recordHash: hashOf(record), nonce }),
  leave: (domain: ChainDomain, { node, nonce }: Fields<LeaveCommand>) =>
    commandDigest(domain, 'Leave', { node, nonce }),
  revoke: (domain: ChainDomain, { node, nonce }: Fields<RevokeCommand>) =>
    commandDigest(domain, 'Revoke', { node, nonce }),
  create: (
    domain: ChainDomain,
    { coordinator, nonce, specHash, invitedHash, joinBy, settleBy, quorum }: Fields<CreateCommand>,
  ) => commandDigest(domain, 'Create', { coordinator, nonce, specHash, invitedHash, joinBy, settleBy, quorum }),
  start: (
    domain: ChainDomain,
    { taskId, members, consentHashes }: Fields<StartCommand, 'signature' | 'consentSignatures'>,
  ) => commandDigest(domain, 'Start', { taskId, rosterHash: rosterHash(members, consentHashes) }),
  consent: (domain: ChainDomain, taskId: TaskId, consentHash: Hash) =>
    commandDigest(domain, 'Consent', { taskId, consentHash }),
  attest: (domain: ChainDomain, taskId: TaskId, resultRoot: Hash, transcriptRoot: Hash) =>
    commandDigest(domain, 'Attest', { taskId, resultRoot, transcriptRoot }),
  abort: (domain: ChainDomain, { taskId, reason, culprit }: { taskId: TaskId; reason: string; culprit: NodeId }) =>
    commandDigest(domain, 'Abort', { taskId, reason: reasonBytes32(reason), culprit }),
};

/** By the node. */
export async function signRegister(
  signer: Signer,
  domain: ChainDomain,
  fields: Omit<Fields<RegisterCommand>, 'node'>,
): Promise<RegisterCommand> {
  const all = { ...fields, node: signer.id };
  return { type: 'register', ...all, signature: await signer.sign(commandDigests.register(domain, all)) };
}

/** By the node. */
export async function signUpdate(
  signer: Signer,
  domain: ChainDomain,
  fields: Omit<Fields<UpdateCommand>, 'node'>,
): Promise<UpdateCommand> {
  const all = { ...fields, node: signer.id };
  return { type: 'update', ...all, signature: await signer.sign(commandDigests.update(domain, all)) };
}

/** By the controller of `node` and by the new node. */
export async function signRotate(
  controller: Signer,
  newNode: Signer,
  domain: ChainDomain,
  fields: { node: NodeId; record: Uint8Array; nonce: number },
): Promise<RotateCommand> {
  const all = { ...fields, newNode: newNode.id };
  const digest = commandDigests.rotate(domain, all);
  const controllerSignature = await controller.sign(digest);
  return { type: 'rotate', ...all, controllerSignature, newNodeSignature: await newNode.sign(digest) };
}

/** By the node. */
export async function signLeave(signer: Signer, domain: ChainDomain, fields: { nonce: number }): Promise<LeaveCommand> {
  const all = { ...fields, node: signer.id };
  return { type: 'leave', ...all, signature: await signer.sign(commandDigests.leave(domain, all)) };
}

/** By the controller of `node`. */
export async function signRevoke(
  controller: Signer,
  domain: ChainDomain,
  fields: Fields<RevokeCommand>,
): Promise<RevokeCommand> {
  return { type: 'revoke', ...fields, signature: await controller.sign(commandDigests.revoke(domain, fields)) };
}

/** By the coordinator. `taskId` of the new task follows from coordinator and nonce. */
export async function signCreate(
  coordinator: Signer,
  domain: ChainDomain,
  fields: Omit<Fields<CreateCommand>, 'coordinator'>,
): Promise<CreateCommand> {
  const all = { ...fields, coordinator: coordinator.id };
  return { type: 'create', ...all, signature: await coordinator.sign(commandDigests.create(domain, all)) };
}

/** By the coordinator, over the roster. */
export async function signStart(
  coordinator: Signer,
  domain: ChainDomain,
  fields: Fields<StartCommand>,
): Promise<StartCommand> {
  return { type: 'start', ...fields, signature: await coordinator.sign(commandDigests.start(domain, fields)) };
}

/** By the coordinator or a member; give members and consentHashes once the task is running. */
export async function signAbort(
  signer: Signer,
  domain: ChainDomain,
  fields: Omit<Fields<AbortCommand>, 'by'>,
): Promise<AbortCommand> {
  return {
    type: 'abort',
    ...fields,
    by: signer.id,
    signature: await signer.sign(commandDigests.abort(domain, fields)),
  };
}

/** By a member: it takes part in the task as its consent says. */
export function signConsent(
  member: Signer,
  domain: ChainDomain,
  { taskId, consentHash }: { taskId: TaskId; consentHash: Hash },
): Promise<Hex> {
  return member.sign(commandDigests.consent(domain, taskId, consentHash));
}

/** By a member: this is what came out, and this is what it saw. */
export function signAttestation(
  member: Signer,
  domain: ChainDomain,
  { taskId, resultRoot, transcriptRoot }: { taskId: TaskId; resultRoot: Hash; transcriptRoot: Hash },
): Promise<Hex> {
  return member.sign(commandDigests.attest(domain, taskId, resultRoot, transcriptRoot));
}

function hashOf(record: Uint8Array): Hash {
  return toHex(keccak256(record)) as Hash;
}
