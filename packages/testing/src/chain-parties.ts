/** Parties of a chain test: keys from a seed, and the commands that they sign. @module */
import {
  type ChainDomain,
  type CreateCommand,
  encode,
  type Hash,
  type NodeId,
  type RegisterCommand,
  type SettleCommand,
  type Signer,
  type StartCommand,
  type TaskId,
  taggedHash,
} from '@2pm/core';
import {
  generatePrivateKey,
  localSigner,
  signAttestation,
  signConsent,
  signCreate,
  signRegister,
  signStart,
} from '@2pm/crypto';
import { seededRng } from './seeded-rng.ts';

export interface Party {
  readonly name: string;
  readonly id: NodeId;
  readonly signer: Signer;
  readonly controller: Signer;
  /** Canonical bytes of its node record with this sequence number. */
  record(seq: number): Uint8Array;
}

export const ZERO_ADDRESS = `0x${'00'.repeat(20)}` as NodeId;

/** The same name is always the same party. */
export function party(name: string): Party {
  const rng = seededRng(`party/${name}`);
  const signer = localSigner(generatePrivateKey(rng));
  const controller = localSigner(generatePrivateKey(rng));
  return { name, id: signer.id, signer, controller, record: (seq) => recordOf(signer.id, name, seq) };
}

export function recordOf(node: NodeId, org: string, seq: number): Uint8Array {
  return encode({
    v: 1,
    node,
    seq,
    org,
    addresses: [`${org}.example:7443`],
    keys: { tls: hashOf(`${org}/tls`), hpke: hashOf(`${org}/hpke`) },
    protocols: ['/2pm/task/1'],
  });
}

export function hashOf(text: string): Hash {
  return taggedHash('2pm/test/1', new TextEncoder().encode(text)) as Hash;
}

export function registration(domain: ChainDomain, member: Party, nonce = 1): Promise<RegisterCommand> {
  const fields = { controller: member.controller.id, record: member.record(nonce), nonce };
  return signRegister(member.signer, domain, fields);
}

export interface Deadlines {
  joinBy: number;
  settleBy: number;
}

export function creation(
  domain: ChainDomain,
  coordinator: Party,
  nonce: number,
  { joinBy, settleBy }: Deadlines,
  quorum = 0,
): Promise<CreateCommand> {
  const specHash = hashOf(`spec/${coordinator.name}/${nonce}`);
  const fields = { nonce, specHash, invitedHash: hashOf('invited'), joinBy, settleBy, quorum };
  return signCreate(coordinator.signer, domain, fields);
}

/** Members may come in any order. */
export async function start(
  domain: ChainDomain,
  coordinator: Party,
  taskId: TaskId,
  members: readonly Party[],
): Promise<StartCommand> {
  const sorted = ascending(members);
  const consentHashes = sorted.map(({ name }) => hashOf(`consent/${name}`));
  const consentSignatures = await Promise.all(
    sorted.map((member, i) =>
      signConsent(member.signer, domain, { taskId, consentHash: consentHashes[i] ?? hashOf('') }),
    ),
  );
  const roster = { taskId, members: sorted.map(({ id }) => id), consentHashes, consentSignatures };
  return signStart(coordinator.signer, domain, roster);
}

/** `signing`: who attests; the others are left out. */
export async function settlement(
  domain: ChainDomain,
  started: StartCommand,
  members: readonly Party[],
  signing: readonly Party[] = members,
): Promise<SettleCommand> {
  const { taskId, consentHashes } = started;
  const roots = { taskId, resultRoot: hashOf('result'), transcriptRoot: hashOf('transcript') };
  const signatures = await Promise.all(
    ascending(members).map((member) =>
      signing.includes(member) ? signAttestation(member.signer, domain, roots) : ('0x' as const),
    ),
  );
  return { type: 'settle', ...roots, members: started.members, consentHashes, signatures };
}

function ascending(members: readonly Party[]): Party[] {
  return [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
}
