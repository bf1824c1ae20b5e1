/**
 * The HTTP API of a node, as schemas that both ends use. All routes are under `/v1`, want `Authorization: Bearer TOKEN`,
 * take and give JSON, and answer errors as `{ error: PublicError }` with a 4xx or 5xx status.
 *
 * | route                         | body → answer                                          |
 * |-------------------------------|--------------------------------------------------------|
 * | GET  /v1/status               | → NodeStatusView                                       |
 * | GET  /v1/peers                | → PeerView[]                                           |
 * | GET  /v1/datasets             | → DatasetView[]                                        |
 * | GET  /v1/tasks                | → TaskView[]                                           |
 * | POST /v1/tasks                | SubmitRequest → { taskId }                             |
 * | POST /v1/tasks/check          | SubmitRequest → TaskCheck; nothing is published        |
 * | GET  /v1/tasks/:id            | → TaskView                                             |
 * | GET  /v1/tasks/:id/updates    | → TaskUpdate, one JSON a line, until the task has ended |
 * | GET  /v1/tasks/:id/result     | → TaskResult                                           |
 * | GET  /v1/tasks/:id/receipt    | → Receipt as canonical CBOR (application/cbor)         |
 * | POST /v1/tasks/:id/abort      | → TaskView                                             |
 * @module
 */

import { z } from 'zod';
import { KeyReport } from './data.ts';
import type { PublicError } from './errors.ts';
import { NodeId, TaskId } from './ids.ts';
import { SecurityModel } from './task.ts';

export const ApiError: z.ZodType<PublicError> = z.object({
  code: z.string(),
  message: z.string(),
  fault: z.enum(['caller', 'peer', 'chain', 'data', 'policy', 'node']),
  retryable: z.boolean(),
  fix: z.string().optional(),
}) as z.ZodType<PublicError>;

export const SubmitRequest = z.strictObject({
  /** TypeScript source of the program, at most 1 MB. */
  program: z.string().min(1).max(1_000_000),
  purpose: z.string().min(1).max(500),
  /** Nodes by role of the program; a role left out invites every active peer that offers data, up to its maximum. */
  roles: z.record(z.string(), z.array(NodeId)).default({}),
  /**
   * As many as the protocol has; left out, invited nodes of distinct organisations, then others. Where rows are joined,
   * one of them must bring no rows.
   */
  seats: z.array(NodeId).min(2).max(8).optional(),
  /** Id of the protocol between the seats; left out, the node's first that gives the security asked for. */
  protocol: z.string().max(64).optional(),
  /** The least that the protocol must withstand. */
  security: SecurityModel.default('semi-honest'),
  joinWithinSeconds: z.number().int().min(2).max(604_800).default(60),
  settleWithinSeconds: z.number().int().min(5).max(2_592_000).default(900),
});
export type SubmitRequest = z.infer<typeof SubmitRequest>;
export type SubmitInput = z.input<typeof SubmitRequest>;

/**
 * Where a task stands. `gathering`: waiting for consents; `computing`: the members run the plan; `releasing`: output
 * shares leave; `attesting`, `settling`: signatures and the closing transaction. The last five are final.
 */
export const TaskPhase = z.enum([
  'created',
  'gathering',
  'starting',
  'computing',
  'releasing',
  'attesting',
  'settling',
  'settled',
  'refused',
  'aborted',
  'expired',
  'failed',
]);
export type TaskPhase = z.infer<typeof TaskPhase>;
export const FINAL_PHASES: readonly TaskPhase[] = ['settled', 'refused', 'aborted', 'expired', 'failed'];

export const MemberView = z.strictObject({
  node: NodeId,
  org: z.string(),
  roles: z.array(z.string()),
  seat: z.number().int().nullable(),
  /** invited, fetched, consented, refused, computing, prepared, released, attested, lost */
  state: z.string(),
  /** Why it refused or was lost. */
  error: ApiError.optional(),
});
export type MemberView = z.infer<typeof MemberView>;

export const KeptRows = z.strictObject({
  name: z.string(),
  /** Parquet file on this node. */
  file: z.string(),
  rows: z.number().int(),
});
export type KeptRows = z.infer<typeof KeptRows>;

export const OwnMatches = z.strictObject({ keys: z.array(KeyReport), kept: z.array(KeptRows) });
export type OwnMatches = z.infer<typeof OwnMatches>;

export const TaskView = z.strictObject({
  taskId: TaskId,
  name: z.string(),
  purpose: z.string(),
  coordinator: NodeId,
  /** True where this node coordinates the task. */
  mine: z.boolean(),
  phase: TaskPhase,
  attempt: z.number().int(),
  members: z.array(MemberView),
  error: ApiError.optional(),
  /** What a refusal said, in plain words, by member. */
  refusals: z.array(
    z.strictObject({
      node: NodeId,
      code: z.string(),
      reasons: z.array(
        z.strictObject({ message: z.string(), line: z.number().optional(), fix: z.string().optional() }),
      ),
    }),
  ),
  /** What each party learns, in plain words, from the plan. */
  learns: z.array(z.string()),
  /** What stays on this node: how its keys were before anything left it, and the intersections that it keeps. */
  own: OwnMatches.optional(),
  cost: z.strictObject({
    gas: z.number(),
    transactions: z.number().int(),
    bytesSent: z.number().int(),
    bytesReceived: z.number().int(),
    rounds: z.number().int(),
    /** Milliseconds spent in each phase so far. */
    phaseMs: z.record(z.string(), z.number()),
  }),
});
export type TaskView = z.infer<typeof TaskView>;

/** What the invited would say to a task, by their policies alone: no data is read, and nothing stands on the chain. */
export const TaskCheck = z.strictObject({
  name: z.string(),
  protocol: z.string(),
  members: z.array(
    z.strictObject({
      node: NodeId,
      org: z.string(),
      roles: z.array(z.string()),
      seat: z.number().int().nullable(),
      /** `ask`: a person there has to decide; `silent`: no answer came. */
      verdict: z.enum(['allow', 'ask', 'refuse', 'silent']),
      code: z.string(),
      reasons: z.array(
        z.strictObject({ message: z.string(), line: z.number().optional(), fix: z.string().optional() }),
      ),
    }),
  ),
  /** Whether those who would take part are enough: every seat, and the least number of each role. */
  starts: z.boolean(),
  learns: z.array(z.string()),
});
export type TaskCheck = z.infer<typeof TaskCheck>;

export const TaskUpdate = z.strictObject({
  /** Milliseconds since the epoch, on the node that says it. */
  at: z.number(),
  taskId: TaskId,
  /** The party it is about. */
  node: NodeId,
  org: z.string(),
  phase: z.string(),
  message: z.string(),
  progress: z.strictObject({ done: z.number(), of: z.number() }).optional(),
});
export type TaskUpdate = z.infer<typeof TaskUpdate>;

/** A revealed number; null where it was withheld because too few rows stood behind it. */
export const ResultValue = z.union([z.number(), z.string(), z.null()]);
export type ResultNode = z.infer<typeof ResultValue> | ResultNode[] | { [name: string]: ResultNode };
export const ResultNode: z.ZodType<ResultNode> = z.lazy(() =>
  z.union([ResultValue, z.array(ResultNode), z.record(z.string(), ResultNode)]),
);
export const TaskResult = z.strictObject({ taskId: TaskId, name: z.string(), result: ResultNode });
export type TaskResult = z.infer<typeof TaskResult>;

export const PeerView = z.strictObject({
  node: NodeId,
  org: z.string(),
  addresses: z.array(z.string()),
  status: z.enum(['active', 'left', 'revoked']),
  self: z.boolean(),
  /** Round trip of a ping over a fresh or open control channel; null when it did not answer. */
  reachable: z.boolean().nullable(),
  rttMs: z.number().nullable(),
});
export type PeerView = z.infer<typeof PeerView>;

export const DatasetView = z.strictObject({
  id: z.string(),
  version: z.string(),
  table: z.string(),
  source: z.string(),
  columns: z.array(z.strictObject({ name: z.string(), type: z.string() })),
});
export type DatasetView = z.infer<typeof DatasetView>;

export const NodeStatusView = z.strictObject({
  version: z.string(),
  node: NodeId,
  did: z.string(),
  org: z.string(),
  listen: z.string(),
  chain: z.strictObject({
    driver: z.string(),
    caip2: z.string(),
    reachable: z.boolean(),
    block: z.number().int(),
    lag: z.number().int(),
  }),
  registered: z.boolean(),
  peers: z.number().int(),
  tasks: z.strictObject({ running: z.number().int(), ended: z.number().int() }),
});
export type NodeStatusView = z.infer<typeof NodeStatusView>;

/** What a node offers over the API, implemented by `task` and `node`. */
export interface TaskService {
  /** Traces, plans, publishes. Resolves when the task stands on the chain. */
  submit(request: SubmitRequest): Promise<TaskId>;
  /** What the invited would say; publishes nothing. */
  check(request: SubmitRequest): Promise<TaskCheck>;
  list(): TaskView[];
  /** @throws {NodeError} `TASK_UNKNOWN`. */
  view(taskId: TaskId): TaskView;
  /** Everything so far, then live, until the task has ended or the signal fires. */
  updates(taskId: TaskId, signal: AbortSignal): AsyncIterable<TaskUpdate>;
  /** @throws {NodeError} `TASK_NOT_SETTLED`, `TASK_NOT_RECIPIENT`. */
  result(taskId: TaskId): Promise<TaskResult>;
  receipt(taskId: TaskId): Promise<Uint8Array>;
  abort(taskId: TaskId): Promise<TaskView>;
}
