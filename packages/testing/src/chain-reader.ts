/** A reader of a chain's events as a node keeps one: it remembers what it was told, and forgets what is rolled back. @module */
import type { ChainConnector, ChainItem, Cursor, FinalityLevel, LedgerEvent } from '@2pm/core';

type SeenEvent = Extract<ChainItem, { type: 'event' }>;

export class ChainReader {
  /** Every item, in order of arrival. */
  readonly items: ChainItem[] = [];
  /** What stands: each event once, rollbacks applied. */
  seen: SeenEvent[] = [];
  /** Where a restarted reader would go on. */
  cursor: Cursor | null;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #failure: unknown;
  #arrived = () => {};

  constructor(connector: ChainConnector, options: { from?: Cursor | null; level?: FinalityLevel } = {}) {
    this.cursor = options.from ?? null;
    this.#done = this.#read(connector, options.level ?? 'seen').catch((error: unknown) => {
      this.#failure = error;
      this.#arrived();
    });
  }

  get events(): LedgerEvent[] {
    return this.seen.map(({ event }) => event);
  }

  get rollbacks(): Extract<ChainItem, { type: 'rollback' }>[] {
    return this.items.filter((item) => item.type === 'rollback');
  }

  async #read(connector: ChainConnector, level: FinalityLevel): Promise<void> {
    for await (const item of connector.events({ from: this.cursor, level, signal: this.#stop.signal })) {
      this.items.push(item);
      if (item.type === 'rollback') {
        const { to } = item;
        this.seen = to === null ? [] : this.seen.filter(({ cursor }) => cursor <= to);
        this.cursor = to;
      } else {
        if (item.type === 'event' && !this.seen.some(({ cursor }) => cursor === item.cursor)) this.seen.push(item);
        this.cursor = item.cursor;
      }
      this.#arrived();
    }
  }

  /** Resolves when `condition` holds. */
  async until(condition: (reader: this) => boolean, withinMs = 15_000): Promise<void> {
    const giveUp = setTimeout(() => {
      this.#failure ??= new Error(`the reader waited in vain; it saw ${JSON.stringify(this.items, withoutBytes)}`);
      this.#arrived();
    }, withinMs);
    try {
      while (!condition(this)) {
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((done) => {
          this.#arrived = done;
        });
      }
    } finally {
      clearTimeout(giveUp);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

function withoutBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `${value.length} bytes` : value;
}
