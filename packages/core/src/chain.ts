/**
 * The connector to a chain. The rules are stated once in `ledger`; a driver carries signed commands to a chain that
 * enforces them and brings its events back as a resumable stream. A command is authenticated by its own EIP-712
 * signature and nonce, never by who sent the transaction, so anyone may relay it.
 * @module
 */
import type { Hex } from './bytes.ts';
import type { Hash, NodeId, TaskId } from './ids.ts';

/** EIP-712 domain; on a chain without contracts `verifyingContract` comes from the genesis hash. */
export interface ChainDomain {
  name: '2PM Node';
  version: '1';
  chainId: number;
  verifyingContract: Hex;
}

/**
 * EIP-712 struct types, the single list from which TypeScript and Solidity hash. Who signs:
 * Register, Update, Leave: the node. Rotate: the controller *and* the new node. Revoke: the controller.
 * Create, Start: the coordinator. Consent, Attest: a member. Abort: the coordinator or a member.
 * `nonce` of node commands is the record sequence number that the command establishes (1, 2, 3 …);
 * `nonce` of Create counts the coordinator's tasks from 0.
 */
export const COMMAND_TYPES = {
  Register: 'Register(address node,address controller,bytes32 recordHash,uint64 nonce)',
  Update: 'Update(address node,bytes32 recordHash,uint64 nonce)',
  Rotate: 'Rotate(address node,address newNode,bytes32 recordHash,uint64 nonce)',
  Leave: 'Leave(address node,uint64 nonce)',
  Revoke: 'Revoke(address node,uint64 nonce)',
  Create:
    'Create(address coordinator,uint64 nonce,bytes32 specHash,bytes32 invitedHash,uint64 joinBy,uint64 settleBy,uint8 quorum)',
  Start: 'Start(bytes32 taskId,bytes32 rosterHash)',
  Consent: 'Consent(bytes32 taskId,bytes32 consentHash)',
  Attest: 'Attest(bytes32 taskId,bytes32 resultRoot,bytes32 transcriptRoot)',
  Abort: 'Abort(bytes32 taskId,bytes32 reason,address culprit)',
} as const;

export type RegisterCommand = {
  type: 'register';
  node: NodeId;
  /** Cold key of the organisation: may rotate or revoke the node key. */
  controller: NodeId;
  /** Canonical bytes of the NodeRecord; the signature binds keccak256 of them, the chain emits them. */
  record: Uint8Array;
  nonce: number;
  signature: Hex;
};
export type UpdateCommand = { type: 'update'; node: NodeId; record: Uint8Array; nonce: number; signature: Hex };
export type RotateCommand = {
  type: 'rotate';
  node: NodeId;
  newNode: NodeId;
  record: Uint8Array;
  nonce: number;
  controllerSignature: Hex;
  newNodeSignature: Hex;
};
export type LeaveCommand = { type: 'leave'; node: NodeId; nonce: number; signature: Hex };
export type RevokeCommand = { type: 'revoke'; node: NodeId; nonce: number; signature: Hex };
export type CreateCommand = {
  type: 'create';
  coordinator: NodeId;
  nonce: number;
  specHash: Hash;
  /** Hash of the sorted invited node ids (see task.ts); the list itself stays off chain. */
  invitedHash: Hash;
  /** Unix seconds. Until joinBy the task may start, until settleBy it may settle; after each, anyone may expire it. */
  joinBy: number;
  settleBy: number;
  /** Attestations needed to settle; 0 means all members. */
  quorum: number;
  signature: Hex;
};
export type StartCommand = {
  type: 'start';
  taskId: TaskId;
  /** Strictly ascending node ids, 1 to 64. */
  members: NodeId[];
  consentHashes: Hash[];
  consentSignatures: Hex[];
  /** By the coordinator over the roster hash = keccak256(abi.encodePacked(members as address words, consentHashes)). */
  signature: Hex;
};
export type SettleCommand = {
  type: 'settle';
  taskId: TaskId;
  members: NodeId[];
  consentHashes: Hash[];
  resultRoot: Hash;
  transcriptRoot: Hash;
  /** One entry a member, in members' order; '0x' where a member did not sign (allowed down to the quorum). */
  signatures: Hex[];
};
export type AbortCommand = {
  type: 'abort';
  taskId: TaskId;
  /** Who signs: the coordinator, or (once running) a member. */
  by: NodeId;
  /** Error code in ASCII, at most 32 characters. */
  reason: string;
  /** Whom it is attributed to; the zero address when it cannot be attributed. */
  culprit: NodeId;
  /** Needed while running, to prove membership against the roster hash; empty for a task still open. */
  members: NodeId[];
  consentHashes: Hash[];
  signature: Hex;
};
export type ExpireCommand = { type: 'expire'; taskId: TaskId };

export type ChainCommand =
  | RegisterCommand
  | UpdateCommand
  | RotateCommand
  | LeaveCommand
  | RevokeCommand
  | CreateCommand
  | StartCommand
  | SettleCommand
  | AbortCommand
  | ExpireCommand;

export type LedgerEvent =
  | { type: 'nodeRegistered'; node: NodeId; controller: NodeId; seq: number; record: Uint8Array }
  | { type: 'nodeUpdated'; node: NodeId; seq: number; record: Uint8Array }
  | { type: 'nodeRotated'; node: NodeId; newNode: NodeId; seq: number; record: Uint8Array }
  | { type: 'nodeLeft'; node: NodeId }
  | { type: 'nodeRevoked'; node: NodeId }
  | {
      type: 'taskCreated';
      taskId: TaskId;
      coordinator: NodeId;
      specHash: Hash;
      invitedHash: Hash;
      joinBy: number;
      settleBy: number;
      quorum: number;
    }
  | { type: 'taskStarted'; taskId: TaskId; members: NodeId[]; consentHashes: Hash[] }
  | { type: 'taskSettled'; taskId: TaskId; resultRoot: Hash; transcriptRoot: Hash; attestations: number }
  | { type: 'taskAborted'; taskId: TaskId; by: NodeId; reason: string; culprit: NodeId }
  | { type: 'taskExpired'; taskId: TaskId };

/**
 * Position in the event stream, stable across restarts, opaque but ordered: compared as strings, later positions are
 * greater, so a reader undoes what has a cursor above the one that a rollback names.
 */
export type Cursor = string;

export type ChainItem =
  | { type: 'event'; event: LedgerEvent; cursor: Cursor; block: number; blockTime: number; tx: string }
  /** Everything after `to` (null: from the beginning) is undone; what follows is read again. */
  | { type: 'rollback'; to: Cursor | null }
  /** All events up to `cursor` have been handed out; comes after each batch and at each new head. */
  | { type: 'head'; cursor: Cursor | null; block: number; blockTime: number };

export type FinalityLevel = 'seen' | 'safe' | 'final';

export type NodeStatus = 'active' | 'left' | 'revoked';
export interface RegisteredNode {
  node: NodeId;
  controller: NodeId;
  status: NodeStatus;
  seq: number;
  /** See `recordHash` in identity.ts: 25 bytes of the record's keccak256, then zeros. */
  recordHash: Hash;
}

export type TaskStatus = 'open' | 'running' | 'settled' | 'aborted' | 'expired';
export interface LedgerTask {
  taskId: TaskId;
  coordinator: NodeId;
  status: TaskStatus;
  specHash: Hash;
  joinBy: number;
  settleBy: number;
  quorum: number;
  /** Zero unless running: a roster that is no longer needed is in the event alone. */
  rosterHash: Hash;
  /** Zero unless settled. */
  resultRoot: Hash;
  transcriptRoot: Hash;
}

export interface ChainReceipt {
  tx: string;
  block: number;
  blockTime: number;
  /** Zero on a chain without gas. */
  gasUsed: number;
  events: LedgerEvent[];
}

export interface ChainHealth {
  reachable: boolean;
  head: { block: number; blockTime: number };
  /** Blocks between the head and the last event handed out. */
  lag: number;
}

export interface ChainConnector {
  readonly info: { driver: string; caip2: string; finality: 'instant' | 'tagged' | 'depth'; domain: ChainDomain };
  /** @throws {NodeError} `CHAIN_WRONG_ID`, `CHAIN_NO_CONTRACT`, `CHAIN_UNREACHABLE` (retryable). */
  start(): Promise<void>;
  stop(): Promise<void>;
  health(): Promise<ChainHealth>;
  /**
   * Sends a signed command and waits until its block is seen. Idempotent: a command that already took effect resolves.
   * @throws {NodeError} `LEDGER_*` when the rules refuse it (see `ledger`), `CHAIN_UNREACHABLE` (retryable).
   */
  submit(command: ChainCommand, options?: { signal?: AbortSignal }): Promise<ChainReceipt>;
  /** Ordered, resumable, at least once. `from: null` starts at the beginning of the ledger. Ends when aborted. */
  events(options: { from: Cursor | null; level: FinalityLevel; signal: AbortSignal }): AsyncIterable<ChainItem>;
  node(id: NodeId): Promise<RegisteredNode | null>;
  task(id: TaskId): Promise<LedgerTask | null>;
  /** Nonce that the coordinator's next Create must carry. */
  nextTaskNonce(coordinator: NodeId): Promise<number>;
}

/** Signs 32-byte digests with a secp256k1 key. In memory, in a keystore, or in a machine of its own. */
export interface Signer {
  readonly id: NodeId;
  sign(digest: Uint8Array): Promise<Hex>;
}
