/** Keyed rows between the rehearsal of a task and its use: reading them again takes longer than all that follows. @module */
import type { TaskId } from '@2pm/core';
import type { KeyedTable } from './keyed.ts';

/** The newest tables that fit into `capacity` bytes together; larger ones, and older ones, are read again. */
export class KeptTables {
  readonly #capacity: number;
  readonly #kept = new Map<string, { taskId: TaskId; table: KeyedTable; bytes: number }>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async get(taskId: TaskId, node: number, read: () => Promise<KeyedTable>): Promise<KeyedTable> {
    const key = `${taskId} ${node}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known.table;
    const table = await read();
    const bytes = sizeOf(table);
    if (bytes > this.#capacity) return table;
    this.#kept.set(key, { taskId, table, bytes });
    let total = [...this.#kept.values()].reduce((sum, one) => sum + one.bytes, 0);
    for (const [oldest, one] of this.#kept) {
      if (total <= this.#capacity) break;
      total -= one.bytes;
      this.#kept.delete(oldest);
    }
    return table;
  }

  drop(taskId: TaskId): void {
    for (const [key, one] of this.#kept) if (one.taskId === taskId) this.#kept.delete(key);
  }
}

function sizeOf({ digests, present, columns, positions }: KeyedTable): number {
  return [...digests, ...present, ...columns, positions].reduce((sum, { byteLength }) => sum + byteLength, 0);
}
