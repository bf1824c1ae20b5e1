/**
 * What private reveals have used up of each dataset: one record a task, written before the first row is read for it, never
 * changed and never removed, whatever becomes of the task. Sequential composition alone (McSherry, SIGMOD 2009, §3): the ε of all
 * records of a dataset add up, over all versions of its contract, whose id is what counts.
 * @module
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Hash, NodeError, parse, TaskId } from '@2pm/core';
import { z } from 'zod';
import { readRecord, writeRecord } from './durable.ts';

const Charge = z.strictObject({
  taskId: TaskId,
  /** Hash of plan and spec that it was charged for. */
  request: Hash,
  /** Millionths of ε by contract id. */
  epsilonMicros: z.record(z.string(), z.number().int().positive()),
});
export type Charge = z.infer<typeof Charge>;

export class Budget {
  readonly #dir: string;
  readonly #charges = new Map<TaskId, Charge>();
  #loaded: Promise<void> | undefined;

  /** `dir`: the holder's data folder. */
  constructor(dir: string) {
    this.#dir = join(dir, 'budget');
  }

  load(): Promise<void> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  async #load(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#dir)) {
      if (!name.endsWith('.json')) continue;
      const charge = parse(await readRecord(join(this.#dir, name)), Charge, 'a charge to the privacy budget');
      this.#charges.set(charge.taskId, charge);
    }
  }

  /** Millionths of ε that tasks took from a dataset, but for one. */
  spent(contract: string, except?: TaskId): number {
    return [...this.#charges.values()]
      .filter(({ taskId }) => taskId !== except)
      .reduce((sum, { epsilonMicros }) => sum + (epsilonMicros[contract] ?? 0), 0);
  }

  /**
   * Durable when it returns. A task is charged once, however often this is called.
   * @throws {NodeError} `DATA_OTHER_TASK` where it was charged for another plan or spec.
   */
  async charge(charge: Charge): Promise<void> {
    const known = this.#charges.get(charge.taskId);
    if (known !== undefined && known.request !== charge.request) {
      throw new NodeError('DATA_OTHER_TASK', 'another plan or spec was charged for under this task id', {
        fault: 'caller',
      });
    }
    if (known !== undefined || Object.keys(charge.epsilonMicros).length === 0) return;
    await writeRecord(join(this.#dir, `${charge.taskId}.json`), charge);
    this.#charges.set(charge.taskId, charge);
  }
}
