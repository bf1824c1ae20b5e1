/** Lowers operations on shared rows: where their columns come from, and what becomes of them in another order. @module */
import type { Plan } from '@2pm/core';
import type { CircuitBuilder } from '../circuit.ts';
import { compacted } from '../order/compact.ts';
import { type Key, order, quantiles } from '../order/order.ts';
import type { Rows } from './joins.ts';

/** Rows of all members one below the other, from the gate that stacks what they share; places of absent members are empty. */
export function unionRows(b: CircuitBuilder, plan: Plan, node: number, stacked: number): Rows {
  const { type, args } = plan.nodes[node] as Plan['nodes'][number];
  const rows = plan.nodes[args[0] ?? -1];
  const names = rows?.attrs.columns ?? [];
  const role = rows?.type.kind === 'local' ? rows.type.role : undefined;
  const length = type.kind === 'joined' ? type.length : 0;
  const width = 1 + names.length;
  const present = b.at(stacked).length / width;
  const column = (place: number) => {
    const part = b.slice(stacked, place, present, width);
    if (present === length) return part;
    return b.concat([part, b.repeat(b.words('constant', 1, [], 0n), length - present)]);
  };
  return {
    valid: column(0),
    column: (of, name) =>
      of === role && names.includes(name ?? '') ? column(1 + names.indexOf(name ?? '')) : undefined,
  };
}

/** Without keys, rows move to the front as they are. */
export function sortedRows(b: CircuitBuilder, { valid, column }: Rows, keys: readonly Key[]): Rows {
  const mask = b.asWords(valid);
  if (keys.length === 0 && b.arranging === 'networks') {
    const forward = compacted(b, mask);
    return rowsOf(forward(mask), column, (gate) => forward(b.words('mul', b.at(gate).length, [gate, mask])));
  }
  const { arranged } = order(b, mask, keys);
  return rowsOf(arranged(mask), column, arranged);
}

/** Rows whose columns others have brought, and something was done to each. */
function rowsOf(valid: number, column: Rows['column'], done: (gate: number) => number): Rows {
  return {
    valid,
    column: (role, name) => {
      const gate = column(role, name);
      return gate === undefined ? undefined : done(gate);
    },
  };
}

export function firstRows(b: CircuitBuilder, { valid, column }: Rows, length: number): Rows {
  const first = (gate: number) => b.slice(gate, 0, length);
  return rowsOf(first(b.asWords(valid)), column, first);
}

export function rankOfRows(b: CircuitBuilder, { valid }: Rows, keys: readonly Key[]): number {
  return order(b, b.asWords(valid), keys).rank();
}

export function quantilesOfRows(
  b: CircuitBuilder,
  { valid }: Rows,
  key: Key,
  at: { numerators: readonly number[]; denominator: number },
): number {
  const mask = b.asWords(valid);
  const sorted = order(b, mask, [key]).arranged(key.gate);
  return quantiles(b, sorted, b.words('sum', 1, [mask]), at);
}
