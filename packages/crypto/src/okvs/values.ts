/** Stores whose values follow from something other than the keys' hashes: programmed functions. @module */
import type { Kernels } from '../wasm/kernels.ts';
import { ROW_BYTES, type Rows } from './okvs.ts';

const ROW_WORDS = ROW_BYTES / 4;

/** Copies the values of the rows to the blocks at `out`, in the order of `okvsDecode`. */
export function okvsValues(kernels: Kernels, rows: Rows, out: number): void {
  eachBin(rows, (at, done, count) => {
    const from = kernels.words(at, ROW_WORDS * count);
    const to = kernels.words(out + 16 * done, 4 * count);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < 4; k++) to[4 * i + k] = from[ROW_WORDS * i + k]!;
    }
  });
}

/**
 * Gives the rows the blocks at `values`, in the order of `okvsDecode`, for `okvsEncode` to store. The vector is then
 * uniform, free columns included, if the values are: it shows neither keys nor their number, also to who can read some.
 */
export function okvsAssign(kernels: Kernels, rows: Rows, values: number): void {
  eachBin(rows, (at, done, count) => {
    const to = kernels.words(at, ROW_WORDS * count);
    const from = kernels.words(values + 16 * done, 4 * count);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < 4; k++) to[ROW_WORDS * i + k] = from[4 * i + k]!;
    }
  });
}

/** The index of each row's item, in the order of `okvsDecode`. */
export function okvsOrder(kernels: Kernels, rows: Rows): Uint32Array {
  const order = new Uint32Array(rows.counts.reduce((sum, count) => sum + count, 0));
  let bin = 0;
  eachBin(rows, (_, done, count) => {
    order.set(kernels.words(rows.indices + 4 * bin++ * rows.parameters.binCapacity, count), done);
  });
  return order;
}

function eachBin({ at, parameters, counts }: Rows, visit: (at: number, done: number, count: number) => void): void {
  let done = 0;
  for (const [bin, count] of counts.entries()) {
    visit(at + ROW_BYTES * bin * parameters.binCapacity, done, count);
    done += count;
  }
}
