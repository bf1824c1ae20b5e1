/** One intersection among two or more parties, by the protocol that fits its public parameters. @module */
import {
  type Channel,
  type CryptoProvider,
  type Hash,
  NodeError,
  type ProtocolCard,
  type Rng,
  type SecurityModel,
} from '@2pm/core';
import { bucketsCard } from './buckets/card.ts';
import { bucketMatches, rr22BucketsReceiver } from './buckets/receiver.ts';
import { rr22BucketsSender } from './buckets/sender.ts';
import { memoryBucketStore } from './buckets/store.ts';
import { ecdhCard } from './ecdh/card.ts';
import { ecdhReceiver } from './ecdh/receiver.ts';
import { ecdhSender } from './ecdh/sender.ts';
import { npartyCard } from './nparty/card.ts';
import { npartyLeader } from './nparty/leader.ts';
import { npartyMember } from './nparty/member.ts';
import { rr22Card, rr22CardOf } from './rr22/card.ts';
import { rr22Parameters } from './rr22/parameters.ts';
import { type MatchedPayloads, rr22PayloadReceiver, rr22Receiver } from './rr22/receiver.ts';
import { rr22Sender } from './rr22/sender.ts';

export interface Intersection {
  /** Unique for each run. */
  sid: Hash;
  security: SecurityModel;
  /** In one order for all. The own entry has no channel. */
  parties: readonly { capacity: number; channel?: Channel }[];
  /** Place of the one who learns the intersection. */
  receiver: number;
  /** Own digests, 16 bytes each, distinct. */
  items: Uint8Array;
  rng: Rng;
  crypto: CryptoProvider;
  signal: AbortSignal;
}

/** Where two sets change from one protocol to the next. The same on both sides. */
const SIZES = {
  /** Up to here they cost less by curve arithmetic than the set-up of a VOLE does. */
  small: 512,
  /** Beyond, RR22 is faster in buckets that fit the caches than in one piece. */
  large: 2 ** 21,
};

/** The protocol that `intersect` runs. @throws {NodeError} `PSI_UNSUPPORTED`. */
export function intersectionCard(
  capacities: readonly number[],
  security: SecurityModel,
  { small, large } = SIZES,
): ProtocolCard {
  if (capacities.length > 2) {
    if (security === 'semi-honest') return npartyCard(capacities.length);
    throw new NodeError('PSI_UNSUPPORTED', 'more than two sets are intersected among semi-honest holders only', {
      fault: 'caller',
      fix: 'Intersect two sets, or ask for security against semi-honest parties.',
    });
  }
  if (security === 'malicious') return rr22CardOf({ security });
  const largest = Math.max(...capacities);
  return largest <= small ? ecdhCard : largest <= large ? rr22Card : bucketsCard;
}

/** Ascending indices of the own items that all others hold too, for the receiver; undefined for the others. */
export async function intersect(options: Intersection, sizes = SIZES): Promise<Uint32Array | undefined> {
  const { parties, receiver, security } = options;
  const card = intersectionCard(
    parties.map(({ capacity }) => capacity),
    security,
    sizes,
  );
  if (parties.length > 2) return intersectMany(options);
  const channel = parties.find((party) => party.channel)?.channel;
  if (channel === undefined) throw new RangeError('an intersection of two has one channel');
  const capacity = { receiver: parties[receiver]?.capacity ?? 0, sender: parties[1 - receiver]?.capacity ?? 0 };
  const { sid, items, rng, crypto, signal } = options;
  const run = { channel, sid, capacity, items, rng, crypto, signal };
  const receives = parties.findIndex((party) => party.channel === undefined) === receiver;
  switch (card.id) {
    case ecdhCard.id:
      return receives ? ecdhReceiver(run) : noResult(ecdhSender(run));
    case bucketsCard.id: {
      const store = memoryBucketStore();
      const cut = { ...run, store, items: () => [items] };
      if (!receives) return noResult(rr22BucketsSender(cut));
      await rr22BucketsReceiver(cut);
      return ascending(bucketMatches(store));
    }
    default:
      return receives ? rr22Receiver({ ...run, security }) : noResult(rr22Sender({ ...run, security }));
  }
}

/** The largest set of an intersection with payloads: buckets carry none. */
const LARGEST_WITH_PAYLOADS = 2 ** 23;

/**
 * The protocol that `intersectWithPayloads` runs: RR22, whatever the sizes. `capacities`: of the receiver, then the other.
 * @throws {NodeError} `PSI_UNSUPPORTED`, `PSI_BAD_CAPACITY`, `PSI_BAD_PAYLOADS`.
 */
export function payloadCard(
  capacities: readonly number[],
  security: SecurityModel,
  payloadBytes: number,
): ProtocolCard {
  const [receiver = 0, sender = 0, ...others] = capacities;
  if (others.length > 0 || Math.max(receiver, sender) > LARGEST_WITH_PAYLOADS) {
    throw new NodeError('PSI_UNSUPPORTED', `payloads go between two sets of up to ${LARGEST_WITH_PAYLOADS} items`, {
      fault: 'caller',
      fix: 'Match two sets within these capacities, or deliver nothing.',
    });
  }
  rr22Parameters({ receiver, sender }, { security, payloadBytes });
  return rr22CardOf({ security, payloadBytes });
}

/** Of two parties; `payloads` of the one who does not receive: `payloadBytes` for each of its items, in their order. */
export interface PayloadIntersection extends Intersection {
  payloadBytes: number;
  payloads?: Uint8Array;
}

/** As `intersect`; the receiver also gets what the other brought of each match. */
export async function intersectWithPayloads(options: PayloadIntersection): Promise<MatchedPayloads | undefined> {
  const { parties, receiver, security, payloadBytes, payloads } = options;
  const channel = parties.find((party) => party.channel)?.channel;
  if (channel === undefined) throw new RangeError('an intersection of two has one channel');
  const capacities = [receiver, ...parties.keys()].filter((place, i) => i === 0 || place !== receiver);
  const [own = 0, other = 0] = capacities.map((place) => parties[place]?.capacity);
  payloadCard(
    capacities.map((place) => parties[place]?.capacity ?? 0),
    security,
    payloadBytes,
  );
  const { sid, items, rng, crypto, signal } = options;
  const run = { channel, sid, items, rng, crypto, signal, security, payloadBytes };
  const capacity = { receiver: own, sender: other };
  if (parties.findIndex((party) => party.channel === undefined) === receiver) {
    return rr22PayloadReceiver({ ...run, capacity });
  }
  return noResult(rr22Sender({ ...run, capacity, ...(payloads === undefined ? {} : { payloads }) }));
}

async function noResult(work: Promise<void>): Promise<undefined> {
  await work;
}

async function ascending(parts: AsyncIterable<Uint32Array>): Promise<Uint32Array> {
  const all: Uint32Array[] = [];
  for await (const part of parts) all.push(part);
  const joined = new Uint32Array(all.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of all) {
    joined.set(part, at);
    at += part.length;
  }
  return joined.sort();
}

/** Here the receiver leads and is party 0; the others follow in their order. */
async function intersectMany({ parties, receiver, ...common }: Intersection): Promise<Uint32Array | undefined> {
  const [leader, ...members] = [receiver, ...parties.keys()].filter((place, i) => i === 0 || place !== receiver);
  const order = [leader, ...members].map((place) => parties[place ?? -1]);
  const channels = new Map(
    order.flatMap((party, number) => (party?.channel === undefined ? [] : [[number, party.channel] as const])),
  );
  const self = order.findIndex((party) => party?.channel === undefined);
  const { sid, items, rng, crypto, signal } = common;
  const run = { channels, sid, capacities: order.map((party) => party?.capacity ?? 0), items, rng, crypto, signal };
  if (self === 0) return npartyLeader(run);
  await npartyMember({ ...run, party: self });
  return undefined;
}
