import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeRng } from '../node/provider.ts';
import { loadKernels } from './kernels.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const SPARE = 16;

/** n random tags of `width` bits, sorted by their low bits and coded, in calls of `step` tags. */
async function coded(n: number, width: number, bits: number, step: number) {
  const kernels = await loadKernels();
  const slots = random(16 * n);
  const at = kernels.put(slots);
  const [heads, sorted, bytes] = [kernels.alloc(4 * 2 ** bits), kernels.alloc(16 * n), Math.ceil((n + 2 ** bits) / 8)];
  const high = kernels.put(new Uint8Array(bytes));
  const places = kernels.words(heads, 2 ** bits).fill(0);
  kernels.run.sort_count(at, 0, n, bits, heads);
  let before = 0;
  for (const [value, count] of places.entries()) {
    places[value] = before;
    before += count;
  }
  kernels.run.sort_place(at, 0, n, bits, heads, sorted);
  const low: Uint8Array[] = [];
  for (let from = 0; from < n; from += step) {
    const to = Math.min(n, from + step);
    const size = Math.ceil(((to - from) * (width - bits)) / 8);
    const out = kernels.put(new Uint8Array(size + SPARE));
    kernels.run.code_sorted(sorted, from, to, bits, width, high, out);
    low.push(kernels.bytes(out, size).slice());
  }
  const decode = () => {
    const tags: string[] = [];
    const cursor = kernels.put(new Uint8Array(4));
    for (const [i, part] of low.entries()) {
      const [from, to] = [i * step, Math.min(n, (i + 1) * step)];
      const input = kernels.put(new Uint8Array([...part, ...random(SPARE)]));
      const out = kernels.alloc((to - from) * (width / 8) + SPARE);
      if (kernels.run.decode_sorted(high, cursor, n + 2 ** bits, input, from, to, bits, width, out) !== 0)
        return 'refused';
      for (let j = 0; j < to - from; j++) tags.push(hex(kernels.bytes(out + (width / 8) * j, width / 8)));
    }
    return tags;
  };
  return { high: kernels.bytes(high, bytes), tags: slots, decode };
}

test('a set of tags comes back as it was, whole, and in order of its low bits', async () => {
  const shape = fc.record({
    n: fc.integer({ min: 1, max: 300 }),
    width: fc.integer({ min: 8, max: 15 }).map((bytes) => 8 * bytes),
    bits: fc.integer({ min: 0, max: 12 }),
    step: fc.integer({ min: 1, max: 10 }).map((eights) => 8 * eights),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ n, width, bits, step }) => {
      const { tags, decode } = await coded(n, width, bits, step);
      const found = decode() as string[];
      const expected = Array.from({ length: n }, (_, i) => hex(tags.subarray(16 * i, 16 * i + width / 8)));
      expect(found.toSorted()).toEqual(expected.toSorted());
      const prefixes = found.map((tag) => Buffer.from(tag, 'hex').readUInt32LE() % 2 ** bits);
      expect(prefixes).toEqual(prefixes.toSorted((a, b) => a - b));
    }),
    { numRuns: 60 },
  );
});

test('a code with too few tags, or prefixes that are too large, is refused', async () => {
  const { high, decode } = await coded(40, 80, 5, 8);
  expect(decode()).toHaveLength(40);
  const whole = high.slice();
  high[high.findIndex((byte) => byte !== 0)]! &= high.find((byte) => byte !== 0)! - 1;
  expect(decode()).toBe('refused');
  high.fill(0);
  expect(decode()).toBe('refused');
  high.set(whole.map((byte) => ~byte));
  expect(decode()).toBe('refused');
});
