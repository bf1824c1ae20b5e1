/** What the command line asks of the rest of the node; bound to the real parts in main.ts, loaded only when used. @module */
import type { KeyReport, KeyType, NodeId, Rng, TaskId } from '@2pm/core';
import type { DatasetView, NodeStatusView, ResultNode } from '@2pm/core/api';
import type { NodeConfig } from '../config/load.ts';

export interface RunningNode {
  /** Where the HTTP API answers. */
  readonly apiUrl: string;
  status(): Promise<NodeStatusView>;
  /** Resolves when the node has ended by itself; rejects when it failed. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface DraftRequest {
  /** Path or URL of the data. */
  source: string;
  kind?: string;
  /** Table inside the source, where it has several. */
  sourceTable?: string;
  /** Logical table that programs name; left out, taken from the source's name. */
  as?: string;
}

export interface DatasetCheck {
  id: string;
  checks: readonly { name: string; ok: boolean; message?: string; fix?: string }[];
}

export interface KeyCheck {
  /** Of the dataset. */
  id: string;
  report: KeyReport;
}

/** ε that private reveals took from a dataset, and what its permits leave; `total` is null where none permits them. */
export interface DatasetBudget {
  id: string;
  spent: number;
  total: number | null;
  left: number;
}

export interface VerifiedReceipt {
  taskId: TaskId;
  name: string;
  purpose: string;
  members: readonly NodeId[];
  coordinator: NodeId;
  chainId: number;
  settlement: { tx: string; block: number };
  result: ResultNode;
}

export interface Simulation {
  name: string;
  result: ResultNode;
  learns: readonly string[];
  /** Intersections that a holder would keep, with their sizes and the names of the columns that another one delivers. */
  kept: readonly { name: string; role: string; rows: number; delivered: readonly string[] }[];
  rounds: number;
  /** Sent by all parties together. */
  bytes: number;
  milliseconds: number;
}

export interface Explanation {
  name: string;
  learns: readonly string[];
  operations: number;
  /** Who brings data, and how many of them the costs are for. */
  roles: readonly { name: string; min: number; max: number; members: number; tables: readonly string[] }[];
  /** What holders match among themselves: intersections, and joins in a circuit, which go on among the computing parties. */
  intersections: readonly {
    name: string;
    /** Absent where nobody learns it. */
    to?: string;
    protocol: string;
    /** Sent by all holders together. */
    bytes: number;
    /** Working memory of the holder that needs most. */
    memoryBytes: number;
    /** Side by side, within a factor of two. */
    milliseconds: number;
  }[];
  /** Absent where nothing is computed in secret. */
  cost?: {
    protocol: string;
    rounds: number;
    /** Sent by each computing party. */
    seatBytes: readonly number[];
    /** Sent by each holder of a role. */
    holderBytes: Readonly<Record<string, number>>;
    /** Read by whoever learns the results. */
    outputBytes: number;
    /** Of `milliseconds`, what the busiest computing party computes: within a factor of three. */
    computingMs: number;
    /** In all: side by side (0.2 ms a round, 10 Gbit/s), and far apart (20 ms, 100 Mbit/s). */
    milliseconds: { near: number; far: number };
  };
  /** What other protocols would take, the fewest seats each; or why one cannot run the program. */
  others?: readonly (
    | { protocol: string; refused: string }
    | (Omit<NonNullable<Explanation['cost']>, 'protocol'> & {
        protocol: string;
        learns: readonly string[];
        /** The last of the computing parties is a dealer. */
        dealer?: true;
        /** Whether bytes are exact; small plans may take more than an estimate says. */
        exact: boolean;
      })
  )[];
}

export interface Engine {
  rng: Rng;
  /** `random`: the passphrase is 256 random bits. @returns the id of the new node. */
  createKeystore(dir: string, passphrase: string, rng: Rng, options: { random: boolean }): Promise<NodeId>;
  createNode(
    config: NodeConfig,
    options: { passphrase: string; signal: AbortSignal; log: (message: string) => void },
  ): Promise<RunningNode>;
  /** Takes the node out of the registry. */
  leave(config: NodeConfig, passphrase: string): Promise<NodeId>;
  /** Writes the drafted contract into `dataDir`. */
  draftContract(dataDir: string, request: DraftRequest): Promise<{ dataset: DatasetView; file: string }>;
  listDatasets(dataDir: string): Promise<DatasetView[]>;
  /** All, or the one with this id. */
  checkDatasets(dataDir: string, id?: string): Promise<DatasetCheck[]>;
  listBudgets(config: NodeConfig): Promise<DatasetBudget[]>;
  /** What a task would find of a key of this dataset, before anything leaves the node. */
  checkKeys(dataDir: string, id: string, key: KeyType): Promise<KeyCheck>;
  /** @throws {NodeError} `RECEIPT_INVALID`. */
  verifyReceipt(bytes: Uint8Array): Promise<VerifiedReceipt>;
  /** What a program would do, without running it. `members`: how many of each role, the fewest unless told. */
  explain(request: {
    program: string;
    members: Readonly<Record<string, number>>;
    signal: AbortSignal;
  }): Promise<Explanation>;
  /** One holder for each entry: logical table → file. */
  simulate(request: {
    program: string;
    holders: readonly Readonly<Record<string, string>>[];
    signal: AbortSignal;
  }): Promise<Simulation>;
}
