/** What the two parties of ECDH-PSI agree on before the first frame, and its name. @module */
import {
  type Channel,
  type CryptoProvider,
  encode,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  type NodeId,
  type Rng,
} from '@2pm/core';
import { loadOprf, type OprfKeyPair, type OprfMode } from '@2pm/crypto/oprf';
import { badCapacity, type Capacity, checkCapacity, tagBytesFor } from '../capacity.ts';
import { ecdhCard } from './card.ts';

/** Names a key that outlives a session. A new version is a new key: tags of two versions have nothing in common. */
export interface KeyName {
  server: NodeId;
  /** For what the key is used; one purpose cannot be compared with another. */
  purpose: string;
  version: number;
}

export interface EcdhKey extends OprfKeyPair {
  name: KeyName;
  mode: OprfMode;
}

/** The same on both sides, but for channel, rng, crypto and what follows. */
export interface EcdhOptions {
  channel: Channel;
  /** Unique for each run and each pair of parties: nothing else in the session names them, but for a key that is kept. */
  sid: Hash;
  capacity: Capacity;
  /** Most items that one update of a kept set changes; 0, the default, for a set that is never updated. */
  update?: number;
  /** `voprf`: the sender proves that it answers with the key of its public key. Default `oprf`, without proofs. */
  mode?: OprfMode;
  rng: Rng;
  crypto: CryptoProvider;
  signal?: AbortSignal;
  /** Awaited between batches of some 0.1 s of work, so that a caller can let its event loop turn. */
  pause?: () => Promise<void>;
  /** Called at the end of each phase with its name; for measurements. */
  onPhase?: (phase: string) => void;
}

export interface EcdhParameters {
  capacity: Capacity;
  update: number;
  mode: OprfMode;
  tagBytes: number;
  /** 32 bytes that bind protocol, sid, key name, capacities and all parameters. */
  session: Uint8Array;
}

/** Items that travel in one frame, and for one proof. */
export const BATCH = 512;
/** Identifies a state of a kept set. */
export const STAMP_BYTES = 16;
/** In place of a stamp: nothing is kept. */
export const NO_STAMP: Uint8Array = new Uint8Array(STAMP_BYTES);
/** In place of a number of updates: the whole set follows. */
export const WHOLE_SET = 0xffff_ffff;

const LARGEST_CAPACITY = 2 ** 22;

/**
 * The key of a name, from the server's 32 secret bytes: RFC 9497 §3.2.1. Nothing but the seed needs to be kept.
 * @throws {NodeError} `OPRF_BAD_SEED`.
 */
export async function ecdhKey(seed: Uint8Array, name: KeyName, mode: OprfMode = 'oprf'): Promise<EcdhKey> {
  const { server, purpose, version } = name;
  const info = encode(['2pm/psi-ecdh/key/1', server, purpose, version]);
  return { ...(await loadOprf(mode)).deriveKeyPair(seed, info), name: { server, purpose, version }, mode };
}

/** `name`: null for a key of one session. @throws {NodeError} `PSI_BAD_CAPACITY`. */
export function ecdhParameters(options: EcdhOptions, name: KeyName | null): EcdhParameters {
  const { sid, update = 0, mode = 'oprf' } = options;
  const { receiver, sender } = options.capacity;
  checkCapacity(options.capacity, LARGEST_CAPACITY);
  if (!Number.isInteger(update) || update < 0 || update > sender) {
    throw badCapacity(`an update of ${update} is outside 0 to the capacity of ${sender}`);
  }
  const tagBytes = tagBytesFor(options.capacity);
  const key = name === null ? null : [name.server, name.purpose, name.version];
  const agreed = { sid, key, receiver, sender, update, mode, tagBytes, batch: BATCH };
  const session = fromHex(hashValue(`2pm/${ecdhCard.id}`, agreed));
  return { capacity: { receiver, sender }, update, mode, tagBytes, session };
}

/** `[from, to)` of the batches of `total` items. */
export function* batchBounds(total: number): Generator<[from: number, to: number]> {
  for (let from = 0; from < total; from += BATCH) yield [from, Math.min(total, from + BATCH)];
}

export function wrongKey(message: string, fault: 'caller' | 'peer'): NodeError {
  return new NodeError('PSI_WRONG_KEY', message, {
    fault,
    fix: 'Compare server, purpose, version and mode of the key on both sides.',
  });
}
