/**
 * Pseudo-random generator: AES-128 in counter mode (NIST SP 800-38A §6.5) under a key derived from a seed for one
 * session; E(SHA-256(tag ‖ sid ‖ seed)[0..16], node ‖ operation ‖ lane ‖ counter).
 * The 8-byte nonce packs its three numbers injectively and the sid is in the key, so a stream repeats only if its domain
 * does, which is refused: two uses of one stream as masks would cancel. Streams are indistinguishable from random up to
 * the birthday bound of AES blocks (2^64 blocks a key; a session draws far less than 2^40).
 * @module
 */
import { type CryptoProvider, fromHex, type Hash, NodeError, sha256Bytes } from '@2pm/core';

export const SEED_BYTES = 16;
const TAG = new TextEncoder().encode('2pm/prg/1');

/** What a stream is for, unique within a session. */
export interface PrgDomain {
  /** Step of the schedule, below 2^32. */
  node: number;
  /** Round inside the step, below 2^16. */
  operation: number;
  /** Which of the streams of that round, below 2^16. */
  lane: number;
}

export class Prg {
  readonly #crypto: CryptoProvider;
  readonly #key: Uint8Array;
  readonly #used = new Set<bigint>();

  /** `seed`: 16 uniform bytes, known to exactly those who may know the streams. */
  constructor(crypto: CryptoProvider, seed: Uint8Array, sid: Hash) {
    if (seed.length !== SEED_BYTES) {
      throw new NodeError('PRG_BAD_SEED', `a seed has ${SEED_BYTES} bytes`, { fault: 'node' });
    }
    this.#crypto = crypto;
    this.#key = sha256Bytes(TAG, fromHex(sid), seed).slice(0, 16);
  }

  /** `length` bytes of the stream of this domain. @throws {NodeError} `PRG_REUSED` on the second call for a domain. */
  bytes({ node, operation, lane }: PrgDomain, length: number): Uint8Array {
    const nonce = new Uint8Array(8);
    const view = new DataView(nonce.buffer);
    check(node, 2 ** 32);
    check(operation, 2 ** 16);
    check(lane, 2 ** 16);
    view.setUint32(0, node);
    view.setUint16(4, operation);
    view.setUint16(6, lane);
    const name = view.getBigUint64(0);
    if (this.#used.has(name)) {
      throw new NodeError('PRG_REUSED', `stream ${node}/${operation}/${lane} was drawn before`, { fault: 'node' });
    }
    this.#used.add(name);
    return this.#crypto.aes128Ctr(this.#key, nonce, 0n, length);
  }
}

function check(part: number, limit: number): void {
  if (!Number.isInteger(part) || part < 0 || part >= limit) {
    throw new NodeError('PRG_BAD_DOMAIN', `part of a nonce outside [0, ${limit})`, { fault: 'node' });
  }
}
