/** Makes the correlations that a circuit takes, before it runs and without its inputs. @module */
import type { Hash, SeatContext } from '@2pm/core';
import type { Simd } from '../rep3/simd.ts';
import type { Demand } from './demand.ts';
import type { Link } from './link.ts';
import type { Correlations } from './supply.ts';
import { makeTransferred, TRANSFER_ROUNDS, transferBatches } from './transfers.ts';
import { makeTriples, tripleRounds } from './triples.ts';

/** `binding`: hash of what the seats agreed on, unique for the session. `onStep` is called as often as `steps` says. */
export async function makeCorrelations(
  context: Pick<SeatContext, 'seat' | 'rng' | 'crypto'>,
  { link, binding, simd, onStep }: { link: Link; binding: Hash; simd: Simd; onStep: () => void },
  demand: Demand,
): Promise<Correlations> {
  const triples = await makeTriples(context, { links: [link], binding, simd, onRound: onStep }, demand);
  return { ...triples, ...(await makeTransferred(context, { link, binding, onBatch: onStep }, demand)) };
}

/** Rounds before the first gate, and steps of progress in them. */
export function preprocessingOf(demand: Demand, binding: Hash): { rounds: number; steps: number } {
  const [triples, batches] = [tripleRounds(demand), transferBatches(demand, binding)];
  return { rounds: triples + (batches > 0 ? TRANSFER_ROUNDS : 0), steps: triples + batches };
}
