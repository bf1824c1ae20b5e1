/**
 * Snapshots on disk: one Parquet file for each version of a dataset, checked once, read-only, shared by tasks, with the
 * root over its bytes beside it. And the record of each task: what it was prepared on and how its commitment opens.
 * Records are written beside and renamed into place, so that a killed node finds the old one or the new one.
 * @module
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Hash, HexBytes, KeyReport, NodeError, parse, TaskId } from '@2pm/core';
import { merkleRoot } from '@2pm/crypto';
import { z } from 'zod';
import { readRecord, writeRecord } from './durable.ts';

export const Snapshot = z.strictObject({
  contract: z.string(),
  /** SHA-256 of the contract's text. */
  contractHash: Hash,
  /** The source's version. */
  version: z.string(),
  file: z.string(),
  rows: z.number().int().nonnegative(),
  /** Root of the RFC 6962 tree over the SHA-256 of each MiB of the file. */
  root: Hash,
  /** Where each property stood when it was taken; a contract edited later does not move it. */
  columns: z.array(
    z.strictObject({
      property: z.string(),
      source: z.string(),
      physical: z.enum(['boolean', 'integer', 'double', 'decimal', 'date', 'timestamp', 'text', 'binary']),
    }),
  ),
});
export type Snapshot = z.infer<typeof Snapshot>;

export const TaskRecord = z.strictObject({
  taskId: TaskId,
  /** Hash of plan and spec that it was prepared for. */
  request: Hash,
  /** UTC day. */
  day: z.string(),
  salt: HexBytes,
  commitment: Hash,
  snapshots: z.array(z.strictObject({ table: z.string(), snapshot: Snapshot })),
  keys: z.array(KeyReport).default([]),
  released: z.boolean(),
});
export type TaskRecord = z.infer<typeof TaskRecord>;

const CHUNK_BYTES = 1 << 20;

export async function fileRoot(path: string): Promise<Hash> {
  const leaves: Uint8Array[] = [];
  let hash = createHash('sha256');
  let filled = 0;
  for await (const part of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    // A read may return less than a chunk; leaves must not depend on that.
    for (let rest = part as Buffer; rest.length > 0; ) {
      const take = rest.subarray(0, CHUNK_BYTES - filled);
      hash.update(take);
      filled += take.length;
      rest = rest.subarray(take.length);
      if (filled < CHUNK_BYTES) continue;
      leaves.push(hash.digest());
      hash = createHash('sha256');
      filled = 0;
    }
  }
  if (filled > 0) leaves.push(hash.digest());
  return merkleRoot(leaves);
}

export class SnapshotStore {
  readonly #dir: string;
  readonly #tasks = new Map<TaskId, TaskRecord>();
  readonly #snapshots = new Map<string, Snapshot>();
  #loaded: Promise<void> | undefined;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Creates the folders and reads what is there; files of an interrupted snapshot are removed. */
  load(): Promise<void> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  async #load(): Promise<void> {
    for (const folder of ['snapshots', 'tasks']) await mkdir(join(this.#dir, folder), { recursive: true, mode: 0o700 });
    for (const name of await readdir(join(this.#dir, 'tasks'))) {
      if (!name.endsWith('.json')) continue;
      const record = parse(await readRecord(join(this.#dir, 'tasks', name)), TaskRecord, 'a task record');
      this.#tasks.set(record.taskId, record);
    }
    const files = await readdir(join(this.#dir, 'snapshots'));
    for (const name of files.filter((each) => each.endsWith('.json'))) {
      const snapshot = parse(await readRecord(join(this.#dir, 'snapshots', name)), Snapshot, 'a snapshot record');
      this.#snapshots.set(snapshot.file, snapshot);
    }
    for (const name of files.filter((each) => !each.endsWith('.json') && !this.#snapshots.has(each))) {
      await rm(join(this.#dir, 'snapshots', name), { force: true });
    }
  }

  task(taskId: TaskId): TaskRecord | undefined {
    return this.#tasks.get(taskId);
  }

  tasksOn(day: string, contract: string, except: TaskId): number {
    return [...this.#tasks.values()].filter(
      (task) =>
        task.day === day &&
        task.taskId !== except &&
        task.snapshots.some((each) => each.snapshot.contract === contract),
    ).length;
  }

  find(contractHash: Hash, version: string): Snapshot | undefined {
    return [...this.#snapshots.values()].find((each) => each.contractHash === contractHash && each.version === version);
  }

  path(file: string): string {
    return join(this.#dir, 'snapshots', file);
  }

  /** A folder for what a task leaves on this node, made where it is missing. Nothing here removes it. */
  async results(taskId: TaskId): Promise<string> {
    const folder = join(this.#dir, 'results', taskId);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  async keepSnapshot(snapshot: Snapshot): Promise<void> {
    await chmod(this.path(snapshot.file), 0o400);
    await writeRecord(`${this.path(snapshot.file)}.json`, snapshot);
    this.#snapshots.set(snapshot.file, snapshot);
  }

  async keepTask(record: TaskRecord): Promise<void> {
    await writeRecord(join(this.#dir, 'tasks', `${record.taskId}.json`), record);
    this.#tasks.set(record.taskId, record);
  }

  /** @throws {NodeError} `DATA_SNAPSHOT_LOST` when the file is not what was committed to. */
  async expectWhole(snapshot: Snapshot): Promise<void> {
    const root = await fileRoot(this.path(snapshot.file)).catch(() => undefined);
    if (root === snapshot.root) return;
    throw new NodeError('DATA_SNAPSHOT_LOST', 'a snapshot of the data is gone or was altered', {
      fault: 'data',
      fix: 'let the task expire; the next task takes a new snapshot',
      privateDetail: this.path(snapshot.file),
    });
  }

  /** Removes snapshots that no open task uses, but for the newest of each dataset. */
  async sweep(): Promise<void> {
    const used = new Set(
      [...this.#tasks.values()]
        .filter((task) => !task.released)
        .flatMap((task) => task.snapshots.map((each) => each.snapshot.file)),
    );
    const newest = new Map<string, string>();
    for (const snapshot of this.#snapshots.values()) newest.set(snapshot.contract, snapshot.file);
    for (const { file, contract } of [...this.#snapshots.values()]) {
      if (used.has(file) || newest.get(contract) === file) continue;
      this.#snapshots.delete(file);
      await rm(`${this.path(file)}.json`, { force: true });
      await rm(this.path(file), { force: true });
    }
  }
}
