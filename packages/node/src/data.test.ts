import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Hash, TaskId } from '@2pm/core';
import { Budget } from '@2pm/data';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NodeConfig } from './config/load.ts';
import { listBudgets } from './data.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), '2pm-budgets-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const contract = (name: string, permits: string) => `apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:${name}
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: /x.csv, format: csv }]
schema: [{ name: ${name}, properties: [{ name: age, logicalType: integer }] }]
customProperties:
  - property: twopm.policy
    value: { permit: [${permits}], defaults: deny }
`;
const permit = (reveals: string, privacy = '') =>
  `{ parties: any, operations: [aggregate], reveals: ${reveals}, columns: any, thresholds: { minParties: 1, minGroupSize: 2 }, approval: auto${privacy} }`;
const budget = (total: number) => `, privacy: { epsilonPerTask: 1, epsilonTotal: ${total} }`;

test('budgets are listed by dataset, with what the most generous permit for private reveals leaves', async () => {
  const config = { data: { dir: join(dir, 'data') }, layout: { snapshots: join(dir, 'snapshots') } } as NodeConfig;
  await mkdir(config.data.dir);
  const write = (name: string, ...permits: string[]) =>
    writeFile(join(config.data.dir, `${name}.odcs.yaml`), contract(name, permits.join(', ')));
  await write('exact', permit('[aggregate]'), permit('[aggregate]', budget(9)));
  await write('spent', permit('[private]', budget(0.3)));
  await write('visits', permit('[private]', budget(2)), permit('[aggregate, private]', budget(5)));
  const charged = new Budget(config.layout.snapshots);
  await charged.load();
  for (const [n, epsilonMicros] of [
    { 'urn:2pm:visits': 100_000 },
    { 'urn:2pm:visits': 200_000, 'urn:2pm:spent': 400_000 },
  ].entries()) {
    const taskId = `0x${String(n).padStart(64, '0')}` as TaskId;
    await charged.charge({ taskId, request: taskId as unknown as Hash, epsilonMicros });
  }
  expect(await listBudgets(config)).toEqual([
    { id: 'urn:2pm:exact', spent: 0, total: null, left: 0 },
    { id: 'urn:2pm:spent', spent: 0.4, total: 0.3, left: 0 },
    { id: 'urn:2pm:visits', spent: 0.3, total: 5, left: 4.7 },
  ]);
});
