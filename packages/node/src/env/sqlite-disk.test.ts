import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sqliteDisk } from './sqlite-disk.ts';

describe('sqlite journals', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), '2pm-journal-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const entry = (key: string, byte: number) => ({ key, kind: 'test', body: new Uint8Array([byte]) });

  test('what was appended is read back in order, whole and by key, after a reopen', () => {
    const first = sqliteDisk(dir);
    expect(first.journal('log').append([entry('a', 1), entry('b', 2)])).toBe(2);
    first.journal('log').append([entry('a', 3)]);
    first.close();
    const again = sqliteDisk(dir).journal('log');
    expect([...again.read()].map(({ seq, key, body }) => [seq, key, body[0]])).toEqual([
      [1, 'a', 1],
      [2, 'b', 2],
      [3, 'a', 3],
    ]);
    expect([...again.read('a')].map(({ body }) => body[0])).toEqual([1, 3]);
    again.close();
  });

  test('an append that fails leaves nothing of it behind', () => {
    const disk = sqliteDisk(dir);
    const journal = disk.journal('log');
    const broken = { ...entry('a', 1), kind: null as unknown as string };
    expect(() => journal.append([entry('a', 1), broken])).toThrowError(
      expect.objectContaining({ code: 'DISK_JOURNAL' }),
    );
    expect([...journal.read()]).toEqual([]);
    disk.close();
  });

  test('journals of one disk do not see each other', () => {
    const disk = sqliteDisk(dir);
    disk.journal('one').append([entry('a', 1)]);
    expect([...disk.journal('two').read()]).toEqual([]);
    disk.close();
  });
});
