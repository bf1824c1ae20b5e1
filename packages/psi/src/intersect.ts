/** One intersection among two or more parties, by the protocol that fits its public parameters. @module */
import {
  type Channel,
  type CryptoProvider,
  type Hash,
  isNodeError,
  NodeError,
  type ProtocolCard,
  type Rng,
  type SecurityModel,
} from '@2pm/core';
import type { KernelPool } from '@2pm/crypto/wasm';
import { bucketsCard } from './buckets/card.ts';
import { bucketMatches, rr22BucketsReceiver } from './buckets/receiver.ts';
import { rr22BucketsSender } from './buckets/sender.ts';
import { type BucketStore, memoryBucketStore, storeOfSet } from './buckets/store.ts';
import { ecdhCard } from './ecdh/card.ts';
import { ecdhReceiver } from './ecdh/receiver.ts';
import { ecdhSender } from './ecdh/sender.ts';
import { npartyCard } from './nparty/card.ts';
import { npartyLeader } from './nparty/leader.ts';
import { npartyMember } from './nparty/member.ts';
import { rr22Card, rr22CardOf } from './rr22/card.ts';
import { KeptPairs, type Link } from './rr22/kept-pairs.ts';
import type { PairSetup } from './rr22/pair-setup.ts';
import { rr22Parameters } from './rr22/parameters.ts';
import { type MatchedPayloads, rr22PayloadReceiver, rr22Receiver } from './rr22/receiver.ts';
import { rr22Sender } from './rr22/sender.ts';

export interface Intersection {
  /** Unique for each run. */
  sid: Hash;
  security: SecurityModel;
  /** In one order for all. The own entry has no channel. `identity`: what else the peer is known by, see `KeptPairs`. */
  parties: readonly { capacity: number; channel?: Channel; identity?: string }[];
  /** Place of the one who learns the intersection. */
  receiver: number;
  /** Own digests, 16 bytes each, distinct. */
  items: Uint8Array;
  rng: Rng;
  crypto: CryptoProvider;
  signal: AbortSignal;
  /** Base transfers of earlier runs; without it none are kept. The peers need not agree. */
  kept?: KeptPairs;
  /** Working memory of earlier runs, as of `Rr22Options`. */
  pool?: KernelPool;
  /**
   * For sets that go in buckets: the session with which a later run goes on where this one stopped. It names the parties and
   * what they bring, so that both have the same sets in it; the peers give the same. `store`: where, in place of memory.
   */
  resume?: { sid: Hash; store?: BucketStore };
  /** Called when a bucket is through, where the sets go in buckets. */
  onProgress?: (done: { buckets: number; of: number }) => void;
}

/** Where two sets change from one protocol to the next. The same on both sides. */
const SIZES = {
  /** Up to here they cost less by curve arithmetic than the set-up of a VOLE does. */
  small: 512,
  /** Beyond, RR22 is faster in buckets that fit the caches than in one piece. */
  large: 2 ** 21,
  /** Items of a bucket. */
  bucket: 2 ** 19,
};
export type SetSizes = typeof SIZES;

/** The protocol that `intersect` runs. @throws {NodeError} `PSI_UNSUPPORTED`. */
export function intersectionCard(
  capacities: readonly number[],
  security: SecurityModel,
  { small, large }: Pick<SetSizes, 'small' | 'large'> = SIZES,
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
  const { channel, ...link } = otherOf(options);
  const capacity = { receiver: parties[receiver]?.capacity ?? 0, sender: parties[1 - receiver]?.capacity ?? 0 };
  const { sid, items, rng, crypto, signal } = options;
  const run = { channel, sid, capacity, items, rng, crypto, signal, ...optional(options) };
  const receives = isReceiver(options);
  if (card.id === ecdhCard.id) return receives ? ecdhReceiver(run) : noResult(ecdhSender(run));
  if (security === 'malicious') {
    return receives ? rr22Receiver({ ...run, security }) : noResult(rr22Sender({ ...run, security }));
  }
  return overKept(options, [{ channel, ...link }], async ([setup]) => {
    const over = { ...run, ...(setup === undefined ? {} : { setup }) };
    if (card.id !== bucketsCard.id) return receives ? rr22Receiver(over) : noResult(rr22Sender(over));
    const { sid: session, store: kept } = options.resume ?? { sid, store: undefined };
    const store = kept === undefined ? memoryBucketStore() : storeOfSet(kept, items, crypto);
    const buckets = Math.ceil(Math.max(capacity.receiver, capacity.sender) / sizes.bucket);
    const cut = { ...over, sid: session, store, buckets, items: () => [items] };
    try {
      if (!receives) return await noResult(rr22BucketsSender(cut));
      await rr22BucketsReceiver(cut);
      return await ascending(bucketMatches(store));
    } catch (error) {
      // Another run would meet it again.
      if (isNodeError(error, 'PSI_STORE_DAMAGED')) await store.clear();
      throw error;
    }
  });
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
  const { channel, ...link } = otherOf(options);
  const capacity = { receiver: parties[receiver]?.capacity ?? 0, sender: parties[1 - receiver]?.capacity ?? 0 };
  payloadCard([capacity.receiver, capacity.sender], security, payloadBytes);
  const { sid, items, rng, crypto, signal } = options;
  const run = { channel, sid, capacity, items, rng, crypto, signal, security, payloadBytes, ...optional(options) };
  const play = async (setup: PairSetup | undefined) => {
    const over = { ...run, ...(setup === undefined ? {} : { setup }) };
    if (isReceiver(options)) return rr22PayloadReceiver(over);
    return noResult(rr22Sender({ ...over, ...(payloads === undefined ? {} : { payloads }) }));
  };
  if (security === 'malicious') return play(undefined);
  return overKept(options, [{ channel, ...link }], ([setup]) => play(setup));
}

function otherOf({ parties }: Intersection): Link {
  const [other, ...others] = parties.flatMap(({ channel, identity }) => (channel ? [{ channel, identity }] : []));
  if (other !== undefined && others.length === 0 && parties.length === 2) return other;
  throw new RangeError('an intersection of two has one channel');
}

function isReceiver({ parties, receiver }: Intersection): boolean {
  return parties.findIndex((party) => party.channel === undefined) === receiver;
}

function optional({ pool, onProgress }: Intersection) {
  return { ...(pool === undefined ? {} : { pool }), ...(onProgress === undefined ? {} : { onProgress }) };
}

/** Semi-honest runs of RR22 use base transfers that both still have, or make them: see `rr22/kept-pairs.ts`. */
function overKept<T>(options: Intersection, links: readonly Link[], work: (setups: PairSetup[]) => Promise<T>) {
  const { sid, rng, crypto, signal, kept = new KeptPairs(() => 0) } = options;
  const role = isReceiver(options) ? 'receiver' : 'sender';
  return kept.use(links, { role, sid, rng, crypto, signal }, work);
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
async function intersectMany(options: Intersection): Promise<Uint32Array | undefined> {
  const { parties, receiver, sid, items, rng, crypto, signal } = options;
  const [leader, ...members] = [receiver, ...parties.keys()].filter((place, i) => i === 0 || place !== receiver);
  const order = [leader, ...members].map((place) => parties[place ?? -1]);
  const links = new Map(
    order.flatMap((party, number) =>
      party?.channel === undefined ? [] : [[number, { channel: party.channel, identity: party.identity }] as const],
    ),
  );
  const channels = new Map([...links].map(([number, { channel }]) => [number, channel]));
  const capacities = order.map((party) => party?.capacity ?? 0);
  const run = { channels, sid, capacities, items, rng, crypto, signal, ...optional(options) };
  const self = order.findIndex((party) => party?.channel === undefined);
  // Of base transfers there are those between the leader and each member.
  const linked = [...links.keys()].filter((number) => self === 0 || number === 0);
  return overKept(
    options,
    linked.map((number) => links.get(number) as Link),
    async (made) => {
      const setups = new Map(linked.map((number, i) => [number, made[i] as PairSetup]));
      return self === 0 ? npartyLeader({ ...run, setups }) : noResult(npartyMember({ ...run, setups, party: self }));
    },
  );
}
