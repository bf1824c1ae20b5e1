import { expect, test } from 'vitest';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { loadKernels } from '../wasm/kernels.ts';
import { depthOf, expandForest, expandPunctured } from './pprf.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

test.each([
  [256, 32],
  [256, 77],
  [8, 2],
  [8, 3],
  [4, 9000],
])('of %i trees with %i leaves the receiver rebuilds all leaves but its own', async (trees, leaves) => {
  const kernels = await loadKernels();
  const forest = { trees, leaves };
  const size = 16 * trees * leaves;
  const [full, punctured] = [kernels.alloc(size), kernels.alloc(size)];
  const points = Array.from({ length: trees }, (_, j) => (j === 0 ? 0 : j === 1 ? leaves - 1 : (j * 7919) % leaves));
  const sums = expandForest(kernels, nodeCrypto, forest, random(16 * trees), full);
  expect(sums).toHaveLength(depthOf(forest));
  const known = (level: number) => {
    const out = new Uint8Array(16 * trees);
    for (const [j, point] of points.entries()) {
      const side = sums[level]![1 - ((point >> level) & 1)]!;
      out.set(side.subarray(16 * j, 16 * j + 16), 16 * j);
    }
    return out;
  };
  const totals = expandPunctured(kernels, nodeCrypto, forest, points, known, punctured);
  const expected = kernels.bytes(full, size).slice();
  for (const [j, point] of points.entries()) {
    const at = 16 * (point * trees + j);
    expect(expected.subarray(at, at + 16)).not.toEqual(new Uint8Array(16));
    expected.fill(0, at, at + 16);
  }
  for (let j = 0; j < trees; j++) {
    const sum = new Uint8Array(16);
    for (let leaf = 0; leaf < leaves; leaf++) {
      for (let k = 0; k < 16; k++) sum[k]! ^= expected[16 * (leaf * trees + j) + k]!;
    }
    expect(totals.subarray(16 * j, 16 * j + 16)).toEqual(sum);
  }
  expect(Buffer.compare(kernels.bytes(punctured, size), expected)).toBe(0);
});
