/** Uniform permutations as index vectors: applying `order` to x gives x[order[0]], x[order[1]], …. @module */
import type { Masks } from './masks.ts';
import { toPacked } from './share.ts';

/** Random words that are drawn at a time. */
const MOST_DRAWN = 1 << 14;

/** The numbers below `n` in a uniformly random order. */
export function uniformOrder(stream: Masks, n: number): Uint32Array {
  const order = new Uint32Array(n);
  for (let i = 1; i < n; i++) order[i] = i;
  return permuteUniformly(stream, order);
}

/**
 * Fisher and Yates (Knuth, TAOCP 2, §3.4.2, algorithm P) in place. Each index comes from the least number of bits that
 * hold it, drawn again while it is too large: exactly uniform. Whoever draws from the same stream draws as often.
 */
export function permuteUniformly(stream: Masks, list: Uint32Array): Uint32Array {
  let words = new Uint32Array(0);
  let used = 0;
  for (let i = list.length - 1; i > 0; i--) {
    const mask = -1 >>> Math.clz32(i);
    let j = 0;
    do {
      if (used === words.length) {
        words = toPacked(stream.bytes(4 * Math.min(MOST_DRAWN, 2 * i))) as Uint32Array<ArrayBuffer>;
        used = 0;
      }
      j = (words[used++]! & mask) >>> 0;
    } while (j > i);
    const other = list[j]!;
    list[j] = list[i]!;
    list[i] = other;
  }
  return list;
}

/** Applying this is applying `first`, then `second`. */
export function composed(first: Uint32Array, second: Uint32Array): Uint32Array {
  const order = new Uint32Array(first.length);
  for (let i = 0; i < order.length; i++) order[i] = first[second[i]!]!;
  return order;
}
