import { expect, test } from 'vitest';
import { digestKeys } from './digest-keys.ts';

const digests = async (keys: (string | Uint8Array)[]) => {
  const bytes = Buffer.from(await digestKeys(keys));
  return keys.map((_, i) => bytes.subarray(16 * i, 16 * i + 16).toString('hex'));
};

test('equal keys have equal digests wherever they stand, as text or as its bytes', async () => {
  const [a, b, c] = await digests(['Zoë', 'x', new TextEncoder().encode('Zoë')]);
  expect(a).toBe(c);
  expect(a).not.toBe(b);
});

test('keys of different lengths, empty and long ones too, have different digests', async () => {
  const keys = Array.from({ length: 200 }, (_, length) => 'a'.repeat(length));
  expect(new Set(await digests(keys)).size).toBe(200);
});

test('digests do not change between versions: holders of different versions must agree', async () => {
  expect(await digests(['', 'alice@example.org', 'k'.repeat(65)])).toMatchInlineSnapshot(`
    [
      "08df3af0da819b2c164f43b8844c9b0d",
      "bb7f0bb9cedb4a6fa365d0cae5631281",
      "e346296d2ac6c771e542e071359263ba",
    ]
  `);
});
