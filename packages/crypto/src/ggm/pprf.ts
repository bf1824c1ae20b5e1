/**
 * Puncturable PRF of Goldreich, Goldwasser and Micali for many trees at once: the sender knows all leaves, the receiver
 * all but one in each tree, and the sender does not learn which.
 *
 * Construction: GGM trees with children AES_{k_b}(s) ⊕ s under two fixed keys (random oracle: ideal cipher); puncturing
 * by one transfer a level (Boyle et al., CCS 2019). Trees are expanded together, level by level.
 * Layout: node ℓ of tree j stands at ℓ·trees + j, and node ℓ of a level has children ℓ and ℓ + (nodes of the level), so
 * that bit i of a leaf's number is the branch taken at level i. The last level is cut off at `leaves`.
 * Corruption model: semi-honest. The receiver's memory accesses follow its secret points.
 * @module
 */
import { type CryptoProvider, sha256Bytes } from '@2pm/core';
import type { Kernels } from '../wasm/kernels.ts';

export interface Forest {
  trees: number;
  /** Leaves a tree, at least 2. */
  leaves: number;
}

export function depthOf(forest: Forest): number {
  return Math.ceil(Math.log2(forest.leaves));
}

/** Blocks of the sums of left children, then of right children, of one level: one a tree each. */
export type LevelSums = [left: Uint8Array, right: Uint8Array];

const CHUNK = 4_096;
const FIXED_KEYS = [0, 1].map((bit) => sha256Bytes(new TextEncoder().encode(`2pm/ggm/${bit}/1`)).subarray(0, 16)) as [
  Uint8Array,
  Uint8Array,
];

/** Expands `seeds` (a block a tree) into the leaves at `out`; returns the sums of every level. */
export function expandForest(
  kernels: Kernels,
  crypto: CryptoProvider,
  forest: Forest,
  seeds: Uint8Array,
  out: number,
): LevelSums[] {
  kernels.bytes(out, 16 * forest.trees).set(seeds);
  return Array.from({ length: depthOf(forest) }, (_, level) => expandLevel(kernels, crypto, forest, level, out));
}

/**
 * The receiver's side: rebuilds all leaves but number `points[j]` of tree j, which becomes zero.
 * `known(level)` gives for each tree the sum of the children on the side off its path at that level.
 * Returns for each tree the sum of its leaves but the missing one.
 */
export function expandPunctured(
  kernels: Kernels,
  crypto: CryptoProvider,
  forest: Forest,
  points: ArrayLike<number>,
  known: (level: number) => Uint8Array,
  out: number,
): Uint8Array {
  const { trees, leaves } = forest;
  const totals = new Uint8Array(16 * trees);
  kernels.bytes(out, 16 * trees).fill(0);
  for (let level = 0; level < depthOf(forest); level++) {
    const sums = expandLevel(kernels, crypto, forest, level, out);
    const parents = 2 ** level;
    const received = known(level);
    const nodes = kernels.bytes(out, 16 * trees * Math.min(2 * parents, leaves));
    for (let j = 0; j < trees; j++) {
      const point = points[j]! % parents;
      const side = (points[j]! >> level) & 1;
      const path = point + side * parents;
      const sibling = point + (1 - side) * parents;
      if (path < leaves) {
        const at = 16 * (path * trees + j);
        for (let k = 0; k < 16; k++) {
          totals[16 * j + k] = sums[side]![16 * j + k]! ^ nodes[at + k]! ^ received[16 * j + k]!;
        }
        nodes.fill(0, at, at + 16);
      }
      if (sibling >= leaves) continue;
      // The sum holds the worthless child of the unknown parent; it cancels out, and what is left is the sibling.
      const at = 16 * (sibling * trees + j);
      for (let k = 0; k < 16; k++) nodes[at + k]! ^= sums[1 - side]![16 * j + k]! ^ received[16 * j + k]!;
    }
  }
  return totals;
}

function expandLevel(
  kernels: Kernels,
  crypto: CryptoProvider,
  forest: Forest,
  level: number,
  nodes: number,
): LevelSums {
  const { trees, leaves } = forest;
  const parents = 2 ** level * trees;
  const rights = Math.min(parents, leaves * trees - parents);
  const mark = kernels.mark();
  const chunk = Math.max(trees, Math.floor(CHUNK / trees) * trees);
  const size = 16 * Math.min(chunk, parents);
  const [left, right, sums] = [kernels.alloc(size), kernels.alloc(size), kernels.alloc(32 * trees)];
  kernels.bytes(sums, 32 * trees).fill(0);
  for (let at = 0; at < parents; at += chunk) {
    const count = Math.min(chunk, parents - at);
    const rightCount = Math.max(0, Math.min(count, rights - at));
    const from = nodes + 16 * at;
    kernels.bytes(left, 16 * count).set(crypto.aes128Ecb(FIXED_KEYS[0], kernels.bytes(from, 16 * count)));
    if (rightCount > 0) {
      kernels.bytes(right, 16 * rightCount).set(crypto.aes128Ecb(FIXED_KEYS[1], kernels.bytes(from, 16 * rightCount)));
    }
    const to = nodes + 16 * (parents + at);
    kernels.run.ggm_level(from, left, right, to, count, rightCount, trees, sums, sums + 16 * trees);
  }
  const both = kernels.bytes(sums, 32 * trees).slice();
  kernels.release(mark);
  return [both.subarray(0, 16 * trees), both.subarray(16 * trees)];
}
