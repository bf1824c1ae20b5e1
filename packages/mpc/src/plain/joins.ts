/** Joins in the clear, one row after another, straight from the catalogue of operations. @module */
import { type CircuitMatch, keyedColumns, type Plan } from '@2pm/core';
import { type PlainRows, picked } from './rows.ts';

/** Slot by slot: whether it holds a match, and the columns that were brought, by role and name. */
export interface PlainJoin {
  matched: readonly boolean[];
  columns: ReadonlyMap<string, readonly bigint[]>;
}

/** A tagged join: a slot for each row of the lowest relation. `vectors`: of each argument, what its holder shares. */
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
  const columns = sides.flatMap(({ role, columns: names, passes, capacity, vector }, side) =>
    names.map((name, c) => {
      const at = (2 * passes + c) * capacity;
      return [`${role} ${name}`, slots.map((rows) => vector[at + (rows?.[side] ?? 0)] ?? 0n)] as const;
    }),
  );
  return { matched: slots.map((rows) => rows !== undefined), columns: new Map(columns) };
}

/** Rows matched by bins of a leader. `vectors`: what each side shares, in the order of the match. */
export function plainCircuitMatch(
  { sides, bins, atLeast }: CircuitMatch,
  vectors: readonly BigInt64Array[],
): PlainJoin {
  const [leads = new BigInt64Array(0), ...others] = vectors;
  const sets = new Array<number>(bins).fill(1);
  const columns = new Map<string, bigint[]>();
  let at = 0;
  for (const [m, { role, columns: names }] of sides.slice(1).entries()) {
    for (const [word, name] of [undefined, ...names].entries()) {
      const sums = Array.from(sets, (_, bin) =>
        BigInt.asIntN(64, (leads[at + bin] ?? 0n) + (others[m]?.[bins * word + bin] ?? 0n)),
      );
      if (name === undefined)
        for (const [bin, sum] of sums.entries()) sets[bin] = (sets[bin] ?? 0) + (sum === 0n ? 1 : 0);
      else columns.set(`${role} ${name}`, sums);
      at += bins;
    }
  }
  for (const name of sides[0]?.columns ?? []) {
    columns.set(`${sides[0]?.role} ${name}`, [...leads.subarray(at, at + bins)]);
    at += bins;
  }
  return { matched: sets.map((count) => count >= atLeast), columns };
}

/** The matches as rows. */
export function plainMatches({ matched, columns }: PlainJoin): PlainRows {
  return picked(matched, (role, name) => [...(columns.get(`${role} ${name}`) ?? matched.map(() => 0n))]);
}
