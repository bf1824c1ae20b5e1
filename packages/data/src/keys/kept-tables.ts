/** Keyed rows that were read before: reading them takes longer than the matching that follows. @module */
import { type Hash, hashValue, type Plan, type PlanNode, slice } from '@2pm/core';
import type { KeyedTable } from './keyed.ts';

/** The tables used last that fit into `capacity` bytes together; larger ones, and older ones, are read again. */
export class KeptTables {
  readonly #capacity: number;
  readonly #kept = new Map<Hash, { table: KeyedTable; bytes: number }>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async get(name: Hash, read: () => Promise<KeyedTable>): Promise<KeyedTable> {
    const known = this.#kept.get(name);
    const table = known?.table ?? (await read());
    const bytes = known?.bytes ?? sizeOf(table);
    if (bytes > this.#capacity) return table;
    // The one used last stands last.
    this.#kept.delete(name);
    this.#kept.set(name, { table, bytes });
    let total = [...this.#kept.values()].reduce((sum, one) => sum + one.bytes, 0);
    for (const [oldest, one] of this.#kept) {
      if (total <= this.#capacity) break;
      total -= one.bytes;
      this.#kept.delete(oldest);
    }
    return table;
  }
}

/**
 * Names the rows of a `keyed/1` node by all that decides them: the snapshot, the contract that says what its columns are,
 * and what the plan says up to this node, wherever in the plan that stands.
 */
export function keyedName(plan: Plan, node: number, { contractHash, root }: { contractHash: Hash; root: Hash }): Hash {
  const nodes = slice(plan, [node]);
  const place = new Map(nodes.map((index, i) => [index, i]));
  const said = nodes.map((index) => {
    const { op, args, attrs, type } = plan.nodes[index] as PlanNode;
    const of = type.kind === 'column' ? { of: place.get(type.of) ?? -1 } : {};
    return { op, args: args.map((arg) => place.get(arg) ?? -1), attrs: { ...attrs }, type: { ...type, ...of } };
  });
  const type = plan.nodes[node]?.type;
  const table = type?.kind === 'keyed' ? plan.tables[type.table] : undefined;
  return hashValue('2pm/keyed-rows/1', JSON.stringify([contractHash, root, table, said])) as Hash;
}

function sizeOf({ digests, present, columns, positions }: KeyedTable): number {
  return [...digests, ...present, ...columns, positions].reduce((sum, { byteLength }) => sum + byteLength, 0);
}
