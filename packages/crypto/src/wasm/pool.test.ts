import { expect, test } from 'vitest';
import type { Kernels } from './kernels.ts';
import { KernelPool } from './pool.ts';

test('runs one after another share an instance, all its memory free again, also after one that failed', async () => {
  const pool = new KernelPool();
  const seen: [Kernels, number][] = [];
  const run = async (kernels: Kernels) => {
    seen.push([kernels, kernels.alloc(100)]);
  };
  await pool.use(run);
  const failed = pool.use(async (kernels) => {
    await run(kernels);
    throw new Error('no');
  });
  await expect(failed).rejects.toThrow('no');
  await pool.use(run);
  expect(seen[1]).toEqual(seen[0]);
  expect(seen[2]).toEqual(seen[0]);
});

test('runs at the same time have an instance each', async () => {
  const pool = new KernelPool();
  const both = await Promise.all([1, 2].map(() => pool.use(async (kernels) => kernels)));
  expect(both[0]).not.toBe(both[1]);
});

test('memory that was made resident once stays so, and keeps what is written', async () => {
  const pool = new KernelPool();
  for (let run = 0; run < 2; run++) {
    await pool.use(async (kernels) => {
      const kept = kernels.put(Uint8Array.of(1, 2, 3));
      kernels.reserve(run === 0 ? 2 ** 20 : 2 ** 21);
      expect([...kernels.bytes(kept, 3)]).toEqual([1, 2, 3]);
      const free = kernels.alloc(2 ** 20);
      expect(free).toBeGreaterThanOrEqual(kept + 3);
    });
  }
});

test('a pool keeps no more memory than it may', async () => {
  const pool = new KernelPool(2 ** 22);
  const run = (bytes: number) =>
    pool.use(async (kernels) => {
      kernels.alloc(bytes);
      return kernels;
    });
  const small = await run(2 ** 16);
  expect(await run(2 ** 23)).toBe(small);
  expect(small.size).toBeGreaterThan(2 ** 22);
  expect(await run(2 ** 16)).not.toBe(small);
});
