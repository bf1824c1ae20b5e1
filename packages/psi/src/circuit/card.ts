import type { ProtocolCard } from '@2pm/core';

/** What a person agrees to when this protocol runs on their data. */
export const circuitCard: ProtocolCard = {
  id: 'psi-circuit-semi-honest/1',
  title: 'Computing on rows that several holders have, which nobody learns',
  reference:
    'Pinkas, Schneider, Tkachenko and Yanai, "Efficient Circuit-Based PSI with Linear Communication", EUROCRYPT 2019; ' +
    'Chandran, Dasgupta, Gupta, Obbattu, Sekar and Shah, "Efficient Linear Multiparty PSI and Extensions to Circuit/Quorum ' +
    'PSI", CCS 2021 (several holders, thresholds); Rindal and Schoppmann, "VOLE-PSI", EUROCRYPT 2021 (programmed functions ' +
    'from one store); Raghuraman and Rindal, CCS 2022, Fig. 11 (the function)',
  security: 'semi-honest',
  threshold: 1,
  seats: 2,
  learns: [
    'Where rows are matched in a circuit, holders and computing parties learn the declared capacities, and nothing of how ' +
      'full the sets are, of who matches, or of how many do; what each holds of it is uniform.',
    'Who learns an opened result learns what follows from it: a sum over one common row is that row’s value.',
    'A holder that fills its set with guesses learns of them what an opened result says.',
    'A row outside the intersection counts as common with probability below 2^-40 over the whole run.',
  ],
  deviations: [
    'Bins are found by AES_k(x) ⊕ x under a key that follows from r; three positions an item and no stash, in 1.24 bins ' +
      'and more an item: that some set fails to fit is 2^-40 by the fit of cryptoTools to experiments, not by a proof.',
    'Targets have 64 bits; equality is tested on the difference of the shares modulo 2^64. The leader’s bins and r are the same ' +
      'towards all others; each pair has a function of its own.',
    'What the holders have by bin is shared with the seats as any input is: seats and holders may be the same or others, and ' +
      'the protocol among the seats bounds who may collude. In place of sums compared with a threshold, bits are counted.',
    'Otherwise as two-party RR22 (code ExConv7x24, whose minimum distance is an estimate of its authors; rows, paths and ' +
      'bins read at secret-dependent addresses).',
  ],
};
