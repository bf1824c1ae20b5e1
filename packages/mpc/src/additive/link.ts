/**
 * A seat's link to the other: agreement on what is about to run, rounds, and the comparison of transcripts at the end.
 * The first frame each way is the hash of everything that the seats must agree on, the last the digests of both message
 * streams.
 * @module
 */
import {
  type Channel,
  concatBytes,
  equalBytes,
  fromHex,
  type Hash,
  NodeError,
  type SeatContext,
  taggedHash,
} from '@2pm/core';
import { TranscriptChannel } from '@2pm/crypto';
import type { Exchange } from '../execute.ts';

/** Larger messages are cut, so that no channel must hold a whole round. */
const FRAME_BYTES = 1 << 20;

type LinkContext = Pick<SeatContext, 'seat' | 'sid' | 'channels' | 'crypto' | 'signal'>;

export class Link {
  readonly #context: LinkContext;
  readonly #binding: Hash;
  readonly peer: number;
  readonly #channel: Channel;
  /** The same channel, with every frame hashed. */
  readonly #logged: TranscriptChannel;

  constructor(context: LinkContext, protocol: string, binding: Hash) {
    const { seat, sid, channels, crypto } = context;
    const peer = 1 - seat;
    const channel = channels.get(peer);
    if (channel === undefined) {
      throw new NodeError('MPC_NO_CHANNEL', `seat ${seat} has no channel to seat ${peer}`, { fault: 'node' });
    }
    this.#context = context;
    this.#binding = binding;
    this.peer = peer;
    this.#channel = channel;
    this.#logged = new TranscriptChannel(channel, crypto, { protocol, sid, self: seat, peer });
  }

  /** @throws {NodeError} `MPC_SCHEDULE_MISMATCH` when the other seat is about to run something else. */
  async begin(): Promise<void> {
    const binding = fromHex(this.#binding);
    const theirs = await this.swap(binding, binding.length);
    if (equalBytes(theirs, binding)) return;
    const { seat } = this.#context;
    throw new NodeError(
      'MPC_SCHEDULE_MISMATCH',
      `seats ${seat} and ${this.peer} are about to run different computations`,
      {
        fault: 'peer',
        fix: 'Run the same version of the software at both seats, and check that they fetched the same plan and roster.',
      },
    );
  }

  /** One round: a message each way. Empty ones are not sent. */
  async exchange({ send, prepare, expect }: Exchange): Promise<Uint8Array> {
    prepare?.(0, send.length);
    return this.swap(send, expect);
  }

  /** Sends, and waits for `expect` bytes. */
  async swap(send: Uint8Array, expect: number): Promise<Uint8Array> {
    const [answer] = await Promise.all([this.receive(expect), this.send(send)]);
    return answer;
  }

  async send(message: Uint8Array): Promise<void> {
    for (let offset = 0; offset < message.length; offset += FRAME_BYTES) {
      this.#context.signal.throwIfAborted();
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

  /** @throws {NodeError} `MPC_TRANSCRIPT_MISMATCH` when the seats did not see the same messages. */
  async agree(): Promise<Hash> {
    const { sent, received } = this.#logged.digests();
    const [mine, theirs] = [sent, received].map(fromHex) as [Uint8Array, Uint8Array];
    const [report] = await Promise.all([
      this.#receive(this.#channel, mine.length + theirs.length),
      this.#channel.send(concatBytes(mine, theirs)),
    ]);
    if (!equalBytes(report, concatBytes(theirs, mine))) {
      throw new NodeError('MPC_TRANSCRIPT_MISMATCH', 'seats 0 and 1 did not see the same messages', {
        fault: 'peer',
        fix: 'Start a new attempt; if it happens again, one of the seats or the path between them alters messages.',
      });
    }
    const streams = this.#context.seat === 0 ? [mine, theirs] : [theirs, mine];
    return taggedHash('2pm/mpc-transcript/1', fromHex(this.#binding), ...streams) as Hash;
  }

  async #receive(channel: Channel, expect: number): Promise<Uint8Array> {
    const { signal } = this.#context;
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
