/** Cursors: positions in the event stream as text whose order is the order of the stream. @module */
import { type Cursor, NodeError } from '@2pm/core';

export interface Position {
  block: number;
  /** Index of the last event handed out in that block; `BLOCK_END` when the block is done. */
  index: number;
  /** Hash of the block: a cursor into a block that is no longer part of the chain is recognised. */
  hash: string;
}

export const BLOCK_END = 999_999;

export function formatCursor({ block, index, hash }: Position): Cursor {
  return `${String(block).padStart(12, '0')}.${String(index).padStart(6, '0')}.${hash.replace(/^0x/, '')}`;
}

/** @throws {NodeError} `CHAIN_BAD_CURSOR` for text that is no cursor of these drivers. */
export function parseCursor(cursor: Cursor): Position {
  const match = /^(\d{12})\.(\d{6})\.([0-9a-f]{64})$/.exec(cursor);
  if (match === null) {
    throw new NodeError('CHAIN_BAD_CURSOR', 'the cursor is not one that this driver handed out', {
      fault: 'caller',
      fix: 'Read from the beginning.',
    });
  }
  return { block: Number(match[1]), index: Number(match[2]), hash: `0x${match[3]}` };
}
