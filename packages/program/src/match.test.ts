/** Programs that match rows by keys. */
import { cuckooBins, type Plan, type PlanNode } from '@2pm/core';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { checkPlan } from './check/check-plan.ts';
import { describePlan } from './describe.ts';
import { bool, category, defineTask, int, key, passes, type SharedVector, table } from './language/index.ts';
import type { ProgramError } from './language/program-error.ts';
import { type Context, trace } from './language/task.ts';
import { traceInSandbox } from './sandbox/trace-in-sandbox.ts';

const accounts = table(
  { balance: int({ min: 10, max: 1_000 }), segment: category(['basic', 'gold']), active: bool({ nullable: true }) },
  {
    maxRows: 1_000,
    keys: {
      email: key.email('email'),
      person: passes([key.name('name'), key.date('born')], key.phone('phone', { callingCode: '49' })),
    },
  },
);
const orders = table(
  { spend: int({ min: 0, max: 100 }) },
  { maxRows: 500, keys: { email: key.email('mail'), digits: key.digits('customer') } },
);
const tables = { accounts, orders, plain: table({ x: int({ min: 0, max: 1 }) }, { maxRows: 5 }) };
const roles = {
  bank: { min: 1, max: 1, tables: ['accounts'] },
  shop: { min: 1, max: 1, tables: ['orders'] },
  other: { min: 1, max: 1, tables: ['orders'] },
  many: { min: 2, max: 3, tables: ['orders', 'plain'] },
} as const;
type C = Context<typeof tables, typeof roles>;

function program(run: (context: C) => ReturnType<Parameters<typeof defineTask>[0]['run']>): Plan {
  const plan = trace(defineTask({ name: 'match', tables, roles, run }));
  checkPlan(plan);
  return plan;
}

const bank = ({ each }: C) =>
  each('bank', ({ accounts }) => accounts.by('email', { columns: ['balance', 'segment', 'active'] }));
const shop = ({ each }: C) => each('shop', ({ orders }) => orders.by('email', { columns: ['spend'], capacity: 200 }));
const typeOf = (plan: Plan, op: PlanNode['op']) => plan.nodes.find((node) => node.op === op)?.type;

describe('a join', () => {
  it('has as many slots as the least of its capacities, and shared columns of them', () => {
    const plan = program((c) => {
      const joined = c.join(bank(c), shop(c));
      expect(joined.length).toBe(200);
      const balance = joined.column('bank', 'balance');
      expectTypeOf(balance).toEqualTypeOf<SharedVector<'int'>>();
      expectTypeOf(joined.column('bank', 'active')).toEqualTypeOf<SharedVector<'bool'>>();
      return c.reveal({ sum: balance.sum(), n: joined.count() }, { to: 'analyst', minGroupSize: 5 });
    });
    expect(typeOf(plan, 'join/1')).toEqual({ kind: 'joined', roles: ['bank', 'shop'], length: 200 });
    // Where there is no match the column is 0, below its declared least value.
    expect(typeOf(plan, 'joined-column/1')).toMatchObject({ lo: '0', hi: '1000', length: 200 });
    expect(plan.tables['accounts']?.keys?.['person']).toEqual([
      [
        { column: 'name', rule: 'name/v1' },
        { column: 'born', rule: 'date/v1' },
      ],
      [{ column: 'phone', rule: 'e164/v1', callingCode: '49' }],
    ]);
  });

  it('is protected by the number of exactly its matches', () => {
    const plan = program((c) => {
      const gold = c.join(bank(c), shop(c)).whereIs('bank', 'segment', 'gold');
      return c.reveal(gold.column('shop', 'spend').sum(), { to: 'analyst', minGroupSize: 5 });
    });
    const kept = plan.nodes.findIndex(({ op }) => op === 'keep/1');
    const suppress = plan.nodes.find(({ op }) => op === 'suppress/1');
    const support = plan.nodes[suppress?.args[1] ?? -1];
    expect([suppress?.args.length, support?.op]).toEqual([2, 'sum/1']);
    expect(plan.nodes[support?.args[0] ?? -1]).toMatchObject({ op: 'matched/1', args: [kept] });
  });

  it('is protected by the number of exactly those matches that truth values choose', () => {
    const supports = (value: (c: C, joined: ReturnType<typeof both>) => SharedVector<'int'>) => {
      const { nodes } = program((c) => c.reveal(value(c, both(c)), { to: 'analyst', minGroupSize: 5 }));
      const suppress = nodes.find(({ op }) => op === 'suppress/1');
      // Of each support: the conditions by which its matches were kept.
      return (suppress?.args.slice(1) ?? []).map((support) => {
        const kept: string[] = [];
        const matched = nodes[nodes[support]?.args[0] ?? -1];
        for (let node = nodes[matched?.args[0] ?? -1]; node?.op === 'keep/1'; node = nodes[node.args[0] ?? -1]) {
          kept.unshift(nodes[node.args[1] ?? -1]?.op ?? '');
        }
        return kept;
      });
    };
    const both = (c: C) => c.join(bank(c), shop(c));
    expect(supports((_, j) => j.column('bank', 'balance').sum())).toEqual([[]]);
    expect(supports((_, j) => j.column('bank', 'balance').gt(900).sum())).toEqual([[], ['gt/1']]);
    expect(supports((_, j) => j.column('bank', 'active').toInt().mul(j.column('shop', 'spend')).sum())).toEqual([
      [],
      ['joined-column/1'],
    ]);
    const few = supports((_, j) => {
      const [balance, spend] = [j.column('bank', 'balance'), j.column('shop', 'spend')];
      return balance.gt(900).select(spend, spend.mul(0)).mul(spend.lt(3).toInt()).sum();
    });
    expect(few.at(-1)).toEqual(['gt/1', 'lt/1']);
    const twice = supports((_, j) => {
      const rich = j.where(j.column('bank', 'balance').gt(900));
      return rich.column('shop', 'spend').mul(j.column('bank', 'active').toInt()).sum();
    });
    expect(twice.at(-1)).toEqual(expect.arrayContaining(['gt/1', 'joined-column/1']));
  });

  it('says in plain words what is matched, and that nobody learns whom', () => {
    const [, join, reveal] = describePlan(
      program((c) => c.reveal(c.join(bank(c), shop(c)).count(), { to: 'analyst', minGroupSize: 5, name: 'n' })),
    );
    expect(join).toContain("bank's accounts by email and shop's orders by email are matched");
    expect(join).toContain('accounts.email (as email/v1)');
    expect(join).toContain('Nobody learns who matched');
    expect(reveal).toContain('learns "n"');
    expect(reveal).toContain("the number of matches of bank's accounts by email with shop's orders by email");
  });
});

describe('an intersection', () => {
  it('needs no reveal, and is an exit of its own for each holder that learns it', () => {
    const plan = program((c) => c.psi(bank(c), shop(c), { to: ['bank', 'shop'], name: 'common' }));
    const exits = plan.nodes.filter(({ op }) => op === 'intersect/1');
    expect(exits.map(({ attrs, type }) => [attrs, type])).toEqual([
      [
        { name: 'common_bank', to: 'bank' },
        { kind: 'held', role: 'bank' },
      ],
      [
        { name: 'common_shop', to: 'shop' },
        { kind: 'held', role: 'shop' },
      ],
    ]);
    expect([plan.recipients, plan.result]).toEqual([['analyst'], {}]);
    expect(describePlan(plan)[1]).toContain(
      "bank learns which of bank's accounts by email are also among shop's orders by email",
    );
  });

  it('delivers the columns of the other side where the program says so, and tells it in plain words', () => {
    const plan = program((c) => c.psi(bank(c), shop(c), { to: ['bank', 'shop'], deliver: true }));
    const exits = plan.nodes.filter(({ op }) => op === 'intersect/1');
    expect(exits.map(({ attrs }) => [attrs.to, attrs.deliver])).toEqual([
      ['bank', true],
      ['shop', true],
    ]);
    const [, toBank, toShop] = describePlan(plan);
    expect(toBank).toContain("and for these rows shop's spend, and keeps them as");
    expect(toShop).toContain("and for these rows bank's balance, segment, active, and keeps them as");
    const plain = program((c) => c.psi(bank(c), shop(c), { to: 'bank', deliver: false }));
    expect(plain.nodes.find(({ op }) => op === 'intersect/1')?.attrs).toEqual({ name: 'intersection', to: 'bank' });
    expect(describePlan(plain)[1]).not.toContain('for these rows');
  });

  it('is the same plan in the sandbox', async () => {
    const source = `
      import { defineTask, key, table } from '@2pm/program';
      const t = table({}, { maxRows: 9, keys: { id: key.sha256('id') } });
      export default defineTask({
        name: 'three', tables: { t },
        roles: { a: { min: 1, max: 1, tables: ['t'] }, b: { min: 1, max: 1, tables: ['t'] }, c: { min: 1, max: 1, tables: ['t'] } },
        run: ({ each, psi }) => psi(each('a', (x) => x.t.by('id')), each('b', (x) => x.t.by('id')), each('c', (x) => x.t.by('id')), { to: 'b' }),
      });`;
    const plan = await traceInSandbox(new TextEncoder().encode(source));
    checkPlan(plan);
    expect(typeOf(plan, 'intersect/1')).toEqual({ kind: 'held', role: 'b' });
  });
});

describe('a match in a circuit', () => {
  const others = (c: C) => c.each('other', (t) => t.orders.by('email'));
  const bare = (c: C) => c.each('shop', (t) => t.orders.by('email'));

  it('has a slot for each bin of the first side, and may take rows that another one takes', () => {
    const plan = program((c) => {
      const some = c.join(bank(c), bare(c), others(c), { matching: 'circuit', atLeast: 2 });
      const all = c.join(bank(c), bare(c), others(c), { matching: 'circuit', atLeast: 3 });
      expectTypeOf(some.column('bank', 'balance')).toEqualTypeOf<SharedVector<'int'>>();
      expect([some.length, all.length]).toEqual([1275, 1275]);
      const balance = c.join(bank(c), bare(c)).column('bank', 'balance').sum();
      return c.reveal({ some: some.count(), all: all.column('bank', 'balance').sum(), balance }, { to: 'analyst' });
    });
    const joins = plan.nodes.filter(({ op }) => op === 'join/1');
    expect(joins.map(({ attrs }) => attrs)).toEqual([{ matching: 'circuit', atLeast: 2 }, { matching: 'circuit' }, {}]);
    const told = describePlan(plan);
    expect(told[1]).toContain('that is in 2 of these sets or more. Nobody learns who matched, nor how many do.');
    expect(told[3]).toContain('learns how many do');
  });

  it('has as many slots as core says, whatever the capacity', () => {
    for (const capacity of [1, 511, 512, 513, 1_000, 65_536, 65_537, 1_000_003]) {
      const plan = program((c) => {
        const few = c.each('bank', (t) => t.accounts.by('email', { capacity }));
        return c.reveal(c.join(few, bare(c), { matching: 'circuit' }).count(), { to: 'analyst' });
      });
      expect(typeOf(plan, 'join/1')).toMatchObject({ length: cuckooBins(capacity) });
    }
  });

  it('tells a holder which of its rows are in some of the sets', () => {
    const plan = program((c) => c.psi(bank(c), bare(c), others(c), { to: ['bank', 'other'], atLeast: 2 }));
    const exits = plan.nodes.filter(({ op }) => op === 'intersect/1');
    expect(exits.map(({ attrs }) => [attrs.to, attrs.atLeast])).toEqual([
      ['bank', 2],
      ['other', 2],
    ]);
    expect(describePlan(plan)[1]).toContain('bank learns which of bank');
    expect(describePlan(plan)[1]).toContain('are in 2 or more of 3 sets');
    const all = program((c) => c.psi(bank(c), bare(c), others(c), { to: 'bank', atLeast: 3 }));
    expect(all.nodes.find(({ op }) => op === 'intersect/1')?.attrs).toEqual({ name: 'intersection', to: 'bank' });
  });
});

const persons = table({}, { maxRows: 5, keys: { p: passes(key.email('a'), key.email('b')) } });
const twoRoles = { a: { min: 1, max: 1, tables: ['persons'] }, b: { min: 1, max: 1, tables: ['persons'] } } as const;
type Persons = Context<{ persons: typeof persons }, typeof twoRoles>;

function ofTwoPasses(run: (context: Persons) => ReturnType<Parameters<typeof defineTask>[0]['run']>): Plan {
  return trace(defineTask({ name: 'x', tables: { persons }, roles: twoRoles, run }));
}
const leftOf = ({ each }: Persons) => each('a', (t) => t.persons.by('p'));
const rightOf = ({ each }: Persons) => each('b', (t) => t.persons.by('p'));

describe('what cannot be matched is refused at its line', () => {
  const cases: [code: string, why: string, run: (c: C) => unknown][] = [
    ['PROGRAM_NAME', 'a key that is not declared', ({ each }) => each('bank', (t) => t.accounts.by('mail' as 'email'))],
    ['PROGRAM_KEY', 'a role of several members', ({ each }) => each('many', (t) => t.orders.by('email'))],
    ['PROGRAM_KEY', 'one side', (c) => c.join(...([bank(c)] as unknown as [never, never]))],
    ['PROGRAM_KEY', 'a role twice', (c) => c.join(bank(c), bank(c))],
    [
      'PROGRAM_KEY',
      'keys of different rules',
      (c) =>
        c.join(
          bank(c),
          c.each('shop', (t) => t.orders.by('digits')),
        ),
    ],
    [
      'PROGRAM_KEY',
      'an intersection by several passes',
      () => ofTwoPasses((c) => c.psi(leftOf(c), rightOf(c), { to: 'a' })),
    ],
    [
      'PROGRAM_KEY',
      'a circuit by several passes',
      () => ofTwoPasses((c) => c.reveal(c.join(leftOf(c), rightOf(c), { matching: 'circuit' }).count(), { to: 'x' })),
    ],
    [
      'PROGRAM_KEY',
      'rows in two joins',
      (c) => {
        c.join(bank(c), shop(c));
        const other = c.each('other', (t) => t.orders.by('email'));
        c.join(bank(c), other);
      },
    ],
    ['PROGRAM_KEY', 'sets counted by tags', (c) => c.join(bank(c), shop(c), { atLeast: 2 })],
    ['PROGRAM_CONSTANT', 'more sets than there are', (c) => c.psi(bank(c), shop(c), { to: 'bank', atLeast: 3 })],
    [
      'PROGRAM_CONSTANT',
      'another way to match',
      (c) => c.join(bank(c), shop(c), { matching: 'tags' as unknown as 'circuit' }),
    ],
    [
      'PROGRAM_KEY',
      'columns of sets that a row may be absent from',
      (c) => {
        const other = c.each('other', (t) => t.orders.by('email'));
        c.join(bank(c), shop(c), other, { matching: 'circuit', atLeast: 2 });
      },
    ],
    [
      'PROGRAM_KEY',
      'columns delivered among three',
      (c) => {
        const other = c.each('other', (t) => t.orders.by('email', { columns: ['spend'] }));
        c.psi(bank(c), shop(c), other, { to: 'bank', deliver: true });
      },
    ],
    [
      'PROGRAM_KEY',
      'no column to deliver',
      (c) => {
        const other = c.each('other', (t) => t.orders.by('email'));
        c.psi(bank(c), other, { to: 'bank', deliver: true });
      },
    ],
    ['PROGRAM_ROLE', 'a receiver that brings nothing', (c) => c.psi(bank(c), shop(c), { to: 'other' as 'bank' })],
    [
      'PROGRAM_PLACEMENT',
      'rows without a key',
      (c) => c.join(bank(c), c.each('shop', (t) => t.orders.count()) as never),
    ],
    ['PROGRAM_NAME', 'a column that was not brought', (c) => c.join(bank(c), shop(c)).column('shop', 'x' as 'spend')],
    [
      'PROGRAM_TYPE',
      'an undeclared category',
      (c) => c.join(bank(c), shop(c)).whereIs('bank', 'segment', 'x' as 'gold'),
    ],
    [
      'PROGRAM_LENGTH',
      'a condition of other slots',
      (c) => {
        const few = c.each('bank', (t) => t.accounts.by('email', { capacity: 7 }));
        const other = c.each('other', (t) => t.orders.by('email'));
        return c.join(bank(c), shop(c)).where(c.join(few, other).matched);
      },
    ],
    ['PROGRAM_CONSTANT', 'no capacity', ({ each }) => each('bank', (t) => t.accounts.by('email', { capacity: 0 }))],
    [
      'PROGRAM_PLACEMENT',
      'keyed rows as if they were numbers',
      (c) => (bank(c) as unknown as { total(): unknown }).total(),
    ],
  ];
  it.each(cases)('%s: %s', (code, _, run) => {
    let refused: ProgramError | undefined;
    try {
      program((c) => {
        run(c);
      });
    } catch (error) {
      refused = error as ProgramError;
    }
    expect(refused?.code).toBe(code);
    expect(refused?.line).toBeGreaterThan(0);
  });
});

describe('a forged plan is refused by the checker', () => {
  const good = () => program((c) => c.reveal(c.join(bank(c), shop(c)).count(), { to: 'analyst', name: 'n' }));
  const forge = (op: PlanNode['op'], change: (node: PlanNode, plan: Plan) => void) => {
    const plan = structuredClone(good());
    change(plan.nodes.find((node) => node.op === op) as PlanNode, plan);
    return () => checkPlan(plan);
  };
  const forged = (run: (c: C) => void, change: (node: PlanNode) => void) => () => {
    const plan = structuredClone(program((c) => run(c)));
    change(plan.nodes.find(({ op }) => op === 'intersect/1') as PlanNode);
    checkPlan(plan);
  };
  it.each<[string, () => void]>([
    ['a capacity that is not its type’s', forge('keyed/1', (node) => Object.assign(node.attrs, { capacity: 7 }))],
    ['a key that the table lacks', forge('keyed/1', (node) => Object.assign(node.attrs, { key: 'nokey' }))],
    ['more slots than the least capacity', forge('join/1', (node) => Object.assign(node.type, { length: 900 }))],
    ['one side', forge('join/1', (node) => node.args.pop())],
    ['the same side twice', forge('join/1', (node) => node.args.splice(1, 1, node.args[0] as number))],
    [
      'keys of different rules',
      forge('join/1', (_, plan) => {
        plan.tables['orders'] = {
          maxRows: 500,
          columns: plan.tables['orders']?.columns ?? {},
          keys: { email: [[{ column: 'mail', rule: 'exact/v1' }]] },
        };
      }),
    ],
    ['a role of several members', forge('keyed/1', (_, plan) => Object.assign(plan.roles['bank'] ?? {}, { max: 2 }))],
    ['fewer slots than bins', forge('join/1', (node) => Object.assign(node.attrs, { matching: 'circuit' }))],
    ['sets counted by tags', forge('join/1', (node) => Object.assign(node.attrs, { atLeast: 2 }))],
    [
      'as many sets as there are',
      forged(
        (c) => c.psi(bank(c), shop(c), { to: 'bank' }),
        (node) => Object.assign(node.attrs, { atLeast: 2 }),
      ),
    ],
    ['columns delivered by a join', forge('join/1', (node) => Object.assign(node.attrs, { deliver: true }))],
    [
      'columns delivered among three',
      forged(
        (c) => {
          const other = c.each('other', (t) => t.orders.by('email'));
          c.psi(bank(c), shop(c), other, { to: 'bank' });
        },
        (node) => Object.assign(node.attrs, { deliver: true }),
      ),
    ],
    [
      'no column to deliver',
      forged(
        (c) => {
          const other = c.each('other', (t) => t.orders.by('email'));
          c.psi(bank(c), other, { to: 'bank' });
        },
        (node) => Object.assign(node.attrs, { deliver: true }),
      ),
    ],
  ])('%s', (_, check) => {
    expect(check).toThrow(expect.objectContaining({ code: 'PLAN_INVALID' }));
  });
});
