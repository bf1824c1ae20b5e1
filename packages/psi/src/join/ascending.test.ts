import { nodeRng } from '@2pm/crypto/node';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ascending } from './ascending.ts';

const [FIRST, SECOND] = [2n ** 59n - 1n, 2n ** 62n - 1n];
const rowsOf = (words: BigInt64Array, height: number) =>
  Array.from({ length: height }, (_, row) => [0, 1, 2].map((column) => words[column * height + row] ?? 0n));
const vectorOf = (rows: readonly (readonly bigint[])[]) =>
  BigInt64Array.from([0, 1, 2].flatMap((column) => rows.map((row) => row[column] ?? 0n)));

test('rows stay whole and come in the order of their first words', () => {
  const word = (max: bigint) =>
    fc.oneof(fc.bigInt({ min: 0n, max }), fc.constantFrom(0n, max, 2n ** 16n, 2n ** 32n - 1n));
  const row = fc.tuple(word(FIRST), word(SECOND), fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }));
  fc.assert(
    fc.property(fc.uniqueArray(row, { selector: ([first]) => first, minLength: 1, maxLength: 40 }), (rows) => {
      const sorted = rows.toSorted(([x], [y]) => (x < y ? -1 : 1));
      expect(rowsOf(ascending(vectorOf(rows), rows.length, nodeRng), rows.length)).toEqual(sorted);
    }),
  );
});

test('of rows whose tags begin alike one stays as it is, and no two do afterwards', () => {
  const rows = [5n, 7n, 5n, 5n].map((first, i) => [first, BigInt(i), 10n + BigInt(i)]);
  const out = rowsOf(ascending(vectorOf(rows), 4, nodeRng), 4);
  const firsts = out.map(([first = -1n]) => first);
  expect(firsts).toEqual(firsts.toSorted((x, y) => (x < y ? -1 : 1)));
  expect(new Set(firsts).size).toBe(4);
  expect(firsts.every((first) => first >= 0n && first <= FIRST)).toBe(true);
  expect(out.map(([, , column]) => column).toSorted()).toEqual([10n, 11n, 12n, 13n]);
  expect(out.filter(([first, second, column]) => first === 5n && column === 10n + (second ?? 0n))).toHaveLength(1);
});
