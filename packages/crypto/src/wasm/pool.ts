/** Instances of the kernels used again by one run after another, because fresh pages cost more than they hold. @module */
import { type Kernels, loadKernels } from './kernels.ts';

/**
 * Lends an instance to one run at a time and takes it back when the run has ended, well or not. What a run leaves in the
 * memory stays there, secrets included, until a later run writes over it or the pool is dropped: keep a pool for runs of
 * one owner. No kernel reads memory that its own run has not written.
 */
export class KernelPool {
  readonly #idle: Kernels[] = [];
  readonly #keepBytes: number;

  /** `keepBytes`: most memory of all instances that wait for a run; what would exceed it is dropped. */
  constructor(keepBytes = Number.POSITIVE_INFINITY) {
    this.#keepBytes = keepBytes;
  }

  async use<T>(run: (kernels: Kernels) => Promise<T>): Promise<T> {
    const kernels = this.#idle.pop() ?? (await loadKernels());
    const mark = kernels.mark();
    try {
      return await run(kernels);
    } finally {
      kernels.release(mark);
      const kept = this.#idle.reduce((sum, { size }) => sum + size, kernels.size);
      if (kept <= this.#keepBytes) this.#idle.push(kernels);
    }
  }
}
