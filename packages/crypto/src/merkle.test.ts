import { fromHex, type Hash, type Hex } from '@2pm/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { merkleRoot, proveInclusion, verifyInclusion } from './merkle.ts';

// Leaves and roots of the reference tests of Certificate Transparency (RFC 6962; Apache-2.0).
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  (leaf) => fromHex(`0x${leaf}`),
);
const ROOTS: Record<number, Hex> = {
  0: '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  1: '0x6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  2: '0xfac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  3: '0xaeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  7: '0xddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  8: '0x5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
};

test.each(Object.keys(ROOTS).map(Number))('the root of %i leaves is that of RFC 6962', (size) => {
  expect(merkleRoot(LEAVES.slice(0, size))).toBe(ROOTS[size]);
});

test('every leaf proves itself, and no proof serves another leaf, place, size or root', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 8 }), {
        minLength: 1,
        maxLength: 20,
        selector: (leaf) => leaf.join(),
      }),
      fc.nat(),
      (leaves, pick) => {
        const index = pick % leaves.length;
        const [root, size] = [merkleRoot(leaves), leaves.length];
        const leaf = leaves[index] ?? new Uint8Array();
        const proof = proveInclusion(leaves, index);
        expect(verifyInclusion(root, size, leaf, proof)).toBe(true);
        expect(proof.path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(leaves.length)));
        expect(verifyInclusion(root, size, new Uint8Array([...leaf, 0]), proof)).toBe(false);
        expect(verifyInclusion(merkleRoot([...leaves, leaf]), leaves.length, leaf, proof)).toBe(false);
        expect(verifyInclusion(merkleRoot([...leaves, leaf]), leaves.length + 1, leaf, proof)).toBe(false);
        if (leaves.length > 1) {
          expect(verifyInclusion(root, size, leaf, { ...proof, index: (index + 1) % leaves.length })).toBe(false);
          expect(verifyInclusion(root, size, leaf, { ...proof, path: proof.path.slice(1) })).toBe(false);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a proof of one place proves no other place', () => {
  const root = merkleRoot(LEAVES.slice(0, 2));
  const proof = proveInclusion(LEAVES.slice(0, 2), 1);
  const leaf = LEAVES[1]!;
  expect(verifyInclusion(root, 2, leaf, proof)).toBe(true);
  expect(verifyInclusion(root, 2, leaf, { ...proof, index: 2 })).toBe(false);
  expect(verifyInclusion(root, 2, leaf, { ...proof, index: 0 })).toBe(false);
});

test('malformed proofs are false, never an exception', () => {
  const [root, size] = [merkleRoot(LEAVES), LEAVES.length];
  const proof = proveInclusion(LEAVES, 3);
  const leaf = LEAVES[3] ?? new Uint8Array();
  expect(verifyInclusion(root, size, leaf, { ...proof, index: -1 })).toBe(false);
  expect(verifyInclusion(root, Number.NaN, leaf, proof)).toBe(false);
  expect(verifyInclusion(root, size, leaf, { ...proof, path: proof.path.map(() => '0x' as Hash) })).toBe(false);
  expect(() => proveInclusion(LEAVES, 8)).toThrow(expect.objectContaining({ code: 'MERKLE_BAD_INDEX' }));
});
