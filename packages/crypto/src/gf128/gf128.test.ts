import { expect, test } from 'vitest';
import { nodeRng } from '../node/provider.ts';
import { type Kernels, loadKernels } from '../wasm/kernels.ts';
import { blocksToIntegers, multiplyReference } from './reference.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

/** Random elements, and the ones where a carry or a reduction could go wrong. */
function elements(count: number): Uint8Array {
  const out = random(16 * (count + 4));
  out.fill(0, 0, 16);
  out.fill(255, 16, 32);
  out.fill(0, 32, 64);
  out[32] = 1;
  out[63] = 128;
  return out;
}

function read(kernels: Kernels, at: number, count: number): bigint[] {
  return blocksToIntegers(kernels.bytes(at, 16 * count).slice());
}

test('the reference follows the modulus', () => {
  expect(multiplyReference(1n << 127n, 2n)).toBe(0x87n);
  expect(multiplyReference(0x1234n, 1n)).toBe(0x1234n);
  expect(multiplyReference(3n, 3n)).toBe(5n);
});

test('products with a fixed factor agree with the reference, strided and added too', async () => {
  const kernels = await loadKernels();
  for (const factor of [random(16), new Uint8Array(16).fill(255), new Uint8Array(16)]) {
    const [delta] = blocksToIntegers(factor) as [bigint];
    const tables = kernels.alloc(8192);
    kernels.run.gf_tables(kernels.put(factor), tables);
    for (const count of [1, 15, 16, 33]) {
      const input = elements(count);
      const n = count + 4;
      const [at, out] = [kernels.put(input), kernels.alloc(16 * n)];
      const expected = blocksToIntegers(input).map((x) => multiplyReference(x, delta));
      kernels.run.gf_multiply(tables, at, 16, out, n, 0);
      expect(read(kernels, out, n)).toEqual(expected);
      const before = random(16 * n);
      kernels.bytes(out, 16 * n).set(before);
      kernels.run.gf_multiply(tables, at, 16, out, n, 1);
      const sums = blocksToIntegers(before).map((x, i) => x ^ expected[i]!);
      expect(read(kernels, out, n)).toEqual(sums);
      const every = Math.floor(n / 2);
      kernels.run.gf_multiply(tables, at, 32, out, every, 0);
      expect(read(kernels, out, every)).toEqual(expected.filter((_, i) => i % 2 === 0).slice(0, every));
    }
  }
});

test('products of two varying factors agree with the reference', async () => {
  const kernels = await loadKernels();
  const [a, b] = [elements(20), elements(20).reverse()];
  const [at, bt, out] = [kernels.put(a), kernels.put(b), kernels.alloc(16 * 24)];
  kernels.run.gf_products(at, bt, out, 24);
  const [x, y] = [blocksToIntegers(a), blocksToIntegers(b)];
  expect(read(kernels, out, 24)).toEqual(x.map((value, i) => multiplyReference(value, y[i]!)));
});

test('a fold is the sum of the powers of x times its blocks', async () => {
  const kernels = await loadKernels();
  const blocks = random(16 * 256);
  const out = kernels.alloc(32);
  kernels.run.gf_fold(kernels.put(blocks), 2, out);
  const values = blocksToIntegers(blocks);
  const expected = [0, 128].map((from) =>
    values.slice(from, from + 128).reduce((sum, x, i) => sum ^ multiplyReference(x, 1n << BigInt(i)), 0n),
  );
  expect(read(kernels, out, 2)).toEqual(expected);
});

test('sixteen strands of Horner’s rule continue from call to call', async () => {
  const kernels = await loadKernels();
  const factor = random(16);
  const [point] = blocksToIntegers(factor) as [bigint];
  const tables = kernels.alloc(8192);
  kernels.run.gf_tables(kernels.put(factor), tables);
  const [blocks, sums] = [random(16 * 64), random(16 * 16)];
  const [at, to] = [kernels.put(blocks), kernels.put(sums)];
  kernels.run.gf_horner(tables, at, 16, to);
  kernels.run.gf_horner(tables, at + 16 * 16, 48, to);
  const values = blocksToIntegers(blocks);
  const expected = blocksToIntegers(sums).map((sum, j) =>
    [0, 16, 32, 48].reduce((value, from) => multiplyReference(value, point) ^ values[from + j]!, sum),
  );
  expect(read(kernels, to, 16)).toEqual(expected);
});
