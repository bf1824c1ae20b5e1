import { createHash } from 'node:crypto';
import type { RecordShape, Records } from '@2pm/crypto/wasm';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const { rowsOf } = (await import(new URL('./records.js', import.meta.url).href)) as {
  rowsOf: (texts: readonly Uint8Array[], shape: RecordShape, maxRows: number) => Promise<Records>;
};
const shape = { numbers: 2, texts: 1, longest: 256 };
const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);

test('rows come in order, whatever the order of texts and of records in them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.oneof(fc.nat(), fc.integer({ min: 2 ** 32, max: 2 ** 40 })), { maxLength: 50 }),
      fc.integer({ min: 1, max: 10 }),
      fc.boolean(),
      async (rows, size, inOrder) => {
        const ascending = [...rows].sort((a, b) => a - b);
        const given = inOrder ? ascending : rows;
        const texts: Buffer[] = [];
        for (let from = 0; from < given.length; from += size) {
          const records = given
            .slice(from, from + size)
            .map((row) => `${row} ${-row} ${`key ${row}`.length}:key ${row}`);
          texts.push(Buffer.from(records.join('')));
        }
        const found = await rowsOf(texts, shape, 1_000);
        expect(found.rows).toBe(rows.length);
        expect([...(found.numbers[0] ?? [])]).toEqual(ascending.map(BigInt));
        expect([...(found.numbers[1] ?? [])]).toEqual(ascending.map((row) => BigInt(-row)));
        const hex = Buffer.from(found.digests[0] as Uint8Array).toString('hex');
        expect(hex).toBe(ascending.map((row) => digest(`key ${row}`)).join(''));
      },
    ),
  );
});

test('no more rows than a statement may return', async () => {
  const text = Buffer.from('1 0 1:a2 0 1:b');
  expect((await rowsOf([text], shape, 2)).rows).toBe(2);
  await expect(rowsOf([text], shape, 1)).rejects.toMatchObject({ failure: 'rows' });
});
