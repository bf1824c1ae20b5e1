/** What parties agree on: the task spec, consents and attestations. Each has canonical bytes and one hash. @module */
import { z } from 'zod';
import { hashValue } from './codec.ts';
import { AnalystKeys } from './identity.ts';
import { Hash, NodeId, Signature, TaskId } from './ids.ts';
import { taggedJoins } from './match.ts';
import type { Plan } from './plan.ts';

export const SecurityModel = z.enum(['semi-honest', 'malicious']);
export type SecurityModel = z.infer<typeof SecurityModel>;

export const TaskSpec = z.strictObject({
  v: z.literal(1),
  coordinator: NodeId,
  /** The coordinator's task counter; with the coordinator it determines the task id. */
  nonce: z.number().int().nonnegative(),
  programHash: Hash,
  planHash: Hash,
  /** Invited nodes by role of the plan; each list ascending, no node twice. */
  roles: z.record(z.string(), z.array(NodeId).min(1).max(64)),
  /** The computing parties, in seat order; the last is the dealer if the protocol has one. */
  seats: z.array(NodeId).min(2).max(8),
  /** Protocol card id of the shared placement, e.g. `rep3-semi-honest/1`. */
  protocol: z.string().max(64),
  security: SecurityModel,
  /** Recipient name of the plan → public keys. */
  recipients: z.record(z.string(), AnalystKeys),
  /** Why, in the analyst's words. */
  purpose: z.string().min(1).max(500),
  limits: z.strictObject({
    /** Wall time that one attempt may take, milliseconds. */
    attemptMs: z.number().int().min(1_000).max(86_400_000),
  }),
  /** Unix seconds, chain time. */
  joinBy: z.number().int().positive(),
  settleBy: z.number().int().positive(),
  /** Attestations needed to settle; 0 means all members. */
  quorum: z.number().int().min(0).max(64),
});
export type TaskSpec = z.infer<typeof TaskSpec>;

export function specHash(spec: TaskSpec): Hash {
  return hashValue('2pm/task-spec/1', spec) as Hash;
}

export function programHash(source: Uint8Array): Hash {
  return hashValue('2pm/program/1', source) as Hash;
}

/** Every node that takes part, role members and seats, ascending, no node twice. */
export function invitedNodes(spec: TaskSpec): NodeId[] {
  return [...new Set([...Object.values(spec.roles).flat(), ...spec.seats])].sort();
}

export function invitedHash(spec: TaskSpec): Hash {
  return hashValue('2pm/invited/1', invitedNodes(spec)) as Hash;
}

/**
 * For each `join/1` node of the plan that has tags the seat that sees them: the first that is invited to none of the joined
 * roles, so that it holds neither the rows nor the key of the tags. undefined where every seat is.
 */
export function matchingSeats(plan: Plan, spec: TaskSpec): Map<number, number | undefined> {
  return new Map(
    taggedJoins(plan).map((node) => {
      const type = plan.nodes[node]?.type;
      const holders = new Set(type?.kind === 'joined' ? type.roles.flatMap((role) => spec.roles[role] ?? []) : []);
      const seat = spec.seats.findIndex((one) => !holders.has(one));
      return [node, seat < 0 ? undefined : seat];
    }),
  );
}

/** A spec with the signature of each recipient over its hash: they asked, for this purpose. EIP-712 `Consent` form with taskId. */
export const SignedSpec = z.strictObject({
  spec: TaskSpec,
  /** By recipient name; EIP-191 personal signature over the spec hash. */
  signatures: z.record(z.string(), Signature),
});
export type SignedSpec = z.infer<typeof SignedSpec>;

/** What a member agrees to. Signed as EIP-712 `Consent(taskId, consentHash)`. */
export const Consent = z.strictObject({
  v: z.literal(1),
  taskId: TaskId,
  member: NodeId,
  specHash: Hash,
  planHash: Hash,
  /** Root of the member's snapshots, blinded per task; zero for a seat without data. */
  dataCommitment: Hash,
  /** Roles in which it takes part, ascending; a seat-only member has none. */
  roles: z.array(z.string()),
  /** Members of each role without whom it will not compute. */
  minimumMembers: z.record(z.string(), z.number().int().min(1)),
});
export type Consent = z.infer<typeof Consent>;

export function consentHash(consent: Consent): Hash {
  return hashValue('2pm/consent/1', consent) as Hash;
}

export const SignedConsent = z.strictObject({ consent: Consent, signature: Signature });
export type SignedConsent = z.infer<typeof SignedConsent>;

/** Roster of one attempt; its hash with the attempt number names the session. */
export function sessionId(taskId: TaskId, rosterHash: Hash, attempt: number): Hash {
  return hashValue('2pm/session/1', [taskId, rosterHash, attempt]) as Hash;
}
