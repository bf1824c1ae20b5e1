/**
 * The rules of a contract against a snapshot: types by its schema, then every rule in one scan. Ranges
 * (`logicalTypeOptions`), `required` and `unique` are rules too.
 * @module
 */
import { NodeError, type TableInfo } from '@2pm/core';
import { type Contract, type Property, type PropertyRule, type TableRule, tableOf } from './contract/contract.ts';
import { physicalName } from './contract/server.ts';
import type { Engine } from './engine/engine.ts';
import { identifier, literal } from './sql.ts';

export interface QualityCheck {
  /** Logical column, or none for a rule of the table. */
  column?: string;
  rule: string;
  /** Rows, or per cent of them. */
  found: number;
  ok: boolean;
  severity: 'error' | 'warning';
  /** First rows at fault: number from 1 and value. For the holder's eyes. */
  examples: string[];
}

export interface DatasetReport {
  contract: string;
  rows: number;
  ok: boolean;
  checks: QualityCheck[];
}

type Bounds = Pick<
  PropertyRule,
  | 'mustBe'
  | 'mustNotBe'
  | 'mustBeGreaterThan'
  | 'mustBeGreaterOrEqualTo'
  | 'mustBeLessThan'
  | 'mustBeLessOrEqualTo'
  | 'mustBeBetween'
  | 'mustNotBeBetween'
>;

interface Check {
  column?: string | undefined;
  rule: string;
  /** Number of rows at fault, as an aggregate. */
  count: string;
  /** True for a row at fault, where that can be told row by row. */
  fault?: string;
  source?: string;
  bounds: Bounds;
  percent: boolean;
  severity: 'error' | 'warning';
}

const ACCEPTED: Record<Property['logicalType'], readonly TableInfo['columns'][number]['type'][]> = {
  integer: ['integer'],
  number: ['integer', 'double', 'decimal'],
  boolean: ['boolean'],
  date: ['date', 'timestamp'],
  timestamp: ['timestamp', 'date'],
  string: ['text'],
};

/** @throws {NodeError} `DATA_MISSING_COLUMN`, `DATA_WRONG_TYPE`: names of source columns in `privateDetail`. */
export function expectSchema(contract: Contract, columns: TableInfo['columns']): void {
  for (const property of tableOf(contract).properties) {
    const column = columns.find((each) => each.name === physicalName(property));
    if (column === undefined) {
      throw new NodeError('DATA_MISSING_COLUMN', `the source lacks the column of property "${property.name}"`, {
        fault: 'data',
        fix: 'correct physicalName in the dataset contract',
        privateDetail: physicalName(property),
      });
    }
    if (!ACCEPTED[property.logicalType].includes(column.type)) {
      throw new NodeError(
        'DATA_WRONG_TYPE',
        `the source does not hold property "${property.name}" as ${property.logicalType}`,
        {
          fault: 'data',
          fix: 'correct logicalType in the dataset contract',
          privateDetail: `${column.name} is ${column.type}`,
        },
      );
    }
  }
}

/** One scan for all rules, and one more for the examples of those that fail. */
export async function checkQuality(
  engine: Engine,
  contract: Contract,
  file: string,
  signal?: AbortSignal,
): Promise<DatasetReport> {
  const checks = checksOf(contract);
  const relation = `read_parquet(${literal(file)})`;
  const select = ['count(*)', ...checks.map((check) => check.count)].map((sql) => `CAST(${sql} AS BIGINT)`);
  const [counts] = await engine.query(
    { statements: [`SELECT ${select.join(', ')} FROM ${relation}`], files: [file] },
    { signal },
  );
  const at = (index: number) => Number(counts?.columns[index]?.values[0] ?? 0);
  const rows = at(0);
  const judged = checks.map((check, i) => {
    const found = check.percent ? (rows === 0 ? 0 : (100 * at(i + 1)) / rows) : at(i + 1);
    return { check, found, ok: holds(found, check.bounds) };
  });
  const failing = judged.filter(({ ok, check }) => !ok && check.fault !== undefined);
  const shown = await engine.query(
    {
      statements: failing.map(
        ({ check: { fault, source } }) =>
          `SELECT CAST(row AS BIGINT), CAST(${source} AS VARCHAR) FROM (SELECT *, row_number() OVER () AS row FROM ${relation}) WHERE ${fault} LIMIT 3`,
      ),
      files: [file],
    },
    { signal },
  );
  const results = judged.map(({ check, found, ok }): QualityCheck => {
    const table = shown[failing.findIndex((each) => each.check === check)];
    const examples = Array.from({ length: table?.rows ?? 0 }, (_, i) => {
      const [row, value] = table?.columns ?? [];
      return `row ${row?.values[i]}: ${value?.valid[i] === 1 ? JSON.stringify(value.values[i]) : 'no value'}`;
    });
    const { column, rule, severity } = check;
    return { ...(column === undefined ? {} : { column }), rule, found, ok, severity, examples };
  });
  return {
    contract: contract.id,
    rows,
    ok: results.every((each) => each.ok || each.severity === 'warning'),
    checks: results,
  };
}

/** @throws {NodeError} `DATA_QUALITY`: which rule and how many rows stay in `privateDetail`. */
export function expectQuality(report: DatasetReport): void {
  if (report.ok) return;
  const lines = report.checks
    .filter((check) => !check.ok && check.severity === 'error')
    .map(
      ({ column, rule, found, examples }) => `${column ?? 'table'}: ${rule}, found ${found}; ${examples.join('; ')}`,
    );
  throw new NodeError('DATA_QUALITY', 'a dataset does not keep the rules of its contract', {
    fault: 'data',
    fix: 'run `2pm data check`; correct the data, or the rule in the contract',
    privateDetail: lines.join('\n'),
  });
}

function checksOf(contract: Contract): Check[] {
  const table = tableOf(contract);
  return [...table.properties.flatMap(propertyChecks), ...table.quality.map((rule) => tableCheck(contract, rule))];
}

function propertyChecks(property: Property): Check[] {
  const column = identifier(physicalName(property));
  const make = (rule: string, fault: string, bounds: Bounds = { mustBe: 0 }, from?: PropertyRule): Check => ({
    column: property.name,
    rule,
    count: `count(*) FILTER (WHERE ${fault})`,
    fault,
    source: column,
    bounds,
    percent: from?.unit === 'percent',
    severity: from?.severity ?? 'error',
  });
  const duplicates = (rule: string, bounds: Bounds, from?: PropertyRule): Check => {
    const { fault: _, ...check } = make(rule, 'false', bounds, from);
    return { ...check, count: `count(${column}) - count(DISTINCT ${column})` };
  };
  const checks: Check[] = [];
  const outside = outOfRange(property, column);
  if (property.required) checks.push(make('required', missing(property, column)));
  if (property.unique) checks.push(duplicates('unique', { mustBe: 0 }));
  if (outside !== undefined) checks.push(make('within minimum and maximum', outside));
  for (const rule of property.quality) {
    const text = `${rule.metric} ${boundsText(rule)}`;
    if (rule.metric === 'nullValues') checks.push(make(text, missing(property, column), rule, rule));
    else if (rule.metric === 'duplicateValues') checks.push(duplicates(text, rule, rule));
    else checks.push(make(text, invalid(rule, column, outside), rule, rule));
  }
  return checks;
}

/** What counts as no value: null, and what is no finite number or day. */
function missing(property: Property, column: string): string {
  if (property.logicalType === 'number') return `(${column} IS NULL OR isnan(CAST(${column} AS DOUBLE)))`;
  return `${column} IS NULL`;
}

function outOfRange(property: Property, column: string): string | undefined {
  const { minimum, maximum, pattern } = property.logicalTypeOptions ?? {};
  const bound = (value: number | string) => (typeof value === 'string' ? `DATE ${literal(value)}` : numeric(value));
  const parts: string[] = [];
  // A day as upper bound includes the whole day.
  const value = property.logicalType === 'timestamp' ? `CAST(${column} AS DATE)` : column;
  if (minimum !== undefined) parts.push(`${value} < ${bound(minimum)}`);
  if (maximum !== undefined) parts.push(`${value} > ${bound(maximum)}`);
  if (pattern !== undefined) parts.push(`NOT regexp_full_match(CAST(${column} AS VARCHAR), ${literal(pattern)})`);
  return parts.length === 0 ? undefined : `(${parts.join(' OR ')})`;
}

function invalid(
  rule: Extract<PropertyRule, { metric: 'invalidValues' }>,
  column: string,
  outside: string | undefined,
): string {
  const parts = outside === undefined ? [] : [outside];
  const { validValues, pattern } = rule.arguments ?? {};
  if (validValues !== undefined) {
    const list = validValues.map((value) => literal(String(value))).join(', ');
    parts.push(`CAST(${column} AS VARCHAR) NOT IN (${list})`);
  }
  if (pattern !== undefined) parts.push(`NOT regexp_full_match(CAST(${column} AS VARCHAR), ${literal(pattern)})`);
  return parts.length === 0 ? 'false' : `(${parts.join(' OR ')})`;
}

function tableCheck(contract: Contract, rule: TableRule): Check {
  const base = { bounds: rule, percent: rule.unit === 'percent', severity: rule.severity };
  const text = boundsText(rule);
  if (rule.metric === 'rowCount') return { ...base, rule: `rowCount ${text}`, count: 'count(*)' };
  const columns = rule.arguments.properties.map((name) => {
    const property = tableOf(contract).properties.find((each) => each.name === name);
    return identifier(property === undefined ? name : physicalName(property));
  });
  const key = `struct_pack(${columns.map((column, i) => `k${i} := ${column}`).join(', ')})`;
  const rule_ = `duplicateValues of ${rule.arguments.properties.join(', ')} ${text}`;
  return { ...base, rule: rule_, count: `count(*) - count(DISTINCT ${key})` };
}

function holds(found: number, bounds: Bounds): boolean {
  const between = ([from, to]: readonly [number, number]) => found >= from && found <= to;
  return (
    (bounds.mustBe === undefined || found === bounds.mustBe) &&
    (bounds.mustNotBe === undefined || found !== bounds.mustNotBe) &&
    (bounds.mustBeGreaterThan === undefined || found > bounds.mustBeGreaterThan) &&
    (bounds.mustBeGreaterOrEqualTo === undefined || found >= bounds.mustBeGreaterOrEqualTo) &&
    (bounds.mustBeLessThan === undefined || found < bounds.mustBeLessThan) &&
    (bounds.mustBeLessOrEqualTo === undefined || found <= bounds.mustBeLessOrEqualTo) &&
    (bounds.mustBeBetween === undefined || between(bounds.mustBeBetween)) &&
    (bounds.mustNotBeBetween === undefined || !between(bounds.mustNotBeBetween))
  );
}

function boundsText(rule: Bounds): string {
  const names = [
    'mustBe',
    'mustNotBe',
    'mustBeGreaterThan',
    'mustBeGreaterOrEqualTo',
    'mustBeLessThan',
    'mustBeLessOrEqualTo',
    'mustBeBetween',
    'mustNotBeBetween',
  ] as const;
  return names.flatMap((name) => (rule[name] === undefined ? [] : [`${name} ${String(rule[name])}`])).join(', ');
}

/** Digits only: a number of the contract is no text to be trusted either. */
function numeric(value: number): string {
  return Number.isInteger(value) ? String(BigInt(value)) : `CAST(${literal(String(value))} AS DOUBLE)`;
}
