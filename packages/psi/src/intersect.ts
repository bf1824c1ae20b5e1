/** One intersection among two or more parties, by the protocol that fits its public parameters. @module */
import { type Channel, type CryptoProvider, type Hash, NodeError, type ProtocolCard, type Rng } from '@2pm/core';
import { ecdhCard } from './ecdh/card.ts';
import { ecdhReceiver } from './ecdh/receiver.ts';
import { ecdhSender } from './ecdh/sender.ts';
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
  if (capacities.length !== 2) {
    throw new NodeError('PSI_UNSUPPORTED', `no protocol for ${capacities.length} parties`, { fault: 'caller' });
  }
  return Math.max(...capacities) <= SMALL ? ecdhCard : rr22Card;
}

/** Ascending indices of the own items that all others hold too, for the receiver; undefined for the others. */
export async function intersect(options: Intersection): Promise<Uint32Array | undefined> {
  const { sid, parties, receiver, items, rng, crypto, signal } = options;
  const card = intersectionCard(
    parties.map(({ capacity }) => capacity),
    options.security,
  );
  const own = parties.findIndex(({ channel }) => channel === undefined);
  const [first, second] = parties;
  const channel = parties[1 - own]?.channel;
  if (first === undefined || second === undefined || channel === undefined) {
    throw new NodeError('PSI_UNSUPPORTED', 'an intersection of two has one channel', { fault: 'node' });
  }
  const [receiving, sending] = receiver === 0 ? [first, second] : [second, first];
  const capacity = { receiver: receiving.capacity, sender: sending.capacity };
  const run = { channel, sid, capacity, items, rng, crypto, signal };
  const small = card.id === ecdhCard.id;
  if (own === receiver) return small ? ecdhReceiver(run) : rr22Receiver(run);
  await (small ? ecdhSender(run) : rr22Sender(run));
  return undefined;
}
