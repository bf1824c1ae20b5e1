/** Shared rows of several holders one below the other, and their order. @module */
import type { Plan, PlanNode, ValueType } from '@2pm/core';
import { bounds, hull } from './bounds.ts';
import { as, lengthWithin, type Of, type Shared, shared, unstacked } from './placement.ts';
import { demand } from './refusal.ts';

export function union(plan: Plan, { args }: PlanNode): ValueType {
  const rows = plan.nodes[args[0] as number];
  demand(rows?.op === 'rows/1', 'takes no rows');
  const { role } = as('local', rows.type);
  const length = lengthWithin((rows.attrs.capacity as number) * (plan.roles[role]?.max ?? 0));
  return { kind: 'joined', roles: [role], length };
}

/** Rows, and keys that they are ordered by. */
export function ordered([of, ...keys]: readonly ValueType[], descending: readonly boolean[]): Of<'joined'> {
  const rows = as('joined', of);
  demand(keys.length === descending.length, 'takes a direction for each key');
  for (const key of keys) slotBySlot(rows, key);
  return rows;
}

export function quantile([of, x]: readonly ValueType[], { attrs }: PlanNode): ValueType {
  const column = slotBySlot(as('joined', of), x);
  const [numerators, denominator] = [attrs.numerators as number[], attrs.denominator as number];
  demand(
    numerators.every((one, i) => one <= denominator && (i === 0 || one > (numerators[i - 1] as number))),
    'asks for no ascending shares',
  );
  const { lo, hi } = hull(bounds(column), { lo: 0n, hi: 0n });
  const times = BigInt(denominator);
  return shared({ ...column, length: numerators.length }, { lo: lo * times, hi: hi * times });
}

/** The largest groups of rows by a key: the key itself, their counts, or sums of x. */
export function grouped(
  op: 'group-key/1' | 'group-count/1' | 'group-sum/1',
  [of, key, x]: readonly ValueType[],
  length: number,
): ValueType {
  const rows = as('joined', of);
  const by = slotBySlot(rows, key);
  const slots = BigInt(rows.length);
  demand(length <= rows.length, 'takes more groups than there are slots');
  if (op === 'group-count/1') return shared({ length, dtype: 'int', fractionBits: 0 }, { lo: 0n, hi: slots });
  const column = op === 'group-key/1' ? by : slotBySlot(rows, x);
  const { lo, hi } = hull(bounds(column), { lo: 0n, hi: 0n });
  const times = op === 'group-key/1' ? 1n : slots;
  return shared({ ...column, length }, { lo: lo * times, hi: hi * times });
}

/** A number for each slot. */
export function slotBySlot(rows: { length: number }, type: ValueType | undefined): Shared {
  const x = unstacked(type, 'int');
  demand(x.length === rows.length, 'has another length than the rows');
  return x;
}
