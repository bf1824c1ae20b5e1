import { readdir, readFile } from 'node:fs/promises';
import { encode, Plan, parse, planHash } from '@2pm/core';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { checkPlan } from './check/check-plan.ts';
import { describePlan } from './describe.ts';
import {
  bool,
  category,
  date,
  defineTask,
  fixed,
  int,
  type LocalVector,
  type OpenedVector,
  type PublicVector,
  type SharedVector,
  table,
} from './language/index.ts';
import type { ProgramError } from './language/program-error.ts';
import { type Context, type TablesOf, trace } from './language/task.ts';
import { embedLanguage } from './sandbox/build-language.ts';
import { LANGUAGE } from './sandbox/language.generated.ts';
import { traceInSandbox } from './sandbox/trace-in-sandbox.ts';

const flights = table(
  {
    delay: int({ min: -100, max: 1000 }),
    late: int({ min: 0, max: 10, nullable: true }),
    price: fixed({ min: 0, max: 100, fractionBits: 8 }),
    paid: bool(),
    day: date({ min: '2001-01-01', max: '2001-12-31' }),
    origin: category(['ABE', 'ABQ', 'ORD']),
    count: int({ min: 0, max: 5 }),
  },
  { maxRows: 1000 },
);
const tables = { flights, other: table({ x: int({ min: 0, max: 1 }) }, { maxRows: 10 }) };
const roles = {
  holder: { min: 2, max: 4, tables: ['flights', 'other'] },
  rival: { min: 1, max: 1, tables: ['flights'] },
} as const;
type Tables = typeof tables;
type Roles = typeof roles;

function program(run: (context: Context<Tables, Roles>) => ReturnType<Parameters<typeof defineTask>[0]['run']>): Plan {
  const plan = trace(defineTask({ name: 'test', tables, roles, run }));
  checkPlan(plan);
  return plan;
}

type FlightsOf = TablesOf<Tables, Roles, 'holder'>;

/** Opens what every holder computes, so that a test may speak of the local part alone. */
function locally(body: (tables: FlightsOf) => LocalVector<'holder'>): Plan {
  return program(
    ({ each, reveal }) => reveal(each('holder', body as never).total(), { to: 'analyst' }) as OpenedVector,
  );
}

function refusal(run: () => unknown): Pick<ProgramError, 'code' | 'line' | 'message'> {
  try {
    run();
  } catch (error) {
    const { code, line, message } = error as ProgramError;
    return { code, line, message };
  }
  throw new Error('nothing was refused');
}

describe('misuse is refused with a code', () => {
  const cases: [code: string, run: (context: Context<Tables, Roles>) => unknown][] = [
    ['PROGRAM_PLACEMENT', ({ each }) => each('holder', (t) => t.flights.delay as never).total()],
    [
      'PROGRAM_PLACEMENT',
      ({ each }) => {
        let inside: LocalVector | undefined;
        const shared = each('holder', (t) => (inside = t.flights.count())).total() as SharedVector<'int'>;
        // @ts-expect-error a local value does not combine with a shared one
        return shared.add(inside);
      },
    ],
    [
      'PROGRAM_PLACEMENT',
      ({ each, reveal }) => {
        const n = each('holder', (t) => t.flights.count()).total();
        // @ts-expect-error an opened value does not combine with a shared one
        return reveal(n, { to: 'analyst' }).add(n);
      },
    ],
    [
      'PROGRAM_ROLE',
      ({ each }) => {
        let foreign: LocalVector<'rival'> | undefined;
        each('rival', (t) => (foreign = t.flights.count()));
        // @ts-expect-error a value of one role does not leave another
        return each('holder', () => foreign as LocalVector<'rival'>).total();
      },
    ],
    [
      'PROGRAM_TABLE',
      ({ each }) =>
        // @ts-expect-error columns of different tables do not combine
        each('holder', (t) => t.flights.delay.add(t.other.x).sum()),
    ],
    [
      'PROGRAM_TABLE',
      ({ each }) => each('holder', ({ flights: f }) => f.where(f.paid).delay.add(f.delay).sum()).total(),
    ],
    [
      'PROGRAM_TYPE',
      ({ each }) =>
        // @ts-expect-error a condition is no number
        each('holder', (t) => t.flights.paid.sum()),
    ],
    [
      'PROGRAM_CONSTANT',
      ({ each }) =>
        // @ts-expect-error no declared value
        each('holder', ({ flights: f }) => f.where(f.origin.eq('XXX')).count()),
    ],
    ['PROGRAM_FRACTION', ({ each }) => each('holder', (t) => t.flights.delay.mul(0.5).sum())],
    ['PROGRAM_CONSTANT', ({ each }) => each('holder', (t) => t.flights.delay.add(Number.NaN).sum())],
    ['PROGRAM_CONSTANT', ({ each }) => each('holder', ({ flights: f }) => f.where(f.day.lt('2001-02-29')).count())],
    ['PROGRAM_CONSTANT', ({ each }) => each('holder', (t) => t.flights.delay.histogram([3, 3]))],
    [
      'PROGRAM_OVERFLOW',
      ({ each }) =>
        each('holder', ({ flights: { delay } }) => {
          let x = delay;
          for (let i = 0; i < 10; i++) x = x.mul(delay);
          return x.sum();
        }),
    ],
    ['PROGRAM_RESULT', ({ each }) => each('holder', (t) => t.flights.count()).total()],
    ['PROGRAM_RESULT', () => ({})],
    [
      'PROGRAM_RESULT',
      ({ each, reveal }) => {
        const n = each('holder', (t) => t.flights.count()).total();
        return { a: reveal(n, { to: 'alice', name: 'a' }), b: reveal(n, { to: 'bob', name: 'b' }) };
      },
    ],
    [
      'PROGRAM_NAME',
      ({ each, reveal }) => {
        const n = each('holder', (t) => t.flights.count()).total();
        return { a: reveal(n, { to: 'alice' }), b: reveal(n, { to: 'alice' }) };
      },
    ],
    [
      'PROGRAM_LENGTH',
      ({ each }) => {
        const { a, b } = each('holder', (t) => ({
          a: t.flights.delay.histogram([0, 1, 2, 3]),
          b: t.flights.delay.histogram([0, 1, 2]),
        })).total();
        return a.add(b);
      },
    ],
    [
      'PROGRAM_OPERATOR',
      ({ each }) => each('holder', (t) => ((t.flights.delay as never) > 3 ? t.flights.count() : null) as never),
    ],
    ['PROGRAM_STACKED', ({ each }) => each('holder', (t) => t.flights.rows(['delay'], { capacity: 3 })).total()],
    [
      'PROGRAM_SUPPORT',
      ({ each, reveal }) => {
        const bins = each('holder', (t) => t.flights.delay.histogram([0, 1, 2])).total();
        return reveal(bins.sum(), { to: 'analyst', minGroupSize: 5 });
      },
    ],
  ];
  it.each(cases)('%s', (code, run) => {
    expect(refusal(() => program(run as never)).code).toBe(code);
  });
});

describe('a plan', () => {
  it('has one node for equal expressions, so that supports are recognised', () => {
    const plan = program(({ each, reveal }) => {
      const { n, again, sum } = each('holder', ({ flights: f }) => ({
        n: f.where(f.paid).count(),
        again: f.where(f.paid).count(),
        sum: f.where(f.paid).delay.sum(),
      })).total();
      return reveal({ n, again, sum }, { to: 'analyst', minGroupSize: 20 });
    });
    expect(plan.nodes.filter(({ op }) => op === 'where/1')).toHaveLength(1);
    expect(plan.nodes.filter(({ op }) => op === 'count/1')).toHaveLength(1);
    const [n, sum] = plan.nodes.filter(({ op }) => op === 'suppress/1');
    expect(n?.args).toEqual([n?.args[0], n?.args[0]]);
    expect(sum?.args[1]).toBe(n?.args[0]);
  });

  it('protects sums of a nullable column by the values present as well as the rows', () => {
    const plan = program(({ each, reveal }) =>
      reveal(each('holder', (t) => t.flights.late.sum()).total(), { to: 'analyst', minGroupSize: 20 }),
    );
    const supports = plan.nodes.find(({ op }) => op === 'suppress/1')?.args.slice(1) ?? [];
    const counted = supports.map((support) => plan.nodes[plan.nodes[support]?.args[0] ?? 0]?.args[0] ?? 0);
    expect(counted.map((index) => plan.nodes[index]?.op)).toEqual(['input/1', 'column/1']);
  });

  it('protects each slot of a grouped sum by that slot, without its nulls', () => {
    const plan = program(({ each, reveal }) => {
      const sums = each('holder', ({ flights: f }) => f.groupBy(f.origin).sum(f.late)).total();
      return reveal(sums, { to: 'analyst', minGroupSize: 20 });
    });
    const supports = plan.nodes.find(({ op }) => op === 'suppress/1')?.args.slice(1) ?? [];
    const ops = supports.map((support) => plan.nodes[plan.nodes[support]?.args[0] ?? 0]?.op);
    expect(ops).toEqual(['count/1', 'count-by/1', 'count-by/1']);
  });

  it('suppresses nothing unless a group size is asked for', () => {
    expect(locally((t) => t.flights.count()).nodes.some(({ op }) => op === 'suppress/1')).toBe(false);
  });

  it('brings different scales together before it adds or compares', () => {
    const plan = locally(({ flights: f }) => f.where(f.delay.lt(f.price)).price.add(0.5).sum());
    const one = plan.nodes.find(({ type }) => type.kind === 'constant' && type.value === '256');
    expect(one?.type).toEqual({ kind: 'constant', fractionBits: 8, value: '256' });
    expect(plan.nodes.some(({ type }) => type.kind === 'constant' && type.value === '128')).toBe(true);
  });

  it('bounds a total by rows, range and members', () => {
    const plan = locally((t) => t.flights.delay.sum());
    const total = plan.nodes.find(({ op }) => op === 'total/1');
    expect(total?.type).toMatchObject({ lo: String(-100 * 1000 * 4), hi: String(1000 * 1000 * 4) });
  });

  it('reaches a column whose name a method has', () => {
    expect(locally((t) => t.flights.column('count').sum()).nodes.some(({ attrs }) => attrs.name === 'count')).toBe(
      true,
    );
  });

  it('is the same in the sandbox and outside, byte for byte', async () => {
    for (const name of ['01-flight-delays', '02-greedy-rows', '04-drug-trial', '07-length-of-stay']) {
      const url = new URL(`../../../examples/${name}.ts`, import.meta.url);
      const inside = await traceInSandbox(await readFile(url));
      const { default: task } = (await import(url.href)) as { default: unknown };
      const outside = trace(task);
      // A test runner may move the lines of what it transforms; everything else must agree.
      const withoutLines = (plan: Plan) => ({ ...plan, nodes: plan.nodes.map((node) => ({ ...node, line: 0 })) });
      expect(encode(withoutLines(inside))).toEqual(encode(withoutLines(outside)));
      expect(planHash(await traceInSandbox(await readFile(url)))).toBe(planHash(inside));
    }
  });

  it('reads as plain words', async () => {
    const url = new URL('../../../examples/02-greedy-rows.ts', import.meta.url);
    const [, rows] = describePlan(await traceInSandbox(await readFile(url)));
    expect(rows).toContain('analyst learns "rows" (line 23)');
    expect(rows).toContain('up to 10 ROWS of flights where (origin = "LAX") and (delay > 1200)');
    expect(rows).toContain('Not withheld');
  });
});

describe('the type checker', () => {
  it('knows placements, roles and shapes', () => {
    program(({ each, reveal }) => {
      const totals = each('holder', ({ flights: f }) => {
        expectTypeOf(f.count()).toEqualTypeOf<LocalVector<'holder'>>();
        return { n: f.count(), nested: { sum: f.price.sum() } };
      }).total();
      expectTypeOf(totals.nested.sum).toEqualTypeOf<SharedVector<'int'>>();
      expectTypeOf(totals.n.lt(3)).toEqualTypeOf<SharedVector<'bool'>>();
      const out = reveal(totals, { to: 'analyst' });
      expectTypeOf(out.nested.sum).toEqualTypeOf<OpenedVector>();
      expectTypeOf(out.n.div(2)).toEqualTypeOf<PublicVector>();
      return out;
    });
  });
});

describe('the checker of plans', () => {
  const plan = () =>
    structuredClone(
      program(({ each, reveal }) => {
        const { n, sum } = each('holder', ({ flights: f }) => ({
          n: f.where(f.paid).count(),
          sum: f.delay.sum(),
        })).total();
        const out = reveal({ n, sum }, { to: 'analyst', minGroupSize: 20 });
        return { mean: out.sum.div(out.n) };
      }),
    );
  const find = (of: Plan, op: string) => of.nodes.find((node) => node.op === op) as Plan['nodes'][number];
  const tampering: [what: string, change: (plan: Plan) => void][] = [
    ['an argument ahead', (p) => (find(p, 'total/1').args = [p.nodes.length - 1])],
    ['an argument too many', (p) => find(p, 'total/1').args.push(0)],
    ['a tighter bound', (p) => ((find(p, 'sum/1').type as { hi: string }).hi = '1')],
    ['a wider bound', (p) => ((find(p, 'sum/1').type as { hi: string }).hi = '9999999999')],
    ['a column of another table', (p) => ((find(p, 'column/1').type as { of: number }).of = 1)],
    ['a table that the role does not bring', (p) => (p.roles = { holder: { min: 1, max: 4, tables: ['other'] } })],
    ['fewer members than it sums', (p) => Object.assign(p.roles['holder'] as object, { min: 1, max: 2 })],
    ['a local value passed off as shared', (p) => (find(p, 'count/1').type = find(p, 'total/1').type)],
    ['a result nobody may read', (p) => (p.result = { mean: 0 })],
    ['a result beyond the plan', (p) => (p.result = { mean: 9999 })],
    [
      'a name revealed twice',
      (p) => Object.assign(p.nodes.find(({ attrs }) => attrs.name === 'sum')?.attrs as object, { name: 'n' }),
    ],
    ['another recipient', (p) => (p.recipients = ['analyst', 'eve'])],
    ['a stray attribute', (p) => (find(p, 'total/1').attrs.min = 20)],
    ['a missing attribute', (p) => delete find(p, 'suppress/1').attrs.min],
    ['a suppression without support', (p) => find(p, 'suppress/1').args.splice(1)],
    [
      'a nullable column passed off as complete',
      (p) => Object.assign(p.tables['flights']?.columns['delay'] as object, { nullable: true }),
    ],
  ];
  it.each(tampering)('refuses %s', (_, change) => {
    const changed = plan();
    expect(() => checkPlan(parse(changed, Plan, 'the plan'))).not.toThrow();
    change(changed);
    expect(refusal(() => checkPlan(parse(changed, Plan, 'the plan'))).code).toBe('PLAN_INVALID');
  });
});

describe('the embedded language', () => {
  it('is the one in the sources', async () => {
    const folder = new URL('./language/', import.meta.url);
    const files: Record<string, string> = {};
    for (const name of await readdir(folder)) files[name] = await readFile(new URL(name, folder), 'utf8');
    const embedded = await readFile(new URL('./sandbox/language.generated.ts', import.meta.url), 'utf8');
    expect(await embedLanguage(files)).toBe(embedded);
    expect(Object.keys(LANGUAGE)).toHaveLength(Object.keys(files).length);
  });
});

it('a plan whose reveals rest on more operations than anybody should have to judge is refused', () => {
  const plan = (chain: number) =>
    program(({ each, reveal }) => {
      let x = each('holder', (t) => t.flights.count()).total();
      for (let i = 0; i < chain; i++) x = x.add(1);
      let last = reveal(x, { to: 'analyst' });
      for (let i = 0; i < 800; i++) last = reveal(x, { to: 'analyst', name: `r${i}` });
      return last;
    });
  expect(() => checkPlan(plan(300))).not.toThrow();
  expect(() => checkPlan(plan(400))).not.toThrow();
  expect(() => checkPlan(plan(800))).toThrow('rest on more than 500000 operations');
});
