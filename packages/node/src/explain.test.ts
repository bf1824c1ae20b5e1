import { readFile } from 'node:fs/promises';
import { traceInSandbox } from '@2pm/program';
import { describe, expect, test } from 'vitest';
import { renderExplanation } from './cli/render/explanation.ts';
import { terminal } from './cli/render/terminal.ts';
import { explainPlan } from './explain.ts';

const traced = async (name: string) =>
  traceInSandbox(await readFile(new URL(`../../../examples/${name}.ts`, import.meta.url)));

describe('an explanation', () => {
  test('says what everyone learns and what it costs, for as many as are asked for', async () => {
    const plan = await traced('01-flight-delays');
    const { cost, learns, roles } = explainPlan(plan, { holder: 5 });
    expect(learns[0]).toContain('analyst learns (line 29): "n", the number of flights; "sum"');
    expect(roles).toEqual([{ name: 'holder', min: 3, max: 16, tables: ['flights'], members: 5 }]);
    expect(cost?.seatBytes).toHaveLength(3);
    expect(cost?.milliseconds.far).toBeGreaterThan(20 * (cost?.rounds ?? 0) - 1);
    // One more holder shows in what is agreed before the first round alone.
    const more = explainPlan(plan, { holder: 6 }).cost;
    expect(more?.rounds).toBe(cost?.rounds);
    expect((more?.seatBytes[0] ?? 0) - (cost?.seatBytes[0] ?? 0)).toBe(32);
  });

  test('fits on a screen', async () => {
    const text = renderExplanation(
      explainPlan(await traced('01-flight-delays'), {}),
      terminal(process.stdout, { NO_COLOR: '1' }).paint,
    );
    expect(text).toContain('flight-delays');
    expect(text).toContain('3 to 16 holder, with flights  costs below are for 3');
    expect(text).toMatch(/· \d+ rounds, rep3-semi-honest\/1/);
    expect(text).toMatch(/· .* sent by each computing party/);
    expect(text).toMatch(/with additive-dealer-semi-honest\/1: .* sent by each of 2, .* by the dealer;/);
    expect(text.split('\n').length).toBeLessThan(40);
  });

  test('tells what the other protocols take, or why they cannot run it', async () => {
    const { others = [], cost } = explainPlan(await traced('01-flight-delays'), {});
    const protocols = ['rep3-malicious/1', 'additive-semi-honest/1', 'additive-dealer-semi-honest/1'];
    expect(others.map(({ protocol }) => protocol)).toEqual(protocols);
    const [malicious, additive, dealt] = others.map((other) => ('refused' in other ? undefined : other));
    expect(malicious?.seatBytes[0]).toBeGreaterThan(cost?.seatBytes[0] ?? 0);
    expect(malicious?.learns.join(' ')).toContain('whatever it sends');
    // Transfers alone take that much, however few.
    expect(additive?.seatBytes).toHaveLength(2);
    expect(additive?.seatBytes[0]).toBeGreaterThan(100_000);
    // With a dealer beside the two: little more than what they tell each other anyway.
    expect([dealt?.seatBytes.length, dealt?.dealer]).toEqual([3, true]);
    expect(20 * Math.max(...(dealt?.seatBytes ?? []))).toBeLessThan(additive?.seatBytes[0] ?? 0);
    const joined = explainPlan(await traced('03-shared-members'), {}).others ?? [];
    for (const other of joined) {
      expect('refused' in other ? [] : other.learns.join(' ')).toContain('no seat learns which match, or how many');
    }
    const passes = await traced('03-shared-members');
    for (const { keys = {} } of Object.values(passes.tables)) for (const key of Object.values(keys)) key.push(...key);
    for (const other of explainPlan(passes, {}).others ?? []) {
      expect('refused' in other && other.refused).toMatch(
        /^line \d+: join.* matches in 2 passes, and this protocol in one$/,
      );
    }
  });

  test('refuses a role that the program does not have, and more members than it allows', async () => {
    const plan = await traced('01-flight-delays');
    expect(() => explainPlan(plan, { bank: 3 })).toThrow('no role bank');
    expect(() => explainPlan(plan, { holder: 17 })).toThrow('17 members');
  });
});

test('tells what the matching seat learns where rows are joined, and only there', async () => {
  const told = async (name: string) =>
    explainPlan(await traced(name), {})
      .learns.join(' ')
      .includes('matching seat');
  expect([await told('03-shared-members'), await told('01-flight-delays')]).toEqual([true, false]);
});

test('tells what an intersection takes before anybody runs it', async () => {
  const { intersections } = explainPlan(await traced('03-shared-members'), {});
  expect(intersections).toEqual([
    expect.objectContaining({ name: 'shared', to: 'host', protocol: 'psi-rr22-semi-honest/1' }),
  ]);
  expect(intersections[0]?.bytes).toBeGreaterThan(25_000 * 30);
});

test('tells what a match in a circuit takes, and that nobody learns how many match', async () => {
  const { intersections, learns, cost } = explainPlan(await traced('06-common-suspects'), {});
  const told = { protocol: 'psi-circuit-semi-honest/1', bytes: intersections[0]?.bytes };
  expect(intersections.map(({ name, to, protocol, bytes }) => ({ name, to, protocol, bytes }))).toEqual([
    { ...told, name: 'common', to: 'asking' },
    { ...told, name: 'join of asking, second, third, fourth', to: undefined },
  ]);
  // Three stores of 3 · 2,000 elements of 8 bytes, and a set-up with each of the three.
  expect(intersections[0]?.bytes).toBeGreaterThan(3 * (6_000 * 8 + 400_000));
  expect(learns.join(' ')).toContain('matched in a circuit');
  expect(learns.join(' ')).not.toContain('matching seat');
  expect(cost?.holderBytes['asking']).toBeGreaterThan(16 * 3 * 2_000);
});

test('tells what rows in order take, and from how many rows on their quartiles open', async () => {
  const { learns, cost } = explainPlan(await traced('07-length-of-stay'), {});
  expect(learns.join(' ')).toContain('Withheld where this is below 40');
  // The sort by cost alone: 19 bits and one more, 7 rounds for each two.
  expect(cost?.rounds).toBeGreaterThan(7 * 12);
  // Words of a validity bit and four columns, sent twice.
  expect(cost?.holderBytes['hospital']).toBeGreaterThan(16 * 5 * 2_000);
});
