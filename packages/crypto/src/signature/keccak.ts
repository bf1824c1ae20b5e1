/** Keccak-256, the hash of Ethereum (before SHA-3 changed the padding). @module */
import { keccak_256 } from '@noble/hashes/sha3.js';

export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}
