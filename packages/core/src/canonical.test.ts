/** The encoder against a general library of CBOR, in its deterministic mode. */
import { decode, encode as general, rfc8949EncodeOptions } from 'cborg';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalBytes } from './canonical.ts';

// The library gives a Buffer where there is one.
const oracle = (value: unknown) => new Uint8Array(general(value, rfc8949EncodeOptions));
const mine = (value: unknown) => canonicalBytes(value, oracle);

const text = fc.oneof(fc.string({ maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 300 }));
const leaf = fc.oneof(
  ...[fc.boolean(), fc.constant(null), fc.maxSafeInteger(), fc.integer({ min: -300, max: 70_000 }), text],
  ...[fc.uint8Array({ maxLength: 300 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.double()],
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    leaf,
    fc.array(tie('tree'), { maxLength: 30 }),
    fc.dictionary(text, tie('tree'), { maxKeys: 40 }),
  ),
}));

test('the bytes are those of the library', () => {
  fc.assert(
    fc.property(tree, (value) => {
      expect(mine(value)).toEqual(oracle(value));
    }),
    { numRuns: 200 },
  );
});

test.each([0, -1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, -(2 ** 32) - 1, Number.MAX_SAFE_INTEGER])(
  '%d takes the fewest bytes',
  (value) => {
    expect(mine(value)).toEqual(oracle(value));
    expect(decode(mine(value))).toBe(value);
  },
);

test.each([23, 24, 255, 256, 65_535, 65_536])('%d characters have the shortest head', (length) => {
  expect(mine('a'.repeat(length))).toEqual(oracle('a'.repeat(length)));
  expect(mine('é'.repeat(length))).toEqual(oracle('é'.repeat(length)));
});

test('half a surrogate pair, and a key of one, are what the library makes of them', () => {
  for (const value of ['\ud800', 'a\udc00b', { '\ud800': 1, é: 2, z: 3 }]) expect(mine(value)).toEqual(oracle(value));
});

test('a value without end is refused', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  expect(() => mine(circle)).toThrow(RangeError);
});
