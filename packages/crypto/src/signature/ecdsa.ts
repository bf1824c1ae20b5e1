/**
 * ECDSA over secp256k1 with public key recovery, as Ethereum uses it: a node is the address of its key, and a signature
 * is 65 bytes r ‖ s ‖ v with v ∈ {27, 28} and s in the lower half of the group order (EIP-2), so that nobody can turn
 * one signature into another for the same digest.
 *
 * Construction: ECDSA (SEC 1 §4.1, recovery §4.1.6), nonces by RFC 6979 (deterministic). Security: unforgeable under
 * chosen messages in the generic group model; secret scalars go through noble's constant-time-by-algorithm code only,
 * which JavaScript engines may still undo. Deviations: none. 65 bytes a signature.
 * @module
 */

import { concatBytes, fromHex, type Hex, NodeError, type NodeId, type Rng, type Signer, toHex } from '@2pm/core';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak256 } from './keccak.ts';

const HALF_ORDER = secp256k1.Point.Fn.ORDER >> 1n;

/** Address of a public key: the last 20 bytes of the hash of its point. `publicKey` is 33 or 65 bytes (SEC 1 §2.3.3). */
export function addressOf(publicKey: Uint8Array): NodeId {
  return addressOfPoint(secp256k1.Point.fromBytes(publicKey));
}

/** A uniform secret scalar, 32 bytes. Draws 48 bytes, so that the bias is below 2^-128 (FIPS 186-5 A.2.1). */
export function generatePrivateKey(rng: Rng): Uint8Array {
  return secp256k1.utils.randomSecretKey(rng.fill(new Uint8Array(secp256k1.lengths.seed ?? 48)));
}

/** Signs with a key held in this process. @throws {NodeError} `SIGNATURE_BAD_KEY` for bytes that are no secret scalar. */
export function localSigner(privateKey: Uint8Array): Signer {
  if (!secp256k1.utils.isValidSecretKey(privateKey)) {
    throw new NodeError('SIGNATURE_BAD_KEY', 'not a secp256k1 private key', { fault: 'caller' });
  }
  const key = privateKey.slice();
  return {
    id: addressOf(secp256k1.getPublicKey(key, false)),
    async sign(digest) {
      expectDigest(digest);
      const recovered = secp256k1.sign(digest, key, { prehash: false, lowS: true, format: 'recovered' });
      return toHex(concatBytes(recovered.subarray(1), Uint8Array.of(27 + (recovered[0] ?? 0))));
    },
  };
}

/**
 * Who signed `digest` (32 bytes).
 * @throws {NodeError} `SIGNATURE_INVALID` for a wrong length, a v other than 27 or 28, an s above half the order, or
 * values that belong to no key.
 */
export function recoverSigner(digest: Uint8Array, signature: Hex): NodeId {
  expectDigest(digest);
  if (!/^0x[0-9a-fA-F]{130}$/.test(signature)) throw invalid('a signature is 65 bytes');
  const bytes = fromHex(signature);
  const v = bytes[64];
  if (v !== 27 && v !== 28) throw invalid('v is neither 27 nor 28');
  if (BigInt(toHex(bytes.subarray(32, 64))) > HALF_ORDER) throw invalid('s is in the upper half of the order');
  const name = `${toHex(digest)} ${toHex(bytes)}`;
  const known = recovered.get(name);
  if (known !== undefined) return known;
  try {
    const given = concatBytes(Uint8Array.of(v - 27), bytes.subarray(0, 64));
    const signer = addressOfPoint(secp256k1.Signature.fromBytes(given, 'recovered').recoverPublicKey(digest));
    const [oldest] = recovered.keys();
    if (recovered.size >= KEPT && oldest !== undefined) recovered.delete(oldest);
    recovered.set(name, signer);
    return signer;
  } catch (cause) {
    throw invalid('it belongs to no key', cause);
  }
}

/**
 * The signers found last, by all bytes that they follow from: the consents of a task are looked at when they come, when it
 * starts, and in each attempt, and to recover a key takes 2 ms.
 */
const recovered = new Map<string, NodeId>();
const KEPT = 1_024;

/** True when `signer` signed `digest`. Never throws on a bad signature. */
export function verifySignature(digest: Uint8Array, signature: Hex, signer: NodeId): boolean {
  expectDigest(digest);
  try {
    return recoverSigner(digest, signature) === signer;
  } catch {
    return false;
  }
}

function addressOfPoint(point: { toBytes(compressed: boolean): Uint8Array }): NodeId {
  return toHex(keccak256(point.toBytes(false).subarray(1)).subarray(12)) as NodeId;
}

function expectDigest(digest: Uint8Array): void {
  if (digest.length !== 32) {
    throw new NodeError('SIGNATURE_BAD_DIGEST', `a digest is 32 bytes, not ${digest.length}`, { fault: 'caller' });
  }
}

function invalid(why: string, cause?: unknown): NodeError {
  return new NodeError('SIGNATURE_INVALID', `the signature is not valid: ${why}`, { fault: 'peer', cause });
}
