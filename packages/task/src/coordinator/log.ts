/** A coordinator's durable view of one of its tasks: events as they are logged, and the pure reducer over them. @module */
import {
  assert,
  Bytes,
  decode,
  encode,
  Hash,
  type JournalEntry,
  NodeId,
  Plan,
  Signature,
  SignedConsent,
  SignedSpec,
  TaskId,
} from '@2pm/core';
import { type ResultNode, ResultNode as ResultNodeSchema } from '@2pm/core/api';
import { z } from 'zod';
import { Leaf, MemberCost, Reason, WireError } from '../messages.ts';

const Transaction = { tx: z.string(), block: z.number().int(), gasUsed: z.number(), at: z.number() };

export const CoordinatorEvent = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('submitted'),
    taskId: TaskId,
    signed: SignedSpec,
    program: Bytes,
    plan: Plan,
    at: z.number(),
  }),
  z.strictObject({ type: z.literal('published'), ...Transaction }),
  z.strictObject({ type: z.literal('consented'), signed: SignedConsent }),
  z.strictObject({ type: z.literal('refused'), node: NodeId, code: z.string(), reasons: z.array(Reason) }),
  /** The roster is chosen; from here on the start transaction is only ever repeated. */
  z.strictObject({ type: z.literal('chosen'), consents: z.array(SignedConsent), at: z.number() }),
  z.strictObject({ type: z.literal('started'), ...Transaction }),
  z.strictObject({ type: z.literal('attempted'), attempt: z.number().int() }),
  z.strictObject({
    type: z.literal('prepared'),
    node: NodeId,
    attempt: z.number().int(),
    leaves: z.array(Leaf),
    transcript: Hash.optional(),
    cost: MemberCost,
  }),
  z.strictObject({ type: z.literal('failed'), node: NodeId, attempt: z.number().int(), error: WireError }),
  /** All members have prepared this attempt; no other will be begun. */
  z.strictObject({ type: z.literal('releasing'), attempt: z.number().int(), at: z.number() }),
  z.strictObject({
    type: z.literal('released'),
    node: NodeId,
    attestation: Signature,
    sealed: z.array(z.strictObject({ recipient: z.string(), bytes: Bytes })),
  }),
  z.strictObject({ type: z.literal('settling'), at: z.number() }),
  z.strictObject({
    type: z.literal('ended'),
    phase: z.enum(['settled', 'refused', 'aborted', 'expired', 'failed']),
    ...Transaction,
    error: WireError.optional(),
  }),
  z.strictObject({ type: z.literal('opened'), result: ResultNodeSchema, receipt: Bytes }),
]);
export type CoordinatorEvent = z.infer<typeof CoordinatorEvent>;
type Of<T extends CoordinatorEvent['type']> = Extract<CoordinatorEvent, { type: T }>;

export interface CoordinatorTask {
  taskId: TaskId;
  submitted: Of<'submitted'>;
  published?: Of<'published'>;
  consents: Map<NodeId, SignedConsent>;
  refusals: Map<NodeId, { code: string; reasons: Reason[] }>;
  chosen?: Of<'chosen'>;
  started?: Of<'started'>;
  attempt: number;
  /** Of the current attempt. */
  prepared: Map<NodeId, Of<'prepared'>>;
  failed?: Of<'failed'>;
  releasing?: Of<'releasing'>;
  released: Map<NodeId, Of<'released'>>;
  settling?: Of<'settling'>;
  ended?: Of<'ended'>;
  opened?: { result: ResultNode; receipt: Uint8Array };
}

export function reduceCoordinator(state: CoordinatorTask | undefined, event: CoordinatorEvent): CoordinatorTask {
  if (event.type === 'submitted') {
    assert(state === undefined, 'a task is submitted once');
    return {
      taskId: event.taskId,
      submitted: event,
      consents: new Map(),
      refusals: new Map(),
      attempt: 0,
      prepared: new Map(),
      released: new Map(),
    };
  }
  assert(state !== undefined, 'the first event of a task is its submission');
  switch (event.type) {
    case 'published':
      return { ...state, published: event };
    case 'consented':
      return { ...state, consents: new Map(state.consents).set(event.signed.consent.member, event.signed) };
    case 'refused':
      return {
        ...state,
        refusals: new Map(state.refusals).set(event.node, { code: event.code, reasons: event.reasons }),
      };
    case 'chosen':
      return { ...state, chosen: event };
    case 'started':
      return { ...state, started: event };
    case 'attempted': {
      assert(state.releasing === undefined && event.attempt === state.attempt + 1, 'attempts follow each other');
      const { failed: _, ...rest } = state;
      return { ...rest, attempt: event.attempt, prepared: new Map() };
    }
    case 'prepared':
      if (event.attempt !== state.attempt) return state;
      return { ...state, prepared: new Map(state.prepared).set(event.node, event) };
    case 'failed':
      return event.attempt === state.attempt && state.failed === undefined ? { ...state, failed: event } : state;
    case 'releasing':
      assert(event.attempt === state.attempt, 'the current attempt is released');
      return { ...state, releasing: event };
    case 'released':
      return { ...state, released: new Map(state.released).set(event.node, event) };
    case 'settling':
      return { ...state, settling: event };
    case 'ended':
      return { ...state, ended: event };
    case 'opened':
      return { ...state, opened: { result: event.result, receipt: event.receipt } };
  }
}

export function readCoordinatorTasks(entries: Iterable<JournalEntry>): Map<TaskId, CoordinatorTask> {
  const tasks = new Map<TaskId, CoordinatorTask>();
  for (const { key, body } of entries) {
    const event = decode(body, CoordinatorEvent, 'coordinator log entry');
    tasks.set(key as TaskId, reduceCoordinator(tasks.get(key as TaskId), event));
  }
  return tasks;
}

export function coordinatorEntry(taskId: TaskId, event: CoordinatorEvent): JournalEntry {
  return { key: taskId, kind: event.type, body: encode(event) };
}
