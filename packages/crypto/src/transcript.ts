/**
 * A transcript that hashes everything by construction: it stands between a protocol and its channel, so that no frame
 * can be sent or received without entering the digest of its direction.
 * Each direction: SHA-256(tag ‖ len(protocol) ‖ protocol ‖ sid ‖ from ‖ to ‖ (len(frame) ‖ frame)*), lengths as u32
 * little-endian: injective. Both ends compute the same digest of a direction exactly when they saw the same frames in
 * the same order, up to collisions of SHA-256. Detects alteration *between* honest ends; says nothing of who lied.
 *
 * `keyed` gives the two ends a key that nobody else knows. From then on frames enter a GMAC under it, one nonce a direction, at a
 * quarter of the time, and its tag ends what is hashed: frames from there on are the same up to a chance of 2^-128 for each
 * 16 bytes, for whoever alters them and does not know the key. What travels in this channel is no secret to somebody who broke
 * its TLS session, so a key that did guards against everybody but him; without a key he is found too.
 * @module
 */
import { type Channel, type CryptoProvider, concatBytes, fromHex, type Hash, NodeError, toHex } from '@2pm/core';

const utf8 = new TextEncoder();

export interface TranscriptBinding {
  protocol: string;
  sid: Hash;
  /** Numbers of the two ends among the parties of the protocol, 0 to 255. */
  self: number;
  peer: number;
}

export class TranscriptChannel implements Channel {
  readonly #channel: Channel;
  readonly #sent: Direction;
  readonly #received: Direction;

  constructor(channel: Channel, crypto: CryptoProvider, binding: TranscriptBinding) {
    this.#channel = channel;
    this.#sent = new Direction(crypto, binding, binding.self, binding.peer);
    this.#received = new Direction(crypto, binding, binding.peer, binding.self);
  }

  get peer() {
    return this.#channel.peer;
  }

  get stats() {
    return this.#channel.stats;
  }

  send(frame: Uint8Array): Promise<void> {
    this.#sent.absorb(frame);
    return this.#channel.send(frame);
  }

  async receive(options?: { signal?: AbortSignal }): Promise<Uint8Array> {
    const frame = await this.#channel.receive(options);
    this.#received.absorb(frame);
    return frame;
  }

  /** Both ends call it with the same key, of 16 bytes, after the same frames. @throws {NodeError} `TRANSCRIPT_KEYED` at a second call. */
  keyed(key: Uint8Array): void {
    this.#sent.keyed(key);
    this.#received.keyed(key);
  }

  close(reason?: Error): void {
    this.#channel.close(reason);
  }

  /** Closes both digests and returns them. A later frame is refused: it would go unhashed. */
  digests(): { sent: Hash; received: Hash } {
    return { sent: this.#sent.digest(), received: this.#received.digest() };
  }
}

class Direction {
  readonly #crypto: CryptoProvider;
  readonly #hash: ReturnType<CryptoProvider['sha256']>;
  #mac: ReturnType<CryptoProvider['gmac128']> | undefined;
  /** Differs in the two directions, which have one key. */
  readonly #nonce = new Uint8Array(12);
  readonly #length = new Uint8Array(4);
  #closed = false;

  constructor(crypto: CryptoProvider, { protocol, sid }: TranscriptBinding, from: number, to: number) {
    const name = utf8.encode(protocol);
    if (![from, to].every((party) => Number.isInteger(party) && party >= 0 && party < 256)) {
      throw new NodeError('TRANSCRIPT_BAD_PARTY', 'parties have numbers from 0 to 255', { fault: 'node' });
    }
    if (name.length > 255) throw new NodeError('CODEC_TAG', 'protocol longer than 255 bytes', { fault: 'node' });
    this.#crypto = crypto;
    this.#nonce.set([from, to]);
    this.#hash = crypto.sha256();
    this.#hash.update(concatBytes(utf8.encode('2pm/transcript/1'), new Uint8Array([name.length]), name, fromHex(sid)));
    this.#hash.update(new Uint8Array([from, to]));
  }

  absorb(frame: Uint8Array): void {
    if (this.#closed) throw new NodeError('TRANSCRIPT_CLOSED', 'a frame after the digest was taken', { fault: 'node' });
    new DataView(this.#length.buffer).setUint32(0, frame.length, true);
    const into = this.#mac ?? this.#hash;
    into.update(this.#length);
    into.update(frame);
  }

  keyed(key: Uint8Array): void {
    if (this.#mac !== undefined) throw new NodeError('TRANSCRIPT_KEYED', 'there is a key already', { fault: 'node' });
    this.#mac = this.#crypto.gmac128(key, this.#nonce);
  }

  digest(): Hash {
    if (this.#closed) throw new NodeError('TRANSCRIPT_CLOSED', 'the digest was taken before', { fault: 'node' });
    this.#closed = true;
    if (this.#mac !== undefined) this.#hash.update(this.#mac.digest());
    return toHex(this.#hash.digest()) as Hash;
  }
}
