/**
 * Circuits over rows of which some are none: their order by several keys, and quantiles over a number of them that nobody
 * knows. Back-ends that can shuffle move rows by a shuffled permutation (rep3/sort.ts): 7 rounds for each two bits of the
 * keys and of one bit more for the rows that are none, 13 besides; keys of more than 32 bits together are sorted in several
 * passes, from the last digit on. The others sort by a network (network.ts).
 * @module
 */
import type { CircuitBuilder } from '../circuit.ts';
import { type Digit, packed } from './digits.ts';
import { networkOrder, type Order } from './network.ts';
import { MOST_SORT_BITS, place, ranks } from './sort.ts';

export interface Key {
  /** Words in [lo, hi], also in slots that hold no row. */
  gate: number;
  lo: bigint;
  hi: bigint;
  descending: boolean;
}

/** By the first key, then the next; equal rows keep their order, and none comes after any. */
export function order(b: CircuitBuilder, valid: number, keys: readonly Key[]): Order {
  const { length } = b.at(valid);
  const constant = (value: bigint) => b.repeat(b.words('constant', 1, [], value), length);
  const digits: Digit[] = keys
    .toReversed()
    .filter(({ lo, hi }) => hi > lo)
    .map(({ gate, lo, hi, descending }) => ({
      gate: b.words('sub', length, descending ? [constant(hi), gate] : [gate, constant(lo)]),
      bits: (hi - lo).toString(2).length,
    }));
  digits.push({ gate: b.words('sub', length, [constant(1n), valid]), bits: 1 });
  return b.arranging === 'networks' ? networkOrder(b, digits) : radixOrder(b, digits);
}

/** Three rounds for each pass and column. */
function radixOrder(b: CircuitBuilder, digits: readonly Digit[]): Order {
  const { length } = b.at(digits[0]?.gate ?? -1);
  const arranged = (column: number) => moves.reduce((moved, to) => place(b, to, [moved])[0] as number, column);
  const moves: number[] = [];
  for (const { gate, bits } of packed(b, digits, MOST_SORT_BITS)) {
    const half = b.repeat(b.words('constant', 1, [], 1n << BigInt(bits - 1)), length);
    moves.push(ranks(b, b.words('sub', length, [arranged(gate), half]), bits));
  }
  const rank = () => {
    const [only, second] = moves;
    if (only !== undefined && second === undefined) return only;
    const places = b.places(length);
    return place(b, arranged(places), [places])[0] as number;
  };
  return { arranged, rank };
}

/**
 * Of the first n elements, sorted, for each numerator p the element at place p (n - 1) / d, between two of them in
 * proportion (numpy's method "linear"), times d: exact. 0 if n is 0. With k = ⌊p (n - 1) / d⌋, of which comparisons of each
 * place make a unit vector: d x_k + (p (n - 1) - d k) (x_{k+1} - x_k). Twelve rounds after n, and one after the sort.
 */
export function quantiles(
  b: CircuitBuilder,
  sorted: number,
  n: number,
  { numerators, denominator }: { numerators: readonly number[]; denominator: number },
): number {
  const { length } = b.at(sorted);
  const scale = (x: number, by: number) => b.words('scale', b.at(x).length, [x], BigInt(by));
  const sub = (x: number, y: number) => b.words('sub', b.at(x).length, [x, y]);
  const one = b.words('constant', 1, [], 1n);
  const starts = scale(b.places(length), denominator);
  const next = b.concat([...(length > 1 ? [b.slice(sorted, 1, length - 1)] : []), b.slice(sorted, length - 1, 1)]);
  const each = numerators.map((numerator) => {
    const target = scale(sub(n, one), numerator);
    const before = b.bits('negative', length, [sub(b.repeat(target, length), starts)]);
    const reached = b.asWords(b.bits('not', length, [before]));
    const beyond = [...(length > 1 ? [b.slice(reached, 1, length - 1)] : []), b.words('constant', 1, [], 0n)];
    const unit = sub(reached, b.concat(beyond));
    const rest = sub(target, scale(sub(b.words('sum', 1, [reached]), one), denominator));
    const lower = b.words('dot', 1, [unit, sorted]);
    const gap = b.words('dot', 1, [unit, sub(next, sorted)]);
    return b.words('add', 1, [scale(lower, denominator), b.words('mul', 1, [rest, gap])]);
  });
  return b.concat(each);
}
