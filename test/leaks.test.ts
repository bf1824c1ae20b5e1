/**
 * Two hundred programs that a policy allows, each then with one leak added: every one is refused, at the line of the leak.
 * Judging reads no row: there are none here.
 */
import { type Decision, type NodeId, nodesOf, type Plan, type PlanNode, type TaskSpec } from '@2pm/core';
import { judgeTask, parseContract } from '@2pm/data';
import { repeat, type SharedVector } from '@2pm/program';
import { expect, test } from 'vitest';
import { anyHonest, type Context, type Run, traced } from './programs.ts';

const PROGRAMS = 200;
const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;

const contract = parseContract(`apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:visits
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: /x.csv, format: csv }]
schema:
  - name: visits
    properties:
      - { name: days, logicalType: integer }
      - { name: score, logicalType: integer }
      - { name: price, logicalType: number }
      - { name: ward, logicalType: string }
      - { name: secret, logicalType: integer }
      - { name: email, logicalType: string }
customProperties:
  - property: twopm.policy
    value:
      permit:
        - parties: any
          operations: [aggregate, match, union, order]
          reveals: [aggregate]
          columns: [days, score, price, ward, email]
          limits: { maxKeys: 500 }
          thresholds: { minParties: 1, minGroupSize: 20 }
          approval: auto
      prohibit: [{ columns: [secret] }]
      defaults: deny
`);

/** As a holder in every role sees the plan. */
function judge(plan: Plan): Decision {
  const self = id(1);
  const spec = {
    coordinator: id(9),
    roles: { holder: [self, id(2), id(3)], left: [self], right: [id(2)] },
    seats: [self, id(2), id(3)],
    protocol: 'rep3-semi-honest/1',
    security: 'semi-honest',
    recipients: { analyst: { id: id(8), hpke: '0x00' } },
    purpose: 'statistics',
  } as unknown as TaskSpec;
  return judgeTask({
    plan,
    spec,
    self,
    nowMs: Date.UTC(2026, 10, 22),
    contractOf: () => contract,
    tasksToday: () => 0,
    epsilonSpent: () => 0,
  });
}

const LEAKS: Record<string, (context: Context) => void> = {
  'a count of any size': ({ each, reveal }) =>
    reveal(each('holder', (t) => t.visits.count()).total(), { to: 'analyst', name: 'leak' }),
  'a sum over groups just too small': ({ each, reveal }) =>
    reveal(each('holder', (t) => t.visits.days.sum()).total(), { to: 'analyst', name: 'leak', minGroupSize: 19 }),
  'single rows': ({ each, reveal }) =>
    reveal(each('holder', (t) => t.visits.rows(['days'], { capacity: 30 })).stack(), { to: 'analyst', name: 'leak' }),
  'values holder by holder': ({ each, reveal }) =>
    reveal(each('holder', (t) => t.visits.days.sum()).stack(), { to: 'analyst', name: 'leak', minGroupSize: 20 }),
  'a prohibited column': ({ each, reveal }) =>
    reveal(each('holder', (t) => t.visits.secret.sum()).total(), { to: 'analyst', name: 'leak', minGroupSize: 20 }),
  'rows chosen by a prohibited column': ({ each, reveal }) =>
    reveal(each('holder', (t) => t.visits.where(t.visits.secret.eq(3)).count()).total(), {
      ...{ to: 'analyst', name: 'leak', minGroupSize: 20 },
    }),
  'a histogram of any size': ({ each, reveal }) =>
    reveal(each('holder', (t) => t.visits.days.histogram([0, 1, 60])).total(), { to: 'analyst', name: 'leak' }),
  'whether a count is large': ({ each, reveal }) =>
    reveal(
      each('holder', (t) => t.visits.count())
        .total()
        .gt(3),
      { to: 'analyst', name: 'leak' },
    ),
  'the slots of a join': (c) =>
    c.reveal(c.join(left(c), right(c)).column('left', 'days'), {
      ...{ to: 'analyst', name: 'leak', minGroupSize: 20 },
    }),
  'which slots matched': (c) =>
    c.reveal(c.join(left(c), right(c)).matched, { to: 'analyst', name: 'leak', minGroupSize: 20 }),
  'a number of matches of any size': (c) =>
    c.reveal(c.join(left(c), right(c)).count(), { to: 'analyst', name: 'leak' }),
  'the largest rows': (c) =>
    c.reveal(visits(c).nlargest(3, 'days').column('days'), { to: 'analyst', name: 'leak', minGroupSize: 20 }),
  'a sorted column': (c) =>
    c.reveal(visits(c).sortBy('price').column('ward'), { to: 'analyst', name: 'leak', minGroupSize: 20 }),
  'rows moved to the front': (c) =>
    c.reveal(visits(c).compact({ capacity: 30 }).valid, { to: 'analyst', name: 'leak', minGroupSize: 20 }),
  'the sum of the two largest': (c) =>
    c.reveal(visits(c).nlargest(2, 'days').sum('days'), { to: 'analyst', name: 'leak' }),
  'places of rows': (c) => c.reveal(visits(c).rank('days'), { to: 'analyst', name: 'leak', minGroupSize: 20 }),
  'the largest row, by how far its place is above that of the second': (c) => {
    const all = visits(c);
    const last = all
      .rank('days')
      .maximum(all.length - 1)
      .sub(all.length - 1);
    c.reveal(all.column('price').mul(last).sum(), { to: 'analyst', name: 'leak', minGroupSize: 20 });
  },
  'a median of any size': (c) => c.reveal(visits(c).median('days'), { to: 'analyst', name: 'leak' }),
  'a median with just too few rows on a side': (c) =>
    c.reveal(visits(c).median('days'), { to: 'analyst', name: 'leak', minGroupSize: 19 }),
  'the least row': (c) => c.reveal(visits(c).quantile('days', 0), { to: 'analyst', name: 'leak', minGroupSize: 20 }),
  'the greatest match among quantiles': (c) =>
    c.reveal(c.join(left(c), right(c)).quantile('left.days', [0.5, 1]), {
      ...{ to: 'analyst', name: 'leak', minGroupSize: 20 },
    }),
  'groups of any size': (c) =>
    c.reveal(visits(c).groupBy('days', { maxGroups: 5 }).count(), { to: 'analyst', name: 'leak' }),
  'keys of groups just too small': (c) =>
    c.reveal(visits(c).groupBy('days', { maxGroups: 5 }).key, { to: 'analyst', name: 'leak', minGroupSize: 19 }),
  'a sum over a choice within groups': (c) => {
    const all = visits(c);
    const few = all.column('days').mul(all.column('price').gt(99).toInt());
    c.reveal(all.groupBy('ward', { maxGroups: 3 }).sum(few), { to: 'analyst', name: 'leak', minGroupSize: 20 });
  },
  'a sum over few rows among groups of many': (c) => {
    const all = visits(c);
    const few = all.where(all.column('price').gt(99)).column('days');
    c.reveal(all.groupBy('ward', { maxGroups: 3 }).sum(few), { to: 'analyst', name: 'leak', minGroupSize: 20 });
  },
  'what a step takes of some of the rows': (c) => {
    const all = visits(c);
    const [zero, days] = [all.sum('days').mul(0), all.column('days')];
    const some = repeat(2, zero, (of, step) => of.add(step.batch(days, 2).sum()));
    c.reveal(some, { to: 'analyst', name: 'leak', minGroupSize: 20 });
  },
  'when a loop could have ended': (c) => {
    const few = c.each('holder', (t) => t.visits.where(t.visits.days.gt(59)).count()).total();
    const until = { until: (of: SharedVector<'int'>) => of.gt(few) };
    const steps = repeat(9, few.mul(0), (of) => of.add(1), until);
    c.reveal(steps, { to: 'analyst', name: 'leak' });
  },
  'the median of a prohibited column': ({ each, union, reveal }) =>
    reveal(union(each('holder', (t) => t.visits.rows(['secret'], { capacity: 40 }))).median('secret'), {
      ...{ to: 'analyst', name: 'leak', minGroupSize: 20 },
    }),
  'an intersection for the other side': (c) => c.psi(left(c), right(c), { to: 'right', name: 'leak' }),
  'more keys than may be tried': (c) =>
    c.reveal(
      c
        .join(
          left(c),
          c.each('right', (t) => t.visits.by('person', { capacity: 501 })),
        )
        .count(),
      { to: 'analyst', name: 'leak', minGroupSize: 20 },
    ),
};

/** Rows of all holders, one below the other, with a capacity of their own. */
function visits({ each, union }: Context) {
  return union(each('holder', (t) => t.visits.rows(['days', 'price', 'ward'], { capacity: 40 })));
}

// A capacity of their own: rows enter one join only.
function left({ each }: Context) {
  return each('left', (t) => t.visits.by('person', { columns: ['days'], capacity: 30 }));
}
function right({ each }: Context) {
  return each('right', (t) => t.visits.by('person', { columns: ['days'], capacity: 30 }));
}

test(`${PROGRAMS} honest programs are allowed, and refused at the line of one added leak`, () => {
  const leaks = Object.entries(LEAKS);
  for (let program = 0; program < PROGRAMS; program++) {
    const build = (context: Context) => anyHonest(context, `leaks ${program}`);
    const result = (run: (context: Context) => ReturnType<Run>): Plan => {
      const plan = traced(((context: Context) => {
        context.psi(
          context.each('left', (t) => t.visits.by('person', { capacity: 9 })),
          context.each('right', (t) => t.visits.by('person', { capacity: 8 })),
          { to: 'left', name: 'own' },
        );
        return run(context);
      }) as Run);
      return plan;
    };
    const good = result(build);
    expect([program, judge(good)]).toEqual([program, { verdict: 'allow' }]);

    const [name, leak] = leaks[program % leaks.length] as (typeof leaks)[number];
    const bad = result((context) => {
      const results = build(context);
      leak(context);
      return results;
    });
    const decision = judge(bad);
    const added = bad.nodes.slice(good.nodes.length).map(({ line }) => line);
    expect([program, name, decision.verdict]).toEqual([program, name, 'refuse']);
    if (decision.verdict !== 'refuse') continue;
    expect(decision.code).toMatch(/^POLICY_/);
    expect([name, decision.reasons.every(({ line }) => added.includes(line ?? 0))]).toEqual([name, true]);
  }
}, 60_000);

test('order statistics are protected by the number of exactly their rows, with enough of them on each side', () => {
  const plan = traced((c) => {
    const all = visits(c);
    const long = all.where(all.column('days').gt(10));
    const quantiles = long.quantile('days', [0.1, 0.5]);
    return c.reveal({ quantiles, all: all.count() }, { to: 'analyst', minGroupSize: 20 });
  });
  expect(judge(plan)).toEqual({ verdict: 'allow' });
  const [first, second] = nodesOf(plan, 'suppress/1').map((index) => plan.nodes[index] as PlanNode);
  // The least part is a tenth.
  expect([first?.attrs.min, second?.attrs.min]).toEqual([200, 20]);
  const edited = (edit: (quantiles: PlanNode) => void) => {
    const other = structuredClone(plan);
    edit(other.nodes[nodesOf(other, 'suppress/1')[0] as number] as PlanNode);
    return judge(other);
  };
  expect(edited(({ attrs }) => (attrs.min = 199))).toMatchObject({ code: 'POLICY_GROUP_SIZE' });
  expect(edited(({ args }) => args.splice(1, 9, second?.args[1] as number))).toMatchObject({
    code: 'POLICY_GROUP_SIZE',
  });
});

test('groups are protected by the counts of exactly these groups, slot by slot', () => {
  const plan = traced((c) => {
    const all = visits(c);
    const [byDays, byWard] = [all.groupBy('days', { maxGroups: 3 }), all.groupBy('ward', { maxGroups: 3 })];
    const shown = { wards: byWard.count(), days: byDays.key, price: byDays.sum('price') };
    return c.reveal(shown, { to: 'analyst', minGroupSize: 20 });
  });
  expect(judge(plan)).toEqual({ verdict: 'allow' });
  const [wards = -1, ...counts] = nodesOf(plan, 'group-count/1');
  const [, ...byDays] = nodesOf(plan, 'suppress/1');
  expect(byDays.length).toBe(2);
  for (const suppress of byDays) {
    const other = structuredClone(plan);
    const { args } = other.nodes[suppress] as PlanNode;
    const own = args.findIndex((arg, place) => place > 0 && counts.includes(arg));
    args[own] = wards;
    expect(judge(other)).toMatchObject({ code: 'POLICY_GROUP_SIZE' });
  }
});

test('public numbers of steps need no protection, and what they scale keeps its own', () => {
  const scaled = (options: { minGroupSize?: number }) =>
    traced((c) => {
      const all = visits(c);
      const [sum, first] = [all.sum('days'), all.count().mul(0)];
      const change = (of: SharedVector<'int'>, rate: SharedVector<'int'>) => sum.sub(of).mul(rate).rescale(0);
      const after = repeat(
        9,
        first,
        (of, step) =>
          of
            .add(
              change(
                of,
                step.map((i) => 0.5 / (1 + i)),
              ),
            )
            .clip(0, 9_999),
        {
          until: (of) => of.gt(5_000),
        },
      );
      return c.reveal(after, { to: 'analyst', ...options });
    });
  expect(judge(scaled({ minGroupSize: 20 }))).toEqual({ verdict: 'allow' });
  expect(judge(scaled({}))).toMatchObject({ code: 'POLICY_GROUP_SIZE' });
});

test('what subtraction leaves of two groups withholds one of them', () => {
  const both = (run: (context: Context) => { [name: string]: SharedVector<'int'> }) =>
    traced((c) => c.reveal(run(c), { to: 'analyst', minGroupSize: 20 }));
  const plans: [string, Plan, number][] = [
    [
      'a table and a part of it',
      both(({ each }) =>
        each('holder', ({ visits: all }) => ({
          all: all.days.sum(),
          long: all.where(all.days.gt(3)).count(),
        })).total(),
      ),
      1,
    ],
    [
      'slots and all of them',
      both(({ each }) =>
        each('holder', ({ visits: all }) => ({ wards: all.groupBy(all.ward).sum(all.days), n: all.count() })).total(),
      ),
      1,
    ],
    [
      'all, and slots of a part',
      both(({ each }) =>
        each('holder', ({ visits: all }) => {
          const some = all.where(all.ward.ne('a'));
          return { n: all.count(), days: some.days.histogram([0, 5, 9]) };
        }).total(),
      ),
      1,
    ],
    [
      'the same slots of both',
      both(({ each }) =>
        each('holder', ({ visits: all }) => {
          const some = all.where(all.ward.ne('a'));
          return { some: some.days.histogram([0, 5, 9]), all: all.days.histogram([0, 5, 9]) };
        }).total(),
      ),
      1,
    ],
    [
      'rows of a union and some of these',
      both((c) => {
        const all = visits(c);
        const days = all.column('days');
        return { all: all.sum('price'), some: all.where(days.gt(9)).count(), same: days.mul(days.gt(9).toInt()).sum() };
      }),
      2,
    ],
    [
      'two in one number',
      both(({ each }) => {
        const counts = each('holder', ({ visits: all }) => ({
          n: all.count(),
          b: all.where(all.ward.eq('b')).count(),
        }));
        const { n, b } = counts.total();
        return { others: n.sub(b) };
      }),
      1,
    ],
  ];
  for (const [name, plan, rests] of plans) {
    expect([name, judge(plan)]).toEqual([name, { verdict: 'allow' }]);
    const guarded = nodesOf(plan, 'suppress/1').filter((index) => restsOf(plan, index).length > 0);
    expect([name, guarded.length]).toEqual([name, rests]);
    for (const suppress of guarded) {
      for (const change of ['without it', 'below the minimum', 'of other counts'] as const) {
        const other = structuredClone(plan);
        const node = other.nodes[suppress] as PlanNode;
        const [rest = -1] = restsOf(plan, suppress);
        if (change === 'without it') node.args = node.args.filter((arg) => arg !== rest);
        if (change === 'below the minimum') (other.nodes[rest] as PlanNode).attrs.min = 19;
        if (change === 'of other counts') (other.nodes[rest] as PlanNode).args.reverse();
        expect([name, change, judge(other)]).toMatchObject([name, change, { code: 'POLICY_DIFFERENCE' }]);
      }
    }
  }
});

function restsOf(plan: Plan, suppress: number): number[] {
  const { args } = plan.nodes[suppress] as PlanNode;
  return args.slice(1).filter((arg) => ['rest/1', 'beside/1'].includes(plan.nodes[arg]?.op ?? ''));
}
