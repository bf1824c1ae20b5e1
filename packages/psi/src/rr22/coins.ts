/**
 * The two coins of a malicious run, tossed by commitment (Blum, 1981; hash commitments of `crypto/commitment.ts`).
 *
 * r, the key of the store: the receiver commits to its share with its first message and opens it when it has the sender's.
 * RR22 leaves r to the receiver. With clusters that gave a cheating one something to search for: an r under which a set
 * that it suspects would overflow a bin, so that an abort confirms it. r names the code of the VOLE, too.
 * w, part of what is hashed to tags (Rindal and Schoppmann, VOLE-PSI, EUROCRYPT 2021, malicious OPRF): the sender commits
 * to its share before anything of the correlation is fixed, the receiver sends its own with P ⊕ A, only then the sender
 * opens. So neither could hash anything useful before both were bound to their inputs.
 * Semi-honest runs do without: they have no w, and r from the receiver alone.
 * Opened wrong: `PSI_BAD_OPENING`.
 * @module
 */
import { concatBytes, fromHex, type Hash, NodeError, type Rng, toHex } from '@2pm/core';
import { commit, OPENING_BYTES, verifyCommitment } from '@2pm/crypto';
import type { BoundChannel } from '../bound-channel.ts';

const KEY_BYTES = 32;
const MASK_BYTES = 16;
const COMMITMENT_BYTES = 32;

export interface Coins {
  channel: BoundChannel;
  /** 32 bytes; commitments serve in this session alone. */
  session: Uint8Array;
  rng: Rng;
}

type Name = 'store' | 'mask';

/** Calls in order: commit, key, mask. */
export class ReceiverCoins {
  readonly #coins: Coins;
  readonly #share: Share;
  #theirs: Uint8Array = new Uint8Array();

  constructor(coins: Coins) {
    this.#coins = coins;
    this.#share = new Share(coins, 'store', KEY_BYTES);
  }

  /** With the first message. */
  async commit(): Promise<void> {
    await this.#coins.channel.send(this.#share.commitment);
  }

  /** r, when the sender has answered: it has fixed its set by then, as we have ours. */
  async key(): Promise<Uint8Array> {
    const { channel } = this.#coins;
    const theirs = await channel.receive(KEY_BYTES);
    this.#theirs = await channel.receive(COMMITMENT_BYTES);
    await channel.send(this.#share.opened);
    return xored(this.#share.value, theirs);
  }

  /** w, when P ⊕ A is sent. @throws {NodeError} `PSI_BAD_OPENING`. */
  async mask(): Promise<Uint8Array> {
    const { channel, rng } = this.#coins;
    const own = rng.fill(new Uint8Array(MASK_BYTES));
    await channel.send(own);
    return xored(own, opened(this.#coins, 'mask', this.#theirs, await channel.receive(MASK_BYTES + OPENING_BYTES)));
  }
}

/** Calls in order: hear, share, key, mask. */
export class SenderCoins {
  readonly #coins: Coins;
  readonly #share: Share;
  #theirs: Uint8Array = new Uint8Array();
  #key: Uint8Array = new Uint8Array();

  constructor(coins: Coins) {
    this.#coins = coins;
    this.#share = new Share(coins, 'mask', MASK_BYTES);
  }

  /** With the receiver's first message. */
  async hear(): Promise<void> {
    this.#theirs = await this.#coins.channel.receive(COMMITMENT_BYTES);
  }

  /** With the answer. */
  async share(): Promise<void> {
    const { channel, rng } = this.#coins;
    this.#key = rng.fill(new Uint8Array(KEY_BYTES));
    await channel.send(this.#key);
    await channel.send(this.#share.commitment);
  }

  /** r. @throws {NodeError} `PSI_BAD_OPENING`. */
  async key(): Promise<Uint8Array> {
    const message = await this.#coins.channel.receive(KEY_BYTES + OPENING_BYTES);
    return xored(this.#key, opened(this.#coins, 'store', this.#theirs, message));
  }

  /** w, when P ⊕ A is here. */
  async mask(): Promise<Uint8Array> {
    const { channel } = this.#coins;
    const theirs = await channel.receive(MASK_BYTES);
    await channel.send(this.#share.opened);
    return xored(this.#share.value, theirs);
  }
}

/** One party's part of a coin, with its commitment. */
class Share {
  readonly value: Uint8Array;
  readonly commitment: Uint8Array;
  readonly #opening: Uint8Array;

  constructor({ session, rng }: Coins, name: Name, size: number) {
    this.value = rng.fill(new Uint8Array(size));
    const { commitment, opening } = commit(contextOf(session, name), this.value, rng);
    this.commitment = fromHex(commitment);
    this.#opening = opening;
  }

  get opened(): Uint8Array {
    return concatBytes(this.value, this.#opening);
  }
}

function opened({ session }: Coins, name: Name, commitment: Uint8Array, message: Uint8Array): Uint8Array {
  const value = message.subarray(0, message.length - OPENING_BYTES);
  const opening = message.subarray(value.length);
  if (!verifyCommitment(toHex(commitment) as Hash, contextOf(session, name), value, opening)) {
    throw new NodeError('PSI_BAD_OPENING', 'the peer opened something else than it had committed to', {
      fault: 'peer',
    });
  }
  return value;
}

function contextOf(session: Uint8Array, name: Name): string {
  return `2pm/rr22/${name}/1 ${toHex(session)}`;
}

function xored(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i]!);
}
