import { type Attributes, type Channel, type Hash, type Operation, Plan, type ValueType } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
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
  const sent = [0, 0, 0];
  const counting = (channel: Channel, seat: number): Channel => ({
    ...{ peer: channel.peer, stats: channel.stats, receive: (options) => channel.receive(options) },
    send: (frame) => {
      sent[seat] = (sent[seat] ?? 0) + frame.length;
      return channel.send(frame);
    },
    close: (reason) => channel.close(reason),
  });
  const of = plan(steps);
  const values = Array.from({ length: 2 }, () => [BigInt64Array.from({ length: LENGTH }, (_, i) => BigInt(i + 1))]);
  const { seats } = await simulateSeats(rep3SemiHonest, {
    ...{ plan: of, sid: `0x${'ab'.repeat(32)}` as Hash, roles: { h: 2 }, inputs: new Map([['h', values]]) },
    ...{ rng: seededRng(1), crypto: nodeCrypto, wrap: counting },
  });
  const told = traffic(of, { h: 2 });
  expect(told.seats).toEqual(sent);
  expect(told.rounds).toBe(seats[0]?.rounds);
  expect(told.outputs).toBe(seats.flatMap(({ outputs }) => [...outputs.values()]).reduce((n, b) => n + b.length, 0));
  const shares = rep3SemiHonest.shareInputs([new BigInt64Array(LENGTH)], {
    ...{ sid: `0x${'ab'.repeat(32)}` as Hash, rng: seededRng(1), crypto: nodeCrypto },
  });
  expect(told.holders).toEqual({ h: shares.reduce((sum, { length }) => sum + length, 0) });
});
