/** What a policy says of rows that are matched with those of others. */
import type { NodeId, Operation, Plan, PlanNode, TaskSpec, ValueType } from '@2pm/core';
import { describe, expect, it } from 'vitest';
import { parseContract } from '../contract/contract.ts';
import { judgeTask } from './judge.ts';

const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;
const [BANK, SHOP, HELPER, ANALYST, COORDINATOR] = [id(1), id(2), id(3), id(8), id(9)];

const contract = (reveals: string, limits = '{}', approval = 'auto') =>
  parseContract(`apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:accounts
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: /x.csv, format: csv }]
schema:
  - name: accounts
    properties:
      - { name: email, logicalType: string }
      - { name: balance, logicalType: integer }
customProperties:
  - property: twopm.policy
    value:
      permit:
        - parties: any
          operations: [aggregate, keyed/1, join/1, keep/1, matched/1, joined-column/1, intersect/1]
          reveals: ${reveals}
          columns: any
          limits: ${limits}
          thresholds: { minParties: 1, minGroupSize: 20 }
          approval: ${approval}
      prohibit: []
      defaults: deny
`);

const B = { fractionBits: 0, lo: '0', hi: '1000' };
const SLOTS = 50;

/** A bank's accounts and a shop's orders, joined: node 4. */
class Matches {
  readonly nodes: PlanNode[] = [];
  readonly join: number;
  readonly sides: readonly number[];

  constructor(shopCapacity = SLOTS, matching?: 'circuit') {
    this.sides = (['bank', 'shop'] as const).map((role) => {
      const table = role === 'bank' ? 'accounts' : 'orders';
      const input = this.add('input/1', [], { kind: 'table', role, table }, { table });
      const length = role === 'bank' ? SLOTS : shopCapacity;
      const columns = role === 'bank' ? ['balance'] : [];
      const attrs = { key: 'person', columns, capacity: length, duplicates: 'error' } as const;
      return this.add('keyed/1', [input], { kind: 'keyed', role, table, key: 'person', length }, attrs);
    });
    const attrs = matching === undefined ? {} : { matching };
    this.join = this.add('join/1', [...this.sides], { kind: 'joined', roles: ['bank', 'shop'], length: SLOTS }, attrs);
  }

  add(op: Operation, args: number[], type: ValueType, attrs: PlanNode['attrs'] = {}): number {
    return this.nodes.push({ op, args, attrs, type, line: this.nodes.length + 1 }) - 1;
  }
  shared(op: Operation, args: number[], length = 1, attrs: PlanNode['attrs'] = {}): number {
    return this.add(op, args, { kind: 'shared', length, dtype: 'int', ...B }, attrs);
  }
  bits(op: Operation, args: number[], length = SLOTS): number {
    return this.add(op, args, { kind: 'shared', length, dtype: 'bool', ...B });
  }
  balance = (of = this.join) => this.shared('joined-column/1', [of], SLOTS, { role: 'bank', name: 'balance' });
  count = (of = this.join) => this.shared('sum/1', [this.bits('matched/1', [of])]);
  rich(of = this.join, limit = this.constant()): number {
    const bit = this.bits('gt/1', [this.balance(of), limit]);
    return this.add('keep/1', [of, bit], { kind: 'joined', roles: ['bank', 'shop'], length: SLOTS });
  }
  constant = () => this.add('constant/1', [], { kind: 'constant', fractionBits: 0, value: '5' });
  reveal(x: number, supports: number[], min = 20): void {
    const value = supports.length === 0 ? x : this.shared('suppress/1', [x, ...supports], this.length(x), { min });
    const type = { kind: 'opened', length: this.length(x), to: 'analyst', ...B } as const;
    this.add('reveal/1', [value], type, { name: `answer${this.nodes.length}`, to: 'analyst' });
  }
  length(node: number): number {
    const type = this.nodes[node]?.type;
    return type !== undefined && 'length' in type ? type.length : 1;
  }
  intersect(to: string, deliver?: true): void {
    const attrs = { name: 'both', to, ...(deliver === undefined ? {} : { deliver }) };
    this.add('intersect/1', [...this.sides], { kind: 'held', role: to }, attrs);
  }

  judge(
    options: { reveals?: string; limits?: string; approval?: string; spec?: Partial<TaskSpec>; self?: NodeId } = {},
  ) {
    const key = [[{ column: 'email', rule: 'email/v1' as const }]];
    const balance = { type: 'int' as const, min: '0', max: '1000', nullable: false };
    const plan: Plan = {
      v: 1,
      language: '2pm/1',
      name: 'matches',
      tables: {
        accounts: { maxRows: 100, columns: { balance }, keys: { person: key } },
        orders: { maxRows: 100, columns: {}, keys: { person: key } },
      },
      roles: { bank: { min: 1, max: 1, tables: ['accounts'] }, shop: { min: 1, max: 1, tables: ['orders'] } },
      recipients: ['analyst'],
      nodes: this.nodes,
      result: {},
    };
    const spec = {
      coordinator: COORDINATOR,
      roles: { bank: [BANK], shop: [SHOP] },
      seats: [BANK, SHOP, HELPER],
      protocol: 'rep3-semi-honest/1',
      security: 'semi-honest',
      recipients: { analyst: { id: ANALYST, hpke: '0x00' } },
      purpose: 'overlap',
      ...options.spec,
    } as TaskSpec;
    return judgeTask({
      ...{ plan, spec, self: options.self ?? BANK, nowMs: Date.UTC(2026, 10, 22) },
      ...{ tasksToday: () => 0, epsilonSpent: () => 0 },
      contractOf: (table) =>
        table === 'accounts' ? contract(options.reveals ?? '[aggregate]', options.limits, options.approval) : undefined,
    });
  }
}

describe('what is computed from a join', () => {
  it('is allowed where it is summed and withheld below the number of its own matches', () => {
    const m = new Matches();
    m.reveal(m.count(), [m.count()]);
    m.reveal(m.shared('sum/1', [m.balance()]), [m.count()]);
    const rich = m.rich();
    const rest = (part: number, whole = m.join, min = 20) =>
      m.shared('rest/1', [m.count(whole), m.count(part)], 1, { min });
    m.reveal(m.shared('sum/1', [m.balance(rich)]), [m.count(rich), rest(rich)]);
    const bit = m.bits('gt/1', [m.balance(), m.constant()]);
    m.reveal(m.shared('sum/1', [m.shared('as-int/1', [bit], SLOTS)]), [m.count(), m.count(rich), rest(rich)]);
    const twice = m.rich(rich);
    const product = () => m.shared('sum/1', [m.shared('mul/1', [m.balance(twice), m.balance(rich)], SLOTS)]);
    m.reveal(product(), [m.count(twice), rest(twice), rest(twice, rich)]);
    expect(m.judge()).toEqual({ verdict: 'allow' });
    m.reveal(product(), [m.count(twice), rest(twice), rest(twice, rich, 19)]);
    expect(m.judge()).toMatchObject({ verdict: 'refuse', code: 'POLICY_DIFFERENCE' });
  });

  it.each<[string, (m: Matches) => void, string]>([
    ['nothing withheld', (m) => m.reveal(m.count(), []), 'POLICY_GROUP_SIZE'],
    ['too small a minimum', (m) => m.reveal(m.count(), [m.count()], 19), 'POLICY_GROUP_SIZE'],
    ['a slot by itself', (m) => m.reveal(m.balance(), [m.count()]), 'POLICY_REVEAL'],
    ['the bits of the matches', (m) => m.reveal(m.bits('matched/1', [m.join]), [m.count()]), 'POLICY_REVEAL'],
    [
      'the number of more matches than are summed',
      (m) => m.reveal(m.shared('sum/1', [m.balance(m.rich())]), [m.count()]),
      'POLICY_GROUP_SIZE',
    ],
    [
      'a sum over matches chosen otherwise beside a protected one',
      (m) => {
        const rich = m.rich();
        const both = m.shared('add/1', [m.shared('sum/1', [m.balance(rich)]), m.shared('sum/1', [m.balance()])]);
        m.reveal(both, [m.count()]);
      },
      'POLICY_GROUP_SIZE',
    ],
    [
      'truth values that choose a few of the matches',
      (m) => m.reveal(m.shared('sum/1', [m.bits('gt/1', [m.balance(), m.constant()])]), [m.count()]),
      'POLICY_GROUP_SIZE',
    ],
    [
      'the number of other matches than truth values choose',
      (m) => {
        const chosen = m.shared('as-int/1', [m.bits('lt/1', [m.balance(), m.constant()])], SLOTS);
        const sum = m.shared('sum/1', [m.shared('mul/1', [chosen, m.balance()], SLOTS)]);
        m.reveal(sum, [m.count(), m.count(m.rich())]);
      },
      'POLICY_GROUP_SIZE',
    ],
    [
      'the number of each of two choices, where both choose together',
      (m) => {
        const [rich, poor] = [m.bits('gt/1', [m.balance(), m.constant()]), m.bits('ne/1', [m.balance(), m.constant()])];
        const keep = (bit: number) =>
          m.add('keep/1', [m.join, bit], { kind: 'joined', roles: ['bank', 'shop'], length: SLOTS });
        const bits = [rich, poor].map((bit) => m.shared('as-int/1', [bit], SLOTS));
        const sum = m.shared('sum/1', [m.shared('mul/1', bits, SLOTS)]);
        m.reveal(sum, [m.count(), m.count(keep(rich)), m.count(keep(poor))]);
      },
      'POLICY_GROUP_SIZE',
    ],
    [
      'a sum over a part of the slots',
      (m) => m.reveal(m.shared('sum/1', [m.shared('add/1', [m.balance(), m.balance()], 1)]), [m.count()]),
      'POLICY_GROUP_SIZE',
    ],
    [
      'matches chosen by a secret that rests on few rows',
      (m) => {
        const local = m.add('count/1', [0], { kind: 'local', role: 'bank', length: 1, ...B });
        const chosen = m.rich(m.join, m.shared('total/1', [local]));
        m.reveal(m.count(chosen), [m.count(chosen)]);
      },
      'POLICY_SUPPORT',
    ],
    [
      'something that is no count as support',
      (m) => m.reveal(m.count(), [m.count(), m.shared('sum/1', [m.balance()])]),
      'POLICY_SUPPORT',
    ],
  ])('is refused with %s', (_, build, code) => {
    const m = new Matches();
    build(m);
    expect(m.judge()).toMatchObject({ verdict: 'refuse', code });
  });

  it('is allowed slot by slot where single rows may be revealed', () => {
    const m = new Matches();
    m.reveal(m.balance(), []);
    expect(m.judge({ reveals: '[aggregate, rows]' })).toEqual({ verdict: 'allow' });
  });

  it('needs none where the rows are matched in a circuit; but then places of slots tell holders whose they are', () => {
    const m = new Matches(SLOTS, 'circuit');
    m.reveal(m.count(), [m.count()]);
    expect(m.judge({ spec: { seats: [BANK, SHOP] } })).toEqual({ verdict: 'allow' });
    const asked = m.judge({ approval: 'manual' });
    expect(asked).toMatchObject({
      verdict: 'ask',
      question: expect.stringContaining('nobody learns which match, or how many: up to 50 rows of bank'),
    });
    const slots = new Matches(SLOTS, 'circuit');
    slots.reveal(slots.balance(), []);
    expect(slots.judge({ reveals: '[aggregate, rows]' })).toMatchObject({ code: 'POLICY_REVEAL' });
    expect(slots.judge({ reveals: '[aggregate, rows, intersection]' })).toEqual({ verdict: 'allow' });
  });

  it('is refused where the others may bring more keys than the policy permits', () => {
    const m = new Matches(1_000);
    m.reveal(m.count(), [m.count()]);
    expect(m.judge({ limits: '{ maxKeys: 999 }' })).toMatchObject({ verdict: 'refuse', code: 'POLICY_MAX_KEYS' });
    expect(m.judge({ limits: '{ maxKeys: 1000 }' })).toEqual({ verdict: 'allow' });
  });
});

describe('an intersection', () => {
  it('may be learnt by the holder itself, and by another only where the policy says so', () => {
    for (const [to, reveals, verdict] of [
      ['bank', '[aggregate]', 'allow'],
      ['shop', '[aggregate]', 'refuse'],
      ['shop', '[aggregate, intersection]', 'allow'],
    ] as const) {
      const m = new Matches();
      m.intersect(to);
      expect([to, m.judge({ reveals }).verdict]).toEqual([to, verdict]);
    }
  });

  it('of rows in some of the sets is treated like one of all', () => {
    const judged = (reveals: string) => {
      const m = new Matches();
      m.add('intersect/1', [...m.sides], { kind: 'held', role: 'shop' }, { name: 'some', to: 'shop', atLeast: 2 });
      return m.judge({ reveals });
    };
    expect(judged('[aggregate]')).toMatchObject({ code: 'POLICY_REVEAL' });
    expect(judged('[aggregate, intersection]')).toEqual({ verdict: 'allow' });
  });

  it('gives columns of its rows away only where the policy permits rows as well', () => {
    for (const [to, reveals, code] of [
      ['bank', '[aggregate]', undefined],
      ['shop', '[aggregate, intersection]', 'POLICY_REVEAL'],
      ['shop', '[aggregate, rows]', 'POLICY_REVEAL'],
      ['shop', '[intersection, rows]', undefined],
    ] as const) {
      const m = new Matches();
      m.intersect(to, true);
      const decision = m.judge({ reveals });
      expect([to, reveals, decision.verdict === 'refuse' ? decision.code : undefined]).toEqual([to, reveals, code]);
    }
    const m = new Matches();
    m.intersect('shop', true);
    expect(m.judge({ reveals: '[intersection]' })).toMatchObject({
      reasons: [{ message: expect.stringContaining('gives shop balance of single rows of "accounts"') }],
    });
  });
});
