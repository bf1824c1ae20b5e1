/**
 * The lesser and the greater of two secrets, and of all entries of a vector, with the place where it stands. Comparison
 * is the sign of a difference, for operands within ±2^62. Eleven rounds for each level of the tree.
 * @module
 */
import type { CircuitBuilder } from '../circuit.ts';

/** x where x ≥ y, else y. */
export function greater(b: CircuitBuilder, x: number, y: number): number {
  return b.words('sub', b.at(x).length, [x, belowZero(b, x, y)]);
}

/** x where x < y, else y. */
export function lesser(b: CircuitBuilder, x: number, y: number): number {
  return b.words('add', b.at(x).length, [y, belowZero(b, x, y)]);
}

/** x - y where that is negative, else 0. */
function belowZero(b: CircuitBuilder, x: number, y: number): number {
  const { length } = b.at(x);
  const difference = b.words('sub', length, [x, y]);
  return b.words('mul', length, [b.asWords(b.bits('negative', length, [difference])), difference]);
}

export function absolute(b: CircuitBuilder, x: number): number {
  const { length } = b.at(x);
  const negative = b.asWords(b.bits('negative', length, [x]));
  const twice = b.words('scale', length, [b.words('mul', length, [negative, x])], 2n);
  return b.words('sub', length, [x, twice]);
}

/** The least entry. */
export function least(b: CircuitBuilder, vector: number): number {
  const { length } = b.at(vector);
  if (length === 1) return vector;
  const pairs = Math.floor(length / 2);
  const lower = lesser(b, b.slice(vector, 0, pairs), b.slice(vector, pairs, pairs));
  return least(b, length % 2 === 0 ? lower : b.concat([lower, b.slice(vector, length - 1, 1)]));
}

/** The greatest entry and the first place where it stands. */
export function greatest(b: CircuitBuilder, vector: number): { value: number; place: number } {
  // Places are counted from the start of the run that an entry of this level stands for.
  let [value, place] = [vector, b.repeat(b.words('constant', 1, [], 0n), b.at(vector).length)];
  for (let run = 1n; b.at(value).length > 1; run *= 2n) {
    const { length } = b.at(value);
    const pairs = Math.floor(length / 2);
    const [left, right] = [b.slice(value, 0, pairs, 2), b.slice(value, 1, pairs, 2)];
    const [leftPlace, rightPlace] = [b.slice(place, 0, pairs, 2), b.slice(place, 1, pairs, 2)];
    const less = b.asWords(b.bits('negative', pairs, [b.words('sub', pairs, [left, right])]));
    const chosen = (x: number, y: number) =>
      b.words('add', pairs, [x, b.words('mul', pairs, [less, b.words('sub', pairs, [y, x])])]);
    const start = b.repeat(b.words('constant', 1, [], run), pairs);
    const values = chosen(left, right);
    const places = chosen(leftPlace, b.words('add', pairs, [rightPlace, start]));
    // The last entry of an odd number has no partner.
    const rest = (of: number) => (length % 2 === 0 ? [] : [b.slice(of, length - 1, 1)]);
    [value, place] = [b.concat([values, ...rest(value)]), b.concat([places, ...rest(place)])];
  }
  return { value, place };
}
