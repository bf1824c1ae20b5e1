/** Programs over shared rows. */
import type { Plan, PlanNode } from '@2pm/core';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { checkPlan } from './check/check-plan.ts';
import { describePlan } from './describe.ts';
import { category, date, defineTask, fixed, int, type SharedVector, table } from './language/index.ts';
import type { ProgramError } from './language/program-error.ts';
import { type Context, trace } from './language/task.ts';

const stays = table(
  {
    days: int({ min: 0, max: 365 }),
    cost: fixed({ min: 0, max: 1000, nullable: true }),
    admitted: date({ min: '2020-01-01', max: '2029-12-31' }),
    ward: category(['north', 'south']),
  },
  { maxRows: 500 },
);
const tables = { stays };
const roles = { hospital: { min: 2, max: 4, tables: ['stays'] } } as const;
type C = Context<typeof tables, typeof roles>;

function program(run: (context: C) => ReturnType<Parameters<typeof defineTask>[0]['run']>): Plan {
  const plan = trace(defineTask({ name: 'rows', tables, roles, run }));
  checkPlan(plan);
  return plan;
}
const all = ({ each, union }: C) => union(each('hospital', (t) => t.stays.rows(['days', 'cost', 'ward', 'admitted'])));
const nodes = (plan: Plan, op: PlanNode['op']) => plan.nodes.filter((node) => node.op === op);

describe('shared rows', () => {
  it('have slots for the rows of all that may take part, and typed columns at their scale', () => {
    program((c) => {
      const rows = all(c);
      expect(rows.length).toBe(4 * 500);
      expectTypeOf(rows.column('cost')).toEqualTypeOf<SharedVector<'int'>>();
      expect(rows.nlargest(7, ['cost', 'days']).length).toBe(7);
      return c.reveal(rows.sum('cost'), { to: 'analyst', minGroupSize: 5 });
    });
    const plan = program((c) => c.reveal(all(c).median('cost'), { to: 'analyst', minGroupSize: 5 }));
    expect(nodes(plan, 'joined-column/1')[0]?.type).toMatchObject({ length: 2000, fractionBits: 16 });
    expect(nodes(plan, 'quantile/1')[0]?.attrs).toEqual({ numerators: [1], denominator: 2 });
  });

  it('protect a quantile by so many rows that enough lie on each side', () => {
    const plan = program((c) => c.reveal(all(c).quantile('days', [0.05, 0.5]), { to: 'analyst', minGroupSize: 5 }));
    const [suppress] = nodes(plan, 'suppress/1');
    expect(suppress?.attrs.min).toBe(100);
    const support = plan.nodes[suppress?.args[1] ?? -1];
    expect([support?.op, plan.nodes[support?.args[0] ?? -1]?.op]).toEqual(['sum/1', 'matched/1']);
  });

  it('protect each group by its own rows, its key too', () => {
    const plan = program((c) =>
      c.reveal(all(c).groupBy('days', { maxGroups: 7 }).key, { to: 'analyst', minGroupSize: 5 }),
    );
    const [suppress] = nodes(plan, 'suppress/1');
    const supports = suppress?.args.slice(1).map((arg) => plan.nodes[arg]);
    expect(supports?.map((node) => node?.op)).toEqual(['sum/1', 'group-count/1']);
    expect(supports?.[1]?.type).toMatchObject({ length: 7, lo: '0', hi: '2000' });
  });

  it('are described as what they are', () => {
    const [, median, top] = describePlan(
      program((c) => {
        const rows = all(c);
        const median = rows.whereIs('ward', 'north').median('days');
        return c.reveal({ median, top: rows.nlargest(3, 'days').column('days') }, { to: 'analyst', minGroupSize: 5 });
      }),
    );
    expect(median).toContain('the 50 % quantile of hospital.days over the rows of stays of all of hospital where');
    expect(median).toContain('Withheld where this is below 10');
    expect(top).toContain(
      'hospital.days of the first 3 of the rows of stays of all of hospital, ordered by hospital.days downwards',
    );
  });

  it('take no noise where a row may be what is opened', () => {
    for (const statistic of [(c: C) => all(c).median('days'), (c: C) => all(c).nlargest(5, 'days').sum('days')]) {
      expect(refused((c) => c.reveal(statistic(c), { to: 'analyst', epsilon: 1 }))).toMatchObject({
        code: 'PROGRAM_PRIVACY',
      });
    }
    const plan = program((c) => {
      const rows = all(c);
      const long = rows.where(rows.column('days').gt(9));
      return c.reveal({ n: long.count(), days: long.sum('days') }, { to: 'analyst', epsilon: 1 });
    });
    expect(nodes(plan, 'noise/1').map(({ attrs }) => attrs.sensitivity)).toEqual(['1', '365']);
  });
});

function refused(run: (context: C) => unknown): ProgramError {
  try {
    program(run as Parameters<typeof program>[0]);
  } catch (error) {
    return error as ProgramError;
  }
  throw new Error('it is allowed');
}

describe('what does not belong to shared rows is refused at its line', () => {
  const cases: [code: string, why: string, run: (c: C) => unknown][] = [
    // @ts-expect-error
    ['PROGRAM_NAME', 'a column that was not brought', (c) => all(c).column('age')],
    // @ts-expect-error
    ['PROGRAM_TYPE', 'a value that the category does not have', (c) => all(c).whereIs('ward', 'west')],
    // @ts-expect-error
    ['PROGRAM_PLACEMENT', 'a table', ({ each, union }) => each('hospital', (t) => union(t.stays) as never)],
    // @ts-expect-error
    ['PROGRAM_PLACEMENT', 'aggregates', ({ each, union }) => union(each('hospital', (t) => t.stays.count()))],
    // @ts-expect-error
    ['PROGRAM_PLACEMENT', 'a number as condition', (c) => all(c).where(1)],
    ['PROGRAM_LENGTH', 'a condition of other rows', (c) => all(c).where(all(c).head(5).valid)],
    ['PROGRAM_LENGTH', 'more slots than there are', (c) => all(c).head(2001)],
    ['PROGRAM_LENGTH', 'more groups than slots', (c) => all(c).groupBy('days', { maxGroups: 2001 })],
    [
      'PROGRAM_PLACEMENT',
      'groups without what to open',
      (c) => c.reveal(all(c).groupBy('days', { maxGroups: 2 }) as never, { to: 'a' }),
    ],
    [
      'PROGRAM_SUPPORT',
      'groups added up',
      (c) => c.reveal(all(c).groupBy('days', { maxGroups: 2 }).count().sum(), { to: 'a', minGroupSize: 5 }),
    ],
    ['PROGRAM_LENGTH', 'a rank by nothing', (c) => all(c).rank([])],
    ['PROGRAM_CONSTANT', 'a share above 1', (c) => all(c).quantile('days', 50)],
    ['PROGRAM_CONSTANT', 'shares that do not ascend', (c) => all(c).quantile('days', [0.5, 0.5])],
    ['PROGRAM_CONSTANT', 'a share that is no fraction', (c) => all(c).quantile('days', Math.PI / 4)],
    ['PROGRAM_CONSTANT', 'two directions for one key', (c) => all(c).sortBy('days', { descending: [true, false] })],
    ['PROGRAM_TYPE', 'fractions in a stack', ({ each }) => each('hospital', (t) => t.stays.rows(['cost'])).stack()],
  ];
  it.each(cases)('%s: %s', (code, _, run) => {
    const error = refused(run);
    expect(error).toMatchObject({ code });
    expect(error.line).toBeGreaterThan(80);
  });
});
