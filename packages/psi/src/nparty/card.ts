import type { ProtocolCard } from '@2pm/core';

export const NPARTY_ID = 'psi-nparty-semi-honest/1';

/** What a person agrees to when this protocol runs on their data, with so many parties (3 to 16). */
export function npartyCard(parties: number): ProtocolCard {
  return {
    id: NPARTY_ID,
    title: `Private set intersection of ${parties} parties by zero-sharing over programmed functions`,
    reference:
      'Kolesnikov, Matania, Pinkas, Rosulek and Trieu, "Practical Multi-party Private Set Intersection from ' +
      'Symmetric-Key Techniques", CCS 2017 (augmented semi-honest protocol); Raghuraman and Rindal, CCS 2022, Fig. 11',
    security: 'semi-honest',
    threshold: parties - 1,
    seats: parties,
    learns: [
      'Everyone learns the declared capacities, and nothing of how full the sets are.',
      'The leader learns which of its own items all the others hold; of an item that one of them lacks, nothing: neither ' +
        'who lacks it nor how many do.',
      'The other members learn nothing, also when they put together what they have, all but the leader.',
      'A leader and members who put together what they have learn which of the leader’s items all the remaining members ' +
        'hold, as if the colluding members had brought the leader’s set (the model is called augmented for this). With ' +
        'all but one, it is the intersection with that one’s set.',
      'A leader that fills its set with guesses learns which guesses all the others hold: its capacity bounds them.',
      'An item outside the intersection is reported with probability below 2^-40 over the whole run.',
    ],
    deviations: [
      'Zero shares are of the members alone: the leader’s part of them would be known to the leader and hide nothing.',
      'The programmed function is F(y) ⊕ s(y) in an oblivious store, F as in two-party RR22; shares have 64 bits.',
      'One store of the leader’s items, one key r for all rows, and one vector A serve towards all members (programmable ' +
        'VOLE, Boyle et al., CRYPTO 2020): each member sees the same masked store. Members’ Δ and B are their own.',
      'Shares are AES-128 of the item’s hash under a key of the pair, to which both contribute, cut to 64 bits.',
      'The store and A have elements of 40 + log2(leader’s capacity · sum of the members’) bits, in whole bytes, at least 8; ' +
        'they form no subfield, which only additions need.',
      'Sets are padded with random items to the declared capacities; every store is held to 40 bits, so that a run fails, ' +
        `without a result, with probability about ${2 * parties}·2^-40.`,
      'Otherwise as the two-party protocol: code ExConv7x24, whose minimum distance is an estimate of its authors, with ' +
        'noise weight 256; GGM trees of arity four over ChaCha12; rows, paths and tables read at secret-dependent addresses.',
    ],
  };
}
