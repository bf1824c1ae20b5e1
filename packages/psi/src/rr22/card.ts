import { NodeError, type ProtocolCard, type SecurityModel } from '@2pm/core';

/** Which of the three protocols runs. The same on both sides. */
export interface Rr22Mode {
  /** Whom the run withstands. Semi-honest by default. */
  security?: SecurityModel;
  /** How the store is laid out: fast and long, or short and slow. Compact runs are semi-honest. Clustered by default. */
  encoding?: 'clustered' | 'compact';
  /** Bytes that the sender brings with each item and the receiver gets for its matches. None by default; clustered runs alone. */
  payloadBytes?: number;
}

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
    'Base transfers may be those of an earlier run of the same two, an hour old at most; each run extends them afresh, ' +
      'with a Δ and streams of its own.',
    'The public taps of the code come from AES-CTR and ChaCha8.',
    'The security of the code rests on an estimate of its minimum distance by its authors.',
    'Store rows, GGM paths and tag tables are read at secret-dependent addresses.',
  ],
};

/** The same engine against parties that do anything at all. */
export const rr22MaliciousCard: ProtocolCard = {
  id: 'psi-rr22-malicious/1',
  title: 'Two-party private set intersection from OKVS and silent VOLE, against malicious parties',
  reference:
    'Raghuraman and Rindal, CCS 2022, Fig. 11 in its malicious form (Rindal and Schoppmann, EUROCRYPT 2021, Fig. 4); checks: ' +
    'Ferret (CCS 2020) for the VOLE, SoftSpokenOT (Roy, CRYPTO 2022) for the transfers',
  security: 'malicious',
  threshold: 1,
  seats: 2,
  learns: [
    'Both parties learn the two declared capacities, and nothing of how full the sets are.',
    'The receiver learns which of its own items the sender also holds.',
    'The sender learns nothing of the receiver’s items, nor how many matched.',
    'A receiver that cheats can test more items than it declared: as many as its store has places, at most 1.34 times its ' +
      'capacity from 4096 items on, more below, and 830 for the smallest.',
    'Nothing shows that a set is true: a party may use other items than it holds, as many as its capacity. A sender may ' +
      'leave items out, or send tags of none.',
    'Who cheats elsewhere is found out before the other gives or gets anything, or changes nothing but its own part: its ' +
      'masked store, its tags, its half of a random value.',
    'A party that is found out has stopped the run. It may have bet on bits of Δ (receiver) or on places of the noise ' +
      '(sender): k bits right with probability 2^-k, and being found out shows that the bet was wrong.',
    'Nobody is forced to finish: the sender can stop before the receiver has its result.',
    'An item outside the intersection is reported as a match with probability below 2^-80.',
  ],
  deviations: [
    'The key r of the store is tossed by both and names the code, too. In the paper the receiver draws it, which with ' +
      'clusters would let a cheating one provoke failures that depend on the sender’s set.',
    'The check of the transfers is made on columns, point by hash (Fiat-Shamir); the check of the VOLE covers all trees at ' +
      'once with powers of one random point.',
    'The hash that makes tags takes H_B(x, r) where the paper has the item x: it names the item as well.',
    'Trees of arity four seal each sum twice. The proof of the check needs only that points determine what the receiver ' +
      'rebuilds, which still holds.',
    'Dual LPN is assumed to hold although a bet on places of the noise came true.',
    'The security argument puts the proofs of these papers together. The whole has no proof of its own, and no audit.',
    ...rr22Card.deviations.filter((text) => !/^(Tags are|Base transfers)/.test(text)),
  ],
};

/** The same engine, slower and with fewer bytes. */
export const rr22CompactCard: ProtocolCard = {
  id: 'psi-rr22-compact/1',
  title: 'Two-party private set intersection from OKVS and silent VOLE, with few bytes',
  reference: `${rr22Card.reference}, with the short store of §3 and a small subfield (Thm. 1)`,
  security: 'semi-honest',
  threshold: 1,
  seats: 2,
  learns: rr22Card.learns,
  deviations: [
    'The store is one piece without clusters. That it fails with about 2^-40 is the paper’s fit to experiments, no proof; a run ' +
      'that fails so ends without a result. Its columns are chosen with a relative bias below 2^-7.',
    'In place of a subfield: the elements of GF(2^128) whose high bits are zero, 40 + log2(nx·ny) bits in whole bytes (ny ' +
      'for nx where that is more). They are closed under addition, and code and store are binary, so the correlation and ' +
      'the store need no more; Δ times two of them that differ still differs.',
    'Tags travel as a set, in Elias-Fano coding; within equal prefixes their order is random.',
    ...rr22Card.deviations.filter((text) => !/^(Every bin|The subfield)/.test(text)),
    'Code ExConv7x24 with noise weight 256, regular and interleaved; the noise has values of as many bits.',
  ],
};

/** What changes where the sender brings payloads. The arguments: `payloads.ts`. */
function withPayloads(card: ProtocolCard): ProtocolCard {
  const malicious = card.security === 'malicious';
  const learns = (text: string) => text.startsWith('The receiver learns');
  return {
    ...card,
    id: card.id.replace('psi-rr22-', 'psi-rr22-payload-'),
    title: `${card.title}, with payloads of the matches`,
    learns: [
      ...card.learns.flatMap((text) =>
        learns(text)
          ? [
              'The receiver learns which of its own items the sender also holds, and the payload of each of these; of the ' +
                'payloads of other items nothing but their length, which is declared.',
            ]
          : [text],
      ),
      'Payloads are what the sender says they are. An item that is reported as a match by error has a random one.',
    ],
    deviations: [
      malicious
        ? 'The paper has no payloads: these are masked by further output of the hash that makes the tags, under keys of their ' +
          'own. The argument extends that of the tags to a longer output, and has had no audit either.'
        : 'The paper has no payloads: these are masked by AES_k(x) ⊕ x of the same x as the tag, under a key of their own for ' +
          'each 16 bytes, independent of the tag in the ideal-cipher model.',
      ...card.deviations,
    ],
  };
}

export const rr22PayloadCard = withPayloads(rr22Card);
export const rr22PayloadMaliciousCard = withPayloads(rr22MaliciousCard);

/** The protocol that runs in a mode. @throws {NodeError} `PSI_BAD_MODE` where there is none. */
export function rr22CardOf({ security, encoding, payloadBytes = 0 }: Rr22Mode): ProtocolCard {
  if (payloadBytes !== 0 && encoding === 'compact') {
    throw new NodeError('PSI_BAD_MODE', 'a compact run brings no payloads', {
      fault: 'caller',
      fix: 'Leave the encoding away: payloads follow the order of the tags, which a compact run does not keep.',
    });
  }
  if (payloadBytes !== 0) return security === 'malicious' ? rr22PayloadMaliciousCard : rr22PayloadCard;
  if (encoding !== 'compact') return security === 'malicious' ? rr22MaliciousCard : rr22Card;
  if (security === 'malicious') {
    throw new NodeError('PSI_BAD_MODE', 'a compact run does not withstand malicious parties', {
      fault: 'caller',
      fix: 'Give up one of the two: a malicious run needs values of 128 bits.',
    });
  }
  return rr22CompactCard;
}
