import { blake3 } from '@noble/hashes/blake3.js';
import { expect, test } from 'vitest';
import { nodeRng } from '../node/provider.ts';
import { loadKernels } from '../wasm/kernels.ts';
import { blake3Messages } from './items.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

test('messages of every length from 0 to 70 hash as BLAKE3 does', async () => {
  const kernels = await loadKernels();
  const key = random(32);
  const messages = Array.from({ length: 71 }, (_, length) => random(length));
  const digests = blake3Messages(kernels, key, messages);
  for (const [i, message] of messages.entries()) {
    expect(digests.subarray(16 * i, 16 * i + 16)).toEqual(blake3(message, { key }).subarray(0, 16));
  }
});

test('packed items hash as BLAKE3 does, in place too', async () => {
  const kernels = await loadKernels();
  const key = random(32);
  const items = random(16 * 8);
  const at = kernels.put(items);
  kernels.run.blake3_items(kernels.put(key), at, 8, at);
  for (let i = 0; i < 8; i++) {
    const expected = blake3(items.subarray(16 * i, 16 * i + 16), { key }).subarray(0, 16);
    expect(kernels.bytes(at + 16 * i, 16)).toEqual(expected);
  }
});

test('more messages than one chunk holds keep their order', async () => {
  const kernels = await loadKernels();
  const key = random(32);
  const messages = Array.from({ length: 5000 }, () => random(20));
  const digests = blake3Messages(kernels, key, messages);
  expect(digests.subarray(16 * 4999)).toEqual(blake3(messages[4999]!, { key }).subarray(0, 16));
  expect(digests.subarray(16 * 4096, 16 * 4097)).toEqual(blake3(messages[4096]!, { key }).subarray(0, 16));
});

test('values hash together with items at a stride, in place', async () => {
  const kernels = await loadKernels();
  const [key, mask, values, items] = [random(32), random(16), random(16 * 7), random(36 * 7)];
  const at = kernels.put(values);
  const behind = kernels.put(new Uint8Array(16).fill(9));
  kernels.run.hash_with_items(kernels.put(key), at, kernels.put(mask), kernels.put(items), 36, 7);
  for (let i = 0; i < 7; i++) {
    const message = new Uint8Array(32);
    message.set(values.subarray(16 * i, 16 * i + 16).map((byte, k) => byte ^ mask[k]!));
    message.set(items.subarray(36 * i, 36 * i + 16), 16);
    expect(kernels.bytes(at + 16 * i, 16)).toEqual(blake3(message, { key }).subarray(0, 16));
  }
  expect(kernels.bytes(behind, 16)).toEqual(new Uint8Array(16).fill(9));
});
