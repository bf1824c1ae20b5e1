/**
 * Blocks and logs of an EVM chain as an event source. Young blocks are asked for by hash, so that a server that lags, or
 * a reorganisation in between, gives an error and never a gap; old ones by ranges that adapt to what the server bears.
 * Logs of reads are the truth: no filters, no subscriptions, which lose events on reconnection.
 * @module
 */
import { type Clock, type FinalityLevel, type Hex, NodeError } from '@2pm/core';
import { type Block, Changes, type EventSource, type LocatedEvent } from '../event-stream.ts';
import { RpcError, rpcCall } from '../json-rpc.ts';
import { BlockJournal, type BlockLookup, linkedBlock } from './block-journal.ts';
import { decodeLog, type RpcLog } from './ledger-contract.ts';

/**
 * When does an event count? `depth`: blocks on top of its own; `{ safe: 0, final: 0 }` on a chain with one block producer.
 * `tags`: the chain's own `safe` and `finalized`.
 */
export type FinalityPolicy = { kind: 'depth'; safe: number; final: number } | { kind: 'tags' };

export interface LogSourceOptions {
  url: string;
  contract: Hex;
  clock: Clock;
  finality: FinalityPolicy;
  firstBlock: number;
  pollMs: number;
}

/** Young blocks read at once. */
const TIP_BATCH = 16;
const MAX_RANGE = 10_000;
/** After this long without a block the head is looked at less often. */
const QUIET_MS = 5_000;

export class LogSource implements EventSource {
  readonly firstBlock: number;
  readonly #options: LogSourceOptions;
  readonly #journal = new BlockJournal();
  readonly #changes = new Changes();
  #range = MAX_RANGE;
  #eager = 0;
  #changedAt = 0;
  #nap = new AbortController();

  constructor(options: LogSourceOptions) {
    this.#options = options;
    this.firstBlock = options.firstBlock;
  }

  /** Follows the head until the signal aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const { clock, pollMs } = this.#options;
    signal.addEventListener('abort', () => this.#nap.abort(), { once: true });
    while (!signal.aborted) {
      this.#nap = new AbortController();
      // A server that does not answer is asked again; who needs the answer now asks for himself.
      await this.sync().catch(() => {});
      if (signal.aborted) return;
      const quiet = clock.now() - this.#changedAt > QUIET_MS;
      const waitMs = this.#eager > 0 ? pollMs / 4 : quiet ? pollMs * 2.5 : pollMs;
      await clock.sleep(Math.ceil(waitMs), this.#nap.signal).catch(() => {});
    }
  }

  /** Looks more often while `work` waits for a block. */
  async eagerly<T>(work: () => Promise<T>): Promise<T> {
    this.#eager++;
    this.#nap.abort();
    try {
      return await work();
    } finally {
      this.#eager--;
    }
  }

  async sync(): Promise<void> {
    if (!(await this.#journal.sync(this.#lookup))) return;
    this.#changedAt = this.#options.clock.now();
    this.#changes.announce();
  }

  changes(signal: AbortSignal): () => Promise<void> {
    return this.#changes.watch(signal);
  }

  async head(level: FinalityLevel): Promise<Block | null> {
    const { url, finality } = this.#options;
    if (this.#journal.head === undefined) await this.sync();
    const newest = this.#journal.head;
    if (newest === undefined || level === 'seen') return newest ?? null;
    if (finality.kind === 'depth') return this.block(newest.number - finality[level]);
    const tag = level === 'safe' ? 'safe' : 'finalized';
    const block = linkedBlock(await rpcCall(url, 'eth_getBlockByNumber', [tag, false]));
    return block !== null && block.number > newest.number ? newest : block;
  }

  async block(number: number): Promise<Block | null> {
    if (this.#journal.head === undefined) await this.sync();
    const { head, lowest } = this.#journal;
    if (number < 0 || head === undefined || number > head.number) return null;
    if (lowest !== undefined && number >= lowest.number) return this.#journal.at(number) ?? null;
    return linkedBlock(await rpcCall(this.#options.url, 'eth_getBlockByNumber', [hexOf(number), false]));
  }

  async read(from: number, to: Block): Promise<{ events: LocatedEvent[]; upTo: Block }> {
    const lowest = this.#journal.lowest?.number ?? 0;
    if (from < lowest) return this.#readRange(from, Math.min(to.number, lowest - 1));
    const blocks: Block[] = [];
    for (let number = from; number <= to.number && blocks.length < TIP_BATCH; number++) {
      const block = this.#journal.at(number);
      if (block !== undefined) blocks.push(block);
    }
    const reads = await Promise.allSettled(blocks.map((block) => this.#logsOf(block)));
    // A server whose logs lag behind its blocks still gives the older ones.
    const failed = reads.findIndex(({ status }) => status === 'rejected');
    const good = failed === -1 ? reads.length : failed;
    const upTo = blocks[good - 1];
    const reason = reads[good];
    if (upTo === undefined) throw reason?.status === 'rejected' ? reason.reason : moved();
    return { events: reads.slice(0, good).flatMap((read) => (read.status === 'fulfilled' ? read.value : [])), upTo };
  }

  async #logsOf(block: Block): Promise<LocatedEvent[]> {
    const logs = await this.#logs({ blockHash: block.hash });
    if (logs.some(({ blockHash }) => blockHash !== block.hash)) throw moved();
    return logs.map((log) => decodeLog(log, block));
  }

  /** The block of this hash and what happened in it. @throws {NodeError} `CHAIN_RPC` when it left the chain. */
  async eventsOf(blockHash: Hex): Promise<{ block: Block; events: LocatedEvent[] }> {
    const block = await this.#lookup.byHash(blockHash);
    const logs = await this.#logs({ blockHash });
    return { block, events: logs.map((log) => decodeLog(log, block)) };
  }

  /** Events about one node or task (its id is always the first topic), from the beginning to the head. */
  async eventsAbout(subject: Hex): Promise<LocatedEvent[]> {
    const topic = `0x${subject.slice(2).padStart(64, '0')}`;
    const events: LocatedEvent[] = [];
    await this.sync();
    const last = this.#journal.head?.number ?? 0;
    for (let from = this.firstBlock; from <= last; ) {
      const read = await this.#readSome(from, last, [null, topic]);
      events.push(...read.events);
      from = read.to + 1;
    }
    return events;
  }

  async #readRange(from: number, to: number): Promise<{ events: LocatedEvent[]; upTo: Block }> {
    const read = await this.#readSome(from, to);
    const upTo = await this.block(read.to);
    if (upTo === null) throw moved();
    return { events: read.events, upTo };
  }

  /** Reads as much of from..to as the server gives at once. */
  async #readSome(from: number, to: number, topics?: readonly (string | null)[]) {
    for (;;) {
      const end = Math.min(to, from + this.#range - 1);
      try {
        const logs = await this.#logs({
          fromBlock: hexOf(from),
          toBlock: hexOf(end),
          ...(topics === undefined ? {} : { topics }),
        });
        const events = await this.#locate(logs);
        this.#range = Math.min(MAX_RANGE, this.#range * 2);
        return { events, to: end };
      } catch (error) {
        // Servers limit blocks or results of a query, each in its own words.
        if (!(error instanceof RpcError) || this.#range === 1) throw error;
        this.#range = Math.max(1, Math.floor(this.#range / 4));
      }
    }
  }

  async #locate(logs: readonly RpcLog[]): Promise<LocatedEvent[]> {
    const blocks = new Map<string, Block>();
    for (const { blockHash, blockNumber, blockTimestamp } of logs) {
      if (blocks.has(blockHash)) continue;
      const number = Number(blockNumber);
      blocks.set(
        blockHash,
        blockTimestamp === undefined
          ? await this.#lookup.byHash(blockHash)
          : { number, hash: blockHash, time: Number(blockTimestamp) },
      );
    }
    return logs.flatMap((log) => {
      const block = blocks.get(log.blockHash);
      return block === undefined ? [] : [decodeLog(log, block)];
    });
  }

  async #logs(filter: Record<string, unknown>): Promise<RpcLog[]> {
    const { url, contract } = this.#options;
    const logs = (await rpcCall(url, 'eth_getLogs', [{ address: contract, ...filter }])) as RpcLog[];
    return logs.filter(({ removed }) => removed !== true);
  }

  readonly #lookup: BlockLookup = {
    latest: async () => {
      const block = linkedBlock(await rpcCall(this.#options.url, 'eth_getBlockByNumber', ['latest', false]));
      if (block === null) throw moved();
      return block;
    },
    byHash: async (hash) => {
      const block = linkedBlock(await rpcCall(this.#options.url, 'eth_getBlockByHash', [hash, false]));
      if (block === null) throw moved();
      return block;
    },
  };
}

function hexOf(number: number): Hex {
  return `0x${number.toString(16)}`;
}

/** The server lags or the chain changed meanwhile: ask again. */
function moved(): NodeError {
  return new NodeError('CHAIN_RPC', 'the chain does not have a block that it just named', {
    fault: 'chain',
    retryable: true,
  });
}
