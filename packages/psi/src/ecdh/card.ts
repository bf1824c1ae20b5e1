import type { ProtocolCard } from '@2pm/core';

/** What a person agrees to when this protocol runs on their data. */
export const ecdhCard: ProtocolCard = {
  id: 'psi-ecdh-semi-honest/1',
  title: 'Two-party private set intersection from an oblivious pseudorandom function on an elliptic curve',
  reference:
    'RFC 9497, "Oblivious Pseudorandom Functions (OPRFs) Using Prime-Order Groups", §3.3.1 and §3.3.2, ristretto255-SHA512; ' +
    'set intersection from it: Jarecki and Liu, "Fast Secure Computation of Set Intersection", SCN 2010',
  security: 'semi-honest',
  threshold: 1,
  seats: 2,
  learns: [
    'Both parties learn the declared capacities, and nothing of how full the sets are.',
    'The receiver learns which of its own items the sender also holds.',
    'The sender learns nothing of the receiver’s items, nor how many matched; of a kept set it learns which earlier state ' +
      'the receiver still has.',
    'A receiver that fills its set with guesses learns which guesses are right: its capacity, and over many sessions the ' +
      'sender’s cap, bound them. Whoever can list all possible items can so list the sender’s set.',
    'With a key that is kept, a receiver can compare sessions: it can test an item against every state of the set that it ' +
      'was sent, and sees when an item leaves and comes back. Over many updates it sees which entries stay, and can so ' +
      'estimate how many are real; a new key version ends that.',
    'An item outside the intersection is reported as a match with probability at most about 2^-40 over the whole run.',
  ],
  deviations: [
    'Outputs of the function are cut to ⌈(40 + log2(nx·ny)) / 8⌉ bytes and sent in ascending order.',
    'Sets are padded to the declared capacities: the receiver’s with random items, a kept set of the sender with random tags.',
    'In verifiable mode a proof shows that all answers come from the one key that was announced. Nothing shows that the ' +
      'sender’s tags do: a sender may lie about its set.',
    'Items are compared through hash tables and sorted, at addresses that depend on them.',
  ],
};
