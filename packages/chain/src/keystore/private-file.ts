/** Files that nobody but their owner may read. @module */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { NodeError } from '@2pm/core';

/** Whole or not at all, durable on return, mode 0600, in a directory of mode 0700. */
export function writePrivateFile(path: string, content: Uint8Array | string): void {
  const dir = dirname(path);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    // The mode of `open` is ignored for a file that a crash left behind.
    chmodSync(temporary, 0o600);
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** @throws {NodeError} `KEYSTORE_NOT_FOUND`, `KEYSTORE_PERMISSIONS` when group or others may read or write it. */
export function readPrivateFile(path: string): Uint8Array {
  let mode: number;
  try {
    mode = statSync(path).mode;
  } catch (cause) {
    throw new NodeError('KEYSTORE_NOT_FOUND', 'there is no key file where one is expected', {
      fault: 'caller',
      privateDetail: path,
      fix: 'Create the node first, or name the right directory.',
      cause,
    });
  }
  // Windows keeps access rights elsewhere and reports 0666 for everything.
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new NodeError('KEYSTORE_PERMISSIONS', 'a key file is open to other users of this machine', {
      fault: 'caller',
      privateDetail: `${path} has mode ${(mode & 0o777).toString(8)}`,
      fix: `Run chmod 600 ${path}, and consider the keys in it known to those users.`,
    });
  }
  return new Uint8Array(readFileSync(path));
}
