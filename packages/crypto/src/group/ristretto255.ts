/**
 * The prime-order group ristretto255 for secret scalars.
 *
 * Construction: ristretto255 (RFC 9496); hashes to elements and scalars as in RFC 9497 §4.1, suite ristretto255-SHA512.
 * Arithmetic is libsodium's, compiled to WebAssembly: written to take time independent of the scalar, which no
 * WebAssembly engine promises to keep. (@noble/curves says of itself that products of a long-lived secret and a point
 * other than the base are not blinded; here it is the yardstick of the tests.)
 * Corruption model: elements that come from a peer may be any bytes; every operation on them checks their encoding and
 * refuses the identity. Scalars are the caller's own, or were checked with `isScalar`.
 * Scalars and elements are strings of 32 bytes; sets of elements are packed side by side. Deviations: none.
 * @module
 */
import { concatBytes, NodeError, type Rng } from '@2pm/core';
import sodium from 'libsodium-wrappers-sumo';

export const ELEMENT_BYTES = 32;
export const SCALAR_BYTES = 32;
const BLOCK_BYTES = 128;
const UNIFORM_BYTES = 64;

export interface Group {
  /** RFC 9380 §3 and appendix B. `dst`: at most 255 bytes. */
  hashToElement(message: Uint8Array, dst: Uint8Array): Uint8Array;
  hashToScalar(message: Uint8Array, dst: Uint8Array): Uint8Array;
  /** 64 uniform bytes to a uniform element of unknown logarithm (RFC 9496 §4.3.4). */
  fromUniform(uniform: Uint8Array): Uint8Array;
  /** Uniform but for a bias below 2^-256, not zero. */
  randomScalar(rng: Rng): Uint8Array;
  /** scalar · generator. */
  base(scalar: Uint8Array): Uint8Array;
  /** @throws {NodeError} `GROUP_BAD_ELEMENT` for an encoding that is not canonical, for the identity, or to it. */
  multiply(scalar: Uint8Array, element: Uint8Array): Uint8Array;
  /** @throws {NodeError} `GROUP_BAD_ELEMENT` for an encoding that is not canonical, and for the identity. */
  add(a: Uint8Array, b: Uint8Array): Uint8Array;
  /** @throws {NodeError} as `add`. */
  subtract(a: Uint8Array, b: Uint8Array): Uint8Array;
  /** True for the canonical encoding of an element other than the identity. */
  isElement(bytes: Uint8Array): boolean;
  /** True for a number below the group order. */
  isScalar(bytes: Uint8Array): boolean;
  scalarMultiply(a: Uint8Array, b: Uint8Array): Uint8Array;
  scalarSubtract(a: Uint8Array, b: Uint8Array): Uint8Array;
  /** Inverses of scalars that are not zero, by one inversion. */
  invertAll(scalars: readonly Uint8Array[]): Uint8Array[];
}

export async function loadGroup(): Promise<Group> {
  await sodium.ready;
  const reduce = sodium.crypto_core_ristretto255_scalar_reduce;
  const scalarMultiply = sodium.crypto_core_ristretto255_scalar_mul;
  return {
    hashToElement: (message, dst) => sodium.crypto_core_ristretto255_from_hash(expandMessage(message, dst)),
    hashToScalar: (message, dst) => reduce(expandMessage(message, dst)),
    fromUniform: (uniform) => sodium.crypto_core_ristretto255_from_hash(uniform),
    randomScalar(rng) {
      for (;;) {
        const scalar = reduce(rng.fill(new Uint8Array(UNIFORM_BYTES)));
        if (!isZero(scalar)) return scalar;
      }
    },
    base: sodium.crypto_scalarmult_ristretto255_base,
    // libsodium refuses the identity here, as operand and as result.
    multiply: (scalar, element) => checked(() => sodium.crypto_scalarmult_ristretto255(scalar, element)),
    add: (a, b) => checked(() => sodium.crypto_core_ristretto255_add(a, b), a, b),
    subtract: (a, b) => checked(() => sodium.crypto_core_ristretto255_sub(a, b), a, b),
    isElement: (bytes) =>
      bytes.length === ELEMENT_BYTES && sodium.crypto_core_ristretto255_is_valid_point(bytes) && !isZero(bytes),
    isScalar(bytes) {
      if (bytes.length !== SCALAR_BYTES) return false;
      const wide = new Uint8Array(UNIFORM_BYTES);
      wide.set(bytes);
      return sodium.memcmp(reduce(wide), bytes);
    },
    scalarMultiply,
    scalarSubtract: sodium.crypto_core_ristretto255_scalar_sub,
    invertAll(scalars) {
      // Montgomery: with p_i = s_0 … s_i, the inverse of s_i is p_(i-1) · (p_i)^-1.
      const products: Uint8Array[] = [];
      for (const s of scalars) products.push(products.length === 0 ? s : scalarMultiply(products.at(-1)!, s));
      if (products.length === 0) return [];
      let inverse = sodium.crypto_core_ristretto255_scalar_invert(products.at(-1)!);
      const out = new Array<Uint8Array>(scalars.length);
      for (let i = scalars.length - 1; i > 0; i--) {
        out[i] = scalarMultiply(products[i - 1]!, inverse);
        inverse = scalarMultiply(inverse, scalars[i]!);
      }
      out[0] = inverse;
      return out;
    },
  };
}

/** From the same library, where short calls are cheaper than elsewhere; only once a group is loaded. */
export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return sodium.crypto_hash_sha512(concatBytes(...parts));
}

/** `cause`: what the library says of it. */
export function badElement(cause?: unknown): NodeError {
  return new NodeError('GROUP_BAD_ELEMENT', 'a received element is no valid group element', { fault: 'peer', cause });
}

/** expand_message_xmd of RFC 9380 §5.3.1 with SHA-512, to 64 bytes: one block of output. */
function expandMessage(message: Uint8Array, dst: Uint8Array): Uint8Array {
  const dstPrime = concatBytes(dst, new Uint8Array([dst.length]));
  const b0 = sha512(new Uint8Array(BLOCK_BYTES), message, new Uint8Array([0, UNIFORM_BYTES, 0]), dstPrime);
  return sha512(b0, new Uint8Array([1]), dstPrime);
}

function isZero(bytes: Uint8Array): boolean {
  let bits = 0;
  for (const byte of bytes) bits |= byte;
  return bits === 0;
}

function checked(operation: () => Uint8Array, ...elements: readonly Uint8Array[]): Uint8Array {
  if (elements.some(isZero)) throw badElement();
  try {
    return operation();
  } catch (cause) {
    throw badElement(cause);
  }
}
