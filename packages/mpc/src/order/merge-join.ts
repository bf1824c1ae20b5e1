/**
 * Brings together the rows of several relations that carry the same tag, by ordinary gates of any back-end: nothing is opened,
 * so no seat learns which rows match, nor how many, and it is as secure as the gates are.
 *
 * Construction, after the sort-compare-shuffle of Huang, Evans, Katz (Private Set Intersection: Are Garbled Circuits Better than
 * Custom Protocols?, NDSS 2012, §4), with tags in the place of elements and columns that go along:
 *   1. A row of relation r has the key 2^s w + r, w being the first word of its tag and 2^s > k, the number of relations. Its
 *      holder shares rows in ascending order of keys, and the seats check that: each key is at least 0, and below the next.
 *   2. The relations, filled up to one height, are merged (network.ts), and in each other's gaps they are already.
 *   3. k neighbours match if their keys are 1 apart from each other and their second words equal. As no relation has two rows
 *      of one key, and keys with the remainder k belong to none, these are a row of each relation, in its order; and of k windows
 *      in a row one matches at most, so every k of them make a slot, with the columns of the window that matches, or 0.
 *   4. Where relations differ in height, there are more slots than the lowest has rows: the matches move to the front
 *      (compact.ts). Where slots may be opened, they are shuffled: sorted by random keys of 63 bits that nobody knows.
 *
 * Model: that of the back-end. A holder that deviates can only bring other rows than it has: if its keys do not ascend,
 * no row matches, as if all its tags were random; if they do, they are tags.
 * Leakage: none beyond heights, numbers of columns, and, in a slot that is opened, that it is one of them: unless they are
 * shuffled, slots stand in the order of tags, which the holders know. Failure: tags meet wrongly with the probability that
 * psi/src/join/tags.ts states; a row of two of one relation with the same first word is not matched, which its holder sees to.
 * Two of n random keys are equal with a probability below n² / 2^64, and then the order of two slots is not uniform.
 * Cost for k = 2 and n rows each: a merge of 2n rows, t + 1 layers with t = ⌈log2 n⌉, and about n t comparators; 4n negative and
 * 2n inject for the check, 4n zero; one mul a comparator for the second word and one for each column of the wider relation.
 * Deviations: matches are picked by a product where the paper sends all and shuffles; k > 2 relations; the check.
 * @module
 */
import { type CircuitBuilder, type Joining, joinedRows } from '../circuit.ts';
import { compacted } from './compact.ts';
import { compared, layersOf, moved } from './network.ts';

/** Relations of one join at most: the first words of tags have 59 bits, keys 63. */
export const MOST_MERGED = 15;

export interface Merged {
  /** Of each slot the word 1 where it holds a match, else 0. */
  valid: number;
  /** Of all relations, in order; 0 where there is no match. */
  columns: number[];
}

/** Of one pass. `relations`: as a `join` gate takes them. `shuffled`: whether slots are to stand in an order that nobody knows. */
export function mergeJoin(
  b: CircuitBuilder,
  join: Joining,
  relations: readonly number[],
  { shuffled }: { shuffled: boolean },
): Merged {
  const k = join.relations.length;
  const s = BigInt(Math.ceil(Math.log2(k + 1)));
  const lists = 2 ** Math.ceil(Math.log2(k));
  const height = Math.max(...join.relations.map(({ rows }) => rows));
  const all = join.relations.reduce((sum, { rows }) => sum + rows, 0);
  const fill = (length: number, value = 0n) => b.repeat(b.words('constant', 1, [], value), length);
  const beyond = (x: number, length: number, value: bigint) => {
    const missing = length - b.at(x).length;
    return missing === 0 ? x : b.concat([x, fill(missing, value)]);
  };
  const column = (r: number, c: number) => {
    const rows = join.relations[r]?.rows ?? 0;
    return b.slice(relations[r] as number, c * rows, rows);
  };
  /** A vector of each relation, rows in turns; `value` where there is no row. */
  const merging = (of: (r: number) => number | undefined, value: bigint) => {
    const parts = Array.from({ length: lists }, (_, r) => beyond(of(r) ?? fill(height, value), height, value));
    return b.concat(parts, 1);
  };

  const keys = join.relations.map(({ rows }, r) => {
    const spread = b.words('scale', rows, [column(r, 0)], 1n << s);
    return b.words('add', rows, [spread, fill(rows, BigInt(r))]);
  });
  const honest = keys.map((key) => ascending(b, key, 2n ** 63n - (1n << s))).reduce((x, y) => b.bits('and', 1, [x, y]));

  const layers = layersOf(lists * height, lists);
  const { swaps, sorted } = compared(b, layers, [merging((r) => keys[r], LAST)]);
  const slots = Math.ceil((all - k + 1) / k);
  const [windows, needed] = [slots * k, slots * k + k - 1];
  /** Rows before those that fill up, and as many of these as make the last window whole. */
  const ordered = (x: number, value: bigint) => beyond(b.slice(x, 0, Math.min(needed, lists * height)), needed, value);
  const at = (x: number, place: number) => b.slice(x, place, windows);
  const [key, second] = [
    ordered(sorted[0] as number, LAST),
    ordered(
      moved(
        b,
        swaps,
        merging((r) => (r < k ? column(r, 1) : undefined), 0n),
      ),
      0n,
    ),
  ];
  const tests = join.relations.slice(1).flatMap((_, r) => {
    const apart = (x: number) => b.words('sub', windows, [at(x, r + 1), at(x, r)]);
    const next = b.words('sub', windows, [apart(key), fill(windows, 1n)]);
    return [b.bits('zero', windows, [next]), b.bits('zero', windows, [apart(second)])];
  });
  const match = b.asWords([...tests, b.repeat(honest, windows)].reduce((x, y) => b.bits('and', windows, [x, y])));

  const widest = Math.max(...join.relations.map(({ columns }) => columns));
  const carried = Array.from({ length: widest }, (_, c) => {
    const of = (r: number) => (c < (join.relations[r]?.columns ?? 0) ? column(r, 2 + c) : undefined);
    return ordered(moved(b, swaps, merging(of, 0n)), 0n);
  });
  const picked = join.relations.flatMap(({ columns }, r) =>
    carried.slice(0, columns).map((x) => b.words('dot', slots, [match, at(x, r)])),
  );
  return arranged(b, joinedRows(join), b.words('sum', slots, [match]), picked, shuffled);
}

/** Above all keys of rows. */
const LAST = 2n ** 63n - 1n;

/** The bit 1 if words are in [0, bound) and each is below the next. */
function ascending(b: CircuitBuilder, x: number, bound: bigint): number {
  const { length } = b.at(x);
  const end = b.words('constant', 1, [], bound);
  const next = length === 1 ? end : b.concat([b.slice(x, 1, length - 1), end]);
  const below = b.bits('negative', length, [b.words('sub', length, [x, next])]);
  const fine = b.bits('and', length, [b.bits('not', length, [b.bits('negative', length, [x])]), below]);
  const count = b.words('sum', 1, [b.asWords(fine)]);
  return b.bits('zero', 1, [b.words('sub', 1, [count, b.words('constant', 1, [], BigInt(length))])]);
}

/** Matches in as many slots as are wanted, which is enough for all of them. */
function arranged(b: CircuitBuilder, wanted: number, valid: number, columns: number[], shuffled: boolean): Merged {
  let [matches, brought] = [valid, columns];
  if (b.at(valid).length > wanted) {
    const forward = compacted(b, valid);
    const cut = (x: number) => b.slice(forward(x), 0, wanted);
    [matches, brought] = [cut(valid), columns.map(cut)];
  }
  if (!shuffled) return { valid: matches, columns: brought };
  const random = b.random(wanted);
  const sign = b.asWords(b.bits('negative', wanted, [random]));
  // Without the highest bit it is a number of 63.
  const digit = b.words('add', wanted, [random, b.words('scale', wanted, [sign], 2n ** 63n)]);
  const { swaps } = compared(b, layersOf(wanted), [digit]);
  return { valid: moved(b, swaps, matches), columns: brought.map((x) => moved(b, swaps, x)) };
}
