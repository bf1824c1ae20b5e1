import type { TaskId } from '@2pm/core';
import { expect, test } from 'vitest';
import { KeptTables } from './kept-tables.ts';
import type { KeyedTable } from './keyed.ts';

const task = (n: number) => `0x${String(n).padStart(64, '0')}` as TaskId;
const table = (bytes: number) =>
  ({
    digests: [new Uint8Array(bytes)],
    present: [],
    columns: [],
    positions: new BigInt64Array(),
  }) as unknown as KeyedTable;

test('keeps the newest that fit, reads others again, and forgets a task that is over', async () => {
  const kept = new KeptTables(100);
  let reads = 0;
  const get = (taskId: TaskId, bytes: number) =>
    kept.get(taskId, 1, async () => {
      reads++;
      return table(bytes);
    });
  await get(task(1), 60);
  await get(task(1), 60);
  expect(reads).toBe(1);
  // Takes the place of the older one.
  await get(task(2), 60);
  await get(task(2), 60);
  expect(reads).toBe(2);
  await get(task(1), 60);
  expect(reads).toBe(3);
  kept.drop(task(1));
  await get(task(1), 60);
  expect(reads).toBe(4);
  // Never fits, and displaces nothing.
  await get(task(3), 101);
  await get(task(3), 101);
  await get(task(1), 60);
  expect(reads).toBe(6);
});

test('keeps nothing of a reading that failed', async () => {
  const kept = new KeptTables(100);
  await expect(kept.get(task(1), 1, () => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  expect(await kept.get(task(1), 1, async () => table(1))).toBeDefined();
});
