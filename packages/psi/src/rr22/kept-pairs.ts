/**
 * Base transfers kept between the runs of a node, for each peer and direction, and how two parties learn whether both still
 * have them.
 *
 * Before a run both send 32 bytes at once: SHA-256 over the session and the name of what they keep for the other, or random
 * bytes where they keep nothing. Equal: both use it. Otherwise both make a new setup (`pair-setup.ts`), under an id of the
 * session, and keep that. So a party that lost its setup, by a restart or for its age, costs a setup and no error.
 * Semi-honest; half a round and 64 bytes, and those of a setup where there is none. Leakage: whether the peer still keeps what it
 * had. A party that claims what it does not have gets a run over a setup of which it lacks the keys, or none at all: the
 * session binds the setup's name. That no streams serve twice is argued in `crypto/ot/kept.ts`; sessions and nonces differ.
 * Kept in memory alone, and dropped after a failure of any run over it, after an hour, and after a number of runs: whoever takes
 * the memory opens what a setup protected.
 * @module
 */
import {
  type Channel,
  type CryptoProvider,
  equalBytes,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  type Rng,
  toHex,
} from '@2pm/core';
import { type PairSetup, rr22ReceiverSetup, rr22SenderSetup } from './pair-setup.ts';

const NAME_BYTES = 32;

export const KEPT_LIMITS = { pairs: 256, runs: 1_000, ms: 3_600_000 };

/** A peer, and what it is known by: what is kept serves as long as that is the same. */
export interface Link {
  channel: Channel;
  identity?: string | undefined;
}

export interface KeptRun {
  role: PairSetup['role'];
  /** Unique for each run of the pair. */
  sid: Hash;
  rng: Rng;
  crypto: CryptoProvider;
  signal: AbortSignal;
}

interface Kept {
  setup: PairSetup;
  identity: string | undefined;
  madeAt: number;
  runs: number;
}

export class KeptPairs {
  readonly #now: () => number;
  readonly #limits: typeof KEPT_LIMITS;
  /** Oldest first. */
  readonly #pairs = new Map<string, Kept>();

  /** `now`: milliseconds on any clock. */
  constructor(now: () => number, limits = KEPT_LIMITS) {
    this.#now = now;
    this.#limits = limits;
  }

  /**
   * Runs over a setup with each peer, in their order. One that fails, however it does, takes its setups with it.
   * @throws {NodeError} `PSI_BAD_LENGTH`, those of `rr22ReceiverSetup`, and the run's.
   */
  async use<T>(links: readonly Link[], run: KeptRun, work: (setups: PairSetup[]) => Promise<T>): Promise<T> {
    try {
      return await work(await Promise.all(links.map((link) => this.#agree(link, run))));
    } catch (error) {
      for (const { channel } of links) this.#pairs.delete(nameOf(run.role, channel));
      throw error;
    }
  }

  async #agree({ channel, identity }: Link, { role, sid, rng, crypto, signal }: KeptRun): Promise<PairSetup> {
    const known = this.#find(role, channel, identity);
    const mine =
      known === undefined
        ? rng.fill(new Uint8Array(NAME_BYTES))
        : fromHex(hashValue('2pm/psi-rr22-kept/1', { sid, setup: toHex(known.setup.kept.id) }));
    await channel.send(mine);
    const theirs = await channel.receive({ signal });
    signal.throwIfAborted();
    if (theirs.length !== NAME_BYTES) {
      throw new NodeError('PSI_BAD_LENGTH', `a frame of ${theirs.length} bytes, expected ${NAME_BYTES}`, {
        fault: 'peer',
      });
    }
    if (known !== undefined && equalBytes(mine, theirs)) {
      known.runs++;
      return known.setup;
    }
    const make = role === 'receiver' ? rr22ReceiverSetup : rr22SenderSetup;
    const setup = await make({ channel, sid, rng, crypto, signal });
    this.#keep(role, channel, { setup, identity, madeAt: this.#now(), runs: 1 });
    return setup;
  }

  #find(role: PairSetup['role'], channel: Channel, identity: string | undefined): Kept | undefined {
    const kept = this.#pairs.get(nameOf(role, channel));
    if (kept === undefined) return undefined;
    const { runs, ms } = this.#limits;
    return kept.identity === identity && kept.runs < runs && this.#now() - kept.madeAt < ms ? kept : undefined;
  }

  #keep(role: PairSetup['role'], channel: Channel, kept: Kept): void {
    const name = nameOf(role, channel);
    this.#pairs.delete(name);
    const [oldest] = this.#pairs.keys();
    if (oldest !== undefined && this.#pairs.size >= this.#limits.pairs) this.#pairs.delete(oldest);
    this.#pairs.set(name, kept);
  }
}

function nameOf(role: PairSetup['role'], { peer }: Channel): string {
  return `${role} ${peer}`;
}
