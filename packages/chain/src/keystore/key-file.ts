/** One secp256k1 key in one Web3 Secret Storage file: the node key, or a controller key kept away from the node. @module */
import { NodeError, type Rng } from '@2pm/core';
import { localSigner } from '@2pm/crypto';
import { readPrivateFile, writePrivateFile } from './private-file.ts';
import { decryptSecret, encryptSecret, SecretStorage } from './secret-storage.ts';

/** Replaces an existing file. `n` as in `encryptSecret`. */
export async function writeKeyFile(
  path: string,
  privateKey: Uint8Array,
  passphrase: string,
  rng: Rng,
  options: { n?: number } = {},
): Promise<void> {
  const address = localSigner(privateKey).id;
  const stored = await encryptSecret(privateKey, passphrase, rng, { ...options, address });
  writePrivateFile(path, `${JSON.stringify(stored, null, 2)}\n`);
}

/**
 * @throws {NodeError} `KEYSTORE_WRONG_PASSPHRASE`, `KEYSTORE_MALFORMED`, `KEYSTORE_NOT_FOUND`, `KEYSTORE_PERMISSIONS`.
 */
export async function readKeyFile(path: string, passphrase: string): Promise<Uint8Array> {
  const bytes = readPrivateFile(path);
  let stored: SecretStorage;
  try {
    stored = SecretStorage.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new NodeError('KEYSTORE_MALFORMED', 'a key file is not Web3 Secret Storage, version 3', {
      fault: 'caller',
      privateDetail: path,
      fix: 'Restore the file from a backup.',
      cause,
    });
  }
  return decryptSecret(stored, passphrase);
}
