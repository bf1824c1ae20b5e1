import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ColumnType, Operation, Plan, PlanNode, TableType, ValueType } from '@2pm/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppendType, DEFAULT_LIMITS, type Engine } from './engine/engine.ts';
import { inlineEngine } from './engine/inline.ts';
import { compileLocal, type TableBinding } from './plan-sql.ts';

let dir: string;
let engine: Engine;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), '2pm-plan-'));
  engine = inlineEngine({ ...DEFAULT_LIMITS, tempDirectory: join(dir, 'spill') });
});
afterAll(async () => {
  await engine.close();
  await rm(dir, { recursive: true, force: true });
});

const SOURCES = {
  n: ['BIGINT', 'integer', 'n'],
  big: ['BIGINT', 'integer', 'b"i;g\'--'],
  x: ['DOUBLE', 'double', 'x x'],
  whole: ['BIGINT', 'integer', 'Größe'],
  flag: ['BOOLEAN', 'boolean', 'select'],
  day: ['DATE', 'date', 'day'],
  kind: ['VARCHAR', 'text', 'file_row'],
} as const;
const KINDS = ['a', "it's", '";DROP TABLE rows;--', 'ü', ''];
const COLUMNS: Record<keyof typeof SOURCES, ColumnType> = {
  n: { type: 'int', min: '-20', max: '30', nullable: true },
  big: { type: 'int', min: String(-(2n ** 62n)), max: String(2n ** 62n), nullable: true },
  x: { type: 'fixed', min: '-4000', max: '4001', fractionBits: 3, nullable: true },
  whole: { type: 'fixed', min: '-100', max: '100', fractionBits: 2, nullable: true },
  flag: { type: 'bool', nullable: true },
  day: { type: 'date', min: '-10', max: '20000', nullable: true },
  kind: { type: 'category', values: KINDS, nullable: true },
};
const TABLE: TableType = { maxRows: 1_000, columns: COLUMNS };
type Row = Record<string, unknown>;

const WIDE = { lo: String(-(2n ** 63n)), hi: String(2n ** 63n - 1n) };
const columnType = (of: number, dtype: 'int' | 'bool' | 'category', fractionBits = 0): ValueType => ({
  kind: 'column',
  role: 'holder',
  of,
  dtype,
  nullable: true,
  fractionBits,
  ...WIDE,
});
const local = (length: number): ValueType => ({ kind: 'local', role: 'holder', length, fractionBits: 0, ...WIDE });

class Builder {
  readonly nodes: PlanNode[] = [];
  add(op: Operation, args: number[], type: ValueType, attrs: PlanNode['attrs'] = {}): number {
    return this.nodes.push({ op, args, attrs, type, line: this.nodes.length + 1 }) - 1;
  }
  plan(): Plan {
    return {
      v: 1,
      language: '2pm/1',
      name: 'test',
      tables: { t: TABLE },
      roles: { holder: { min: 1, max: 3, tables: ['t'] } },
      recipients: [],
      nodes: this.nodes,
      result: 0,
    };
  }
}

// The oracle: one row at a time, in plain integers.
const roundHalfEven = (value: number): bigint => {
  const floor = Math.floor(value);
  const rest = value - floor;
  return BigInt(rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor);
};
const clamp = (value: bigint, type: { min: string; max: string }) =>
  value < BigInt(type.min) ? BigInt(type.min) : value > BigInt(type.max) ? BigInt(type.max) : value;

function enter(value: unknown, type: ColumnType): bigint | boolean | null {
  if (value === null) return null;
  if (type.type === 'bool') return value as boolean;
  if (type.type === 'category')
    return type.values.includes(value as string) ? BigInt(type.values.indexOf(value as string)) : null;
  if (type.type === 'fixed' && typeof value === 'number') {
    if (Number.isNaN(value)) return null;
    if (!Number.isFinite(value)) return BigInt(value > 0 ? type.max : type.min);
    return clamp(roundHalfEven(value * 2 ** type.fractionBits), type);
  }
  if (type.type === 'fixed') return clamp((value as bigint) * 2n ** BigInt(type.fractionBits), type);
  return clamp(BigInt(value as bigint | number), type);
}

function evaluate(nodes: readonly PlanNode[], index: number, row: Row): bigint | boolean | null {
  const node = nodes[index] as PlanNode;
  const get = (i: number) => evaluate(nodes, node.args[i] as number, row);
  const bits = (i: number) => (nodes[node.args[i] as number] as { type: { fractionBits: number } }).type.fractionBits;
  if (node.op === 'constant/1') return BigInt((node.type as { value: string }).value);
  if (node.op === 'column/1')
    return enter(row[node.attrs.name as string], COLUMNS[node.attrs.name as keyof typeof COLUMNS]);
  const a = get(0);
  if (node.op === 'is-null/1') return a === null;
  if (node.op === 'and/1' || node.op === 'or/1') {
    const b = get(1);
    const settles = node.op === 'or/1';
    return a === settles || b === settles ? settles : a === null || b === null ? null : !settles;
  }
  if (a === null) return null;
  if (node.op === 'not/1') return !a;
  if (node.op === 'neg/1') return -(a as bigint);
  if (node.op === 'in/1') return (node.attrs.categories ?? []).includes(KINDS[Number(a)] as string);
  if (node.attrs.category !== undefined) return (KINDS[Number(a)] === node.attrs.category) === (node.op === 'eq/1');
  const b = get(1);
  if (b === null) return null;
  if (node.op === 'mul/1') return (a as bigint) * (b as bigint);
  const scale = Math.max(bits(0), bits(1));
  const x = (a as bigint) << BigInt(scale - bits(0));
  const y = (b as bigint) << BigInt(scale - bits(1));
  switch (node.op) {
    case 'add/1':
      return x + y;
    case 'sub/1':
      return x - y;
    case 'eq/1':
      return x === y;
    case 'ne/1':
      return x !== y;
    case 'lt/1':
      return x < y;
    case 'le/1':
      return x <= y;
    case 'gt/1':
      return x > y;
    case 'ge/1':
      return x >= y;
    default:
      throw new Error(node.op);
  }
}

function oracle(nodes: readonly PlanNode[], output: number, rows: readonly Row[]): bigint[] {
  const node = nodes[output] as PlanNode;
  const first = node.args[0] as number;
  const of = (index: number): number => {
    const { type } = nodes[index] as PlanNode;
    return type.kind === 'column' ? type.of : index;
  };
  let kept = [...rows];
  for (let at = of(first); nodes[at]?.op === 'where/1'; at = nodes[at]?.args[0] as number) {
    const condition = nodes[at]?.args[1] as number;
    kept = kept.filter((row) => evaluate(nodes, condition, row) === true);
  }
  const out = new Array<bigint>((node.type as { length: number }).length).fill(0n);
  const bump = (slot: number, by: bigint) => {
    out[slot] = (out[slot] as bigint) + by;
  };
  let next = 0;
  for (const row of kept) {
    if (node.op === 'rows/1') {
      const values = (node.attrs.columns ?? []).map((name) => enter(row[name], COLUMNS[name as keyof typeof COLUMNS]));
      if (values.includes(null)) continue;
      for (const value of [1n, ...values]) out[next++] = BigInt(value as bigint);
      continue;
    }
    const isTable = nodes[first]?.type.kind === 'table';
    const value = isTable ? 0n : evaluate(nodes, first, row);
    if (value === null) continue;
    if (node.op === 'count/1') bump(0, 1n);
    if (node.op === 'sum/1') bump(0, value as bigint);
    if (node.op === 'count-by/1') bump(Number(value), 1n);
    if (node.op === 'sum-by/1') {
      const slot = evaluate(nodes, node.args[1] as number, row);
      if (slot !== null) bump(Number(slot), value as bigint);
    }
    if (node.op === 'histogram/1') {
      const edges = (node.attrs.edges ?? []).map(BigInt);
      const last = edges.length - 2;
      const bin = edges.findIndex(
        (edge, i) => i <= last && (value as bigint) >= edge && (value as bigint) < (edges[i + 1] as bigint),
      );
      if (bin >= 0) bump(bin, 1n);
      else if (value === edges.at(-1)) bump(last, 1n);
    }
  }
  return out;
}

async function write(rows: readonly Row[]): Promise<Map<string, TableBinding>> {
  const file = join(dir, `${crypto.randomUUID()}.parquet`);
  const names = Object.keys(SOURCES) as (keyof typeof SOURCES)[];
  await engine.append(
    { columns: names.map((name) => ({ name: SOURCES[name][2], type: SOURCES[name][0] as AppendType })), target: file },
    rows.length === 0 ? [] : [names.map((name) => rows.map((row) => row[name]))],
    {},
  );
  const columns = new Map(
    names.map((name) => [name, { source: SOURCES[name][2], physical: SOURCES[name][1] }] as const),
  );
  return new Map([['t', { file, columns }]]);
}

async function run(plan: Plan, outputs: number[], bindings: Map<string, TableBinding>) {
  const compiled = compileLocal(plan, 'holder', outputs, bindings);
  return compiled.read(await engine.query(compiled, {}));
}

/** A random plan: a chain of filters, columns at each, operations on them, and aggregates of all sorts. */
function randomPlan(pick: (below: number) => number): { plan: Plan; outputs: number[] } {
  const b = new Builder();
  let table = b.add('input/1', [], { kind: 'table', role: 'holder', table: 't' }, { table: 't' });
  const outputs: number[] = [];
  for (let filter = 0; filter <= pick(3); filter++) {
    const numbers: number[] = [];
    for (const name of ['n', 'big', 'x', 'whole', 'day'] as const) {
      const type = COLUMNS[name];
      numbers.push(
        b.add('column/1', [table], columnType(table, 'int', type.type === 'fixed' ? type.fractionBits : 0), { name }),
      );
    }
    const category = b.add('column/1', [table], columnType(table, 'category'), { name: 'kind' });
    const bits = [b.add('column/1', [table], columnType(table, 'bool'), { name: 'flag' })];
    const any = <T>(from: readonly T[]): T => from[pick(from.length)] as T;
    const constant = () => {
      const fractionBits = pick(3);
      return b.add('constant/1', [], { kind: 'constant', fractionBits, value: String(pick(60) - 30) });
    };
    const fractionBits = (i: number) => (b.nodes[i] as { type: { fractionBits: number } }).type.fractionBits;
    const small = [numbers[0], numbers[2], numbers[3], numbers[4]] as number[];
    for (let i = 0; i < pick(8); i++) {
      const op = any(['add/1', 'sub/1', 'mul/1', 'neg/1'] as const);
      const x = any(small);
      const y = pick(2) ? any(small) : constant();
      if (op === 'neg/1') small.push(b.add(op, [x], columnType(table, 'int', fractionBits(x))));
      else if (op !== 'mul/1')
        small.push(b.add(op, [x, y], columnType(table, 'int', Math.max(fractionBits(x), fractionBits(y)))));
      else if (fractionBits(x) + fractionBits(y) <= 12)
        small.push(b.add(op, [x, y], columnType(table, 'int', fractionBits(x) + fractionBits(y))));
    }
    for (let i = 0; i < 2 + pick(6); i++) {
      const roll = pick(6);
      if (roll === 0)
        bits.push(b.add(any(['eq/1', 'ne/1']), [category], columnType(table, 'bool'), { category: any(KINDS) }));
      else if (roll === 1)
        bits.push(b.add('in/1', [category], columnType(table, 'bool'), { categories: [any(KINDS), any(KINDS)] }));
      else if (roll === 2) bits.push(b.add('not/1', [any(bits)], columnType(table, 'bool')));
      else if (roll === 3) bits.push(b.add(any(['and/1', 'or/1']), [any(bits), any(bits)], columnType(table, 'bool')));
      else if (roll === 4)
        bits.push(b.add('is-null/1', [any([...small, category, ...bits])], columnType(table, 'bool')));
      else {
        const op = any(['eq/1', 'ne/1', 'lt/1', 'le/1', 'gt/1', 'ge/1'] as const);
        bits.push(
          b.add(op, [any([...small, ...numbers]), pick(2) ? any(numbers) : constant()], columnType(table, 'bool')),
        );
      }
    }
    outputs.push(b.add('count/1', [table], local(1)), b.add('count/1', [any(bits)], local(1)));
    outputs.push(b.add('sum/1', [any(small)], local(1)), b.add('sum/1', [any(numbers.slice(2))], local(1)));
    outputs.push(b.add('count-by/1', [category], local(KINDS.length)));
    outputs.push(b.add('sum-by/1', [any(small), category], local(KINDS.length)));
    const edges = [...new Set(Array.from({ length: 2 + pick(9) }, () => pick(200) - 100))].sort((p, q) => p - q);
    if (edges.length > 1)
      outputs.push(b.add('histogram/1', [any(small)], local(edges.length - 1), { edges: edges.map(String) }));
    const columns = ['n', 'kind', 'flag', 'x'].slice(0, 1 + pick(4));
    outputs.push(b.add('rows/1', [table], local(60 * (1 + columns.length)), { columns, capacity: 60 }));
    table = b.add('where/1', [table, any(bits)], { kind: 'table', role: 'holder', table: 't' });
  }
  return { plan: b.plan(), outputs };
}

const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 5, nil: null });
const rowArbitrary = fc.record({
  n: orNull(fc.bigInt({ min: -40n, max: 40n })),
  big: orNull(fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, 0n)),
  x: orNull(
    fc.oneof(
      fc.integer({ min: -9_000, max: 9_000 }).map((i) => i / 16),
      fc.constantFrom(NaN, Infinity, -Infinity, 1e300, -0),
    ),
  ),
  whole: orNull(fc.bigInt({ min: -60n, max: 60n })),
  flag: orNull(fc.boolean()),
  day: orNull(fc.integer({ min: -100, max: 30_000 })),
  kind: orNull(fc.constantFrom(...KINDS, 'other', 'A')),
});

describe('the compiled local part of a plan', () => {
  it('gives what the row-by-row reading of the catalogue gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(rowArbitrary, { maxLength: 60 }),
        fc.array(fc.nat(0xffff), { minLength: 400, maxLength: 400 }),
        async (rows, rolls) => {
          let at = 0;
          const { plan, outputs } = randomPlan((below) => (rolls[at++ % rolls.length] as number) % below);
          const vectors = await run(plan, outputs, await write(rows));
          for (const output of outputs) {
            const node = plan.nodes[output] as PlanNode;
            expect([...(vectors.get(output) ?? [])], `${node.op} ${output}`).toEqual(oracle(plan.nodes, output, rows));
          }
        },
      ),
      { numRuns: 25, endOnFailure: true },
    );
  }, 60_000);

  const table: [Operation, number[], ValueType, PlanNode['attrs']] = [
    'input/1',
    [],
    { kind: 'table', role: 'holder', table: 't' },
    { table: 't' },
  ];
  const blank: Row = { n: null, big: null, x: null, whole: null, flag: null, day: null, kind: null };

  it('adds beyond 64 bits without wrapping, and refuses a sum outside the declared bounds', async () => {
    const b = new Builder();
    const input = b.add(...table);
    const big = b.add('column/1', [input], columnType(input, 'int'), { name: 'big' });
    const sum = b.add('sum/1', [big], local(1));
    const max = 2n ** 62n;
    expect(
      (
        await run(
          b.plan(),
          [sum],
          await write([
            { ...blank, big: max },
            { ...blank, big: max - 1n },
          ]),
        )
      ).get(sum),
    ).toEqual(BigInt64Array.of(2n * max - 1n));
    await expect(
      run(b.plan(), [sum], await write([max, max, max].map((value) => ({ ...blank, big: value })))),
    ).rejects.toMatchObject({
      code: 'DATA_OUT_OF_BOUNDS',
      message: expect.stringContaining('line 3'),
    });
    // Passing 64 bits on the way is no error when the total comes back.
    const there = await write([max, max, max, -max, -max].map((value) => ({ ...blank, big: value })));
    expect((await run(b.plan(), [sum], there)).get(sum)).toEqual(BigInt64Array.of(max));
  });

  it('refuses more rows than the capacity of rows()', async () => {
    const b = new Builder();
    const input = b.add(...table);
    const rows = b.add('rows/1', [input], local(4), { columns: ['n'], capacity: 2 });
    const three = await write([1n, 2n, 3n].map((n) => ({ ...blank, n })));
    await expect(run(b.plan(), [rows], three)).rejects.toMatchObject({ code: 'DATA_CAPACITY' });
  });

  it('closes the last bin of a histogram and no other, and ignores what lies outside', async () => {
    const b = new Builder();
    const input = b.add(...table);
    const n = b.add('column/1', [input], columnType(input, 'int'), { name: 'n' });
    const histogram = b.add('histogram/1', [n], local(3), { edges: ['0', '5', '10', '20'] });
    const rows = [-1n, 0n, 4n, 5n, 9n, 10n, 20n, 21n, null].map((value) => ({ ...blank, n: value }));
    expect((await run(b.plan(), [histogram], await write(rows))).get(histogram)).toEqual(BigInt64Array.of(2n, 2n, 2n));
  });

  it('computes beyond 64 bits where the intervals of its columns ask for it', async () => {
    const b = new Builder();
    const input = b.add(...table);
    const big = b.add('column/1', [input], columnType(input, 'int'), { name: 'big' });
    const twice = b.add('sub/1', [big, b.add('neg/1', [big], columnType(input, 'int'))], columnType(input, 'int'));
    const square = b.add('mul/1', [big, big], columnType(input, 'int'));
    const zero = b.add('constant/1', [], { kind: 'constant', fractionBits: 0, value: '0' });
    const outputs = [twice, square].map((value) =>
      b.add(
        'count/1',
        [
          b.add('where/1', [input, b.add('gt/1', [value, zero], columnType(input, 'bool'))], {
            kind: 'table',
            role: 'holder',
            table: 't',
          }),
        ],
        local(1),
      ),
    );
    const vectors = await run(
      b.plan(),
      outputs,
      await write([
        { ...blank, big: 2n ** 62n },
        { ...blank, big: -(2n ** 62n) },
      ]),
    );
    expect(outputs.map((output) => vectors.get(output)?.[0])).toEqual([1n, 2n]);
  });

  it('scans a table once for all its ungrouped aggregates, and once more for each key', () => {
    const b = new Builder();
    const input = b.add(...table);
    const n = b.add('column/1', [input], columnType(input, 'int'), { name: 'n' });
    const kind = b.add('column/1', [input], columnType(input, 'category'), { name: 'kind' });
    const flag = b.add('column/1', [input], columnType(input, 'bool'), { name: 'flag' });
    const flagged = b.add('where/1', [input, flag], { kind: 'table', role: 'holder', table: 't' });
    const again = b.add('column/1', [flagged], columnType(flagged, 'int'), { name: 'n' });
    const outputs = [
      b.add('count/1', [input], local(1)),
      b.add('sum/1', [n], local(1)),
      b.add('count/1', [flagged], local(1)),
      b.add('sum/1', [again], local(1)),
      b.add('count-by/1', [kind], local(KINDS.length)),
      b.add('sum-by/1', [n, kind], local(KINDS.length)),
    ];
    const binding = {
      file: '/x.parquet',
      columns: new Map(Object.entries(SOURCES).map(([k, v]) => [k, { source: v[2], physical: v[1] }])),
    };
    expect(compileLocal(b.plan(), 'holder', outputs, new Map([['t', binding]])).statements).toHaveLength(2);
  });

  it('stays small where a value is used again and again', async () => {
    const b = new Builder();
    const input = b.add(...table);
    let value = b.add('column/1', [input], columnType(input, 'int'), { name: 'n' });
    for (let i = 0; i < 40; i++) value = b.add('add/1', [value, value], columnType(input, 'int'));
    const sum = b.add('sum/1', [value], local(1));
    expect((await run(b.plan(), [sum], await write([{ ...blank, n: 3n }]))).get(sum)).toEqual(
      BigInt64Array.of(3n * 2n ** 40n),
    );
  });

  it('refuses what the catalogue does not know: mixed tables, wrong kinds, undeclared values, other roles', () => {
    const binding = { file: '/x.parquet', columns: new Map() };
    const compile = (build: (b: Builder, input: number) => number) => () => {
      const b = new Builder();
      const output = build(b, b.add(...table));
      return compileLocal(
        b.plan(),
        'holder',
        [output],
        new Map([
          [
            't',
            {
              ...binding,
              columns: new Map([
                ['n', { source: 'n', physical: 'integer' as const }],
                ['kind', { source: 'k', physical: 'text' as const }],
                ['flag', { source: 'f', physical: 'boolean' as const }],
              ]),
            },
          ],
        ]),
      );
    };
    const column = (b: Builder, of: number, name: string, dtype: 'int' | 'bool' | 'category') =>
      b.add('column/1', [of], columnType(of, dtype), { name });
    const cases: ((b: Builder, input: number) => number)[] = [
      (b, t) => {
        const where = b.add('where/1', [t, column(b, t, 'flag', 'bool')], {
          kind: 'table',
          role: 'holder',
          table: 't',
        });
        return b.add(
          'sum/1',
          [b.add('add/1', [column(b, t, 'n', 'int'), column(b, where, 'n', 'int')], columnType(t, 'int'))],
          local(1),
        );
      },
      (b, t) => b.add('sum/1', [column(b, t, 'kind', 'category')], local(1)),
      (b, t) =>
        b.add(
          'count/1',
          [b.add('eq/1', [column(b, t, 'kind', 'category')], columnType(t, 'bool'), { category: 'zzz' })],
          local(1),
        ),
      (b, t) => b.add('count/1', [b.add('sqrt/1', [column(b, t, 'n', 'int')], columnType(t, 'int'))], local(1)),
      (b, t) => b.add('count/1', [t], { ...local(1), role: 'other' } as ValueType),
      (b, t) => b.add('histogram/1', [column(b, t, 'n', 'int')], local(2), { edges: ['1', '0', '2'] }),
      (b, t) => b.add('total/1', [t], local(1)),
    ];
    for (const build of cases) expect(compile(build)).toThrow(expect.objectContaining({ code: 'DATA_PLAN_MALFORMED' }));
    expect(compile((b, t) => b.add('sum/1', [column(b, t, 'x', 'int')], local(1)))).toThrow(
      expect.objectContaining({ code: 'DATA_MISSING_COLUMN' }),
    );
  });
});
