/** What people are told, and policies enforce, about this back-end. @module */
import type { ProtocolCard } from '@2pm/core';

export const REP3_SEMI_HONEST: ProtocolCard = {
  id: 'rep3-semi-honest/1',
  title: 'Replicated secret sharing among three seats, semi-honest',
  reference:
    'Araki, Furukawa, Lindell, Nof, Ohara: High-Throughput Semi-Honest Secure Three-Party Computation with an Honest ' +
    'Majority, CCS 2016, §2 (multiplication); Mohassel, Rindal: ABY3, CCS 2018, §5.3 (share conversion); Laur, Willemson, ' +
    'Zhang: Round-Efficient Oblivious Database Manipulation, ISC 2011 (shuffle and join)',
  security: 'semi-honest',
  threshold: 1,
  seats: 3,
  matcher: true,
  learns: [
    'A seat learns the plan, the number of holders and the lengths of their inputs, and no value, as long as it follows ' +
      'the protocol and no other seat shows it what it holds.',
    'Two seats together learn every input.',
    'The recipient of a reveal learns the revealed integers and which of them were withheld.',
    'A data holder learns nothing from what is computed in secret.',
  ],
  learnsOfJoins: [
    'Where rows are matched by keys, one seat, which brings none of these rows, matches. It sees a pseudonym of each row ' +
      'and pass, in an order that nobody knows, and so learns how many rows match in each pass, and how the passes ' +
      'overlap, but nothing of whose rows they are and none of their columns. The other seats learn nothing, not even how ' +
      'many match.',
    'The matching seat together with a holder of these rows learns whose rows match, as far as the holder can guess keys.',
  ],
  deviations: [
    'Zero shares come from AES-128 in counter mode under pairwise seeds sent in the first round, each by one of the two ' +
      'seats that use it.',
    'Truncation of fixed-point values takes the wrap of a masked value from its top bit, which a bounded value leaves free ' +
      '(after Dalskov, Escudero, Keller, IACR ePrint 2019/131); the mask is the component that two seats already hold. It ' +
      'never errs by one unit of the last place or more.',
    'Sharing one of the two addends of an arithmetic-to-boolean conversion takes a message of one seat instead of a full ' +
      'adder at all three.',
    'Rows are joined by one seat that sees pseudonyms under a key of the holders, where the reference opens keys to all ' +
      'seats. If it deviates it can join rows that do not belong together; the others check that no row is used twice.',
    'Seats compare digests of all messages before outputs leave. That finds messages altered between honest seats; it ' +
      'does not find a seat that sends wrong messages and reports them truly.',
  ],
};
