/** What a program imports: `import { defineTask, table, int } from '@2pm/program'`. @module */
export { chiSquare, contingency, kaplanMeier, type LifeTable, lifeTable, logRank } from './counts.ts';
export { jointMoments } from './joint-moments.ts';
export { key, passes } from './key.ts';
export type { KeyedRows } from './keyed-rows.ts';
export type { Groups, LocalColumn, LocalRows, LocalTable, LocalVector } from './local.ts';
export type { Joined, PsiOptions } from './match.ts';
export { combine, concat, dotEach, matrix, SharedMatrix } from './matrix.ts';
export { type LinearWeights, type LogisticOptions, logisticRegression, predict } from './models.ts';
export {
  correlation,
  covariance,
  type Description,
  describe,
  type Inference,
  type LinearModel,
  linearRegression,
  type Moments,
  moments,
  ridgeRegression,
  type Sample,
  sample,
  type TestResult,
  tTest,
} from './moments.ts';
export type { OpenedVector, PublicVector } from './public.ts';
export { repeat, type State, type Stop } from './repeat.ts';
export type { RevealOptions } from './reveal.ts';
export type { Order, SharedRows } from './rows.ts';
export { bool, category, date, fixed, int, table } from './schema.ts';
export type { Each, Precision, SharedVector } from './shared.ts';
export { mean, standardDeviation, variance } from './statistics.ts';
export type { Step } from './step.ts';
export { defineTask, type Task } from './task.ts';
