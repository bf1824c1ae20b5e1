/** What an intersection takes, told before it runs: from capacities alone. @module */
import { BIN_POSITIONS, type CircuitMatch, type ProtocolCard, type SecurityModel } from '@2pm/core';
import { okvsLength, ROW_BYTES } from '@2pm/crypto/okvs';
import { KEPT_SETUP_BYTES } from '@2pm/crypto/ot';
import { voleMessageBytes } from '@2pm/crypto/vole';
import { FRAME_BYTES } from './bound-channel.ts';
import { bucketsCard } from './buckets/card.ts';
import { bucketParameters } from './buckets/parameters.ts';
import { tagBytesFor } from './capacity.ts';
import { circuitCard } from './circuit/card.ts';
import { opprfParameters } from './circuit/parameters.ts';
import { ecdhCard } from './ecdh/card.ts';
import { intersectionCard, payloadCard, type SetSizes } from './intersect.ts';
import { rr22Parameters } from './rr22/parameters.ts';

export interface IntersectionCost {
  card: ProtocolCard;
  /** Sent by all parties together. */
  bytes: number;
  /** Working memory of the party that needs most, its own set included. */
  memoryBytes: number;
  /** Between machines side by side, each party on a core of its own; from measurements, within a factor of two. */
  milliseconds: number;
}

const ITEM_BYTES = 16;
/** A blinded element and its evaluation, and milliseconds an operation on the curve. */
const ECDH = { bytes: 64, millisecondsAnItem: 0.35 };
/** Milliseconds of set-up, then an item of the larger set. */
const RR22 = { setUp: 150, item: 0.0009 };
/** Bytes of set-up with each member, then an item of the leader and of the member; milliseconds an item of each. */
const NPARTY = { setUp: 450_000, leader: 14.5, member: 10.5, item: 0.001, memory: 200 };
/** Milliseconds of either end's set-up, then a bin of the leader, and an item and store of a member. */
const CIRCUIT = { setUp: 150, bin: 0.0024, stored: 0.0042 };

/** Of a match in a circuit, what the holders do among themselves. @throws {NodeError} `PSI_BAD_CAPACITY`. */
export function circuitCost({ sides, bins }: CircuitMatch): IntersectionCost {
  const [leader, ...members] = sides;
  const costs = members.map(({ capacity: sender, columns }) => {
    const { query, vole, hint, widths } = opprfParameters({ receiver: leader?.capacity ?? 0, sender }, columns.length);
    const { offer, answer, choice, correction } = voleMessageBytes(vole);
    const stores = okvsLength(hint) * widths.reduce((sum, width) => sum + width, 0);
    const sent = offer + answer + 32 + choice + correction + vole.valueBytes * okvsLength(query) + stores;
    return {
      bytes: sent + 16 * Math.ceil(sent / FRAME_BYTES),
      memoryBytes:
        (ROW_BYTES + 4) * (query.bins * query.binCapacity + hint.bins * hint.binCapacity) +
        4 * ITEM_BYTES * vole.length +
        6 * ITEM_BYTES * BIN_POSITIONS * sender,
      milliseconds: CIRCUIT.setUp + CIRCUIT.stored * sender * widths.length,
    };
  });
  const total = (of: (cost: (typeof costs)[number]) => number) => costs.reduce((sum, cost) => sum + of(cost), 0);
  return {
    card: circuitCard,
    bytes: total(({ bytes }) => bytes),
    memoryBytes: total(({ memoryBytes }) => memoryBytes),
    // The leader serves one member after another, who work side by side.
    milliseconds: Math.round(
      members.length * (CIRCUIT.setUp + CIRCUIT.bin * bins) +
        Math.max(...costs.map(({ milliseconds }) => milliseconds)),
    ),
  };
}

/** @throws {NodeError} `PSI_UNSUPPORTED`, `PSI_BAD_CAPACITY`. */
export function intersectionCost(
  capacities: readonly number[],
  receiver: number,
  security: SecurityModel = 'semi-honest',
  /** Of each item of the one who does not receive. */
  payloadBytes = 0,
  sizes?: SetSizes,
): IntersectionCost {
  const own = capacities[receiver] ?? 0;
  const others = capacities.filter((_, party) => party !== receiver);
  const card =
    payloadBytes > 0
      ? payloadCard([own, ...others], security, payloadBytes)
      : intersectionCard(capacities, security, sizes);
  const all = capacities.reduce((sum, capacity) => sum + capacity, 0);
  if (others.length > 1) {
    const bytes = others.reduce(
      (sum, capacity) => sum + NPARTY.setUp + NPARTY.leader * own + NPARTY.member * capacity,
      0,
    );
    const memoryBytes = NPARTY.memory * Math.max(...capacities);
    return { card, bytes: Math.round(bytes), memoryBytes, milliseconds: RR22.setUp + NPARTY.item * all };
  }
  const capacity = { receiver: own, sender: others[0] ?? 0 };
  if (card.id === ecdhCard.id) {
    const bytes = ECDH.bytes * capacity.receiver + tagBytesFor(capacity) * capacity.sender;
    return { card, bytes, memoryBytes: 100 * all, milliseconds: ECDH.millisecondsAnItem * all };
  }
  const { buckets, capacity: each } =
    card.id === bucketsCard.id ? bucketParameters(capacity) : { buckets: 1, capacity };
  const one = rr22Cost(each, security, payloadBytes);
  return {
    card,
    bytes: buckets * one.bytes,
    memoryBytes: one.memoryBytes + 2 * ITEM_BYTES * Math.max(own, capacity.sender),
    milliseconds: RR22.setUp + RR22.item * Math.max(own, capacity.sender),
  };
}

function rr22Cost(capacity: { receiver: number; sender: number }, security: SecurityModel, payloadBytes: number) {
  const { okvs, vole, tagBytes } = rr22Parameters(capacity, { security });
  // As if nothing were kept of an earlier run.
  const overSetup = security === 'semi-honest';
  const { offer, answer, choice, correction } = voleMessageBytes(vole, overSetup);
  const setUp = overSetup ? KEPT_SETUP_BYTES.offer + KEPT_SETUP_BYTES.answer : 0;
  const vector = vole.valueBytes * okvsLength(okvs);
  const payload =
    setUp + offer + answer + 32 + choice + correction + vector + (tagBytes + payloadBytes) * capacity.sender;
  return {
    bytes: payload + 16 * Math.ceil(payload / FRAME_BYTES),
    memoryBytes:
      (ROW_BYTES + 4) * okvs.bins * okvs.binCapacity +
      4 * ITEM_BYTES * vole.length +
      3 * payloadBytes * capacity.sender,
  };
}
