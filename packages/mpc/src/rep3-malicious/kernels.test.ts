import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import type { WordShare } from '../rep3/share.ts';
import { CHECK_WASM } from './kernels.generated.ts';
import { loadKernels, modulo } from './kernels.ts';

const random = seededRng(3);
const words = (length: number) => {
  const out = new BigUint64Array(random.fill(new Uint8Array(8 * length)).slice().buffer);
  for (let i = 0; i < length; i += 3) out[i] = i % 2 === 0 ? 2n ** 64n - 1n : 0n;
  return out;
};
const share = (length: number): WordShare => ({ form: 'words', a: words(length), b: words(length) });
const wide = (vector: BigUint64Array, i: number) => (vector[2 * i] ?? 0n) + ((vector[2 * i + 1] ?? 0n) << 64n);
const at = (vector: BigUint64Array, i: number) => vector[i] ?? 0n;
const masks = (n: number) => ({ f: words(n), g: words(n), fHigh: words(n), gHigh: words(n) });
const masked = (sum: bigint, { f, g, fHigh, gHigh }: ReturnType<typeof masks>, i: number) =>
  modulo(sum + at(f, i) + (at(fHigh, i) << 64n) - at(g, i) - (at(gHigh, i) << 64n)) >> 64n;
const cross = (x: WordShare, i: number, y: WordShare, j: number) =>
  at(x.a, i) * at(y.a, j) + at(x.a, i) * at(y.b, j) + at(x.b, i) * at(y.a, j);

test.skipIf(!hasCompiler())('the committed module is what the source builds to', () => {
  const folder = mkdtempSync(join(tmpdir(), '2pm-check-'));
  try {
    const out = join(folder, 'check.wasm');
    execFileSync(fileURLToPath(new URL('../../wasm/build-check.sh', import.meta.url)), [out]);
    expect(readFileSync(out).toString('base64') === CHECK_WASM).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([1, 5, 1024, 2500])('sums and high words of %i elements are those of exact integers', async (n) => {
  const kernels = await loadKernels();
  const [x, y, all] = [share(n), share(n), masks(n)];
  const every = <T>(of: (i: number) => T) => Array.from({ length: n }, (_, i) => of(i));
  const sum = (of: (i: number) => bigint) => modulo(every(of).reduce((total, one) => total + one, 0n));
  const highs = new BigUint64Array(n);
  kernels.crossHigh(highs, x, y, all);
  expect([...highs]).toEqual(every((i) => masked(cross(x, i, y, i), all, i)));
  const [w, low, high, mask] = [words(n), words(n), words(n), words(2 * n)];
  const out = new BigUint64Array(2 * n);
  kernels.weighMasked(out, w, low, high, mask);
  expect(every((i) => wide(out, i))).toEqual(
    every((i) => modulo(at(w, i) * (at(low, i) + (at(high, i) << 64n)) - wide(mask, i))),
  );
  kernels.weighMasked(out, w, low, undefined, mask);
  expect(every((i) => wide(out, i))).toEqual(every((i) => modulo(at(w, i) * at(low, i) - wide(mask, i))));
  expect(kernels.innerProduct(mask, w)).toBe(sum((i) => wide(mask, i) * at(w, i)));
  expect(kernels.weightedSum(w, low, high)).toBe(sum((i) => at(w, i) * (at(low, i) + (at(high, i) << 64n))));
  expect(kernels.weightedSum(w, low)).toBe(sum((i) => at(w, i) * at(low, i)));
  expect(kernels.weightedProducts(w, low, high)).toBe(sum((i) => at(w, i) * at(low, i) * at(high, i)));
});

test.each([
  [1, 1, 1],
  [3, 4, 5],
  [2, 1500, 3],
  [7, 3, 1],
])('so are those of products of %i × %i and × %i, and of blocks', async (rows, inner, columns) => {
  const kernels = await loadKernels();
  const [x, y, z] = [share(rows * inner), share(inner * columns), share(rows * inner)];
  const [ofMatrix, ofBlocks] = [masks(rows * columns), masks(rows)];
  const sum = (of: (k: number) => bigint) => Array.from({ length: inner }, (_, k) => of(k)).reduce((a, b) => a + b, 0n);
  const highs = new BigUint64Array(rows * columns);
  kernels.matrixHigh(highs, x, y, inner, ofMatrix);
  expect([...highs]).toEqual(
    Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      return masked(
        sum((k) => cross(x, row * inner + k, y, k * columns + column)),
        ofMatrix,
        i,
      );
    }),
  );
  kernels.blockHigh(highs.subarray(0, rows), x, z, ofBlocks);
  expect([...highs.subarray(0, rows)]).toEqual(
    Array.from({ length: rows }, (_, i) =>
      masked(
        sum((k) => cross(x, i * inner + k, z, i * inner + k)),
        ofBlocks,
        i,
      ),
    ),
  );
});

test('blocks are repeated, permuted, masked and xored', async () => {
  const kernels = await loadKernels();
  const packed = (blocks: number) => new Uint32Array(random.fill(new Uint8Array(16 * blocks)).slice().buffer);
  const [x, one, two, factor] = [packed(3), packed(9), packed(9), packed(6)];
  const order = Uint32Array.of(8, 0, 3, 3, 5, 1, 2);
  const out = kernels.mixedBlocks(x, 2, order, [{ blocks: one }, { blocks: two, factor }]);
  expect([...out]).toEqual(
    Array.from({ length: 24 }, (_, i) => {
      const [block, word] = [i >> 2, i & 3];
      const from = 4 * (order[block] ?? 0) + word;
      return ((x[4 * (block >> 1) + word] ?? 0) ^ (one[from] ?? 0) ^ ((two[from] ?? 0) & (factor[i] ?? 0))) >>> 0;
    }),
  );
});

function hasCompiler(): boolean {
  try {
    return execFileSync('clang', ['--version'], { encoding: 'utf8' }).includes('14.0.6');
  } catch {
    return false;
  }
}
