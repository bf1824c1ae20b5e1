/**
 * The event stream that every driver offers, over the blocks that a driver can see: ordered, resumable, at least once,
 * with a rollback as soon as what was handed out is no longer part of the chain.
 * @module
 */
import { type ChainItem, type Clock, type Cursor, type FinalityLevel, isNodeError, type LedgerEvent } from '@2pm/core';
import { BLOCK_END, formatCursor, type Position, parseCursor } from './cursor.ts';

export interface Block {
  number: number;
  hash: string;
  /** Unix seconds. */
  time: number;
}

export interface LocatedEvent {
  block: Block;
  /** Place among all logs of the block. */
  index: number;
  tx: string;
  event: LedgerEvent;
}

/** What a driver knows of its chain. Every method may throw a retryable NodeError. */
export interface EventSource {
  /** Newest block that counts at this level, or null when none does yet. */
  head(level: FinalityLevel): Promise<Block | null>;
  /** The block of this number on the chain as it is now. */
  block(number: number): Promise<Block | null>;
  /**
   * Events from block `from` on, as far as the source likes to go at once and not beyond `to`; `upTo` is the last block
   * covered. Any order, and twice is not wrong.
   */
  read(from: number, to: Block): Promise<{ events: LocatedEvent[]; upTo: Block }>;
  /** Resolves when there may be something new, at once if there was since the last call for this reader. */
  changes(signal: AbortSignal): () => Promise<void>;
  /** Where the ledger begins. */
  readonly firstBlock: number;
}

export interface StreamOptions {
  from: Cursor | null;
  level: FinalityLevel;
  signal: AbortSignal;
  clock: Clock;
  onDelivered?: (block: number) => void;
}

/** Positions kept for finding a common ancestor; a rollback beyond them goes to the beginning. */
const TRAIL = 512;
const MAX_BACKOFF_MS = 2_000;

export async function* eventStream(source: EventSource, options: StreamOptions): AsyncGenerator<ChainItem, void> {
  const { level, signal, clock } = options;
  const trail: Position[] = options.from === null ? [] : [parseCursor(options.from)];
  const changed = source.changes(signal);
  let backoffMs = 25;
  while (!signal.aborted) {
    try {
      const fork = await dropForked(source, trail);
      if (fork) yield { type: 'rollback', to: cursorOf(trail.at(-1)) };
      const position = trail.at(-1);
      const head = await source.head(level);
      const next = nextBlock(position, source.firstBlock);
      if (head !== null && next <= head.number) {
        const { events, upTo } = await source.read(next, head);
        if (!(await continues(source, position))) continue;
        for (const { event, block, index, tx } of inOrder(events, position)) {
          const cursor = formatCursor({ block: block.number, index, hash: block.hash });
          yield { type: 'event', event, cursor, block: block.number, blockTime: block.time, tx };
        }
        const end = endOf(upTo);
        const blocks = new Map([...events.map(({ block }) => block), upTo].map((block) => [block.number, block]));
        trail.push(...[...blocks.values()].sort((a, b) => a.number - b.number).map(endOf));
        trail.splice(0, trail.length - TRAIL);
        options.onDelivered?.(upTo.number);
        yield { type: 'head', cursor: formatCursor(end), block: upTo.number, blockTime: upTo.time };
        backoffMs = 25;
        if (upTo.number < head.number) continue;
      }
      await changed();
    } catch (error) {
      if (signal.aborted) return;
      if (!isNodeError(error) || !error.retryable) throw error;
      await clock.sleep(backoffMs, signal).catch(() => {});
      backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS);
    }
  }
}

/**
 * Takes from the trail what left the chain; true when that was anything. The trail changes at the very end, so that a chain
 * that stops answering in between leaves the rollback to be found again.
 */
async function dropForked(source: EventSource, trail: Position[]): Promise<boolean> {
  let kept = trail.length;
  while (kept > 0 && !(await continues(source, trail[kept - 1]))) kept--;
  return trail.splice(kept).length > 0;
}

async function continues(source: EventSource, position: Position | undefined): Promise<boolean> {
  return position === undefined || (await source.block(position.block))?.hash === position.hash;
}

function endOf({ number, hash }: Block): Position {
  return { block: number, index: BLOCK_END, hash };
}

function nextBlock(position: Position | undefined, firstBlock: number): number {
  if (position === undefined) return firstBlock;
  return position.index === BLOCK_END ? position.block + 1 : position.block;
}

/** Sorted, each once, without those that `position` already covers. */
function inOrder(events: readonly LocatedEvent[], position: Position | undefined): LocatedEvent[] {
  const sorted = [...events].sort((a, b) => a.block.number - b.block.number || a.index - b.index);
  return sorted.filter((event, i) => {
    const before = sorted[i - 1];
    const repeated = before?.block.number === event.block.number && before.index === event.index;
    const covered = position?.block === event.block.number && event.index <= position.index;
    return !repeated && !covered;
  });
}

function cursorOf(position: Position | undefined): Cursor | null {
  return position === undefined ? null : formatCursor(position);
}

/** Wakes any number of waiters; a change between two waits of one waiter is not missed. */
export class Changes {
  #version = 0;
  readonly #waiting = new Set<() => void>();

  announce(): void {
    this.#version++;
    for (const wake of [...this.#waiting]) wake();
  }

  /** For one waiter: a function that resolves once something changed after its last return, or the signal aborts. */
  watch(signal: AbortSignal): () => Promise<void> {
    let seen = this.#version;
    return () =>
      new Promise((done) => {
        const finish = () => {
          this.#waiting.delete(finish);
          signal.removeEventListener('abort', finish);
          seen = this.#version;
          done();
        };
        if (seen !== this.#version || signal.aborted) return finish();
        this.#waiting.add(finish);
        signal.addEventListener('abort', finish, { once: true });
      });
  }
}
