/**
 * Merkle tree of RFC 6962 §2.1 (the shape of Certificate Transparency logs): SHA-256(0x00 ‖ leaf) for leaves,
 * SHA-256(0x01 ‖ left ‖ right) inside, the left subtree the largest power of two below n, SHA-256("") for no leaves.
 * Model: binding by collision resistance; *not* hiding: callers whose leaves are guessable blind each leaf.
 * A proof has ceil(log2 n) hashes at most.
 * @module
 */
import { equalBytes, fromHex, type Hash, NodeError, sha256Bytes, toHex } from '@2pm/core';

const LEAF = new Uint8Array([0]);
const INNER = new Uint8Array([1]);

export interface InclusionProof {
  index: number;
  /** Sibling hashes from the leaf upwards. */
  path: Hash[];
}

export function merkleRoot(leaves: readonly Uint8Array[]): Hash {
  return toHex(subtree(leaves.map(hashLeaf), 0, leaves.length)) as Hash;
}

/** Audit path of one leaf (RFC 6962 §2.1.1). @throws {NodeError} `MERKLE_BAD_INDEX` when there is no such leaf. */
export function proveInclusion(leaves: readonly Uint8Array[], index: number): InclusionProof {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) {
    throw new NodeError('MERKLE_BAD_INDEX', `no leaf ${index} in a tree of ${leaves.length}`, { fault: 'caller' });
  }
  const hashes = leaves.map(hashLeaf);
  const path: Hash[] = [];
  let [start, end] = [0, leaves.length];
  while (end - start > 1) {
    const middle = start + split(end - start);
    const [siblingStart, siblingEnd] = index < middle ? [middle, end] : [start, middle];
    path.unshift(toHex(subtree(hashes, siblingStart, siblingEnd)) as Hash);
    if (index < middle) end = middle;
    else start = middle;
  }
  return { index, path };
}

/**
 * Whether `leaf` stands at `proof.index` in the tree of `size` leaves with this root. False for any malformed proof.
 * Root and size come from whoever is trusted for them, never from the prover: the same path stands for other places in
 * trees of other sizes.
 */
export function verifyInclusion(root: Hash, size: number, leaf: Uint8Array, proof: InclusionProof): boolean {
  if (!Number.isSafeInteger(size) || !Number.isInteger(proof.index)) return false;
  if (proof.index < 0 || proof.index >= size) return false;
  const turns: boolean[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + split(end - start);
    const isLeft = proof.index < middle;
    turns.unshift(isLeft);
    if (isLeft) end = middle;
    else start = middle;
  }
  if (turns.length !== proof.path.length) return false;
  let hash = hashLeaf(leaf);
  for (const [level, isLeft] of turns.entries()) {
    const step = proof.path[level] ?? '';
    if (!/^0x[0-9a-f]{64}$/.test(step)) return false;
    const sibling = fromHex(step);
    hash = isLeft ? hashInner(hash, sibling) : hashInner(sibling, hash);
  }
  return equalBytes(hash, fromHex(root));
}

function subtree(hashes: readonly Uint8Array[], start: number, end: number): Uint8Array {
  if (end === start) return sha256Bytes();
  if (end - start === 1) return hashes[start] ?? sha256Bytes();
  const middle = start + split(end - start);
  return hashInner(subtree(hashes, start, middle), subtree(hashes, middle, end));
}

/** The largest power of two below `size`; no bit operations, because sizes may pass 2^31. */
function split(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function hashLeaf(leaf: Uint8Array): Uint8Array {
  return sha256Bytes(LEAF, leaf);
}

function hashInner(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256Bytes(INNER, left, right);
}
