import { expect, test } from 'vitest';
import { nodeRng } from '../node/provider.ts';
import { loadKernels } from '../wasm/kernels.ts';
import { ARITY, depthOf, expandForest, expandPunctured, levelSizes, pathOf } from './pprf.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

/** ChaCha with 12 rounds and a 16-byte key, words 12 to 15 given (Bernstein 2008; layout of RFC 8439 §2.3). */
function chacha12(key: Uint8Array, last: [number, number, number, number]): Uint8Array {
  const words = new Uint32Array(key.slice().buffer);
  const first = Uint32Array.of(0x61707865, 0x3120646e, 0x79622d36, 0x6b206574, ...words, ...words, ...last);
  const v = first.slice();
  const step = (a: number, b: number, c: number, by: number) => {
    v[a] = v[a]! + v[b]!;
    const x = v[c]! ^ v[a]!;
    v[c] = (x << by) | (x >>> (32 - by));
  };
  const quarter = (a: number, b: number, c: number, d: number) => {
    step(a, b, d, 16);
    step(c, d, b, 12);
    step(a, b, d, 8);
    step(c, d, b, 7);
  };
  for (let round = 0; round < 12; round += 2) {
    for (let i = 0; i < 4; i++) quarter(i, i + 4, i + 8, i + 12);
    for (let i = 0; i < 4; i++) quarter(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
  }
  return new Uint8Array(v.map((word, i) => word + first[i]!).buffer);
}

test.each([
  [256, 32],
  [256, 77],
  [8, 2],
  [8, 3],
  [8, 5],
  [4, 9000],
])('of %i trees with %i leaves the receiver rebuilds all leaves but its own', async (trees, leaves) => {
  const kernels = await loadKernels();
  const forest = { trees, leaves, tweak: 77 };
  const size = 16 * trees * leaves;
  const [full, punctured] = [kernels.alloc(size), kernels.alloc(size)];
  const points = Array.from({ length: trees }, (_, j) => (j === 0 ? 0 : j === 1 ? leaves - 1 : (j * 7919) % leaves));
  const sums: Uint8Array[] = [];
  expandForest(kernels, forest, random(16 * trees), full, (_, at) => {
    sums.push(kernels.bytes(at, 16 * ARITY * trees).slice());
  });
  expect(sums).toHaveLength(depthOf(forest));
  const known = (level: number) => {
    // Whatever the receiver may not know, or learns by the other bit, is junk: nothing may depend on it.
    const copies = [sums[level]!.slice(), sums[level]!.slice()] as const;
    for (const [j, point] of points.entries()) {
      for (let child = 0; child < ARITY; child++) {
        const differing = child ^ pathOf(forest, point)[level]!;
        for (const [bit, copy] of copies.entries()) {
          const right = bit === 0 ? (differing & 1) === 1 : differing === 2;
          if (!right) copy.set(random(16), 16 * (child * trees + j));
        }
      }
    }
    return [kernels.put(copies[0]), kernels.put(copies[1])] as [number, number];
  };
  const totals = expandPunctured(kernels, forest, points, known, punctured);
  const expected = kernels.bytes(full, size).slice();
  for (const [j, point] of points.entries()) {
    const at = 16 * (point * trees + j);
    expect(expected.subarray(at, at + 16)).not.toEqual(new Uint8Array(16));
    expected.fill(0, at, at + 16);
  }
  expect(Buffer.compare(kernels.bytes(punctured, size), expected)).toBe(0);
  for (let j = 0; j < trees; j++) {
    const sum = new Uint8Array(16);
    for (let leaf = 0; leaf < leaves; leaf++) {
      for (let k = 0; k < 16; k++) sum[k]! ^= expected[16 * (leaf * trees + j) + k]!;
    }
    expect(totals.subarray(16 * j, 16 * j + 16)).toEqual(sum);
  }
});

test('every leaf is what walking down its path by ChaCha12 gives', async () => {
  const kernels = await loadKernels();
  const forest = { trees: 4, leaves: 27, tweak: 5 };
  const sizes = levelSizes(forest);
  const out = kernels.alloc(16 * 4 * 27);
  const seeds = random(64);
  expandForest(kernels, forest, seeds, out, () => {});
  for (let tree = 0; tree < 4; tree++) {
    for (let leaf = 0; leaf < 27; leaf++) {
      let node = seeds.slice(16 * tree, 16 * tree + 16);
      let place = 0;
      for (const [level, branch] of pathOf(forest, leaf).entries()) {
        expect(branch).toBeLessThan(ARITY);
        node = chacha12(node, [place, level, tree, 5]).slice(16 * branch, 16 * branch + 16);
        place += branch * sizes[level]!;
      }
      expect(place).toBe(leaf);
      expect(kernels.bytes(out + 16 * (leaf * 4 + tree), 16)).toEqual(node);
    }
  }
});
