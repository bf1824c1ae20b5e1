/**
 * A seat's links to all others: agreement on what is about to run, rounds, and the comparison of transcripts at the end.
 * The first frame each way begins with the hash of everything that the seats must agree on, the last is the digests of all
 * message streams of the seat.
 * @module
 */
import { concatBytes, equalBytes, fromHex, type Hash, NodeError, taggedHash } from '@2pm/core';
import type { Exchange } from '../execute.ts';
import { Link, type LinkContext } from './link.ts';

export class Links {
  /** In the order of the other seats. */
  readonly all: readonly Link[];
  /** To those that compute: to all but a dealer. */
  readonly computing: readonly Link[];
  readonly #seat: number;
  readonly #binding: Hash;

  /** `dealer`: a seat that takes part in no round. */
  constructor(context: LinkContext, protocol: string, binding: Hash, dealer?: number) {
    this.#seat = context.seat;
    this.#binding = binding;
    const peers = Array.from({ length: context.channels.size + 1 }, (_, seat) => seat).filter(
      (seat) => seat !== context.seat,
    );
    this.all = peers.map((peer) => new Link(context, peer, protocol));
    this.computing = this.all.filter(({ peer }) => peer !== dealer);
  }

  /**
   * `secrets`: what to say to each other seat, of one length everywhere. Gives what they say.
   * @throws {NodeError} `MPC_SCHEDULE_MISMATCH` when another seat is about to run something else.
   */
  async begin(secrets: readonly Uint8Array[] = []): Promise<Uint8Array[]> {
    const binding = fromHex(this.#binding);
    const theirs = await Promise.all(
      this.all.map((link, i) => {
        const frame = concatBytes(binding, secrets[i] ?? new Uint8Array(0));
        return link.swap(frame, frame.length);
      }),
    );
    for (const [i, { peer }] of this.all.entries()) {
      if (equalBytes((theirs[i] as Uint8Array).subarray(0, binding.length), binding)) continue;
      throw new NodeError(
        'MPC_SCHEDULE_MISMATCH',
        `seats ${this.#seat} and ${peer} are about to run different computations`,
        {
          fault: 'peer',
          fix: 'Run the same version of the software at all seats, and check that they fetched the same plan and roster.',
        },
      );
    }
    return theirs.map((frame) => frame.slice(binding.length));
  }

  /** One round: the same message to every computing seat, and one of each, one behind another. Empty ones are not sent. */
  async exchange({ send, prepare, expect }: Exchange): Promise<Uint8Array> {
    prepare?.(0, send.length);
    const answers = await Promise.all(this.computing.map((link) => link.swap(send, expect)));
    return answers.length === 1 ? (answers[0] as Uint8Array) : concatBytes(...answers);
  }

  /**
   * The seats tell each other the digests of what they sent to every seat and received from it.
   * @throws {NodeError} `MPC_TRANSCRIPT_MISMATCH` naming a pair that did not see the same messages.
   */
  async agree(): Promise<Hash> {
    const own = this.all.map((link) => link.digests());
    const report = concatBytes(...own.flatMap(({ sent, received }) => [fromHex(sent), fromHex(received)]));
    const reports = await Promise.all(this.all.map((link) => link.report(report)));
    reports.splice(this.#seat, 0, report);
    // Of a seat's report, what it says of the stream to another seat (0) or from it (1).
    const digest = (of: number, peer: number, direction: 0 | 1) => {
      const at = 2 * (peer < of ? peer : peer - 1) + direction;
      return (reports[of] as Uint8Array).subarray(DIGEST_BYTES * at, DIGEST_BYTES * (at + 1));
    };
    const streams: Uint8Array[] = [];
    for (let from = 0; from < reports.length; from++) {
      for (let to = 0; to < reports.length; to++) {
        if (from === to) continue;
        if (!equalBytes(digest(from, to, 0), digest(to, from, 1))) throw transcriptMismatch(from, to);
        streams.push(digest(from, to, 0));
      }
    }
    return taggedHash('2pm/mpc-transcript/1', fromHex(this.#binding), ...streams) as Hash;
  }
}

const DIGEST_BYTES = 32;

function transcriptMismatch(from: number, to: number): NodeError {
  return new NodeError('MPC_TRANSCRIPT_MISMATCH', `seats ${from} and ${to} did not see the same messages`, {
    fault: 'peer',
    fix: 'Start a new attempt; if it happens again, one of these seats or the path between them alters messages.',
  });
}
