import type { Hash, NodeError } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import type { Exchange } from '../execute.ts';
import { Masks } from '../rep3/masks.ts';
import type { BitShare } from '../rep3/share.ts';
import { loadSimd } from '../rep3/simd.ts';
import { AndCheck, bucketsFor, checkBits, log2Binomial } from './ands.ts';
import { loadKernels } from './kernels.ts';
import { Ands } from './record.ts';

const SID = `0x${'ab'.repeat(32)}` as Hash;

test('buckets are as large as the bound asks, and no larger than they need be', () => {
  for (const bits of [41, 43, 49]) {
    for (const blocks of [1, 2, 50, 1000, 7000, 8192, 65_536, 2 ** 20]) {
      const chosen = bucketsFor(blocks, bits);
      expect(chosen.blocks).toBeGreaterThanOrEqual(blocks);
      expect(log2Binomial(chosen.size * (chosen.blocks + 1), chosen.size)).toBeGreaterThanOrEqual(bits);
    }
  }
  expect(bucketsFor(2 ** 20, 41)).toEqual({ blocks: 2 ** 20, size: 2 });
  expect(bucketsFor(8192, 41)).toEqual({ blocks: 8192, size: 3 });
  expect(bucketsFor(1, 41).size * (bucketsFor(1, 41).blocks + 1)).toBeLessThan(100);
});

test('the errors of all checks of a session add up to less than 2^-40', () => {
  let missed = 0;
  for (let k = 0; k < 100_000; k++) missed += 2 ** -checkBits(k);
  expect(missed).toBeLessThan(2 ** -40);
});

test('the best that a cheating seat can do succeeds as often as the bound says, at sizes where that can be counted', async () => {
  const [simd, kernels] = await Promise.all([loadSimd(), loadKernels()]);
  const rng = seededRng(11);
  const [blocks, bits] = [1, 3];
  const { blocks: padded, size } = bucketsFor(blocks, bits);
  const triples = size * (padded + 1);
  const bound = 2 ** -log2Binomial(triples, size);
  const trials = Math.ceil(60 / bound);
  let missed = 0;
  for (let trial = 0; trial < trials; trial++) {
    const seed = rng.fill(new Uint8Array(16)).slice();
    // Seat 0 errs in one AND of one block, and in as many triples as a bucket has, all in the same place.
    const checks = [0, 1, 2].map((seat) => {
      const ands = new Ands();
      const z: BitShare = { form: 'bits', a: new Uint32Array(4 * blocks), b: new Uint32Array(4 * blocks) };
      if (seat === 0) z.a[1] = 4;
      if (seat === 2) z.b[1] = 4;
      const none: BitShare = { form: 'bits', a: new Uint32Array(4 * blocks), b: new Uint32Array(4 * blocks) };
      ands.add([[none, none]], z);
      const key = (component: number) => new Masks(nodeCrypto, Uint8Array.of(component % 3, ...seed), SID);
      const keys = { a: key(seat), b: key(seat + 1) };
      return new AndCheck({ seat, keys, crypto: nodeCrypto, simd, kernels }, ands, bits);
    });
    try {
      inLockstep(
        checks.map((check) => check.makeTriples()),
        (bytes) => {
          for (let k = 0; k < size; k++) bytes[16 * k + 4] = (bytes[16 * k + 4] ?? 0) ^ 4;
        },
      );
      inLockstep(checks.map((check) => check.open(new Masks(nodeCrypto, seed, SID))));
      const verdicts = checks.map((check) => check.verdict());
      if (Buffer.from(verdicts[1]?.own ?? []).equals(verdicts[2]?.expected ?? new Uint8Array())) missed++;
    } catch (error) {
      expect((error as NodeError).code).toBe('MPC_CHECK_FAILED');
    }
  }
  // Binomial with mean 60: five standard deviations.
  expect(Math.abs(missed - trials * bound)).toBeLessThan(5 * Math.sqrt(trials * bound));
});

/** One generator a seat, each of one round: answers come from the next seat, and against the ring from the previous one. */
function inLockstep(seats: Generator<Exchange, void, Uint8Array>[], alter?: (bytes: Uint8Array) => void): void {
  const rounds = seats.map((seat) => seat.next().value as Exchange);
  if (alter !== undefined) alter(rounds[0]?.send ?? new Uint8Array());
  const errors: unknown[] = [];
  for (const [seat, generator] of seats.entries()) {
    const back = rounds[(seat + 2) % 3]?.back?.send ?? new Uint8Array();
    const answer = rounds[(seat + 1) % 3]?.send ?? new Uint8Array();
    try {
      generator.next(new Uint8Array([...answer, ...back]));
    } catch (error) {
      // What the cheating seat finds is not heard of.
      if (seat !== 0) errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
