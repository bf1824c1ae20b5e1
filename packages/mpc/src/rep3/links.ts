/**
 * A seat's links to the other two: set-up, rounds, and the comparison of transcripts at the end.
 * Set-up, one frame each way: hash of what is about to run, and to the previous seat also a fresh seed and digests of
 * the input shares held in common. What follows enters transcripts under a key from the pair's stream: who can alter it unseen
 * has broken the channel's TLS and read the seed. End, one frame each way: the digests of all four message streams of a seat.
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
import { compareDigests, componentDigests, type SeatInputs } from './inputs.ts';
import { Masks, SEED_BYTES } from './masks.ts';

/** Larger frames are cut, so that no channel must hold a whole round. */
const FRAME_BYTES = 1 << 20;
/** What is computed at a time: operands, masks and results stay in cache. */
const PIECE_BYTES = 1 << 17;
const DIGEST_BYTES = 32;
const KEY_BYTES = 16;

interface Link {
  seat: number;
  channel: Channel;
  /** The same channel, with every frame hashed. */
  logged: TranscriptChannel;
}

export class Links {
  readonly #context: SeatContext;
  readonly #binding: Hash;
  readonly #next: Link;
  readonly #previous: Link;

  /** `binding`: hash of everything that the seats must agree on before they speak of anything else. */
  constructor(context: SeatContext, protocol: string, binding: Hash) {
    const { seat, sid, channels, crypto } = context;
    const link = (peer: number): Link => {
      const channel = channels.get(peer);
      if (channel === undefined) {
        throw new NodeError('MPC_NO_CHANNEL', `seat ${seat} has no channel to seat ${peer}`, { fault: 'node' });
      }
      return {
        seat: peer,
        channel,
        logged: new TranscriptChannel(channel, crypto, { protocol, sid, self: seat, peer }),
      };
    };
    this.#context = context;
    this.#binding = binding;
    this.#next = link((seat + 1) % 3);
    this.#previous = link((seat + 2) % 3);
  }

  /**
   * @throws {NodeError} `MPC_SCHEDULE_MISMATCH` when another seat is about to run something else; `MPC_BAD_INPUT` naming
   * a holder that gave two seats different shares.
   */
  async setUp(inputs: SeatInputs): Promise<{ a: Masks; b: Masks }> {
    const { rng, crypto, sid, seat } = this.#context;
    const binding = fromHex(this.#binding);
    const seed = rng.fill(new Uint8Array(SEED_BYTES));
    const shared = componentDigests(inputs, 'b', crypto);
    const [fromNext] = await settle(
      this.#receiveBound(this.#next, binding, SEED_BYTES + shared.length),
      this.#receiveBound(this.#previous, binding, 0),
      this.#send(this.#previous.logged, concatBytes(binding, seed, componentDigests(inputs, 'a', crypto))),
      this.#send(this.#next.logged, binding),
    );
    compareDigests(inputs, shared, fromNext.subarray(SEED_BYTES), `seats ${seat} and ${this.#next.seat}`);
    const [a, b] = [seed, fromNext.slice(0, SEED_BYTES)].map((from) => new Masks(crypto, from, sid)) as [Masks, Masks];
    this.#previous.logged.keyed(a.bytes(KEY_BYTES).slice());
    this.#next.logged.keyed(b.bytes(KEY_BYTES).slice());
    return { a, b };
  }

  /**
   * One round: a frame to the previous seat, one of `expect` bytes from the next; and `back`, the other way round, which
   * comes behind it. Empty ones are not sent.
   */
  async exchange(round: Exchange): Promise<Uint8Array> {
    const { expect, back, vouched } = round;
    const by = (link: Link) => (vouched === true ? link.channel : link.logged);
    if (back === undefined) {
      const [answer] = await settle(
        this.#receiveCut(by(this.#next), this.#next.seat, expect),
        this.#sendCut(by(this.#previous), round),
      );
      return answer;
    }
    const both = new Uint8Array(expect + back.expect);
    await settle(
      this.#receiveCut(by(this.#next), this.#next.seat, expect, both.subarray(0, expect)),
      this.#receiveCut(this.#previous.logged, this.#previous.seat, back.expect, both.subarray(expect)),
      this.#sendCut(by(this.#previous), round),
      this.#sendCut(this.#next.logged, back),
    );
    return both;
  }

  /**
   * The three seats tell each other the digests of what they sent and received.
   * @throws {NodeError} `MPC_TRANSCRIPT_MISMATCH` naming the first pair that did not see the same messages.
   */
  async agree(): Promise<Hash> {
    const { seat } = this.#context;
    const [next, previous] = [this.#next.logged.digests(), this.#previous.logged.digests()];
    const report = concatBytes(...[next.sent, next.received, previous.sent, previous.received].map(fromHex));
    const [ofNext, ofPrevious] = await settle(
      this.#receive(this.#next.channel, report.length, this.#next.seat),
      this.#receive(this.#previous.channel, report.length, this.#previous.seat),
      this.#send(this.#next.channel, report),
      this.#send(this.#previous.channel, report),
    );
    const reports = new Map([
      [seat, report],
      [this.#next.seat, ofNext],
      [this.#previous.seat, ofPrevious],
    ]);
    const digest = (of: number, place: number) => {
      const bytes = reports.get(of) ?? new Uint8Array();
      return bytes.subarray(place * DIGEST_BYTES, (place + 1) * DIGEST_BYTES);
    };
    const streams: Uint8Array[] = [];
    for (const from of [0, 1, 2]) {
      const to = (from + 1) % 3;
      // Places of a report: sent to next, received from next, sent to previous, received from previous.
      for (const [mine, theirs] of [
        [digest(from, 0), digest(to, 3)],
        [digest(from, 1), digest(to, 2)],
      ] as const) {
        if (!equalBytes(mine, theirs)) throw transcriptMismatch(from, to);
        streams.push(mine);
      }
    }
    return taggedHash('2pm/mpc-transcript/1', fromHex(this.#binding), ...streams) as Hash;
  }

  async #sendCut(channel: Channel, { send, prepare }: Pick<Exchange, 'send' | 'prepare'>): Promise<void> {
    for (let offset = 0; offset < send.length; offset += FRAME_BYTES) {
      const end = Math.min(send.length, offset + FRAME_BYTES);
      if (prepare !== undefined) {
        for (let from = offset; from < end; from += PIECE_BYTES) prepare(from, Math.min(end, from + PIECE_BYTES));
      }
      await this.#send(channel, send.subarray(offset, end));
    }
  }

  /** `room`: where the bytes shall go, if that matters. */
  async #receiveCut(channel: Channel, seat: number, expect: number, room?: Uint8Array): Promise<Uint8Array> {
    if (expect === 0) return new Uint8Array(0);
    if (expect <= FRAME_BYTES && room === undefined) return this.#receive(channel, expect, seat);
    const out = room ?? new Uint8Array(expect);
    for (let offset = 0; offset < expect; offset += FRAME_BYTES) {
      out.set(await this.#receive(channel, Math.min(FRAME_BYTES, expect - offset), seat), offset);
    }
    return out;
  }

  async #send(channel: Channel, frame: Uint8Array): Promise<void> {
    this.#context.signal.throwIfAborted();
    await channel.send(frame);
  }

  /** What stands behind the binding of a first frame. Another binding may bring a frame of another length. */
  async #receiveBound({ logged, seat }: Link, binding: Uint8Array, expect: number): Promise<Uint8Array> {
    const frame = await logged.receive({ signal: this.#context.signal });
    if (!equalBytes(frame.subarray(0, binding.length), binding)) throw scheduleMismatch(this.#context.seat, seat);
    return expectBytes(frame, binding.length + expect, seat).subarray(binding.length);
  }

  async #receive(channel: Channel, expect: number, seat: number): Promise<Uint8Array> {
    const { signal } = this.#context;
    signal.throwIfAborted();
    return expectBytes(await channel.receive({ signal }), expect, seat);
  }
}

function expectBytes(frame: Uint8Array, expect: number, seat: number): Uint8Array {
  if (frame.length === expect) return frame;
  throw new NodeError('MPC_BAD_FRAME', `seat ${seat} sent ${frame.length} bytes where ${expect} are due`, {
    fault: 'peer',
  });
}

/** All of them, or the first failure; starts every one before it waits for any, and leaves no rejection unheard. */
async function settle<T extends readonly Promise<unknown>[]>(...of: T): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  return (await Promise.all(of)) as { [K in keyof T]: Awaited<T[K]> };
}

function scheduleMismatch(seat: number, peer: number): NodeError {
  return new NodeError('MPC_SCHEDULE_MISMATCH', `seats ${seat} and ${peer} are about to run different computations`, {
    fault: 'peer',
    fix: 'Run the same version of the software at all seats, and check that they fetched the same plan and roster.',
  });
}

function transcriptMismatch(from: number, to: number): NodeError {
  return new NodeError('MPC_TRANSCRIPT_MISMATCH', `seats ${from} and ${to} did not see the same messages`, {
    fault: 'peer',
    fix: 'Start a new attempt; if it happens again, one of these two seats or the path between them alters messages.',
  });
}
