/**
 * Hybrid public-key encryption, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.
 * Reference: RFC 9180 §5.1.1 (base), §6.1 (single shot). Sealed = enc (32 bytes) ‖ ciphertext (plaintext + 16 bytes).
 * Model: IND-CCA2 for the recipient's key; the sender is *not* authenticated, so callers sign or bind what they seal.
 * Leakage: the plaintext's length. A recipient key that leaks later opens everything sealed to it (no forward secrecy).
 * Deviations: none; the ephemeral key comes from the platform's WebCrypto, not from an argument.
 * @module
 */
import { fromHex, type Hex, NodeError, type Rng, toHex } from '@2pm/core';
import { Aes128Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';

const KEY_BYTES = 32;
const TAG_BYTES = 16;

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes128Gcm(),
});

export interface HpkeKeyPair {
  /** 32 bytes, the X25519 u-coordinate. */
  publicKey: Hex;
  privateKey: Hex;
}

/** DeriveKeyPair of 32 random bytes (RFC 9180 §7.1.3). */
export async function hpkeKeyPair(rng: Rng): Promise<HpkeKeyPair> {
  const pair = await suite.kem.deriveKeyPair(rng.fill(new Uint8Array(KEY_BYTES)).buffer);
  return {
    publicKey: toHex(new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey))),
    privateKey: toHex(new Uint8Array(await suite.kem.serializePrivateKey(pair.privateKey))),
  };
}

/**
 * Encrypts to `recipient`. `info` names the use (protocol, task, node) and `aad` what travels in the clear beside it;
 * both must be given again to open. @throws {NodeError} `HPKE_BAD_KEY` when the recipient's key is no X25519 key.
 */
export async function seal(
  recipient: Hex,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Promise<Uint8Array> {
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(keyBytes(recipient));
    const { enc, ct } = await suite.seal({ recipientPublicKey, info: exact(info) }, exact(plaintext), exact(aad));
    const sealed = new Uint8Array(enc.byteLength + ct.byteLength);
    sealed.set(new Uint8Array(enc));
    sealed.set(new Uint8Array(ct), enc.byteLength);
    return sealed;
  } catch (cause) {
    throw new NodeError('HPKE_BAD_KEY', 'the recipient key is not a usable X25519 public key', {
      fault: 'caller',
      fix: 'Ask the recipient for the public key of its HPKE key pair.',
      cause,
    });
  }
}

/**
 * Opens what `seal` made under the same `info` and `aad`.
 * @throws {NodeError} `HPKE_OPEN_FAILED`: another key, other info or aad, or altered bytes; which of them is not knowable.
 */
export async function openSealed(
  privateKey: Hex,
  info: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Promise<Uint8Array> {
  try {
    if (sealed.length < KEY_BYTES + TAG_BYTES) throw new Error('shorter than an empty message');
    const recipientKey = await suite.kem.deserializePrivateKey(keyBytes(privateKey));
    const enc = exact(sealed.subarray(0, KEY_BYTES));
    const opened = await suite.open(
      { recipientKey, enc, info: exact(info) },
      exact(sealed.subarray(KEY_BYTES)),
      exact(aad),
    );
    return new Uint8Array(opened);
  } catch (cause) {
    throw new NodeError('HPKE_OPEN_FAILED', 'the sealed message does not open with this key and context', {
      fault: 'peer',
      fix: 'Check that the message was sealed to this key and for this task.',
      cause,
    });
  }
}

function keyBytes(key: Hex): ArrayBuffer {
  const bytes = fromHex(key);
  if (bytes.length !== KEY_BYTES) throw new Error(`expected ${KEY_BYTES} bytes`);
  return exact(bytes);
}

/** The library takes whole buffers, and a view may cover a part of one. */
function exact(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
