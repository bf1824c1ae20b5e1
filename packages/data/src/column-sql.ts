/**
 * Columns as SQL. A source column enters as an integer: clamped to its declared bounds, `fixed` rounded half to even to
 * its fraction bits, a date as days since 1970-01-01, a category as the index of its declared value (null when there is
 * none), NaN and infinite dates as null. From there on there are only integers, truth values and nulls, and every
 * expression carries its interval, so that 64 or 128 bits are chosen before anything can overflow.
 * @module
 */
import type { ColumnType, PhysicalType, PlanNode } from '@2pm/core';
import { malformed } from './lineage.ts';
import { identifier, integer, literal } from './sql.ts';

export interface Term {
  sql: string;
  /** Bounds of the integer; of a truth value 0 and 1. */
  lo: bigint;
  hi: bigint;
  fractionBits: number;
  /** Declared values, of a category. */
  values?: readonly string[];
  bool: boolean;
}

const INT64 = 2n ** 63n;
/** Leaves a bit of HUGEINT for the one operation that may follow before the interval is looked at again. */
const LIMIT = 2n ** 126n;

const fits64 = (...bounds: bigint[]) => bounds.every((bound) => bound >= -INT64 && bound < INT64);
const sqlType = (...bounds: bigint[]) => (fits64(...bounds) ? 'BIGINT' : 'HUGEINT');

/** The value of a source column under its logical type. */
export function sourceTerm(source: string, physical: PhysicalType, type: ColumnType): Term {
  const column = identifier(source);
  switch (type.type) {
    case 'bool':
      return { sql: column, lo: 0n, hi: 1n, fractionBits: 0, bool: true };
    case 'category': {
      const values = type.values.map(literal).join(', ');
      const code = `CAST(enum_code(TRY_CAST(CAST(${column} AS VARCHAR) AS ENUM(${values}))) AS BIGINT)`;
      const hi = BigInt(type.values.length - 1);
      return { sql: code, lo: 0n, hi, fractionBits: 0, values: type.values, bool: false };
    }
    case 'date': {
      const day = `CAST(${column} AS DATE)`;
      const days = `CASE WHEN isfinite(${day}) THEN CAST(${day} - DATE '1970-01-01' AS BIGINT) END`;
      return clamped(days, type, 0);
    }
    case 'int':
      return clamped(column, type, 0);
    case 'fixed': {
      const scale = 2n ** BigInt(type.fractionBits);
      if (physical === 'integer') {
        return clamped(`(CAST(${column} AS HUGEINT) * CAST(${scale} AS HUGEINT))`, type, type.fractionBits);
      }
      // The product with a power of two is exact; the cast rounds half to even.
      const scaled = `(CAST(${column} AS DOUBLE) * CAST(${scale} AS DOUBLE))`;
      const [wide, edge] = fits64(BigInt(type.min), BigInt(type.max)) ? ['BIGINT', INT64] : ['HUGEINT', LIMIT];
      const rounded =
        `CASE WHEN isnan(${scaled}) THEN NULL ` +
        `WHEN ${scaled} >= CAST('${edge}' AS DOUBLE) THEN CAST('${type.max}' AS ${wide}) ` +
        `WHEN ${scaled} < CAST('${-edge}' AS DOUBLE) THEN CAST('${type.min}' AS ${wide}) ` +
        `ELSE TRY_CAST(${scaled} AS ${wide}) END`;
      return clamped(rounded, type, type.fractionBits);
    }
  }
}

/** CASE and not least/greatest, which would turn a null into a bound. */
function clamped(sql: string, type: { min: string; max: string }, fractionBits: number): Term {
  const [lo, hi] = [BigInt(type.min), BigInt(type.max)];
  const value = `CASE WHEN ${sql} < ${integer(lo)} THEN ${integer(lo)} WHEN ${sql} > ${integer(hi)} THEN ${integer(hi)} ELSE ${sql} END`;
  return { sql: `CAST(${value} AS ${sqlType(lo, hi)})`, lo, hi, fractionBits, bool: false };
}

export function constantTerm(node: PlanNode): Term {
  if (node.type.kind !== 'constant') throw malformed(node, 'it is no constant');
  const value = BigInt(node.type.value);
  if (value <= -LIMIT || value >= LIMIT) throw malformed(node, 'the constant is too large');
  return { sql: integer(value), lo: value, hi: value, fractionBits: node.type.fractionBits, bool: false };
}

const TRUTH = { lo: 0n, hi: 1n, fractionBits: 0, bool: true } as const;
const COMPARE = { 'eq/1': '=', 'ne/1': '<>', 'lt/1': '<', 'le/1': '<=', 'gt/1': '>', 'ge/1': '>=' } as const;

/** One local operation on terms. @throws {NodeError} `DATA_PLAN_MALFORMED`. */
export function columnTerm(node: PlanNode, args: readonly Term[]): Term {
  const [a, b] = args;
  if (a === undefined || args.length > 2) throw malformed(node, 'wrong number of arguments');
  switch (node.op) {
    case 'add/1':
    case 'sub/1': {
      const [x, y] = aligned(node, a, b);
      const [lo, hi] = node.op === 'add/1' ? [x.lo + y.lo, x.hi + y.hi] : [x.lo - y.hi, x.hi - y.lo];
      return binary(node, node.op === 'add/1' ? '+' : '-', x, y, lo, hi, x.fractionBits);
    }
    case 'mul/1': {
      const [x, y] = numbers(node, a, b);
      const corners = [x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi];
      const [lo, hi] = [corners.reduce(min), corners.reduce(max)];
      return binary(node, '*', x, y, lo, hi, x.fractionBits + y.fractionBits);
    }
    case 'neg/1': {
      if (b !== undefined) throw malformed(node, 'wrong number of arguments');
      number(node, a);
      return bounded(node, `(-CAST(${a.sql} AS HUGEINT))`, -a.hi, -a.lo, a.fractionBits);
    }
    case 'eq/1':
    case 'ne/1': {
      if (node.attrs.category === undefined) return comparison(node, a, b);
      if (b !== undefined) throw malformed(node, 'wrong number of arguments');
      return { ...TRUTH, sql: `(${a.sql} ${COMPARE[node.op]} ${codeOf(node, a, node.attrs.category)})` };
    }
    case 'lt/1':
    case 'le/1':
    case 'gt/1':
    case 'ge/1':
      return comparison(node, a, b);
    case 'in/1': {
      const codes = node.attrs.categories?.map((category) => codeOf(node, a, category));
      if (codes === undefined || codes.length === 0 || b !== undefined) throw malformed(node, 'it names no values');
      return { ...TRUTH, sql: `(${a.sql} IN (${codes.join(', ')}))` };
    }
    case 'and/1':
    case 'or/1':
      if (b === undefined || !a.bool || !b.bool) throw malformed(node, 'it takes two truth values');
      return { ...TRUTH, sql: `(${a.sql} ${node.op === 'and/1' ? 'AND' : 'OR'} ${b.sql})` };
    case 'not/1':
      if (b !== undefined || !a.bool) throw malformed(node, 'it takes one truth value');
      return { ...TRUTH, sql: `(NOT ${a.sql})` };
    case 'is-null/1':
      if (b !== undefined) throw malformed(node, 'wrong number of arguments');
      return { ...TRUTH, sql: `(${a.sql} IS NULL)` };
    default:
      throw malformed(node, 'it is no operation on columns');
  }
}

/** Index of the bin of `numpy.histogram`: [e0, e1) … [e(k-1), ek]; null outside. A balanced tree of comparisons. */
export function binSql(value: string, edges: readonly bigint[]): string {
  const tree = (from: number, to: number): string => {
    if (to - from === 1) return String(from);
    const middle = (from + to) >> 1;
    const edge = integer(edges[middle] as bigint);
    return `CASE WHEN ${value} < ${edge} THEN ${tree(from, middle)} ELSE ${tree(middle, to)} END`;
  };
  const [first, last] = [integer(edges[0] as bigint), integer(edges.at(-1) as bigint)];
  return `CASE WHEN ${value} >= ${first} AND ${value} <= ${last} THEN ${tree(0, edges.length - 1)} END`;
}

function comparison(node: PlanNode, a: Term, b: Term | undefined): Term {
  const [x, y] = aligned(node, a, b);
  const type = sqlType(x.lo, x.hi, y.lo, y.hi);
  const sign = COMPARE[node.op as keyof typeof COMPARE];
  return { ...TRUTH, sql: `(CAST(${x.sql} AS ${type}) ${sign} CAST(${y.sql} AS ${type}))` };
}

function binary(node: PlanNode, sign: string, x: Term, y: Term, lo: bigint, hi: bigint, fractionBits: number): Term {
  const type = sqlType(x.lo, x.hi, y.lo, y.hi, lo, hi);
  return bounded(node, `(CAST(${x.sql} AS ${type}) ${sign} CAST(${y.sql} AS ${type}))`, lo, hi, fractionBits);
}

function bounded(node: PlanNode, sql: string, lo: bigint, hi: bigint, fractionBits: number): Term {
  if (lo <= -LIMIT || hi >= LIMIT) throw malformed(node, 'its values may pass 126 bits');
  return { sql: `CAST(${sql} AS ${sqlType(lo, hi)})`, lo, hi, fractionBits, bool: false };
}

/** Both at the finer of the two scales. */
function aligned(node: PlanNode, a: Term, b: Term | undefined): [Term, Term] {
  const [x, y] = numbers(node, a, b);
  const fractionBits = Math.max(x.fractionBits, y.fractionBits);
  const shift = (term: Term): Term => {
    if (term.fractionBits === fractionBits) return term;
    const factor = 2n ** BigInt(fractionBits - term.fractionBits);
    const sql = `(CAST(${term.sql} AS HUGEINT) * CAST(${factor} AS HUGEINT))`;
    return bounded(node, sql, term.lo * factor, term.hi * factor, fractionBits);
  };
  return [shift(x), shift(y)];
}

function numbers(node: PlanNode, a: Term, b: Term | undefined): [Term, Term] {
  if (b === undefined) throw malformed(node, 'wrong number of arguments');
  return [number(node, a), number(node, b)];
}

function number(node: PlanNode, term: Term): Term {
  if (term.bool || term.values !== undefined) throw malformed(node, 'it takes numbers');
  return term;
}

function codeOf(node: PlanNode, term: Term, category: string): string {
  const code = term.values?.indexOf(category) ?? -1;
  if (code < 0) throw malformed(node, 'it names a value that is not declared');
  return String(code);
}

const min = (a: bigint, b: bigint) => (a < b ? a : b);
const max = (a: bigint, b: bigint) => (a > b ? a : b);
