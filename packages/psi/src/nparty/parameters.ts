/** What the parties agree on before the first frame, and the names of their sessions. @module */
import {
  type Channel,
  type CryptoProvider,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  type Rng,
  toHex,
} from '@2pm/core';
import { binCapacity, type OkvsParameters, okvsLength, okvsParameters } from '@2pm/crypto/okvs';
import { type VoleParameters, voleParameters } from '@2pm/crypto/vole';
import type { KernelPool } from '@2pm/crypto/wasm';
import { FRAME_BYTES } from '../bound-channel.ts';
import { badCapacity, tagBytesFor } from '../capacity.ts';
import type { PairSetup } from '../rr22/pair-setup.ts';
import { NPARTY_ID } from './card.ts';

export interface NpartyOptions {
  /** To every other party, by its number. Party 0 leads. */
  channels: ReadonlyMap<number, Channel>;
  /** Unique for each run and each group of parties: nothing else in the session names them. */
  sid: Hash;
  /** Public bounds on the set sizes, by party number: 3 to 16 parties, 1 to 2^23 items each. */
  capacities: readonly number[];
  /** Digests of 16 bytes, see `digestKeys`; distinct, at most the own capacity. */
  items: Uint8Array;
  rng: Rng;
  crypto: CryptoProvider;
  /**
   * Base transfers made before, by party number: of the leader (`rr22ReceiverSetup`) with members, and the other way round.
   * Without one a run makes its own. Both sides of a pair must agree.
   */
  setups?: ReadonlyMap<number, PairSetup>;
  /** Where to take the working memory from and leave it for later runs; without it the run's own, dropped with it. */
  pool?: KernelPool;
  signal?: AbortSignal;
  /** Called at the end of each phase with its name; for measurements. */
  onPhase?: (phase: string) => void;
}

export const LEADER = 0;
const FEWEST = 3;
export const MOST = 16;
/** Addresses of 32 bits hold every party's working memory up to here. */
const LARGEST_CAPACITY = 2 ** 23;
/**
 * Bytes of a share and of a column of a hint. An item outside the intersection passes with probability 2^-64; all of the
 * leader's together, at most 2^23, with less than 2^-40.
 */
export const SHARE_BYTES = 8;
/** The kernels cut blocks to no less. */
const LEAST_BYTES = 8;

export interface NpartyParameters {
  /** The store of the leader's items. */
  query: OkvsParameters;
  /** Elements of A and of the store have ⌈(40 + log2(n_leader · all members' capacities)) / 8⌉ bytes (RR22, Theorem 1). */
  vole: VoleParameters;
  /** By party number, the store of a member's shares; those of equal capacities are alike. The leader's is of no use. */
  hints: readonly OkvsParameters[];
}

/** @throws {NodeError} `PSI_BAD_PARTIES`, `PSI_BAD_CAPACITY`. */
export function npartyParameters(capacities: readonly number[]): NpartyParameters {
  if (capacities.length < FEWEST || capacities.length > MOST) throw badParties(`${capacities.length} parties`);
  for (const size of capacities) {
    if (!Number.isInteger(size) || size < 1 || size > LARGEST_CAPACITY) {
      throw badCapacity(`a capacity of ${size} is outside 1 to ${LARGEST_CAPACITY}`);
    }
  }
  const hints = capacities.map((size) => okvsParameters(size));
  const query = hints[LEADER] as OkvsParameters;
  const sender = capacities.slice(LEADER + 1).reduce((sum, size) => sum + size, 0);
  const valueBytes = Math.max(LEAST_BYTES, tagBytesFor({ receiver: query.items, sender }));
  return { query, vole: voleParameters(okvsLength(query), { valueBytes }), hints };
}

/** Elements of P ⊕ A in a frame. */
export function elementsPerFrame({ valueBytes }: VoleParameters): number {
  return Math.floor(FRAME_BYTES / valueBytes);
}

/** The store's parameters for who looks up as many items in it, or fills as many rows. */
export function forItems(store: OkvsParameters, items: number): OkvsParameters {
  return { ...store, items, binCapacity: binCapacity(items, store.bins) };
}

/** 32 bytes that bind protocol, sid, capacities and all parameters; of a pair, also who talks and what setup they kept. */
export function npartySession(
  { sid, capacities }: Pick<NpartyOptions, 'sid' | 'capacities'>,
  { query, vole, hints }: NpartyParameters,
  pair: readonly [low: number, high: number] | [] = [],
  setup?: PairSetup,
): Uint8Array {
  const parameters = { query: { ...query }, vole: { ...vole }, hints: hints.map((hint) => ({ ...hint })), SHARE_BYTES };
  const kept = setup === undefined ? {} : { setup: toHex(setup.kept.id) };
  const agreed = { sid, capacities: [...capacities], parameters, pair: [...pair], ...kept };
  return fromHex(hashValue(`2pm/${NPARTY_ID}`, agreed));
}

export function badParties(message: string): NodeError {
  return new NodeError('PSI_BAD_PARTIES', message, {
    fault: 'caller',
    fix: `Give capacities for ${FEWEST} to ${MOST} parties, party ${LEADER} first, and a channel to each of the others.`,
  });
}
