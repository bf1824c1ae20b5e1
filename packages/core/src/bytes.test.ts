import { expect, test } from 'vitest';
import { discard } from './bytes.ts';

test('what is discarded is gone, under every view of it, and nothing else is', () => {
  const [given, kept] = [new Uint8Array(64).fill(1), new Uint8Array(64).fill(1)];
  const part = given.subarray(3, 5);
  discard(given);
  discard(new Uint8Array(0));
  expect([given.byteLength, part.byteLength, kept.byteLength]).toEqual([0, 0, 64]);
});
