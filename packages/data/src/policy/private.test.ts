/** Reveals under noise: what the policy demands of the noise, and what the budget allows. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Hash, NodeId, Operation, Plan, PlanNode, TaskId, TaskSpec, ValueType } from '@2pm/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Budget } from '../budget.ts';
import { parseContract } from '../contract/contract.ts';
import { Lineage } from '../lineage.ts';
import { judgeTask } from './judge.ts';
import { sensitivity } from './sensitivity.ts';

const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;

const contract = (reveals: string, privacy: string) =>
  parseContract(`apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:visits
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: /x.csv, format: csv }]
schema:
  - name: visits
    properties:
      - { name: cost, logicalType: integer }
      - { name: mail, logicalType: string }
customProperties:
  - property: twopm.policy
    value:
      permit:
        - { parties: any, operations: [aggregate, match, per-holder], reveals: ${reveals}, columns: any, thresholds: { minParties: 1, minGroupSize: 20 }${privacy.includes('approval') ? '' : ', approval: auto'}${privacy} }
      defaults: deny
`);
const PRIVACY = ', privacy: { epsilonPerTask: 1, epsilonTotal: 2.5 }';

const B = { fractionBits: 0, lo: '0', hi: '1' };
/** Types that lie about their bounds: nothing may be read from them. */
class Tracer {
  readonly nodes: PlanNode[] = [];
  add(op: Operation, args: number[], type: ValueType, attrs: PlanNode['attrs'] = {}): number {
    return this.nodes.push({ op, args, attrs, type, line: this.nodes.length + 1 }) - 1;
  }
  table = (role = 'clinic') => this.add('input/1', [], { kind: 'table', role, table: 'visits' }, { table: 'visits' });
  column = (of: number, op: Operation = 'column/1', args = [of]) =>
    this.add(
      op,
      args,
      { kind: 'column', role: 'clinic', of, dtype: 'int', nullable: false, ...B },
      op === 'column/1' ? { name: 'cost' } : {},
    );
  local = (op: Operation, args: number[], length = 1, role = 'clinic') =>
    this.add(op, args, { kind: 'local', role, length, ...B }, op === 'histogram/1' ? { edges: ['0', '1', '2'] } : {});
  shared = (op: Operation, args: number[], length = 1, attrs: PlanNode['attrs'] = {}) =>
    this.add(op, args, { kind: 'shared', length, dtype: 'int', ...B }, attrs);
  constant = (value: string) => this.add('constant/1', [], { kind: 'constant', fractionBits: 0, value });
  count = (role = 'clinic') => this.shared('total/1', [this.local('count/1', [this.table(role)], 1, role)]);
  sum = () => this.shared('total/1', [this.local('sum/1', [this.column(this.table())])]);
  joined(key = 'mail', roles = ['clinic', 'shop']) {
    const sides = roles.map((role) =>
      this.add(
        'keyed/1',
        [this.table(role)],
        { kind: 'keyed', role, table: 'visits', key, length: 50 },
        { key, columns: ['cost'], capacity: 50, duplicates: 'drop' },
      ),
    );
    return this.add('join/1', sides, { kind: 'joined', roles, length: 50 });
  }
  brought = (joined: number, role = 'shop') => this.shared('joined-column/1', [joined], 50, { role, name: 'cost' });
  noise = (x: number, sensitivity: string, epsilonMicros = 500_000, length = 1) =>
    this.shared('noise/1', [x], length, { epsilonMicros, sensitivity });
  reveal = (x: number, name = 'answer') =>
    this.add('reveal/1', [x], { kind: 'opened', length: 1, to: 'analyst', ...B }, { name, to: 'analyst' });
  plan(): Plan {
    const field = { column: 'mail', rule: 'email/v1' as const };
    const tables = ['visits'];
    return {
      ...{ v: 1, language: '2pm/1', name: 'visits', recipients: ['analyst'], result: 0, nodes: this.nodes },
      tables: {
        visits: {
          maxRows: 100,
          columns: { cost: { type: 'int', min: '-20', max: '100', nullable: false } },
          keys: { mail: [[field]], either: [[field], [field]] },
        },
      },
      roles: { clinic: { min: 1, max: 3, tables }, shop: { min: 1, max: 1, tables }, lab: { min: 1, max: 1, tables } },
    };
  }
}

function judge(
  build: (t: Tracer) => void,
  { reveals = '[private]', privacy = PRIVACY, spent = 0, mine = ['clinic'] } = {},
) {
  const t = new Tracer();
  build(t);
  const decision = decide(t, { reveals, privacy, spent, mine });
  return decision.verdict === 'refuse' ? decision.code : decision.verdict;
}

function decide(t: Tracer, { reveals = '', privacy = '', spent = 0, mine = ['clinic'] }) {
  const seats = [id(1), id(2), id(3)];
  const roles = Object.fromEntries(
    ['clinic', 'shop', 'lab'].map((role, i) => [role, [id(mine.includes(role) ? 1 : i + 4)]]),
  );
  const spec = {
    ...{ coordinator: id(9), roles, seats, protocol: 'rep3-semi-honest/1', security: 'semi-honest' },
    ...{ recipients: { analyst: { id: id(8), hpke: '0x00' } }, purpose: 'statistics' },
  } as unknown as TaskSpec;
  return judgeTask({
    ...{ plan: t.plan(), spec, self: id(1), nowMs: Date.UTC(2026, 10, 21), tasksToday: () => 0 },
    contractOf: () => contract(reveals, privacy),
    epsilonSpent: (of) => (of === 'urn:2pm:visits' ? spent : 0),
  });
}

const needed = (build: (t: Tracer) => number, roles = ['clinic']) => {
  const t = new Tracer();
  const value = build(t);
  return sensitivity(new Lineage(t.plan()), value, roles, 'visits');
};

describe('the sensitivity that the policy derives', () => {
  it.each<[name: string, value: (t: Tracer) => number, expected: bigint | undefined]>([
    ['a count', (t) => t.count(), 1n],
    ['a count of others', (t) => t.count('shop'), 0n],
    ['a histogram', (t) => t.shared('total/1', [t.local('histogram/1', [t.column(t.table())], 2)], 2), 1n],
    ['a sum', (t) => t.sum(), 100n],
    [
      'a sum of squares',
      (t) => {
        const table = t.table();
        const cost = t.column(table);
        return t.shared('total/1', [t.local('sum/1', [t.column(table, 'mul/1', [cost, cost])])]);
      },
      10_000n,
    ],
    ['a difference', (t) => t.shared('sub/1', [t.sum(), t.count()]), 101n],
    ['a multiple', (t) => t.shared('mul/1', [t.sum(), t.constant('-3')]), 300n],
    ['one element over and over', (t) => t.shared('repeat/1', [t.sum()], 4, { length: 4 }), 400n],
    ['a product', (t) => t.shared('mul/1', [t.sum(), t.sum()]), undefined],
    ['a comparison', (t) => t.shared('lt/1', [t.sum(), t.constant('3')]), undefined],
    ['single rows', (t) => t.shared('stack/1', [t.local('rows/1', [t.table()], 2)], 2), undefined],
    ['a number of matches', (t) => t.shared('sum/1', [t.shared('matched/1', [t.joined()], 50)]), 1n],
    ['a sum over matches', (t) => t.shared('sum/1', [t.brought(t.joined())]), 120n],
    ['a sum over matches of others', (t) => t.shared('sum/1', [t.brought(t.joined('mail', ['shop', 'lab']))]), 0n],
    ['single matches', (t) => t.brought(t.joined()), undefined],
    ['some of the slots', (t) => t.shared('sum/1', [t.shared('slice/1', [t.brought(t.joined())], 3)]), undefined],
    ['matches in several passes', (t) => t.shared('sum/1', [t.brought(t.joined('either'))]), undefined],
    [
      'matches by what is no column of them',
      (t) => {
        const joined = t.joined();
        const bit = t.shared('lt/1', [t.brought(joined), t.sum()], 50);
        const kept = t.add('keep/1', [joined, bit], { kind: 'joined', roles: ['clinic', 'shop'], length: 50 });
        return t.shared('sum/1', [t.brought(kept)]);
      },
      undefined,
    ],
  ])('of %s', (_, value, expected) => {
    expect(needed(value)).toBe(expected);
  });

  it('counts a row for each role and side in which this node brings the table', () => {
    const both = (t: Tracer) => t.shared('add/1', [t.count(), t.count('shop')]);
    expect(needed(both)).toBe(1n);
    expect(needed(both, ['clinic', 'shop'])).toBe(2n);
    expect(needed((t) => t.shared('sum/1', [t.brought(t.joined())]), ['clinic', 'shop'])).toBe(240n);
  });
});

describe('a policy with a privacy budget', () => {
  it('allows what hides one row, by the plan and not by its claims', () => {
    expect(judge((t) => t.reveal(t.noise(t.count(), '1')))).toBe('allow');
    expect(judge((t) => t.reveal(t.noise(t.sum(), '100')))).toBe('allow');
    expect(judge((t) => t.reveal(t.noise(t.sum(), '99')))).toBe('POLICY_PRIVACY');
    expect(judge((t) => t.reveal(t.noise(t.shared('mul/1', [t.sum(), t.sum()]), '1000')))).toBe('POLICY_PRIVACY');
    expect(judge((t) => t.reveal(t.noise(t.count(), '1', 500_000, 70_000)))).toBe('POLICY_PRIVACY');
  });

  it('allows no noise that something else is computed from', () => {
    const undone = (t: Tracer) => {
      const [x, noisy] = [t.count('shop'), t.noise(t.count(), '1')];
      t.reveal(noisy);
      t.reveal(t.shared('add/1', [noisy, x]), 'other');
    };
    expect(judge(undone, { reveals: '[private, aggregate]' })).toBe('POLICY_PRIVACY');
  });

  it('permits private reveals alone, and only where it says so', () => {
    const exact = (t: Tracer) => t.reveal(t.shared('suppress/1', [t.count(), 2], 1, { min: 20 }));
    expect(judge(exact)).toBe('POLICY_REVEAL');
    const noisy = (t: Tracer) => t.reveal(t.noise(t.count(), '1'));
    expect(judge(noisy, { reveals: '[aggregate]' })).toBe('POLICY_REVEAL');
    expect(judge(noisy, { privacy: '' })).toBe('POLICY_REVEAL');
  });

  it('adds up what a task takes, once for each noise that touches the table', () => {
    const reveals = (...values: ((t: Tracer) => number)[]) =>
      judge((t) => {
        for (const [i, value] of values.entries()) t.reveal(value(t), `r${i}`);
      });
    const count = (t: Tracer) => t.noise(t.count(), '1', 600_000);
    const sum = (t: Tracer) => t.noise(t.sum(), '100', 400_000);
    const others = (t: Tracer) => t.noise(t.count('shop'), '1', 9_000_000);
    expect(reveals(count, sum, others)).toBe('allow');
    expect(reveals(count, count)).toBe('POLICY_EPSILON');
    const twice = (t: Tracer) => {
      const noise = count(t);
      t.reveal(noise, 'one');
      t.reveal(noise, 'other');
    };
    expect(judge(twice)).toBe('allow');
  });

  it('tells a person what would be left', () => {
    const t = new Tracer();
    t.reveal(t.noise(t.count(), '1'));
    const decision = decide(t, { reveals: '[private]', privacy: `${PRIVACY}, approval: manual`, spent: 300_000 });
    expect(decision).toMatchObject({ verdict: 'ask', question: expect.stringContaining('under noise, ε = 0.5') });
    expect(decision).toMatchObject({ question: expect.stringContaining('Takes ε = 0.5 of the 2.2 that the') });
  });

  it('refuses what is more than is left', () => {
    const half = (t: Tracer) => t.reveal(t.noise(t.count(), '1'));
    expect(judge(half, { spent: 2_000_000 })).toBe('allow');
    expect(judge(half, { spent: 2_000_001 })).toBe('POLICY_BUDGET');
    expect(judge(half, { spent: 9_000_000 })).toBe('POLICY_BUDGET');
  });
});

describe('a budget', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), '2pm-budget-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const task = (n: number) => `0x${String(n).padStart(64, '0')}` as TaskId;
  const request = (n: number) => task(n) as unknown as Hash;
  const open = async () => {
    const budget = new Budget(dir);
    await budget.load();
    return budget;
  };

  it('adds up by dataset, charges a task once, and remembers', async () => {
    const budget = await open();
    const charge = { taskId: task(1), request: request(1), epsilonMicros: { a: 500_000, b: 1 } };
    await budget.charge(charge);
    await budget.charge(charge);
    await budget.charge({ taskId: task(2), request: request(2), epsilonMicros: { a: 250_000 } });
    await budget.charge({ taskId: task(3), request: request(3), epsilonMicros: {} });
    for (const each of [budget, await open()]) {
      expect([each.spent('a'), each.spent('b'), each.spent('c')]).toEqual([750_000, 1, 0]);
      expect(each.spent('a', task(1))).toBe(250_000);
    }
    expect(await readdir(join(dir, 'budget'))).toHaveLength(2);
    const other = (await open()).charge({ ...charge, request: request(9) });
    await expect(other).rejects.toMatchObject({ code: 'DATA_OTHER_TASK' });
  });
});
