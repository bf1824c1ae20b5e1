/** Control messages between coordinator and members: what is asked, and what each answer looks like. @module */
import { Bytes, Hash, NodeId, Signature, SignedConsent, SignedSpec, TaskId } from '@2pm/core';
import { z } from 'zod';

export const CONTROL_PROTOCOL = '/2pm/control/1';
export const COMPUTE_PROTOCOL = '/2pm/compute/1';

const Attempt = z.number().int().min(1).max(1_000);

/** An error as it may leave a node. */
export const WireError = z.strictObject({
  code: z.string().max(64),
  message: z.string().max(1_000),
  fault: z.enum(['caller', 'peer', 'chain', 'data', 'policy', 'node']),
  retryable: z.boolean(),
  fix: z.string().max(1_000).optional(),
});
export type WireError = z.infer<typeof WireError>;

export const Reason = z.strictObject({
  message: z.string().max(1_000),
  line: z.number().int().optional(),
  fix: z.string().max(1_000).optional(),
});
export type Reason = z.infer<typeof Reason>;

/** One seat's output for one recipient: a hiding commitment, and the hash of the sealed bytes that open it. */
export const Leaf = z.strictObject({ seat: NodeId, recipient: z.string().max(64), commitment: Hash, sealedHash: Hash });
export type Leaf = z.infer<typeof Leaf>;

/** What a member's part cost. */
export const MemberCost = z.strictObject({
  bytesSent: z.number().int().nonnegative(),
  bytesReceived: z.number().int().nonnegative(),
  rounds: z.number().int().nonnegative(),
});
export type MemberCost = z.infer<typeof MemberCost>;

export const ControlRequest = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ping') }),
  // coordinator → invited
  z.strictObject({ kind: z.literal('offer'), taskId: TaskId }),
  /** What would you say to this task? Nothing of it stands on the chain. */
  z.strictObject({ kind: z.literal('check'), signed: SignedSpec, program: Bytes }),
  // invited → coordinator
  z.strictObject({ kind: z.literal('fetch'), taskId: TaskId }),
  z.strictObject({ kind: z.literal('consent'), taskId: TaskId, signed: SignedConsent }),
  z.strictObject({
    kind: z.literal('refuse'),
    taskId: TaskId,
    code: z.string().max(64),
    reasons: z.array(Reason).max(32),
  }),
  // coordinator → member
  z.strictObject({
    kind: z.literal('attempt'),
    taskId: TaskId,
    attempt: Attempt,
    consents: z.array(SignedConsent).max(64),
  }),
  z.strictObject({
    kind: z.literal('release'),
    taskId: TaskId,
    attempt: Attempt,
    leaves: z.array(Leaf).max(1_024),
    transcriptRoot: Hash,
  }),
  z.strictObject({
    kind: z.literal('sealed'),
    taskId: TaskId,
    attempt: Attempt,
    recipient: z.string().max(64),
    offset: z.number().int().nonnegative(),
  }),
  // member → coordinator
  z.strictObject({
    kind: z.literal('progress'),
    taskId: TaskId,
    attempt: z.number().int().min(0),
    phase: z.string().max(32),
    message: z.string().max(300),
    done: z.number().int().optional(),
    of: z.number().int().optional(),
  }),
  z.strictObject({
    kind: z.literal('prepared'),
    taskId: TaskId,
    attempt: Attempt,
    leaves: z.array(Leaf).max(64),
    /** Absent for a member that holds no seat. */
    transcript: Hash.optional(),
    cost: MemberCost,
  }),
  z.strictObject({
    kind: z.literal('failed'),
    taskId: TaskId,
    attempt: Attempt,
    error: WireError,
    /** Whom the member blames, where it can tell. */
    culprit: NodeId.optional(),
  }),
]);
export type ControlRequest = z.infer<typeof ControlRequest>;

/** Answers by kind of request. */
export const ControlAnswer = {
  ping: z.strictObject({}),
  offer: z.strictObject({}),
  check: z.strictObject({
    verdict: z.enum(['allow', 'ask', 'refuse']),
    code: z.string().max(64),
    reasons: z.array(Reason).max(32),
  }),
  fetch: z.strictObject({ signed: SignedSpec, program: Bytes }),
  consent: z.strictObject({}),
  refuse: z.strictObject({}),
  attempt: z.strictObject({}),
  release: z.strictObject({ attestation: Signature }),
  sealed: z.strictObject({ bytes: Bytes, total: z.number().int().nonnegative() }),
  progress: z.strictObject({}),
  prepared: z.strictObject({}),
  failed: z.strictObject({}),
} as const;
export type ControlAnswers = { [Kind in keyof typeof ControlAnswer]: z.infer<(typeof ControlAnswer)[Kind]> };

/** First frame of a computation between two members: both must mean the same thing, or they stop here, in words. */
export const Hello = z.strictObject({
  sid: Hash,
  specHash: Hash,
  planHash: Hash,
  rosterHash: Hash,
  protocol: z.string().max(64),
});
export type Hello = z.infer<typeof Hello>;
