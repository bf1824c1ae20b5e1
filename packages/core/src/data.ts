/** The data connector: where rows come from, and what a worker asks of the holder's data. @module */
import { z } from 'zod';
import type { Hash, NodeId, TaskId } from './ids.ts';
import type { ColumnType, Plan } from './plan.ts';
import type { SignedSpec } from './task.ts';

/** Physical type of a column as a source reports it. */
export type PhysicalType = 'boolean' | 'integer' | 'double' | 'decimal' | 'date' | 'timestamp' | 'text' | 'binary';

export interface TableInfo {
  name: string;
  columns: { name: string; type: PhysicalType; nullable: boolean }[];
  /** Where the source knows it without a scan. */
  rows?: number;
}

/** One way of reaching rows: `file`, `sqlite`, `postgres` … Opened with a server block of the dataset contract. */
export interface DataSource {
  readonly kind: string;
  open(server: Record<string, unknown>, options: { signal?: AbortSignal }): Promise<SourceSession>;
}

export interface SourceSession {
  describe(): Promise<TableInfo[]>;
  /** Cheap fingerprint of the current version (size and mtime, data version …); equal means unchanged. */
  version(table: string): Promise<string>;
  /**
   * Copies the named columns of the current version into one Parquet file, typed as the source has them, from one
   * consistent read. @throws {NodeError} `DATA_SOURCE_*`; values only in `privateDetail`.
   */
  snapshot(request: {
    table: string;
    columns: readonly string[];
    /** Path of the Parquet file to write; must not exist. */
    target: string;
    signal?: AbortSignal;
  }): Promise<{ rows: number; version: string }>;
  close(): Promise<void>;
}

export interface TaskRequest {
  taskId: TaskId;
  signed: SignedSpec;
  plan: Plan;
  /** The node that is asked. */
  self: NodeId;
}

export type Decision =
  | { verdict: 'allow' }
  /** A person must decide; `question` is the plan in plain words. */
  | { verdict: 'ask'; question: string }
  /** `code` may leave the node, `reasons` may too: they speak of the plan and the published policy, not of rows. */
  | { verdict: 'refuse'; code: string; reasons: { message: string; line?: number; fix?: string }[] };

export interface PreparedData {
  /** Blinded root over the snapshots used; zero when the member brings no data. */
  commitment: Hash;
  /** Logical table → dataset contract id, version and snapshot root, for the holder's own log. */
  datasets: { table: string; contract: string; version: string; root: Hash }[];
  /** One for each key that the node brings, in the order of the plan. */
  keys: KeyReport[];
}

/** What a holder found out about a key before anything left it. For its own eyes: counts tell of the data. */
export const KeyReport = z.strictObject({
  /** Node of the plan (`keyed/1`). */
  node: z.number().int(),
  table: z.string(),
  key: z.string(),
  /** Rows of the table, filtered as the plan says. */
  rows: z.number().int(),
  /** Of these, rows without a value in a column that they bring: they are left out, and not counted below. */
  lacking: z.number().int(),
  /**
   * By pass: rows without a value or with a placeholder ("n/a", "unknown" …), with a value that the rule cannot read, and
   * that share their key with an earlier row.
   */
  passes: z.array(
    z.strictObject({
      nulls: z.number().int(),
      invalid: z.number().int(),
      duplicates: z.number().int(),
      distinct: z.number().int(),
    }),
  ),
  /** Rows that take part. */
  keyed: z.number().int(),
  /** Public. */
  capacity: z.number().int(),
  /** What a holder should think about before it consents, in plain words. */
  warnings: z.array(z.string()),
});
export type KeyReport = z.infer<typeof KeyReport>;

/** Rows that take part in a match, in the order of the snapshot. */
export interface KeyedRows {
  rows: number;
  /** By pass, 16 bytes a row: SHA-256 of the normalised, length-prefixed fields, cut. Zero where `present` is 0. */
  digests: Uint8Array[];
  /** By pass, one byte a row: 1 where the row has a key in this pass. */
  present: Uint8Array[];
  /** The columns of the node, one after another, each `rows` long; within the bounds of the plan. */
  columns: BigInt64Array[];
}

/** What another holder let this one have of the rows of an intersection. */
export interface DeliveredColumn {
  /** Role and column, as in `shop_spend`. */
  name: string;
  type: ColumnType;
  /** One for each row, within the bounds of the type; as `KeyedRows` has them. */
  values: BigInt64Array;
}

/** What a worker asks of its data. Implemented by `data`; a node without data has none. */
export interface DataHolder {
  /** Judges the whole plan by policy. No row is read. */
  judge(request: TaskRequest): Promise<Decision>;
  /**
   * Fixes the data of a task: snapshots, checks every schema and quality rule, commits, reserves budget. Idempotent per
   * task. @throws {NodeError} `DATA_*` with detail in `privateDetail`.
   */
  prepare(request: TaskRequest, options: { signal: AbortSignal }): Promise<PreparedData>;
  /**
   * Runs the local part of the plan for one role on the prepared snapshots. Returns one integer vector for each
   * requested node (kind `local`), of exactly its declared length, every value within its declared bounds.
   */
  compute(
    request: TaskRequest,
    role: string,
    outputs: readonly number[],
    options: { signal: AbortSignal },
  ): Promise<Map<number, BigInt64Array>>;
  /** The rows of a `keyed/1` node of one role, on the prepared snapshots. The same rows in the same order at each call. */
  keyed(request: TaskRequest, role: string, node: number, options: { signal: AbortSignal }): Promise<KeyedRows>;
  /**
   * Keeps, on this node alone, which rows of a `keyed/1` node are in an intersection: a Parquet file with the key's and the
   * node's columns as the source has them, and beside them what was delivered, in readable form. Overwrites what an earlier
   * attempt kept. `rows`: ascending positions in `keyed`; delivered values stand in their order.
   */
  deliver(
    request: TaskRequest,
    role: string,
    node: number,
    name: string,
    rows: Uint32Array,
    options: { signal: AbortSignal; delivered?: readonly DeliveredColumn[] },
  ): Promise<{ file: string; rows: number }>;
  /** Drops what was kept for the task, but for what was delivered. */
  release(taskId: TaskId): Promise<void>;
}
