/** Arguments by placement, and values of each. @module */
import type { Plan, ValueType } from '@2pm/core';
import { type Bounds, bounds } from './bounds.ts';
import { type Elementary, elementaryBounds } from './ranges.ts';
import { demand } from './refusal.ts';

const MAX_LENGTH = 2 ** 24;

export type Of<K extends ValueType['kind']> = Extract<ValueType, { kind: K }>;
export type Column = Of<'column'>;
export type Shared = Of<'shared'>;

export function as<K extends ValueType['kind']>(kind: K, type: ValueType | undefined): Of<K> {
  demand(type?.kind === kind, `expected a ${kind} argument, got ${type?.kind}`);
  return type as Of<K>;
}

export function columnOf(type: ValueType | undefined, dtype: Column['dtype']): Column {
  const column = as('column', type);
  demand(column.dtype === dtype, `expected a ${dtype} column, got ${column.dtype}`);
  return column;
}

export function sharedOf(type: ValueType | undefined, dtype: Shared['dtype']): Shared {
  const value = as('shared', type);
  demand(value.dtype === dtype, `expected a shared ${dtype}, got ${value.dtype}`);
  return value;
}

export function unstacked(type: ValueType | undefined, dtype: Shared['dtype']): Shared {
  const value = sharedOf(type, dtype);
  demand(value.stacked === undefined, 'does not apply to stacked values');
  return value;
}

export function lengthWithin(length: number): number {
  demand(length <= MAX_LENGTH, `has more than ${MAX_LENGTH} elements`);
  return length;
}

export function product(x: Shared, y: Shared, length: number, range: Bounds): Shared {
  const fractionBits = x.fractionBits + y.fractionBits;
  demand(fractionBits <= 62, 'has more than 62 fraction bits');
  return shared({ dtype: 'int', length, fractionBits }, range);
}

export function elementary(op: Elementary, type: ValueType | undefined, fractionBits: number): Shared {
  const x = sharedOf(type, 'int');
  const range = elementaryBounds(op, bounds(x), x.fractionBits, fractionBits);
  demand(range !== undefined, 'is not defined, or too large, on the whole range of its argument');
  return shared({ ...x, fractionBits }, range);
}

export function shared(
  like: Pick<Shared, 'length' | 'dtype' | 'fractionBits' | 'stacked'>,
  { lo, hi }: Bounds,
): Shared {
  const { length, dtype, fractionBits, stacked } = like;
  const block = stacked === undefined ? {} : { stacked };
  return { kind: 'shared', length, ...block, dtype, fractionBits, lo: String(lo), hi: String(hi) };
}

export function local(plan: Plan, of: ValueType, length: number, fractionBits: number, { lo, hi }: Bounds): ValueType {
  const role = of.kind === 'table' || of.kind === 'column' ? of.role : '';
  demand(Object.hasOwn(plan.roles, role), `no role ${role}`);
  return { kind: 'local', role, length, fractionBits, lo: String(lo), hi: String(hi) };
}

export function sameShape(a: Shared, b: Shared): void {
  demand(a.length === b.length, `lengths differ: ${a.length} and ${b.length}`);
  demand(a.stacked === b.stacked, 'one argument is stacked by member, the other is not');
}
