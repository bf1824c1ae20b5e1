/** What the two parties of RR22 agree on before the first frame, and its name. @module */
import {
  type Channel,
  type CryptoProvider,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  type Rng,
  type SecurityModel,
  toHex,
} from '@2pm/core';
import { binCapacity, type OkvsParameters, okvsLength, okvsParameters } from '@2pm/crypto/okvs';
import { type VoleParameters, voleParameters } from '@2pm/crypto/vole';
import type { KernelPool } from '@2pm/crypto/wasm';
import { type Capacity, checkCapacity, tagBytesFor } from '../capacity.ts';
import { ITEM_BYTES } from '../items.ts';
import { rr22Card, rr22MaliciousCard } from './card.ts';
import type { PairSetup } from './pair-setup.ts';

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
  /** Whom the run withstands; see `card.ts`. Semi-honest by default. The same on both sides, as all that follows from it. */
  security?: SecurityModel;
  /** Number of runs that one bound on false matches is for, the same on both sides. One by default. */
  parts?: number;
  /** Base transfers made before with this peer, in this role; without it the run makes its own. Both sides must agree. */
  setup?: PairSetup;
  /** Where to take the working memory from and leave it for later runs; without it the run's own, dropped with it. */
  pool?: KernelPool;
  signal?: AbortSignal;
  /** Called at the end of each phase with its name; for measurements. */
  onPhase?: (phase: string) => void;
}

export interface Rr22Parameters {
  okvs: OkvsParameters;
  /** Most items of the sender in one bin. */
  senderBinCapacity: number;
  vole: VoleParameters;
  /** As `tagBytesFor`, at least 8; in a malicious run 16. */
  tagBytes: number;
}

/** How a run is to go, beside its capacities. */
export type Rr22Mode = Pick<Rr22Options, 'parts' | 'security'>;

/** Addresses of 32 bits hold the receiver's working memory up to here. */
const LARGEST_CAPACITY = 2 ** 23;
/** The hash join reads its first word whole. */
const SHORTEST_TAG = 8;

/** @throws {NodeError} `PSI_BAD_CAPACITY`. */
export function rr22Parameters(
  capacity: Capacity,
  { parts = 1, security = 'semi-honest' }: Rr22Mode = {},
): Rr22Parameters {
  const { receiver, sender } = capacity;
  checkCapacity(capacity, LARGEST_CAPACITY);
  const okvs = okvsParameters(receiver);
  return {
    okvs,
    senderBinCapacity: binCapacity(sender, okvs.bins),
    vole: voleParameters(okvsLength(okvs), { checked: security === 'malicious' }),
    tagBytes: security === 'malicious' ? ITEM_BYTES : Math.max(SHORTEST_TAG, tagBytesFor(capacity, parts)),
  };
}

/** 32 bytes that bind protocol, sid, capacities, all parameters, and the kept base transfers, if any. */
export function rr22Session(sid: Hash, capacity: Capacity, parameters: Rr22Parameters, setup?: PairSetup): Uint8Array {
  const { okvs, vole, senderBinCapacity, tagBytes } = parameters;
  const { receiver, sender } = capacity;
  const agreed = { sid, receiver, sender, okvs: { ...okvs }, vole: { ...vole }, senderBinCapacity, tagBytes };
  const kept = setup === undefined ? {} : { setup: toHex(setup.kept.id) };
  const { id } = vole.checked ? rr22MaliciousCard : rr22Card;
  return fromHex(hashValue(`2pm/${id}`, { ...agreed, ...kept }));
}

/** @throws {NodeError} `PSI_BAD_SETUP` when the setup is of the other role, or with another peer, or for weaker runs. */
export function checkSetup({ setup, channel, security }: Rr22Options, role: 'receiver' | 'sender'): void {
  if (setup !== undefined && security === 'malicious') {
    throw new NodeError('PSI_BAD_SETUP', 'kept base transfers are secure against semi-honest parties alone', {
      fault: 'caller',
      fix: 'Leave the setup away in a malicious run.',
    });
  }
  if (setup === undefined || (setup.role === role && setup.peer === channel.peer)) return;
  throw new NodeError('PSI_BAD_SETUP', `the setup was made as ${setup.role} with ${setup.peer}`, {
    fault: 'caller',
    fix: 'Make a setup for each peer and direction.',
  });
}
