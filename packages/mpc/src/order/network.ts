/**
 * Sorting networks: rows are brought into order by comparisons of pairs whose places are fixed beforehand, as ordinary gates
 * of any back-end. Nothing is opened, so what a seat learns, and what it can alter unnoticed, is what the back-end says of
 * those gates.
 *
 * Construction: merge exchange (Batcher, Sorting Networks and their Applications, AFIPS 1968), for any number of rows (Knuth,
 * The Art of Computer Programming 3, §5.2.2, Algorithm M): lists of which each stands in the gaps of the others are merged, two
 * by two. Keys are numbers in words of 63 bits, so that a sign compares two of them; the last digit is the place where the row
 * was, so no two are equal, and the order is that of a stable sort. The bit that swaps a pair stays, and costs every further
 * column a product.
 *
 * With t = ⌈log2 n⌉ a sort has t (t + 1) / 2 layers, and (t² - t + 4) 2^t / 4 - 1 comparators where n = 2^t, for other n fewer
 * than for the next; merging s-fold, 2^s sorted lists, takes s t - s (s - 1) / 2 layers. A comparator takes for k words of keys
 * k negative, k - 1 zero and and, one inject, and one mul for each word and each column that is arranged; a layer takes the
 * rounds of negative and zero side by side, of k - 1 and, of inject and of mul. `rank` goes through the layers once more.
 * Deviation: a comparator swaps by x + s (y - x), y - s (y - x), which is one product for both ends.
 * @module
 */
import type { CircuitBuilder } from '../circuit.ts';
import { type Digit, packed } from './digits.ts';

/** Differences of such words are words that have their sign. */
const MOST_KEY_BITS = 63;

/** Compares row i with row i + distance, for every i < n - distance of which the bit `run` is that of `first`, 0 or `run`. */
export interface Layer {
  run: number;
  first: number;
  distance: number;
}

/** Of a network for n rows, which sorts, or which merges `lists` of them, a power of 2: rows i, i + lists, i + 2 lists … are sorted. */
export function layersOf(n: number, lists = 2 ** Math.ceil(Math.log2(n))): Layer[] {
  const layers: Layer[] = [];
  const most = 2 ** Math.ceil(Math.log2(n)) / 2;
  for (let run = Math.min(lists / 2, most); run >= 1; run /= 2) {
    layers.push({ run, first: 0, distance: run });
    for (let far = most; far > run; far /= 2) layers.push({ run, first: run, distance: far - run });
  }
  return layers;
}

/** A permutation of rows that nobody knows. */
export interface Order {
  /** The rows of a column, in that order. */
  arranged(column: number): number;
  /** For each row its place. */
  rank(): number;
}

/** Where a network swaps: for each comparator the word 1 where it does, else 0. */
export type Swaps = readonly { layer: Layer; swap: number }[];

/** Goes through the layers with a key, its words from the last on; gives the swaps and the words in order. */
export function compared(
  b: CircuitBuilder,
  layers: readonly Layer[],
  key: readonly number[],
): { swaps: Swaps; sorted: number[] } {
  let words = [...key];
  const swaps = layers.map((layer) => {
    const ends = words.map((word) => endsOf(b, layer, word));
    const swap = b.asWords(
      ends.reduce((less: number | undefined, { low, high }) => {
        const difference = b.words('sub', b.at(low).length, [high, low]);
        return above(b, difference, less);
      }, undefined) as number,
    );
    words = words.map((word) => swapped(b, layer, swap, word));
    return { layer, swap };
  });
  return { swaps, sorted: words };
}

/** Where a difference is negative; where it is 0, the bits of what counts less decide. */
function above(b: CircuitBuilder, difference: number, less: number | undefined): number {
  const { length } = b.at(difference);
  const negative = b.bits('negative', length, [difference]);
  if (less === undefined) return negative;
  const equal = b.bits('zero', length, [difference]);
  return b.bits('xor', length, [negative, b.bits('and', length, [equal, less])]);
}

/** A column through a network that has compared; backwards, rows go from where they came to back where they were. */
export function moved(b: CircuitBuilder, swaps: Swaps, column: number): number {
  return swaps.reduce((x, { layer, swap }) => swapped(b, layer, swap, x), column);
}

/** Stable; the last digit first. */
export function networkOrder(b: CircuitBuilder, digits: readonly Digit[]): Order {
  const n = b.at(digits[0]?.gate ?? -1).length;
  const places = b.places(n);
  const place = { gate: places, bits: Math.max(1, Math.ceil(Math.log2(n))) };
  const words = packed(b, [place, ...digits], MOST_KEY_BITS).map(({ gate }) => gate);
  const { swaps } = compared(b, layersOf(n), words);
  return {
    arranged: (column) => moved(b, swaps, b.asWords(column)),
    rank: () => moved(b, swaps.toReversed(), places),
  };
}

/** The two classes of rows that a layer tells apart, runs in turns; and where in them its pairs are. */
function partsOf(b: CircuitBuilder, { run, first, distance }: Layer, x: number) {
  const { length: n } = b.at(x);
  const [turns, rest] = [Math.floor(n / (2 * run)), n % (2 * run)];
  const sizes = [turns * run + Math.min(rest, run), turns * run + Math.max(0, rest - run)] as const;
  const classes = sizes.map((size, c) => b.slice(x, c * run, size, 2 * run, run)) as [number, number];
  const [low, high] = first === 0 ? classes : [classes[1], classes[0]];
  // Pairs are at the begin of the one and at the end of the other, of which so many rows come before.
  const before = (2 * first + distance - run) / 2;
  return { low, high, before, pairs: b.at(high).length - before };
}

function endsOf(b: CircuitBuilder, layer: Layer, x: number): { low: number; high: number } {
  const { low, high, before, pairs } = partsOf(b, layer, x);
  return { low: b.slice(low, 0, pairs), high: b.slice(high, before, pairs) };
}

/** Pairs exchanged where `swap` is 1. */
function swapped(b: CircuitBuilder, layer: Layer, swap: number, x: number): number {
  const { low, high, before, pairs } = partsOf(b, layer, x);
  const ends = endsOf(b, layer, x);
  const change = b.words('mul', pairs, [swap, b.words('sub', pairs, [ends.high, ends.low])]);
  const rest = (of: number, from: number, to: number) => (to > from ? [b.slice(of, from, to - from)] : []);
  const parts = [
    b.concat([b.words('add', pairs, [ends.low, change]), ...rest(low, pairs, b.at(low).length)]),
    b.concat([...rest(high, 0, before), b.words('sub', pairs, [ends.high, change])]),
  ];
  return b.concat(layer.first === 0 ? parts : parts.toReversed(), layer.run);
}
