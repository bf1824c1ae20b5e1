/**
 * Circuits that move the rows that are there to the front, in the order that they had, without anyone learning which these are.
 *
 * Construction: a row goes as far forward as there are empty places before it, by powers of two from the lowest on, wherever
 * that binary digit of the distance is 1 (Goodrich: Data-Oblivious External-Memory Algorithms for the Compaction, Selection,
 * and Sorting of Outsourced Data, SPAA 2011, §3). No two rows meet: a row goes as far as the one before it and past the empty
 * places between them, so that the remainders of both distances modulo a power of two differ by no more than those places.
 * Cost for n rows, with t = ⌈log2 n⌉: t layers, each of n negative and inject, and n mul for the distances and for each column.
 * A sort takes (t - 1) / 4 times as many comparisons. Nothing is opened. Back-ends that can shuffle sort by the one bit instead.
 * @module
 */
import type { CircuitBuilder } from '../circuit.ts';
import { order } from './order.ts';

/** For columns that hold 0 where `present`, a word 0 or 1, is 0. Behind the rows they hold 0. */
export function compacted(b: CircuitBuilder, present: number): (column: number) => number {
  if (b.arranging === 'shuffles') return order(b, present, []).arranged;
  const { length: n } = b.at(present);
  const words = (op: 'add' | 'sub' | 'mul', x: number, y: number) => b.words(op, n, [x, y]);
  /** `by` places forward where `move` is 1. */
  const moved = (x: number, move: number, by: number) => {
    const leaving = words('mul', move, x);
    const none = b.repeat(b.words('constant', 1, [], 0n), by);
    return words('add', words('sub', x, leaving), b.concat([b.slice(leaving, by, n - by), none]));
  };
  const absent = words('sub', b.repeat(b.words('constant', 1, [], 1n), n), present);
  let distance = words('mul', present, b.words('prefix', n, [absent]));
  const moves: { move: number; by: number }[] = [];
  for (let [bit, by] = [0n, 1]; by < n; bit++, by *= 2) {
    const highest = b.words('scale', n, [distance], 1n << (63n - bit));
    const move = b.asWords(b.bits('negative', n, [highest]));
    distance = moved(distance, move, by);
    moves.push({ move, by });
  }
  return (column) => moves.reduce((x, { move, by }) => moved(x, move, by), column);
}
