/**
 * Compiles the local part of a plan to SQL over snapshots: a closed set of operations, one statement for each grouping
 * key of a table (all ungrouped aggregates of a table share one scan), and a reader that turns the results into the
 * integer vectors that the plan declares.
 *
 * A row takes part where its table's conditions are true (null is false). Sums are exact in 128 bits and must then lie
 * within the node's bounds. `rows/1` keeps the snapshot's order and leaves out rows with a null among its columns.
 * @module
 */
import { NodeError, type PhysicalType, type Plan, type PlanNode } from '@2pm/core';
import { binSql, columnTerm, constantTerm, sourceTerm, type Term } from './column-sql.ts';
import type { ResultTable } from './engine/engine.ts';
import { Lineage, malformed } from './lineage.ts';
import { identifier, integer, literal } from './sql.ts';

/** Where a logical table lies: its snapshot, and for each logical column the snapshot's column. */
export interface TableBinding {
  file: string;
  columns: ReadonlyMap<string, { source: string; physical: PhysicalType }>;
}

export interface CompiledLocal {
  statements: string[];
  files: string[];
  /** @throws {NodeError} `DATA_OUT_OF_BOUNDS`, `DATA_CAPACITY`. */
  read(results: readonly ResultTable[]): Map<number, BigInt64Array>;
}

const MAX_STAGES = 100;
const MAX_SQL = 8_000_000;
/** Expressions deeper than this get a name and a stage of their own, well before the engine's limit of 1,000. */
const MAX_DEPTH = 24;

/** One statement to be: aggregates over one input, by one key. */
interface Batch {
  input: number;
  /** Key expression's node, and edges for a histogram. */
  key?: { node: number; edges?: bigint[] };
  rows?: number;
  outputs: number[];
}

/** @throws {NodeError} `DATA_PLAN_MALFORMED`, `DATA_MISSING_COLUMN`, `DATA_BAD_NAME`. */
export function compileLocal(
  plan: Plan,
  role: string,
  outputs: readonly number[],
  bindings: ReadonlyMap<string, TableBinding>,
): CompiledLocal {
  const lineage = new Lineage(plan);
  const batches = new Map<string, Batch>();
  for (const output of new Set(outputs)) {
    const node = lineage.node(output);
    if (node.type.kind !== 'local' || node.type.role !== role) throw malformed(node, `it is no local value of ${role}`);
    const { input } = lineage.base(lineage.table(output));
    const { id, ...batch } = batchOf(node, output);
    const known = batches.get(`${input} ${id}`) ?? { input, outputs: [], ...batch };
    known.outputs.push(output);
    batches.set(`${input} ${id}`, known);
  }
  const list = [...batches.values()];
  const statements = list.map((batch) => new Statement(lineage, batch, bindings).sql());
  if (statements.some((statement) => statement.length > MAX_SQL)) {
    throw new NodeError('DATA_PLAN_TOO_LARGE', 'the local part of the plan is too large', { fault: 'caller' });
  }
  const files = new Set(list.map((batch) => bindingOf(lineage, batch.input, bindings).file));
  return {
    statements,
    files: [...files],
    read: (results) => {
      const vectors = new Map<number, BigInt64Array>();
      for (const [index, batch] of list.entries()) readBatch(lineage, batch, results[index] as ResultTable, vectors);
      return vectors;
    },
  };
}

/**
 * The rows under a `keyed/1` node, as a common table expression to select from: `row_number` in the snapshot, the node's
 * columns as v0, v1 …, `whole` (false where one of them is null), and `sources` as the snapshot has them.
 * @throws {NodeError} `DATA_PLAN_MALFORMED`, `DATA_MISSING_COLUMN`, `DATA_BAD_NAME`.
 */
export function keyedRowsSql(
  lineage: Lineage,
  node: number,
  binding: TableBinding,
  /** Names in the statement → columns of the snapshot. */
  sources: ReadonlyMap<string, string>,
): { with: string; from: string } {
  const { input } = lineage.base(lineage.table(node));
  const table = lineage.node(input).attrs.table ?? '';
  const statement = new Statement(lineage, { input, rows: node, outputs: [node] }, new Map([[table, binding]]));
  return { with: statement.keyed(sources), from: 'picked' };
}

function batchOf(node: PlanNode, output: number): Omit<Batch, 'input' | 'outputs'> & { id: string } {
  const [first, second] = node.args;
  switch (node.op) {
    case 'count/1':
    case 'sum/1':
      return { id: '' };
    case 'histogram/1': {
      const edges = node.attrs.edges?.map(BigInt);
      if (edges === undefined || edges.length < 2 || edges.some((edge, i) => i > 0 && edge <= (edges[i - 1] as bigint)))
        throw malformed(node, 'its edges do not ascend');
      return { id: `${first} ${edges.join()}`, key: { node: first as number, edges } };
    }
    case 'count-by/1':
      return { id: `${first}`, key: { node: first as number } };
    case 'sum-by/1':
      return { id: `${second}`, key: { node: second as number } };
    case 'rows/1':
      return { id: `rows ${output}`, rows: output };
    default:
      throw malformed(node, 'it is no local aggregate');
  }
}

class Statement {
  readonly #lineage: Lineage;
  readonly #batch: Batch;
  readonly #binding: TableBinding;
  readonly #terms = new Map<number, Term & { stage: number; depth: number }>();
  /** Named columns by stage; stage 0 reads the snapshot. */
  readonly #stages: Map<string, string>[] = [new Map()];

  constructor(lineage: Lineage, batch: Batch, bindings: ReadonlyMap<string, TableBinding>) {
    this.#lineage = lineage;
    this.#batch = batch;
    this.#binding = bindingOf(lineage, batch.input, bindings);
  }

  sql(): string {
    const { outputs, key, rows } = this.#batch;
    for (const index of this.#needed()) this.#define(index);
    if (rows !== undefined) return this.#rows(rows);
    const columns = outputs.map((output, i) => `${this.#aggregate(output)} AS ${identifier(`v${i}`)}`);
    if (key === undefined) return `${this.#with()} SELECT ${columns.join(', ')} FROM ${this.#last()}`;
    const slot = key.edges === undefined ? this.#term(key.node).sql : binSql(this.#term(key.node).sql, key.edges);
    // The key is computed before the groups are formed, so that its text stands in the statement once.
    const keyed = `, keyed AS (SELECT *, CAST(${slot} AS BIGINT) AS slot FROM ${this.#last()})`;
    return `${this.#with()}${keyed} SELECT slot, ${columns.join(', ')} FROM keyed WHERE slot IS NOT NULL GROUP BY slot`;
  }

  #rows(output: number): string {
    const node = this.#lineage.node(output);
    const names = node.attrs.columns ?? [];
    const columns = names.map((name) => `CAST(${this.#source(name, node).sql} AS BIGINT)`);
    const present = names.map((name) => `${this.#source(name, node).sql} IS NOT NULL`);
    const where = [...this.#conditions(this.#lineage.table(output)), ...present].join(' AND ');
    const select = columns.map((column, i) => `${column} AS ${identifier(`v${i}`)}`).join(', ');
    const limit = (node.attrs.capacity ?? 0) + 1;
    return `${this.#with()} SELECT ${select} FROM ${this.#last()} WHERE ${where} ORDER BY row_number LIMIT ${limit}`;
  }

  keyed(sources: ReadonlyMap<string, string>): string {
    const [output] = this.#batch.outputs as [number];
    for (const index of this.#needed()) this.#define(index);
    const node = this.#lineage.node(output);
    const columns = (node.attrs.columns ?? []).map((name) => this.#source(name, node).sql);
    for (const [alias, source] of sources) this.#stages[0]?.set(alias, identifier(source));
    const select = [
      'row_number',
      ...columns.map((column, i) => `CAST(${column} AS BIGINT) AS v${i}`),
      `${columns.map((column) => `${column} IS NOT NULL`).join(' AND ') || 'true'} AS whole`,
      ...[...sources.keys()].map((alias) => identifier(alias)),
    ];
    const where = this.#conditions(this.#lineage.table(output)).join(' AND ') || 'true';
    return `${this.#with()}, picked AS (SELECT ${select.join(', ')} FROM ${this.#last()} WHERE ${where})`;
  }

  #aggregate(output: number): string {
    const node = this.#lineage.node(output);
    const conditions = this.#conditions(this.#lineage.table(output));
    const filter = conditions.length === 0 ? '' : ` FILTER (WHERE ${conditions.join(' AND ')})`;
    return within(node, `coalesce(${this.#function(node)}${filter}, 0)`);
  }

  #function(node: PlanNode): string {
    const [first] = node.args;
    const of = this.#lineage.node(first as number).type.kind;
    if (node.op === 'count-by/1' || node.op === 'histogram/1' || (node.op === 'count/1' && of === 'table')) {
      return 'count(*)';
    }
    const term = this.#term(first as number);
    if (node.op === 'count/1') return `count(${term.sql})`;
    if (term.bool || term.values !== undefined) throw malformed(node, 'it takes numbers');
    const widest = max(abs(term.lo), abs(term.hi)) * 2n ** 40n;
    if (widest >= 2n ** 126n) throw malformed(node, 'its sum may pass 126 bits');
    return `sum(${term.sql})`;
  }

  #conditions(table: number): string[] {
    return this.#lineage.base(table).conditions.map((condition) => this.#term(condition).sql);
  }

  /** Column nodes that the statement computes, ascending. */
  #needed(): number[] {
    const { outputs, key, rows } = this.#batch;
    const stack = outputs.flatMap((output) => [
      ...(rows === undefined ? this.#lineage.node(output).args : []),
      ...this.#lineage.base(this.#lineage.table(output)).conditions,
    ]);
    if (key !== undefined) stack.push(key.node);
    const seen = new Set<number>();
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      const node = this.#lineage.node(index);
      if (seen.has(index) || node.type.kind === 'table') continue;
      seen.add(index);
      // The conditions of a table on the way to a column are conditions of the aggregate already.
      stack.push(...node.args);
    }
    return [...seen].sort((a, b) => a - b);
  }

  #define(index: number): void {
    const node = this.#lineage.node(index);
    if (node.op === 'constant/1') {
      this.#terms.set(index, { ...constantTerm(node), stage: 0, depth: 0 });
    } else if (node.op === 'column/1') {
      this.#terms.set(index, { ...this.#source(node.attrs.name ?? '', node), stage: 0, depth: 0 });
    } else {
      const args = node.args.map((arg) => this.#term(arg));
      const term = columnTerm(node, args);
      const stage = Math.max(...args.map((arg) => arg.stage));
      const depth = 1 + Math.max(...args.map((arg) => arg.depth));
      // Text of a value with several uses must not be copied at each: a chain of those doubles at every step.
      this.#terms.set(index, { ...term, stage, depth });
      if (depth > MAX_DEPTH || this.#uses(index) > 1) this.#name(index);
    }
  }

  #usesOf: Map<number, number> | undefined;
  #uses(index: number): number {
    if (this.#usesOf === undefined) {
      this.#usesOf = new Map();
      const count = (used: number) => this.#usesOf?.set(used, (this.#usesOf.get(used) ?? 0) + 1);
      for (const node of this.#lineage.plan.nodes) {
        node.args.forEach(count);
        // Clamping, binning and aggregates write their argument several times.
        if (node.type.kind !== 'column') node.args.forEach(count);
      }
    }
    return this.#usesOf.get(index) ?? 0;
  }

  #name(index: number): void {
    const term = this.#term(index);
    const stage = term.stage + 1;
    if (stage > MAX_STAGES) throw malformed(this.#lineage.node(index), 'it stands on too long a chain of operations');
    const name = `x${index}`;
    const columns = this.#stages[stage] ?? new Map<string, string>();
    columns.set(name, term.sql);
    this.#stages[stage] = columns;
    this.#terms.set(index, { ...term, sql: name, stage, depth: 0 });
  }

  #term(index: number): Term & { stage: number; depth: number } {
    const term = this.#terms.get(index);
    if (term === undefined) throw malformed(this.#lineage.node(index), 'it is no column here');
    return term;
  }

  #source(name: string, node: PlanNode): Term {
    const input = this.#lineage.node(this.#batch.input);
    const { tables } = this.#lineage.plan;
    const type = tables[input.attrs.table ?? '']?.columns[name];
    const bound = this.#binding.columns.get(name);
    if (type === undefined) throw malformed(node, 'the table declares no such column');
    if (bound === undefined) {
      throw new NodeError('DATA_MISSING_COLUMN', `the dataset has no column "${name}"`, { fault: 'data' });
    }
    const alias = `c_${name}`;
    const term = sourceTerm(bound.source, bound.physical, type);
    this.#stages[0]?.set(alias, term.sql);
    return { ...term, sql: identifier(alias) };
  }

  #with(): string {
    const stages = this.#stages.map((columns, stage) => {
      const named = [...columns].map(([name, sql]) => `${sql} AS ${identifier(name)}`);
      const ordered = this.#batch.rows !== undefined;
      const first = ordered ? 'file_row_number AS row_number' : '1 AS row_number';
      const select = [stage === 0 ? first : '*', ...named].join(', ');
      const file = `read_parquet(${literal(this.#binding.file)}${ordered ? ', file_row_number = true' : ''})`;
      const from = stage === 0 ? file : `s${stage - 1}`;
      return `s${stage} AS (SELECT ${select} FROM ${from})`;
    });
    return `WITH ${stages.join(', ')}`;
  }

  #last(): string {
    return `s${this.#stages.length - 1}`;
  }
}

/** Null, and so an error of the reader, where the value leaves the node's bounds. */
function within(node: PlanNode, sql: string): string {
  if (node.type.kind !== 'local') throw malformed(node, 'it is no local value');
  const [lo, hi] = [max(BigInt(node.type.lo), -(2n ** 63n)), min(BigInt(node.type.hi), 2n ** 63n - 1n)];
  return `CASE WHEN ${sql} BETWEEN ${integer(lo)} AND ${integer(hi)} THEN CAST(${sql} AS BIGINT) END`;
}

function bindingOf(lineage: Lineage, input: number, bindings: ReadonlyMap<string, TableBinding>): TableBinding {
  const node = lineage.node(input);
  const binding = bindings.get(node.attrs.table ?? '');
  if (binding === undefined) throw malformed(node, 'no dataset stands for its table');
  return binding;
}

function readBatch(lineage: Lineage, batch: Batch, result: ResultTable, vectors: Map<number, BigInt64Array>): void {
  const keyed = batch.key !== undefined;
  for (const [position, output] of batch.outputs.entries()) {
    const node = lineage.node(output);
    if (node.type.kind !== 'local') throw malformed(node, 'it is no local value');
    const vector = new BigInt64Array(node.type.length);
    if (batch.rows !== undefined) {
      readRows(node, result, vector);
    } else {
      const column = result.columns[position + (keyed ? 1 : 0)];
      const slots = keyed ? result.columns[0]?.values : [0n];
      if (!keyed && node.type.length !== 1) throw malformed(node, 'its length is not that of its result');
      for (let row = 0; row < result.rows; row++) {
        const slot = Number(slots?.[row]);
        if (slot >= vector.length) throw malformed(node, 'its length is not that of its result');
        if (column?.valid[row] !== 1) throw outOfBounds(node);
        vector[slot] = column.values[row] as bigint;
      }
    }
    const [lo, hi] = [BigInt(node.type.lo), BigInt(node.type.hi)];
    if (vector.some((value) => value < lo || value > hi)) throw outOfBounds(node);
    vectors.set(output, vector);
  }
}

function readRows(node: PlanNode, result: ResultTable, vector: BigInt64Array): void {
  const capacity = node.attrs.capacity ?? 0;
  const width = 1 + (node.attrs.columns?.length ?? 0);
  if (vector.length !== capacity * width) throw malformed(node, 'its length is not capacity × (1 + columns)');
  if (result.rows > capacity) {
    throw new NodeError('DATA_CAPACITY', `more rows than the capacity of rows() at line ${node.line}`, {
      fault: 'data',
      fix: 'raise the capacity in the program, or filter the table further',
    });
  }
  for (let row = 0; row < result.rows; row++) {
    vector[row * width] = 1n;
    for (const [i, column] of result.columns.entries()) vector[row * width + 1 + i] = column.values[row] as bigint;
  }
}

function outOfBounds(node: PlanNode): NodeError {
  return new NodeError(
    'DATA_OUT_OF_BOUNDS',
    `${node.op} at line ${node.line} leaves the bounds that the plan declares`,
    {
      fault: 'data',
      fix: 'declare wider columns or a larger maxRows in the program',
    },
  );
}

const abs = (value: bigint) => (value < 0n ? -value : value);
const min = (a: bigint, b: bigint) => (a < b ? a : b);
const max = (a: bigint, b: bigint) => (a > b ? a : b);
