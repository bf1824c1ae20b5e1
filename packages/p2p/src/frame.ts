/**
 * Frames on a byte stream: a little-endian u32 length, then that many bytes. The length `0xffffffff` says goodbye: all
 * that was sent has arrived, so that a stream which ends without it is known to be cut off.
 * @module
 */
import { NodeError } from '@2pm/core';

export const HEADER_BYTES = 4;
export const MAX_FRAME_BYTES = 0xffff_fffe;
const GOODBYE_LENGTH = 0xffff_ffff;
export const GOODBYE: Uint8Array = new Uint8Array([0xff, 0xff, 0xff, 0xff]);

export function frameHeader(length: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, length, true);
  return header;
}

/** Cuts a stream into frames. Each frame has an ArrayBuffer of its own, so that words can be viewed in place. */
export class FrameDecoder {
  /** Longest frame accepted; the length is checked before memory is taken. */
  limit: number;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #body: Uint8Array | undefined;
  #bodyBytes = 0;
  #ended = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** True between the first byte of a frame and its last. */
  get partial(): boolean {
    return this.#headerBytes > 0;
  }

  /** True once the other end said goodbye. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * The frames that `chunk` completes, in order.
   * @throws {NodeError} `P2P_FRAME_TOO_LARGE`, `P2P_MALFORMED_FRAME` (bytes after the goodbye).
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#ended) {
        throw new NodeError('P2P_MALFORMED_FRAME', 'the peer sent bytes after its goodbye', { fault: 'peer' });
      }
      if (this.#body === undefined) {
        const take = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + take), this.#headerBytes);
        this.#headerBytes += take;
        at += take;
        if (this.#headerBytes < HEADER_BYTES) return;
        this.#body = this.#begin();
        if (this.#body === undefined) continue;
      }
      const body: Uint8Array = this.#body;
      const take = Math.min(body.length - this.#bodyBytes, chunk.length - at);
      body.set(chunk.subarray(at, at + take), this.#bodyBytes);
      this.#bodyBytes += take;
      at += take;
      if (this.#bodyBytes < body.length) return;
      this.#body = undefined;
      this.#headerBytes = 0;
      yield body;
    }
  }

  #begin(): Uint8Array | undefined {
    const length = new DataView(this.#header.buffer).getUint32(0, true);
    if (length === GOODBYE_LENGTH) {
      this.#ended = true;
      this.#headerBytes = 0;
      return undefined;
    }
    if (length > this.limit) throw frameTooLarge(length, this.limit, 'peer');
    this.#bodyBytes = 0;
    // Without zero-filling: every byte is written before the frame is handed out.
    return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  }
}

export function frameTooLarge(length: number, limit: number, fault: 'peer' | 'caller'): NodeError {
  return new NodeError('P2P_FRAME_TOO_LARGE', `a frame of ${length} bytes exceeds the limit of ${limit}`, {
    fault,
    ...(fault === 'caller' ? { fix: 'Send it in smaller frames, or raise the limit of this protocol.' } : {}),
  });
}
