/** Small records in files: written whole and synced, or not there at all. @module */
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { NodeError } from '@2pm/core';

/** Durable when it returns. */
export async function writeRecord(path: string, value: unknown): Promise<void> {
  const handle = await open(`${path}.new`, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(value));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  const folder = await open(join(path, '..'), 'r');
  await folder.sync().finally(() => folder.close());
}

/** @throws {NodeError} `DATA_RECORD_CORRUPT`. */
export async function readRecord(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new NodeError('DATA_RECORD_CORRUPT', 'a record of the data folder is damaged', {
      fault: 'node',
      fix: 'restore the folder; without the damaged file named in the log, what it records is forgotten',
      privateDetail: `${path}: ${String(cause)}`,
    });
  }
}
