/** What the two parties of RR22 agree on before the first frame, and its name. @module */
import { type Channel, type CryptoProvider, fromHex, type Hash, hashValue, type Rng } from '@2pm/core';
import { binCapacity, type OkvsParameters, okvsLength, okvsParameters } from '@2pm/crypto/okvs';
import { type VoleParameters, voleParameters } from '@2pm/crypto/vole';
import { type Capacity, checkCapacity, tagBytesFor } from '../capacity.ts';
import { rr22Card } from './card.ts';

export interface Rr22Options {
  channel: Channel;
  /**
   * Unique for each run and each pair of parties: nothing else in the session names them, and a second run under it would
   * repeat public randomness.
   */
  sid: Hash;
  capacity: Capacity;
  /** Digests of 16 bytes, see `digestKeys`; distinct, at most the own capacity. */
  items: Uint8Array;
  rng: Rng;
  crypto: CryptoProvider;
  signal?: AbortSignal;
  /** Called at the end of each phase with its name; for measurements. */
  onPhase?: (phase: string) => void;
}

export interface Rr22Parameters {
  okvs: OkvsParameters;
  /** Most items of the sender in one bin. */
  senderBinCapacity: number;
  vole: VoleParameters;
  /** As `tagBytesFor`, at least 8. */
  tagBytes: number;
}

/** Addresses of 32 bits hold the receiver's working memory up to here. */
const LARGEST_CAPACITY = 2 ** 23;
/** The hash join reads its first word whole. */
const SHORTEST_TAG = 8;

/** @throws {NodeError} `PSI_BAD_CAPACITY`. */
export function rr22Parameters(capacity: Capacity): Rr22Parameters {
  const { receiver, sender } = capacity;
  checkCapacity(capacity, LARGEST_CAPACITY);
  const okvs = okvsParameters(receiver);
  return {
    okvs,
    senderBinCapacity: binCapacity(sender, okvs.bins),
    vole: voleParameters(okvsLength(okvs)),
    tagBytes: Math.max(SHORTEST_TAG, tagBytesFor(capacity)),
  };
}

/** 32 bytes that bind protocol, sid, capacities and all parameters. */
export function rr22Session(sid: Hash, capacity: Capacity, parameters: Rr22Parameters): Uint8Array {
  const { okvs, vole, senderBinCapacity, tagBytes } = parameters;
  const { receiver, sender } = capacity;
  const agreed = { sid, receiver, sender, okvs: { ...okvs }, vole: { ...vole }, senderBinCapacity, tagBytes };
  return fromHex(hashValue(`2pm/${rr22Card.id}`, agreed));
}
