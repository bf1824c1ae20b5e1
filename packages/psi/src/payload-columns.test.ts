import type { ColumnType } from '@2pm/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnPayloads, payloadColumns } from './payload-columns.ts';

const int = (min: bigint, max: bigint): ColumnType => ({ type: 'int', min: `${min}`, max: `${max}`, nullable: false });
const word = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

test('columns go row by row, and come back as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(word, word, word)), (table) => {
      const columns = [0, 1, 2].map((i) => BigInt64Array.from(table, (row) => row[i] as bigint));
      const payloads = columnPayloads({ rows: table.length, columns });
      expect(payloads.length).toBe(24 * table.length);
      const row = payloads.subarray(0, 24);
      if (table.length > 0) expect(new DataView(row.slice().buffer).getBigInt64(8, true)).toBe(table[0]?.[1]);
      const wide = int(-(2n ** 63n), 2n ** 63n - 1n);
      const declared = ['a', 'b', 'c'].map((name) => ({ name, type: wide }));
      expect(payloadColumns(payloads, { role: 'shop', columns: declared })).toEqual(
        declared.map(({ name, type }, i) => ({ name: `shop_${name}`, type, values: columns[i] })),
      );
    }),
  );
});

test('what lies outside its type is taken to the bound, not refused', () => {
  const types: [ColumnType, bigint, bigint][] = [
    [int(-5n, 9n), -5n, 9n],
    [{ type: 'fixed', min: '-8', max: '8', fractionBits: 2, nullable: false }, -8n, 8n],
    [{ type: 'date', min: '0', max: '20000', nullable: true }, 0n, 20_000n],
    [{ type: 'bool', nullable: false }, 0n, 1n],
    [{ type: 'category', values: ['a', 'b', 'c'], nullable: false }, 0n, 2n],
  ];
  const values = [-(2n ** 63n), -6n, 1n, 2n ** 63n - 1n];
  for (const [type, lo, hi] of types) {
    const payloads = columnPayloads({ rows: 4, columns: [BigInt64Array.from(values)] });
    const [column] = payloadColumns(payloads, { role: 'r', columns: [{ name: 'x', type }] });
    expect([...(column?.values ?? [])]).toEqual([
      lo,
      values[1] === undefined || values[1] < lo ? lo : values[1],
      1n,
      hi,
    ]);
  }
});
