/** Protocols of the shared placement: their cards, and the interface by which `task` runs one without knowing it. @module */
import type { Channel } from './channel.ts';
import type { Rng } from './env.ts';
import type { Hash } from './ids.ts';
import type { Plan } from './plan.ts';
import type { SecurityModel } from './task.ts';

/** Shown at consent, enforced by policy. */
export interface ProtocolCard {
  /** `rep3-semi-honest/1`: bound into spec and transcript. */
  id: string;
  title: string;
  /** Paper and section, RFC, or spec. */
  reference: string;
  security: SecurityModel;
  /** Parties that may be corrupted together; where the number of seats varies, of the least. */
  threshold: number;
  /** How many compute, the least where it varies. */
  seats: number;
  /** The most, where it varies. */
  maxSeats?: number;
  /** The last seat computes on nothing: it makes random values for the others, and must bring no data. */
  dealer?: true;
  /** Whether a seat that sees tags matches the rows of joins, and so must bring none of them. See `matchingSeats`. */
  matcher?: true;
  /** What each kind of party learns beyond its output, in plain words. */
  learns: string[];
  /** And where the plan joins rows; absent where the protocol joins none. */
  learnsOfJoins?: string[];
  deviations: string[];
}

/** Whether so many seats can run the protocol. */
export function admitsSeats({ seats, maxSeats = seats }: ProtocolCard, count: number): boolean {
  return count >= seats && count <= maxSeats;
}

/** For people: `3`, or `2 to 8`. */
export function seatsOf({ seats, maxSeats = seats }: ProtocolCard): string {
  return seats === maxSeats ? `${seats}` : `${seats} to ${maxSeats}`;
}

/** Hash functions, bulk PRG and the like that a runtime does better than portable code. */
export interface CryptoProvider {
  /** Keystream of AES-128 in counter mode: E(key, nonce ‖ counter …) starting at block `counter`; nonce is 8 bytes. */
  aes128Ctr(key: Uint8Array, nonce: Uint8Array, counter: bigint, length: number): Uint8Array;
  /** AES-128-ECB without padding over whole blocks. */
  aes128Ecb(key: Uint8Array, blocks: Uint8Array): Uint8Array;
  sha256(): { update(bytes: Uint8Array): void; digest(): Uint8Array };
  /**
   * GMAC with AES-128 (NIST SP 800-38D): 16 bytes that whoever lacks the key can foretell of no second message, but with a chance
   * of 2^-128 for each block of 16 bytes. A pair of key (16 bytes) and nonce (12 bytes) serves for one message.
   */
  gmac128(key: Uint8Array, nonce: Uint8Array): { update(bytes: Uint8Array): void; digest(): Uint8Array };
}

/** What a seat hands out: one output share for each reveal node and each of `circuitExits`, and the digest of everything it saw. */
export interface SeatOutput {
  outputs: Map<number, Uint8Array>;
  /** Same bytes at every honest seat: digests of all pairwise message streams, agreed before the outputs leave. */
  transcript: Hash;
  rounds: number;
}

/** Number of members of each role, fixed at the start. */
export type RoleSizes = Readonly<Record<string, number>>;

export interface SeatContext {
  plan: Plan;
  sid: Hash;
  /** From 0 on; there is one more than there are channels. */
  seat: number;
  roles: RoleSizes;
  /** Input message of each member of each role, in roster order, as made by `shareInputs` for this seat. */
  inputs: ReadonlyMap<string, readonly Uint8Array[]>;
  /** For each tagged `join/1` node the seat that matches tags, where the card has a `matcher`: see `matchingSeats`. */
  matchers: ReadonlyMap<number, number>;
  /** Channels to the other seats by seat number; own entry absent. */
  channels: ReadonlyMap<number, Channel>;
  rng: Rng;
  crypto: CryptoProvider;
  signal: AbortSignal;
  onProgress?: (done: number, of: number) => void;
}

export interface SharedBackend {
  readonly card: ProtocolCard;
  /** Refuses plans it cannot run, before anything starts. @throws {NodeError} `MPC_UNSUPPORTED` with the line. */
  check(plan: Plan): void;
  /**
   * Input nodes of a role, in the order in which `shareInputs` packs them: those that share a local vector
   * (`SHARING_OPERATIONS`), `keyed/1` nodes that enter a tagged join (`keyedColumns` says how they are laid out), and
   * matches of which the role is a side (`circuitMatch`).
   */
  inputNodes(plan: Plan, role: string): number[];
  /**
   * Splits a holder's vectors (one for each input node, same order) into one message for each seat: `seats` of them, or the
   * card's number.
   */
  shareInputs(
    values: readonly BigInt64Array[],
    context: { sid: Hash; rng: Rng; crypto: CryptoProvider; seats?: number },
  ): Uint8Array[];
  /** Runs one seat to the point where outputs may be released. Nothing has been opened to any seat. */
  runSeat(context: SeatContext): Promise<SeatOutput>;
  /**
   * Recipient side: reconstructs a reveal from the seats' output shares. null where suppressed.
   * @throws {NodeError} `MPC_INCONSISTENT_SHARES`, naming the seats that disagree.
   */
  open(plan: Plan, roles: RoleSizes, node: number, shares: readonly Uint8Array[]): (bigint | null)[];
}
