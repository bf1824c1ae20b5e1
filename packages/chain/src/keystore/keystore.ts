/**
 * The keys of one node, in two files that only their owner may read:
 *
 * - `node.json`, the node's signing key under the passphrase (see secret-storage.ts), readable by any Ethereum wallet;
 * - `keys.bin`, everything else, under the node key.
 *
 * Construction of `keys.bin`: nonce (12 bytes) ‖ AES-256-GCM of canonical CBOR, key = HKDF-SHA-256 (RFC 5869) of the node
 * key with an info string of its own, associated data = node id. One scrypt opens both. Model: an adversary with the
 * files and without the passphrase; whoever has the node key has all keys of the node. Nonces are random and the file is
 * written a few times in its life, far from the 2^32 limit of NIST SP 800-38D §8.3. Deviations: none.
 * @module
 */
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
} from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  concatBytes,
  decode,
  encode,
  fromHex,
  type Hash,
  HexBytes,
  NodeError,
  type Rng,
  type Signer,
  toHex,
} from '@2pm/core';
import { generatePrivateKey, type HpkeKeyPair, hpkeKeyPair, localSigner } from '@2pm/crypto';
import { z } from 'zod';
import { readKeyFile, writeKeyFile } from './key-file.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

export interface AnalystKeyPair {
  signer: Signer;
  hpke: HpkeKeyPair;
}

export interface Keystore {
  /** The node's identity. */
  readonly signer: Signer;
  /** X25519; results and shares for this node are sealed to it. */
  readonly hpke: HpkeKeyPair;
  /** P-256. `spkiHash` goes into the node record. */
  readonly tls: { readonly privateKeyPem: string; readonly spkiHash: Hash };
  /** Throw-away account that pays for transactions where gas has a price; has no say in anything. */
  readonly relayerKey: Uint8Array;
  /** Analysts whose keys this node keeps, by name. */
  readonly analysts: ReadonlyMap<string, AnalystKeyPair>;
  /** Makes keys for an analyst; durable on return. @throws {NodeError} `KEYSTORE_EXISTS` when the name is taken. */
  addAnalyst(name: string, rng: Rng): Promise<AnalystKeyPair>;
}

const KeyPair = z.strictObject({ publicKey: HexBytes, privateKey: HexBytes });
const Bundle = z.strictObject({
  v: z.literal(1),
  hpke: KeyPair,
  tls: z.string(),
  relayer: HexBytes,
  analysts: z.record(z.string(), z.strictObject({ signing: HexBytes, hpke: KeyPair })),
});
type Bundle = z.infer<typeof Bundle>;

/**
 * Makes all keys of a node. Keep a copy of `dir` and the passphrase: nobody can restore them.
 * @throws {NodeError} `KEYSTORE_EXISTS` when `dir` holds a keystore.
 */
export async function createKeystore(
  dir: string,
  passphrase: string,
  rng: Rng,
  options: { scryptN?: number } = {},
): Promise<Keystore> {
  if (existsSync(join(dir, 'node.json'))) {
    throw new NodeError('KEYSTORE_EXISTS', 'there is a keystore already', {
      fault: 'caller',
      privateDetail: dir,
      fix: 'Use it, or name an empty directory.',
    });
  }
  const nodeKey = generatePrivateKey(rng);
  const bundle: Bundle = {
    v: 1,
    hpke: await hpkeKeyPair(rng),
    tls: tlsKeyPem(rng),
    relayer: toHex(generatePrivateKey(rng)),
    analysts: {},
  };
  sealBundle(dir, nodeKey, bundle, rng);
  // Last, because its presence says that the keystore is whole.
  await writeKeyFile(
    join(dir, 'node.json'),
    nodeKey,
    passphrase,
    rng,
    options.scryptN === undefined ? {} : { n: options.scryptN },
  );
  return keystore(dir, nodeKey, bundle);
}

/** @throws {NodeError} as `readKeyFile`; `KEYSTORE_MALFORMED` when the two files do not belong together. */
export async function openKeystore(dir: string, passphrase: string): Promise<Keystore> {
  const nodeKey = await readKeyFile(join(dir, 'node.json'), passphrase);
  return keystore(dir, nodeKey, openBundle(dir, nodeKey));
}

/** Seals the node key under another passphrase. */
export async function changePassphrase(
  dir: string,
  oldPassphrase: string,
  newPassphrase: string,
  rng: Rng,
): Promise<void> {
  const path = join(dir, 'node.json');
  await writeKeyFile(path, await readKeyFile(path, oldPassphrase), newPassphrase, rng);
}

function keystore(dir: string, nodeKey: Uint8Array, bundle: Bundle): Keystore {
  const analysts = new Map<string, AnalystKeyPair>();
  for (const [name, keys] of Object.entries(bundle.analysts)) analysts.set(name, analyst(keys));
  const spki = createPublicKey(bundle.tls).export({ type: 'spki', format: 'der' });
  return {
    signer: localSigner(nodeKey),
    hpke: bundle.hpke,
    tls: { privateKeyPem: bundle.tls, spkiHash: toHex(createHash('sha256').update(spki).digest()) as Hash },
    relayerKey: fromHex(bundle.relayer),
    analysts,
    async addAnalyst(name, rng) {
      const keys = { signing: toHex(generatePrivateKey(rng)), hpke: await hpkeKeyPair(rng) };
      if (Object.hasOwn(bundle.analysts, name)) {
        throw new NodeError('KEYSTORE_EXISTS', `there is an analyst called ${name} already`, {
          fault: 'caller',
          fix: 'Choose another name.',
        });
      }
      bundle.analysts[name] = keys;
      sealBundle(dir, nodeKey, bundle, rng);
      analysts.set(name, analyst(keys));
      return analyst(keys);
    },
  };
}

function analyst(keys: Bundle['analysts'][string]): AnalystKeyPair {
  return { signer: localSigner(fromHex(keys.signing)), hpke: keys.hpke };
}

function bundleKey(nodeKey: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', nodeKey, new Uint8Array(0), '2pm/keystore/1', 32));
}

function sealBundle(dir: string, nodeKey: Uint8Array, bundle: Bundle, rng: Rng): void {
  const nonce = rng.fill(new Uint8Array(12));
  const cipher = createCipheriv('aes-256-gcm', bundleKey(nodeKey), nonce);
  cipher.setAAD(fromHex(localSigner(nodeKey).id));
  const sealed = concatBytes(nonce, cipher.update(encode(bundle)), cipher.final(), cipher.getAuthTag());
  writePrivateFile(join(dir, 'keys.bin'), sealed);
}

function openBundle(dir: string, nodeKey: Uint8Array): Bundle {
  const sealed = readPrivateFile(join(dir, 'keys.bin'));
  try {
    const decipher = createDecipheriv('aes-256-gcm', bundleKey(nodeKey), sealed.subarray(0, 12), { authTagLength: 16 });
    decipher.setAAD(fromHex(localSigner(nodeKey).id));
    decipher.setAuthTag(sealed.subarray(-16));
    const opened = concatBytes(decipher.update(sealed.subarray(12, -16)), decipher.final());
    return decode(opened, Bundle, 'the key bundle');
  } catch (cause) {
    throw new NodeError('KEYSTORE_MALFORMED', 'keys.bin was altered or belongs to another node key', {
      fault: 'caller',
      privateDetail: dir,
      fix: 'Restore both files from the same backup.',
      cause,
    });
  }
}

/** A P-256 key from `rng`: a candidate outside the order of the group is drawn again (about once in 2^32). */
function tlsKeyPem(rng: Rng): string {
  const ecdh = createECDH('prime256v1');
  for (;;) {
    try {
      ecdh.setPrivateKey(rng.fill(new Uint8Array(32)));
      break;
    } catch {
      // Out of range.
    }
  }
  const point = ecdh.getPublicKey();
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
    d: Buffer.concat([Buffer.alloc(32), ecdh.getPrivateKey()])
      .subarray(-32)
      .toString('base64url'),
  };
  return createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' }) as string;
}
