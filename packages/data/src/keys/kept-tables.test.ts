import type { Hash, Plan, PlanNode } from '@2pm/core';
import { expect, test } from 'vitest';
import { KeptTables, keyedName } from './kept-tables.ts';
import type { KeyedTable } from './keyed.ts';

const name = (n: number) => `0x${String(n).padStart(64, '0')}` as Hash;
const table = (bytes: number) =>
  ({
    ...{ digests: [new Uint8Array(bytes)], present: [], columns: [], positions: new BigInt64Array() },
  }) as unknown as KeyedTable;

test('keeps those used last that fit, and reads others again', async () => {
  const kept = new KeptTables(100);
  const read: number[] = [];
  const get = (n: number, bytes: number) =>
    kept.get(name(n), async () => {
      read.push(n);
      return table(bytes);
    });
  await get(1, 40);
  await get(2, 40);
  await get(1, 40);
  // The third takes the place of the one that was used longest ago.
  await get(3, 40);
  await get(1, 40);
  await get(2, 40);
  expect(read).toEqual([1, 2, 3, 2]);
  // Never fits, and displaces nothing.
  await get(4, 101);
  await get(4, 101);
  await get(2, 40);
  expect(read).toEqual([1, 2, 3, 2, 4, 4]);
});

test('keeps nothing of a reading that failed', async () => {
  const kept = new KeptTables(100);
  await expect(kept.get(name(1), () => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  expect(await kept.get(name(1), async () => table(1))).toBeDefined();
});

const from = (root: number, contract = 7) => ({ root: name(root), contractHash: name(contract) });

function plan(change: (nodes: PlanNode[], plan: Plan) => void = () => undefined, before = 0): Plan {
  const at = before;
  const column = { kind: 'column', role: 'a', of: at, nullable: false, fractionBits: 0, lo: '0', hi: '9' } as const;
  const nodes = [
    ...Array.from({ length: before }, (_, i) => ({
      ...{ op: 'constant/1', args: [], attrs: {}, line: 1 },
      type: { kind: 'constant', fractionBits: 0, value: String(i) },
    })),
    { op: 'input/1', args: [], attrs: { table: 't' }, type: { kind: 'table', role: 'a', table: 't' }, line: 1 },
    { op: 'column/1', args: [at], attrs: { name: 'x' }, type: { ...column, dtype: 'int' }, line: 2 },
    { op: 'lt/1', args: [at + 1, at + 1], attrs: {}, type: { ...column, dtype: 'bool', hi: '1' }, line: 3 },
    { op: 'where/1', args: [at, at + 2], attrs: {}, type: { kind: 'table', role: 'a', table: 't' }, line: 4 },
    {
      ...{ op: 'keyed/1', args: [at + 3], line: 5 },
      attrs: { key: 'k', columns: [], capacity: 9, duplicates: 'error' },
      type: { kind: 'keyed', role: 'a', table: 't', key: 'k', length: 9 },
    },
  ] as PlanNode[];
  const made = {
    nodes,
    tables: { t: { maxRows: 9, columns: {}, keys: { k: [[{ column: 'id', rule: 'exact/v1' }]] } } },
  } as unknown as Plan;
  change(nodes, made);
  return made;
}

test('rows have one name wherever in a plan they stand, and another for all that decides them', () => {
  const same = keyedName(plan(), 4, from(1));
  expect(keyedName(plan(undefined, 3), 7, from(1))).toBe(same);
  const others = [
    keyedName(plan(), 4, from(2)),
    keyedName(plan(), 4, from(1, 8)),
    keyedName(
      plan((nodes) => Object.assign(nodes[4]?.attrs ?? {}, { duplicates: 'first' })),
      4,
      from(1),
    ),
    keyedName(
      plan((nodes) => Object.assign(nodes[4]?.attrs ?? {}, { columns: ['x'] })),
      4,
      from(1),
    ),
    keyedName(
      plan((nodes) => Object.assign(nodes[2] ?? {}, { op: 'gt/1' })),
      4,
      from(1),
    ),
    keyedName(
      plan((nodes) => Object.assign(nodes[1]?.attrs ?? {}, { name: 'y' })),
      4,
      from(1),
    ),
    keyedName(
      plan((_, { tables }) =>
        Object.assign(tables['t'] ?? {}, { keys: { k: [[{ column: 'id', rule: 'email/v1' }]] } }),
      ),
      4,
      from(1),
    ),
  ];
  expect(new Set([same, ...others]).size).toBe(8);
});
