/** What people are told, and policies enforce, about this back-end. @module */
import type { ProtocolCard } from '@2pm/core';

export const REP3_MALICIOUS: ProtocolCard = {
  id: 'rep3-malicious/1',
  title: 'Replicated secret sharing among three seats, one of which may be malicious, with abort',
  reference:
    'Araki et al., CCS 2016, §2 (multiplication); Furukawa, Lindell, Nof, Weinstein, EUROCRYPT 2017, §3, and Araki et al., ' +
    'S&P 2017 (bits: buckets of triples); Cramer et al., SPDZ2k, CRYPTO 2018, §3, and Boyle, Gilboa, Ishai, Nof, CCS 2019, §4 ' +
    '(words: a check modulo 2^128 between a prover and two verifiers)',
  security: 'malicious',
  threshold: 1,
  seats: 3,
  learns: [
    'A seat learns the plan, the number of holders and the lengths of their inputs, and no value, whatever it sends, as long as ' +
      'no other seat shows it what it holds.',
    'A seat that deviates is found before anything is opened, but for a chance below 2^-40 a run. It can make the attempt ' +
      'fail, whenever it likes; what it does this for, and the failure itself, depend on no value that it does not know.',
    'Two seats together learn every input and can falsify the result.',
    'The recipient of a reveal learns the revealed integers and which of them were withheld.',
    'A data holder learns nothing from what is computed in secret. Nothing here keeps it from giving untrue data.',
  ],
  learnsOfJoins: [
    'Where rows are matched by keys, no seat learns which match, or how many: they are sorted by their tags and compared under ' +
      'shares. A holder of these rows that deviates can only bring other rows than it has.',
  ],
  deviations: [
    'Not audited; the composition of the checks has a proof on paper in the headers of its modules and no other.',
    'Zero shares come from AES-128 in counter mode under pairwise seeds sent in the first round, each by one of the two ' +
      'seats that use it.',
    'Every conversion starts from the three components as they stand, so that no seat shares a value of its own; truncation ' +
      'of fixed-point values sums the components with exact carries, and rounds as `rep3-semi-honest/1` does.',
    'ANDs of the circuit are the first members of their buckets; blocks of 128 are permuted, not single ANDs.',
    'Rows are sorted by a network of comparisons (Batcher, AFIPS 1968). A join merges relations that their holders have sorted by ' +
      'tags, and checks that they are (after Huang, Evans, Katz, NDSS 2012). All of it is ordinary operations, which are checked.',
    'No fairness: a malicious seat may let one seat finish and another fail. Outputs open only when all three have finished.',
  ],
};
