import type { Plan } from '@2pm/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPlan } from './check/check-plan.ts';
import { describePlan } from './describe.ts';
import {
  combine,
  concat,
  defineTask,
  dotEach,
  fixed,
  int,
  matrix,
  type SharedVector,
  table,
} from './language/index.ts';
import type { ProgramError } from './language/program-error.ts';
import { trace } from './language/task.ts';

type Ints = SharedVector<'int'>;

const tables = {
  t: table(
    { x: int({ min: -9, max: 20 }), u: int({ min: 1, max: 9 }), f: fixed({ min: -2, max: 3, fractionBits: 8 }) },
    { maxRows: 50 },
  ),
};
const roles = {
  holder: { min: 3, max: 3, tables: ['t'] },
  lone: { min: 1, max: 2, tables: ['t'] },
} as const;

interface Values {
  /** One entry, from -1350 to 3000. */
  one: Ints;
  /** Four entries, from 0 to 150. */
  four: Ints;
  /** One entry with 8 fraction bits. */
  fine: Ints;
  stacked: Ints;
  loose: Ints;
}

function plan(run: (values: Values) => Ints, minGroupSize?: number): Plan {
  const task = defineTask({
    ...{ name: 'test', tables, roles },
    run({ each, reveal }) {
      const local = each('holder', ({ t }) => ({
        one: t.x.sum(),
        four: t.x.histogram([0, 1, 2, 3, 4]),
        fine: t.f.sum(),
      }));
      const stacked = each('holder', ({ t }) => t.u.histogram([1, 2, 3])).stack();
      const loose = each('lone', ({ t }) => t.u.histogram([1, 2, 3])).stack();
      return reveal(run({ ...local.total(), stacked, loose }), {
        to: 'analyst',
        ...(minGroupSize === undefined ? {} : { minGroupSize }),
      });
    },
  });
  const traced = trace(task);
  checkPlan(traced);
  return traced;
}

function opened(run: (values: Values) => Ints) {
  const { nodes } = plan(run);
  return nodes.find(({ op }) => op === 'reveal/1')?.type;
}

function code(run: (values: Values) => Ints, minGroupSize?: number): string {
  try {
    plan(run, minGroupSize);
  } catch (error) {
    return (error as ProgramError).code;
  }
  return '';
}

describe('ranges', () => {
  it.each<[what: string, run: (values: Values) => Ints, expected: object]>([
    ['of a clipped value are its ends', ({ one }) => one.clip(1, 10), { lo: '1', hi: '10' }],
    ['of an absolute value start at 0', ({ one }) => one.abs(), { lo: '0', hi: '3000' }],
    ['of fewer fraction bits are rounded outwards', ({ fine }) => fine.rescale(3), { lo: '-2400', hi: '3600' }],
    ['of more fraction bits are exact', ({ fine }) => fine.rescale(10), { fractionBits: 10, lo: '-307200' }],
    ['of a place are places', ({ four }) => four.argmax(), { length: 1, lo: '0', hi: '3' }],
    ['of a sigmoid are 0 to 1 with its error', ({ one }) => one.sigmoid(), { fractionBits: 16, lo: '-2', hi: '65538' }],
    ['of a quotient follow from the divisor', ({ one, four }) => one.div(four.sum().maximum(100)), { lo: '-884738' }],
    ['of a quotient by a number keep its digits', ({ one }) => one.div(1e6, { fractionBits: 30 }), { lo: '-1449552' }],
    ['of inner products grow with the length', ({ four }) => four.dot(four), { length: 1, lo: '0', hi: '90000' }],
    [
      'of a matrix product too',
      ({ four }) => matrix([four, four]).matmul(matrix([four, four]).transpose()).vector,
      { length: 4, lo: '0', hi: '90000' },
    ],
    ['reach over all members of a fixed role', ({ stacked }) => stacked.unstack(), { length: 6, lo: '0', hi: '50' }],
    ['take a single entry as long as the other side', ({ one, four }) => one.add(four), { length: 4, hi: '3150' }],
  ])('%s', (_, run, expected) => {
    expect(opened(run)).toMatchObject(expected);
  });

  it.each<[code: string, run: (values: Values) => Ints, minGroupSize?: number]>([
    ['PROGRAM_RANGE', ({ one }) => one.reciprocal()],
    ['PROGRAM_RANGE', ({ one, four }) => one.div(four)],
    ['PROGRAM_RANGE', ({ one }) => one.div(0)],
    ['PROGRAM_RANGE', ({ one }) => one.sqrt()],
    ['PROGRAM_RANGE', ({ four }) => four.log()],
    ['PROGRAM_RANGE', ({ one }) => one.exp()],
    ['PROGRAM_RANGE', ({ one }) => one.abs().mul(1e6).sqrt({ fractionBits: 30 })],
    ['PROGRAM_CONSTANT', ({ one }) => one.sigmoid({ fractionBits: 31 })],
    ['PROGRAM_CONSTANT', ({ one }) => one.rescale(-1)],
    ['PROGRAM_LENGTH', ({ four }) => four.slice(2, 5)],
    ['PROGRAM_LENGTH', ({ four }) => four.add(four.slice(0, 3))],
    ['PROGRAM_LENGTH', ({ four }) => matrix([four]).matmul(matrix([four])).vector],
    ['PROGRAM_LENGTH', ({ one, four }) => combine(concat(one, one), [four])],
    ['PROGRAM_STACKED', ({ stacked }) => stacked.max()],
    ['PROGRAM_STACKED', ({ loose }) => loose.unstack()],
    ['PROGRAM_SUPPORT', ({ stacked }) => stacked.unstack(), 20],
  ])('%s where they do not allow it', (expected, run, minGroupSize) => {
    expect(code(run, minGroupSize)).toBe(expected);
  });

  it('are found alike by tracer and checker, whatever is computed', () => {
    const steps: ((x: Ints, y: Ints) => Ints)[] = [
      (x, y) => x.add(y),
      (x, y) => x.sub(y),
      (x, y) => x.mul(y),
      (x, y) => x.minimum(y),
      (x, y) => x.maximum(y),
      (x) => x.abs(),
      (x) => x.neg(),
      (x) => x.rescale(4),
      (x) => x.rescale(20),
      (x) => x.max(),
      (x) => x.min(),
      (x) => x.argmax(),
      (x) => x.sum(),
      (x) => x.maximum(1).reciprocal({ fractionBits: 20 }),
      (x) => x.maximum(3).log({ fractionBits: 7 }),
      (x) => x.maximum(0).sqrt(),
      (x) => x.minimum(4).exp({ fractionBits: 12 }),
      (x) => x.sigmoid(),
      (x, y) => x.div(y.maximum(2), { fractionBits: 9 }),
      (x) => x.div(3),
      (x, y) => x.lt(y).select(x, y),
      (x, y) => x.lt(y).toInt(),
      (x, y) => concat(x, y),
      (x, y) => dotEach(x.add(y), [x.add(y), y.add(x.mul(2))]),
      (x) => combine(concat(x.at(0), x.at(x.length - 1)), [x, x.add(1)]),
      (x) => x.slice(x.length >> 1),
    ];
    const step = fc.record({ step: fc.constantFrom(...steps), x: fc.nat(), y: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (program) => {
        plan(({ one, four, fine }) => {
          const values = [one, four, fine];
          for (const { step, x, y } of program) {
            try {
              values.push(step(values[x % values.length] as Ints, values[y % values.length] as Ints));
            } catch (error) {
              // Too large, or lengths that do not go together: the tracer says so before anything is computed.
              expect((error as ProgramError).code).toMatch(/^PROGRAM_(?:OVERFLOW|RANGE|LENGTH|CONSTANT)$/);
            }
          }
          return concat(...values.map((value) => value.mul(0).rescale(0).at(0)));
        });
      }),
      { numRuns: 40 },
    );
  });
});

it('reads as plain words', () => {
  const words = (run: (values: Values) => Ints) => describePlan(plan(run)).at(-1);
  expect(words(({ one }) => one.maximum(1).log())).toContain('ln(the greater of (the sum of x over t');
  expect(words(({ four }) => four.argmax())).toContain('the place of the greatest entry of (the numbers of t by x');
  expect(words(({ one, four }) => one.div(four.at(2).maximum(5)))).toContain(') ÷ (the greater of (entries 3 to 3 of');
});
