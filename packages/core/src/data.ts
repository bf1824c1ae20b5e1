/** The data connector: where rows come from, and what a worker asks of the holder's data. @module */
import type { Hash, NodeId, TaskId } from './ids.ts';
import type { Plan } from './plan.ts';
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
  /** Drops what was kept for the task. */
  release(taskId: TaskId): Promise<void>;
}
