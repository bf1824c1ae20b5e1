import type { Plan, PlanNode } from '@2pm/core';
import { expect, test } from 'vitest';
import { checkPlan } from './check/check-plan.ts';
import { describePlan } from './describe.ts';
import {
  defineTask,
  fixed,
  logisticRegression,
  matrix,
  repeat,
  type SharedVector,
  type Step,
  table,
} from './language/index.ts';
import type { ProgramError } from './language/program-error.ts';
import { trace } from './language/task.ts';

type Ints = SharedVector<'int'>;

const tables = { t: table({ x: fixed({ min: 0, max: 1, fractionBits: 8 }) }, { maxRows: 50 }) };

/** `x`: a sum of up to 50, with 8 fraction bits; `bins`: three counts. */
function plan(run: (x: Ints, bins: Ints) => Ints): Plan {
  const traced = trace(
    defineTask({
      ...{ name: 'loops', tables, roles: { holder: { min: 1, max: 1, tables: ['t'] } } },
      run({ each, reveal }) {
        const of = each('holder', ({ t }) => ({ x: t.x.sum(), bins: t.x.histogram([0, 0.25, 0.5, 1]) })).total();
        return reveal(run(of.x, of.bins), { to: 'analyst' });
      },
    }),
  );
  checkPlan(traced);
  return traced;
}

function refusal(run: (x: Ints, bins: Ints) => Ints): ProgramError {
  try {
    plan(run);
  } catch (error) {
    return error as ProgramError;
  }
  throw new Error('expected a refusal');
}

const ops = ({ nodes }: Plan) => nodes.map(({ op }) => op);
const find = (of: Plan, op: string) => of.nodes.filter((node) => node.op === op);
const range = (node: PlanNode | undefined) => node && 'lo' in node.type && [Number(node.type.lo), Number(node.type.hi)];

test('steps take no more of the plan, however many', () => {
  const halved = (times: number) => plan((x) => repeat(times, x, (one) => one.mul(0.5)));
  expect(ops(halved(2))).toEqual(ops(halved(1000)));
  expect(find(halved(1000), 'iterate/1')[0]?.attrs).toEqual({ times: 1000, place: 0 });
});

test('a hundred steps of a regression are a plan of a few dozen operations', () => {
  const regression = plan((_, bins) => logisticRegression([bins.div(50).clip(0, 1)], bins.gt(3)));
  expect(regression.nodes.length).toBeLessThan(60);
});

test('a state is one value, a list, a matrix or values by name', () => {
  const { nodes, result } = plan((x, bins) => {
    const { pair, m } = repeat(
      3,
      { pair: [x, bins.gt(3)], m: matrix([bins, bins]) },
      ({ pair: [one, bits], m: inner }) => ({ pair: [one.mul(0.5), bits.not()], m: inner.transpose().transpose() }),
    );
    return pair[0].add(pair[1].sum()).add(m.row(1).sum());
  });
  expect(nodes[result as number]?.op).toBe('reveal/1');
  expect(nodes.filter(({ op }) => op === 'carried/1').map(({ attrs }) => attrs)).toEqual(
    [0, 1, 2].map((place) => ({ loop: 0, place })),
  );
});

test('a result is brought to the scale of the value before', () => {
  const [carried, after] = ['carried/1', 'iterate/1'].map(
    (op) =>
      find(
        plan((x) => repeat(3, x, (y) => y.mul(y.mul(0.01).clip(0, 0.5)))),
        op,
      )[0],
  );
  expect(carried?.type).toMatchObject({ fractionBits: 8 });
  expect(after?.type).toMatchObject({ fractionBits: 8 });
});

test('ranges are those of all steps', () => {
  const adding = plan((x) => repeat(10, x, (sum) => sum.add(x)));
  expect(range(find(adding, 'carried/1')[0])).toEqual([0, 10 * 50 * 256]);
  expect(range(find(adding, 'iterate/1')[0])).toEqual([0, 11 * 50 * 256]);
  // What a step bounds ends the search.
  let calls = 0;
  const bounded = plan((x) =>
    repeat(20_000, x, (sum) => {
      calls++;
      return sum.add(x).minimum(100);
    }),
  );
  expect(range(find(bounded, 'iterate/1')[0])).toEqual([0, 100 * 256]);
  expect(calls).toBe(2);
});

test('loops stand within loops, and what does not change within one is computed around it', () => {
  const nested = plan((x, bins) =>
    repeat(4, x.mul(0), (outer) => {
      const most = bins.max();
      return repeat(3, outer, (inner) => inner.add(x).minimum(most));
    }),
  );
  expect(find(nested, 'carried/1').map(({ attrs }) => attrs.loop)).toEqual([0, 1]);
  expect(find(nested, 'max/1')).toHaveLength(1);
});

test('what grows without end is refused, and the message says what and where', () => {
  const { code, message, fix, line } = refusal((x) => {
    const { b } = repeat(100, { a: x, b: x }, ({ a, b: other }) => ({ a, b: other.mul(4) }));
    return b;
  });
  expect(code).toBe('PROGRAM_OVERFLOW');
  expect(message).toMatch(/in step 25 of 100 of repeat\(\): the range of b grows from step to step$/);
  expect(fix).toContain('b.clip(');
  expect(line).toBeGreaterThan(100);
});

test('too many operations in all steps are refused', () => {
  expect(refusal((x) => repeat(60_000, x, (y) => y.minimum(3).maximum(1))).code).toBe('PROGRAM_SIZE');
  const twice = (x: Ints) => repeat(400, x, (y) => repeat(400, y, (z) => z.minimum(3)));
  expect(refusal(twice).code).toBe('PROGRAM_SIZE');
});

test('nothing leaves a step but what repeat() returns', () => {
  const outside: { kept?: Ints } = {};
  const steal = (times: number) => (x: Ints) => {
    repeat(times, x, (y) => {
      outside.kept ??= y.add(1);
      return y.add(1);
    });
    return outside.kept as Ints;
  };
  expect(refusal(steal(1)).message).toContain('belongs to one step of a repeat()');
  outside.kept = undefined as unknown as Ints;
  expect(refusal(steal(3)).message).toContain('belongs to one step of a repeat()');
});

test('nothing is revealed or shared in a step', () => {
  const task = (inside: (context: { reveal: (x: Ints) => unknown; share: () => Ints }, y: Ints) => Ints) => () =>
    trace(
      defineTask({
        ...{ name: 'loops', tables, roles: { holder: { min: 1, max: 1, tables: ['t'] } } },
        run({ each, reveal }) {
          const share = () => each('holder', ({ t }) => t.x.sum()).total();
          const x = share();
          const open = (y: Ints) => reveal(y, { to: 'analyst', name: 'inner' });
          return reveal(
            repeat(2, x, (y) =>
              inside({ reveal: open, share: () => each('holder', ({ t }) => t.x.count()).total() }, y),
            ),
            { to: 'analyst' },
          );
        },
      }),
    );
  const open = task(({ reveal }, y) => {
    reveal(y);
    return y;
  });
  expect(open).toThrow(/a step of repeat\(\) computes on shared values alone; it does not reveal/);
  expect(task(({ share }) => share())).toThrow(/computes on shared values alone/);
});

test('a step that gives something else is refused', () => {
  expect(refusal((x, bins) => repeat(2, x, () => bins)).code).toBe('PROGRAM_LENGTH');
  expect(refusal((x) => repeat(2, { x }, () => ({}) as { x: Ints }).x).code).toBe('PROGRAM_LOOP');
  expect(refusal((x) => repeat(0, x, (y) => y)).code).toBe('PROGRAM_LOOP');
});

test('a step knows its number', () => {
  const rates = plan((x) => repeat(4, x, (y, step) => y.mul(step.map((i) => 1 / (1 + i)))));
  const [node] = find(rates, 'step/1');
  expect(node?.attrs).toEqual({ loop: 0, values: ['65536', '32768', '21845', '16384'], fractionBits: 16 });
  expect(range(node)).toEqual([16384, 65536]);
  expect(range(find(rates, 'iterate/1')[0])).toEqual([0, 50 * 256]);
  // Not twice the same, and whole numbers without a fraction.
  const whole = plan((x) => repeat(3, x, (y, step) => y.add(step.map((i) => i)).sub(step.map((i) => i * 1))));
  expect(find(whole, 'step/1').map(({ attrs }) => attrs)).toEqual([
    { loop: 0, values: ['0', '1', '2'], fractionBits: 0 },
  ]);
});

test('a step takes the part of a vector or matrix that its number says', () => {
  const offsets = (of: Plan) => find(of, 'step/1').map(({ attrs }) => attrs.values);
  const vector = plan((x, bins) => repeat(5, x, (y, step) => y.add(step.batch(bins, 1)).clip(0, 9)));
  expect(offsets(vector)).toEqual([['0', '1', '2', '0', '1']]);
  const rows = plan((x, bins) =>
    repeat(3, x, (y, step) =>
      y
        .add(
          step
            .batch(matrix([bins, bins]), 1)
            .row(0)
            .sum(),
        )
        .clip(0, 9),
    ),
  );
  expect(offsets(rows)).toEqual([['0', '3', '0']]);
  expect(refusal((x, bins) => repeat(3, x, (y, step) => y.add(step.batch(bins, 2).sum()))).code).toBe('PROGRAM_LENGTH');
});

test('the number of a step is no JavaScript number, and no other loop has it', () => {
  const { code, fix } = refusal((x) => repeat(3, x, (y, step) => y.mul(1 / (1 + (step as unknown as number)))));
  expect(code).toBe('PROGRAM_OPERATOR');
  expect(fix).toContain('step.map');
  const outside: { kept?: Step } = {};
  const keep = (x: Ints) =>
    repeat(2, x, (y, step) => {
      outside.kept = step;
      return y.add(1);
    });
  expect(refusal((x) => keep(x).add((outside.kept as Step).map((i) => i))).message).toContain('one step of a repeat()');
  expect(refusal((x) => repeat(2, x, (y, step) => y.mul(step.map(() => Number.NaN)))).code).toBe('PROGRAM_CONSTANT');
});

test('until is a single truth value', () => {
  expect(plan((x) => repeat(9, x, (y) => y.mul(0.5), { until: (y) => y.lt(0.01) })).nodes.at(-1)?.op).toBe('reveal/1');
  const { code, fix } = refusal((x, bins) =>
    repeat(9, bins, (y) => y, { until: (y) => y.gt(3) })
      .sum()
      .add(x),
  );
  expect([code, fix]).toEqual(['PROGRAM_LOOP', 'Write x.max().lt(0.01)']);
});

test('a person reads what a loop does', () => {
  const text = describePlan(plan((x) => repeat(7, x, (y) => y.mul(0.5)))).join('\n');
  expect(text).toContain('what 7 steps make of (the sum of x over t)');
  expect(text).toContain('It reads t.x.');
});

const sum = plan((x) => repeat(10, x, (y) => y.add(x)));
const at = (op: string) => sum.nodes.findIndex((node) => node.op === op);
const altered = (index: number, change: object): Plan => ({
  ...sum,
  nodes: sum.nodes.map((node, i) => (i === index ? ({ ...node, ...change } as PlanNode) : node)),
});

test.each<[string, number, object, RegExp]>([
  ['steps that its ranges do not cover', at('iterate/1'), { attrs: { times: 11, place: 0 } }, /leaves its range/],
  ['a place that there is not', at('iterate/1'), { attrs: { times: 10, place: 1 } }, /takes a value after the step/],
  ['a value of a step revealed', at('reveal/1'), { args: [at('add/1')] }, /stands inside/],
  [
    'a start outside of the range',
    at('carried/1'),
    { type: { ...sum.nodes[at('carried/1')]?.type, lo: '1' } },
    /begins outside/,
  ],
  ['what is not carried', at('iterate/1'), { args: [at('total/1'), at('add/1')] }, /not carried by one loop/],
  [
    'more steps than a plan may have',
    at('iterate/1'),
    { attrs: { times: 200_000, place: 0 } },
    /more than 100000 operations/,
  ],
])('a checked plan has no %s', (_, index, change, message) => {
  expect(() => checkPlan(altered(index, change))).toThrow(message);
});

const rates = plan((x) => repeat(3, x, (y, step) => y.add(step.map((i) => i)).add(x)));
const number = rates.nodes.findIndex(({ op }) => op === 'step/1');
const parts = plan((x, bins) => repeat(3, x, (y, step) => y.add(step.batch(bins, 1)).add(x)));
const part = parts.nodes.findIndex(({ op }) => op === 'slice/1');
const moves = parts.nodes.findIndex(({ op }) => op === 'step/1');
const forged = (of: Plan, index: number, change: object): Plan => ({
  ...of,
  nodes: of.nodes.map((node, i) => (i === index ? ({ ...node, ...change } as PlanNode) : node)),
});
const numbers = (values: string[], more: object = {}) => {
  const [lo, hi] = [values[0], values.at(-1)];
  const type = { kind: 'shared', length: 1, dtype: 'int', fractionBits: 0, lo, hi };
  return { attrs: { loop: 0, values, fractionBits: 0, ...more }, type };
};

test.each<[string, Plan, RegExp]>([
  ['numbers for fewer steps than a loop has', forged(rates, number, numbers(['0', '2'])), /not as many/],
  ['numbers for more', forged(rates, number, numbers(['0', '1', '2', '2'])), /not as many/],
  ['numbers of no loop', forged(rates, number, numbers(['0', '1', '2'], { loop: 7 })), /belongs to none/],
  ['numbers outside of their range', forged(rates, number, { attrs: numbers(['0', '1', '3']).attrs }), /has type/],
  ['parts that reach beyond the end', forged(parts, moves, numbers(['0', '1', '3'])), /beyond the end/],
  ['parts that begin before the first', forged(parts, moves, numbers(['-1', '1', '2'])), /beyond an end/],
  [
    'parts that begin where a secret says',
    forged(parts, part, { args: [1, 2].map((i) => (parts.nodes[part]?.args[0] ?? 0) - (i - 1)) }),
    /no public number/,
  ],
])('a checked plan has no %s', (_, wrong, message) => {
  expect(() => checkPlan(wrong)).toThrow(message);
});
