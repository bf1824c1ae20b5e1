/**
 * Frames bound to their session: each opens with 16 bytes of a running digest over the session (protocol, sid, capacities,
 * parameters) and every frame before it in either direction. The two ends take strict turns, so both know the digest: a
 * frame of another session, another parameter set, out of order, replayed or reflected is refused at once.
 * The digest is no authentication; the channel gives that.
 * @module
 */
import { type Channel, type CryptoProvider, concatBytes, equalBytes, NodeError } from '@2pm/core';
import { pieces } from '@2pm/crypto/wasm';

export const FRAME_BYTES = 98_304;
const BINDING_BYTES = 16;
const LENGTH_BYTES = 4;

export class BoundChannel {
  readonly #channel: Channel;
  readonly #crypto: CryptoProvider;
  readonly #signal: AbortSignal | undefined;
  #state: Uint8Array;

  /** `session`: 32 bytes that name everything agreed on before. */
  constructor(channel: Channel, crypto: CryptoProvider, session: Uint8Array, signal?: AbortSignal) {
    this.#channel = channel;
    this.#crypto = crypto;
    this.#state = session;
    this.#signal = signal;
  }

  /** One frame. `payload` may be overwritten afterwards. */
  async sendFrame(payload: Uint8Array): Promise<void> {
    this.#signal?.throwIfAborted();
    const frame = concatBytes(this.#state.subarray(0, BINDING_BYTES), payload);
    this.#absorb(payload);
    await this.#channel.send(frame);
  }

  /** @throws {NodeError} `PSI_SESSION_MISMATCH`, `PSI_BAD_LENGTH`, or what the channel throws. */
  async receiveFrame(length: number): Promise<Uint8Array> {
    const frame = await this.#channel.receive(this.#signal === undefined ? {} : { signal: this.#signal });
    // What is already here comes even after an abort; a party that gave up must not go on with it.
    this.#signal?.throwIfAborted();
    // Before the length: of another session, or of other capacities, that differs as well.
    if (!equalBytes(frame.subarray(0, BINDING_BYTES), this.#state.subarray(0, BINDING_BYTES))) {
      throw new NodeError('PSI_SESSION_MISMATCH', 'the frame belongs to another session, or came out of turn', {
        fault: 'peer',
        fix: 'Compare session id, roles, capacities and protocol version on both sides; a retry needs a new session id.',
      });
    }
    if (frame.length !== BINDING_BYTES + length) {
      throw new NodeError('PSI_BAD_LENGTH', `a frame of ${frame.length} bytes, expected ${BINDING_BYTES + length}`, {
        fault: 'peer',
      });
    }
    const payload = frame.subarray(BINDING_BYTES);
    this.#absorb(payload);
    return payload;
  }

  /** A message in as many frames as it needs. */
  async send(message: Uint8Array): Promise<void> {
    for (const [from, to] of pieces(message.length, FRAME_BYTES)) await this.sendFrame(message.subarray(from, to));
  }

  /** A message of exactly `length` bytes. Throws as `receiveFrame`. */
  async receive(length: number): Promise<Uint8Array> {
    const message = new Uint8Array(length);
    for (const [from, to] of pieces(length, FRAME_BYTES)) message.set(await this.receiveFrame(to - from), from);
    return message;
  }

  #absorb(payload: Uint8Array): void {
    const length = new Uint8Array(LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, payload.length, true);
    const hash = this.#crypto.sha256();
    hash.update(this.#state);
    hash.update(length);
    hash.update(payload);
    this.#state = hash.digest();
  }
}
