/**
 * Circuits that group rows by a key of which nobody knows the values. The rows are sorted by the key, so that a group is a
 * run; prefix sums are kept at the last row of each run, these are moved to the front, and differences of neighbours are the
 * groups' sums. Then the groups are sorted by their size, downwards.
 * Reference: Asharov et al., CCS 2022 (see rep3/sort.ts), §6, for sums over runs of a sorted table; here by prefix sums, which
 * cost no traffic. Rounds for n slots and a key of b bits, beside those of the key: sorts of b + 1 and ⌈log2(n + 1)⌉ + 1 bits
 * (order.ts), a move to the front (compact.ts), and about 20. Nothing is opened but what sorting opens.
 * @module
 */
import type { CircuitBuilder } from '../circuit.ts';
import { compacted } from './compact.ts';
import { type Key, order } from './order.ts';

export interface Groups {
  /** The key of the group in each slot, 0 in slots without one. */
  keys: number;
  /** Rows of the group. */
  counts: number;
  /** The sum over the group of a column, which may hold anything in slots without a row. */
  sums(column: number): number;
}

/** The `length` largest groups, the largest first, of equal ones that with the lesser key (the greater one if descending). */
export function groups(b: CircuitBuilder, valid: number, key: Key, length: number): Groups {
  const { length: n } = b.at(valid);
  const zero = b.words('constant', 1, [], 0n);
  const mul = (x: number, y: number) => b.words('mul', n, [x, y]);
  const sub = (x: number, y: number) => b.words('sub', n, [x, y]);
  /** Shifted by one slot: the neighbour after, or before, and 0 at the end. */
  const after = (x: number) => (n === 1 ? zero : b.concat([b.slice(x, 1, n - 1), zero]));
  const before = (x: number) => (n === 1 ? zero : b.concat([zero, b.slice(x, 0, n - 1)]));

  const byKey = order(b, valid, [key]);
  const [rows, keys] = [byKey.arranged(valid), byKey.arranged(key.gate)];
  const same = b.asWords(b.bits('zero', n, [sub(keys, after(keys))]));
  const last = sub(rows, mul(same, after(rows)));
  const forward = compacted(b, last);
  const taken = forward(last);
  const front = (x: number) => forward(mul(x, last));
  const runs = (x: number) => {
    const ends = front(b.words('prefix', n, [x]));
    return mul(taken, sub(ends, before(ends)));
  };
  const counts = runs(rows);
  const bySize = order(b, taken, [{ gate: counts, lo: 0n, hi: BigInt(n), descending: true }]);
  const largest = (x: number) => b.slice(bySize.arranged(x), 0, length);
  return {
    keys: largest(front(keys)),
    counts: largest(counts),
    sums: (column) => largest(runs(mul(rows, byKey.arranged(column)))),
  };
}
