import { equalBytes, type Hash } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Masks, SEED_BYTES } from './masks.ts';

const SID = `0x${'ab'.repeat(32)}` as Hash;
const seed = new Uint8Array(SEED_BYTES).fill(3);
const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 300_000 })), {
  maxLength: 40,
});

test('no block of a stream is handed out twice', () => {
  fc.assert(
    fc.property(lengths, (draws) => {
      const masks = new Masks(nodeCrypto, seed, SID);
      const seen = new Set<bigint>();
      for (const length of draws) {
        const words = new BigUint64Array(masks.bytes(16 * Math.ceil(length / 16)).slice().buffer);
        for (let i = 0; i < words.length; i += 2) {
          const block = ((words[i] ?? 0n) << 64n) | (words[i + 1] ?? 0n);
          if (seen.has(block)) expect.fail(`block ${i / 2} of ${length} bytes came before`);
          seen.add(block);
        }
      }
    }),
    { numRuns: 10 },
  );
});

test('two seats that draw the same lengths hold the same masks; another session or seed has others', () => {
  fc.assert(
    fc.property(lengths, (draws) => {
      const [one, two] = [new Masks(nodeCrypto, seed, SID), new Masks(nodeCrypto, seed.slice(), SID)];
      for (const length of draws) {
        const drawn = one.bytes(length);
        expect(drawn.length).toBe(length);
        expect(equalBytes(drawn, two.bytes(length))).toBe(true);
      }
    }),
    { numRuns: 20 },
  );
  const first = new Masks(nodeCrypto, seed, SID).bytes(16);
  expect(new Masks(nodeCrypto, seed, `0x${'cd'.repeat(32)}` as Hash).bytes(16)).not.toEqual(first);
  expect(new Masks(nodeCrypto, new Uint8Array(SEED_BYTES), SID).bytes(16)).not.toEqual(first);
});

test('draws of whole blocks, of whatever lengths, make up one stream', () => {
  fc.assert(
    fc.property(lengths, (draws) => {
      const [one, two] = [new Masks(nodeCrypto, seed, SID), new Masks(nodeCrypto, seed, SID)];
      const blocks = draws.map((length) => 16 * Math.ceil(length / 16));
      const whole = one.bytes(blocks.reduce((sum, length) => sum + length, 0));
      let at = 0;
      for (const length of blocks) {
        expect(equalBytes(two.fill(new Uint8Array(length)), whole.subarray(at, at + length))).toBe(true);
        at += length;
      }
    }),
    { numRuns: 10 },
  );
});
