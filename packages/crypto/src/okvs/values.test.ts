import { blake3 } from '@noble/hashes/blake3.js';
import { expect, test } from 'vitest';
import { nodeRng } from '../node/provider.ts';
import { loadKernels } from '../wasm/kernels.ts';
import { okvsDecode, okvsEncode, okvsRows } from './okvs.ts';
import { okvsLength, okvsParameters } from './parameters.ts';
import { okvsAssign, okvsOrder, okvsValues } from './values.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

test.each([1, 100, 40_000])('a store of %i keys holds the values that its rows were given', async (n) => {
  const kernels = await loadKernels();
  const [key, items, given] = [random(32), random(16 * n), random(16 * n)];
  const rows = okvsRows(kernels, okvsParameters(n), key, items);
  const before = kernels.alloc(16 * n);
  okvsValues(kernels, rows, before);
  const order = okvsOrder(kernels, rows);
  expect([...order].sort((a, b) => a - b)).toEqual([...Array(n).keys()]);
  for (let row = 0; row < n; row += Math.ceil(n / 100)) {
    const item = items.subarray(16 * order[row]!, 16 * order[row]! + 16);
    expect(kernels.bytes(before + 16 * row, 16).slice()).toEqual(blake3(item, { key }).subarray(0, 16));
  }
  okvsAssign(kernels, rows, kernels.put(given));
  const vector = okvsEncode(kernels, nodeRng, rows);
  const out = kernels.put(new Uint8Array(16 * n));
  okvsDecode(kernels, rows, vector, out);
  expect(Buffer.compare(kernels.bytes(out, 16 * n), given)).toBe(0);
});

test('with random values the vector looks random, whether it holds few keys or as many as it can', async () => {
  const parameters = okvsParameters(3000);
  for (const n of [1, 3000]) {
    const kernels = await loadKernels();
    const rows = okvsRows(kernels, parameters, random(32), random(16 * n));
    okvsAssign(kernels, rows, kernels.put(random(16 * n)));
    const vector = kernels.bytes(okvsEncode(kernels, nodeRng, rows), 16 * okvsLength(parameters));
    const ones = vector.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    expect(Math.abs(ones - 4 * vector.length)).toBeLessThan(6 * Math.sqrt(2 * vector.length));
  }
});
