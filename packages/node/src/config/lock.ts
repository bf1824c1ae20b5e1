/**
 * One process a directory. The lock is a file lock that SQLite takes and the kernel drops when the process ends, however
 * it ends: a killed node leaves nothing stale behind, and a reused process id deceives nobody.
 * @module
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NodeError } from '@2pm/core';
import Database from 'libsql';
import { z } from 'zod';
import type { Layout } from './layout.ts';

const RunningNode = z.object({ pid: z.number().int(), api: z.string().optional() });
/** Which process holds a directory and where its API answers; for messages and the command line. */
export type RunningNode = z.infer<typeof RunningNode>;

export interface DirectoryLock extends Disposable {
  /** Tells the command line where the API answers. */
  announce(api: string): void;
}

const runningFile = ({ state }: Layout) => join(state, 'running.json');

/** @throws {NodeError} `CONFIG_DIRECTORY_IN_USE`. */
export function lockDirectory(places: Layout, pid: number): DirectoryLock {
  mkdirSync(places.state, { recursive: true, mode: 0o700 });
  const database = new Database(join(places.state, 'lock'), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch {
    database.close();
    const holder = readRunning(places);
    throw new NodeError(
      'CONFIG_DIRECTORY_IN_USE',
      `a node is already running in ${places.dir}${holder === undefined ? '' : ` (process ${holder.pid})`}`,
      { fault: 'caller', fix: 'use that one, stop it, or give this one a directory of its own with --dir' },
    );
  }
  const write = (running: RunningNode) => writeFileSync(runningFile(places), JSON.stringify(running), { mode: 0o600 });
  write({ pid });
  return {
    announce: (api) => write({ pid, api }),
    [Symbol.dispose]() {
      rmSync(runningFile(places), { force: true });
      database.close();
    },
  };
}

/** What the last process to hold the directory said; it may have been killed since. */
export function readRunning(places: Layout): RunningNode | undefined {
  try {
    return RunningNode.parse(JSON.parse(readFileSync(runningFile(places), 'utf8')));
  } catch {
    return undefined;
  }
}
