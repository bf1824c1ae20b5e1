/**
 * The masks that two seats draw from a common seed: one stream, AES-128 in counter mode (NIST SP 800-38A §6.5) under
 * SHA-256(tag ‖ sid ‖ seed)[0..16], of which every byte is handed out at most once, because the position only moves
 * forward. Both seats draw the same lengths in the same order; the schedule, whose hash they compared, says which.
 * Drawn ahead, up to 128 KiB at a time, so that a round of a few bytes costs no key set-up; what was handed out of a draw is
 * a copy, and the draw is discarded at its end.
 * @module
 */
import { type CryptoProvider, discard, fromHex, type Hash, taggedHash } from '@2pm/core';

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

  /** The next `length` bytes, from a whole block on. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    return this.fill(new Uint8Array(length));
  }

  /** Writes the next bytes over `out`, from a whole block on. */
  fill<Bytes extends Uint8Array>(out: Bytes): Bytes {
    for (let at = 0; at < out.length; ) {
      if (this.#used === this.#drawn.length) this.#draw();
      const piece = this.#drawn.subarray(this.#used, this.#used + out.length - at);
      out.set(piece, at);
      at += piece.length;
      this.#used += BLOCK_BYTES * Math.ceil(piece.length / BLOCK_BYTES);
    }
    return out;
  }

  #draw(): void {
    discard(this.#drawn);
    this.#drawn = this.#crypto.aes128Ctr(this.#key, NONCE, this.#counter, this.#size) as Uint8Array<ArrayBuffer>;
    this.#counter += BigInt(this.#size / BLOCK_BYTES);
    this.#used = 0;
    this.#size = Math.min(MOST_DRAWN, 4 * this.#size);
  }
}

const NONCE = new Uint8Array(8);
