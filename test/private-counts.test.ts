/** The example with noise, from program to opened numbers: traced, judged, computed by real seats, compared with the truth. */
import { readFile } from 'node:fs/promises';
import { type Hash, type NodeId, nodesOf, type Plan, type PlanNode, type TaskSpec } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { judgeTask, parseContract } from '@2pm/data';
import { evaluatePlain, rep3Malicious, rep3SemiHonest, simulateSeats } from '@2pm/mpc';
import { traceInSandbox } from '@2pm/program';
import { seededRng } from '@2pm/testing/seeded-rng';
import { beforeAll, describe, expect, test } from 'vitest';

const HOSPITALS = 3;
const ADMISSIONS = 400;
let plan: Plan;
beforeAll(async () => {
  plan = await traceInSandbox(await readFile(new URL('../examples/05-private-counts.ts', import.meta.url)));
});

const admissions = Array.from({ length: HOSPITALS }, (_, hospital) =>
  Array.from({ length: ADMISSIONS + hospital }, (_, i) => ({ ward: (i * i + hospital) % 4, cost: (37 * i) % 101 })),
);

/** What the hospitals' engines would compute, in the order in which their nodes share it. */
function inputs(): Map<string, BigInt64Array[][]> {
  const local = (rows: (typeof admissions)[number], node: number) => {
    const aggregate = plan.nodes[plan.nodes[node]?.args[0] ?? -1];
    if (aggregate?.op === 'sum/1') return BigInt64Array.of(rows.reduce((sum, { cost }) => sum + BigInt(cost), 0n));
    expect(aggregate?.op).toBe('count-by/1');
    return BigInt64Array.from([0, 1, 2, 3].map((ward) => BigInt(rows.filter((row) => row.ward === ward).length)));
  };
  const nodes = rep3SemiHonest.inputNodes(plan, 'hospital');
  return new Map([['hospital', admissions.map((rows) => nodes.map((node) => local(rows, node)))]]);
}

/** |noise| exceeds it once in 10^9 draws: P(|k| > x) < 2 exp(-ε x / s). */
const farthest = (epsilon: number, sensitivity: number) => Math.ceil((Math.log(2e9) * sensitivity) / epsilon);

describe('counts and a sum under noise', () => {
  test.each([rep3SemiHonest, rep3Malicious])(
    '$card.id opens what is near the truth, other noise each time',
    async (backend) => {
      const roles = { hospital: HOSPITALS };
      const run = async (seed: number) => {
        const { opened } = await simulateSeats(backend, {
          ...{ plan, sid: `0x${'ab'.repeat(32)}` as Hash, roles, inputs: inputs() },
          ...{ rng: seededRng(seed), crypto: nodeCrypto },
        });
        return opened;
      };
      const truth = evaluatePlain(plan, roles, inputs());
      const [first, second] = [await run(1), await run(2)];
      const errors = nodesOf(plan, 'reveal/1').map((reveal) => {
        const off = (opened: typeof first) =>
          (opened.get(reveal) ?? []).map((value, i) => Number((value ?? 0n) - (truth.get(reveal)?.[i] ?? 0n)));
        expect(off(first)).not.toEqual(off(second));
        return [...off(first), ...off(second)];
      });
      const [counts = [], costs = []] = errors;
      expect([counts.length, costs.length]).toEqual([8, 2]);
      expect(Math.max(...counts.map(Math.abs))).toBeLessThanOrEqual(farthest(0.5, 1));
      expect(Math.max(...costs.map(Math.abs))).toBeLessThanOrEqual(farthest(0.5, 100));
      expect(new Set(counts).size).toBeGreaterThan(2);
      expect(costs.every((off) => off !== 0)).toBe(true);
    },
  );

  const judged = (of: Plan, spent = 0) => {
    const contract = parseContract(`apiVersion: v3.1.0
kind: DataContract
id: urn:2pm:admissions
version: 1.0.0
status: active
servers: [{ server: main, type: local, path: /x.csv, format: csv }]
schema:
  - name: admissions
    properties: [{ name: cost, logicalType: integer }, { name: ward, logicalType: string }]
customProperties:
  - property: twopm.policy
    value:
      permit:
        - { parties: any, operations: [aggregate], reveals: [private], columns: any, thresholds: { minParties: 3, minGroupSize: 20 }, privacy: { epsilonPerTask: 1, epsilonTotal: 4 }, approval: auto }
      defaults: deny
`);
    const id = (n: number) => `0x${String(n).padStart(40, '0')}` as NodeId;
    const spec = {
      ...{ coordinator: id(9), roles: { hospital: [id(1), id(2), id(3)] }, seats: [id(1), id(2), id(3)] },
      ...{ protocol: 'rep3-semi-honest/1', security: 'semi-honest', purpose: 'planning' },
      recipients: { analyst: { id: id(8), hpke: '0x00' } },
    } as unknown as TaskSpec;
    const decision = judgeTask({
      ...{ plan: of, spec, self: id(1), nowMs: Date.UTC(2026, 10, 22), contractOf: () => contract },
      ...{ tasksToday: () => 0, epsilonSpent: () => spent },
    });
    return decision.verdict === 'refuse' ? decision.code : decision.verdict;
  };

  test('are what the policy derives by itself, and may be had until the budget is used up', () => {
    expect(judged(plan)).toBe('allow');
    expect(judged(plan, 3_000_000)).toBe('allow');
    expect(judged(plan, 3_000_001)).toBe('POLICY_BUDGET');
  });

  test('are refused with less noise than a row needs', () => {
    for (const noise of nodesOf(plan, 'noise/1')) {
      const less = structuredClone(plan);
      const { attrs } = less.nodes[noise] as PlanNode;
      attrs.sensitivity = String(BigInt(attrs.sensitivity ?? 0) - 1n);
      expect(judged(less)).toBe('POLICY_PRIVACY');
    }
  });
});
