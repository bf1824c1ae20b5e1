/** A seat's link to one other, over which every message is hashed and none is longer than the plan says. @module */
import { type Channel, type Hash, NodeError, type SeatContext } from '@2pm/core';
import { TranscriptChannel } from '@2pm/crypto';

/** Larger messages are cut, so that no channel must hold a whole round. */
const FRAME_BYTES = 1 << 20;

export type LinkContext = Pick<SeatContext, 'seat' | 'sid' | 'channels' | 'crypto' | 'signal'>;

export class Link {
  readonly peer: number;
  readonly #signal: AbortSignal;
  readonly #channel: Channel;
  /** The same channel, with every frame hashed. */
  readonly #logged: TranscriptChannel;

  constructor({ seat, sid, channels, crypto, signal }: LinkContext, peer: number, protocol: string) {
    const channel = channels.get(peer);
    if (channel === undefined) {
      throw new NodeError('MPC_NO_CHANNEL', `seat ${seat} has no channel to seat ${peer}`, { fault: 'node' });
    }
    this.peer = peer;
    this.#signal = signal;
    this.#channel = channel;
    this.#logged = new TranscriptChannel(channel, crypto, { protocol, sid, self: seat, peer });
  }

  /** Sends, and waits for `expect` bytes. */
  async swap(send: Uint8Array, expect: number): Promise<Uint8Array> {
    const [answer] = await Promise.all([this.receive(expect), this.send(send)]);
    return answer;
  }

  async send(message: Uint8Array): Promise<void> {
    for (let offset = 0; offset < message.length; offset += FRAME_BYTES) {
      this.#signal.throwIfAborted();
      await this.#logged.send(message.subarray(offset, offset + FRAME_BYTES));
    }
  }

  async receive(expect: number): Promise<Uint8Array> {
    if (expect === 0) return new Uint8Array(0);
    if (expect <= FRAME_BYTES) return this.#receive(this.#logged, expect);
    const out = new Uint8Array(expect);
    for (let offset = 0; offset < expect; offset += FRAME_BYTES) {
      out.set(await this.#receive(this.#logged, Math.min(FRAME_BYTES, expect - offset)), offset);
    }
    return out;
  }

  /** Of all messages so far; none may follow but a `report`. */
  digests(): { sent: Hash; received: Hash } {
    return this.#logged.digests();
  }

  /** One frame each way that is not hashed. */
  async report(send: Uint8Array): Promise<Uint8Array> {
    const [answer] = await Promise.all([this.#receive(this.#channel, send.length), this.#channel.send(send)]);
    return answer;
  }

  async #receive(channel: Channel, expect: number): Promise<Uint8Array> {
    const signal = this.#signal;
    signal.throwIfAborted();
    const frame = await channel.receive({ signal });
    if (frame.length !== expect) {
      throw new NodeError('MPC_BAD_FRAME', `seat ${this.peer} sent ${frame.length} bytes where ${expect} are due`, {
        fault: 'peer',
      });
    }
    return frame;
  }
}
