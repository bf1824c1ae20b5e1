import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import { SIMD_WASM } from './simd.generated.ts';
import { loadSimd } from './simd.ts';

const random = seededRng(7);
const words = (length: number) => new BigUint64Array(random.fill(new Uint8Array(8 * length)).slice().buffer);
const packed = (length: number) => new Uint32Array(random.fill(new Uint8Array(4 * length)).slice().buffer);

test.skipIf(!hasCompiler())('the committed module is what the source builds to', () => {
  const folder = mkdtempSync(join(tmpdir(), '2pm-simd-'));
  try {
    const out = join(folder, 'simd.wasm');
    execFileSync(fileURLToPath(new URL('../../wasm/build.sh', import.meta.url)), [out]);
    expect(readFileSync(out).toString('base64') === SIMD_WASM).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([1, 31, 33, 129, 4095, 4097, 9000])('%i words go to planes, bit k to plane k reversed', async (length) => {
  const simd = await loadSimd();
  // What an earlier, longer call leaves in the scratch memory must not show.
  simd.slicePlanes(words(9000));
  const x = words(length);
  const planes = simd.slicePlanes(x);
  const width = Math.ceil(length / 32);
  const expected = new Uint32Array(64 * width);
  for (let bit = 0; bit < 64; bit++) {
    const plane = Number.parseInt([...bit.toString(2).padStart(6, '0')].reverse().join(''), 2);
    for (const [i, word] of x.entries()) {
      const at = plane * width + (i >> 5);
      expected[at] = (expected[at] ?? 0) | (Number((word >> BigInt(bit)) & 1n) << (i & 31));
    }
  }
  expect(planes).toEqual(expected);
});

test.each([1, 5, 4095, 4097, 10_001])('an AND of %i packed words agrees with its formula', async (length) => {
  const simd = await loadSimd();
  const [xa, xb, ya, yb] = [packed(length), packed(length), packed(length), packed(length)];
  const [f, g] = [packed(length), packed(length)];
  const out = new Uint32Array(length);
  simd.crossAnd(out, { a: xa, b: xb }, { a: ya, b: yb }, [f, g]);
  const at = (vector: Uint32Array, i: number) => vector[i] ?? 0;
  const expected = Uint32Array.from(
    out,
    (_, i) => (at(xa, i) & (at(ya, i) ^ at(yb, i))) ^ (at(xb, i) & at(ya, i)) ^ at(f, i) ^ at(g, i),
  );
  expect(out).toEqual(expected);
});

test.each([
  [1, 1, 1],
  [3, 5, 7],
  [8, 64, 3],
  [2, 9, 300],
])('a %i × %i by × %i matrix product is the sum of products modulo 2^64', async (rows, inner, columns) => {
  const simd = await loadSimd();
  const pairs = [0, 1].map(() => [words(rows * inner), words(inner * columns)] as const);
  const expected = BigUint64Array.from({ length: rows * columns }, (_, place) => {
    const [i, j] = [Math.floor(place / columns), place % columns];
    let sum = 0n;
    for (const [x, y] of pairs)
      for (let k = 0; k < inner; k++) sum += (x[i * inner + k] ?? 0n) * (y[k * columns + j] ?? 0n);
    return BigInt.asUintN(64, sum);
  });
  expect(simd.matrixProducts(pairs, inner)).toEqual(expected);
});

function hasCompiler(): boolean {
  try {
    return execFileSync('clang', ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .includes('version 14.0.6');
  } catch {
    return false;
  }
}
