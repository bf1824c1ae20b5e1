import type { Channel, Hash, Operation, Plan, ValueType } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import { simulateSeats } from '../simulate.ts';
import { rep3Malicious } from './backend.ts';
import { maliciousTraffic } from './traffic.ts';

const LENGTH = 2_000;
const like = { kind: 'shared', length: LENGTH, dtype: 'int', fractionBits: 8, lo: '1', hi: '5000' } as const;
const bool = { ...like, dtype: 'bool', fractionBits: 0 } as const;

/** Opens the operation on vectors of two holders, added up. */
function plan(op: Operation, type: ValueType, pair: boolean, attrs: Plan['nodes'][number]['attrs'] = {}): Plan {
  const nodes: Plan['nodes'] = [];
  const node = (op: Operation, args: number[], type: ValueType, attrs = {}) =>
    nodes.push({ op, args, attrs, type, line: 1 }) - 1;
  const { dtype: _, ...local } = { ...like, kind: 'local' as const, role: 'h' };
  const input = node('total/1', [node('count/1', [], local)], like);
  const result = node(op, pair ? [input, input] : [input], type, attrs);
  const { dtype: __, ...opened } = type as typeof like;
  node('reveal/1', [result], { ...opened, kind: 'opened', to: 'a' }, { name: 'r', to: 'a' });
  const roles = { h: { min: 1, max: 4, tables: [] } };
  return { v: 1, language: '2pm/1', name: 't', tables: {}, roles, recipients: ['a'], nodes, result: 3 };
}

test.each<[string, Plan]>([
  ['product', plan('mul/1', { ...like, fractionBits: 16 }, true)],
  ['comparison', plan('lt/1', bool, true)],
  ['rescaling', plan('rescale/1', { ...like, fractionBits: 4 }, false, { fractionBits: 4 })],
])('of a %s: rounds as run, bytes within a twentieth', async (_, made) => {
  const sent = [0, 0, 0];
  const wrap = (channel: Channel, seat: number): Channel => ({
    ...{ peer: channel.peer, stats: channel.stats },
    send: (frame) => {
      sent[seat] = (sent[seat] ?? 0) + frame.length;
      return channel.send(frame);
    },
    receive: (options) => channel.receive(options),
    close: (reason) => channel.close(reason),
  });
  const values = Array.from({ length: 2 }, () => [
    BigInt64Array.from({ length: LENGTH }, (_, i) => BigInt(1 + (i % 50))),
  ]);
  const { seats } = await simulateSeats(rep3Malicious, {
    ...{ plan: made, sid: `0x${'11'.repeat(32)}` as Hash, roles: { h: 2 }, inputs: new Map([['h', values]]) },
    ...{ rng: seededRng(1), crypto: nodeCrypto, wrap },
  });
  const told = maliciousTraffic(made, { h: 2 });
  expect(told.rounds).toBe(seats[0]?.rounds);
  const ratio = Math.max(...sent) / told.seats[0];
  expect(ratio).toBeGreaterThan(0.95);
  expect(ratio).toBeLessThan(1.05);
});
