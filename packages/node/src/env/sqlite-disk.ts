/** Journals in SQLite, one file each, write-ahead log and full synchronisation: on disk when `append` returns. @module */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Disk, type Journal, type JournalEntry, NodeError } from '@2pm/core';
import Database from 'libsql';

type Row = { seq: number; key: string; kind: string; body: Uint8Array };

/** @throws {NodeError} `DISK_JOURNAL` when a journal cannot be opened or written. */
export function sqliteDisk(dir: string): Disk & { close(): void } {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const open = new Map<string, Journal>();
  return {
    journal(name) {
      const known = open.get(name);
      if (known !== undefined) return known;
      const journal = openJournal(join(dir, `${name}.sqlite`));
      open.set(name, journal);
      return journal;
    },
    close() {
      for (const journal of open.values()) journal.close();
      open.clear();
    },
  };
}

function openJournal(path: string): Journal {
  const database = attempt(path, () => {
    const opened = new Database(path);
    chmodSync(path, 0o600);
    opened.pragma('journal_mode = WAL');
    opened.pragma('synchronous = FULL');
    opened.exec(
      'CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL);' +
        'CREATE INDEX IF NOT EXISTS journal_key ON journal (key, seq);',
    );
    return opened;
  });
  const insert = database.prepare('INSERT INTO journal (key, kind, body) VALUES (?, ?, ?)');
  const insertAll = database.transaction((entries: readonly JournalEntry[]) => {
    let seq = 0;
    for (const { key, kind, body } of entries) seq = Number(insert.run(key, kind, Buffer.from(body)).lastInsertRowid);
    return seq;
  });
  let closed = false;
  return {
    append: (entries) => attempt(path, () => insertAll(entries)),
    *read(key) {
      const rows = attempt(path, () =>
        key === undefined
          ? database.prepare('SELECT seq, key, kind, body FROM journal ORDER BY seq').all()
          : database.prepare('SELECT seq, key, kind, body FROM journal WHERE key = ? ORDER BY seq').all(key),
      ) as Row[];
      for (const { seq, key: stream, kind, body } of rows) yield { seq, key: stream, kind, body: new Uint8Array(body) };
    },
    close() {
      if (closed) return;
      closed = true;
      database.close();
    },
  };
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new NodeError('DISK_JOURNAL', 'the node cannot read or write its log', {
      fault: 'node',
      privateDetail: path,
      fix: 'check that the disk has room and that the node may write to its state directory',
      cause,
    });
  }
}
