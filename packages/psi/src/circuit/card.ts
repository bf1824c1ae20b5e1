import type { ProtocolCard } from '@2pm/core';

/** What a person agrees to when this protocol runs on their data. */
export const circuitCard: ProtocolCard = {
  id: 'psi-circuit-semi-honest/1',
  title: 'Computing on the intersection of two sets that neither party learns',
  reference:
    'Pinkas, Schneider, Tkachenko and Yanai, "Efficient Circuit-Based PSI with Linear Communication", EUROCRYPT 2019; ' +
    'Rindal and Schoppmann, "VOLE-PSI", EUROCRYPT 2021 (programmed functions from one store); Raghuraman and Rindal, ' +
    'CCS 2022, Fig. 11 (the function)',
  security: 'semi-honest',
  threshold: 1,
  seats: 2,
  learns: [
    'Both parties learn the two declared capacities, and nothing of how full the sets are.',
    'Both get shares of which items are common and of what is computed on them; a share alone is uniform. Neither learns ' +
      'an item of the other, nor how many are common, unless that is opened.',
    'Who learns an opened result learns what follows from it: a sum over one common item is that item’s value.',
    'A receiver, or a sender, that fills its set with guesses learns of them what an opened result says.',
    'An item outside the intersection counts as common with probability below 2^-40 over the whole run.',
  ],
  deviations: [
    'Bins are found by AES_k(x) ⊕ x under a key that follows from r; three positions an item and no stash, in 1.24 bins ' +
      'and more an item: that some set fails to fit is 2^-40 by the fit of cryptoTools to experiments, not by a proof.',
    'Targets have 64 bits; equality is tested on the difference of the shares modulo 2^64.',
    'Otherwise as two-party RR22 (code ExConv7x24, whose minimum distance is an estimate of its authors; rows, paths and ' +
      'bins read at secret-dependent addresses) and as the back-end additive-semi-honest/1.',
  ],
};
