import { concatBytes } from '@2pm/core';
import { blake3 } from '@noble/hashes/blake3.js';
import { expect, test } from 'vitest';
import { nodeRng } from '../node/provider.ts';
import { type Kernels, loadKernels } from '../wasm/kernels.ts';
import { okvsDecode, okvsEncode, okvsRows } from './okvs.ts';
import { okvsLength, okvsParameters } from './parameters.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

function decodeAll(kernels: Kernels, key: Uint8Array, items: Uint8Array, size: number, vector: number) {
  const rows = okvsRows(kernels, { ...okvsParameters(size) }, key, items);
  const out = kernels.alloc(items.length);
  kernels.bytes(out, items.length).fill(0);
  okvsDecode(kernels, rows, vector, out);
  const order: number[] = [];
  for (let bin = 0; bin < rows.counts.length; bin++) {
    for (let i = 0; i < rows.counts[bin]!; i++) {
      order.push(kernels.words(rows.indices + 4 * (bin * rows.parameters.binCapacity + i), 1)[0]!);
    }
  }
  const decoded = new Uint8Array(items.length);
  const blocks = kernels.bytes(out, items.length);
  for (const [i, index] of order.entries()) decoded.set(blocks.subarray(16 * i, 16 * i + 16), 16 * index);
  return decoded;
}

test.each([1, 2, 3, 100, 513, 4099, 70_001])('%i keys decode to their values', async (n) => {
  const kernels = await loadKernels();
  const [key, items] = [random(32), random(16 * n)];
  const rows = okvsRows(kernels, okvsParameters(n), key, items);
  const vector = okvsEncode(kernels, nodeRng, rows);
  const decoded = decodeAll(kernels, key, items, n, vector);
  for (let i = 0; i < n; i += Math.ceil(n / 500)) {
    const value = blake3(items.subarray(16 * i, 16 * i + 16), { key }).subarray(0, 16);
    expect(decoded.subarray(16 * i, 16 * i + 16)).toEqual(value);
  }
});

test('padding fills the store without touching the decoding of the items', async () => {
  const kernels = await loadKernels();
  const [key, items, padding] = [random(32), random(16 * 77), random(16 * 923)];
  const rows = okvsRows(kernels, okvsParameters(1000), key, concatBytes(items, padding));
  expect(rows.counts[0]).toBe(1000);
  const vector = okvsEncode(kernels, nodeRng, rows);
  const decoded = decodeAll(kernels, key, items, 1000, vector);
  for (let i = 0; i < 77; i++) {
    const value = blake3(items.subarray(16 * i, 16 * i + 16), { key }).subarray(0, 16);
    expect(decoded.subarray(16 * i, 16 * i + 16)).toEqual(value);
  }
});

test('keys that are not stored decode to what looks random, and so does the vector', async () => {
  const kernels = await loadKernels();
  const [key, items, others] = [random(32), random(16 * 3000), random(16 * 3000)];
  const parameters = okvsParameters(3000);
  const rows = okvsRows(kernels, parameters, key, items);
  const vector = okvsEncode(kernels, nodeRng, rows);
  const decoded = decodeAll(kernels, key, others, 3000, vector);
  for (const bytes of [decoded, kernels.bytes(vector, 16 * okvsLength(parameters)).slice()]) {
    const ones = bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    expect(Math.abs(ones - 4 * bytes.length)).toBeLessThan(6 * Math.sqrt(2 * bytes.length));
    expect(new Set(blocks(bytes)).size).toBe(bytes.length / 16);
  }
});

test('a gap of rows that peeling cannot order is solved through the dense columns', async () => {
  const kernels = await loadKernels();
  const [sparse, dense] = [12, 48];
  // Eight rows over six columns, so that at least two rows stay behind.
  const n = 8;
  const bytes = new Uint8Array(36 * n);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < n; i++) {
    bytes.set(random(16), 36 * i);
    view.setBigUint64(36 * i + 16, view.getBigUint64(36 * i, true) & ((1n << 48n) - 1n), true);
    for (let k = 0; k < 3; k++) view.setUint32(36 * i + 24 + 4 * k, (i + 2 * k) % 6, true);
  }
  const at = kernels.put(bytes);
  const vector = kernels.put(random(16 * (sparse + dense)));
  const scratch = kernels.alloc(kernels.run.okvs_scratch(n, sparse));
  expect(kernels.run.okvs_encode(at, n, sparse, dense, vector, scratch)).toBeGreaterThan(1);
  const out = kernels.put(new Uint8Array(16 * n));
  kernels.run.okvs_decode(at, n, sparse, dense, vector, out, scratch);
  for (let i = 0; i < n; i++) {
    expect(kernels.bytes(out + 16 * i, 16).slice()).toEqual(bytes.slice(36 * i, 36 * i + 16));
  }
});

test('a gap without a solution and a bin beyond its bound are failures, not wrong vectors', async () => {
  const kernels = await loadKernels();
  const n = 4;
  const bytes = new Uint8Array(36 * n);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < n; i++) {
    bytes.set(random(16), 36 * i);
    for (let k = 0; k < 3; k++) view.setUint32(36 * i + 24 + 4 * k, k, true);
  }
  const vector = kernels.put(random(16 * 56));
  const scratch = kernels.alloc(kernels.run.okvs_scratch(n, 8));
  expect(kernels.run.okvs_encode(kernels.put(bytes), n, 8, 48, vector, scratch)).toBe(-1);
  const tight = { ...okvsParameters(100), binCapacity: 99 };
  expect(() => okvsRows(kernels, tight, random(32), random(1600))).toThrow(
    expect.objectContaining({ code: 'OKVS_FAILED', retryable: true }),
  );
});

test('a key that comes twice is refused', async () => {
  const kernels = await loadKernels();
  const items = random(16 * 2000);
  items.copyWithin(16 * 1999, 16 * 3, 16 * 4);
  const rows = okvsRows(kernels, okvsParameters(2000), random(32), items);
  expect(() => okvsEncode(kernels, nodeRng, rows)).toThrow(
    expect.objectContaining({ code: 'OKVS_DUPLICATE_KEY', fault: 'caller' }),
  );
});

test('sizes follow the published formula with the security of a bin raised by the number of bins', () => {
  for (const [n, e] of [
    [2 ** 10, 1.431],
    [2 ** 12, 1.319],
    [2 ** 14, 1.268],
  ] as const) {
    expect(okvsParameters(n).sparse / n).toBeCloseTo(e, 2);
  }
  const large = okvsParameters(2 ** 20);
  expect(large.bins).toBe(32);
  expect(okvsLength(large) / 2 ** 20).toBeLessThan(1.32);
  expect(large.binCapacity).toBeGreaterThan(2 ** 15 + 6 * Math.sqrt(2 ** 15));
  for (const bad of [0, -1, 2.5, 2 ** 25]) {
    expect(() => okvsParameters(bad)).toThrow(expect.objectContaining({ code: 'OKVS_BAD_SIZE' }));
  }
});

function blocks(bytes: Uint8Array): string[] {
  return Array.from({ length: bytes.length / 16 }, (_, i) =>
    Buffer.from(bytes.subarray(16 * i, 16 * i + 16)).toString('hex'),
  );
}
