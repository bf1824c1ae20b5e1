import type { NodeId, Operation, Plan, PlanNode, TaskSpec, ValueType } from '@2pm/core';
import { describe, expect, it } from 'vitest';
import { parseContract } from '../contract/contract.ts';
import { judgeTask } from './judge.ts';

const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;
const [ME, OTHER, THIRD, ANALYST, COORDINATOR] = [id(1), id(2), id(3), id(8), id(9)];

const CONTRACT = (permit: string, prohibit = '[]') => `apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:flights
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: /x.csv, format: csv }]
schema:
  - name: flights
    properties:
      - { name: delay, logicalType: integer }
      - { name: maybe, logicalType: integer }
      - { name: origin, logicalType: string }
      - { name: passport, logicalType: string, classification: restricted }
customProperties:
  - property: twopm.policy
    value: { permit: ${permit}, prohibit: ${prohibit}, defaults: deny }
`;
const PERMIT = (extra = '') =>
  `{ parties: any, operations: [aggregate], reveals: [aggregate], columns: [delay, maybe, origin], thresholds: { minParties: 2, minGroupSize: 20 }, approval: auto${extra} }`;

const B = { fractionBits: 0, lo: '0', hi: '1000' };
class Tracer {
  readonly nodes: PlanNode[] = [];
  add(op: Operation, args: number[], type: ValueType, attrs: PlanNode['attrs'] = {}): number {
    return this.nodes.push({ op, args, attrs, type, line: this.nodes.length + 1 }) - 1;
  }
  table = () => this.add('input/1', [], { kind: 'table', role: 'airline', table: 'flights' }, { table: 'flights' });
  column(of: number, name: string): number {
    const dtype = name === 'origin' || name === 'passport' ? 'category' : 'int';
    return this.add(
      'column/1',
      [of],
      { kind: 'column', role: 'airline', of, dtype, nullable: name === 'maybe', ...B },
      { name },
    );
  }
  bit(op: Operation, args: number[], of: number): number {
    return this.add(op, args, { kind: 'column', role: 'airline', of, dtype: 'bool', nullable: false, ...B });
  }
  where(table: number, bit: number): number {
    return this.add('where/1', [table, bit], { kind: 'table', role: 'airline', table: 'flights' });
  }
  late(table: number): number {
    const zero = this.add('constant/1', [], { kind: 'constant', fractionBits: 0, value: '0' });
    return this.where(table, this.bit('gt/1', [this.column(table, 'delay'), zero], table));
  }
  local(op: Operation, args: number[], length = 1, attrs: PlanNode['attrs'] = {}): number {
    return this.add(op, args, { kind: 'local', role: 'airline', length, ...B }, attrs);
  }
  shared(op: Operation, args: number[], length = 1, attrs: PlanNode['attrs'] = {}): number {
    return this.add(op, args, { kind: 'shared', length, dtype: 'int', ...B }, attrs);
  }
  total = (local: number, length = 1) => this.shared('total/1', [local], length);
  suppress = (x: number, supports: number[], length = 1, min = 20) =>
    this.shared('suppress/1', [x, ...supports], length, { min });
  reveal(x: number, name = 'answer', length = 1): number {
    return this.add('reveal/1', [x], { kind: 'opened', length, to: 'analyst', ...B }, { name, to: 'analyst' });
  }
  plan(): Plan {
    const int = { type: 'int' as const, min: '0', max: '9' };
    const text = { type: 'category' as const, values: ['a', 'b', 'c'], nullable: false };
    return {
      v: 1,
      language: '2pm/1',
      name: 'delays',
      tables: {
        flights: {
          maxRows: 100,
          columns: {
            delay: { ...int, nullable: false },
            maybe: { ...int, nullable: true },
            origin: text,
            passport: text,
          },
        },
      },
      roles: { airline: { min: 2, max: 3, tables: ['flights'] } },
      recipients: ['analyst'],
      nodes: this.nodes,
      result: 0,
    };
  }
}

function judge(
  build: (t: Tracer) => void,
  options: {
    permit?: string;
    prohibit?: string;
    spec?: Partial<TaskSpec>;
    plan?: Partial<Plan>;
    tasksToday?: number;
    contract?: boolean;
  } = {},
) {
  const t = new Tracer();
  build(t);
  const spec = {
    coordinator: COORDINATOR,
    roles: { airline: [ME, OTHER] },
    seats: [ME, OTHER, THIRD],
    protocol: 'rep3-semi-honest/1',
    security: 'semi-honest',
    recipients: { analyst: { id: ANALYST, hpke: '0x00' } },
    purpose: 'delay statistics',
    ...options.spec,
  } as TaskSpec;
  const contract = parseContract(CONTRACT(options.permit ?? `[${PERMIT()}]`, options.prohibit));
  return judgeTask({
    plan: { ...t.plan(), ...options.plan },
    spec,
    self: ME,
    nowMs: Date.UTC(2026, 10, 21),
    contractOf: (table) => (table === 'flights' && options.contract !== false ? contract : undefined),
    tasksToday: () => options.tasksToday ?? 0,
    epsilonSpent: () => 0,
  });
}

const meanDelay = (t: Tracer) => {
  const table = t.late(t.table());
  const count = t.total(t.local('count/1', [table]));
  const sum = t.total(t.local('sum/1', [t.column(table, 'delay')]));
  t.reveal(t.suppress(sum, [count]), 'sum');
  t.reveal(t.suppress(count, [count]), 'count');
};

describe('a policy that permits protected aggregates', () => {
  it('allows sums and counts that are withheld below the minimum group size', () => {
    expect(judge(meanDelay)).toEqual({ verdict: 'allow' });
  });

  it('allows histograms, counts and sums by category that are withheld slot by slot', () => {
    const decision = judge((t) => {
      const table = t.table();
      const origin = t.column(table, 'origin');
      const delay = t.column(table, 'delay');
      const histogram = t.total(t.local('histogram/1', [delay], 2, { edges: ['0', '5', '9'] }), 2);
      t.reveal(t.suppress(histogram, [histogram], 2), 'histogram', 2);
      const by = t.total(t.local('count-by/1', [origin], 3), 3);
      t.reveal(t.suppress(by, [by], 3), 'by', 3);
      t.reveal(t.suppress(t.total(t.local('sum-by/1', [delay, origin], 3), 3), [by], 3), 'sums', 3);
    });
    expect(decision).toEqual({ verdict: 'allow' });
  });

  it('asks that a sum over values that may be missing counts the values and not the rows', () => {
    const build = (of: 'rows' | 'values') => (t: Tracer) => {
      const table = t.table();
      const maybe = t.column(table, 'maybe');
      const count = t.total(t.local('count/1', [of === 'rows' ? table : maybe]));
      t.reveal(t.suppress(t.total(t.local('sum/1', [maybe])), [count]));
    };
    expect(judge(build('values'))).toEqual({ verdict: 'allow' });
    expect(judge(build('rows'))).toMatchObject({ verdict: 'refuse', code: 'POLICY_GROUP_SIZE' });
  });

  it('asks that a sum by category over values that may be missing counts those by category', () => {
    const build = (present: boolean) => (t: Tracer) => {
      const table = t.table();
      const maybe = t.column(table, 'maybe');
      const origin = t.column(table, 'origin');
      const rows = present ? t.where(table, t.bit('not/1', [t.bit('is-null/1', [maybe], table)], table)) : table;
      const by = t.total(t.local('count-by/1', [t.column(rows, 'origin')], 3), 3);
      t.reveal(t.suppress(t.total(t.local('sum-by/1', [maybe, origin], 3), 3), [by], 3), 'x', 3);
    };
    expect(judge(build(true))).toEqual({ verdict: 'allow' });
    expect(judge(build(false))).toMatchObject({ verdict: 'refuse', code: 'POLICY_GROUP_SIZE' });
  });

  it.each<[string, (t: Tracer) => void, string]>([
    [
      'nothing withheld',
      (t) => t.reveal(t.total(t.local('sum/1', [t.column(t.table(), 'delay')]))),
      'POLICY_GROUP_SIZE',
    ],
    [
      'too small a minimum',
      (t) => {
        const c = t.total(t.local('count/1', [t.table()]));
        t.reveal(t.suppress(c, [c], 1, 19));
      },
      'POLICY_GROUP_SIZE',
    ],
    [
      'the count of another filter',
      (t) => {
        const table = t.table();
        const all = t.total(t.local('count/1', [table]));
        t.reveal(t.suppress(t.total(t.local('sum/1', [t.column(t.late(table), 'delay')])), [all]));
      },
      'POLICY_GROUP_SIZE',
    ],
    [
      'one of two ways to the reveal left open',
      (t) => {
        const table = t.table();
        const count = t.total(t.local('count/1', [table]));
        const sum = t.total(t.local('sum/1', [t.column(table, 'delay')]));
        t.reveal(t.shared('add/1', [t.suppress(sum, [count]), sum]));
      },
      'POLICY_GROUP_SIZE',
    ],
    [
      'a support that is no count',
      (t) => {
        const table = t.table();
        const count = t.total(t.local('count/1', [table]));
        const sum = t.total(t.local('sum/1', [t.column(table, 'delay')]));
        t.reveal(t.suppress(sum, [count, sum]));
      },
      'POLICY_SUPPORT',
    ],
    [
      'slots protected by the count of the whole table',
      (t) => {
        const table = t.table();
        const count = t.total(t.local('count/1', [table]));
        const by = t.total(t.local('count-by/1', [t.column(table, 'origin')], 3), 3);
        t.reveal(t.suppress(by, [count], 3), 'x', 3);
      },
      'POLICY_GROUP_SIZE',
    ],
    [
      'slots added up under a count by slot',
      (t) => {
        const by = t.total(t.local('count-by/1', [t.column(t.table(), 'origin')], 3), 3);
        t.reveal(t.suppress(t.shared('sum/1', [by]), [by]));
      },
      'POLICY_GROUP_SIZE',
    ],
    [
      'values of each holder',
      (t) => {
        const c = t.shared('stack/1', [t.local('count/1', [t.table()])]);
        t.reveal(t.suppress(c, [c]));
      },
      'POLICY_OPERATION',
    ],
    [
      'single rows',
      (t) =>
        t.reveal(
          t.shared('stack/1', [t.local('rows/1', [t.table()], 20, { columns: ['delay'], capacity: 10 })], 20),
          'x',
          20,
        ),
      'POLICY_OPERATION',
    ],
    [
      'a column outside the permit',
      (t) => {
        const c = t.total(t.local('count-by/1', [t.column(t.table(), 'passport')], 3), 3);
        t.reveal(t.suppress(c, [c], 3), 'x', 3);
      },
      'POLICY_COLUMN',
    ],
    [
      'a column used only to filter',
      (t) => {
        const table = t.table();
        const c = t.total(
          t.local('count/1', [t.where(table, t.bit('is-null/1', [t.column(table, 'passport')], table))]),
        );
        t.reveal(t.suppress(c, [c]));
      },
      'POLICY_COLUMN',
    ],
    [
      'a column that the dataset does not have',
      (t) => {
        t.local('sum/1', [t.column(t.table(), 'salary')]);
      },
      'POLICY_UNKNOWN_COLUMN',
    ],
    [
      'a plan that is out of order',
      (t) => {
        t.add('count/1', [5], { kind: 'local', role: 'airline', length: 1, ...B });
      },
      'POLICY_UNKNOWN_PLAN',
    ],
    [
      'rows of mixed tables',
      (t) => {
        const a = t.table();
        const b = t.late(a);
        t.local('sum-by/1', [t.column(a, 'delay'), t.column(b, 'origin')], 3);
      },
      'POLICY_UNKNOWN_PLAN',
    ],
  ])('refuses %s', (_, build, code) => {
    expect(judge(build)).toMatchObject({ verdict: 'refuse', code });
  });

  it('names the line of the program and what to do', () => {
    const decision = judge((t) => t.reveal(t.total(t.local('sum/1', [t.column(t.table(), 'delay')]))));
    expect(decision).toMatchObject({
      reasons: [
        { line: 5, fix: expect.stringContaining('minGroupSize: 20'), message: expect.stringContaining('"answer"') },
      ],
    });
  });
});

describe('a policy', () => {
  const permit = (extra: string) => ({ permit: `[${PERMIT(`, ${extra}`)}]` });
  it.each<[string, Parameters<typeof judge>[1], string]>([
    ['without any permit', { permit: '[]' }, 'POLICY_DENIED'],
    ['for other parties', { permit: `[${PERMIT().replace('any', `['${OTHER}']`)}]` }, 'POLICY_PARTY'],
    ['for other purposes', permit('purposes: [audit]'), 'POLICY_PURPOSE'],
    ['that has ended', permit('limits: { validUntil: 2026-11-20 }'), 'POLICY_EXPIRED'],
    [
      'whose tasks of the day are used up',
      { ...permit('limits: { maxTasksPerDay: 3 }'), tasksToday: 3 },
      'POLICY_TASKS_PER_DAY',
    ],
    ['that asks for malicious security', permit('security: malicious'), 'POLICY_SECURITY'],
    [
      'that wants more members than are invited',
      { permit: `[${PERMIT().replace('minParties: 2', 'minParties: 3')}]` },
      'POLICY_MIN_PARTIES',
    ],
    [
      'that wants more members than the plan starts with',
      { plan: { roles: { airline: { min: 1, max: 3, tables: ['flights'] } } } },
      'POLICY_MIN_PARTIES',
    ],
    ['when the analyst sits', { spec: { seats: [ME, OTHER, ANALYST] } }, 'POLICY_RECIPIENT_SITS'],
    ['when the coordinator sits', { spec: { seats: [ME, OTHER, COORDINATOR] } }, 'POLICY_RECIPIENT_SITS'],
    ['that prohibits a column it also permits', { prohibit: '[{ columns: [delay] }]' }, 'POLICY_COLUMN_PROHIBITED'],
    [
      'that prohibits an operation it also permits',
      { prohibit: '[{ operations: [sum/1] }]' },
      'POLICY_OPERATION_PROHIBITED',
    ],
    [
      'that lists other operations',
      { permit: `[${PERMIT().replace('[aggregate], reveals', '[filter, count/1], reveals')}]` },
      'POLICY_OPERATION',
    ],
    ['of a table that the node does not have', { contract: false }, 'POLICY_NO_DATASET'],
  ])('%s refuses', (_, options, code) => {
    expect(judge(meanDelay, options)).toMatchObject({ verdict: 'refuse', code });
  });

  it.each<[string, Parameters<typeof judge>[1]]>([
    ['lists every recipient', { permit: `[${PERMIT().replace('any', `['${ANALYST}']`)}]` }],
    ['lists the node that submits', { permit: `[${PERMIT().replace('any', `['${COORDINATOR}']`)}]` }],
    ['names the purpose', permit('purposes: [audit, delay statistics]')],
    ['ends today', permit('limits: { validUntil: 2026-11-21, maxTasksPerDay: 1 }')],
    ['lets the asker sit', { ...permit('recipientsMaySit: true'), spec: { seats: [ME, OTHER, ANALYST] } }],
    [
      'has one permit among several that covers the task',
      { permit: `[${PERMIT().replace('any', `['${OTHER}']`)}, ${PERMIT()}]` },
    ],
    [
      'names the single operations',
      { permit: `[${PERMIT().replace('[aggregate], reveals', '[where/1, gt/1, count/1, sum/1], reveals')}]` },
    ],
  ])('that %s allows', (_, options) => {
    expect(judge(meanDelay, options)).toEqual({ verdict: 'allow' });
  });

  it('does not let two permits be added up to one', () => {
    const [narrow, other] = [
      PERMIT().replace('[delay, maybe, origin]', '[origin]'),
      PERMIT().replace('[aggregate], reveals', '[count/1], reveals'),
    ];
    expect(judge(meanDelay, { permit: `[${narrow}, ${other}]` })).toMatchObject({ verdict: 'refuse' });
  });

  it('asks a person in plain words where the permit says so', () => {
    const decision = judge(meanDelay, { permit: `[${PERMIT().replace('approval: auto', 'approval: manual')}]` });
    expect(decision).toMatchObject({ verdict: 'ask', question: expect.stringContaining('delay statistics') });
    expect(decision).toMatchObject({
      question: expect.stringMatching(
        /analyst learns "sum": one number from a sum and a count over filtered rows, over all holders together; withheld below 20 rows|a count and a sum/,
      ),
    });
  });

  it('permits rows only where it says rows twice: as operation and as reveal', () => {
    const rows = (t: Tracer) =>
      t.reveal(
        t.shared('stack/1', [t.local('rows/1', [t.table()], 20, { columns: ['delay'], capacity: 10 })], 20),
        'x',
        20,
      );
    const with_ = (operations: string, reveals: string) =>
      `[${PERMIT().replace('operations: [aggregate], reveals: [aggregate]', `operations: [${operations}], reveals: [${reveals}]`)}]`;
    expect(judge(rows, { permit: with_('aggregate, rows', 'aggregate') })).toMatchObject({ code: 'POLICY_REVEAL' });
    expect(judge(rows, { permit: with_('aggregate', 'rows') })).toMatchObject({ code: 'POLICY_OPERATION' });
    expect(judge(rows, { permit: with_('aggregate, rows', 'rows') })).toEqual({ verdict: 'allow' });
  });

  it('permits values of each holder only where it says so, and protects them likewise', () => {
    const each = (support: 'stack' | 'total') => (t: Tracer) => {
      const local = t.local('count/1', [t.table()]);
      const c = t.shared('stack/1', [local]);
      t.reveal(t.suppress(c, [support === 'stack' ? c : t.total(local)]));
    };
    const permitted = `[${PERMIT().replace('operations: [aggregate], reveals: [aggregate]', 'operations: [aggregate, per-holder], reveals: [per-holder]')}]`;
    expect(judge(each('stack'), { permit: permitted })).toEqual({ verdict: 'allow' });
    expect(judge(each('total'), { permit: permitted })).toMatchObject({ code: 'POLICY_GROUP_SIZE' });
  });

  it('has no say where the node brings no data', () => {
    expect(judge(meanDelay, { spec: { roles: { airline: [OTHER, THIRD] } }, permit: '[]' })).toEqual({
      verdict: 'allow',
    });
  });
});
