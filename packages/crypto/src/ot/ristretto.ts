/**
 * The prime-order group ristretto255 (RFC 9496) for secret scalars: libsodium compiled to WebAssembly, whose scalar
 * multiplication is constant-time. (@noble/curves states that its multiplication of a point other than the base by a
 * long-lived secret is not blinded, and costs eight times as much; it serves as the yardstick in the tests.)
 * Scalars and points are 32-byte strings; points are checked on decoding.
 * @module
 */
import { NodeError } from '@2pm/core';
import sodium from 'libsodium-wrappers-sumo';

export interface Ristretto {
  /** 64 uniform bytes to a uniform scalar. */
  scalar(uniform: Uint8Array): Uint8Array;
  /** 64 uniform bytes to a uniform point of unknown logarithm (RFC 9496 §4.3.4). */
  derive(uniform: Uint8Array): Uint8Array;
  base(scalar: Uint8Array): Uint8Array;
  /** @throws {NodeError} `OT_BAD_POINT` for an encoding that is not canonical, and for the identity. */
  multiply(scalar: Uint8Array, point: Uint8Array): Uint8Array;
  /** @throws {NodeError} `OT_BAD_POINT`. */
  add(a: Uint8Array, b: Uint8Array): Uint8Array;
  subtract(a: Uint8Array, b: Uint8Array): Uint8Array;
  /** SHA-512, from the same library: short calls are cheaper there. */
  hash(bytes: Uint8Array): Uint8Array;
}

export async function loadRistretto(): Promise<Ristretto> {
  await sodium.ready;
  return {
    scalar: (uniform) => sodium.crypto_core_ristretto255_scalar_reduce(uniform),
    derive: (uniform) => sodium.crypto_core_ristretto255_from_hash(uniform),
    base: (scalar) => sodium.crypto_scalarmult_ristretto255_base(scalar),
    multiply: (scalar, point) => checked(() => sodium.crypto_scalarmult_ristretto255(scalar, point)),
    add: (a, b) => checked(() => sodium.crypto_core_ristretto255_add(a, b)),
    subtract: (a, b) => checked(() => sodium.crypto_core_ristretto255_sub(a, b)),
    hash: (bytes) => sodium.crypto_hash_sha512(bytes),
  };
}

function checked(operation: () => Uint8Array): Uint8Array {
  try {
    return operation();
  } catch (cause) {
    throw new NodeError('OT_BAD_POINT', 'a received point is no valid group element', { fault: 'peer', cause });
  }
}
