/** One intersection among two or more parties, by the protocol that fits its public parameters. @module */
import { type Channel, type CryptoProvider, type Hash, NodeError, type ProtocolCard, type Rng } from '@2pm/core';
import { ecdhCard } from './ecdh/card.ts';
import { ecdhReceiver } from './ecdh/receiver.ts';
import { ecdhSender } from './ecdh/sender.ts';
import { npartyCard } from './nparty/card.ts';
import { npartyLeader } from './nparty/leader.ts';
import { npartyMember } from './nparty/member.ts';
import { rr22Card } from './rr22/card.ts';
import { rr22Receiver } from './rr22/receiver.ts';
import { rr22Sender } from './rr22/sender.ts';

export interface Intersection {
  /** Unique for each run. */
  sid: Hash;
  security: 'semi-honest' | 'malicious';
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

/** Up to here two sets cost less by curve arithmetic than the set-up of a VOLE does. */
const SMALL = 512;

/** The protocol that `intersect` runs. @throws {NodeError} `PSI_UNSUPPORTED`. */
export function intersectionCard(capacities: readonly number[], security: 'semi-honest' | 'malicious'): ProtocolCard {
  if (security === 'malicious') {
    throw new NodeError('PSI_UNSUPPORTED', 'no intersection protocol here withstands malicious parties', {
      fault: 'caller',
    });
  }
  if (capacities.length > 2) return npartyCard(capacities.length);
  return Math.max(...capacities) <= SMALL ? ecdhCard : rr22Card;
}

/** Ascending indices of the own items that all others hold too, for the receiver; undefined for the others. */
export async function intersect(options: Intersection): Promise<Uint32Array | undefined> {
  const { parties, receiver } = options;
  const card = intersectionCard(
    parties.map(({ capacity }) => capacity),
    options.security,
  );
  if (parties.length > 2) return intersectMany(options);
  const [own, other] = [
    parties.findIndex(({ channel }) => channel === undefined),
    parties.find(({ channel }) => channel),
  ];
  const capacities = { receiver: parties[receiver]?.capacity ?? 0, sender: parties[1 - receiver]?.capacity ?? 0 };
  if (other?.channel === undefined) throw new RangeError('an intersection of two has one channel');
  const { sid, items, rng, crypto, signal } = options;
  const run = { channel: other.channel, sid, capacity: capacities, items, rng, crypto, signal };
  const small = card.id === ecdhCard.id;
  if (own === receiver) return small ? ecdhReceiver(run) : rr22Receiver(run);
  await (small ? ecdhSender(run) : rr22Sender(run));
  return undefined;
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
