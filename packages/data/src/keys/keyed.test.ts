/** Keys of a holder from source to digests, on real CSV, Parquet and SQLite, and what `prepare` finds before consent. */
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DeliveredColumn,
  type KeyedRows,
  type KeyType,
  type NodeId,
  type Plan,
  type PlanNode,
  planHash,
  publicError,
  type TableType,
  type TaskId,
  type TaskRequest,
  type TaskSpec,
  ZERO_HASH,
} from '@2pm/core';
import fc from 'fast-check';
import Database from 'libsql';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseContract } from '../contract/contract.ts';
import { checkKey } from '../dataset-check.ts';
import { DEFAULT_LIMITS, type Engine } from '../engine/engine.ts';
import { inlineEngine } from '../engine/inline.ts';
import { dataHolder } from '../holder.ts';
import { fileSource } from '../sources/file/file-source.ts';
import { sqliteSource } from '../sources/sqlite/sqlite-source.ts';
import { identifier, literal } from '../sql.ts';
import { digest } from './reference.ts';

const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;
const task = (n: number) => `0x${String(n).padStart(64, '0')}` as TaskId;
const signal = new AbortController().signal;

interface Person {
  email: string | null;
  phone: string | null;
  name: string | null;
  born: string | null;
  age: number | null;
}
const PEOPLE: readonly Person[] = [
  { email: ' Ann@Example.org', phone: '030 1234567', name: 'Ann Lee', born: '1980-01-02', age: 41 },
  { email: 'ann@example.org', phone: '+49 30 7654321', name: "O'Brien", born: '1981-02-03', age: 42 },
  { email: 'n/a', phone: '0049301111112', name: 'José', born: '1982-03-04', age: 43 },
  { email: 'not an address', phone: '12', name: 'Jose\u0301', born: '1982-03-04', age: 44 },
  { email: null, phone: null, name: null, born: null, age: 45 },
  { email: 'İlker@example.com', phone: null, name: 'İlker', born: '1990-05-06', age: null },
  { email: 'bob@example.net', phone: '+4930 7654321', name: '김 민수', born: '1991-06-07', age: 999 },
];
const EMAIL: KeyType = [[{ column: 'email', rule: 'email/v1' }]];
const PASSES: KeyType = [
  [{ column: 'email', rule: 'email/v1' }],
  [{ column: 'phone', rule: 'e164/v1', callingCode: '49' }],
  [
    { column: 'name', rule: 'name/v1' },
    { column: 'born', rule: 'date/v1' },
  ],
];

const contract = (server: string, names: Record<keyof Person, string>) =>
  parseContract(`apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:people
version: 1.0.0
status: active
servers: [{ server: main, type: local, ${server} }]
schema:
  - name: people
    properties:
      - { name: email, physicalName: ${names.email}, logicalType: string }
      - { name: phone, physicalName: ${names.phone}, logicalType: string }
      - { name: name, physicalName: ${names.name}, logicalType: string }
      - { name: born, physicalName: ${names.born}, logicalType: date }
      - { name: age, physicalName: ${names.age}, logicalType: integer }
customProperties:
  - property: twopm.policy
    value:
      permit:
        - { parties: any, operations: [aggregate, match, rows], reveals: [aggregate, rows], columns: any, thresholds: { minParties: 1, minGroupSize: 2 }, approval: auto }
      defaults: deny
`);

interface Wish {
  key?: KeyType;
  columns?: string[];
  capacity?: number;
  duplicates?: 'error' | 'first' | 'drop';
  /** Only rows with an age of at least this. */
  from?: number;
  table?: Partial<TableType>;
}

function request(n: number, wish: Wish = {}): TaskRequest {
  const { key = EMAIL, columns = [], capacity = 10, duplicates = 'first', from } = wish;
  const table = { kind: 'table' as const, role: 'shop', table: 'people' };
  const nodes: PlanNode[] = [{ op: 'input/1', args: [], attrs: { table: 'people' }, type: table, line: 1 }];
  const add = (op: PlanNode['op'], args: number[], attrs: PlanNode['attrs'], type: PlanNode['type']) =>
    nodes.push({ op, args, attrs, type, line: nodes.length + 1 }) - 1;
  let rows = 0;
  if (from !== undefined) {
    const int = { kind: 'column', role: 'shop', of: 0, nullable: true, fractionBits: 0 } as const;
    const age = add('column/1', [0], { name: 'age' }, { ...int, dtype: 'int', lo: '0', hi: '120' });
    const least = add('constant/1', [], {}, { kind: 'constant', fractionBits: 0, value: String(from) });
    const old = add('ge/1', [age, least], {}, { ...int, dtype: 'bool', lo: '0', hi: '1' });
    rows = add('where/1', [0, old], {}, table);
  }
  const attrs = { key: 'person', columns, capacity, duplicates };
  add('keyed/1', [rows], attrs, { kind: 'keyed', role: 'shop', table: 'people', key: 'person', length: capacity });
  const plan: Plan = {
    v: 1,
    language: '2pm/1',
    name: 'match',
    tables: {
      people: {
        maxRows: 1_000,
        columns: { age: { type: 'int', min: '0', max: '120', nullable: true } },
        keys: { person: key },
        ...wish.table,
      },
    },
    roles: { shop: { min: 1, max: 1, tables: ['people'] } },
    recipients: ['analyst'],
    nodes,
    result: {},
  };
  const spec = {
    v: 1,
    coordinator: id(9),
    nonce: n,
    programHash: ZERO_HASH,
    planHash: planHash(plan),
    roles: { shop: [id(1)] },
    seats: [id(1), id(2), id(3)],
    protocol: 'rep3-semi-honest/1',
    security: 'semi-honest',
    recipients: { analyst: { id: id(8), hpke: '0x00' } },
    purpose: 'research',
    limits: { attemptMs: 60_000 },
    joinBy: 1,
    settleBy: 2,
    quorum: 0,
  } as TaskSpec;
  return { taskId: task(n), signed: { spec, signatures: {} }, plan, self: id(1) };
}
const keyedNode = ({ plan }: TaskRequest) => plan.nodes.length - 1;

const hex = (bytes: Uint8Array | undefined, row: number) =>
  Buffer.from(bytes?.subarray(16 * row, 16 * row + 16) ?? []).toString('hex');
const digests = ({ rows, digests: of, present }: KeyedRows) =>
  Array.from({ length: rows }, (_, row) => of.map((pass, p) => (present[p]?.[row] === 1 ? hex(pass, row) : null)));

describe('keyed rows', () => {
  let root: string;
  let dir: string;
  let engine: Engine;
  let draws = 0;
  const rng = { fill: <T extends Uint8Array>(bytes: T): T => bytes.fill(++draws % 251) as T };
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), '2pm-keyed-'));
    engine = inlineEngine({ ...DEFAULT_LIMITS, tempDirectory: join(root, 'spill') });
  });
  afterAll(async () => {
    await engine.close();
    await rm(root, { recursive: true, force: true });
  });
  beforeEach(async () => {
    dir = await mkdtemp(join(root, 'case-'));
  });

  const over = (loaded: ReturnType<typeof parseContract>, name = 'data') =>
    dataHolder({
      dir: join(dir, name),
      engine,
      sources: [fileSource({ engine }), sqliteSource({ engine })],
      contracts: [loaded],
      clock: { now: () => Date.UTC(2026, 10, 22) },
      rng,
      baseDir: dir,
    });
  const NAMES = { email: 'email', phone: 'phone', name: 'name', born: 'born', age: 'age' };
  const csv = async (people: readonly Partial<Person>[] = PEOPLE) => {
    const field = (value: unknown) =>
      value === null || value === undefined ? '' : `"${String(value).replaceAll('"', '""')}"`;
    const lines = people.map((one) =>
      Object.keys(NAMES)
        .map((name) => field(one[name as keyof Person]))
        .join(),
    );
    await writeFile(join(dir, 'people.csv'), `${Object.keys(NAMES).join()}\n${lines.join('\n')}\n`);
    return over(contract('path: people.csv, format: csv', NAMES));
  };
  const parquet = async () => {
    const names = { email: 'E_Mail', phone: 'tel', name: 'Full', born: 'dob', age: 'years' };
    const value = (it: string | number | null) =>
      it === null ? 'NULL' : typeof it === 'number' ? String(it) : literal(it);
    const rows = PEOPLE.map((one) => `(${Object.values(one).map(value).join(', ')})`);
    const columns = Object.values(names).map(identifier);
    const select = `SELECT ${columns.join(', ')} FROM (VALUES ${rows.join(', ')}) AS t(${columns.join(', ')})`;
    const target = join(dir, 'people.parquet');
    const sql = `COPY (SELECT * REPLACE (CAST(dob AS DATE) AS dob) FROM (${select})) TO ${literal(target)} (FORMAT parquet)`;
    await engine.query({ statements: [sql], files: [target] }, {});
    return over(contract('path: people.parquet, format: parquet', names), 'parquet');
  };
  const sqlite = async () => {
    const names = { email: 'mail', phone: 'number', name: 'who', born: 'birthday', age: 'n' };
    const db = new Database(join(dir, 'people.db'));
    db.exec('CREATE TABLE people (mail TEXT, number TEXT, who TEXT, birthday TEXT, n INTEGER)');
    const insert = db.prepare('INSERT INTO people VALUES (?, ?, ?, ?, ?)');
    for (const one of PEOPLE) insert.run(...Object.values(one));
    db.close();
    return over(contract('path: people.db, format: sqlite', names), 'sqlite');
  };
  const rowsOf = async (holder: Awaited<ReturnType<typeof csv>>, given: TaskRequest) => {
    const prepared = await holder.prepare(given, { signal });
    return { prepared, keyed: await holder.keyed(given, 'shop', keyedNode(given), { signal }) };
  };
  const error = (run: Promise<unknown>) =>
    run.then(
      () => undefined,
      (e) => e,
    );

  it('give equal digests whatever the source, its column names and the calling code', async () => {
    const wish: Wish = { key: PASSES, columns: ['age'] };
    const fromCsv = await rowsOf(await csv(), request(1, wish));
    expect((await rowsOf(await parquet(), request(1, wish))).keyed).toEqual(fromCsv.keyed);
    expect((await rowsOf(await sqlite(), request(1, wish))).keyed).toEqual(fromCsv.keyed);
    expect(fromCsv.prepared.keys[0]).toMatchObject({ rows: 7, lacking: 1, keyed: 4, capacity: 10 });
    // Clamped to what the plan declares.
    expect(fromCsv.keyed.columns).toEqual([BigInt64Array.of(41n, 42n, 43n, 120n)]);
  });

  it('are those of the reference, row by row', async () => {
    const { keyed } = await rowsOf(await csv(), request(1, { key: PASSES }));
    const rows = PEOPLE.map((one) =>
      PASSES.map((pass) =>
        digest(
          pass.map((field) => ({ field, raw: one[field.column as keyof Person] as string | null })),
        ).digest?.toString('hex'),
      ),
    );
    const seen = PASSES.map(() => new Set<string>());
    const first = rows.map((row) =>
      row.map((value, pass) => {
        if (value === undefined || seen[pass]?.has(value)) return null;
        seen[pass]?.add(value);
        return value;
      }),
    );
    expect(digests(keyed)).toEqual(first.filter((row) => row.some((value) => value !== null)));
  });

  it('report what is missing, unreadable and doubled, and keep it with the task', async () => {
    const holder = await csv();
    const prepared = await holder.prepare(request(1, { key: PASSES }), { signal });
    expect(prepared.keys).toEqual([
      {
        node: 1,
        table: 'people',
        key: 'person',
        rows: 7,
        lacking: 0,
        passes: [
          { nulls: 2, invalid: 1, duplicates: 1, distinct: 3 },
          { nulls: 2, invalid: 1, duplicates: 1, distinct: 3 },
          { nulls: 1, invalid: 0, duplicates: 1, distinct: 5 },
        ],
        keyed: 5,
        capacity: 10,
        warnings: [],
      },
    ]);
    expect(await holder.prepare(request(1, { key: PASSES }), { signal })).toEqual(prepared);
  });

  it('keep the conditions of the table, and leave out rows that lack what they bring', async () => {
    const holder = await csv();
    const older = await rowsOf(holder, request(1, { columns: ['age'], from: 42 }));
    expect(older.keyed.columns).toEqual([BigInt64Array.of(42n, 120n)]);
    expect(older.prepared.keys[0]).toMatchObject({ rows: 5, lacking: 0, keyed: 2 });
    const all = await rowsOf(holder, request(2, { columns: ['age'] }));
    expect(all.keyed.columns).toEqual([BigInt64Array.of(41n, 120n)]);
    expect(all.prepared.keys[0]).toMatchObject({ rows: 7, lacking: 1, keyed: 2 });
  });

  it('with drop leave out all that share a key, with error stop before consent', async () => {
    const holder = await csv();
    const dropped = await rowsOf(holder, request(1, { duplicates: 'drop' }));
    expect(digests(dropped.keyed)).toEqual(
      ['İlker@example.com', 'bob@example.net'].map((raw) => [
        digest([{ field: { rule: 'email/v1' }, raw }]).digest?.toString('hex'),
      ]),
    );
    const failure = await error(holder.prepare(request(2, { duplicates: 'error' }), { signal }));
    expect(failure).toMatchObject({ code: 'DATA_DUPLICATE_KEYS', privateDetail: 'pass 1: 1 duplicates' });
    expect(JSON.stringify(publicError(failure))).not.toMatch(/1 dup|example\.org/);
    expect(await error(holder.keyed(request(2, { duplicates: 'error' }), 'shop', 1, { signal }))).toMatchObject({
      code: 'DATA_NOT_PREPARED',
    });
  });

  it('stop before consent where they are more than the capacity', async () => {
    const failure = await error((await csv()).prepare(request(1, { capacity: 2 }), { signal }));
    expect(failure).toMatchObject({ code: 'DATA_CAPACITY', privateDetail: '3 rows with a key, capacity 2' });
    expect(JSON.stringify(publicError(failure))).not.toMatch(/3 rows/);
  });

  it('warn of keys that anyone can try through', async () => {
    const born: KeyType = [[{ column: 'born', rule: 'date/v1' }]];
    const [report] = (await (await csv()).prepare(request(1, { key: born }), { signal })).keys;
    expect(report?.warnings).toEqual([expect.stringMatching(/^pass 1: its keys can take at most 100,000 values/)]);
    const tens = Array.from({ length: 8 }, (_, i) => ({ phone: String(i + 1), age: 1 }));
    const digit: KeyType = [[{ column: 'phone', rule: 'digits/v1' }]];
    const [tiny] = (await (await csv(tens)).prepare(request(2, { key: digit }), { signal })).keys;
    expect(tiny?.warnings).toEqual([expect.stringMatching(/at most 10 values.*more than half/)]);
  });

  it('are refused with a fix where the contract has no such column, or not as the rule reads it', async () => {
    const holder = await csv();
    const missing: KeyType = [[{ column: 'iban', rule: 'exact/v1' }]];
    expect(await error(holder.prepare(request(1, { key: missing }), { signal }))).toMatchObject({
      code: 'POLICY_UNKNOWN_COLUMN',
    });
    const unread: KeyType = [[{ column: 'born', rule: 'email/v1' }]];
    expect(await error(holder.prepare(request(2, { key: unread }), { signal }))).toMatchObject({
      code: 'POLICY_COLUMN_TYPE',
    });
  });

  it('can be counted by their holder without a task', async () => {
    await csv();
    const options = { engine, sources: [fileSource({ engine })], baseDir: dir, scratch: join(dir, 'copy.parquet') };
    const loaded = contract('path: people.csv, format: csv', NAMES);
    const report = await checkKey(loaded, EMAIL, options);
    expect(report).toMatchObject({ rows: 7, passes: [{ nulls: 2, invalid: 1, duplicates: 1, distinct: 3 }], keyed: 3 });
    const iban: KeyType = [[{ column: 'iban', rule: 'exact/v1' }]];
    expect(await error(checkKey(loaded, iban, options))).toMatchObject({ code: 'DATA_MISSING_COLUMN' });
    const born: KeyType = [[{ column: 'born', rule: 'email/v1' }]];
    expect(await error(checkKey(loaded, born, options))).toMatchObject({ code: 'DATA_KEY_TYPE' });
    expect(await readdir(dir)).not.toContain('copy.parquet');
  });

  it('are given to their own role alone', async () => {
    const holder = await csv();
    await holder.prepare(request(1), { signal });
    expect(await error(holder.keyed(request(1), 'bank', 1, { signal }))).toMatchObject({ code: 'DATA_WRONG_ROLE' });
    expect(await error(holder.keyed(request(1), 'shop', 0, { signal }))).toMatchObject({ code: 'DATA_PLAN_MALFORMED' });
  });

  it('are kept as the source has them, for the holder alone, the last attempt in place of the one before', async () => {
    const holder = await parquet();
    const given = request(1, { columns: ['age'] });
    await holder.prepare(given, { signal });
    const deliver = (rows: number[]) => holder.deliver(given, 'shop', 1, 'common', Uint32Array.from(rows), { signal });
    await deliver([0, 1]);
    const { file, rows } = await deliver([1]);
    expect({ rows, mode: (await stat(file)).mode & 0o777 }).toEqual({ rows: 1, mode: 0o600 });
    expect(file).toBe(join(dir, 'parquet', 'results', task(1), 'common.parquet'));
    expect(await readdir(join(file, '..'))).toEqual(['common.parquet']);
    const [kept] = await engine.query(
      { statements: [`SELECT * FROM read_parquet(${literal(file)})`], files: [file] },
      {},
    );
    expect(kept?.columns.map(({ name, values }) => [name, values[0]])).toEqual([
      ['E_Mail', 'bob@example.net'],
      ['years', 999],
    ]);
    for (const bad of [[2], [1, 0], [0, 0]]) expect(await error(deliver(bad))).toMatchObject({ code: 'DATA_BAD_ROWS' });
    await holder.release(task(1));
    expect((await stat(file)).size).toBeGreaterThan(0);
    expect((await deliver([]).catch((e) => e)).code).toBe('DATA_RELEASED');
  });

  it('are kept beside what another holder delivered, in readable form, under names that are free', async () => {
    const holder = await parquet();
    const given = request(1, { columns: ['age'] });
    await holder.prepare(given, { signal });
    const none = { nullable: false };
    const [min, max] = ['-1000000', '1000000'];
    const delivered: DeliveredColumn[] = [
      { name: 'bank_miles', type: { type: 'int', min, max, ...none }, values: BigInt64Array.of(-7n, 1_000_000n) },
      {
        name: 'bank_rate',
        type: { type: 'fixed', min, max, fractionBits: 4, ...none },
        values: BigInt64Array.of(-24n, 1n),
      },
      { name: 'bank_active', type: { type: 'bool', ...none }, values: BigInt64Array.of(1n, 0n) },
      {
        name: 'bank_since',
        type: { type: 'date', min: `-${2n ** 61n}`, max: `${2n ** 61n}`, ...none },
        values: BigInt64Array.of(19_723n, 2n ** 61n),
      },
      {
        name: 'bank_tier',
        type: { type: 'category', values: ["gold's", 'basic'], ...none },
        values: BigInt64Array.of(1n, 0n),
      },
      { name: 'Years', type: { type: 'int', min, max, ...none }, values: BigInt64Array.of(1n, 2n) },
    ];
    const rows = Uint32Array.of(0, 1);
    const { file } = await holder.deliver(given, 'shop', 1, 'common', rows, { signal, delivered });
    const [kept] = await engine.query(
      {
        statements: [
          `SELECT * REPLACE (CAST(bank_active AS VARCHAR) AS bank_active, coalesce(CAST(bank_since AS VARCHAR), 'none') AS bank_since) FROM read_parquet(${literal(file)})`,
        ],
        files: [file],
      },
      {},
    );
    expect(kept?.columns.map(({ name, values }) => [name, ...values])).toEqual([
      ['E_Mail', ' Ann@Example.org', 'bob@example.net'],
      ['years', 41, 999],
      ['bank_miles', -7n, 1_000_000n],
      ['bank_rate', -1.5, 0.0625],
      ['bank_active', 'true', 'false'],
      ['bank_since', '2024-01-01', 'none'],
      ['bank_tier', 'basic', "gold's"],
      ['Years_', 1n, 2n],
    ]);
    const short = delivered.map((column) => ({ ...column, values: column.values.subarray(1) }));
    const bad = holder.deliver(given, 'shop', 1, 'common', rows, { signal, delivered: short });
    expect(await error(bad)).toMatchObject({ code: 'DATA_BAD_ROWS' });
  });

  it('are distinct in each pass, and every row is counted once', async () => {
    const value = fc.constantFrom('a@x.org', 'A@X.org ', 'b@x.org', 'c@x.org', 'nobody', 'n/a', null);
    const phone = fc.constantFrom('030 1234567', '+49301234567', '+49301234568', '12', null);
    const person = fc.record({ email: value, phone, age: fc.constantFrom(1, null) });
    let n = 10;
    await fc.assert(
      fc.asyncProperty(
        fc.array(person, { minLength: 1, maxLength: 12 }),
        fc.constantFrom<'first' | 'drop'>('first', 'drop'),
        async (people, duplicates) => {
          const key = PASSES.slice(0, 2);
          const { prepared, keyed } = await rowsOf(
            await csv(people),
            request(n++, { key, duplicates, columns: ['age'], capacity: 12 }),
          );
          const [report] = prepared.keys;
          for (const [pass, counts] of (report?.passes ?? []).entries()) {
            const { nulls, invalid, duplicates: shared, distinct } = counts;
            expect(nulls + invalid + shared + distinct + (report?.lacking ?? 0)).toBe(people.length);
            const found = digests(keyed).flatMap((row) => row[pass] ?? []);
            expect(new Set(found).size).toBe(found.length);
            if (duplicates === 'first') expect(found.length).toBe(distinct);
            else expect(found.length).toBeLessThanOrEqual(distinct);
          }
          expect(report?.keyed).toBe(keyed.rows);
        },
      ),
      { numRuns: 8, endOnFailure: true },
    );
  });
});
