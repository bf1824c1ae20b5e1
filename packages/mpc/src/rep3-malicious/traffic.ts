/**
 * About what a plan costs on this back-end, before anybody runs it. Rounds are those of schedule and checks; bytes follow
 * from what each operation and its check send (headers of `engine.ts`, `products.ts` and `ands.ts`); gates of a few bits are
 * rounded up to whole words, so that small plans send more than is said here.
 * @module
 */
import type { Plan, RoleSizes } from '@2pm/core';
import { SEED_BYTES } from '@2pm/crypto';
import type { Circuit, Gate } from '../circuit.ts';
import { lower } from '../lower/lower.ts';
import { type Traffic, traffic } from '../rep3/traffic.ts';
import { schedule } from '../schedule.ts';
import { bucketsFor, checkBits } from './ands.ts';
import { ROUND_COSTS } from './engine.ts';
import { BLOCK_WORDS } from './kernels.ts';

/** For each element: products of words, and ANDs. */
const EACH: Readonly<Record<string, { words: number; ands: number }>> = {
  mul: { words: 1, ands: 0 },
  and: { words: 0, ands: 1 },
  zero: { words: 0, ands: 191 },
  negative: { words: 0, ands: 245 },
  inject: { words: 2, ands: 0 },
  truncate: { words: 6, ands: 184 },
};
/** As `check.ts` has them: what a check takes at most, and how many factors travel in a round. */
const [MOST_FACTORS, MOST_ANDS, FACTORS_A_ROUND] = [2 ** 20, 2 ** 23, 2 ** 18];
const DIGEST = 32;

export function maliciousTraffic(plan: Plan, roles: RoleSizes): Traffic {
  const circuit = lower(plan, roles, { arranging: 'networks' });
  const { holders, outputs } = traffic(plan, roles);
  const sent = circuit.gates.map((gate) => costOf(circuit, gate));
  const total = (of: 'results' | 'factors' | 'ands') => sent.reduce((sum, cost) => sum + cost[of], 0);
  const [results, factors, ands] = [total('results'), total('factors'), total('ands')];
  const checks = Math.max(Math.ceil(factors / MOST_FACTORS), Math.ceil(ands / MOST_ANDS));
  const common = factors > 0 && ands > 0 ? -3 : 0;
  const rounds = (factors > 0 ? 5 : 0) + (ands > 0 ? 6 : 0) + common;
  const members = [...circuit.inputWords.keys()].reduce((sum, role) => sum + (roles[role] ?? 0), 0);
  // Before and after as without checks (`rep3/traffic.ts`); in each check a coin of three rounds to both others.
  const around = 10 * DIGEST + SEED_BYTES + members * DIGEST + checks * 6 * DIGEST;
  const bytes = around + 16 * results + 16 * factors + Math.ceil(ands / 8) + (ands > 0 ? andBytes(ands, checks) : 0);
  return {
    rounds: schedule(circuit, ROUND_COSTS).rounds + 2 + checks * rounds + Math.ceil(factors / FACTORS_A_ROUND),
    seats: [bytes, bytes, bytes],
    ...{ holders, outputs },
  };
}

/** Triples of all buckets: a bit each when they are made and two when they are opened. */
function andBytes(ands: number, checks: number): number {
  const { blocks, size } = bucketsFor(Math.ceil(ands / checks / (32 * BLOCK_WORDS)), checkBits(0));
  return checks * 3 * 4 * BLOCK_WORDS * size * (blocks + 1);
}

function costOf({ gates }: Circuit, { op, args, length }: Gate) {
  const each = EACH[op];
  if (each !== undefined) {
    return { results: each.words * length, factors: 2 * each.words * length, ands: each.ands * length };
  }
  if (op !== 'dot' && op !== 'matmul') return { results: 0, factors: 0, ands: 0 };
  return { results: length, factors: args.reduce((sum, arg) => sum + (gates[arg]?.length ?? 0), 0), ands: 0 };
}
