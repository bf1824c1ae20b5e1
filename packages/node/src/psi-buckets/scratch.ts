/**
 * Where intersections too large for memory keep their cuts until their task has ended: a folder a task below one of the node,
 * a folder a session in it. Readable by the owner alone; an attempt that comes later goes on with what is there.
 * @module
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bucketsCard, type IntersectionRequest, intersectionCost, type SetSizes } from '@2pm/psi';

export interface ScratchOptions {
  dir: string;
  /** Beyond that sets are cut into files; each party decides for itself. */
  memoryBytes: number;
}

/** Bytes of an item that waits in memory for its bucket. */
const RECORD_BYTES = 20;

/** The folder for a run, or undefined where it fits into memory, or cannot be resumed. */
export function scratchOf({ dir, memoryBytes }: ScratchOptions, request: IntersectionRequest, sizes?: SetSizes) {
  const { resume, parties, receiver, security, payloadBytes } = request;
  if (resume === undefined || payloadBytes !== undefined || !/^0x[0-9a-f]+$/.test(resume.task)) return undefined;
  const capacities = parties.map(({ capacity }) => capacity);
  const cost = intersectionCost(capacities, receiver, security, 0, sizes);
  if (cost.card.id !== bucketsCard.id) return undefined;
  const own = parties.find(({ channel }) => channel === undefined)?.capacity ?? 0;
  return cost.memoryBytes + RECORD_BYTES * own > memoryBytes ? join(dir, resume.task, resume.sid) : undefined;
}

/** Removes the folders of all other tasks. */
export async function retainScratch({ dir }: ScratchOptions, tasks: readonly string[]): Promise<void> {
  const there = await readdir(dir).catch(() => []);
  const gone = there.filter((name) => !tasks.includes(name));
  await Promise.all(gone.map((name) => rm(join(dir, name), { recursive: true, force: true })));
}
