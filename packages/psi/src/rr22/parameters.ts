/** What the two parties of RR22 agree on before the first frame, and its name. @module */
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
import { type Capacity, checkCapacity, tagBytesFor } from '../capacity.ts';
import { ITEM_BYTES } from '../items.ts';
import { type Rr22Mode, rr22CardOf } from './card.ts';
import type { PairSetup } from './pair-setup.ts';

export interface Rr22Options extends Rr22Mode {
  channel: Channel;
  /**
   * Unique for each run and each pair of parties: nothing else in the session names them, and a second run under it would
   * repeat public randomness.
   */
  sid: Hash;
  capacity: Capacity;
  /** Digests of 16 bytes, see `digestKeys`; distinct, at most the own capacity. */
  items: Uint8Array;
  /** Of a sender that brings `payloadBytes`: so many bytes for each item, in the order of the items. */
  payloads?: Uint8Array;
  rng: Rng;
  crypto: CryptoProvider;
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
  /** The card's. */
  protocol: string;
  /** Whether tags travel as a set. */
  compact: boolean;
  okvs: OkvsParameters;
  /** Most items of the sender in one bin. */
  senderBinCapacity: number;
  vole: VoleParameters;
  /** As `tagBytesFor`, at least 8; in a malicious run 16. */
  tagBytes: number;
  /** What the sender brings with an item; 0 for nothing. */
  payloadBytes: number;
}

/**
 * Of the 4 GiB that 32-bit addresses reach, the receiver's rows (40 bytes an item), P and the three halves of its VOLE (64
 * bytes for each of 1.4 correlations an item) take 2.3 here. Larger sets: `buckets/`, which also takes less memory and time here, though not at 2^22.
 */
const LARGEST_CAPACITY = 2 ** 24;
/** The hash join reads its first word whole. */
const SHORTEST_TAG = 8;
const MOST_PAYLOAD_BYTES = 4_096;
const MOST_PAYLOAD_BYTES_OF_ALL = 2 ** 31;

/** @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_MODE`, `PSI_BAD_PAYLOADS`. */
export function rr22Parameters(
  capacity: Capacity,
  mode: Pick<Rr22Options, 'parts' | keyof Rr22Mode> = {},
): Rr22Parameters {
  const { receiver, sender } = capacity;
  const { parts, security, encoding, payloadBytes = 0 } = mode;
  checkCapacity(capacity, LARGEST_CAPACITY);
  checkPayloadBytes(payloadBytes, capacity);
  const compact = encoding === 'compact';
  const checked = security === 'malicious';
  const okvs = okvsParameters(receiver, compact ? 1 : undefined);
  return {
    protocol: rr22CardOf(mode).id,
    compact,
    okvs,
    senderBinCapacity: binCapacity(sender, okvs.bins),
    vole: voleParameters(okvsLength(okvs), { checked, valueBytes: compact ? valueBytesFor(capacity, parts) : 16 }),
    tagBytes: checked ? ITEM_BYTES : Math.max(SHORTEST_TAG, tagBytesFor(capacity, parts)),
    payloadBytes,
  };
}

/** @throws {NodeError} `PSI_BAD_PAYLOADS`. */
function checkPayloadBytes(payloadBytes: number, { sender }: Capacity): void {
  const whole = Number.isInteger(payloadBytes) && payloadBytes >= 0 && payloadBytes <= MOST_PAYLOAD_BYTES;
  if (whole && payloadBytes * sender <= MOST_PAYLOAD_BYTES_OF_ALL) return;
  throw new NodeError('PSI_BAD_PAYLOADS', `payloads of ${payloadBytes} bytes for ${sender} items`, {
    fault: 'caller',
    fix: `Bring up to ${MOST_PAYLOAD_BYTES} bytes an item, and 2 GiB in all.`,
  });
}

/**
 * Bytes of the values of a compact store: 2^40·nx·ny of them (RR22, Thm. 1), and enough that no two of the sender's items
 * have equal ones, which it takes for a repeated item.
 */
function valueBytesFor({ receiver, sender }: Capacity, parts?: number): number {
  return Math.max(SHORTEST_TAG, tagBytesFor({ receiver: Math.max(receiver, sender), sender }, parts));
}

/** Elements of P ⊕ A in one frame. */
export function valuesPerFrame(valueBytes: number): number {
  return Math.floor(FRAME_BYTES / valueBytes);
}

/** 32 bytes that bind protocol, sid, capacities, all parameters, and the kept base transfers, if any. */
export function rr22Session(sid: Hash, capacity: Capacity, parameters: Rr22Parameters, setup?: PairSetup): Uint8Array {
  const { protocol, okvs, vole, senderBinCapacity, tagBytes, payloadBytes } = parameters;
  const { receiver, sender } = capacity;
  const agreed = { sid, receiver, sender, okvs: { ...okvs }, vole: { ...vole }, senderBinCapacity, tagBytes };
  const kept = setup === undefined ? {} : { setup: toHex(setup.kept.id) };
  const brought = payloadBytes === 0 ? {} : { payloadBytes };
  return fromHex(hashValue(`2pm/${protocol}`, { ...agreed, ...kept, ...brought }));
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
