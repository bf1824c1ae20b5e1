/** Makes the correlations that a circuit takes, before it runs and without its inputs. @module */
import type { Hash, SeatContext } from '@2pm/core';
import type { Simd } from '../rep3/simd.ts';
import { makeBits } from './bits.ts';
import type { Demand } from './demand.ts';
import type { Link } from './link.ts';
import type { Correlations } from './supply.ts';
import { makeTransferred, TRANSFER_ROUNDS, transferBatches } from './transfers.ts';
import { makeTriples, tripleRounds } from './triples.ts';

interface Making {
  /** To all other seats. */
  links: readonly Link[];
  /** Hash of what the seats agreed on, unique for the session. */
  binding: Hash;
  simd: Simd;
  /** Called as often as `preprocessingOf` says. */
  onStep: () => void;
}

export async function makeCorrelations(
  context: Pick<SeatContext, 'seat' | 'rng' | 'crypto'>,
  { links, binding, simd, onStep }: Making,
  demand: Demand,
): Promise<Correlations> {
  const triples = await makeTriples(context, { links, binding, simd, onRound: onStep }, demand);
  const [link, ...more] = links;
  if (link === undefined || more.length > 0) {
    return { ...triples, ...NONE, bits: await makeBits(context, { links, binding, onBatch: onStep }, demand.bits) };
  }
  const transferred = await makeTransferred(context, { link, binding, onBatch: onStep }, demand);
  return { ...triples, ...transferred };
}

/** Rounds before the first gate, and steps of progress in them. */
export function preprocessingOf(demand: Demand, binding: Hash, seats = 2): { rounds: number; steps: number } {
  const peers = seats - 1;
  const [triples, batches] = [tripleRounds(demand), transferBatches(demand, binding, peers)];
  const transfers = batches === 0 ? 0 : TRANSFER_ROUNDS + (peers > 1 ? 1 : 0);
  return { rounds: triples + transfers, steps: triples + batches * peers };
}

/** What two seats have, and more have not. */
const NONE = {
  carries: { choice: new BigUint64Array(0), pad: new Uint32Array(0) },
  crossWords: { factor: new Uint32Array(0), share: new BigUint64Array(0) },
  choices: {
    ...{ word: new BigUint64Array(0), bit: new Uint32Array(0) },
    ...{ sent: new BigUint64Array(0), received: new BigUint64Array(0) },
  },
};
