/**
 * Shared rows: columns and a validity bit, slot by slot, secret all of them; only the number of slots is public. Rows of
 * several holders one below the other (`union`), or side by side where they belong together (`join`, match.ts).
 *
 * What single rows hold never opens unless a policy grants `rows`: sorted columns and the largest rows are that. Sums and
 * counts over slots, quantiles and groups rest on many rows, and are withheld where these are too few.
 * @module
 */
import { BIT, bitsOf, interval } from './arithmetic.ts';
import { SharedGroups } from './groups.ts';
import { boundsOf, LocalRows } from './local.ts';
import { rescaled, scaled } from './numeric.ts';
import { fail } from './program-error.ts';
import type { ColumnSpec, ColumnSpecs, Kind } from './schema.ts';
import { type Each, SharedVector } from './shared.ts';
import { describeOperand, type Ref, refOf, type Shape, sameTrace, Value } from './trace.ts';

export type SharedKindOf<K extends Kind> = K extends 'bool' ? 'bool' : 'int';
/** A column by name, or a number computed for each slot. */
export type Of<C extends ColumnSpecs> = (keyof C & string) | SharedVector<'int'>;
export type Brought = { readonly [name: string]: { role: string; name: string; spec: ColumnSpec } };

export interface Order {
  /** Whether the largest come first: of all keys, or of each. */
  readonly descending?: boolean | readonly boolean[];
}

export class SharedRows<C extends ColumnSpecs = ColumnSpecs> extends Value {
  declare protected readonly columns: C;
  readonly #brought: Brought;

  constructor(ref: Ref, brought: Brought) {
    super(ref);
    this.#brought = brought;
  }

  /** Public: number of slots. */
  get length(): number {
    return slotsOf(refOf(this));
  }

  /** Whether a slot holds a row. */
  get valid(): SharedVector<'bool'> {
    return validOf(refOf(this));
  }

  /** Number of rows. */
  count(): SharedVector<'int'> {
    return this.valid.sum();
  }

  /** Slot by slot: 0 where there is no row. A category is its place in the declared list, a date days since 1970. */
  column<N extends keyof C & string>(name: N): SharedVector<SharedKindOf<C[N]['kind']>> {
    const { role, name: own, spec } = this.#find(name);
    const ref = refOf(this);
    const { type } = spec;
    const shape: Shape = {
      kind: 'shared',
      length: slotsOf(ref),
      dtype: type.type === 'bool' ? 'bool' : 'int',
      fractionBits: type.type === 'fixed' ? type.fractionBits : 0,
    };
    const bounds = interval.hull(boundsOf(type), { lo: 0n, hi: 0n });
    return new SharedVector(ref.trace.emit('joined-column/1', [ref], shape, bounds, { role, name: own }));
  }

  /** The rows for which the condition is true. How many they are stays secret. */
  where(condition: SharedVector<'bool'>): this {
    const ref = refOf(this);
    return this.like(ref.trace.emit('keep/1', [ref, this.#aligned(condition, 'bool')], ref.type));
  }

  /** The rows in which a category has this value. */
  whereIs<N extends keyof C & string>(name: N, value: C[N] extends ColumnSpec<'category', infer V> ? V : never): this {
    const { type } = this.#find(name).spec;
    const place = type.type === 'category' ? type.values.indexOf(value) : -1;
    if (place < 0) fail('PROGRAM_TYPE', `"${String(value)}" is no declared value of ${name}`);
    return this.where((this.column(name) as unknown as SharedVector<'int'>).eq(place));
  }

  /** Of a column over all rows. */
  sum(of: Of<C>): SharedVector<'int'> {
    if (of instanceof SharedVector) return this.#within(of).sum();
    return (this.column(of) as SharedVector<'int'>).sum();
  }

  /** By a key, or by several, the first above all; equal rows keep their order. 7 rounds for each two bits of the keys. */
  sortBy(keys: Of<C> | readonly Of<C>[], { descending = false }: Order = {}): this {
    const ref = refOf(this);
    const refs = this.#keys(keys);
    const attrs = { descending: directions(descending, refs.length) };
    return this.like(ref.trace.emit('sort/1', [ref, ...refs], ref.type, undefined, attrs));
  }

  /** The first slots. */
  head(length: number): this {
    const ref = refOf(this);
    if (!Number.isInteger(length) || length < 1 || length > this.length) {
      fail('PROGRAM_LENGTH', `there are ${this.length} slots, ${String(length)} cannot be taken`);
    }
    if (length === this.length) return this;
    return this.like(ref.trace.emit('head/1', [ref], { ...ref.type, length } as Shape, undefined, { length }));
  }

  /** The rows with the largest keys, the largest first. */
  nlargest(count: number, keys: Of<C> | readonly Of<C>[]): this {
    return this.sortBy(keys, { descending: true }).head(count);
  }
  nsmallest(count: number, keys: Of<C> | readonly Of<C>[]): this {
    return this.sortBy(keys).head(count);
  }

  /**
   * The rows moved to the front, of which `capacity` stay: what follows costs less. Nobody learns how many there are. Those
   * that did not fit are as many as the two `count()`s differ by.
   */
  compact({ capacity }: { readonly capacity: number }): this {
    return this.sortBy([]).head(capacity);
  }

  /** For each row its place in the order of the keys, from 1; equal rows in the order of their slots. */
  rank(keys: Of<C> | readonly Of<C>[], { descending = false }: Order = {}): SharedVector<'int'> {
    const ref = refOf(this);
    const refs = this.#keys(keys);
    if (refs.length === 0) fail('PROGRAM_LENGTH', 'rank() needs a key');
    const shape: Shape = { kind: 'shared', length: this.length, dtype: 'int', fractionBits: 0 };
    const attrs = { descending: directions(descending, refs.length) };
    const places = ref.trace.emit('rank/1', [ref, ...refs], shape, { lo: 0n, hi: BigInt(this.length - 1) }, attrs);
    return new SharedVector<'int'>(places).add(1);
  }

  /**
   * As `numpy.quantile` with its default method: between two rows in proportion. For several shares one entry each. Exact
   * where a share is a multiple of a power of 1/2, else to 2^-16. It is withheld unless below, above and between the shares
   * lie `minGroupSize` rows each: a median of fewer than twice as many.
   */
  quantile(of: Of<C>, shares: number | readonly number[]): SharedVector<'int'> {
    const ref = refOf(this);
    const x = this.#numbers(of);
    const { numerators, denominator } = fractions(typeof shares === 'number' ? [shares] : shares);
    const times = BigInt(denominator);
    const { lo, hi } = interval.hull(x, { lo: 0n, hi: 0n });
    const shape: Shape = { kind: 'shared', length: numerators.length, dtype: 'int', fractionBits: bitsOf(x) };
    const bounds = { lo: lo * times, hi: hi * times };
    const exact = ref.trace.emit('quantile/1', [ref, x], shape, bounds, { numerators, denominator });
    const halvings = Math.log2(denominator);
    if (Number.isInteger(halvings)) {
      const part = ref.trace.constant(1n, halvings);
      const scale = { ...shape, fractionBits: bitsOf(x) + halvings } as Shape;
      return new SharedVector(ref.trace.emit('mul/1', [exact, part], scale, bounds));
    }
    return new SharedVector(rescaled(scaled(exact, 1 / denominator), Math.max(16, bitsOf(x))));
  }
  median(of: Of<C>): SharedVector<'int'> {
    return this.quantile(of, 0.5);
  }

  /** The largest groups of rows that agree in a key; which values the key has need not be known. About three sorts. */
  groupBy(key: Of<C>, { maxGroups }: { readonly maxGroups: number }): SharedGroups<Of<C>> {
    if (!Number.isInteger(maxGroups) || maxGroups < 1 || maxGroups > this.length) {
      fail('PROGRAM_LENGTH', `maxGroups must be a whole number from 1 to the ${this.length} slots`);
    }
    return new SharedGroups(refOf(this), this.#numbers(key), maxGroups, (of) => this.#numbers(of));
  }

  /** Such rows over another node. */
  protected like(ref: Ref): this {
    return new SharedRows<C>(ref, this.#brought) as this;
  }

  #find(name: string): Brought[string] {
    const found = Object.hasOwn(this.#brought, name) ? this.#brought[name] : undefined;
    if (found === undefined) {
      const names = Object.keys(this.#brought).join(', ');
      fail('PROGRAM_NAME', `the rows have no column "${String(name)}"`, `They have ${names || 'none'}`);
    }
    return found;
  }
  #keys(keys: Of<C> | readonly Of<C>[]): Ref[] {
    const list = typeof keys === 'string' || keys instanceof SharedVector ? [keys] : keys;
    if (!Array.isArray(list) || list.length > 8) fail('PROGRAM_LENGTH', 'expected at most 8 keys');
    return list.map((key) => this.#numbers(key));
  }
  #numbers(of: Of<C>): Ref {
    if (of instanceof SharedVector) return this.#aligned(of, 'int');
    const column: SharedVector = this.column(of);
    const { type } = refOf(column);
    const isBit = type.kind === 'shared' && type.dtype === 'bool';
    return refOf(isBit ? (column as SharedVector<'bool'>).toInt() : column);
  }
  /** Where a slot holds no row, 0. */
  #within(x: SharedVector<'int'>): SharedVector<'int'> {
    this.#aligned(x, 'int');
    return x.mul(this.valid.toInt());
  }
  #aligned(value: unknown, dtype: 'int' | 'bool'): Ref {
    const what = dtype === 'bool' ? 'a shared bool value' : 'a column by name, or a shared number for each slot';
    if (!(value instanceof SharedVector)) {
      fail('PROGRAM_PLACEMENT', `expected ${what}, got ${describeOperand(value)}`);
    }
    const ref = refOf(value);
    sameTrace(refOf(this), ref);
    const { type } = ref;
    if (type.kind !== 'shared' || type.dtype !== dtype) {
      fail('PROGRAM_TYPE', `expected ${what}, got ${describeOperand(value)}`);
    }
    if (type.length !== this.length || type.stacked !== undefined) {
      fail('PROGRAM_LENGTH', 'the value does not belong to the slots of these rows');
    }
    return ref;
  }
}

/** Whether each slot of rows holds one. */
export function validOf(ref: Ref): SharedVector<'bool'> {
  const shape: Shape = { kind: 'shared', length: slotsOf(ref), dtype: 'bool', fractionBits: 0 };
  return new SharedVector(ref.trace.emit('matched/1', [ref], shape, BIT));
}

function slotsOf({ type }: Ref): number {
  return 'length' in type ? type.length : 1;
}

type Rows = Each<LocalRows>;
type ColumnsOf<E> = E extends Each<LocalRows<string, infer C>> ? C : never;

/** The rows of all members of a role one below the other, shared: nobody learns them, nor whose they are. */
export function union<E extends Rows>(each: E): SharedRows<ColumnsOf<E>> {
  const rows = each?.values;
  if (!(rows instanceof LocalRows)) {
    const fix = "Write each(role, (tables) => tables.people.rows(['age'], { capacity: 1000 }))";
    fail('PROGRAM_PLACEMENT', `expected rows, got ${describeOperand(rows)}`, fix);
  }
  const ref = refOf(rows);
  const role = ref.type.kind === 'local' ? ref.type.role : '';
  const columns: ColumnSpecs = LocalRows.columnsOf(rows);
  const length = LocalRows.capacityOf(rows) * (ref.trace.roles[role]?.max ?? 1);
  if (length > 2 ** 24) fail('PROGRAM_LENGTH', `${length} slots are more than 2^24`, 'Give rows() a smaller capacity');
  const brought = Object.entries(columns).map(([name, spec]) => [name, { role, name, spec }]);
  const shape: Shape = { kind: 'joined', roles: [role], length };
  return new SharedRows(ref.trace.emit('union/1', [ref], shape), Object.fromEntries(brought));
}

function directions(descending: boolean | readonly boolean[], keys: number): boolean[] {
  if (typeof descending === 'boolean') return new Array<boolean>(keys).fill(descending);
  if (!Array.isArray(descending) || descending.length !== keys || descending.some((one) => typeof one !== 'boolean')) {
    fail('PROGRAM_CONSTANT', `descending must be true, false, or one of these for each of ${keys} keys`);
  }
  return [...descending];
}

const MOST_DENOMINATOR = 10_000;

/** Shares from 0 to 1 as fractions of one denominator. */
function fractions(shares: readonly number[]): { numerators: number[]; denominator: number } {
  const fine = Array.isArray(shares) && shares.length > 0 && shares.length <= 64;
  if (!fine || shares.some((p, i) => !(p >= 0 && p <= 1) || (i > 0 && p <= (shares[i - 1] as number)))) {
    fail(
      'PROGRAM_CONSTANT',
      'quantile() takes shares from 0 to 1 in ascending order',
      'Write 0.5 or [0.25, 0.5, 0.75]',
    );
  }
  for (let denominator = 1; denominator <= MOST_DENOMINATOR; denominator++) {
    const numerators = shares.map((p) => Math.round(p * denominator));
    if (numerators.every((one, i) => Math.abs(one - (shares[i] as number) * denominator) < 1e-9)) {
      return { numerators, denominator };
    }
  }
  fail('PROGRAM_CONSTANT', `the shares are no fractions of 1 to ${MOST_DENOMINATOR}`, 'Round them to four digits');
}
