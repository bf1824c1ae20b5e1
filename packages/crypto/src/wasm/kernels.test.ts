import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { nodeRng } from '../node/provider.ts';
import { chachaBlock } from './chacha-reference.ts';
import { KERNELS_WASM } from './kernels.generated.ts';
import { loadKernels, putChaCha } from './kernels.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

test.skipIf(!hasCompiler())(
  'the committed module is what the sources build to',
  () => {
    const folder = mkdtempSync(join(tmpdir(), '2pm-kernels-'));
    try {
      const out = join(folder, 'kernels.wasm');
      execFileSync(fileURLToPath(new URL('../../wasm/build.sh', import.meta.url)), [out]);
      expect(readFileSync(out).toString('base64') === KERNELS_WASM).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000,
);

test('what is released is handed out again, and an impossible size is refused with a code', async () => {
  const kernels = await loadKernels();
  const mark = kernels.mark();
  const at = kernels.alloc(1000);
  kernels.release(mark);
  expect(kernels.alloc(10)).toBe(at);
  expect(() => kernels.alloc(2 ** 33)).toThrow(expect.objectContaining({ code: 'KERNELS_OUT_OF_MEMORY' }));
});

test('the bit transpose agrees with its definition', async () => {
  const kernels = await loadKernels();
  const columns = 264;
  const rows = random(128 * (columns / 8));
  const at = kernels.put(rows);
  const out = kernels.alloc(16 * columns);
  kernels.run.transpose_bits(at, columns, out);
  const blocks = kernels.bytes(out, 16 * columns);
  for (let row = 0; row < 128; row++) {
    for (let column = 0; column < columns; column++) {
      const before = (rows[row * (columns / 8) + (column >> 3)]! >> (column & 7)) & 1;
      const after = (blocks[16 * column + (row >> 3)]! >> (row & 7)) & 1;
      if (before !== after) expect.fail(`bit ${row}, ${column}`);
    }
  }
});

test('a shuffle keeps every slot and depends on its randomness', async () => {
  const kernels = await loadKernels();
  const n = 500;
  const slots = random(16 * n);
  const shuffled = () => {
    const at = kernels.put(slots);
    const randomness = kernels.put(random(8 * n));
    kernels.run.shuffle(at, n, 200, randomness);
    kernels.run.shuffle(at, 200, 1, randomness);
    return slotsOf(kernels.bytes(at, 16 * n), 16);
  };
  const [first, second] = [shuffled(), shuffled()];
  expect(first.toSorted()).toEqual(slotsOf(slots, 16).toSorted());
  expect(first).not.toEqual(second);
});

test('a shuffle puts a slot at every place about equally often', async () => {
  const kernels = await loadKernels();
  const n = 8;
  const runs = 4000;
  const counts = new Array(n).fill(0);
  const at = kernels.alloc(16 * n);
  const words = kernels.alloc(8 * n);
  for (let run = 0; run < runs; run++) {
    kernels.bytes(at, 16 * n).fill(0)[0] = 1;
    kernels.bytes(words, 8 * n).set(random(8 * n));
    kernels.run.shuffle(at, n, 1, words);
    counts[kernels.bytes(at, 16 * n).indexOf(1) / 16]++;
  }
  // Six standard deviations of a binomial around runs / n.
  for (const count of counts) expect(Math.abs(count - runs / n)).toBeLessThan(6 * Math.sqrt(runs / n));
});

test.each([8, 10, 13, 16])('a join of %i-byte tags finds exactly the common ones', async (width) => {
  const kernels = await loadKernels();
  const mine = random(16 * 300);
  const common = [0, 7, 123, 299];
  const theirs = random(width * 200 + 16);
  for (const [i, position] of common.entries()) {
    theirs.set(mine.subarray(16 * position, 16 * position + width), width * (50 * i + 3));
  }
  // One more that differs in its last byte alone.
  const near = mine.slice(16 * 40, 16 * 40 + width);
  near[width - 1]! ^= 1;
  theirs.set(near, width * 199);
  const slots = kernels.put(mine);
  const table = kernels.alloc(8 * 512);
  kernels.bytes(table, 8 * 512).fill(0);
  expect(kernels.run.join_build(slots, 0, 300, width, table, 9)).toBe(0);
  const found = kernels.alloc(300);
  kernels.bytes(found, 300).fill(0);
  kernels.run.join_probe(slots, width, table, 9, kernels.put(theirs), 200, found);
  expect([...kernels.bytes(found, 300).entries()].filter(([, hit]) => hit).map(([i]) => i)).toEqual(common);
});

test('a join counts tags that come twice, and finds both', async () => {
  const kernels = await loadKernels();
  const bytes = random(16 * 20);
  bytes.copyWithin(16 * 15, 16 * 4, 16 * 5);
  const slots = kernels.put(bytes);
  const table = kernels.alloc(8 * 64);
  kernels.bytes(table, 8 * 64).fill(0);
  expect(kernels.run.join_build(slots, 0, 20, 10, table, 6)).toBe(1);
  const found = kernels.alloc(20);
  kernels.bytes(found, 20).fill(0);
  kernels.run.join_probe(slots, 10, table, 6, kernels.put(bytes.subarray(16 * 4, 16 * 6)), 1, found);
  expect([...kernels.bytes(found, 20).entries()].filter(([, hit]) => hit).map(([i]) => i)).toEqual([4, 15]);
});

test('tags are packed to their width', async () => {
  const kernels = await loadKernels();
  const slots = random(16 * 9);
  const at = kernels.put(slots);
  const out = kernels.alloc(9 * 11 + 16);
  kernels.run.pack_tags(at, 9, 11, out);
  expect(slotsOf(kernels.bytes(out, 99), 11)).toEqual(slotsOf(slots, 16).map((slot) => slot.slice(0, 22)));
  const back = kernels.alloc(16 * 9);
  kernels.run.unpack_tags(out, 9, 11, back);
  expect(slotsOf(kernels.bytes(back, 144), 16)).toEqual(
    slotsOf(slots, 16).map((slot) => `${slot.slice(0, 22)}0000000000`),
  );
});

function slotsOf(bytes: Uint8Array, width: number): string[] {
  return Array.from({ length: bytes.length / width }, (_, i) =>
    Buffer.from(bytes.subarray(width * i, width * (i + 1))).toString('hex'),
  );
}

function hasCompiler(): boolean {
  try {
    return execFileSync('clang', ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .includes('version 14.0.6');
  } catch {
    return false;
  }
}

test.each([8, 12] as const)(
  'the stream of %i rounds is ChaCha, the words of four blocks interleaved',
  async (rounds) => {
    const kernels = await loadKernels();
    const key = random(32);
    const size = 4 * 256 + 48;
    const at = kernels.alloc(size);
    kernels.bytes(at, size).fill(0);
    putChaCha(kernels, { key, nonce: 0xfedcba98, rounds }, at, size);
    const stream = kernels.words(at, size / 4).slice();
    const blocks = Array.from({ length: 20 }, (_, counter) => chachaBlock(key, counter, 0xfedcba98, rounds));
    for (const [i, word] of stream.entries()) {
      const [four, within] = [i >> 6, i & 63];
      if (word !== blocks[4 * four + (within & 3)]![within >> 2]) expect.fail(`word ${i}`);
    }
  },
);
