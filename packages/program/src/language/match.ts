/**
 * Rows of several holders that belong together. `join` leaves them secret-shared: nobody learns who matched, and what is
 * revealed is computed from all matches together. `psi` tells a holder which of its own rows are with the others.
 * @module
 */
import type { KeyType } from '@2pm/core';
import { KeyedRows } from './keyed-rows.ts';
import { checkName } from './name.ts';
import { fail } from './program-error.ts';
import { type SharedKindOf, SharedRows } from './rows.ts';
import type { ColumnSpec, ColumnSpecs } from './schema.ts';
import type { Each, SharedVector } from './shared.ts';
import { type Ref, refOf, type Shape, sameTrace } from './trace.ts';

type Side = Each<KeyedRows>;
type RowsOf<S> = S extends Each<infer R> ? R : never;
type RoleOf<R> = R extends KeyedRows<infer Role, ColumnSpecs> ? Role : never;
type Brought<S extends readonly Side[]> = {
  readonly [I in keyof S as I extends `${number}` ? RoleOf<RowsOf<S[I]>> : never]: RowsOf<S[I]> extends KeyedRows<
    string,
    infer C
  >
    ? C
    : never;
};
type BroughtColumns = { readonly [role: string]: ColumnSpecs };
type Flat<B extends BroughtColumns> = {
  readonly [K in { [R in keyof B & string]: `${R}.${keyof B[R] & string}` }[keyof B &
    string]]: K extends `${infer R}.${infer N}` ? (B[R][N] extends ColumnSpec ? B[R][N] : never) : never;
};

/**
 * Slots with the matches of a join in some of them; columns are named `role.name`. As many as the least of the joined
 * capacities, in an order that nobody knows; matched in a circuit, 1.3 times the first and at least 651.
 */
export class Joined<B extends BroughtColumns = BroughtColumns> extends SharedRows<Flat<B>> {
  readonly #columns: B;

  constructor(ref: Ref, columns: B) {
    const brought = Object.entries(columns).flatMap(([role, specs]) =>
      Object.entries(specs).map(([name, spec]) => [`${role}.${name}`, { role, name, spec }]),
    );
    super(ref, Object.fromEntries(brought));
    this.#columns = columns;
  }

  /** Whether a slot holds a match. */
  get matched(): SharedVector<'bool'> {
    return this.valid;
  }

  /** A column that `role` brought, slot by slot: 0 where there is no match. A category is its place in the declared list. */
  override column<R extends keyof B & string, N extends keyof B[R] & string>(
    role: R,
    name: N,
  ): SharedVector<SharedKindOf<B[R][N]['kind']>>;
  override column<N extends keyof Flat<B> & string>(name: N): SharedVector<SharedKindOf<Flat<B>[N]['kind']>>;
  override column(...path: readonly string[]): SharedVector<never> {
    return super.column(path.join('.') as never) as SharedVector<never>;
  }

  /** The matches in which a category that `role` brought has this value. */
  override whereIs<R extends keyof B & string, N extends keyof B[R] & string>(
    role: R,
    name: N,
    value: B[R][N] extends ColumnSpec<'category', infer V> ? V : never,
  ): this;
  override whereIs<N extends keyof Flat<B> & string>(
    name: N,
    value: Flat<B>[N] extends ColumnSpec<'category', infer V> ? V : never,
  ): this;
  override whereIs(...path: readonly string[]): this {
    return super.whereIs(path.slice(0, -1).join('.') as never, path.at(-1) as never);
  }

  protected override like(ref: Ref): this {
    return new Joined(ref, this.#columns) as this;
  }
}

export interface JoinOptions {
  /** Nobody learns how many rows match, and no computing party is needed that brings none. Keys of one pass. */
  readonly matching?: 'circuit';
  /**
   * In a circuit: the rows of the first side that are in so many of the sets, its own included; in all of them unless told.
   * Then the first side alone brings columns.
   */
  readonly atLeast?: number;
}

/**
 * One slot for each match across all sides, 2 to 8 of them. With rep3-semi-honest/1 a computing party that brings no rows puts
 * them together: it sees keyed, shuffled tags, and so how many matched, and nothing of whom. The other protocols compare tags on
 * shares, of keys of one pass, and nobody sees anything. With `matching: 'circuit'` nobody does with any protocol,
 * and the sides themselves may compute: the first one leads, which rows of it match is found out on shares.
 */
export function join<const S extends readonly [Side, Side, ...Side[]]>(...sides: S): Joined<Brought<S>>;
export function join<const S extends readonly [Side, Side, ...Side[]]>(
  ...sides: [...sides: S, options: JoinOptions]
): Joined<Brought<S>>;
export function join(...given: readonly unknown[]): Joined {
  const last = given.at(-1) as Partial<Side> | undefined;
  const told = typeof last === 'object' && last !== null && last.values === undefined;
  const { matching: way, atLeast } = (told ? last : {}) as JoinOptions;
  const rows = matching((told ? given.slice(0, -1) : given) as readonly Side[], 8);
  const refs = rows.map(refOf);
  const { trace } = refs[0] as Ref;
  if (way !== undefined && way !== 'circuit') fail('PROGRAM_CONSTANT', "matching is 'circuit', or left out");
  const enough = thresholdOf(atLeast, refs.length);
  if (atLeast !== undefined && way === undefined) {
    fail('PROGRAM_KEY', 'how many sets a row is in is counted in a circuit alone', "Add matching: 'circuit'");
  }
  if (way === 'circuit')
    expectOnePass(refs, 'join() in a circuit takes keys of one pass', "Leave matching: 'circuit' away");
  if (enough !== undefined && rows.slice(1).some((one) => Object.keys(KeyedRows.columnsOf(one)).length > 0)) {
    const fix = 'Bring columns of the first side alone, or leave atLeast away';
    fail('PROGRAM_KEY', 'with atLeast a row need not be in the other sets, so they bring no columns', fix);
  }
  const attrs = {
    ...(way === undefined ? {} : { matching: way }),
    ...(enough === undefined ? {} : { atLeast: enough }),
  };
  const columns = Object.fromEntries(rows.map((one) => [roleOf(refOf(one)), KeyedRows.columnsOf(one)]));
  const length = way === undefined ? Math.min(...refs.map(lengthOf)) : binsOf(lengthOf(refs[0] as Ref));
  const shape: Shape = { kind: 'joined', roles: refs.map(roleOf), length };
  const joined = trace.emit('join/1', refs, shape, undefined, attrs);
  const taken = trace.nodes.some(
    ({ op, args, attrs: how }, index) =>
      op === 'join/1' &&
      how.matching === undefined &&
      index !== joined.index &&
      args.some((arg) => refs.some((ref) => ref.index === arg)),
  );
  if (way === undefined && taken) {
    fail(
      'PROGRAM_KEY',
      'these rows are in another join already',
      'Join all sides at once, or give by() another capacity',
    );
  }
  return new Joined(joined, columns);
}

/** As core's `cuckooBins` has it. */
function binsOf(capacity: number): number {
  const n = Math.max(capacity, 512);
  let log = 0;
  while (2 ** log < n) log++;
  return Math.ceil((n * (296 + log)) / 240);
}

/** undefined where all sets are meant. */
function thresholdOf(atLeast: number | undefined, sets: number): number | undefined {
  if (atLeast !== undefined && (!Number.isInteger(atLeast) || atLeast < 2 || atLeast > sets)) {
    fail('PROGRAM_CONSTANT', `atLeast must be a whole number from 2 to the ${sets} sets`);
  }
  return atLeast === sets ? undefined : atLeast;
}

function expectOnePass(refs: readonly Ref[], problem: string, fix: string): void {
  for (const { trace, type } of refs) {
    if (type.kind === 'keyed' && (trace.tables[type.table]?.keys?.[type.key]?.length ?? 0) > 1) {
      fail('PROGRAM_KEY', problem, fix);
    }
  }
}

export interface PsiOptions<Role extends string> {
  /** The holder, or the holders, that learn which of their own rows are in the intersection. */
  readonly to: Role | readonly Role[];
  /** Under which name the rows are kept on the holder's node: `intersection` unless told. */
  readonly name?: string;
  /**
   * In how many of the sets a row must be, the holder's own included; in all of them unless told. With fewer the computing
   * parties count, and learn nothing of it.
   */
  readonly atLeast?: number;
  /** Of two sides: the holder also gets, for the rows in the intersection, the columns that the other side brings. */
  readonly deliver?: boolean;
}

/**
 * Private set intersection of 2 to 16 sides. Only the named holders learn it; nothing of it leaves their nodes. With `deliver`
 * they also learn columns of the other side, for the rows in the intersection and no others.
 */
export function psi<const S extends readonly [Side, Side, ...Side[]]>(
  ...sides: [...sides: S, options: PsiOptions<RoleOf<RowsOf<S[number]>>>]
): void {
  const { to, name = 'intersection', deliver = false, atLeast } = sides.at(-1) as unknown as PsiOptions<string>;
  const rows = matching(sides.slice(0, -1) as unknown as readonly Side[], 16);
  const refs = rows.map(refOf);
  const { trace } = refs[0] as Ref;
  expectOnePass(refs, 'psi() takes keys of one pass', 'Use join(), or one psi() for each pass');
  const enough = thresholdOf(atLeast, refs.length);
  checkName(name, 'intersection');
  const receivers = typeof to === 'string' ? [to] : to;
  for (const role of receivers) {
    if (!refs.some((ref) => roleOf(ref) === role)) fail('PROGRAM_ROLE', `"${String(role)}" brings no rows`);
    const others = rows.filter((_, side) => roleOf(refs[side] as Ref) !== role);
    if (deliver) expectColumns(others);
    const each = receivers.length === 1 ? name : `${name}_${role}`;
    if (trace.revealed.has(each)) fail('PROGRAM_NAME', `something is revealed as "${each}" already`);
    trace.revealed.add(each);
    const attrs = {
      ...{ name: each, to: role },
      ...(deliver ? { deliver } : {}),
      ...(enough === undefined ? {} : { atLeast: enough }),
    };
    trace.emit('intersect/1', refs, { kind: 'held', role }, undefined, attrs);
  }
}

/** Of those whose columns are to be delivered to one holder. */
function expectColumns(others: readonly KeyedRows[]): void {
  if (others.length > 1) fail('PROGRAM_KEY', 'columns are delivered between two sides', 'Use one psi() for each pair');
  const [other] = others;
  if (other === undefined || Object.keys(KeyedRows.columnsOf(other)).length > 0) return;
  fail('PROGRAM_KEY', 'the other side brings no column to deliver', "Write by(key, { columns: ['name'] })");
}

function matching(sides: readonly Side[], most: number): KeyedRows[] {
  if (sides.length < 2 || sides.length > most) fail('PROGRAM_KEY', `2 to ${most} sides can be matched`);
  const rows = sides.map((side) => {
    const value = side?.values;
    if (!(value instanceof KeyedRows)) {
      fail('PROGRAM_PLACEMENT', 'expected rows with a key', 'Write each(role, (tables) => tables.people.by(key))');
    }
    return value;
  });
  const refs = rows.map(refOf);
  for (const ref of refs) sameTrace(refs[0] as Ref, ref);
  if (new Set(refs.map(roleOf)).size !== refs.length) fail('PROGRAM_KEY', 'a role comes twice');
  const rules = refs.map(({ trace, type }) => {
    const key = type.kind === 'keyed' ? trace.tables[type.table]?.keys?.[type.key] : undefined;
    return JSON.stringify((key as KeyType).map((pass) => pass.map(({ rule }) => rule)));
  });
  if (new Set(rules).size !== 1) {
    fail('PROGRAM_KEY', `the keys are made by different rules: ${rules.join(' and ')}`, 'Declare them alike');
  }
  return rows;
}

function roleOf({ type }: Ref): string {
  return type.kind === 'keyed' ? type.role : '';
}

function lengthOf({ type }: Ref): number {
  return 'length' in type ? type.length : 1;
}
