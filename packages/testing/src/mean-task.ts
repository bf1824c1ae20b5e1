/** The task of tests to which it does not matter what is computed: number and mean of days over all holders. @module */
import type { Plan } from '@2pm/core';
import { defineTask, int, table, trace } from '@2pm/program';
import type { TestData } from './task-network.ts';

/** `holders`: how many it takes at least. Withheld below 10 rows. */
export function meanPlan(holders = 2): Plan {
  return trace(
    defineTask({
      name: 'mean',
      tables: { visits: table({ days: int({ min: 0, max: 100 }) }, { maxRows: 1_000 }) },
      roles: { holder: { min: holders, max: 5, tables: ['visits'] } },
      run({ each, reveal }) {
        const { n, sum } = each('holder', ({ visits }) => ({ n: visits.count(), sum: visits.days.sum() })).total();
        const out = reveal({ n, sum }, { to: 'analyst', minGroupSize: 10 });
        return { n: out.n, mean: out.sum.div(out.n) };
      },
    }),
  );
}

/** A holder of so many rows. */
export const rows = (n: bigint, sum: bigint): TestData => ({ vectors: { 'count/1': [n], 'sum/1': [sum] } });
