/**
 * Puncturable PRF of Goldreich, Goldwasser and Micali for many trees at once: the sender knows all leaves, the receiver
 * all but one in each tree, and the sender does not learn which.
 *
 * Construction: GGM trees of arity four; the children of a node are one ChaCha12 block under the node as 128-bit key,
 * with place and session as nonce. Puncturing by the sums of the children 0 … 3 of a level, of which the receiver gets
 * all but the one on its path (Boyle et al., CCS 2019). Trees are expanded together, level by level.
 * Layout: node i of tree j stands at i·trees + j; child b of node i is node b·(nodes of the level) + i, where it exists.
 * A level has a quarter of the nodes of the next, rounded up, so no work goes into leaves that are cut off.
 * A node's key is secret and serves for one block alone, so its nonce need not be unique for security; that it is within
 * a session (level, place, tree) and hardly ever repeats between sessions keeps guesses at many keys at once from paying.
 * Corruption model: semi-honest. Rounds and bytes: the caller's; what travels is 4 sums of 16 bytes a level and tree.
 * Leakage: none beyond the outputs; the receiver's memory accesses follow its secret points.
 * Deviations: arity four; ChaCha12, eight rounds short of RFC 8439, with a 128-bit key, in place of two fixed-key AES
 * calls a node, because AES outside WebAssembly costs more in copies.
 * @module
 */
import { type Kernels, pieces } from '../wasm/kernels.ts';

export interface Forest {
  /** A multiple of 4. */
  trees: number;
  /** Leaves a tree, at least 2. */
  leaves: number;
  /** 32 bits of the session: few sessions share the nonces of their nodes, so guesses at one key seldom serve for two. */
  tweak: number;
}

export const ARITY = 4;

/** Nodes of a tree at each level, root first. */
export function levelSizes({ leaves }: Pick<Forest, 'leaves'>): number[] {
  const sizes = [leaves];
  while (sizes[0]! > 1) sizes.unshift(Math.ceil(sizes[0]! / ARITY));
  return sizes;
}

export function depthOf(forest: Pick<Forest, 'leaves'>): number {
  return levelSizes(forest).length - 1;
}

/** The branches taken from the root to leaf number `point`. */
export function pathOf(forest: Pick<Forest, 'leaves'>, point: number): number[] {
  const path: number[] = [];
  let node = point;
  for (const parents of levelSizes(forest).slice(0, -1).reverse()) {
    path.unshift(Math.floor(node / parents));
    node %= parents;
  }
  return path;
}

/** Expands `seeds` (a block a tree) into the leaves at `out`; `onLevel` sees each level's sums, 4 · trees blocks. */
export function expandForest(
  kernels: Kernels,
  forest: Forest,
  seeds: Uint8Array,
  out: number,
  onLevel: (level: number, sums: number) => void,
): void {
  kernels.bytes(out, 16 * forest.trees).set(seeds);
  const mark = kernels.mark();
  const sums = kernels.alloc(16 * ARITY * forest.trees);
  for (let level = 0; level < depthOf(forest); level++) {
    expandLevel(kernels, forest, level, out, sums);
    onLevel(level, sums);
  }
  kernels.release(mark);
}

/**
 * The receiver's side: rebuilds all leaves but number `points[j]` of tree j, which becomes zero.
 * `known(level)` gives the addresses of two copies of that level's sums, 4 · trees blocks: one must be right where a
 * child's number differs from the path's in its low bit, the other where only the high bit differs.
 * Returns for each tree the sum of its leaves but the missing one.
 */
export function expandPunctured(
  kernels: Kernels,
  forest: Forest,
  points: readonly number[],
  known: (level: number) => [byLow: number, byHigh: number],
  out: number,
): Uint8Array {
  const { trees } = forest;
  const sizes = levelSizes(forest);
  const paths = points.map((point) => pathOf(forest, point));
  kernels.bytes(out, 16 * trees).fill(0);
  const mark = kernels.mark();
  const [sums, places, branches, totals] = [64, 4, 4, 16].map((size) => kernels.alloc(size * trees)) as [
    number,
    number,
    number,
    number,
  ];
  kernels.words(places, trees).fill(0);
  for (let level = 0; level < depthOf(forest); level++) {
    const [low, high] = known(level);
    expandLevel(kernels, forest, level, out, sums);
    kernels.words(branches, trees).set(paths.map((path) => path[level]!));
    const [parents, children] = [sizes[level]!, sizes[level + 1]!];
    kernels.run.ggm_puncture(out, parents, children, trees, places, branches, sums, low, high, totals);
  }
  const result = kernels.bytes(totals, 16 * trees).slice();
  kernels.release(mark);
  return result;
}

function expandLevel(kernels: Kernels, forest: Forest, level: number, nodes: number, sums: number): void {
  const { trees, tweak } = forest;
  const [parents, children] = levelSizes(forest).slice(level, level + 2) as [number, number];
  kernels.bytes(sums, 16 * ARITY * trees).fill(0);
  for (const [from, to] of pieces(parents, Math.ceil(16_384 / trees))) {
    kernels.run.ggm_level(nodes, from, to, parents, children, trees, level, tweak, sums);
  }
}
