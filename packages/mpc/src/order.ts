/**
 * Circuits over rows of which some are none: their order by several keys, and quantiles over a number of them that nobody
 * knows. Sorting moves by a shuffled permutation (rep3/sort.ts): 7 rounds for each two bits of the keys and of one bit more
 * for the rows that are none, 13 besides. Keys of more than 32 bits together are sorted in several passes, from the last
 * digit on.
 * @module
 */
import type { CircuitBuilder } from './circuit.ts';
import { MOST_SORT_BITS, place, ranks } from './sort.ts';

export interface Key {
  /** Words in [lo, hi], also in slots that hold no row. */
  gate: number;
  lo: bigint;
  hi: bigint;
  descending: boolean;
}

/** What a key of more digits is cut into. */
const DIGIT_BITS = 31;

/** Where rows go, pass after pass: by the first key, then the next; equal ones keep their order, and none comes after any. */
export function order(b: CircuitBuilder, valid: number, keys: readonly Key[]): number[] {
  const { length } = b.at(valid);
  const constant = (value: bigint) => b.repeat(b.words('constant', 1, [], value), length);
  const digits = keys.toReversed().flatMap(({ gate, lo, hi, descending }) => {
    const width = (hi - lo).toString(2).length;
    if (hi === lo) return [];
    const from = descending ? [constant(hi), gate] : [gate, constant(lo)];
    const digit = b.words('sub', length, from);
    if (width <= MOST_SORT_BITS) return [{ gate: digit, bits: width }];
    const high = b.floor(digit, DIGIT_BITS);
    const low = b.words('sub', length, [digit, b.words('scale', length, [high], 1n << BigInt(DIGIT_BITS))]);
    return [
      { gate: low, bits: DIGIT_BITS },
      { gate: high, bits: width - DIGIT_BITS },
    ];
  });
  digits.push({ gate: b.words('sub', length, [constant(1n), valid]), bits: 1 });

  const passes: { gate: number; bits: number }[] = [];
  for (const { gate, bits } of digits) {
    const last = passes.at(-1);
    if (last === undefined || last.bits + bits > MOST_SORT_BITS) passes.push({ gate, bits });
    else {
      const above = b.words('scale', length, [gate], 1n << BigInt(last.bits));
      passes[passes.length - 1] = { gate: b.words('add', length, [last.gate, above]), bits: last.bits + bits };
    }
  }
  const moves: number[] = [];
  for (const { gate, bits } of passes) {
    const centred = b.words('sub', length, [arranged(b, moves, gate), constant(1n << BigInt(bits - 1))]);
    moves.push(ranks(b, centred, bits));
  }
  return moves;
}

/** A column in the order that `order` gave. Three rounds for each pass. */
export function arranged(b: CircuitBuilder, moves: readonly number[], column: number): number {
  return moves.reduce((moved, to) => place(b, to, [moved])[0] as number, column);
}

/** For each row the place that `order` gave it. */
export function rank(b: CircuitBuilder, moves: readonly number[]): number {
  const [only, second] = moves;
  if (only !== undefined && second === undefined) return only;
  const places = b.places(b.at(moves[0] as number).length);
  return place(b, arranged(b, moves, places), [places])[0] as number;
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
