/** What the ledger remembers, and how a command reads and changes it. @module */
import type { ChainDomain, LedgerEvent, LedgerTask, NodeId, RegisteredNode, TaskId } from '@2pm/core';

export interface LedgerNode extends RegisteredNode {
  /** Tasks that it created: the nonce of its next Create. */
  tasks: number;
}

/** Entries are never changed in place, so a reader may keep one. */
export interface LedgerState {
  readonly domain: ChainDomain;
  readonly nodes: Map<NodeId, LedgerNode>;
  readonly tasks: Map<TaskId, LedgerTask>;
}

/** The block in which a command is executed; `time` in Unix seconds. */
export interface BlockPoint {
  block: number;
  time: number;
}

/** What a command does when the rules allow it: entries to write, events to emit. */
export interface Transition {
  nodes?: readonly LedgerNode[];
  task?: LedgerTask;
  event: LedgerEvent;
}

export function emptyLedger(domain: ChainDomain): LedgerState {
  return { domain, nodes: new Map(), tasks: new Map() };
}

/** Nonce that the coordinator's next Create must carry. */
export function nextTaskNonce(state: LedgerState, coordinator: NodeId): number {
  return state.nodes.get(coordinator)?.tasks ?? 0;
}
