/** Columns as payloads of an intersection: row by row, each value in 64 bits, little endian. @module */
import type { ColumnType, DeliveredColumn, KeyedRows } from '@2pm/core';

export const WORD_BYTES = 8;

/** All columns that come with the rows. */
export function columnPayloads({ rows, columns }: Pick<KeyedRows, 'rows' | 'columns'>): Uint8Array {
  const payloads = new Uint8Array(WORD_BYTES * columns.length * rows);
  const words = new DataView(payloads.buffer);
  for (const [i, column] of columns.entries()) {
    for (let row = 0; row < rows; row++) {
      words.setBigInt64(WORD_BYTES * (columns.length * row + i), column[row] as bigint, true);
    }
  }
  return payloads;
}

/**
 * The way back. A value outside its type is taken to the nearest bound: a run that stopped instead would tell whoever sent
 * it that the row matched.
 */
export function payloadColumns(
  payloads: Uint8Array,
  { role, columns }: { role: string; columns: readonly { name: string; type: ColumnType }[] },
): DeliveredColumn[] {
  const rows = payloads.length / (WORD_BYTES * columns.length);
  const words = new DataView(payloads.buffer, payloads.byteOffset, payloads.length);
  return columns.map(({ name, type }, i) => {
    const [lo, hi] = boundsOf(type);
    const values = BigInt64Array.from({ length: rows }, (_, row) => {
      const value = words.getBigInt64(WORD_BYTES * (columns.length * row + i), true);
      if (value < lo) return lo;
      if (value > hi) return hi;
      return value;
    });
    return { name: `${role}_${name}`, type, values };
  });
}

function boundsOf(type: ColumnType): [lo: bigint, hi: bigint] {
  switch (type.type) {
    case 'bool':
      return [0n, 1n];
    case 'category':
      return [0n, BigInt(type.values.length - 1)];
    default:
      return [BigInt(type.min), BigInt(type.max)];
  }
}
