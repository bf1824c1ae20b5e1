/**
 * The local engine: DuckDB behind one narrow interface, in a child process (`childEngine`) or in this one
 * (`inlineEngine`, for simulation). Each job gets a database of its own, in memory, that sees exactly the files named
 * with it: everything else of the file system, extensions and the configuration are locked before its first statement.
 * @module
 */
import { NodeError } from '@2pm/core';
import type { RecordShape, Records } from '@2pm/crypto/wasm';

/** One column of a result: raw typed array, or text for metadata. `valid[i]` is 0 where null. */
export interface ResultColumn {
  name: string;
  values: BigInt64Array | Float64Array | Int32Array | Uint8Array | string[];
  valid: Uint8Array;
}

export interface ResultTable {
  rows: number;
  columns: ResultColumn[];
}

export interface EngineLimits {
  /** DuckDB's own limit, bytes; the resident size of the process exceeds it by about 40 %. */
  memoryBytes: number;
  threads: number;
  /** Spill files; removed with the engine. */
  tempDirectory: string;
  tempBytes: number;
  /** Wall time of one job, milliseconds: then it is interrupted, and 2 s later its process is killed. */
  wallMs: number;
  /** Rows that one statement may return. */
  maxRows: number;
  /** V8 heap of the child, MiB. */
  heapMb: number;
}

export interface QueryJob {
  statements: readonly string[];
  /** Absolute paths of the only files that the statements may read or write. */
  files: readonly string[];
}

export interface RecordJob {
  statement: string;
  shape: RecordShape;
  files: readonly string[];
}

/** Engine types of an appended column, and what JavaScript holds for them. */
export type AppendType = 'BOOLEAN' | 'BIGINT' | 'DOUBLE' | 'VARCHAR' | 'BLOB' | 'DATE';

export interface AppendJob {
  columns: readonly { name: string; type: AppendType }[];
  /** Parquet file to write; must not exist. */
  target: string;
}

/**
 * Columns of equal length, in the job's order: boolean, bigint, number, string, Uint8Array, days as number; or null. One of
 * BIGINT without nulls may come as it is in memory, which is a hundred times faster.
 */
export type ColumnBatch = readonly (readonly unknown[] | BigInt64Array)[];

export interface Engine {
  /** Runs the statements in order in one fresh database; one table for each. @throws {NodeError} `DATA_ENGINE_*`. */
  query(job: QueryJob, options: { signal?: AbortSignal | undefined }): Promise<ResultTable[]>;
  /** As `query` of one statement whose one column holds records (`readRecords`) as blobs, in any order; rows ascend by their first number. */
  records(job: RecordJob, options: { signal?: AbortSignal | undefined }): Promise<Records>;
  /** Writes batches into one Parquet file. Returns the number of rows. */
  append(
    job: AppendJob,
    batches: AsyncIterable<ColumnBatch> | Iterable<ColumnBatch>,
    options: { signal?: AbortSignal | undefined },
  ): Promise<number>;
  close(): Promise<void>;
}

/** What `session.js` exports; written out here because a child process loads that file without a compiler. */
export interface Session {
  query(statements: readonly string[]): Promise<ResultTable[]>;
  records(statement: string, shape: RecordShape): Promise<Records>;
  appendBegin(columns: AppendJob['columns']): Promise<void>;
  appendBatch(batch: ColumnBatch): void;
  appendEnd(target: string): Promise<number>;
  interrupt(): void;
  close(): void;
}
export type OpenSession = (limits: EngineLimits, files: readonly string[]) => Promise<Session>;

/** How an error of the engine crosses the process boundary. */
export interface EngineFailure {
  kind: 'sql' | 'memory' | 'rows' | 'interrupt';
  /** May quote rows and paths. */
  detail: string;
}

export const DEFAULT_LIMITS: Omit<EngineLimits, 'tempDirectory'> = {
  memoryBytes: 1 << 30,
  threads: 2,
  tempBytes: 16 * 2 ** 30,
  wallMs: 300_000,
  maxRows: 1_000_001,
  heapMb: 1_024,
};

export function engineError(failure: EngineFailure): NodeError {
  const options = { fault: 'data', privateDetail: failure.detail } as const;
  switch (failure.kind) {
    case 'memory':
      return new NodeError('DATA_ENGINE_MEMORY', 'the local engine ran out of its memory', {
        ...options,
        fix: "raise the engine's memory limit or use a smaller dataset",
      });
    case 'rows':
      return new NodeError('DATA_ENGINE_ROWS', 'a local statement returned more rows than allowed', options);
    case 'interrupt':
      return new NodeError('DATA_ENGINE_TIMEOUT', 'the local engine ran out of its wall time', {
        ...options,
        fix: "raise the engine's wall time or use a smaller dataset",
      });
    default:
      return new NodeError('DATA_ENGINE_QUERY', 'the local engine could not run a statement', options);
  }
}
