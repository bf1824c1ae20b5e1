/** Columns of holders, and what is aggregated from them. @module */
import type { Plan, ValueType } from '@2pm/core';
import { type Bounds, bounds, hull } from './bounds.ts';
import { as, type Column, columnOf, local, type Of, shared } from './placement.ts';
import { demand } from './refusal.ts';

const MAX_ROWS = 1_000_000;

export function inputColumn(plan: Plan, table: Of<'table'>, of: number, name: string): Column {
  const columns = plan.tables[table.table]?.columns ?? {};
  const type = Object.hasOwn(columns, name) ? columns[name] : undefined;
  demand(type !== undefined, `table ${table.table} has no column ${name}`);
  const base = { kind: 'column', role: table.role, of, nullable: type.nullable } as const;
  switch (type.type) {
    case 'bool':
      return { ...base, dtype: 'bool', fractionBits: 0, lo: '0', hi: '1' };
    case 'category': {
      const hi = String(type.values.length - 1);
      return { ...base, dtype: 'category', values: type.values, fractionBits: 0, lo: '0', hi };
    }
    default: {
      const fractionBits = type.type === 'fixed' ? type.fractionBits : 0;
      return { ...base, dtype: 'int', fractionBits, lo: type.min, hi: type.max };
    }
  }
}

export function bit({ role, of, nullable }: Column): Column {
  return { kind: 'column', role, of, dtype: 'bool', nullable, fractionBits: 0, lo: '0', hi: '1' };
}

export function categoryWith(type: ValueType | undefined, categories: readonly string[]): Column {
  const column = columnOf(type, 'category');
  for (const value of categories) demand(column.values?.includes(value) === true, 'names an undeclared category');
  demand(new Set(categories).size === categories.length, 'names a category twice');
  return column;
}

export function maxRows(plan: Plan, of: ValueType): bigint {
  const table = of.kind === 'column' ? plan.nodes[of.of]?.type : of;
  return BigInt(plan.tables[as('table', table).table]?.maxRows ?? 0);
}

export function rowCount(plan: Plan, of: ValueType): Bounds {
  return { lo: 0n, hi: maxRows(plan, of) };
}

export function rowSum(plan: Plan, column: Column): Bounds {
  const count = maxRows(plan, column);
  const { lo, hi } = bounds(column);
  return { lo: lo < 0n ? lo * count : 0n, hi: hi > 0n ? hi * count : 0n };
}

export function localSum(plan: Plan, column: Column): ValueType {
  return local(plan, column, 1, column.fractionBits, rowSum(plan, column));
}

export function rows(plan: Plan, table: Of<'table'>, names: readonly string[], capacity: number): ValueType {
  demand(names.length > 0 && capacity <= MAX_ROWS, 'carries no column, or too many rows');
  let range: Bounds = { lo: 0n, hi: 1n };
  for (const name of names) {
    const column = inputColumn(plan, table, 0, name);
    range = hull(range, bounds(column));
  }
  return local(plan, table, capacity * (1 + names.length), 0, range);
}

export function sharedSum(type: ValueType | undefined): ValueType {
  const x = as('shared', type);
  demand(x.stacked === undefined, 'does not apply to stacked values');
  const { lo, hi } = bounds(x);
  return shared({ ...x, dtype: 'int', length: 1 }, { lo: lo * BigInt(x.length), hi: hi * BigInt(x.length) });
}
