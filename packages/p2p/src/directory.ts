/**
 * Discovery by replay: the registry's events, in order, say which nodes there are and what each last said about itself.
 * Who signed a record was checked by the ledger; what a record says is checked here.
 * @module
 */
import {
  type ChainItem,
  type Cursor,
  decode,
  type Hash,
  isNodeError,
  type LedgerEvent,
  NodeError,
  type NodeId,
  NodeRecord,
} from '@2pm/core';

export const MAX_RECORD_BYTES = 1024;
/** How many stream positions are remembered; a rollback further back than that needs a replay from the beginning. */
const REMEMBERED_CURSORS = 20_000;

export type RecordRefusal = 'too-large' | 'malformed' | 'other-node' | 'wrong-seq' | 'stale' | 'key-taken';

/** What a backbone asks of a directory. */
export interface PeerDirectory {
  record(node: NodeId): NodeRecord | undefined;
  /** The active node whose record names this TLS key (SHA-256 of its SubjectPublicKeyInfo). */
  nodeOfKey(spkiHash: Hash): NodeId | undefined;
  /** Called after the set of peers or one of their records changed. Returns a function that stops it. */
  onChange(listener: () => void): () => void;
}

export interface Directory extends PeerDirectory {
  /**
   * Takes the next item of the chain's event stream; repeats are harmless, events of tasks are passed over.
   * @throws {NodeError} `P2P_ROLLBACK_UNKNOWN` when the chain goes back beyond what is remembered.
   */
  apply(item: ChainItem): void;
  /** Records of all active nodes. */
  peers(): NodeRecord[];
  /** How many records were ignored, and why. */
  readonly refused: ReadonlyMap<RecordRefusal, number>;
}

type RegistryEvent = Extract<LedgerEvent, { type: `node${string}` }>;

/** What a replay of registry events amounts to. */
class Registry {
  readonly records = new Map<NodeId, NodeRecord>();
  readonly keys = new Map<Hash, NodeId>();
  readonly refused = new Map<RecordRefusal, number>();
  /** Highest sequence number seen of a node, also of one that is gone, so that an old event cannot bring it back. */
  readonly #seqs = new Map<NodeId, number>();

  apply(event: RegistryEvent): void {
    switch (event.type) {
      case 'nodeRegistered':
      case 'nodeUpdated':
        this.#put(event.node, event);
        break;
      case 'nodeRotated':
        // The old key is gone whatever the new record is worth; a repeat must not touch what came after it.
        if (this.#isNew(event.newNode, event.seq)) this.#remove(event.node);
        this.#put(event.newNode, event);
        break;
      case 'nodeLeft':
      case 'nodeRevoked':
        this.#remove(event.node);
    }
  }

  #isNew(node: NodeId, seq: number): boolean {
    return seq > (this.#seqs.get(node) ?? 0);
  }

  #put(node: NodeId, { seq, record: bytes }: { seq: number; record: Uint8Array }): void {
    const record = this.#check(node, seq, bytes);
    if (this.#isNew(node, seq)) this.#seqs.set(node, seq);
    if (typeof record === 'string') {
      this.refused.set(record, (this.refused.get(record) ?? 0) + 1);
      return;
    }
    this.#remove(node);
    this.records.set(node, record);
    this.keys.set(record.keys.tls, node);
  }

  #check(node: NodeId, seq: number, bytes: Uint8Array): NodeRecord | RecordRefusal {
    if (!this.#isNew(node, seq)) return 'stale';
    if (bytes.length > MAX_RECORD_BYTES) return 'too-large';
    let record: NodeRecord;
    try {
      record = decode(bytes, NodeRecord, 'node record');
    } catch (error) {
      if (isNodeError(error)) return 'malformed';
      throw error;
    }
    if (record.node !== node) return 'other-node';
    if (record.seq !== seq) return 'wrong-seq';
    const owner = this.keys.get(record.keys.tls);
    return owner === undefined || owner === node ? record : 'key-taken';
  }

  #remove(node: NodeId): void {
    const record = this.records.get(node);
    if (record === undefined) return;
    this.records.delete(node);
    this.keys.delete(record.keys.tls);
  }
}

export function directory(): Directory {
  let registry = new Registry();
  let history: RegistryEvent[] = [];
  /** Position in the stream → how many of `history` came up to there. In stream order. */
  const marks = new Map<Cursor, number>();
  const listeners = new Set<() => void>();

  const rollback = (to: Cursor | null): void => {
    const length = to === null ? 0 : marks.get(to);
    if (length === undefined) {
      throw new NodeError('P2P_ROLLBACK_UNKNOWN', 'the chain went back further than this directory remembers', {
        fault: 'chain',
        fix: 'Read the events again from the beginning into a new directory.',
      });
    }
    let undone = to === null;
    for (const cursor of marks.keys()) {
      if (undone) marks.delete(cursor);
      undone ||= cursor === to;
    }
    if (length === history.length) return;
    history = history.slice(0, length);
    registry = new Registry();
    for (const event of history) registry.apply(event);
    notify();
  };
  const notify = (): void => {
    for (const listener of [...listeners]) listener();
  };
  const remember = (cursor: Cursor): void => {
    if (!marks.has(cursor)) marks.set(cursor, history.length);
    const [oldest] = marks.keys();
    if (marks.size > REMEMBERED_CURSORS && oldest !== undefined) marks.delete(oldest);
  };

  return {
    apply(item) {
      if (item.type === 'rollback') {
        rollback(item.to);
        return;
      }
      if (item.type === 'head') {
        if (item.cursor !== null) remember(item.cursor);
        return;
      }
      if (marks.has(item.cursor)) return;
      const { event, cursor } = item;
      if (!isRegistryEvent(event)) {
        remember(cursor);
        return;
      }
      history.push(event);
      registry.apply(event);
      remember(cursor);
      notify();
    },
    record: (node) => registry.records.get(node),
    nodeOfKey: (spkiHash) => registry.keys.get(spkiHash),
    peers: () => [...registry.records.values()],
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    get refused() {
      return registry.refused;
    },
  };
}

function isRegistryEvent(event: LedgerEvent): event is RegistryEvent {
  return event.type.startsWith('node');
}
