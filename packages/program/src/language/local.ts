/** Local placement: plain values inside each holder of a role. Nothing here leaves the holder. @module */
import type { Attributes, ColumnType } from '@2pm/core';
import {
  type Arithmetic,
  arithmetic,
  BIT,
  type Comparison,
  comparison,
  constantBeside,
  interval,
  scaledBeside,
} from './arithmetic.ts';
import { KeyedRows } from './keyed-rows.ts';
import { days } from './number.ts';
import { fail } from './program-error.ts';
import type { ColumnSpec, ColumnSpecs, Kind } from './schema.ts';
import { type Bounds, describeOperand, type Ref, refOf, type Shape, sameTrace, Value } from './trace.ts';

/** What may be compared with a column. */
export type Literal<K extends Kind> = K extends 'number' ? number | bigint : K extends 'date' ? string : never;
type Numeric<Of extends string> = LocalColumn<'number', Of> | number | bigint;
type Bit<Of extends string> = LocalColumn<'bool', Of>;

let kindOf: (column: LocalColumn) => Kind;

/**
 * One value for each row of a table. Columns combine with columns of the same table only; `Of` names it as
 * `role.table`. A null makes the result null; conditions treat null as false, aggregates skip it.
 */
export class LocalColumn<K extends Kind = Kind, Of extends string = string, V extends string = string> extends Value {
  declare protected readonly of: Of;
  declare protected readonly values: V;
  declare protected readonly holds: K;
  readonly #kind: Kind;
  readonly #values: readonly string[];

  constructor(ref: Ref, kind: Kind, values: readonly string[] = []) {
    super(ref);
    this.#kind = kind;
    this.#values = values;
  }

  add(this: LocalColumn<'number', Of>, other: Numeric<Of>): LocalColumn<'number', Of> {
    return this.#arithmetic('add', other);
  }
  sub(this: LocalColumn<'number', Of>, other: Numeric<Of>): LocalColumn<'number', Of> {
    return this.#arithmetic('sub', other);
  }
  /** Fraction bits add up. */
  mul(this: LocalColumn<'number', Of>, other: Numeric<Of>): LocalColumn<'number', Of> {
    return this.#arithmetic('mul', other);
  }
  neg(this: LocalColumn<'number', Of>): LocalColumn<'number', Of> {
    const ref = this.#expect('number');
    return new LocalColumn(ref.trace.emit('neg/1', [ref], columnShape(ref, bits(ref)), interval.neg(ref)), 'number');
  }

  /** `other`: a column of the same kind, a number, a date as YYYY-MM-DD, or one of the category's values. */
  eq(this: LocalColumn<'category', Of, V>, other: NoInfer<V>): Bit<Of>;
  eq<L extends 'number' | 'date'>(this: LocalColumn<L, Of>, other: LocalColumn<L, Of> | Literal<L>): Bit<Of>;
  eq(other: unknown): Bit<Of> {
    return this.#compare('eq', other);
  }
  ne(this: LocalColumn<'category', Of, V>, other: NoInfer<V>): Bit<Of>;
  ne<L extends 'number' | 'date'>(this: LocalColumn<L, Of>, other: LocalColumn<L, Of> | Literal<L>): Bit<Of>;
  ne(other: unknown): Bit<Of> {
    return this.#compare('ne', other);
  }
  lt<L extends 'number' | 'date'>(this: LocalColumn<L, Of>, other: LocalColumn<L, Of> | Literal<L>): Bit<Of> {
    return this.#compare('lt', other);
  }
  le<L extends 'number' | 'date'>(this: LocalColumn<L, Of>, other: LocalColumn<L, Of> | Literal<L>): Bit<Of> {
    return this.#compare('le', other);
  }
  gt<L extends 'number' | 'date'>(this: LocalColumn<L, Of>, other: LocalColumn<L, Of> | Literal<L>): Bit<Of> {
    return this.#compare('gt', other);
  }
  ge<L extends 'number' | 'date'>(this: LocalColumn<L, Of>, other: LocalColumn<L, Of> | Literal<L>): Bit<Of> {
    return this.#compare('ge', other);
  }
  in(this: LocalColumn<'category', Of, V>, values: readonly NoInfer<V>[]): Bit<Of> {
    const ref = this.#expect('category');
    const categories = [...new Set(values)].map((value) => this.#known(value));
    if (categories.length === 0) fail('PROGRAM_CONSTANT', 'in() needs at least one value');
    return this.#bit(ref.trace.emit('in/1', [ref], bitShape(ref), BIT, { categories }));
  }

  and(this: Bit<Of>, other: Bit<Of>): Bit<Of> {
    return this.#logic('and', other);
  }
  or(this: Bit<Of>, other: Bit<Of>): Bit<Of> {
    return this.#logic('or', other);
  }
  not(this: Bit<Of>): Bit<Of> {
    const ref = this.#expect('bool');
    return this.#bit(ref.trace.emit('not/1', [ref], bitShape(ref), BIT));
  }
  /** True where the value is missing; never null itself. */
  isNull(): Bit<Of> {
    const ref = refOf(this);
    return this.#bit(ref.trace.emit('is-null/1', [ref], { ...bitShape(ref), nullable: false } as Shape, BIT));
  }

  /** Number of rows that have a value. */
  count(): LocalVector<RoleOf<Of>> {
    return aggregate('count/1', [refOf(this)], 1, 0, { lo: 0n, hi: BigInt(maxRows(refOf(this))) });
  }
  sum(this: LocalColumn<'number', Of>): LocalVector<RoleOf<Of>> {
    const ref = this.#expect('number');
    return aggregate('sum/1', [ref], 1, bits(ref), interval.sum(ref, maxRows(ref)));
  }
  /** Counts between ascending edges, as numpy.histogram: [e0, e1), …, and the last bin includes its upper edge. */
  histogram<L extends 'number' | 'date'>(
    this: LocalColumn<L, Of>,
    edges: readonly Literal<NoInfer<L>>[],
  ): LocalVector<RoleOf<Of>> {
    const ref = refOf(this);
    const scaled = [...edges].map((edge) => this.#literal(ref, edge));
    if (scaled.length < 2 || scaled.length > 4097) fail('PROGRAM_CONSTANT', 'a histogram needs 2 to 4097 edges');
    if (scaled.some((edge, i) => i > 0 && edge <= (scaled[i - 1] as bigint))) {
      fail('PROGRAM_CONSTANT', "the histogram's edges do not ascend at the column's scale");
    }
    const bounds = { lo: 0n, hi: BigInt(maxRows(ref)) };
    return aggregate('histogram/1', [ref], scaled.length - 1, 0, bounds, { edges: scaled.map(String) });
  }

  #bit(ref: Ref): Bit<Of> {
    return new LocalColumn(ref, 'bool');
  }
  #expect(kind: Kind): Ref {
    if (this.#kind !== kind) fail('PROGRAM_TYPE', `expected a ${kind} column, got a ${this.#kind} column`);
    return refOf(this);
  }
  #known(value: string): string {
    if (!this.#values.includes(value)) {
      fail('PROGRAM_CONSTANT', `"${String(value)}" is not among the declared values of the category`);
    }
    return value;
  }
  #literal(ref: Ref, value: unknown): bigint {
    if (this.#kind === 'date') return days(value as string);
    this.#expect('number');
    return scaledBeside(ref, value as number);
  }
  #arithmetic(op: Arithmetic, other: unknown): LocalColumn<'number', Of> {
    const ref = this.#expect('number');
    const beside = other instanceof Value ? sameTable(ref, other, 'number') : undefined;
    const operand = beside ?? constantBeside(ref, other as number, op === 'mul' ? 'factor' : 'term');
    return new LocalColumn(
      arithmetic(op, [ref, operand], (bits, args) => columnShape(ref, bits, args)),
      'number',
    );
  }
  #compare(op: Comparison, other: unknown): Bit<Of> {
    const ref = refOf(this);
    if (this.#kind === 'category' && (op === 'eq' || op === 'ne')) {
      if (typeof other !== 'string') fail('PROGRAM_TYPE', 'a category compares with one of its values, as text');
      return this.#bit(ref.trace.emit(`${op}/1`, [ref], bitShape(ref), BIT, { category: this.#known(other) }));
    }
    if (this.#kind !== 'number' && this.#kind !== 'date') {
      fail('PROGRAM_TYPE', `${op}() does not apply to a ${this.#kind} column`);
    }
    const operand =
      other instanceof Value
        ? sameTable(ref, other, this.#kind)
        : this.#kind === 'date'
          ? ref.trace.constant(days(other as string), 0)
          : constantBeside(ref, other as number, 'term');
    const shapeAt = (bits: number, args: readonly Ref[]) => columnShape(ref, bits, args);
    return this.#bit(comparison(op, [ref, operand], shapeAt, bitShape(ref, operand)));
  }
  #logic(op: 'and' | 'or', other: Bit<Of>): Bit<Of> {
    const ref = this.#expect('bool');
    const operand = sameTable(ref, other, 'bool');
    return this.#bit(ref.trace.emit(`${op}/1`, [ref, operand], bitShape(ref, operand), BIT));
  }

  static {
    kindOf = (column) => column.#kind;
  }
}

type RoleOf<Of extends string> = Of extends `${infer Role}.${string}` ? Role : string;

/** A fixed number of integers inside each holder of a role. */
export class LocalVector<Role extends string = string> extends Value {
  declare protected readonly role: Role;
}

/** Rows of a holder on their way into shares. See `LocalTable.rows`. */
export class LocalRows<Role extends string = string, C extends ColumnSpecs = ColumnSpecs> extends LocalVector<Role> {
  readonly #columns: C;
  readonly #capacity: number;

  constructor(ref: Ref, columns: C, capacity: number) {
    super(ref);
    this.#columns = columns;
    this.#capacity = capacity;
  }

  static columnsOf<C extends ColumnSpecs>(rows: LocalRows<string, C>): C {
    return rows.#columns;
  }
  static capacityOf(rows: LocalRows): number {
    return rows.#capacity;
  }
  static haveFractions(rows: LocalRows): boolean {
    return Object.values<ColumnSpec>(rows.#columns).some(({ type }) => type.type === 'fixed');
  }
}

export class LocalTableMethods<C extends ColumnSpecs, Of extends string, K extends string = string> extends Value {
  declare protected readonly of: Of;
  readonly #columns: C;

  constructor(ref: Ref, columns: C) {
    super(ref);
    this.#columns = columns;
  }

  /** A column by name; `table.delay` is short for `table.column('delay')`. */
  column<N extends keyof C & string>(name: N): ColumnOf<C[N], Of> {
    const spec = Object.hasOwn(this.#columns, name) ? this.#columns[name] : undefined;
    const ref = refOf(this);
    if (spec === undefined || ref.type.kind !== 'table') {
      fail('PROGRAM_NAME', `the table has no column "${String(name)}"`);
    }
    const { type } = spec;
    const shape: Shape = {
      kind: 'column',
      role: ref.type.role,
      of: ref.index,
      dtype: type.type === 'bool' || type.type === 'category' ? type.type : 'int',
      nullable: type.nullable,
      ...(type.type === 'category' ? { values: type.values } : {}),
      fractionBits: type.type === 'fixed' ? type.fractionBits : 0,
    };
    const column = ref.trace.emit('column/1', [ref], shape, boundsOf(type), { name });
    return new LocalColumn(column, spec.kind, spec.values) as ColumnOf<C[N], Of>;
  }

  /** The rows for which the condition is true. How many they are stays secret. */
  where(condition: LocalColumn<'bool', Of>): LocalTable<C, Of, K> {
    const ref = refOf(this);
    const bit = sameTable(ref, condition, 'bool');
    return localTable(ref.trace.emit('where/1', [ref, bit], ref.type), this.#columns);
  }

  /** Number of rows. */
  count(): LocalVector<RoleOf<Of>> {
    const ref = refOf(this);
    return aggregate('count/1', [ref], 1, 0, { lo: 0n, hi: BigInt(maxRows(ref)) });
  }

  /** One slot for each declared value of the category, in their order, whether it occurs or not. */
  groupBy<V extends string>(by: LocalColumn<'category', Of, V>): Groups<Of> {
    const ref = refOf(this);
    return new Groups(ref, sameTable(ref, by, 'category'));
  }

  /**
   * The rows by a key of the table, to be matched with those of other holders. `capacity`, the table's `maxRows` unless
   * told, is public. Rows that lack the key, or one of `columns`, do not take part. `duplicates`: what becomes of rows that
   * share a key; an error unless told.
   */
  by<N extends keyof C & string = never>(
    key: K,
    options: {
      readonly columns?: readonly N[];
      readonly capacity?: number;
      readonly duplicates?: 'error' | 'first' | 'drop';
    } = {},
  ): KeyedRows<RoleOf<Of>, Pick<C, N>> {
    const ref = refOf(this);
    const { columns = [], capacity = maxRows(ref), duplicates = 'error' } = options;
    const { type } = ref;
    if (type.kind !== 'table') fail('PROGRAM_PLACEMENT', 'expected a table');
    if (!Object.hasOwn(ref.trace.tables[type.table]?.keys ?? {}, key)) {
      fail(
        'PROGRAM_NAME',
        `the table has no key "${String(key)}"`,
        'Declare it: table({ … }, { maxRows, keys: { … } })',
      );
    }
    if (ref.trace.roles[type.role]?.max !== 1) {
      fail('PROGRAM_KEY', `role ${type.role} may have several members`, 'Rows are matched between roles of one member');
    }
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 2 ** 27) {
      fail('PROGRAM_CONSTANT', 'capacity must be a whole number from 1 to 2^27', 'Give by() a capacity');
    }
    if (!['error', 'first', 'drop'].includes(duplicates)) {
      fail('PROGRAM_CONSTANT', "duplicates is one of 'error', 'first' and 'drop'");
    }
    if (columns.length > 256 || new Set(columns).size !== columns.length) {
      fail('PROGRAM_CONSTANT', 'by() takes at most 256 columns, each once');
    }
    for (const name of columns) {
      if (!Object.hasOwn(this.#columns, name)) fail('PROGRAM_NAME', `the table has no column "${String(name)}"`);
    }
    const shape: Shape = { kind: 'keyed', role: type.role, table: type.table, key, length: capacity };
    const attrs = { key, columns: [...columns], capacity, duplicates };
    const brought = Object.fromEntries(columns.map((name) => [name, this.#columns[name]]));
    return new KeyedRows(ref.trace.emit('keyed/1', [ref], shape, undefined, attrs), brought as Pick<C, N>);
  }

  /**
   * The rows themselves, for `union`: `capacity` of them at most, the table's `maxRows` unless told, which is public. Rows
   * that lack one of `columns` are left out.
   */
  rows<N extends keyof C & string>(
    columns: readonly N[],
    options: { readonly capacity?: number } = {},
  ): LocalRows<RoleOf<Of>, Pick<C, N>> {
    const { capacity = maxRows(refOf(this)) } = options;
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 1_000_000) {
      fail('PROGRAM_CONSTANT', 'capacity must be a whole number from 1 to 1,000,000', 'Give rows() a capacity');
    }
    if (columns.length < 1 || columns.length > 256 || new Set(columns).size !== columns.length) {
      fail('PROGRAM_CONSTANT', 'rows() takes 1 to 256 columns, each once');
    }
    let bounds: Bounds = BIT;
    for (const name of columns) {
      const type = Object.hasOwn(this.#columns, name) ? this.#columns[name]?.type : undefined;
      if (type === undefined) fail('PROGRAM_NAME', `the table has no column "${String(name)}"`);
      bounds = interval.hull(bounds, boundsOf(type));
    }
    const attrs = { columns: [...columns], capacity };
    const length = capacity * (1 + columns.length);
    const rows = refOf(aggregate('rows/1', [refOf(this)], length, 0, bounds, attrs));
    const brought = Object.fromEntries(columns.map((name) => [name, this.#columns[name]]));
    return new LocalRows(rows, brought as Pick<C, N>, capacity);
  }
}

type ColumnOf<S, Of extends string> = S extends ColumnSpec<infer K, infer V> ? LocalColumn<K, Of, V> : never;

/** A holder's table: its columns by name, and what can be done with its rows. */
export type LocalTable<C extends ColumnSpecs, Of extends string, K extends string = string> = LocalTableMethods<
  C,
  Of,
  K
> & {
  readonly [N in Exclude<keyof C & string, keyof LocalTableMethods<C, Of, K>>]: ColumnOf<C[N], Of>;
};

export function localTable<C extends ColumnSpecs, Of extends string, K extends string>(
  ref: Ref,
  columns: C,
): LocalTable<C, Of, K> {
  const table = new LocalTableMethods<C, Of, K>(ref, columns);
  for (const name of Object.keys(columns)) {
    if (!(name in table)) Object.defineProperty(table, name, { get: () => table.column(name), enumerable: true });
  }
  return Object.freeze(table) as LocalTable<C, Of, K>;
}

/** A table split by the declared values of a category. */
export class Groups<Of extends string> {
  readonly #table: Ref;
  readonly #by: Ref;

  constructor(table: Ref, by: Ref) {
    this.#table = table;
    this.#by = by;
  }

  count(): LocalVector<RoleOf<Of>> {
    const bounds = { lo: 0n, hi: BigInt(maxRows(this.#table)) };
    return aggregate('count-by/1', [this.#by], categoriesOf(this.#by), 0, bounds);
  }

  sum(column: LocalColumn<'number', Of>): LocalVector<RoleOf<Of>> {
    const ref = sameTable(this.#table, column, 'number');
    const bounds = interval.sum(ref, maxRows(ref));
    return aggregate('sum-by/1', [ref, this.#by], categoriesOf(this.#by), bits(ref), bounds);
  }
}

export function maxRows(ref: Ref): number {
  const { type } = ref;
  const table = type.kind === 'column' ? ref.trace.ref(type.of).type : type;
  return (table.kind === 'table' ? ref.trace.tables[table.table]?.maxRows : undefined) ?? 0;
}

function categoriesOf(by: Ref): number {
  return (by.type.kind === 'column' ? by.type.values?.length : undefined) ?? 1;
}

export function boundsOf(type: ColumnType): Bounds {
  if (type.type === 'bool') return BIT;
  if (type.type === 'category') return { lo: 0n, hi: BigInt(type.values.length - 1) };
  return { lo: BigInt(type.min), hi: BigInt(type.max) };
}

function bits(ref: Ref): number {
  return ref.type.kind === 'column' ? ref.type.fractionBits : 0;
}

function columnShape(like: Ref, fractionBits: number, args: readonly Ref[] = [like]): Shape {
  const { type } = like;
  if (type.kind !== 'column') fail('PROGRAM_PLACEMENT', `expected a column, got ${type.kind}`);
  const nullable = args.some((arg) => arg.type.kind === 'column' && arg.type.nullable);
  return { kind: 'column', role: type.role, of: type.of, dtype: 'int', nullable, fractionBits };
}

function bitShape(...args: readonly [Ref, ...Ref[]]): Shape {
  return { ...columnShape(args[0], 0, args), dtype: 'bool' } as Shape;
}

/** A column operand of the table that `ref` is, or is a column of. */
function sameTable(ref: Ref, other: unknown, kind: Kind): Ref {
  if (!(other instanceof LocalColumn)) {
    fail('PROGRAM_PLACEMENT', `expected a column of the same table, got ${describeOperand(other)}`);
  }
  const operand = refOf(other);
  sameTrace(ref, operand);
  const [mine, its] = [ref.type, operand.type];
  if ((mine.kind !== 'table' && mine.kind !== 'column') || its.kind !== 'column') {
    fail('PROGRAM_PLACEMENT', `expected a column of the same table, got ${describeOperand(other)}`);
  }
  if (mine.role !== its.role) fail('PROGRAM_ROLE', `a column of ${its.role} does not exist at ${mine.role}`);
  if (its.of !== (mine.kind === 'table' ? ref.index : mine.of)) {
    fail(
      'PROGRAM_TABLE',
      'the columns belong to different tables',
      'After where(), take the columns from the filtered table',
    );
  }
  if (kindOf(other) !== kind) fail('PROGRAM_TYPE', `expected a ${kind} column, got a ${kindOf(other)} column`);
  return operand;
}

type Aggregate = 'count/1' | 'sum/1' | 'histogram/1' | 'count-by/1' | 'sum-by/1' | 'rows/1';

function aggregate<Role extends string>(
  op: Aggregate,
  args: readonly [Ref, ...Ref[]],
  length: number,
  fractionBits: number,
  bounds: Bounds,
  attrs?: Attributes,
): LocalVector<Role> {
  const { type } = args[0];
  const role = type.kind === 'table' || type.kind === 'column' ? type.role : '';
  const shape: Shape = { kind: 'local', role, length, fractionBits };
  return new LocalVector(args[0].trace.emit(op, args, shape, bounds, attrs));
}
