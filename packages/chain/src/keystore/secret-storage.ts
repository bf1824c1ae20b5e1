/**
 * Encryption of a secret under a passphrase.
 *
 * Construction: Web3 Secret Storage, version 3: scrypt (RFC 7914), AES-128-CTR, Keccak-256 over the second half of the
 * derived key and the ciphertext as authenticator; PBKDF2-HMAC-SHA-256 is read, never written. Model: an adversary with
 * the file and without the passphrase; each guess costs one scrypt. Deviation: files with N >= 2^(16 r), which RFC 7914 §2
 * forbids (one published example among them), are refused. The salt and the IV are fresh for every file, so no key
 * stream is used twice.
 * @module
 */
import { createCipheriv, createDecipheriv, pbkdf2, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { concatBytes, equalBytes, NodeError, type Rng, toHex } from '@2pm/core';
import { keccak256 } from '@2pm/crypto';
import { z } from 'zod';

/**
 * N = 2^17, r = 8, p = 1: the least that OWASP's password storage guide accepts for scrypt. One guess costs 128 MiB and
 * 0.3 to 0.7 s on the machines that we measured; the customary 2^18 doubles the start of every node for one bit.
 */
export const SCRYPT_N = 2 ** 17;

const hex = (bytes?: number) =>
  z.string().regex(bytes === undefined ? /^(?:[0-9a-fA-F]{2})+$/ : new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`));

export const SecretStorage = z.object({
  version: z.literal(3),
  id: z.string().max(64),
  address: z.string().max(42).optional(),
  crypto: z.object({
    cipher: z.literal('aes-128-ctr'),
    cipherparams: z.object({ iv: hex(16) }),
    ciphertext: hex(),
    kdf: z.enum(['scrypt', 'pbkdf2']),
    // Bounds keep a planted file from exhausting the memory of the node that opens it.
    kdfparams: z.object({
      dklen: z.literal(32),
      salt: hex(),
      n: z
        .number()
        .int()
        .min(2)
        .max(2 ** 20)
        .optional(),
      r: z.number().int().min(1).max(16).optional(),
      p: z.number().int().min(1).max(16).optional(),
      c: z.number().int().min(1).max(10_000_000).optional(),
      prf: z.literal('hmac-sha256').optional(),
    }),
    mac: hex(32),
  }),
});
export type SecretStorage = z.infer<typeof SecretStorage>;

/** `n` is scrypt's cost, a power of two; lower ones are for tests. */
export async function encryptSecret(
  secret: Uint8Array,
  passphrase: string,
  rng: Rng,
  options: { n?: number; address?: string } = {},
): Promise<SecretStorage> {
  const iv = rng.fill(new Uint8Array(16));
  const kdfparams = {
    dklen: 32,
    n: options.n ?? SCRYPT_N,
    r: 8,
    p: 1,
    salt: bare(rng.fill(new Uint8Array(32))),
  } as const;
  const derived = await deriveKey(passphrase, 'scrypt', kdfparams);
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv);
  const ciphertext = concatBytes(cipher.update(secret), cipher.final());
  return {
    version: 3,
    id: uuid(rng),
    ...(options.address === undefined ? {} : { address: options.address.replace(/^0x/, '') }),
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: bare(iv) },
      ciphertext: bare(ciphertext),
      kdf: 'scrypt',
      kdfparams,
      mac: bare(authenticator(derived, ciphertext)),
    },
  };
}

/** @throws {NodeError} `KEYSTORE_WRONG_PASSPHRASE`, also for a ciphertext that was altered. */
export async function decryptSecret(file: SecretStorage, passphrase: string): Promise<Uint8Array> {
  const { crypto } = file;
  const ciphertext = unbare(crypto.ciphertext);
  const derived = await deriveKey(passphrase, crypto.kdf, crypto.kdfparams);
  if (!equalBytes(authenticator(derived, ciphertext), unbare(crypto.mac))) {
    throw new NodeError('KEYSTORE_WRONG_PASSPHRASE', 'the passphrase does not open the keystore', {
      fault: 'caller',
      fix: 'Check the passphrase; if it is right, restore the file from a backup.',
    });
  }
  const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), unbare(crypto.cipherparams.iv));
  return concatBytes(decipher.update(ciphertext), decipher.final());
}

type KdfParams = SecretStorage['crypto']['kdfparams'];

/** Node's thread pool derives, so that the event loop goes on. */
async function deriveKey(passphrase: string, kdf: 'scrypt' | 'pbkdf2', params: KdfParams): Promise<Uint8Array> {
  const password = Buffer.from(passphrase.normalize('NFKC'), 'utf8');
  const salt = unbare(params.salt);
  if (kdf === 'pbkdf2') {
    if (params.c === undefined || params.prf === undefined) throw malformed();
    return promisify(pbkdf2)(password, salt, params.c, params.dklen, 'sha256');
  }
  const { n: N, r, p } = params;
  if (N === undefined || r === undefined || p === undefined) throw malformed();
  if ((N & (N - 1)) !== 0 || Math.log2(N) >= 16 * r) throw malformed();
  const maxmem = 128 * N * r + 128 * r * p + 2 ** 20;
  return new Promise((done, reject) => {
    scrypt(password, salt, params.dklen, { N, r, p, maxmem }, (error, key) => (error ? reject(error) : done(key)));
  });
}

function authenticator(derived: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return keccak256(concatBytes(derived.subarray(16, 32), ciphertext));
}

/** RFC 9562 version 4. */
function uuid(rng: Rng): string {
  const bytes = rng.fill(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bare(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function bare(bytes: Uint8Array): string {
  return toHex(bytes).slice(2);
}

function unbare(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

function malformed(): NodeError {
  return new NodeError('KEYSTORE_MALFORMED', 'the keystore has unusable key derivation parameters', {
    fault: 'caller',
    fix: 'Restore the file from a backup.',
  });
}
