/** Logical tables: what a program may assume of every holder's data. @module */
import type { ColumnType, KeyType } from '@2pm/core';
import { type KeySpec, keyType } from './key.ts';
import { checkName } from './name.ts';
import { days, LIMIT, scale } from './number.ts';
import { fail } from './program-error.ts';

/** What a column holds, for the type checker. `int` and `fixed` are both numbers. */
export type Kind = 'number' | 'date' | 'bool' | 'category';

export interface ColumnSpec<K extends Kind = Kind, V extends string = string> {
  readonly kind: K;
  readonly type: ColumnType;
  /** The declared values of a category. */
  readonly values: readonly V[];
}

export type ColumnSpecs = { readonly [name: string]: ColumnSpec };

export interface TableSpec<C extends ColumnSpecs = ColumnSpecs, K extends string = string> {
  readonly columns: C;
  readonly maxRows: number;
  readonly keys: { readonly [N in K]: KeyType };
}

interface Nullable {
  /** Whether a row may lack the value; aggregates skip such rows. */
  readonly nullable?: boolean;
}

function column<K extends Kind, V extends string>(
  kind: K,
  type: ColumnType,
  values: readonly V[] = [],
): ColumnSpec<K, V> {
  return Object.freeze({ kind, type, values });
}

function range(min: bigint, max: bigint): { min: string; max: string } {
  if (min > max) fail('PROGRAM_SCHEMA', `min ${min} is above max ${max}`);
  if (min <= -LIMIT || max >= LIMIT) fail('PROGRAM_OVERFLOW', `the range ${min}..${max} leaves ±2^62`);
  return { min: String(min), max: String(max) };
}

/** A whole number from min to max; values outside are clamped before they enter. */
export function int(options: { readonly min: number | bigint; readonly max: number | bigint } & Nullable) {
  const { min, max, nullable = false } = options;
  for (const bound of [min, max]) {
    if (typeof bound === 'number' && !Number.isSafeInteger(bound)) {
      fail('PROGRAM_SCHEMA', `${bound} is no exact whole number`, 'Use fixed() for fractions, a bigint beyond 2^53');
    }
  }
  return column('number', { type: 'int', ...range(scale(min, 0), scale(max, 0)), nullable });
}

/** A number with `fractionBits` binary places (16 unless told), rounded half to even by the holder. */
export function fixed(
  options: { readonly min: number; readonly max: number; readonly fractionBits?: number } & Nullable,
) {
  const { min, max, fractionBits = 16, nullable = false } = options;
  if (!Number.isInteger(fractionBits) || fractionBits < 0 || fractionBits > 40) {
    fail('PROGRAM_SCHEMA', 'fractionBits must be a whole number from 0 to 40');
  }
  const bounds = range(scale(min, fractionBits), scale(max, fractionBits));
  return column('number', { type: 'fixed', ...bounds, fractionBits, nullable });
}

export function bool(options: Nullable = {}) {
  return column('bool', { type: 'bool', nullable: options.nullable ?? false });
}

/** A calendar day; min and max are written YYYY-MM-DD. */
export function date(options: { readonly min: string; readonly max: string } & Nullable) {
  const bounds = range(days(options.min), days(options.max));
  return column('date', { type: 'date', ...bounds, nullable: options.nullable ?? false });
}

/** One of a public list of values; anything else counts as null. */
export function category<const V extends string>(
  values: readonly V[],
  options: Nullable = {},
): ColumnSpec<'category', V> {
  const copy: readonly V[] = Object.freeze([...values]);
  if (copy.length < 1 || copy.length > 4096) fail('PROGRAM_SCHEMA', 'a category needs 1 to 4096 values');
  if (copy.some((value) => typeof value !== 'string' || value.length > 256)) {
    fail('PROGRAM_SCHEMA', 'the values of a category are texts of at most 256 characters');
  }
  if (new Set(copy).size !== copy.length) fail('PROGRAM_SCHEMA', 'a value of the category is listed twice');
  return column('category', { type: 'category', values: [...copy], nullable: options.nullable ?? false }, copy);
}

/**
 * `maxRows` is public: the most rows that one holder may bring. `keys`: what its rows are matched by with those of other
 * holders, made of columns that need not be among `columns`.
 */
export function table<C extends ColumnSpecs, K extends string = never>(
  columns: C,
  options: { readonly maxRows: number; readonly keys?: { readonly [N in K]: KeySpec } },
): TableSpec<C, K> {
  const { maxRows, keys = {} } = options;
  if (!Number.isInteger(maxRows) || maxRows < 1 || maxRows > 2 ** 40) {
    fail('PROGRAM_SCHEMA', 'maxRows must be a whole number from 1 to 2^40');
  }
  for (const name of Object.keys(columns)) checkName(name, 'column');
  const types = Object.entries<KeySpec>(keys).map(([name, spec]) => {
    checkName(name, 'key');
    return [name, keyType(spec)];
  });
  return Object.freeze({ columns: Object.freeze({ ...columns }), maxRows, keys: Object.fromEntries(types) });
}
