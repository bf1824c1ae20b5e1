/** Shared rows in the clear, one after another, straight from the catalogue of operations. @module */
import type { Plan } from '@2pm/core';

/** A slot holds a row or none. */
export interface PlainRows {
  valid: readonly boolean[];
  /** 0 where a slot holds no row. */
  column(role?: string, name?: string): bigint[];
}

/** Rows of all members one below the other; `vectors`: what each shares. */
export function plainUnion(plan: Plan, node: number, vectors: readonly BigInt64Array[]): PlainRows {
  const { args, type } = plan.nodes[node] as Plan['nodes'][number];
  const names = plan.nodes[args[0] ?? -1]?.attrs.columns ?? [];
  const length = type.kind === 'joined' ? type.length : 0;
  const width = 1 + names.length;
  const rows = vectors.flatMap((vector) =>
    Array.from({ length: vector.length / width }, (_, row) => [...vector.subarray(row * width, (row + 1) * width)]),
  );
  while (rows.length < length) rows.push(new Array<bigint>(width).fill(0n));
  return picked(
    rows.map(([valid]) => valid === 1n),
    (_, name) => rows.map((row) => row[1 + names.indexOf(name ?? '')] ?? 0n),
  );
}

export function plainKept(rows: PlainRows, bits: readonly (bigint | null)[]): PlainRows {
  return picked(
    rows.valid.map((valid, slot) => valid && bits[slot] === 1n),
    rows.column,
  );
}

export function plainSorted(rows: PlainRows, keys: PlainKeys): PlainRows {
  const order = plainOrder(rows, keys);
  return picked(
    order.map((slot) => rows.valid[slot] === true),
    (role, name) => {
      const column = rows.column(role, name);
      return order.map((slot) => column[slot] ?? 0n);
    },
  );
}

export function plainHead(rows: PlainRows, length: number): PlainRows {
  return picked(rows.valid.slice(0, length), (role, name) => rows.column(role, name).slice(0, length));
}

/** Each key's values, and whether the largest come first. */
export type PlainKeys = readonly { values: readonly bigint[]; descending: boolean }[];

/** Slots in order. */
export function plainOrder({ valid }: PlainRows, keys: PlainKeys): number[] {
  const slots = Array.from(valid, (_, slot) => slot);
  return slots.sort((a, b) => {
    if (valid[a] !== valid[b]) return valid[a] ? -1 : 1;
    for (const { values, descending } of keys) {
      const [x = 0n, y = 0n] = [values[a], values[b]];
      if (x !== y) return x < y !== descending ? -1 : 1;
    }
    return a - b;
  });
}

/** `denominator` times what numpy.quantile gives with its method "linear". */
export function plainQuantile(
  { valid }: PlainRows,
  x: readonly bigint[],
  numerator: number,
  denominator: number,
): bigint {
  const rows = x.filter((_, slot) => valid[slot]).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  if (rows.length === 0) return 0n;
  const place = numerator * (rows.length - 1);
  const below = Math.floor(place / denominator);
  const [low = 0n, high = low] = rows.slice(below, below + 2);
  return BigInt(denominator) * low + BigInt(place % denominator) * (high - low);
}

/** Key, number of rows and sum of x of each group, the largest first, of equal ones that with the lesser key. */
export function plainGroups({ valid }: PlainRows, key: readonly bigint[], x: readonly bigint[]): (readonly bigint[])[] {
  const groups = new Map<bigint, [key: bigint, count: bigint, sum: bigint]>();
  for (const [slot, value] of key.entries()) {
    if (!valid[slot]) continue;
    const [, count, sum] = groups.get(value) ?? [value, 0n, 0n];
    groups.set(value, [value, count + 1n, sum + (x[slot] ?? 0n)]);
  }
  return [...groups.values()].sort(([a, m], [b, n]) => (m === n ? (a < b ? -1 : 1) : m > n ? -1 : 1));
}

/** Columns with 0 where there is no row. */
export function picked(valid: readonly boolean[], column: PlainRows['column']): PlainRows {
  return { valid, column: (role, name) => column(role, name).map((value, slot) => (valid[slot] ? value : 0n)) };
}
