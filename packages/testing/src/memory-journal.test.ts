import type { JournalEntry } from '@2pm/core';
import { expect, it } from 'vitest';
import { memoryDisk } from './memory-journal.ts';

const entry = (key: string, value: number): JournalEntry => ({ key, kind: 'k', body: new Uint8Array([value]) });
const values = (entries: Iterable<JournalEntry>) => [...entries].map(({ body }) => body[0]);

it('reads back in order, one stream or all, with rising numbers', () => {
  const journal = memoryDisk().journal('tasks');
  expect(journal.append([entry('a', 1), entry('b', 2)])).toBe(2);
  expect(journal.append([entry('a', 3)])).toBe(3);
  expect([...journal.read()].map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(values(journal.read('a'))).toEqual([1, 3]);
});

it('keeps what it was given, whatever becomes of the bytes outside', () => {
  const journal = memoryDisk().journal('tasks');
  const mine = entry('a', 1);
  journal.append([mine]);
  mine.body[0] = 9;
  for (const read of journal.read()) read.body[0] = 8;
  expect(values(journal.read())).toEqual([1]);
});

it('loses an append that crashes before it took effect, and keeps one that crashes after', () => {
  for (const when of ['before', 'after'] as const) {
    const disk = memoryDisk({ crash: { append: 2, when } });
    const journal = disk.journal('tasks');
    journal.append([entry('a', 1)]);
    expect(() => journal.append([entry('a', 2), entry('a', 3)])).toThrow(
      expect.objectContaining({ code: 'DISK_CRASHED' }),
    );
    expect(() => journal.append([entry('a', 4)])).toThrow(expect.objectContaining({ code: 'DISK_CRASHED' }));
    expect(() => disk.journal('tasks')).toThrow(expect.objectContaining({ code: 'DISK_CRASHED' }));
    const after = disk.snapshot().journal('tasks');
    expect(values(after.read())).toEqual(when === 'before' ? [1] : [1, 2, 3]);
    expect(after.append([entry('a', 5)])).toBe(when === 'before' ? 2 : 4);
  }
});

it('snapshots what is durable now, apart from what follows; journals reopen by name', () => {
  const disk = memoryDisk();
  const journal = disk.journal('tasks');
  journal.append([entry('a', 1)]);
  const earlier = disk.snapshot();
  journal.append([entry('a', 2)]);
  journal.close();
  expect(() => journal.append([entry('a', 3)])).toThrow(expect.objectContaining({ code: 'JOURNAL_CLOSED' }));
  expect(values(disk.journal('tasks').read())).toEqual([1, 2]);
  expect(values(earlier.journal('tasks').read())).toEqual([1]);
  expect(values(disk.journal('other').read())).toEqual([]);
});
