/**
 * The commitment of a task to the data that it is computed on: SHA-256 under a tag of a fresh 32-byte salt and the
 * snapshots' roots. Hiding by the salt, binding by collision resistance. It shows that the data did not change, not that it
 * is true.
 * @module
 */
import { encode, fromHex, type Hash, taggedHash, ZERO_HASH } from '@2pm/core';

export interface CommittedSnapshot {
  table: string;
  contractHash: Hash;
  root: Hash;
}

/** Of no snapshot: zero. */
export function commitmentTo(snapshots: readonly CommittedSnapshot[], salt: Uint8Array): Hash {
  if (snapshots.length === 0) return ZERO_HASH;
  const opening = snapshots.map(({ table, contractHash, root }) => [table, contractHash, root]);
  return taggedHash('2pm/data-commitment/1', salt, encode(opening)) as Hash;
}

/** Whether a commitment opens to these roots: for an audit. */
export function opensCommitment(
  commitment: Hash,
  salt: `0x${string}`,
  snapshots: readonly CommittedSnapshot[],
): boolean {
  return commitmentTo(snapshots, fromHex(salt)) === commitment;
}
