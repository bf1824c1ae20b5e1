import { type Cursor, type LedgerEvent, NodeError, toHex } from '@2pm/core';
import { wallClock } from '@2pm/testing/chain-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCursor, parseCursor } from './cursor.ts';
import { type Block, Changes, type EventSource, eventStream, type LocatedEvent } from './event-stream.ts';
import { BlockJournal, type LinkedBlock } from './evm/block-journal.ts';

type Mood = 'fast' | 'slow' | 'away';
const tick = () => new Promise((done) => setImmediate(done));

/** A chain of made-up blocks, each with a few events, that can be cut back and grown again. */
class ToyChain {
  blocks: (LinkedBlock & { events: LocatedEvent[] })[] = [];
  readonly changes = new Changes();
  readonly byHash = new Map<string, LinkedBlock>();
  #made = 0;

  constructor() {
    this.grow(0);
  }

  grow(events: number): void {
    const hash = toHex(
      new Uint8Array(32).fill(1).map((_, i) => (i === 0 ? this.#made >> 8 : i === 1 ? this.#made : 1)),
    );
    this.#made++;
    const block: LinkedBlock = {
      number: this.blocks.length,
      hash,
      parentHash: this.blocks.at(-1)?.hash ?? '0x',
      time: this.#made,
    };
    const event = { type: 'nodeLeft', node: hash } as unknown as LedgerEvent;
    const located = Array.from({ length: events }, (_, index) => ({ block, index, tx: hash, event }));
    this.blocks.push({ ...block, events: located });
    this.byHash.set(hash, block);
    this.changes.announce();
  }

  cut(count: number): void {
    this.blocks.length = Math.max(1, this.blocks.length - count);
    this.changes.announce();
  }

  /** Fails or dawdles now and then, gives pieces of at most `piece` blocks, everything twice and backwards. */
  source(piece: number, mood: () => Mood): EventSource {
    const flaky = async () => {
      const now = mood();
      if (now === 'slow') await tick();
      if (now === 'away') throw new NodeError('CHAIN_UNREACHABLE', 'away', { fault: 'chain', retryable: true });
    };
    return {
      firstBlock: 0,
      head: async () => {
        await flaky();
        return this.blocks.at(-1) ?? null;
      },
      block: async (number) => {
        await flaky();
        return this.blocks[number] ?? null;
      },
      read: async (from, to: Block) => {
        await flaky();
        const blocks = this.blocks.slice(from, Math.min(to.number + 1, from + piece));
        const upTo = blocks.at(-1);
        if (upTo === undefined) throw new NodeError('CHAIN_RPC', 'gone', { fault: 'chain', retryable: true });
        const events = blocks.flatMap((block) => block.events);
        return { events: [...events, ...events].reverse(), upTo };
      },
      changes: (signal) => this.changes.watch(signal),
    };
  }

  cursors(): Cursor[] {
    return this.blocks.flatMap(({ number, hash, events }) =>
      events.map(({ index }) => formatCursor({ block: number, index, hash })),
    );
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('grow' as const), events: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'restart' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('breathe' as const), ticks: fc.integer({ min: 1, max: 8 }) }),
  },
);

describe('event stream', () => {
  it('leaves every reader with exactly the events of the chain, whatever was cut, failed or restarted', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.constantFrom<Mood>('fast', 'slow', 'slow', 'slow', 'away'), { maxLength: 100 }),
        async (steps, piece, moods) => {
          const chain = new ToyChain();
          const clock = { ...wallClock, sleep: async () => void (await tick()) };
          const pending = [...moods];
          const source = chain.source(piece, () => pending.shift() ?? 'fast');
          let cursor: Cursor | null = null;
          let seen: Cursor[] = [];
          let stop = new AbortController();
          let reading: Promise<void> = Promise.resolve();
          const read = () => {
            stop = new AbortController();
            const items = eventStream(source, { from: cursor, level: 'seen', signal: stop.signal, clock });
            reading = (async () => {
              for await (const item of items) {
                await tick();
                // Killed between two items: what was not taken in yet must come again.
                if (stop.signal.aborted) break;
                if (item.type === 'rollback') {
                  const { to } = item;
                  seen = to === null ? [] : seen.filter((one) => one <= to);
                  cursor = to;
                } else {
                  if (item.type === 'event' && !seen.includes(item.cursor)) seen.push(item.cursor);
                  cursor = item.cursor;
                }
              }
            })();
          };
          read();
          for (const one of steps) {
            if (one.kind === 'grow') chain.grow(one.events);
            else if (one.kind === 'cut') chain.cut(one.count);
            else if (one.kind === 'breathe') for (let i = 0; i < one.ticks; i++) await tick();
            else {
              stop.abort();
              await reading;
              read();
            }
          }
          chain.grow(1);
          const last = chain.cursors().at(-1);
          for (let waits = 0; seen.at(-1) !== last && waits < 1_000; waits++) await tick();
          stop.abort();
          await reading;
          expect(seen).toEqual(chain.cursors());
        },
      ),
      {
        numRuns: 300,
        examples: [
          // The chain stops answering while the reader walks back to the common ancestor.
          [
            [
              { kind: 'grow', events: 1 },
              { kind: 'grow', events: 1 },
              { kind: 'breathe', ticks: 1 },
              { kind: 'cut', count: 1 },
            ],
            3,
            ['fast', 'fast', 'fast', 'away'],
          ],
        ],
      },
    );
  });

  it('notices a fork that takes over between two of its own questions', async () => {
    const chain = new ToyChain();
    chain.grow(1);
    chain.grow(1);
    const source = chain.source(9, () => 'fast');
    let swap = () => {};
    const swapping: EventSource = {
      ...source,
      head: (level) => {
        swap();
        return source.head(level);
      },
    };
    const stop = new AbortController();
    const seen: Cursor[] = [];
    const undone: (Cursor | null)[] = [];
    for await (const item of eventStream(swapping, {
      from: null,
      level: 'seen',
      signal: stop.signal,
      clock: wallClock,
    })) {
      if (item.type === 'event') seen.push(item.cursor);
      if (item.type === 'rollback') undone.push(item.to);
      if (item.type !== 'head') continue;
      if (item.block === 4) break;
      swap = () => {
        swap = () => {};
        chain.cut(1);
        for (let i = 0; i < 3; i++) chain.grow(1);
      };
      chain.changes.announce();
    }
    stop.abort();
    const [first, lost, ...rest] = seen;
    expect(undone.length).toBe(1);
    expect((undone[0] ?? '') > (first ?? '') && (undone[0] ?? '') < (lost ?? '')).toBe(true);
    expect([first, ...rest]).toEqual(chain.cursors());
  });

  it('orders cursors as text in the order of the stream', () => {
    const place = fc.record({ block: fc.nat(), index: fc.integer({ min: 0, max: 999_999 }) });
    const hash = `0x${'ab'.repeat(32)}`;
    fc.assert(
      fc.property(place, place, (a, b) => {
        const [x, y] = [formatCursor({ ...a, hash }), formatCursor({ ...b, hash })];
        const order = a.block - b.block || a.index - b.index;
        expect(Math.sign(order)).toBe(x < y ? -1 : x > y ? 1 : 0);
        expect(parseCursor(x)).toEqual({ ...a, hash });
      }),
    );
    expect(() => parseCursor('7')).toThrowError(/not one that this driver/);
  });
});

describe('block journal', () => {
  it('holds the newest blocks of the chain, linked, after any growth and any cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 90 })), { maxLength: 12 }),
        async (turns) => {
          const chain = new ToyChain();
          const journal = new BlockJournal();
          const lookup = {
            latest: async () => chain.blocks.at(-1) as LinkedBlock,
            byHash: async (hash: string) => chain.byHash.get(hash) as LinkedBlock,
          };
          let highest = 0;
          for (const [cut, grow] of turns) {
            chain.cut(cut);
            for (let i = 0; i < grow; i++) chain.grow(0);
            await journal.sync(lookup);
            const { head, lowest } = journal;
            highest = Math.max(highest, head?.number ?? 0);
            // A chain that got shorter and has nothing new yet is taken for a server that lags.
            if (head === undefined || lowest === undefined || cut >= grow) continue;
            expect(head.hash).toBe(chain.blocks.at(-1)?.hash);
            for (let number = lowest.number; number <= head.number; number++) {
              expect(journal.at(number)?.hash).toBe(chain.blocks[number]?.hash);
            }
            // Sixteen below the highest block that was ever the newest: a fork may end lower than what it replaced.
            expect(lowest.number).toBeLessThanOrEqual(Math.max(0, highest - 16));
          }
        },
      ),
      {
        numRuns: 60,
        examples: [
          [
            [
              [0, 17],
              [3, 1],
              [2, 3],
            ],
          ],
        ],
      },
    );
  });
});
