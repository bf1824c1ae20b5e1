/** What the two parties of circuit PSI agree on before the first frame, and its name. @module */
import {
  type Channel,
  type CryptoProvider,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  type Rng,
  sha256Bytes,
} from '@2pm/core';
import { type OkvsParameters, okvsLength, okvsParameters } from '@2pm/crypto/okvs';
import { type VoleParameters, voleParameters } from '@2pm/crypto/vole';
import { type Capacity, checkCapacity, tagBytesFor } from '../capacity.ts';
import { ITEM_BYTES } from '../items.ts';
import { circuitCard } from './card.ts';
import { cuckooBins, POSITIONS } from './cuckoo.ts';

export interface CircuitPsiOptions {
  channel: Channel;
  /** Unique for each run and each pair of parties: nothing else in the session names them. */
  sid: Hash;
  capacity: Capacity;
  /** Digests of 16 bytes, see `digestKeys`; distinct, at most the own capacity. */
  items: Uint8Array;
  /** A number for each item, to compute on; zeros if left out. */
  payloads?: BigInt64Array;
  rng: Rng;
  crypto: CryptoProvider;
  signal?: AbortSignal;
  /** Called at the end of each phase with its name; for measurements. */
  onPhase?: (phase: string) => void;
}

export interface CircuitPsiParameters {
  /** Bins, each of which holds one item of the receiver or none. */
  bins: number;
  /** The store of what the bins hold. */
  query: OkvsParameters;
  vole: VoleParameters;
  /** The store of the sender's items, each once for each of its bins. */
  hint: OkvsParameters;
}

const LARGEST_CAPACITY = 2 ** 20;

/** @throws {NodeError} `PSI_BAD_CAPACITY`. */
export function circuitParameters(capacity: Capacity): CircuitPsiParameters {
  checkCapacity(capacity, LARGEST_CAPACITY);
  const bins = cuckooBins(capacity.receiver);
  const query = okvsParameters(bins);
  const sender = POSITIONS * capacity.sender;
  const valueBytes = Math.max(8, tagBytesFor({ receiver: bins, sender }));
  return { bins, query, vole: voleParameters(okvsLength(query), { valueBytes }), hint: okvsParameters(sender) };
}

/** 32 bytes that bind protocol, sid, capacities and all parameters. */
export function circuitSession(
  { sid, capacity }: Pick<CircuitPsiOptions, 'sid' | 'capacity'>,
  { bins, query, vole, hint }: CircuitPsiParameters,
): Uint8Array {
  const agreed = { sid, capacity: { ...capacity }, bins, query: { ...query }, vole: { ...vole }, hint: { ...hint } };
  return fromHex(hashValue(`2pm/${circuitCard.id}`, agreed));
}

/** The key of the bins, of 16 bytes; rows of stores are found by r itself. */
export function binKey(r: Uint8Array): Uint8Array {
  return sha256Bytes(new TextEncoder().encode('2pm/psi-circuit/bins/1\0'), r).slice(0, 16);
}

/** Writes the name of an item at one of its positions: items are digests, so that no two names are equal. */
export function putKey(out: Uint8Array, at: number, items: Uint8Array, number: number): void {
  const item = Math.floor(number / POSITIONS);
  out.set(items.subarray(ITEM_BYTES * item, ITEM_BYTES * (item + 1)), ITEM_BYTES * at);
  const last = ITEM_BYTES * at + ITEM_BYTES - 1;
  out[last] = out[last]! ^ (number % POSITIONS);
}

/** @throws {NodeError} `PSI_BAD_ITEMS` unless there is a payload for each item, or none. */
export function checkPayloads({ items, payloads }: Pick<CircuitPsiOptions, 'items' | 'payloads'>): void {
  if (payloads !== undefined && payloads.length !== items.length / ITEM_BYTES) {
    throw new NodeError('PSI_BAD_ITEMS', `${payloads.length} payloads for another number of items`, {
      fault: 'caller',
    });
  }
}
