import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadKernels } from '../wasm/kernels.ts';
import { readRecords } from './records.ts';

const LONGEST = 256;
const kernels = await loadKernels();
const hex = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);
const expected = (text: string) => (text === '' ? '0'.repeat(32) : hex(text));

interface Row {
  row: number;
  number: bigint;
  texts: [string, string];
}

function record({ row, number, texts }: Row): Buffer {
  const fields = texts.map((text) => {
    const bytes = Buffer.byteLength(text);
    return `${bytes}:${bytes > LONGEST ? createHash('sha256').update(text).digest('hex') : text}`;
  });
  return Buffer.from(`${row} ${number} ${fields.join('')}`);
}

const shape = { numbers: 2, texts: 2, longest: LONGEST };
const read = (text: Uint8Array) => {
  const { rows, numbers, digests } = readRecords(kernels, text, shape);
  return Array.from({ length: rows }, (_, i) => ({
    row: Number(numbers[0]?.[i]),
    number: numbers[1]?.[i],
    texts: digests.map((bytes) => Buffer.from(bytes.subarray(16 * i, 16 * i + 16)).toString('hex')),
  }));
};

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('', '1:2 3', 'x'.repeat(LONGEST), 'x'.repeat(LONGEST + 1), 'ä'.repeat(LONGEST)),
);
const number = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, -1n, 2n ** 32n, -(2n ** 32n), 2n ** 32n - 1n, -(2n ** 63n), 2n ** 63n - 1n),
);

test('records come back as they are, but for their texts', () => {
  const rows = fc.array(fc.record({ row: fc.nat(), number, texts: fc.tuple(text, text) }), { maxLength: 40 });
  fc.assert(
    fc.property(rows, (all) => {
      const { size } = kernels;
      expect(read(Buffer.concat(all.map(record)))).toEqual(
        all.map(({ texts, ...rest }) => ({ ...rest, texts: texts.map(expected) })),
      );
      expect(kernels.size).toBeLessThanOrEqual(Math.max(size, 2 ** 24));
    }),
  );
});

test('more records than are hashed at a time', () => {
  const rows = Array.from({ length: 40_000 }, (_, row): Row => ({ row, number: BigInt(-row), texts: [`${row}`, ''] }));
  expect(read(Buffer.concat(rows.map(record)))).toEqual(
    rows.map(({ texts, ...rest }) => ({ ...rest, texts: texts.map(expected) })),
  );
});

test('a record that is cut off is an error, wherever it is cut, and what is no number ends within the text', () => {
  const broken = expect.objectContaining({ code: 'RECORDS_BROKEN' });
  for (const texts of [
    ['abc', 'def'],
    ['', 'x'.repeat(300)],
  ] as [string, string][]) {
    const whole = record({ row: 12, number: -34n, texts });
    for (let end = 1; end < whole.length; end++) {
      expect(() => read(whole.subarray(0, end))).toThrow(broken);
    }
  }
  expect(() => read(Buffer.from('1 2 99999999999999999999:0:'))).toThrow(broken);
});
