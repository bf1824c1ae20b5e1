/**
 * Rows in the order of their tags. A row whose tag begins with the same 59 bits as another's gets a random one, so that it
 * matches nothing: of n rows that happens to one with a probability below n² / 2^60.
 * @module
 */
import type { Rng } from '@2pm/core';

const DIGIT_BITS = 16;
const TAG_MASKS = [2n ** 59n - 1n, 2n ** 62n - 1n] as const;

/** Columns of `height` words side by side, the first two of them tags below 2^59 and 2^62; in ascending order of the first. */
export function ascending(words: BigInt64Array, height: number, rng: Rng): BigInt64Array {
  for (;;) {
    const order = orderOf(words.subarray(0, height));
    const twice = order.find((row, i) => i > 0 && words[row] === words[order[i - 1] as number]);
    if (twice === undefined) return arranged(words, order);
    const random = new BigUint64Array(rng.fill(new Uint8Array(16)).buffer);
    for (const [half, mask] of TAG_MASKS.entries()) words[half * height + twice] = (random[half] as bigint) & mask;
  }
}

/** By digits of 16 bits, from the lowest on, each pass stable: elements are not negative. */
function orderOf(x: BigInt64Array): Uint32Array {
  const halves = new Uint32Array(x.buffer, x.byteOffset, 2 * x.length);
  let order = Uint32Array.from(x.keys());
  for (let shift = 0; shift < 64; shift += DIGIT_BITS) {
    const digit = (row: number) => ((halves[2 * row + (shift >> 5)] as number) >>> (shift & 31)) & 0xffff;
    const next = new Uint32Array(2 ** DIGIT_BITS + 1);
    for (const row of order) next[digit(row) + 1]!++;
    for (let value = 0; value < 2 ** DIGIT_BITS; value++) next[value + 1]! += next[value]!;
    const moved = new Uint32Array(order.length);
    for (const row of order) moved[next[digit(row)]!++] = row;
    order = moved;
  }
  return order;
}

function arranged(words: BigInt64Array, order: Uint32Array): BigInt64Array {
  const out = new BigInt64Array(words.length);
  for (let from = 0; from < words.length; from += order.length) {
    for (let i = 0; i < order.length; i++) out[from + i] = words[from + order[i]!]!;
  }
  return out;
}
