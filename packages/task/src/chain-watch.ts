/** Follows the ledger from a durable cursor, so that nothing is missed while the node is down. @module */
import {
  type ChainConnector,
  type ChainItem,
  type Clock,
  type Cursor,
  decode,
  encode,
  type FinalityLevel,
  type Journal,
} from '@2pm/core';
import { z } from 'zod';

const CursorEntry = z.string().nullable();
const RETRY_MS = 1_000;

/**
 * Hands every item to `onItem` until the signal fires; the cursor is stored after the handler has returned, so an item
 * may come again after a crash. An unreachable chain is asked again.
 */
export async function watchChain(options: {
  chain: ChainConnector;
  clock: Clock;
  journal: Journal;
  level: FinalityLevel;
  signal: AbortSignal;
  onItem: (item: ChainItem) => void | Promise<void>;
}): Promise<void> {
  const { chain, clock, journal, level, signal, onItem } = options;
  let cursor: Cursor | null = null;
  for (const { body } of journal.read('cursor')) cursor = decode(body, CursorEntry, 'stored cursor');
  let stored = cursor;
  while (!signal.aborted) {
    try {
      for await (const item of chain.events({ from: cursor, level, signal })) {
        await onItem(item);
        const next: Cursor | null = item.type === 'rollback' ? item.to : item.cursor;
        // Between heads the cursor moves in memory only: an event that comes twice does no harm.
        if (item.type !== 'event' && next !== stored) {
          journal.append([{ key: 'cursor', kind: 'cursor', body: encode(next) }]);
          stored = next;
        }
        cursor = next;
      }
    } catch {
      if (signal.aborted) return;
    }
    await clock.sleep(RETRY_MS, signal).catch(() => undefined);
  }
}
