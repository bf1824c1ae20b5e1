/** Stores whose values follow from something other than the keys' hashes: programmed functions. @module */
import type { Kernels } from '../wasm/kernels.ts';
import { ROW_BYTES, type Rows } from './okvs.ts';

/** The index of each row's item, in the order of `okvsDecode`. */
export function okvsOrder(kernels: Kernels, { parameters, indices, counts }: Rows): Uint32Array {
  const order = new Uint32Array(counts.reduce((sum, count) => sum + count, 0));
  let done = 0;
  for (const [bin, count] of counts.entries()) {
    order.set(kernels.words(indices + 4 * bin * parameters.binCapacity, count), done);
    done += count;
  }
  return order;
}

/**
 * Gives the rows the blocks at `values`, in the order of `okvsDecode`, for `okvsEncode` to store. The vector is then
 * uniform, free columns included, if the values are: it shows neither keys nor their number, also to who can read some.
 */
export function okvsAssign(kernels: Kernels, { at, parameters, counts }: Rows, values: number): void {
  const words = ROW_BYTES / 4;
  let done = 0;
  for (const [bin, count] of counts.entries()) {
    const rows = kernels.words(at + ROW_BYTES * bin * parameters.binCapacity, words * count);
    const from = kernels.words(values + 16 * done, 4 * count);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < 4; k++) rows[words * i + k] = from[4 * i + k]!;
    }
    done += count;
  }
}
