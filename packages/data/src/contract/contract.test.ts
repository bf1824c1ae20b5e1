import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../engine/engine.ts';
import { inlineEngine } from '../engine/inline.ts';
import { fileSource } from '../sources/file/file-source.ts';
import { parseContract, policyOf, tableOf } from './contract.ts';
import { draftContract } from './draft.ts';

const GOOD = `apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:patients
version: 2.1.0
status: active
servers:
  - { server: main, type: local, path: /data/patients.csv, format: csv }
schema:
  - name: patients
    physicalName: patients_v
    properties:
      - { name: id, logicalType: integer, required: true }
      - name: age
        physicalName: "AGE (years)"
        logicalType: integer
        logicalTypeOptions: { minimum: 0, maximum: 120 }
        classification: sensitive
        quality:
          - { metric: nullValues, mustBe: 0 }
          - { metric: invalidValues, mustBeLessThan: 1, unit: percent, severity: warning }
    quality:
      - { metric: rowCount, mustBeGreaterOrEqualTo: 1000 }
      - { metric: duplicateValues, arguments: { properties: [id] }, mustBe: 0 }
customProperties:
  - property: twopm.policy
    value:
      permit:
        - parties: any
          operations: [aggregate]
          reveals: [aggregate]
          columns: [age]
          thresholds: { minParties: 2, minGroupSize: 20 }
          approval: auto
      prohibit:
        - { columns: [id] }
      defaults: deny
`;

describe('a dataset contract', () => {
  it('is read with its schema, rules and policy', () => {
    const contract = parseContract(GOOD);
    expect(tableOf(contract).properties.map((property) => property.physicalName ?? property.name)).toEqual([
      'id',
      'AGE (years)',
    ]);
    expect(policyOf(contract).permit[0]?.thresholds).toEqual({ minParties: 2, minGroupSize: 20 });
    expect(policyOf(contract).permit[0]?.security).toBe('semi-honest');
  });

  it.each([
    [
      'an unknown key at the top',
      /^status: active/m,
      'status: active\nsurprise: 1',
      /line 6: contract: unknown key surprise/,
    ],
    [
      'an unknown key of the policy',
      'approval: auto',
      'approval: auto\n          untill: x',
      /line 34: .*unknown key untill/,
    ],
    ['another twopm property', 'property: twopm.policy', 'property: twopm.polcy', /line 25: .*twopm.policy/],
    ['an unknown operation', '[aggregate]\n          reveals', '[agregate]\n          reveals', /line 29/],
    [
      'an sql rule',
      'metric: rowCount, mustBeGreaterOrEqualTo: 1000',
      "type: sql, query: 'select 1', metric: rowCount, mustBe: 0",
      /line 22: .*sql or custom/,
    ],
    ['a rule without a bound', ', mustBe: 0 }\n          - {', ' }\n          - {', /line 19: .*exactly one/],
    ['defaults other than deny', 'defaults: deny', 'defaults: allow', /line 36/],
    ['a policy column that does not exist', 'columns: [age]', 'columns: [agee]', /line 31: .*no property "agee"/],
    ['a key that stands twice', 'status: active', 'status: active\nstatus: draft', /line 6: DUPLICATE_KEY/],
    ['broken YAML', 'status: active', 'status: [active', /line \d+/],
    ['a minimum above the maximum', 'minimum: 0', 'minimum: 130', /line 16: .*below the minimum/],
    ['a text bound of a number', 'minimum: 0', 'minimum: "2020-01-01"', /line 16/],
    ['a missing policy', /customProperties:[\s\S]*/, 'customProperties: []', /twopm.policy/],
    ['a group size of one', 'minGroupSize: 20', 'minGroupSize: 1', /line 32/],
    ['another version of the standard', 'v3.1.0', 'v2.2.2', /line 1/],
  ])('is refused with the line for %s', (_, find, replace, message) => {
    const source = GOOD.replace(find, replace);
    expect(source).not.toBe(GOOD);
    expect(() => parseContract(source)).toThrow(
      expect.objectContaining({ code: 'DATA_CONTRACT_INVALID', message: expect.stringMatching(message) }),
    );
  });
});

describe('a drafted contract', () => {
  it('has the columns and ranges of the source, is valid, and permits nothing', async () => {
    const dir = await mkdtemp(join(tmpdir(), '2pm-draft-'));
    const engine = inlineEngine({ ...DEFAULT_LIMITS, tempDirectory: join(dir, 'spill') });
    const path = join(dir, 'Flüge 2001.csv');
    await writeFile(path, 'DELAY,Größe (m),on-time,day,note\n-5,1.5,true,2001-01-01,x\n40,,false,2001-06-30,\n');
    const server = { path, format: 'csv' };
    const { yaml, table } = await draftContract({
      source: fileSource({ engine }),
      server,
      serverBlock: { type: 'local', ...server },
      engine,
      dir,
      rng: { fill: (bytes) => bytes.fill(7) },
    });
    const contract = parseContract(yaml);
    expect(table).toBe('fluge_2001');
    expect(tableOf(contract).properties).toMatchObject([
      {
        name: 'delay',
        physicalName: 'DELAY',
        logicalType: 'integer',
        logicalTypeOptions: { minimum: -5, maximum: 40 },
        required: true,
      },
      { name: 'große_m'.replace('ß', '_'), logicalType: 'number', required: false },
      { name: 'on_time', logicalType: 'boolean' },
      { name: 'day', logicalType: 'date', logicalTypeOptions: { minimum: '2001-01-01', maximum: '2001-06-30' } },
      { name: 'note', logicalType: 'string' },
    ]);
    expect(policyOf(contract)).toEqual({ permit: [], prohibit: [], defaults: 'deny' });
    await engine.close();
    await rm(dir, { recursive: true, force: true });
  });
});
