import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import { bytesOf } from './share.ts';
import { SIMD_WASM } from './simd.generated.ts';
import { loadSimd, type Stream } from './simd.ts';

const random = seededRng(7);
const words = (length: number) => new BigUint64Array(random.fill(new Uint8Array(8 * length)).slice().buffer);
type Words = BigUint64Array;
type Bits = Uint32Array;
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

/** Gives the bytes of an array from its beginning on. */
function stream(array: Uint32Array | BigUint64Array): Stream {
  const bytes = bytesOf(array);
  let used = 0;
  return {
    fill(out) {
      out.set(bytes.subarray(used, used + out.length));
      used += out.length;
    },
  };
}

test.each([1, 5, 4095, 4097, 10_001])('an AND of %i packed words agrees with its formula', async (length) => {
  const simd = await loadSimd();
  const [xa, xb, ya, yb, f, g] = Array.from({ length: 6 }, () => packed(length)) as [
    Bits,
    Bits,
    Bits,
    Bits,
    Bits,
    Bits,
  ];
  const out = new Uint32Array(length);
  simd.maskedAnd(out, { a: xa, b: xb }, { a: ya, b: yb }, { a: stream(f), b: stream(g) });
  const expected = out.map((_, i) => (xa[i]! & (ya[i]! ^ yb[i]!)) ^ (xb[i]! & ya[i]!) ^ f[i]! ^ g[i]!);
  expect(out).toEqual(expected);
});

test.each([1, 2, 2047, 2049, 5001])(
  '%i masked products, and masked words, agree with their formulas',
  async (length) => {
    const simd = await loadSimd();
    const [xa, xb, ya, yb, f, g] = Array.from({ length: 6 }, () => words(length)) as [
      Words,
      Words,
      Words,
      Words,
      Words,
      Words,
    ];
    const out = new BigUint64Array(length);
    simd.maskedProduct(out, { a: xa, b: xb }, { a: ya, b: yb }, { a: stream(f), b: stream(g) });
    expect(out).toEqual(out.map((_, i) => xa[i]! * ya[i]! + xa[i]! * yb[i]! + xb[i]! * ya[i]! + f[i]! - g[i]!));
    const masked = xa.map((word, i) => word + f[i]! - g[i]!);
    simd.maskWords(xa, { a: stream(f), b: stream(g) });
    expect(xa).toEqual(masked);
  },
);

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
