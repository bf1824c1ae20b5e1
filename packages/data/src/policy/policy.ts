/**
 * What a holder permits, as it stands in the dataset contract under `twopm.policy`. Everything that no permit covers is
 * refused; a prohibition beats every permit.
 * @module
 */
import { NodeId, OPERATIONS, SecurityModel } from '@2pm/core';
import { z } from 'zod';

/**
 * Groups of operations of the plan catalogue, so that a policy reads like what it means.
 * - `filter`: choosing rows by a condition
 * - `arithmetic`: computing on columns before they are aggregated
 * - `aggregate`: counts, sums, histograms and groups over rows, sums over holders, any computation on those in secret;
 *   includes `filter` and `arithmetic`
 * - `per-holder`: values of each single holder side by side (`stack/1`)
 * - `rows`: single rows (`rows/1`, `stack/1`)
 * - `match`: matching rows with those of other holders by keys, and what a match brings together
 * - `union`: rows of all holders of a role one below the other, in secret
 * - `order`: sorting such rows or matches, their quantiles and groups; what of it may be seen is for `reveals` to say
 */
export const OPERATION_GROUPS = {
  filter: ['where/1', 'eq/1', 'ne/1', 'lt/1', 'le/1', 'gt/1', 'ge/1', 'in/1', 'and/1', 'or/1', 'not/1', 'is-null/1'],
  arithmetic: ['add/1', 'sub/1', 'mul/1', 'neg/1'],
  aggregate: [
    ...['where/1', 'eq/1', 'ne/1', 'lt/1', 'le/1', 'gt/1', 'ge/1', 'in/1', 'and/1', 'or/1', 'not/1', 'is-null/1'],
    ...['add/1', 'sub/1', 'mul/1', 'neg/1', 'select/1'],
    ...['rescale/1', 'minimum/1', 'maximum/1', 'abs/1', 'min/1', 'max/1', 'argmax/1', 'as-int/1', 'dot/1', 'combine/1'],
    ...['reciprocal/1', 'div/1', 'sqrt/1', 'exp/1', 'log/1', 'sigmoid/1'],
    ...['repeat/1', 'slice/1', 'concat/1', 'transpose/1', 'matmul/1', 'unstack/1', 'carried/1', 'iterate/1'],
    ...['count/1', 'sum/1', 'histogram/1', 'count-by/1', 'sum-by/1'],
  ],
  'per-holder': ['stack/1'],
  rows: ['rows/1', 'stack/1'],
  match: ['keyed/1', 'join/1', 'keep/1', 'matched/1', 'joined-column/1', 'intersect/1'],
  union: ['rows/1', 'union/1', 'keep/1', 'matched/1', 'joined-column/1'],
  order: ['sort/1', 'head/1', 'rank/1', 'quantile/1', 'group-key/1', 'group-count/1', 'group-sum/1'],
} as const satisfies Record<string, readonly (typeof OPERATIONS)[number][]>;

/** Needed by every plan, and harmless without the others: reading, adding over holders, protecting, revealing. */
export const PLUMBING: readonly (typeof OPERATIONS)[number][] = [
  'input/1',
  'column/1',
  'constant/1',
  'step/1',
  'total/1',
  'rest/1',
  'beside/1',
  'suppress/1',
  'noise/1',
  'reveal/1',
];

const groups = Object.keys(OPERATION_GROUPS) as (keyof typeof OPERATION_GROUPS)[];
const OperationName = z.enum([...groups, ...OPERATIONS]);
const Columns = z.array(z.string().min(1)).min(1);

const Epsilon = z.number().min(0.000_001).max(1_000);

export const Permit = z.strictObject({
  /** Who asks: analysts by id (every recipient of the task must be listed), or nodes that submit for them. */
  parties: z.union([z.literal('any'), z.array(NodeId).min(1)]),
  operations: z.array(OperationName).min(1),
  /**
   * `aggregate`: totals over all holders, protected by the minimum group size; `per-holder`: one value for each holder,
   * protected likewise; `rows`: single rows, and anything computed from them; `intersection`: another holder learns which
   * of its own rows are here as well, and with `rows` what the program delivers of them, or single slots of a match in a
   * circuit; `private`: anything under noise that hides one row, paid for from the budget in `privacy`. What other kinds
   * reveal of the dataset is not counted there, nor is its noise any good against them.
   */
  reveals: z.array(z.enum(['aggregate', 'per-holder', 'rows', 'intersection', 'private'])).min(1),
  columns: z.union([z.literal('any'), Columns]),
  /** Purposes of which the task must state one, word for word. Without it any purpose will do. */
  purposes: z.array(z.string().min(1)).min(1).optional(),
  thresholds: z.strictObject({
    /** Holders in the role without whom nothing is computed. */
    minParties: z.number().int().min(1).max(64),
    /** Rows behind every revealed number. */
    minGroupSize: z.number().int().min(2).max(1_000_000),
  }),
  limits: z
    .strictObject({
      maxTasksPerDay: z.number().int().positive().optional(),
      /**
       * Most keys that another holder may match with these rows: whoever may bring all possible ones learns all rows, and
       * by sums much of them.
       */
      maxKeys: z.number().int().positive().optional(),
      /** Last day (UTC) on which it holds. */
      validUntil: z
        .string()
        .regex(/^\d{4}-\d{2}-\d{2}$/, 'expected a day like 2027-12-31')
        .optional(),
    })
    .default({}),
  /** ε that the private reveals of one task, and of all tasks together, may take from the dataset. Nothing refills it. */
  privacy: z.strictObject({ epsilonPerTask: Epsilon, epsilonTotal: Epsilon }).optional(),
  /** The least that the protocol between the seats must withstand. */
  security: SecurityModel.default('semi-honest'),
  /** Whether who asks may also be one of the computing parties. */
  recipientsMaySit: z.boolean().default(false),
  approval: z.enum(['auto', 'manual']),
});
export type Permit = z.infer<typeof Permit>;

export const Prohibition = z
  .strictObject({ columns: Columns.optional(), operations: z.array(OperationName).min(1).optional() })
  .refine((rule) => rule.columns !== undefined || rule.operations !== undefined, 'it prohibits nothing');

export const Policy = z.strictObject({
  permit: z.array(Permit),
  prohibit: z.array(Prohibition).default([]),
  defaults: z.literal('deny'),
});
export type Policy = z.infer<typeof Policy>;

/** The operations that a list of names and groups stands for. */
export function operationsOf(names: readonly string[]): Set<string> {
  return new Set(names.flatMap((name) => OPERATION_GROUPS[name as keyof typeof OPERATION_GROUPS] ?? [name]));
}
