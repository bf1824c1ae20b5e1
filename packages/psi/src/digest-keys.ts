/** From keys of any length to the items that PSI compares. @module */
import { sha256Bytes } from '@2pm/core';
import { blake3Messages, loadKernels } from '@2pm/crypto/wasm';

const utf8 = new TextEncoder();
/** Public and the same everywhere: items of two holders must agree. Gives no secrecy. */
const KEY = sha256Bytes(utf8.encode('2pm/psi/item/1'));

/**
 * 16 bytes a key, in order: BLAKE3 under a public key, cut. Strings are hashed as UTF-8; bring keys into one normal form
 * before. Two different keys of 2^20 collide with probability below 2^-88.
 */
export async function digestKeys(keys: readonly (string | Uint8Array)[]): Promise<Uint8Array> {
  const messages = keys.map((key) => (typeof key === 'string' ? utf8.encode(key) : key));
  return blake3Messages(await loadKernels(), KEY, messages);
}
