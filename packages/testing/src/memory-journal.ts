/** Journals in memory that lose nothing but what a crash loses: entries whose `append` had not taken effect. @module */
import { type Disk, type Journal, type JournalEntry, NodeError } from '@2pm/core';

export interface MemoryDisk extends Disk {
  /** A disk of its own with what is durable now: what a node finds that is started again after a crash at this point. */
  snapshot(): MemoryDisk;
  /** Appends so far, over all journals: the points at which a crash is worth trying. */
  readonly appends: number;
}

export interface MemoryDiskOptions {
  /**
   * Crashes at the append with this number (from 1). `before`: its entries are lost; `after`: they are durable, but the
   * caller never hears of it. `onCrash` is told. From then on every use of this disk throws `DISK_CRASHED`; `snapshot` still works.
   */
  crash?: { append: number; when: 'before' | 'after'; onCrash?: () => void };
}

export function memoryDisk(options: MemoryDiskOptions = {}): MemoryDisk {
  return disk(new Map(), options);
}

function disk(files: Map<string, JournalEntry[]>, { crash }: MemoryDiskOptions): MemoryDisk {
  let appends = 0;
  let crashed = false;
  const alive = (): void => {
    if (crashed) throw new NodeError('DISK_CRASHED', 'this disk has crashed', { fault: 'node' });
  };

  const open = (entries: JournalEntry[]): Journal => {
    let closed = false;
    const usable = (): void => {
      alive();
      if (closed) throw new NodeError('JOURNAL_CLOSED', 'this journal is closed', { fault: 'node' });
    };
    return {
      append(added) {
        usable();
        appends++;
        const hit = crash?.append === appends;
        crashed = hit;
        if (!(hit && crash?.when === 'before')) entries.push(...added.map(copy));
        if (hit) crash?.onCrash?.();
        alive();
        return entries.length;
      },
      *read(key) {
        usable();
        // As of now: what is appended while someone reads comes with the next read.
        const length = entries.length;
        for (let index = 0; index < length; index++) {
          const entry = entries[index] as JournalEntry;
          if (key === undefined || entry.key === key) yield { ...copy(entry), seq: index + 1 };
        }
      },
      close() {
        closed = true;
      },
    };
  };

  return {
    journal(name) {
      alive();
      const entries = files.get(name) ?? [];
      files.set(name, entries);
      return open(entries);
    },
    snapshot: () => disk(new Map([...files].map(([name, entries]) => [name, entries.map(copy)])), {}),
    get appends() {
      return appends;
    },
  };
}

function copy({ key, kind, body }: JournalEntry): JournalEntry {
  return { key, kind, body: body.slice() };
}
