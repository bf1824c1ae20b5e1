/** What people are told, and policies enforce, about this back-end. @module */
import type { ProtocolCard } from '@2pm/core';

export const ADDITIVE_SEMI_HONEST: ProtocolCard = {
  id: 'additive-semi-honest/1',
  title: 'Additive secret sharing among two to eight seats, semi-honest, without an honest majority',
  reference:
    'Goldreich, Micali, Wigderson: How to Play any Mental Game, STOC 1987; Beaver: Efficient Multiparty Protocols Using ' +
    'Circuit Randomization, CRYPTO 1991 (triples); Rathee, Schneider, Shukla: Improved Multiplication Triple Generation ' +
    'over Rings via RLWE-based AHE, CANS 2019 (products of words); Boyle et al.: Efficient Two-Round OT Extension and ' +
    'Silent Non-Interactive Secure Computation, CCS 2019 (transfers, for bits)',
  security: 'semi-honest',
  threshold: 1,
  seats: 2,
  maxSeats: 8,
  learns: [
    'A seat learns the plan, the number of holders and the lengths of their inputs, and no value, as long as it follows ' +
      'the protocol and one other seat, at least, does not show it what it holds.',
    'All seats together learn every input; all but one of them learn no more than each of them does.',
    'The recipient of a reveal learns the revealed integers and which of them were withheld.',
    'A data holder learns nothing from what is computed in secret.',
    'There is no redundancy: a seat, or a holder, that deviates can shift a result unnoticed, and a seat that deviates while ' +
      'correlations are made can learn more.',
  ],
  learnsOfJoins: [
    'Where rows are matched by keys, no seat learns which match, or how many: they are sorted by their tags and compared under ' +
      'shares. A holder of these rows that deviates can only bring other rows than it has.',
  ],
  deviations: [
    'Triples are made before the first gate, in the number that the circuit takes. Those of words come from ring-LWE ' +
      'encryption (degree 8192, modulus of 186 bits): what it shows of factors is below 2^-52 a product, and a product is ' +
      'wrong with a probability below 2^-54.',
    'Those of bits come from silent correlated transfers: code ExConv7x24 with regular noise of weight 256 over GF(2); the ' +
      'security of the code rests on an estimate of its minimum distance by its authors.',
    'Pads of transfers are AES_k(x) ⊕ x under a key of the session: correlation robust in the ideal-cipher model.',
    'Between two seats a sign is the carry of the two shares, found from those of four bits at a time, each read from a table by one transfer ' +
      'of sixteen (after Rathee et al., CrypTFlow2, CCS 2020, §3.1; Naor and Pinkas, STOC 1999).',
    'GGM trees have arity four and ChaCha12 as generator; base transfers and outputs share the secret Δ, as in Ferret.',
    'Truncation takes from the top bits, which a bounded value leaves free, how often the shares wrap; it never errs by one ' +
      'unit of the last place or more.',
    'Among three seats and more, shares are added up in bits: a comparison, and what turns bits into integers, costs several ' +
      'times what it costs between two.',
    'Rows are sorted by a network of comparisons (Batcher, AFIPS 1968). A join merges relations that their holders have sorted by ' +
      'tags, and checks that they are (after Huang, Evans, Katz, NDSS 2012).',
    'GGM paths, and a table of 64 bytes for signs, are read at secret-dependent addresses.',
    'Seats compare digests of all messages before outputs leave. That finds messages altered between honest seats; it ' +
      'does not find a seat that sends wrong messages and reports them truly.',
  ],
};
