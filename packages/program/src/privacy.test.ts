/** Programs that reveal under noise. */
import type { Plan, PlanNode } from '@2pm/core';
import { describe, expect, it } from 'vitest';
import { checkPlan } from './check/check-plan.ts';
import { describePlan } from './describe.ts';
import { category, concat, defineTask, fixed, int, key, passes, type SharedVector, table } from './language/index.ts';
import type { ProgramError } from './language/program-error.ts';
import { type Context, trace } from './language/task.ts';

const visits = table(
  {
    cost: int({ min: -20, max: 100, nullable: true }),
    loss: int({ min: -70, max: -10 }),
    rate: fixed({ min: 0, max: 2, fractionBits: 4 }),
    ward: category(['a', 'b', 'c']),
  },
  {
    maxRows: 1000,
    keys: {
      email: key.email('mail'),
      either: passes([key.email('mail')], [key.phone('phone', { callingCode: '49' })]),
    },
  },
);
const tables = { visits };
const roles = {
  clinic: { min: 2, max: 4, tables: ['visits'] },
  bank: { min: 1, max: 1, tables: ['visits'] },
  shop: { min: 1, max: 1, tables: ['visits'] },
} as const;
type C = Context<typeof tables, typeof roles>;
type Ints = SharedVector<'int'>;

function program(run: (context: C) => Ints, epsilon = 0.5): Plan {
  const task = defineTask({
    ...{ name: 'test', tables, roles },
    run: (context) => context.reveal(run(context), { to: 'analyst', epsilon }),
  });
  const plan = trace(task);
  checkPlan(plan);
  return plan;
}

const noiseOf = (plan: Plan) => plan.nodes.find(({ op }) => op === 'noise/1') as PlanNode;
const sensitivity = (run: (context: C) => Ints) => Number(noiseOf(program(run)).attrs.sensitivity);
const code = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return (error as ProgramError).code;
  }
  return 'none';
};

const clinics = (c: C) => {
  return c
    .each('clinic', ({ visits }) => ({
      n: visits.count(),
      known: visits.cost.count(),
      cost: visits.cost.sum(),
      loss: visits.loss.sum(),
      rate: visits.rate.sum(),
      some: visits.where(visits.loss.gt(-30)).count(),
      bins: visits.loss.histogram([-70, -40, -20, -10]),
      wards: visits.groupBy(visits.ward).count(),
      costs: visits.groupBy(visits.ward).sum(visits.cost),
    }))
    .total();
};
const joined = (c: C, by: 'email' | 'either' = 'email') =>
  c.join(
    c.each('bank', ({ visits }) => visits.by(by, { columns: ['loss', 'ward'] })),
    c.each('shop', ({ visits }) => visits.by(by, { columns: ['cost'] })),
  );

describe('what one row can change', () => {
  it.each<[name: string, value: (c: C) => Ints, expected: number]>([
    ['a count', (c) => clinics(c).n, 1],
    ['a count of values', (c) => clinics(c).known, 1],
    ['a filtered count', (c) => clinics(c).some, 1],
    ['a sum, the larger end of the range', (c) => clinics(c).cost, 100],
    ['a sum below zero', (c) => clinics(c).loss, 70],
    ['a sum with fraction bits, at its scale', (c) => clinics(c).rate, 32],
    ['all slots of a histogram together', (c) => clinics(c).bins, 1],
    ['all categories together', (c) => clinics(c).wards, 1],
    ['sums by category together', (c) => clinics(c).costs, 100],
    ['one of the slots', (c) => clinics(c).bins.slice(1, 2), 1],
    ['the sum of the slots', (c) => clinics(c).bins.sum(), 1],
    ['two values that one row is in', (c) => clinics(c).n.add(clinics(c).some), 2],
    ['their difference', (c) => clinics(c).n.sub(clinics(c).some), 2],
    ['a multiple', (c) => clinics(c).n.mul(-3), 3],
    ['a vector of both', (c) => concat(clinics(c).n, clinics(c).cost), 101],
    ['a clamped value', (c) => clinics(c).cost.abs(), 100],
    ['holder by holder', (c) => c.each('clinic', ({ visits }) => visits.loss.sum()).stack(), 70],
    ['the number of matches', (c) => joined(c).count(), 1],
    ['a sum over matches, by the spread with 0', (c) => joined(c).column('shop', 'cost').sum(), 120],
    ['the same of a negative column', (c) => joined(c).column('bank', 'loss').sum(), 70],
    ['a sum over some matches', (c) => joined(c).whereIs('bank', 'ward', 'b').column('shop', 'cost').sum(), 120],
    ['products in a match', (c) => joined(c).column('shop', 'cost').mul(joined(c).column('bank', 'loss')).sum(), 8400],
  ])('%s', (_, value, expected) => {
    expect(sensitivity(value)).toBe(expected);
  });

  it('is that of the holder whose row counts most, where holders bring different tables', () => {
    const counts = (c: C) => {
      const n = c.each('bank', ({ visits }) => visits.count()).total();
      return n.add(
        c
          .each('shop', ({ visits }) => visits.count())
          .total()
          .mul(2),
      );
    };
    expect(sensitivity(counts)).toBe(2);
  });

  it.each<[name: string, value: (c: C) => Ints]>([
    ['a product of two values', (c) => clinics(c).n.mul(clinics(c).n)],
    ['a comparison', (c) => clinics(c).n.gt(5).select(clinics(c).n, clinics(c).some)],
    ['the place of the greatest', (c) => clinics(c).bins.argmax()],
    ['slots of a join', (c) => joined(c).column('shop', 'cost')],
    ['slots of a join with a total', (c) => joined(c).column('shop', 'cost').sub(clinics(c).cost).sum()],
    ['a part of the slots', (c) => joined(c).column('shop', 'cost').slice(0, 3).sum()],
    ['a join in several passes', (c) => joined(c, 'either').count()],
  ])('is not bounded for %s', (_, value) => {
    expect(code(() => program(value))).toBe('PROGRAM_PRIVACY');
  });

  it('must be hidden by a proper epsilon, and by nothing else', () => {
    const count = (c: C) => clinics(c).n;
    for (const epsilon of [0, -1, 21, Number.NaN, 1e-7, 0.000_000_5, Number.POSITIVE_INFINITY]) {
      expect(code(() => program(count, epsilon))).toBe('PROGRAM_PRIVACY');
    }
    const run = (context: C) => context.reveal(clinics(context).n, { to: 'a', epsilon: 1, minGroupSize: 5 });
    expect(code(() => trace(defineTask({ name: 'both', tables, roles, run })))).toBe('PROGRAM_PRIVACY');
    for (const [epsilon, micros] of [
      [0.1, 100_000],
      [0.3, 300_000],
      [20, 20_000_000],
      [0.000_001, 1],
    ] as const) {
      expect(noiseOf(program(count, epsilon)).attrs.epsilonMicros).toBe(micros);
    }
  });
});

describe('a plan with noise', () => {
  const plan = program((c) => clinics(c).cost);

  it('says how far the noise reaches, and what it does to the numbers', () => {
    // 4 × 1000 rows of -20 to 100; 45 × 100 / 0.5 = 9000 < 2^14.
    expect(noiseOf(plan).type).toMatchObject({ lo: String(-80_000 - 16_383), hi: String(400_000 + 16_383) });
    expect(describePlan(plan).at(-1)).toContain(
      'Under random noise (ε = 0.5; one row may change it by 100): 95 of 100 numbers are off by 599 or less.',
    );
  });

  it('is refused with bounds, attributes or uses that it should not have', () => {
    const changed = (change: (plan: Plan) => void) => {
      const copy = structuredClone(plan);
      change(copy);
      return code(() => checkPlan(copy));
    };
    expect(changed(() => {})).toBe('none');
    expect(changed((copy) => Object.assign(noiseOf(copy).type, { hi: '400000' }))).toBe('PLAN_INVALID');
    expect(changed((copy) => Object.assign(noiseOf(copy).attrs, { sensitivity: '0' }))).toBe('PLAN_INVALID');
    expect(changed((copy) => delete noiseOf(copy).attrs.epsilonMicros)).toBe('PLAN_INVALID');
    const twice = (copy: Plan) => {
      const [noise, reveal] = copy.nodes.slice(-2) as [PlanNode, PlanNode];
      const under = copy.nodes.length - 2;
      copy.nodes.splice(-1, 1, { ...noise, op: 'neg/1', args: [under], attrs: {} }, { ...reveal, args: [under + 1] });
      copy.result = under + 2;
    };
    expect(changed(twice)).toBe('PLAN_INVALID');
  });
});
