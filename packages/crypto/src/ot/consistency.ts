/**
 * Shows to the sender of an OT extension that the receiver used the same choices in all 128 columns.
 *
 * Construction: the consistency check of SoftSpokenOT (Roy, CRYPTO 2022, eprint 2022/192) for the repetition code and
 * k = 1, that is for the columns of IKNP: each column is hashed by itself, with one linear universal hash, and the sender
 * compares every column, q̃_i = t̃_i ⊕ Δ_i·x̃. It takes the place of the check of Keller, Orsini and Scholl (CRYPTO 2015),
 * which hashes rows and whose proof Roy shows to be wrong.
 * What is proved: a receiver that used other choices x_i in some columns passes only if it guessed Δ_i in each of them;
 * two columns with different choices have equal hashes with probability at most ℓ/2^128, ℓ the blocks of a column. So it
 * learns c bits of Δ with probability 2^-c and is refused otherwise, and that is all its cheating gives: what uses Δ has
 * to bear this selective failure. The outputs are those of the choices in the other columns.
 * Hash: polynomial over GF(2^128); the last block of choices is random and hides the others.
 * The point is a hash of what the columns depend on (Fiat-Shamir, random-oracle model), so it costs no round: a receiver
 * that tries q points gains a factor q on ℓ/2^128.
 * Bytes: `PROOF_BYTES` from the receiver. Leakage: none but the selective failure above.
 * @module
 */
import { equalBytes, NodeError, sha256Bytes } from '@2pm/core';
import type { Kernels } from '../wasm/kernels.ts';
import { BASE_COUNT } from './extension.ts';

/** Choices to append, drawn at random, so that the hash of the others is hidden. */
export const MASK_BYTES = 16;
export const PROOF_BYTES = 16 * (BASE_COUNT + 1);

export interface Columns {
  /** Address of the 128 columns, side by side; the receiver's choices stand behind them as one more. */
  at: number;
  /** Bytes of a column, a multiple of 16. */
  bytes: number;
  /** Digest of session, base transfers and correction. */
  binding: Uint8Array;
}

/** The hashes of the 128 columns and of the choices. */
export function proveConsistency(kernels: Kernels, columns: Columns): Uint8Array {
  return hashColumns(kernels, columns, BASE_COUNT + 1);
}

/** @throws {NodeError} `OT_INCONSISTENT`: the receiver cheats, or the two had different base transfers. */
export function checkConsistency(kernels: Kernels, columns: Columns, delta: Uint8Array, proof: Uint8Array): void {
  const own = hashColumns(kernels, columns, BASE_COUNT);
  const choices = proof.subarray(16 * BASE_COUNT);
  for (let i = 0; i < BASE_COUNT; i++) {
    const bit = (delta[i >> 3]! >> (i & 7)) & 1;
    for (let byte = 0; byte < 16; byte++) own[16 * i + byte]! ^= proof[16 * i + byte]! ^ (choices[byte]! & -bit);
  }
  if (!equalBytes(own, new Uint8Array(own.length))) {
    throw new NodeError('OT_INCONSISTENT', 'the receiver of the transfers did not make the same choices throughout', {
      fault: 'peer',
      fix: 'Do not compute with this peer before you know why: another try gives it another guess at a secret.',
    });
  }
}

function hashColumns(kernels: Kernels, { at, bytes, binding }: Columns, count: number): Uint8Array {
  const mark = kernels.mark();
  const tablesOf = (factor: Uint8Array) => {
    const tables = kernels.alloc(8192);
    kernels.run.gf_tables(kernels.put(factor), tables);
    return tables;
  };
  const one = new Uint8Array(16);
  one[0] = 1;
  const point = sha256Bytes(new TextEncoder().encode('2pm/ot/consistency/1\0'), binding).subarray(0, 16);
  const [byPoint, byOne] = [tablesOf(point), tablesOf(one)];
  let [sums, next] = [kernels.put(new Uint8Array(16 * count)), kernels.alloc(16 * count)];
  // Horner's rule: the mask, last, has weight 1.
  for (let offset = 0; offset < bytes; offset += 16) {
    kernels.run.gf_multiply(byPoint, sums, 16, next, count, 0);
    kernels.run.gf_multiply(byOne, at + offset, bytes, next, count, 1);
    [sums, next] = [next, sums];
  }
  const result = kernels.bytes(sums, 16 * count).slice();
  kernels.release(mark);
  return result;
}
