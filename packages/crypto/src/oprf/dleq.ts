/**
 * Proof that one secret k stands behind all of D_i = k·C_i and the public key B = k·A, without showing k.
 *
 * Construction: batched Chaum-Pedersen proof of equal discrete logarithms, RFC 9497 §2.2, made non-interactive by
 * hashing every public value. Corruption model: sound against any prover and zero-knowledge in the random-oracle model.
 * Bytes: 64 a batch of at most 65535. Leakage: none. Deviations: none; elements of C and D travel packed.
 * @module
 */
import { concatBytes, equalBytes, NodeError, type Rng } from '@2pm/core';
import { ELEMENT_BYTES, type Group, SCALAR_BYTES, sha512 } from '../group/ristretto255.ts';

export const PROOF_BYTES = 2 * SCALAR_BYTES;
export const MAX_BATCH = 65_535;

const utf8 = new TextEncoder();

/** What RFC 9497 calls the context string, and the group. */
export interface Suite {
  group: Group;
  context: Uint8Array;
}

/** RFC 9497 §2.2.1. `c` and `d`: packed, not empty. */
export function prove(
  suite: Suite,
  k: Uint8Array,
  publicKey: Uint8Array,
  c: Uint8Array,
  d: Uint8Array,
  rng: Rng,
): Uint8Array {
  const { group } = suite;
  const m = composites(suite, publicKey, c, d)(c);
  const z = group.multiply(k, m);
  const r = group.randomScalar(rng);
  const challenge = challengeOf(suite, publicKey, m, z, group.base(r), group.multiply(r, m));
  return concatBytes(challenge, group.scalarSubtract(r, group.scalarMultiply(challenge, k)));
}

/** RFC 9497 §2.2.2. @throws {NodeError} `OPRF_BAD_PROOF`, `GROUP_BAD_ELEMENT`. */
export function verify(suite: Suite, publicKey: Uint8Array, c: Uint8Array, d: Uint8Array, proof: Uint8Array): void {
  const { group } = suite;
  const [challenge, s] = [proof.subarray(0, SCALAR_BYTES), proof.subarray(SCALAR_BYTES)];
  if (proof.length !== PROOF_BYTES || !group.isScalar(challenge) || !group.isScalar(s)) throw badProof();
  const composite = composites(suite, publicKey, c, d);
  const [m, z] = [composite(c), composite(d)];
  let expected: Uint8Array;
  try {
    const t2 = group.add(group.base(s), group.multiply(challenge, publicKey));
    const t3 = group.add(group.multiply(s, m), group.multiply(challenge, z));
    expected = challengeOf(suite, publicKey, m, z, t2, t3);
  } catch (cause) {
    // A zero scalar or an identity: an honest prover comes to it with probability 2^-250.
    throw badProof(cause);
  }
  if (!equalBytes(expected, challenge)) throw badProof();
}

/** The map from elements to Σ d_i·element_i, with d_i from a hash over all of C and D (RFC 9497 §2.2.1). */
function composites({ group, context }: Suite, publicKey: Uint8Array, c: Uint8Array, d: Uint8Array) {
  const seed = sha512(sized(publicKey), sized(concatBytes(utf8.encode('Seed-'), context)));
  const dst = concatBytes(utf8.encode('HashToScalar-'), context);
  const n = c.length / ELEMENT_BYTES;
  if (!Number.isInteger(n) || n < 1 || n > MAX_BATCH || d.length !== c.length) {
    throw new NodeError('OPRF_BAD_BATCH', 'a batch has 1 to 65535 elements on both sides', { fault: 'caller' });
  }
  const weights = Array.from({ length: n }, (_, i) =>
    group.hashToScalar(
      concatBytes(sized(seed), u16(i), sized(at(c, i)), sized(at(d, i)), utf8.encode('Composite')),
      dst,
    ),
  );
  return (elements: Uint8Array) =>
    weights.map((weight, i) => group.multiply(weight, at(elements, i))).reduce((total, term) => group.add(total, term));
}

function challengeOf({ group, context }: Suite, ...elements: readonly Uint8Array[]): Uint8Array {
  const transcript = concatBytes(...elements.map(sized), utf8.encode('Challenge'));
  return group.hashToScalar(transcript, concatBytes(utf8.encode('HashToScalar-'), context));
}

function at(elements: Uint8Array, i: number): Uint8Array {
  return elements.subarray(ELEMENT_BYTES * i, ELEMENT_BYTES * (i + 1));
}

/** The bytes behind their length, two bytes, big-endian. */
export function sized(bytes: Uint8Array): Uint8Array {
  return concatBytes(u16(bytes.length), bytes);
}

function u16(value: number): Uint8Array {
  return new Uint8Array([value >> 8, value & 255]);
}

function badProof(cause?: unknown): NodeError {
  return new NodeError('OPRF_BAD_PROOF', 'the evaluated elements do not belong to the public key', {
    fault: 'peer',
    fix: 'Compare the public key with the one that the server published for this purpose and version.',
    cause,
  });
}
