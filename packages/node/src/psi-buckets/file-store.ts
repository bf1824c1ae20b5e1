/**
 * A `BucketStore` in files, one directory a session: `cut/NUMBER` holds the records of a bucket, `seal` says that they are
 * complete, `results/NUMBER` what a bucket gave. Readable by the owner alone; the records are the set itself. For one
 * process at a time.
 * @module
 */
import { appendFile, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BucketStore } from '@2pm/psi';

const OWNER = { mode: 0o600 };

export function fileBucketStore(dir: string): BucketStore {
  const [cut, results, seal] = [join(dir, 'cut'), join(dir, 'results'), join(dir, 'seal')];
  return {
    sealed: () => contents(seal),
    async clear() {
      // First the seal: an unsealed cut counts for nothing, however much of it is left.
      await rm(seal, { force: true });
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await sync(dir);
      for (const folder of [cut, results]) {
        await rm(folder, { recursive: true, force: true });
        await mkdir(folder, { mode: 0o700 });
      }
    },
    append: (bucket, records) => appendFile(join(cut, `${bucket}`), records, OWNER),
    async seal(bytes) {
      for (const name of await readdir(cut)) await sync(join(cut, name));
      await sync(cut);
      await writeWhole(dir, 'seal', bytes);
    },
    read: async (bucket) => (await contents(join(cut, `${bucket}`))) ?? new Uint8Array(),
    putResult: (bucket, result) => writeWhole(results, `${bucket}`, result),
    result: (bucket) => contents(join(results, `${bucket}`)),
    async finished() {
      const names = await readdir(results).catch(absent);
      return (names ?? [])
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .sort((a, b) => a - b);
    },
  };
}

/** There in full and durable once resolved, whatever happens in between. */
async function writeWhole(dir: string, name: string, bytes: Uint8Array): Promise<void> {
  const partial = join(dir, `${name}.partial`);
  const file = await open(partial, 'w', OWNER.mode);
  try {
    await file.writeFile(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(partial, join(dir, name));
  await sync(dir);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function contents(path: string): Promise<Uint8Array | undefined> {
  const bytes = await readFile(path).catch(absent);
  return bytes === undefined ? undefined : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
