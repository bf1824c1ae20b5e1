import { sha256Bytes } from '@2pm/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadKernels } from '../wasm/kernels.ts';

const kernels = await loadKernels();

function digestsOf(messages: readonly Uint8Array[]): string[] {
  const mark = kernels.mark();
  const sizes = Uint32Array.from(messages, ({ length }) => length);
  let at = 0;
  const starts = sizes.map((size) => {
    at += size;
    return at - size;
  });
  const words = (values: Uint32Array) => kernels.put(new Uint8Array(values.buffer));
  const data = kernels.put(Buffer.concat(messages));
  const [from, of] = [words(starts), words(sizes)];
  const out = kernels.alloc(16 * messages.length);
  kernels.run.sha256_messages(data, from, of, messages.length, out);
  const digests = kernels.bytes(out, 16 * messages.length).slice();
  kernels.release(mark);
  return messages.map((_, i) => Buffer.from(digests.subarray(16 * i, 16 * i + 16)).toString('hex'));
}

const expected = (message: Uint8Array) => Buffer.from(sha256Bytes(message).subarray(0, 16)).toString('hex');

test('the example of FIPS 180-4, and no message at all', () => {
  expect(digestsOf([new TextEncoder().encode('abc')])).toEqual(['ba7816bf8f01cfea414140de5dae2223']);
  expect(digestsOf([])).toEqual([]);
});

test('every length around the ends of blocks, beside longer and shorter ones', () => {
  const messages = Array.from({ length: 200 }, (_, size) =>
    new Uint8Array(size % 2 === 0 ? size : 199 - size).fill(size),
  );
  expect(digestsOf(messages)).toEqual(messages.map(expected));
});

test('any messages, as many as there are', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 }), (messages) => {
      expect(digestsOf(messages)).toEqual(messages.map(expected));
    }),
  );
});
