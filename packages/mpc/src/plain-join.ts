/** A join in the clear, one row after another, straight from the catalogue of operations. @module */
import { keyedColumns, type Plan } from '@2pm/core';

/** A slot for each row of the lowest relation, in its order: undefined, or the matching row of each relation. */
export interface PlainJoin {
  sides: readonly {
    role: string;
    columns: readonly string[];
    capacity: number;
    passes: number;
    vector: BigInt64Array;
  }[];
  slots: (readonly number[] | undefined)[];
}

/** `vectors`: of each argument of the join, what its holder shares. */
export function plainJoin(plan: Plan, node: number, vectors: readonly BigInt64Array[]): PlainJoin {
  const sides = (plan.nodes[node]?.args ?? []).map((arg, side) => {
    const type = plan.nodes[arg]?.type;
    const role = type?.kind === 'keyed' ? type.role : '';
    return { role, ...keyedColumns(plan, arg), vector: vectors[side] ?? new BigInt64Array(0) };
  });
  const least = Math.min(...sides.map(({ capacity }) => capacity));
  const anchor = sides.findIndex(({ capacity }) => capacity === least);
  const slots: (readonly number[] | undefined)[] = new Array(least).fill(undefined);
  const used = sides.map(() => new Set<number>());
  for (let pass = 0; pass < (sides[0]?.passes ?? 0); pass++) {
    const rowsByTag = sides.map(({ capacity, vector }, side) => {
      const rows = Array.from({ length: capacity }, (_, row) => row).filter((row) => used[side]?.has(row) === false);
      return new Map(
        rows.map((row) => [`${vector[2 * pass * capacity + row]} ${vector[(2 * pass + 1) * capacity + row]}`, row]),
      );
    });
    for (const [tag, slot] of rowsByTag[anchor] ?? []) {
      const match = rowsByTag.map((rows) => rows.get(tag) ?? -1);
      if (match.includes(-1)) continue;
      slots[slot] = match;
      for (const [side, row] of match.entries()) used[side]?.add(row);
    }
  }
  return { sides, slots };
}

/** The column that a role brought, 0 where a slot holds no match. */
export function plainJoinedColumn({ sides, slots }: PlainJoin, role?: string, name?: string): bigint[] {
  const which = sides.findIndex((side) => side.role === role);
  const side = sides[which];
  if (side === undefined) return slots.map(() => 0n);
  const column = 2 * side.passes + side.columns.indexOf(name ?? '');
  return slots.map((rows) =>
    rows === undefined ? 0n : (side.vector[column * side.capacity + (rows[which] ?? -1)] ?? 0n),
  );
}
