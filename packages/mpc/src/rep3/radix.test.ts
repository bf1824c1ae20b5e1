import type { Hash } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Exchange } from '../execute.ts';
import { halves } from './kernels.ts';
import { Masks } from './masks.ts';
import { digitPlaces } from './radix.ts';
import type { WordShare } from './share.ts';

/** What three seats compute, each message going to the previous one; and the frames that they send. */
function together(seats: readonly Generator<Exchange, WordShare, Uint8Array>[]) {
  const frames: number[][] = [];
  let steps = seats.map((seat) => seat.next());
  while (steps.some(({ done }) => done !== true)) {
    const sent = steps.map((step) => {
      if (step.done === true) throw new Error('a seat is done before the others');
      step.value.prepare?.(0, step.value.send.length);
      return step.value.send;
    });
    frames.push(sent.map(({ length }) => length));
    steps = seats.map((seat, i) => seat.next(sent[(i + 1) % 3]?.slice() ?? new Uint8Array(0)));
  }
  return { shares: steps.map(({ value }) => value as WordShare), frames };
}

/** Places of the digits in packed bits, xored from three random components. */
function run(digits: readonly number[], seed: number) {
  const stream = (key: number) =>
    new Masks(nodeCrypto, new Uint8Array(16).fill(key, 0, 8).fill(seed, 8), `0x${'ef'.repeat(32)}` as Hash);
  const rows = digits.length;
  const bits = [0, 1].map((place) => digits.map((digit) => (digit >> place) & 1));
  bits.push(digits.map((digit) => (digit === 3 ? 1 : 0)));
  const random = stream(9);
  const words = Math.ceil(rows / 32);
  const components = bits.map((vector) => {
    const [x, y, z] = [0, 1, 2].map(() => new Uint32Array(random.bytes(4 * words).slice().buffer)) as Uint32Array[];
    for (const [i, bit] of vector.entries()) {
      const word = i >>> 5;
      const now = (((x?.[word] ?? 0) ^ (y?.[word] ?? 0) ^ (z?.[word] ?? 0)) >>> (i & 31)) & 1;
      if (z !== undefined && now !== bit) z[word] = (z[word] ?? 0) ^ (1 << (i & 31));
    }
    return [x, y, z] as Uint32Array[];
  });
  const of = (component: number) => components.map((parts) => parts[component % 3] as Uint32Array);
  const keys = [0, 1, 2].map((seat) => ({ a: stream(seat), b: stream((seat + 1) % 3) }));
  return together(keys.map((pair, seat) => digitPlaces(seat, pair, { a: of(seat), b: of(seat + 1) }, rows)));
}

const digits = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 80 });

test('rows go where a stable sort by the digit puts them', () => {
  fc.assert(
    fc.property(digits, fc.integer({ min: 0, max: 255 }), (given, seed) => {
      const { shares, frames } = run(given, seed);
      const order = given.map((_, i) => i).toSorted((i, j) => (given[i] ?? 0) - (given[j] ?? 0) || i - j);
      const opened = given.map((_, i) => shares.reduce((sum, { a }) => (sum + (halves(a)[2 * i] ?? 0)) >>> 0, 0));
      expect(opened).toEqual(given.map((_, i) => order.indexOf(i)));
      for (const [seat, { b }] of shares.entries()) expect(b).toEqual(shares[(seat + 1) % 3]?.a);
      const words = 3 * given.length;
      expect(frames).toEqual([
        [4 * words, 0, 0],
        [4 * words, 4 * words, 4 * words],
        [4 * given.length, 4 * given.length, 4 * given.length],
      ]);
    }),
  );
});

test('what is opened beside the place says nothing of the carries of the shares', () => {
  const { shares } = run(new Array(4000).fill(2), 5);
  const upper = Array.from({ length: 4000 }, (_, i) =>
    shares.reduce((sum, { a }) => BigInt.asUintN(64, sum + (a[i] ?? 0n)), 0n),
  ).map((word) => Number(word >> 32n));
  // Of 4000 uniform words of 32 bits, two are equal with a probability below 1/500; carries are 0, 1 or 2.
  expect(new Set(upper).size).toBeGreaterThan(3995);
});
