/**
 * Hash commitment: SHA-256(len(tag) ‖ tag ‖ len(context) ‖ context ‖ opening ‖ message), opening = 32 random bytes.
 * Reference: the folklore hash commitment; hiding holds in the random-oracle model.
 * Model: hiding for any message, however small its set, while the opening is secret; binding by collision resistance.
 * Leakage: none before opening. Not homomorphic.
 * @module
 */
import { equalBytes, fromHex, type Hash, NodeError, type Rng, taggedHash } from '@2pm/core';

export const OPENING_BYTES = 32;
const utf8 = new TextEncoder();

/** `context` names the use, so that a commitment made for one purpose cannot be opened for another. */
export function commit(
  context: string,
  message: Uint8Array,
  rng: Rng,
): { commitment: Hash /** 32 bytes, kept secret until the commitment is opened. */; opening: Uint8Array } {
  const opening = rng.fill(new Uint8Array(OPENING_BYTES));
  return { commitment: commitWith(context, message, opening), opening };
}

/** The commitment that `opening` and `message` determine: for those who drew the opening earlier and kept it. */
export function commitWith(context: string, message: Uint8Array, opening: Uint8Array): Hash {
  if (opening.length !== OPENING_BYTES) {
    throw new NodeError('COMMITMENT_BAD_OPENING', `an opening has ${OPENING_BYTES} bytes`, { fault: 'caller' });
  }
  const name = utf8.encode(context);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, name.length, true);
  return taggedHash('2pm/commitment/1', length, name, opening, message) as Hash;
}

export function verifyCommitment(commitment: Hash, context: string, message: Uint8Array, opening: Uint8Array): boolean {
  if (opening.length !== OPENING_BYTES) return false;
  return equalBytes(fromHex(commitment), fromHex(commitWith(context, message, opening)));
}
