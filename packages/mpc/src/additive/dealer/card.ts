/** What people are told, and policies enforce, about this back-end. @module */
import type { ProtocolCard } from '@2pm/core';

export const ADDITIVE_DEALER_SEMI_HONEST: ProtocolCard = {
  id: 'additive-dealer-semi-honest/1',
  title: 'Additive secret sharing among two to seven seats with the help of a dealer, semi-honest',
  reference:
    'Beaver: Commodity-Based Cryptography, STOC 1997 (the dealer); Beaver: Efficient Multiparty Protocols Using Circuit ' +
    'Randomization, CRYPTO 1991 (triples); Riazi et al.: Chameleon, ASIACCS 2018 (shares from seeds, so that the dealer ' +
    'sends one correction); Goldreich, Micali, Wigderson: How to Play any Mental Game, STOC 1987',
  security: 'semi-honest',
  threshold: 1,
  seats: 3,
  maxSeats: 8,
  dealer: true,
  learns: [
    'The last seat is the dealer. It makes random values before the first operation, sees the plan and the number of holders, ' +
      'and is sent no input, no output and no message of the computation. It brings no data.',
    'Another seat learns the plan, the number of holders and the lengths of their inputs, and no value, as long as the dealer ' +
      'and one more seat, at least, do not show it what they hold.',
    'The dealer together with any one other seat learns every input.',
    'The recipient of a reveal learns the revealed integers and which of them were withheld, and no more of them together with ' +
      'the dealer.',
    'A data holder learns nothing from what is computed in secret.',
    'There is no redundancy: the dealer, a seat, or a holder that deviates can shift a result unnoticed, or release what should ' +
      'be withheld. A dealer that deviates learns no value by it, unless a recipient shows it the result.',
  ],
  learnsOfJoins: [
    'Where rows are matched by keys, no seat learns which match, or how many: they are sorted by their tags and compared under ' +
      'shares. A holder of these rows that deviates can only bring other rows than it has.',
  ],
  deviations: [
    'Each seat and the dealer expand a seed of the session by AES-128 in counter mode into the shares of the seat. What makes ' +
      'them correlated the dealer sends: of a product to the first seat, of a sign to the second.',
    'All seats wait until the dealer has dealt what the whole computation takes.',
    'What a seat sends to another begins with 16 random bytes that the dealer does not know, so that digests of messages, which ' +
      'the dealer sees as everybody does, tell it nothing, although it knows the masks of all messages.',
    'Output shares are masked afresh by sums that add up to 0, which the dealer does not know: with the correlations in hand ' +
      'it could read the operands of a product from shares of its result.',
    'Between two seats a sign is found as by additive-semi-honest/1, a table of 64 bytes and what it reads at ' +
      'secret-dependent addresses included; so is a truncation, which never errs by one unit of the last place or more.',
    'Rows are sorted by a network of comparisons (Batcher, AFIPS 1968). A join merges relations that their holders have sorted by ' +
      'tags, and checks that they are (after Huang, Evans, Katz, NDSS 2012).',
    'Seats compare digests of all messages before outputs leave. That finds messages altered between honest seats; it ' +
      'does not find a seat that sends wrong messages and reports them truly.',
  ],
};
