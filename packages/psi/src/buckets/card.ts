import type { ProtocolCard } from '@2pm/core';
import { rr22Card } from '../rr22/card.ts';

/** What a person agrees to when this protocol runs on their data. */
export const bucketsCard: ProtocolCard = {
  id: 'psi-rr22-buckets-semi-honest/1',
  title: 'Two-party private set intersection out of core: RR22 bucket by bucket',
  reference: `${rr22Card.reference}; padded bins by hashing as in Pinkas, Schneider and Zohner (USENIX Security 2014)`,
  security: 'semi-honest',
  threshold: 1,
  seats: 2,
  learns: [
    'Both parties learn the two declared capacities and how far the run has come, and nothing of how full the sets or any of ' +
      'their buckets are.',
    'The receiver learns which of its own items the sender also holds.',
    'The sender learns nothing of the receiver’s items, nor how many matched.',
    'A receiver that fills its set with guesses learns which guesses are right: its capacity bounds them.',
    'An item outside the intersection is reported as a match with probability at most about 2^-40 over all buckets.',
  ],
  deviations: [
    'Items go to buckets by BLAKE3 under a public key that both parties draw together after the session is named; a bucket ' +
      'is padded to a capacity that random hashing exceeds, in any bucket of either party, with probability below 2^-40.',
    'A run that fails in one bucket (below 2^-40 each) ends there and goes on after a new connection.',
    'After an interruption a bucket may run twice, on the same two sets, with fresh randomness.',
    'The base transfers are made once for all buckets; each bucket has its own Δ and streams.',
    ...rr22Card.deviations,
  ],
};
