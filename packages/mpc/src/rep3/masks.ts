/**
 * The masks that two seats draw from a common seed: one stream, AES-128 in counter mode (NIST SP 800-38A §6.5) under
 * SHA-256(tag ‖ sid ‖ seed)[0..16], of which every byte is handed out at most once, because the position only moves
 * forward. Both seats draw the same lengths in the same order; the schedule, whose hash they compared, says which.
 * Drawn ahead, up to 128 KiB at a time, so that a round of a few bytes costs no key set-up.
 * @module
 */
import { type CryptoProvider, fromHex, type Hash, taggedHash } from '@2pm/core';

export const SEED_BYTES = 16;
const BLOCK_BYTES = 16;
const FIRST_DRAW = 1 << 10;
const MOST_DRAWN = 1 << 17;

export class Masks {
  readonly #crypto: CryptoProvider;
  readonly #key: Uint8Array;
  #drawn = new Uint8Array(0);
  /** Bytes of `#drawn` that were handed out. */
  #used = 0;
  /** Block of the stream with which the next draw begins. */
  #counter = 0n;
  #size = FIRST_DRAW;

  readonly #sid: Hash;

  /** `seed`: 16 uniform bytes, or those of each of the two; known to exactly those who may know the stream. */
  constructor(crypto: CryptoProvider, seed: Uint8Array, sid: Hash) {
    this.#crypto = crypto;
    this.#sid = sid;
    this.#key = fromHex(taggedHash('2pm/mpc-masks/1', fromHex(sid), seed)).slice(0, 16);
  }

  /** A stream of its own, seeded by the next bytes of this one: for what is drawn at leisure, while others draw here. */
  branch(): Masks {
    return new Masks(this.#crypto, this.bytes(SEED_BYTES), this.#sid);
  }

  /** The next `length` bytes, from a whole block on. What is left of a draw that is too short for them is dropped. */
  bytes(length: number): Uint8Array {
    const whole = BLOCK_BYTES * Math.ceil(length / BLOCK_BYTES);
    if (whole > this.#drawn.length - this.#used) {
      const size = Math.max(whole, this.#size);
      this.#drawn = this.#crypto.aes128Ctr(this.#key, NONCE, this.#counter, size) as Uint8Array<ArrayBuffer>;
      this.#counter += BigInt(size / BLOCK_BYTES);
      this.#used = 0;
      this.#size = Math.min(MOST_DRAWN, 4 * this.#size);
    }
    const from = this.#used;
    this.#used += whole;
    return this.#drawn.subarray(from, from + length);
  }
}

const NONCE = new Uint8Array(8);
