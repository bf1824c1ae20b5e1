/** Circuits that sort: rows by a key, the largest of them, and what stands at a place of the order. @module */
import type { CircuitBuilder } from '../circuit.ts';
import { networkOrder } from './network.ts';

/** What a key takes at most. */
export const MOST_SORT_BITS = 32;

/**
 * For each element its place in ascending order; equal ones keep theirs. Elements in [-2^(bits-1), 2^(bits-1)).
 * 10 + 7 ⌈bits / 2⌉ rounds.
 */
export function ranks(b: CircuitBuilder, key: number, bits: number): number {
  if (!Number.isInteger(bits) || bits < 1 || bits > MOST_SORT_BITS) throw new RangeError(`cannot sort by ${bits} bits`);
  const { length } = b.at(key);
  const step = (op: 'sortable' | 'radix', arg: number, constant: number) =>
    b.add({ op, args: [arg], form: 'bits', length: 64 * length, constant: BigInt(constant) });
  let rows = step('sortable', b.asWords(key), bits);
  for (let bit = 0; bit < bits; bit += 2) rows = step('radix', rows, bit);
  return b.words('ranks', length, [rows]);
}

/** Columns, of which element i goes to the place that `to` has for it: a permutation. Three rounds. */
export function place(b: CircuitBuilder, to: number, columns: readonly number[]): number[] {
  const { length } = b.at(to);
  const args = [to, ...columns.map((column) => b.asWords(column))];
  const block = b.add({ op: 'place', args, form: 'words', length: length * columns.length });
  return columns.map((_, column) => b.slice(block, column * length, length));
}

/** Columns, their rows in the order of the key; equal ones keep theirs. Elements in [-2^(bits-1), 2^(bits-1)). */
export function sortBy(b: CircuitBuilder, key: number, bits: number, columns: readonly number[]): number[] {
  if (b.arranging === 'networks') {
    const { length } = b.at(key);
    const half = b.repeat(b.words('constant', 1, [], 1n << BigInt(bits - 1)), length);
    const { arranged } = networkOrder(b, [{ gate: b.words('add', length, [b.asWords(key), half]), bits }]);
    return columns.map(arranged);
  }
  return place(b, ranks(b, key, bits), columns);
}

/** The `count` rows with the largest keys, the largest first. */
export function largest(
  b: CircuitBuilder,
  count: number,
  key: number,
  bits: number,
  columns: readonly number[],
): number[] {
  const { length } = b.at(key);
  // -1 - x turns the order round within the range.
  const descending = b.words('sub', length, [b.words('constant', length, [], -1n), b.asWords(key)]);
  return sortBy(b, descending, bits, columns).map((column) => b.slice(column, 0, count));
}

/** The element of a sorted column below which lies the share `p` of the others, rounded down: numpy's method "lower". */
export function quantile(b: CircuitBuilder, sorted: number, p: number): number {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`${p} is no share`);
  return b.slice(sorted, Math.floor(p * (b.at(sorted).length - 1)), 1);
}
