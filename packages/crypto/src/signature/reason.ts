/** Abort reasons on chain: an error code as left-aligned ASCII in one 32-byte word. @module */
import { fromHex, type Hash, type Hex, NodeError, toHex } from '@2pm/core';

const REASON = /^[A-Z0-9_]{1,32}$/;

/** True for 1 to 32 upper-case letters, digits and underscores: what the ledger accepts as a reason. */
export function isReason(text: string): boolean {
  return REASON.test(text);
}

/** @throws {NodeError} `SIGNATURE_BAD_REASON` for text that is no reason (see `isReason`). */
export function reasonBytes32(text: string): Hash {
  if (!isReason(text)) throw badReason();
  const word = new Uint8Array(32);
  word.set(new TextEncoder().encode(text));
  return toHex(word) as Hash;
}

/** Inverse of `reasonBytes32`. @throws {NodeError} `SIGNATURE_BAD_REASON` for a word that it never gives. */
export function reasonText(word: Hex): string {
  const text = new TextDecoder().decode(fromHex(word)).replace(/\0+$/, '');
  if (word.length !== 66 || !isReason(text)) throw badReason();
  return text;
}

function badReason(): NodeError {
  return new NodeError('SIGNATURE_BAD_REASON', 'a reason is 1 to 32 upper-case letters, digits and underscores', {
    fault: 'caller',
  });
}
