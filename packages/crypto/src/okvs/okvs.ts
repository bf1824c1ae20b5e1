/**
 * Oblivious key-value store: a vector from which each stored key decodes to its value, and which hides the keys when
 * the values are random.
 *
 * Construction: Raghuraman and Rindal (CCS 2022, §3), w = 3, clustered into bins, binary dense columns. A row has three
 * sparse columns and a dense mask; peeling orders all rows but a small gap, whose binary system fixes the dense
 * columns; all free columns are random. The rows of the gap meet no column that peeling assigned, so the gap's system
 * involves the dense columns alone.
 * Keys are 16-byte items; their rows, and the values stored, come from one keyed BLAKE3 call: value = first 16 bytes.
 * Corruption model: none of its own; the key must be drawn after the items are fixed. Rounds and bytes: the caller's.
 * Leakage: addresses follow the items; the vector hides the keys as long as whoever has it cannot tell values from random.
 * Failure: for a random key about 2^-40 for each of two events, a bin that overflows (an exact bound) and a gap beyond
 * the dense columns (the paper's fit to experiments, not a proof).
 * Deviations: each bin is held to 40 + log2(bins) bits, the published code to 40; columns come from 32-bit words, with a
 * relative bias below 2^-16; what is free comes from ChaCha12.
 * @module
 */
import { NodeError, type Rng } from '@2pm/core';
import { type Kernels, putChaCha } from '../wasm/kernels.ts';
import { type OkvsParameters, okvsLength } from './parameters.ts';

/** Bytes of a row: value, dense mask, three columns. */
export const ROW_BYTES = 36;

export interface Rows {
  parameters: OkvsParameters;
  /** Address of the rows; bin b begins at row b · binCapacity. */
  at: number;
  /** Address of 32-bit words: beside each row the index of its item. */
  indices: number;
  /** Items by bin. */
  counts: Uint32Array;
}

const CHUNK = 16_384;

/**
 * Hashes `items` (16 bytes each) into rows under `key` (32 bytes).
 * @throws {NodeError} `OKVS_FAILED` when a bin overflows.
 */
export function okvsRows(kernels: Kernels, parameters: OkvsParameters, key: Uint8Array, items: Uint8Array): Rows {
  const { bins, binCapacity, sparse, dense } = parameters;
  const at = kernels.alloc(ROW_BYTES * bins * binCapacity);
  const indices = kernels.alloc(4 * bins * binCapacity);
  const mark = kernels.mark();
  const [keyAt, counts, buffer] = [kernels.put(key), kernels.alloc(4 * bins), kernels.alloc(16 * CHUNK)];
  kernels.words(counts, bins).fill(0);
  for (let offset = 0; offset < items.length; offset += 16 * CHUNK) {
    const chunk = items.subarray(offset, offset + 16 * CHUNK);
    kernels.bytes(buffer, chunk.length).set(chunk);
    const real = chunk.length / 16;
    const n = Math.ceil(real / 4) * 4;
    const first = offset / 16;
    if (kernels.run.okvs_rows(keyAt, buffer, n, real, first, bins, binCapacity, sparse, dense, at, indices, counts)) {
      throw okvsFailed('a bin overflows');
    }
  }
  const result = { parameters, at, indices, counts: kernels.words(counts, bins).slice() };
  kernels.release(mark);
  return result;
}

/**
 * Encodes row → its value. Returns the address of `okvsLength` blocks, with room for `room` blocks in all.
 * @throws {NodeError} `OKVS_FAILED` (start again with a new key) and `OKVS_DUPLICATE_KEY`.
 */
export function okvsEncode(kernels: Kernels, rng: Rng, rows: Rows, room: number = okvsLength(rows.parameters)): number {
  const { bins, binCapacity, sparse, dense } = rows.parameters;
  const vector = kernels.alloc(16 * room);
  const mark = kernels.mark();
  const scratch = kernels.alloc(kernels.run.okvs_scratch(binCapacity, sparse));
  const seed = rng.fill(new Uint8Array(32));
  for (let bin = 0; bin < bins; bin++) {
    const at = vector + 16 * bin * (sparse + dense);
    const size = 16 * (sparse + dense);
    putChaCha(kernels, { key: seed, nonce: bin, rounds: 12 }, at, size);
    const from = rows.at + ROW_BYTES * bin * binCapacity;
    const gap = kernels.run.okvs_encode(from, rows.counts[bin]!, sparse, dense, at, scratch);
    if (gap === -2) throw new NodeError('OKVS_DUPLICATE_KEY', 'a key is stored twice', { fault: 'caller' });
    if (gap < 0) throw okvsFailed('the gap system has no solution');
  }
  kernels.release(mark);
  return vector;
}

/** XORs the decoding of every row into the blocks at `out`: bins side by side, `counts[b]` blocks each. */
export function okvsDecode(kernels: Kernels, rows: Rows, vector: number, out: number): void {
  const { bins, binCapacity, sparse, dense } = rows.parameters;
  const mark = kernels.mark();
  const scratch = kernels.alloc(kernels.run.okvs_scratch(0, 0));
  let done = 0;
  for (let bin = 0; bin < bins; bin++) {
    const count = rows.counts[bin]!;
    const from = rows.at + ROW_BYTES * bin * binCapacity;
    const at = vector + 16 * bin * (sparse + dense);
    kernels.run.okvs_decode(from, count, sparse, dense, at, out + 16 * done, scratch);
    done += count;
  }
  kernels.release(mark);
}

/** From marks in the order of `okvsDecode` to the ascending indices, below `items`, of the marked rows. */
export function okvsMarked(kernels: Kernels, rows: Rows, marks: number, items: number): Uint32Array {
  const mark = kernels.mark();
  const hit = kernels.alloc(items);
  kernels.bytes(hit, items).fill(0);
  let done = 0;
  for (const [bin, count] of rows.counts.entries()) {
    kernels.run.okvs_hits(rows.indices + 4 * bin * rows.parameters.binCapacity, count, marks + done, items, hit);
    done += count;
  }
  const indices = new Uint32Array(items);
  let found = 0;
  const hits = kernels.bytes(hit, items);
  for (let index = 0; index < items; index++) if (hits[index] === 1) indices[found++] = index;
  kernels.release(mark);
  return indices.slice(0, found);
}

function okvsFailed(why: string): NodeError {
  return new NodeError('OKVS_FAILED', `the store cannot be built: ${why}`, {
    fault: 'node',
    retryable: true,
    fix: 'Start a new session. Distinct keys fail again with probability below 2^-40; look for keys that come twice.',
  });
}
