/** One secp256k1 key in one Web3 Secret Storage file: the node key, or a controller key kept away from the node. @module */
import { NodeError, NodeId, type Rng } from '@2pm/core';
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
  return decryptSecret(parseKeyFile(path), passphrase);
}

/**
 * Whose key a file holds, by its public `address` field: needs no passphrase, and proves nothing.
 * @throws {NodeError} `KEYSTORE_*` as `readKeyFile`; `KEYSTORE_MALFORMED` when the file names no address.
 */
export function addressOfKeyFile(path: string): NodeId {
  const { address } = parseKeyFile(path);
  const id = NodeId.safeParse(`0x${(address ?? '').replace(/^0x/, '').toLowerCase()}`);
  if (id.success) return id.data;
  throw new NodeError('KEYSTORE_MALFORMED', 'the key file does not name its address', {
    fault: 'caller',
    privateDetail: path,
    fix: 'Restore the file from a copy.',
  });
}

function parseKeyFile(path: string): SecretStorage {
  const bytes = readPrivateFile(path);
  try {
    return SecretStorage.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new NodeError('KEYSTORE_MALFORMED', 'a key file is not Web3 Secret Storage, version 3', {
      fault: 'caller',
      privateDetail: path,
      fix: 'Restore the file from a backup.',
      cause,
    });
  }
}
