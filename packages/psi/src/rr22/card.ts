import type { ProtocolCard } from '@2pm/core';

/** What a person agrees to when this protocol runs on their data. */
export const rr22Card: ProtocolCard = {
  id: 'psi-rr22-semi-honest/1',
  title: 'Two-party private set intersection from OKVS and silent VOLE',
  reference: 'Raghuraman and Rindal, "Blazing Fast PSI from Improved OKVS and Subfield VOLE", CCS 2022, Fig. 11',
  security: 'semi-honest',
  threshold: 1,
  seats: 2,
  learns: [
    'Both parties learn the two declared capacities, and nothing of how full the sets are.',
    'The receiver learns which of its own items the sender also holds.',
    'The sender learns nothing of the receiver’s items, nor how many matched.',
    'A receiver that fills its set with guesses learns which guesses are right: its capacity bounds them.',
    'An item outside the intersection is reported as a match with probability at most about 2^-40 over the whole run.',
  ],
  deviations: [
    'Every bin of the store is held to 40 + log2(bins) bits, so that all bins together fail with about 2^-40; a run that ' +
      'fails so ends without a result. The share of it that comes from the paper’s fit to experiments is no proof.',
    'The sender shuffles its tags before they leave; sets are padded with random items to the declared capacities.',
    'Item hash, store rows and bins come from one BLAKE3 keyed with r, which is drawn after both sets are fixed.',
    'Tags are AES_k(x) ⊕ x under a key of the session: correlation robust in the ideal-cipher model.',
    'The subfield is the field, GF(2^128); code ExConv7x24 with noise weight 256, regular and interleaved.',
    'GGM trees have arity four and ChaCha12 as generator; base transfers and VOLE share the secret Δ, as in Ferret.',
    'The public taps of the code come from AES-CTR and ChaCha8.',
    'The security of the code rests on an estimate of its minimum distance by its authors.',
    'Store rows, GGM paths and tag tables are read at secret-dependent addresses.',
  ],
};
