/** Rows matched by keys, from the program's text over two files to what a holder would keep. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { simulate } from './simulate.ts';

const program = (options: string) => `
import { defineTask, int, key, table } from '@2pm/program';
const members = table({ miles: int({ min: 0, max: 1000 }) }, { maxRows: 20, keys: { email: key.email('email') } });
export default defineTask({
  name: 'members',
  tables: { members },
  roles: { host: { min: 1, max: 1, tables: ['members'] }, partner: { min: 1, max: 1, tables: ['members'] } },
  run: ({ each, psi }) => psi(
    each('host', (t) => t.members.by('email')),
    each('partner', (t) => t.members.by('email', { columns: ['miles'] })),
    ${options},
  ),
});`;

let folder = '';
let holders: { members: string }[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), '2pm-simulate-match-'));
  const files = [
    ['ann', 'bob', 'cyd', 'dee'],
    ['eve', 'dee', 'bob'],
  ].map((names) => `email,miles\n${names.map((name, i) => `${name}@example.org,${10 * i}`).join('\n')}\n`);
  holders = await Promise.all(
    files.map(async (text, i) => {
      const members = join(folder, `${i}.csv`);
      await writeFile(members, text);
      return { members };
    }),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([
  ["{ to: 'host', name: 'common' }", []],
  ["{ to: 'host', name: 'common', deliver: true }", ['partner_miles']],
])(
  'of an intersection, with %s, it tells how many rows and which columns a holder would keep',
  async (options, delivered) => {
    const simulation = await simulate({ program: program(options), holders, signal: AbortSignal.timeout(30_000) });
    expect(simulation.kept).toEqual([{ name: 'common', role: 'host', rows: 2, delivered }]);
    expect(JSON.stringify(simulation.learns)).toMatch(
      delivered.length > 0
        ? /host learns which.*and for these rows partner's miles/
        : /host learns which[^,]*, and keeps/,
    );
    expect(simulation.result).toEqual({});
  },
);

test('of rows in some of three sets it tells how many a holder would keep, and computes on those in a circuit', async () => {
  const three = `
import { defineTask, int, key, table } from '@2pm/program';
const members = table({ miles: int({ min: 0, max: 1000 }) }, { maxRows: 20, keys: { email: key.email('email') } });
const one = { min: 1, max: 1, tables: ['members'] };
export default defineTask({
  name: 'members',
  tables: { members },
  roles: { host: one, partner: one, third: one },
  run({ each, join, psi, reveal }) {
    const host = each('host', (t) => t.members.by('email', { columns: ['miles'] }));
    const others = ['partner', 'third'].map((role) => each(role, (t) => t.members.by('email')));
    psi(host, ...others, { to: 'host', atLeast: 2 });
    const some = join(host, ...others, { matching: 'circuit', atLeast: 2 });
    return reveal({ n: some.count(), miles: some.column('host', 'miles').sum() }, { to: 'analyst' });
  },
});`;
  const all = [...holders, holders[0] as { members: string }];
  const simulation = await simulate({ program: three, holders: all.reverse(), signal: AbortSignal.timeout(30_000) });
  expect(simulation.kept).toEqual([{ name: 'intersection', role: 'host', rows: 4, delivered: [] }]);
  expect(simulation.result).toEqual({ n: 4, miles: 60 });
  const learns = simulation.learns.join(' ');
  expect([learns.includes('in 2 or more of 3 sets'), learns.includes('nor how many do')]).toEqual([true, true]);
});

test('four banks find common suspects, as the example has it', async () => {
  // Account i is on the list of bank b where b divides i; bank 1 asks.
  const lists = [1, 2, 3, 5].map((bank) => Array.from({ length: 60 }, (_, i) => i).filter((i) => i % bank === 0));
  const banks = await Promise.all(
    lists.map(async (list, bank) => {
      const suspects = join(folder, `suspects-${bank}.csv`);
      await writeFile(suspects, `iban,loss\n${list.map((i) => `DE${i},${i}`).join('\n')}\n`);
      return { suspects };
    }),
  );
  const text = await readFile(new URL('../../../../examples/06-common-suspects.ts', import.meta.url), 'utf8');
  const { result, kept } = await simulate({ program: text, holders: banks, signal: AbortSignal.timeout(60_000) });
  const common = (lists[0] ?? []).filter((i) => lists.slice(1).some((list) => list.includes(i)));
  const mean = common.reduce((sum, i) => sum + i, 0) / common.length;
  expect(result).toEqual({ accounts: common.length, meanLoss: mean });
  expect(kept).toEqual([{ name: 'common', role: 'asking', rows: common.length, delivered: [] }]);
}, 60_000);

test('a bank and an insurer fit models to customers of both, as the example has it', async () => {
  const customers = Array.from({ length: 900 }, (_, i) => ({
    email: `${i}@example.org`,
    ...{ income: 20 + ((i * 37) % 150), debt: (i * 53) % 190, age: 18 + ((i * 29) % 80) },
  }));
  const lateOf = ({ debt, income }: (typeof customers)[number]) => Number(debt > income);
  const claimOf = ({ income, debt, age }: (typeof customers)[number]) =>
    Math.round(30 + 0.5 * income + 2 * age - 0.2 * debt);
  const [accounts, policies] = [join(folder, 'accounts.csv'), join(folder, 'policies.csv')];
  const rowsOf = (from: number, to: number, row: (one: (typeof customers)[number]) => unknown[]) =>
    customers
      .slice(from, to)
      .map((one) => row(one).join(','))
      .join('\n');
  const bank = rowsOf(0, 700, (one) => [one.email.toUpperCase(), one.income, one.debt, lateOf(one)]);
  await writeFile(accounts, `email,income,debt,late\n${bank}\n`);
  await writeFile(policies, `email,age,claim\n${rowsOf(200, 900, (one) => [one.email, one.age, claimOf(one)])}\n`);
  const program = await readFile(new URL('../../../../examples/08-joined-models.ts', import.meta.url), 'utf8');
  const holders = [{ accounts }, { policies }];
  const { result } = await simulate({ program, holders, signal: AbortSignal.timeout(60_000) });
  const { claim, late } = result as {
    claim: Record<'intercept' | 'r2', number> & { coefficients: object };
    late: number[];
  };
  expect(claim.r2).toBeGreaterThan(0.9999);
  expect(claim.intercept).toBeCloseTo(30, 0);
  expect(Object.values(claim.coefficients).map((value) => Math.round(value * 100) / 100)).toEqual([0.5, -0.2, 2]);
  // Who owes more than is earned pays late.
  const [, income = 0, debt = 0] = late;
  expect(income).toBeLessThan(-0.5);
  expect(debt).toBeGreaterThan(0.5);
}, 60_000);
