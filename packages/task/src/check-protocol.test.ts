import type { NodeId, TaskSpec } from '@2pm/core';
import { additiveDealerSemiHonest, additiveSemiHonest, rep3Malicious, rep3SemiHonest } from '@2pm/mpc';
import { defineTask, int, key, table, trace } from '@2pm/program';
import { expect, test } from 'vitest';
import { checkProtocol } from './check-protocol.ts';

const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;
const rows = table({ x: int({ min: 0, max: 9 }) }, { maxRows: 9, keys: { id: key.exact('id') } });
const roles = { a: { min: 1, max: 1, tables: ['rows'] }, b: { min: 1, max: 1, tables: ['rows'] } } as const;
const sum = trace(
  defineTask({
    ...{ name: 'sum', tables: { rows }, roles },
    run: ({ each, reveal }) => reveal(each('a', (t) => t.rows.x.sum()).total(), { to: 'analyst' }),
  }),
);
const joined = trace(
  defineTask({
    ...{ name: 'join', tables: { rows }, roles },
    run: ({ each, join, reveal }) =>
      reveal(
        join(
          each('a', (t) => t.rows.by('id')),
          each('b', (t) => t.rows.by('id')),
        ).count(),
        { to: 'analyst' },
      ),
  }),
);
const spec = (seats: number[], security: 'semi-honest' | 'malicious') =>
  ({ seats: seats.map(id), security, roles: { a: [id(1)], b: [id(2)] } }) as unknown as TaskSpec;
const mismatch = expect.objectContaining({ code: 'TASK_MISMATCH' });

test('a protocol that withstands less than the spec says is refused', () => {
  expect(() => checkProtocol(rep3SemiHonest, sum, spec([1, 2, 3], 'malicious'))).toThrow(mismatch);
  expect(() => checkProtocol(rep3SemiHonest, sum, spec([1, 2, 3], 'semi-honest'))).not.toThrow();
});

test('so is another number of seats than the protocol has', () => {
  expect(() => checkProtocol(rep3SemiHonest, sum, spec([1, 2], 'semi-honest'))).toThrow(mismatch);
  expect(() => checkProtocol(additiveSemiHonest, sum, spec([1, 2, 3, 4, 5, 6, 7, 8, 9], 'semi-honest'))).toThrow(
    mismatch,
  );
});

test('and a join in which every seat brings rows', () => {
  const check = (third: number) => () => checkProtocol(rep3SemiHonest, joined, spec([1, 2, third], 'semi-honest'));
  expect(check(3)).not.toThrow();
  expect(check(2)).toThrow(expect.objectContaining({ code: 'TASK_NO_MATCHER' }));
  // Where no seat matches any may bring them.
  expect(() => checkProtocol(rep3Malicious, joined, spec([1, 2, 2], 'malicious'))).not.toThrow();
  expect(() => checkProtocol(additiveSemiHonest, joined, spec([1, 2], 'semi-honest'))).not.toThrow();
});

test('and a node that would match its own rows, by submit as by every member', () => {
  const both = { ...spec([1, 2, 3], 'semi-honest'), roles: { a: [id(1)], b: [id(1)] } };
  expect(() => checkProtocol(rep3SemiHonest, joined, both)).toThrow(
    expect.objectContaining({
      code: 'TASK_MATCH',
      message: expect.stringMatching(/^line \d+: .* would match its own rows, as a and as b$/),
    }),
  );
  // Two roles that are not matched may be one node's.
  expect(() => checkProtocol(rep3SemiHonest, sum, both)).not.toThrow();
});

test('and a dealer that is in a role, wherever else holders sit', () => {
  const check = (seats: number[]) => () => checkProtocol(additiveDealerSemiHonest, sum, spec(seats, 'semi-honest'));
  expect(check([1, 2, 3])).not.toThrow();
  expect(check([3, 4, 5])).not.toThrow();
  expect(check([1, 3, 2])).toThrow(expect.objectContaining({ code: 'TASK_DEALER' }));
  expect(check([1, 2])).toThrow(mismatch);
  expect(() => checkProtocol(additiveSemiHonest, sum, spec([1, 3, 2], 'semi-honest'))).not.toThrow();
});
