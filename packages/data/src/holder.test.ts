import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type NodeId,
  type Plan,
  type PlanNode,
  planHash,
  publicError,
  type TaskId,
  type TaskRequest,
  type TaskSpec,
  ZERO_HASH,
} from '@2pm/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Budget } from './budget.ts';
import { opensCommitment } from './commitment.ts';
import { parseContract } from './contract/contract.ts';
import { checkDataset } from './dataset-check.ts';
import { DEFAULT_LIMITS, type Engine } from './engine/engine.ts';
import { inlineEngine } from './engine/inline.ts';
import { dataHolder } from './holder.ts';
import { fileSource } from './sources/file/file-source.ts';

const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;
const task = (n: number) => `0x${String(n).padStart(64, '0')}` as TaskId;

const CONTRACT = (extra = {}) => {
  const { quality = '[]', permit = '' } = extra as { quality?: string; permit?: string };
  return `apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:people
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: people.csv, format: csv }]
schema:
  - name: people
    properties:
      - { name: age, physicalName: AGE, logicalType: integer, logicalTypeOptions: { minimum: 0, maximum: 120 } }
      - { name: city, logicalType: string, required: true }
    quality: ${quality}
customProperties:
  - property: twopm.policy
    value:
      permit:
        - { parties: any, operations: [aggregate], reveals: [aggregate], columns: any, thresholds: { minParties: 1, minGroupSize: 2 }, approval: auto ${permit} }
      defaults: deny
`;
};

function request(
  n: number,
  options: { maxRows?: number; nullable?: boolean; hi?: string; roles?: TaskSpec['roles'] } = {},
): TaskRequest {
  const { maxRows = 100, nullable = true, hi = '100000', roles = { hospital: [id(1), id(2)] } } = options;
  const B = { fractionBits: 0, lo: '0', hi };
  const local = { kind: 'local' as const, role: 'hospital', length: 1, ...B };
  const shared = { kind: 'shared' as const, length: 1, dtype: 'int' as const, ...B };
  const nodes: PlanNode[] = [
    {
      op: 'input/1',
      args: [],
      attrs: { table: 'people' },
      type: { kind: 'table', role: 'hospital', table: 'people' },
      line: 1,
    },
    {
      op: 'column/1',
      args: [0],
      attrs: { name: 'age' },
      type: { kind: 'column', role: 'hospital', of: 0, dtype: 'int', nullable, ...B },
      line: 2,
    },
    { op: 'sum/1', args: [1], attrs: {}, type: local, line: 3 },
    { op: 'count/1', args: [1], attrs: {}, type: local, line: 4 },
    { op: 'count/1', args: [0], attrs: {}, type: local, line: 5 },
    { op: 'total/1', args: [2], attrs: {}, type: shared, line: 6 },
    { op: 'total/1', args: [3], attrs: {}, type: shared, line: 7 },
    { op: 'total/1', args: [4], attrs: {}, type: shared, line: 8 },
    { op: 'suppress/1', args: [5, 6, 7], attrs: { min: 2 }, type: shared, line: 9 },
    {
      op: 'reveal/1',
      args: [8],
      attrs: { name: 'sum', to: 'analyst' },
      type: { kind: 'opened', length: 1, to: 'analyst', ...B },
      line: 10,
    },
  ];
  const plan: Plan = {
    v: 1,
    language: '2pm/1',
    name: 'ages',
    tables: { people: { maxRows, columns: { age: { type: 'int', min: '0', max: '120', nullable } } } },
    roles: { hospital: { min: 1, max: 3, tables: ['people'] } },
    recipients: ['analyst'],
    nodes,
    result: 9,
  };
  const spec = {
    v: 1,
    coordinator: id(9),
    nonce: n,
    programHash: ZERO_HASH,
    planHash: planHash(plan),
    roles,
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

describe('a data holder', () => {
  let root: string;
  let dir: string;
  let engine: Engine;
  let draws = 0;
  let now = Date.UTC(2026, 10, 21, 12);
  const signal = new AbortController().signal;
  const rng = { fill: <T extends Uint8Array>(bytes: T): T => bytes.fill(++draws % 251) as T };
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), '2pm-holder-'));
    engine = inlineEngine({ ...DEFAULT_LIMITS, tempDirectory: join(root, 'spill') });
  });
  afterAll(async () => {
    await engine.close();
    await rm(root, { recursive: true, force: true });
  });
  beforeEach(async () => {
    dir = await mkdtemp(join(root, 'case-'));
    await people('AGE,city\n30,Bern\n40,Wien\n,Graz\n50,Wien\n');
  });
  const people = async (text: string) => {
    await writeFile(join(dir, 'new.csv'), text);
    await rename(join(dir, 'new.csv'), join(dir, 'people.csv'));
  };
  const holder = (extra = {}) =>
    dataHolder({
      dir: join(dir, 'data'),
      engine,
      sources: [fileSource({ engine })],
      contracts: [parseContract((extra as { contract?: string }).contract ?? CONTRACT(extra))],
      clock: { now: () => now },
      rng,
      baseDir: dir,
    });
  const parquets = async () =>
    (await readdir(join(dir, 'data', 'snapshots'))).filter((name) => name.endsWith('.parquet'));
  const error = (run: Promise<unknown>) =>
    run.then(
      () => undefined,
      (e) => e,
    );

  it('judges, prepares, computes and releases', async () => {
    const node = holder();
    expect(await node.judge(request(1))).toEqual({ verdict: 'allow' });
    const prepared = await node.prepare(request(1), { signal });
    expect(prepared.commitment).toMatch(/^0x[0-9a-f]{64}$/);
    expect(prepared.datasets).toMatchObject([{ table: 'people', contract: 'urn:2pm:people' }]);
    const vectors = await node.compute(request(1), 'hospital', [2, 3, 4], { signal });
    expect([...vectors].map(([node, vector]) => [node, [...vector]])).toEqual([
      [2, [120n]],
      [3, [3n]],
      [4, [4n]],
    ]);
    await node.release(task(1));
    expect(await error(node.compute(request(1), 'hospital', [2], { signal }))).toMatchObject({ code: 'DATA_RELEASED' });
  });

  it('gives one task the same commitment across restarts, and two tasks on the same data different ones', async () => {
    const first = await holder().prepare(request(1), { signal });
    expect(await holder().prepare(request(1), { signal })).toEqual(first);
    const second = await holder().prepare(request(2), { signal });
    expect(second.commitment).not.toBe(first.commitment);
    expect(second.datasets).toEqual(first.datasets);
    expect(await parquets()).toHaveLength(1);
  });

  it('commits to the snapshot by a salt that it keeps', async () => {
    const node = holder();
    const { commitment } = await node.prepare(request(1), { signal });
    const record = JSON.parse(await readFile(join(dir, 'data', 'tasks', `${task(1)}.json`), 'utf8'));
    const opening = record.snapshots.map(({ table, snapshot }: { table: string; snapshot: object }) => ({
      table,
      ...snapshot,
    }));
    expect(opensCommitment(commitment, record.salt, opening)).toBe(true);
    expect(opensCommitment(commitment, record.salt, [{ ...opening[0], root: ZERO_HASH }])).toBe(false);
    expect(opensCommitment(commitment, `0x${'00'.repeat(32)}`, opening)).toBe(false);
  });

  it('keeps computing on the prepared version after the source has changed', async () => {
    const node = holder();
    await node.prepare(request(1), { signal });
    await people('AGE,city\n99,Bern\n99,Bern\n');
    expect((await node.compute(request(1), 'hospital', [2], { signal })).get(2)?.[0]).toBe(120n);
    await node.prepare(request(2), { signal });
    expect((await node.compute(request(2), 'hospital', [2], { signal })).get(2)?.[0]).toBe(198n);
    expect(await parquets()).toHaveLength(2);
    await node.release(task(1));
    expect(await parquets()).toHaveLength(1);
  });

  it('refuses to compute on a snapshot that was altered', async () => {
    const node = holder();
    await node.prepare(request(1), { signal });
    const [file] = await parquets();
    const path = join(dir, 'data', 'snapshots', file as string);
    expect((await stat(path)).mode & 0o777).toBe(0o400);
    const bytes = await readFile(path);
    bytes[10] = (bytes[10] ?? 0) ^ 1;
    await chmod(path, 0o600);
    await writeFile(path, bytes);
    expect(await error(node.compute(request(1), 'hospital', [2], { signal }))).toMatchObject({
      code: 'DATA_SNAPSHOT_LOST',
    });
  });

  it('prepares nothing that the policy refuses, and counts the day right when tasks come together', async () => {
    const limited = holder({ permit: ', limits: { maxTasksPerDay: 2 }' });
    const settled = await Promise.allSettled([1, 2, 3].map((n) => limited.prepare(request(n), { signal })));
    expect(settled.map((each) => each.status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(settled[2]).toMatchObject({ reason: { code: 'POLICY_TASKS_PER_DAY' } });
    // Those already prepared stay so; released ones still count; tomorrow is another day.
    await limited.prepare(request(1), { signal });
    await limited.release(task(1));
    expect(await limited.judge(request(3))).toMatchObject({ code: 'POLICY_TASKS_PER_DAY' });
    now += 86_400_000;
    expect(await limited.judge(request(3))).toEqual({ verdict: 'allow' });
  });

  it('charges the privacy budget before it reads a row, once a task, and gives nothing back', async () => {
    const policy = 'reveals: [private], privacy: { epsilonPerTask: 1, epsilonTotal: 1 }';
    const contract = CONTRACT().replace('reveals: [aggregate]', policy);
    const budgeted = () => holder({ contract });
    const noisy = (n: number) => {
      const whole = request(n);
      const [suppressed] = whole.plan.nodes.splice(8, 1, {
        ...(whole.plan.nodes[8] as PlanNode),
        ...{ op: 'noise/1', args: [5], attrs: { epsilonMicros: 400_000, sensitivity: '120' } },
      });
      expect(suppressed?.op).toBe('suppress/1');
      return whole;
    };
    const spent = async () => {
      const budget = new Budget(join(dir, 'data'));
      await budget.load();
      return budget.spent('urn:2pm:people');
    };
    await budgeted().judge(noisy(1));
    expect(await spent()).toBe(0);
    await budgeted().prepare(noisy(1), { signal });
    await budgeted().prepare(noisy(1), { signal });
    expect(await spent()).toBe(400_000);
    // What never starts has been charged all the same, and is not charged again when it is tried again.
    await people('AGE,city\n200,Bern\n40,Wien\n');
    expect(await error(budgeted().prepare(noisy(2), { signal }))).toMatchObject({ code: 'DATA_QUALITY' });
    expect(await error(budgeted().prepare(noisy(2), { signal }))).toMatchObject({ code: 'DATA_QUALITY' });
    expect(await spent()).toBe(800_000);
    await people('AGE,city\n30,Bern\n40,Wien\n');
    expect(await error(budgeted().prepare(noisy(3), { signal }))).toMatchObject({ code: 'POLICY_BUDGET' });
    expect(await spent()).toBe(800_000);
    await budgeted().release(task(1));
    expect(await budgeted().judge(noisy(3))).toMatchObject({ verdict: 'refuse', code: 'POLICY_BUDGET' });
    // Another version of the contract is the same dataset.
    const next = holder({ contract: contract.replace('version: 1.0.0', 'version: 2.0.0') });
    expect(await next.judge(noisy(3))).toMatchObject({ code: 'POLICY_BUDGET' });
  });

  it.each<[string, string, object, Parameters<typeof request>[1], string, string | RegExp]>([
    [
      'a value outside its range',
      'AGE,city\n30,Bern\n999,Wien\n',
      {},
      {},
      'DATA_QUALITY',
      /age: within minimum.*row 2: "999"/,
    ],
    ['a missing value that is required', 'AGE,city\n30,\n40,Wien\n', {}, {}, 'DATA_QUALITY', /city: required/],
    [
      'too few rows for its rule',
      'AGE,city\n30,Bern\n',
      { quality: '[{ metric: rowCount, mustBeGreaterThan: 1 }]' },
      {},
      'DATA_QUALITY',
      /rowCount/,
    ],
    [
      'duplicates',
      'AGE,city\n30,Bern\n30,Bern\n',
      { quality: '[{ metric: duplicateValues, arguments: { properties: [age, city] }, mustBe: 0 }]' },
      {},
      'DATA_QUALITY',
      /duplicateValues/,
    ],
    [
      'nulls where the plan expects none',
      'AGE,city\n30,Bern\n,Wien\n',
      {},
      { nullable: false },
      'DATA_QUALITY',
      /AGE: 1 nulls/,
    ],
    [
      'more rows than the plan has room for',
      'AGE,city\n30,Bern\n40,Wien\n50,Wien\n',
      {},
      { maxRows: 2 },
      'DATA_CAPACITY',
      /3 rows/,
    ],
    ['a sum beyond the bounds of the plan', 'AGE,city\n30,Bern\n40,Wien\n', {}, { hi: '50' }, 'DATA_OUT_OF_BOUNDS', ''],
    ['a word in a column of numbers', 'AGE,city\nold,Bern\n', {}, {}, 'DATA_WRONG_TYPE', /line 2.*"old"/],
    ['a missing column', 'age,city\n30,Bern\n', {}, {}, 'DATA_MISSING_COLUMN', /AGE/],
  ])(
    'finds %s before it consents, and tells no one but the holder',
    async (_, text, contract, options, code, detail) => {
      await people(text);
      const failure = await error(holder(contract).prepare(request(1, options), { signal }));
      expect(failure).toMatchObject({ code });
      if (detail !== '') expect((failure as { privateDetail: string }).privateDetail).toMatch(detail);
      expect(JSON.stringify(publicError(failure))).not.toMatch(/999|Bern|Wien|old|AGE|3 rows/);
      expect(await error(holder(contract).compute(request(1, options), 'hospital', [2], { signal }))).toMatchObject({
        code: 'DATA_NOT_PREPARED',
      });
    },
  );

  it('refuses another plan under a task id that it has prepared, and a role that is not its own', async () => {
    const node = holder();
    await node.prepare(request(1), { signal });
    expect(await error(node.prepare(request(1, { maxRows: 99 }), { signal }))).toMatchObject({
      code: 'DATA_OTHER_TASK',
    });
    expect(await error(node.compute(request(1), 'bank', [2], { signal }))).toMatchObject({ code: 'DATA_WRONG_ROLE' });
  });

  it('commits to nothing where it only sits', async () => {
    const seatOnly = request(1, { roles: { hospital: [id(2)] } });
    expect(await holder().prepare(seatOnly, { signal })).toEqual({
      commitment: ZERO_HASH,
      datasets: [],
      keys: [],
    });
  });

  it('clears away what an interrupted snapshot left', async () => {
    await mkdir(join(dir, 'data', 'snapshots'), { recursive: true });
    await writeFile(join(dir, 'data', 'snapshots', 'half.parquet'), 'PAR1');
    await holder().prepare(request(1), { signal });
    expect(await parquets()).not.toContain('half.parquet');
  });

  it('reports every rule for the holder to see', async () => {
    await people('AGE,city\n30,Bern\n130,Wien\n');
    const scratch = join(dir, 'check.parquet');
    const report = await checkDataset(
      parseContract(CONTRACT({ quality: '[{ metric: rowCount, mustBe: 3, severity: warning }]' })),
      {
        engine,
        sources: [fileSource({ engine })],
        baseDir: dir,
        scratch,
      },
    );
    expect(report).toEqual({
      contract: 'urn:2pm:people',
      rows: 2,
      ok: false,
      checks: [
        {
          column: 'age',
          rule: 'within minimum and maximum',
          found: 1,
          ok: false,
          severity: 'error',
          examples: ['row 2: "130"'],
        },
        { column: 'city', rule: 'required', found: 0, ok: true, severity: 'error', examples: [] },
        { rule: 'rowCount mustBe 3', found: 2, ok: false, severity: 'warning', examples: [] },
      ],
    });
    await expect(stat(scratch)).rejects.toThrow();
  });
});
