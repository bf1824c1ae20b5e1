/** A source file held still: any change between opening it and having read it is an error, not a mixture. @module */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath, rm, stat } from 'node:fs/promises';
import { NodeError } from '@2pm/core';

/** The file behind a path, links resolved. @throws {NodeError} `DATA_SOURCE_MISSING`, `DATA_SOURCE_NOT_A_FILE`, `DATA_SOURCE_EMPTY`. */
export async function resolveFile(path: string): Promise<string> {
  let real: string;
  try {
    real = await realpath(path);
    const facts = await stat(real);
    if (!facts.isFile()) throw unusable('NOT_A_FILE', 'the data source is not a file', path);
    if (facts.size === 0) throw unusable('EMPTY', 'the data source is an empty file', path);
  } catch (cause) {
    if (cause instanceof NodeError) throw cause;
    throw unusable('MISSING', 'the file of the data source is missing or may not be read', `${path}: ${String(cause)}`);
  }
  return real;
}

function unusable(reason: string, message: string, detail: string): NodeError {
  return new NodeError(`DATA_SOURCE_${reason}`, message, {
    fault: 'data',
    fix: 'check the path in the servers block of the dataset contract',
    privateDetail: detail,
  });
}

/** Size, time of change, inode and link target: equal means unchanged. */
export async function fileVersion(path: string): Promise<string> {
  const real = await resolveFile(path);
  const { ino, dev, size, mtimeNs, ctimeNs } = await stat(real, { bigint: true });
  return `${dev}-${ino}-${size}-${mtimeNs}-${ctimeNs}`;
}

/**
 * Runs `read`, which writes `target`, on the resolved file; after any failure there is no target.
 * @throws {NodeError} `DATA_SOURCE_CHANGED` when the file is not the same afterwards.
 */
export async function readStill<T>(
  path: string,
  target: string,
  signal: AbortSignal | undefined,
  read: (file: string) => Promise<T>,
): Promise<{ value: T; version: string }> {
  const version = await fileVersion(path);
  const file = await resolveFile(path);
  try {
    const before = await hashFile(file, signal);
    const value = await read(file);
    if ((await fileVersion(path)) !== version || (await hashFile(file, signal)) !== before) throw changed();
    return { value, version };
  } catch (error) {
    await rm(target, { force: true });
    signal?.throwIfAborted();
    // A reader that trips over a change reports the change.
    if ((await fileVersion(path).catch(() => '')) !== version) throw changed();
    throw error;
  }
}

function changed(): NodeError {
  return new NodeError('DATA_SOURCE_CHANGED', 'the data source changed while it was read', {
    fault: 'data',
    retryable: true,
    fix: 'replace data files by renaming a finished file into place',
  });
}

async function hashFile(file: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  const options = { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) };
  for await (const bytes of createReadStream(file, options)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}
