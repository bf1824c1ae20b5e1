/**
 * A worker's durable view of one task: events as they are logged, and the pure reducer over them. An event is on disk
 * before its effect leaves the node, so a node killed anywhere comes back knowing what it has promised.
 * @module
 */
import {
  assert,
  Bytes,
  decode,
  encode,
  Hash,
  type JournalEntry,
  KeyReport,
  NodeId,
  Plan,
  Signature,
  SignedConsent,
  SignedSpec,
  TaskId,
} from '@2pm/core';
import { KeptRows } from '@2pm/core/api';
import { z } from 'zod';
import { Leaf, MemberCost, Reason } from '../messages.ts';

export const WorkerEvent = z.discriminatedUnion('type', [
  /** Spec and program came with hashes that hold, and the program traces to the plan that the spec names. */
  z.strictObject({ type: z.literal('understood'), taskId: TaskId, signed: SignedSpec, plan: Plan }),
  z.strictObject({ type: z.literal('refused'), code: z.string(), reasons: z.array(Reason) }),
  z.strictObject({ type: z.literal('consented'), signed: SignedConsent, keys: z.array(KeyReport).optional() }),
  /** The chain says so, at the finality that this node waits for. */
  z.strictObject({ type: z.literal('started'), rosterHash: Hash }),
  /** An attempt has begun: its session is used up, whatever becomes of it. */
  z.strictObject({ type: z.literal('attempted'), attempt: z.number().int(), consents: z.array(SignedConsent) }),
  z.strictObject({
    type: z.literal('prepared'),
    attempt: z.number().int(),
    leaves: z.array(Leaf),
    sealed: z.record(z.string(), Bytes),
    transcript: Hash.optional(),
    cost: MemberCost,
    /** What this node learnt of its own rows, and keeps. */
    kept: z.array(KeptRows).optional(),
  }),
  /** The one release of the task: after this no other attempt is computed, and what was sent is only ever resent. */
  z.strictObject({
    type: z.literal('released'),
    attempt: z.number().int(),
    resultRoot: Hash,
    transcriptRoot: Hash,
    attestation: Signature,
  }),
  z.strictObject({
    type: z.literal('ended'),
    status: z.enum(['settled', 'aborted', 'expired', 'ignored']),
    reason: z.string(),
    by: NodeId.optional(),
  }),
]);
export type WorkerEvent = z.infer<typeof WorkerEvent>;

export interface WorkerTask {
  taskId: TaskId;
  signed?: SignedSpec;
  plan?: Plan;
  refusal?: { code: string; reasons: Reason[] };
  consent?: SignedConsent;
  keys?: KeyReport[];
  /** Roster on the chain, once its start is final enough. */
  rosterHash?: Hash;
  /** Highest attempt begun; 0 before the first. */
  attempt: number;
  consents?: SignedConsent[];
  prepared?: Extract<WorkerEvent, { type: 'prepared' }>;
  released?: Extract<WorkerEvent, { type: 'released' }>;
  ended?: Extract<WorkerEvent, { type: 'ended' }>;
}

export function reduceWorker(state: WorkerTask, event: WorkerEvent): WorkerTask {
  switch (event.type) {
    case 'understood':
      return { ...state, signed: event.signed, plan: event.plan };
    case 'refused':
      return { ...state, refusal: { code: event.code, reasons: event.reasons } };
    case 'consented':
      assert(state.refusal === undefined, 'a refused task is not consented to');
      return { ...state, consent: event.signed, ...(event.keys === undefined ? {} : { keys: event.keys }) };
    case 'started':
      return { ...state, rosterHash: event.rosterHash };
    case 'attempted':
      assert(event.attempt > state.attempt, 'attempts only rise: a session is never used twice');
      assert(state.released === undefined, 'no attempt follows a release');
      return { ...withoutPrepared(state), attempt: event.attempt, consents: event.consents };
    case 'prepared':
      assert(event.attempt === state.attempt, 'only the current attempt is prepared');
      return { ...state, prepared: event };
    case 'released':
      assert(state.released === undefined, 'a task is released once');
      assert(state.prepared?.attempt === event.attempt, 'only what is prepared is released');
      return { ...state, released: event };
    case 'ended':
      return { ...state, ended: event };
  }
}

export function readWorkerTasks(entries: Iterable<JournalEntry>): Map<TaskId, WorkerTask> {
  const tasks = new Map<TaskId, WorkerTask>();
  for (const { key, body } of entries) {
    const taskId = key as TaskId;
    const event = decode(body, WorkerEvent, 'worker log entry');
    tasks.set(taskId, reduceWorker(tasks.get(taskId) ?? { taskId, attempt: 0 }, event));
  }
  return tasks;
}

export function workerEntry(taskId: TaskId, event: WorkerEvent): JournalEntry {
  return { key: taskId, kind: event.type, body: encode(event) };
}

function withoutPrepared({ prepared: _, ...rest }: WorkerTask): WorkerTask {
  return rest;
}
