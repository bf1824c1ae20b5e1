import { type Attributes, type Channel, type Hash, type Operation, Plan, type ValueType } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import type { PlainInputs } from '../plain/plain.ts';
import { simulateSeats } from '../simulate.ts';
import { rep3SemiHonest } from './backend.ts';
import { traffic } from './traffic.ts';

type Shared = Extract<ValueType, { kind: 'shared' }>;
const LENGTH = 70;
const like: Shared = { kind: 'shared', length: LENGTH, dtype: 'int', fractionBits: 8, lo: '1', hi: '5000' };

/** Opens the operation on vectors of two holders, added up. */
function plan(steps: readonly [op: Operation, attrs: Attributes, type: Partial<Shared>][]): Plan {
  const nodes: Plan['nodes'] = [];
  const node = (op: Operation, args: number[], type: ValueType, attrs: Attributes = {}) =>
    nodes.push({ op, args, attrs, type, line: 1 }) - 1;
  const { dtype: _, ...local } = { ...like, kind: 'local' as const, role: 'h' };
  const input = node('total/1', [node('count/1', [], local)], like);
  for (const [i, [op, attrs, type]] of steps.entries()) {
    const pair = ['mul/1', 'lt/1', 'eq/1', 'suppress/1', 'dot/1'].includes(op);
    const shared: Shared = { ...like, ...type };
    const result = node(op, pair ? [input, input] : [input], shared, attrs);
    const { dtype: _, ...opened } = shared;
    node('reveal/1', [result], { ...opened, kind: 'opened', to: 'a' }, { name: `r${i}`, to: 'a' });
  }
  const roles = { h: { min: 1, max: 4, tables: [] } };
  return Plan.parse({ v: 1, language: '2pm/1', name: 't', tables: {}, roles, recipients: ['a'], nodes, result: 2 });
}

const bool = { dtype: 'bool', fractionBits: 0 } as const;
test.each<[string, [Operation, Attributes, Partial<Shared>][]]>([
  ['sum', [['sum/1', {}, { length: 1 }]]],
  ['product', [['mul/1', {}, { fractionBits: 16 }]]],
  ['inner product', [['dot/1', {}, { fractionBits: 16, length: 1 }]]],
  ['comparison', [['lt/1', {}, bool]]],
  ['equality', [['eq/1', {}, bool]]],
  ['suppression', [['suppress/1', { min: 5 }, {}]]],
  ['rescaling', [['rescale/1', { fractionBits: 4 }, { fractionBits: 4 }]]],
  ['noise', [['noise/1', { epsilonMicros: 1_000_000, sensitivity: '5' }, {}]]],
  ['root', [['sqrt/1', { fractionBits: 12 }, { fractionBits: 12 }]]],
  [
    'several at once',
    [
      ['sigmoid/1', { fractionBits: 12 }, { fractionBits: 12 }],
      ['max/1', {}, { length: 1 }],
      ['abs/1', {}, {}],
    ],
  ],
])('of a %s is what the seats send', async (_, steps) => {
  const values = Array.from({ length: 2 }, () => [BigInt64Array.from({ length: LENGTH }, (_, i) => BigInt(i + 1))]);
  await compare(plan(steps), new Map([['h', values]]));
});

test('of a join is what the seats send', async () => {
  const keys = { k: [[{ column: 'id', rule: 'exact/v1' as const }]] };
  const x = { type: 'int' as const, min: '0', max: '9', nullable: false };
  const capacities = { a: 40, b: 33, c: 50 };
  const sides = Object.entries(capacities);
  const nodes = sides.flatMap(([role, length], i): Plan['nodes'] => {
    const attrs = { key: 'k', columns: ['x'], capacity: length, duplicates: 'error' as const };
    return [
      { op: 'input/1', args: [], attrs: { table: 't' }, type: { kind: 'table', role, table: 't' }, line: 1 },
      { op: 'keyed/1', args: [2 * i], attrs, type: { kind: 'keyed', role, table: 't', key: 'k', length }, line: 1 },
    ];
  });
  const bit = { kind: 'shared', dtype: 'bool', length: 33, fractionBits: 0, lo: '0', hi: '1' } as const;
  const sum = { kind: 'shared', dtype: 'int', length: 1, fractionBits: 0, lo: '0', hi: '33' } as const;
  const { dtype: _, ...opened } = { ...sum, kind: 'opened' as const, to: 'a' };
  nodes.push(
    { op: 'join/1', args: [1, 3, 5], attrs: {}, type: { kind: 'joined', roles: ['a', 'b', 'c'], length: 33 }, line: 1 },
    { op: 'matched/1', args: [6], attrs: {}, type: bit, line: 1 },
    { op: 'sum/1', args: [7], attrs: {}, type: sum, line: 1 },
    { op: 'reveal/1', args: [8], attrs: { name: 'n', to: 'a' }, type: opened, line: 1 },
  );
  const joining = Plan.parse({
    ...{ v: 1, language: '2pm/1', name: 't', tables: { t: { maxRows: 99, columns: { x }, keys } }, recipients: ['a'] },
    ...{
      roles: Object.fromEntries(sides.map(([role]) => [role, { min: 1, max: 1, tables: ['t'] }])),
      nodes,
      result: 9,
    },
  });
  const tagged = (length: number) => [BigInt64Array.from({ length: 3 * length }, (_, i) => BigInt(i % length))];
  await compare(joining, new Map(sides.map(([role, length]) => [role, [tagged(length)]])));
});

test('of rows in order is what the seats send', async () => {
  const x = { type: 'int' as const, min: '-9', max: '9', nullable: false };
  const rows = { columns: ['x'], capacity: LENGTH };
  const slots = 4 * LENGTH;
  const joined: ValueType = { kind: 'joined', roles: ['h'], length: slots };
  const column: Shared = { kind: 'shared', dtype: 'int', length: slots, fractionBits: 0, lo: '-9', hi: '9' };
  const { dtype: _, ...opened } = { ...column, kind: 'opened' as const, to: 'a' };
  const attrs = { role: 'h', name: 'x' };
  const order = { descending: [true] };
  const local = { kind: 'local', role: 'h', length: 2 * LENGTH, fractionBits: 0, lo: '-9', hi: '9' } as const;
  const steps: Omit<Plan['nodes'][number], 'line'>[] = [
    { op: 'input/1', args: [], attrs: { table: 't' }, type: { kind: 'table', role: 'h', table: 't' } },
    { op: 'rows/1', args: [0], attrs: rows, type: local },
    { op: 'union/1', args: [1], attrs: {}, type: joined },
    { op: 'joined-column/1', args: [2], attrs, type: column },
    { op: 'sort/1', args: [2, 3], attrs: order, type: joined },
    { op: 'joined-column/1', args: [4], attrs, type: column },
    { op: 'reveal/1', args: [5], attrs: { name: 'sorted', to: 'a' }, type: opened },
  ];
  const sorting = Plan.parse({
    ...{ v: 1, language: '2pm/1', name: 't', tables: { t: { maxRows: 99, columns: { x } } }, recipients: ['a'] },
    ...{
      roles: { h: { min: 1, max: 4, tables: ['t'] } },
      nodes: steps.map((node) => ({ ...node, line: 1 })),
      result: 6,
    },
  });
  const vectors = [1n, -1n].map((by) => [
    BigInt64Array.from({ length: 2 * LENGTH }, (_, i) => (i % 2 === 0 ? 1n : by * BigInt(i % 19 > 9 ? 3 : i % 9))),
  ]);
  await compare(sorting, new Map([['h', vectors]]));
});

async function compare(of: Plan, inputs: PlainInputs) {
  const sent = [0, 0, 0];
  const counting = (channel: Channel, seat: number): Channel => ({
    ...{ peer: channel.peer, stats: channel.stats, receive: (options) => channel.receive(options) },
    send: (frame) => {
      sent[seat] = (sent[seat] ?? 0) + frame.length;
      return channel.send(frame);
    },
    close: (reason) => channel.close(reason),
  });
  const [sid, crypto] = [`0x${'ab'.repeat(32)}` as Hash, nodeCrypto];
  const roles = Object.fromEntries([...inputs].map(([role, members]) => [role, members.length]));
  const simulation = { plan: of, sid, roles, inputs, rng: seededRng(1), crypto, wrap: counting };
  const { seats } = await simulateSeats(rep3SemiHonest, simulation);
  const told = traffic(of, roles);
  expect(told.seats).toEqual(sent);
  expect(told.rounds).toBe(seats[0]?.rounds);
  expect(told.outputs).toBe(seats.flatMap(({ outputs }) => [...outputs.values()]).reduce((n, b) => n + b.length, 0));
  for (const [role, members] of inputs) {
    const shares = rep3SemiHonest.shareInputs(members[0] ?? [], { sid, rng: seededRng(1), crypto });
    expect(told.holders[role]).toBe(shares.reduce((total, { length }) => total + length, 0));
  }
}
