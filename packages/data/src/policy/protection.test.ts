/** Which operations keep each slot to itself, so that its own count protects it, and which may move or mix slots. */
import type { Operation, Plan, PlanNode, ValueType } from '@2pm/core';
import { describe, expect, it } from 'vitest';
import { Lineage } from '../lineage.ts';
import { unprotected } from './protection.ts';

const B = { fractionBits: 0, lo: '0', hi: '1000' };
const SLOTS = 4;

/** Reveals what `compute` makes of a histogram with four slots, withheld by the slots' own counts. */
class Bins {
  readonly nodes: PlanNode[] = [];
  readonly bins: number;

  constructor() {
    const table = this.add('input/1', [], { kind: 'table', role: 'h', table: 't' }, { table: 't' });
    const type = { kind: 'column', role: 'h', of: table, dtype: 'int', nullable: false, ...B } as const;
    const column = this.add('column/1', [table], type, { name: 'x' });
    const attrs = { edges: ['0', '1', '2', '3', '4'] };
    const local = this.add('histogram/1', [column], { kind: 'local', role: 'h', length: SLOTS, ...B }, attrs);
    this.bins = this.shared('total/1', [local]);
  }
  add(op: Operation, args: number[], type: ValueType, attrs: PlanNode['attrs'] = {}): number {
    return this.nodes.push({ op, args, attrs, type, line: 1 }) - 1;
  }
  shared(op: Operation, args: number[], length = SLOTS, attrs: PlanNode['attrs'] = {}): number {
    return this.add(op, args, { kind: 'shared', length, dtype: 'int', ...B }, attrs);
  }
  problems(value: number): string[] {
    const held = this.shared('suppress/1', [value, this.bins], SLOTS, { min: 20 });
    const opened = { kind: 'opened', length: SLOTS, to: 'a', ...B } as const;
    const reveal = this.add('reveal/1', [held], opened, { name: 'r', to: 'a' });
    const x = { type: 'int' as const, min: '0', max: '4', nullable: false };
    const plan: Plan = {
      ...{ v: 1, language: '2pm/1', name: 'bins', recipients: ['a'], nodes: this.nodes, result: reveal },
      tables: { t: { maxRows: 100, columns: { x } } },
      roles: { h: { min: 1, max: 3, tables: ['t'] } },
    };
    return unprotected(new Lineage(plan), reveal, ['h'], 20).map(({ reason }) => reason);
  }
}

describe('counts by slot protect', () => {
  it.each<[string, (b: Bins) => number]>([
    ['the slots themselves', (b) => b.bins],
    ['a number computed from each slot', (b) => b.shared('sqrt/1', [b.shared('abs/1', [b.bins])])],
    ['two vectors of the same slots', (b) => b.shared('maximum/1', [b.bins, b.shared('rescale/1', [b.bins])])],
  ])('%s', (_, compute) => {
    const b = new Bins();
    expect(b.problems(compute(b))).toEqual([]);
  });
});

describe('counts by slot do not protect', () => {
  it.each<[string, (b: Bins) => number]>([
    ['slots in another order', (b) => b.shared('transpose/1', [b.bins], SLOTS, { rows: 2 })],
    [
      'slots in the place of others',
      (b) => {
        const [low, high] = [0, 2].map((offset) => b.shared('slice/1', [b.bins], 2, { offset, length: 2 })) as [
          number,
          number,
        ];
        return b.shared('concat/1', [high, low]);
      },
    ],
    [
      'one slot over and over',
      (b) =>
        b.shared('repeat/1', [b.shared('slice/1', [b.bins], 1, { offset: 1, length: 1 })], SLOTS, { length: SLOTS }),
    ],
    ['sums of products', (b) => b.shared('dot/1', [b.bins, b.bins, b.bins, b.bins, b.bins])],
    ['a matrix product', (b) => b.shared('matmul/1', [b.bins, b.bins], SLOTS, { inner: 2 })],
    [
      'the greatest of all slots',
      (b) => b.shared('repeat/1', [b.shared('max/1', [b.bins], 1)], SLOTS, { length: SLOTS }),
    ],
    [
      'weights that come from slots, as many as there are slots',
      (b) => b.shared('combine/1', [b.bins, ...[0, 1, 2, 3].map(() => b.bins)]),
    ],
    [
      'what comes back to a slot in the second step of a loop',
      (b) => {
        const carried = [0, 1].map((place) => b.shared('carried/1', [b.bins], SLOTS, { loop: 0, place }));
        const [first = -1, second = -1] = carried;
        const mixed = b.shared('transpose/1', [first], SLOTS, { rows: 2 });
        return b.shared('iterate/1', [first, second, second, mixed], SLOTS, { times: 2, place: 0 });
      },
    ],
  ])('%s', (_, compute) => {
    const b = new Bins();
    expect(b.problems(compute(b))).toContain('unprotected');
  });
});
