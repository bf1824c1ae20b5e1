/** Tasks whose rows are matched in a circuit, from submission to settlement, among task managers in one process. */
import { type KeyedRows, type Plan, sha256Bytes } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { ADDITIVE_DEALER_SEMI_HONEST, ADDITIVE_SEMI_HONEST, REP3_MALICIOUS } from '@2pm/mpc';
import { checkPlan, defineTask, int, key, table, trace } from '@2pm/program';
import { faultyChannel } from '@2pm/testing/faulty-channel';
import { type TaskNetwork, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';
import { COMPUTE_PROTOCOL } from './messages.ts';

let net: TaskNetwork;
afterEach(() => net.stop());

const accounts = table({ balance: int({ min: 0, max: 1_000 }) }, { maxRows: 40, keys: { email: key.email('email') } });
const tables = { accounts };
const one = (role: string) => ({ [role]: { min: 1, max: 1, tables: ['accounts'] } }) as const;
const roles = { ...one('bank'), ...one('shop'), ...one('third') } as Record<
  'bank' | 'shop' | 'third',
  { min: 1; max: 1; tables: ['accounts'] }
>;

function plan(run: Parameters<typeof defineTask<typeof tables, typeof roles>>[0]['run'], parties = ['bank', 'shop']) {
  const taken = Object.fromEntries(Object.entries(roles).filter(([role]) => parties.includes(role))) as typeof roles;
  const traced = trace(defineTask({ name: 'match', tables, roles: taken, run }));
  checkPlan(traced);
  return traced;
}

/** Rows named by the keys, each with a balance. */
function rows(of: readonly (readonly [name: string, balance: number])[]): KeyedRows {
  const digests = of.map(([name]) => sha256Bytes(new TextEncoder().encode(name)).subarray(0, 16));
  return {
    rows: of.length,
    digests: [Uint8Array.from(digests.flatMap((digest) => [...digest]))],
    present: [new Uint8Array(of.length).fill(1)],
    columns: [BigInt64Array.from(of.map(([, balance]) => BigInt(balance)))],
  };
}

const BANK = rows([
  ['ann', 10],
  ['bob', 20],
  ['cyd', 30],
  ['dee', 40],
  ['eve', 950],
]);
const SHOP = rows([
  ['eve', 1],
  ['zoe', 7],
  ['cyd', 2],
  ['ann', 3],
]);
const THIRD = rows([
  ['dee', 100],
  ['zoe', 200],
  ['ann', 300],
]);

async function settle(
  program: Plan,
  data: readonly (KeyedRows | undefined)[],
  options: { protocol?: string; seats?: number[]; wrap?: Parameters<typeof taskNetwork>[0]['wrap'] } = {},
) {
  net = await taskNetwork({
    plans: { p: program },
    holders: data.map((keyed) => (keyed === undefined ? undefined : { vectors: {}, keyed, kept: new Map() })),
    ...(options.wrap === undefined ? {} : { wrap: options.wrap }),
  });
  const ids = net.holders.map(({ id }) => id);
  const { tasks } = net.analyst;
  const request = SubmitRequest.parse({
    program: 'p',
    purpose: 'test',
    roles: Object.fromEntries(Object.keys(program.roles).map((role, holder) => [role, [ids[holder]]])),
    seats: options.seats?.map((seat) => ids[seat]) ?? ids,
    ...(options.protocol === undefined ? {} : { protocol: options.protocol }),
  });
  const taskId = await tasks.submit(request);
  for await (const _ of tasks.updates(taskId, new AbortController().signal));
  const view = tasks.view(taskId);
  return { view, result: view.phase === 'settled' ? (await tasks.result(taskId)).result : undefined };
}

const kept = () => net.holders.map(({ data }) => Object.fromEntries(data?.kept ?? []));

const joined = plan(({ each, join, reveal }) => {
  const matches = join(
    each('bank', (t) => t.accounts.by('email', { columns: ['balance'] })),
    each('shop', (t) => t.accounts.by('email', { columns: ['balance'], capacity: 30 })),
    { matching: 'circuit' },
  );
  const rich = matches.where(matches.column('bank', 'balance').gt(20));
  return reveal(
    {
      customers: matches.count(),
      bank: matches.column('bank', 'balance').sum(),
      shop: matches.column('shop', 'balance').sum(),
      product: matches.column('bank', 'balance').mul(matches.column('shop', 'balance')).sum(),
      rich: rich.count(),
      few: matches.where(matches.column('bank', 'balance').gt(900)).count(),
    },
    { to: 'analyst', minGroupSize: 2 },
  );
});

test('two holders compute on their matches by themselves, and learn not even how many there are', async () => {
  const { view, result } = await settle(joined, [BANK, SHOP], { protocol: ADDITIVE_SEMI_HONEST.id });
  expect([view.phase, view.error]).toEqual(['settled', undefined]);
  expect(result).toEqual({ customers: 3, bank: 990, shop: 6, product: 30 + 60 + 950, rich: null, few: null });
}, 60_000);

test('with a dealer as well, who has no part in what opens to a holder', async () => {
  const intersected = plan(({ each, psi }) => {
    const [bank, shop] = [each('bank', (t) => t.accounts.by('email')), each('shop', (t) => t.accounts.by('email'))];
    return psi(bank, shop, { atLeast: 2, to: 'bank' });
  });
  const options = { protocol: ADDITIVE_DEALER_SEMI_HONEST.id };
  expect((await settle(joined, [BANK, SHOP, undefined], options)).result).toMatchObject({ customers: 3, bank: 990 });
  await net.stop();
  const { view } = await settle(intersected, [BANK, SHOP, undefined], options);
  expect([view.phase, view.error]).toEqual(['settled', undefined]);
  expect(kept().map((rows) => Object.values(rows))).toEqual([[[0, 2, 4]], [], []]);
}, 60_000);

test('three holders, all of them seats, match by thresholds; the one that asks keeps its rows, the others nothing', async () => {
  const threshold = plan(
    ({ each, join, psi, reveal }) => {
      const bank = each('bank', (t) => t.accounts.by('email', { columns: ['balance'] }));
      const [shop, third] = [each('shop', (t) => t.accounts.by('email')), each('third', (t) => t.accounts.by('email'))];
      psi(bank, shop, third, { atLeast: 2, to: ['bank', 'third'] });
      const some = join(bank, shop, third, { matching: 'circuit', atLeast: 2 });
      const all = join(bank, shop, third, { matching: 'circuit' });
      return reveal(
        { some: some.count(), balance: some.column('bank', 'balance').sum(), all: all.count() },
        { to: 'analyst' },
      );
    },
    ['bank', 'shop', 'third'],
  );
  const { view, result } = await settle(threshold, [BANK, SHOP, THIRD]);
  expect([view.phase, view.error]).toEqual(['settled', undefined]);
  // ann in all; cyd and eve with the shop, dee with the third.
  expect(result).toEqual({ some: 4, balance: 10 + 30 + 40 + 950, all: 1 });
  expect(kept()).toEqual([{ intersection_bank: [0, 2, 3, 4] }, {}, { intersection_third: [0, 1, 2] }]);
  expect(net.holders[0]?.tasks.view(view.taskId).own?.kept).toEqual([
    { name: 'intersection_bank', file: 'intersection_bank', rows: 4 },
  ]);
}, 60_000);

test.each([
  [ADDITIVE_SEMI_HONEST.id, [1, 3]],
  ['rep3-semi-honest/1', [1, 2, 3]],
] as const)(
  'with %s the holder that asks need not be a seat to learn its rows',
  async (protocol, seats) => {
    const some = plan(
      ({ each, psi }) => {
        const [shop, third] = [
          each('shop', (t) => t.accounts.by('email')),
          each('third', (t) => t.accounts.by('email')),
        ];
        psi(
          each('bank', (t) => t.accounts.by('email')),
          shop,
          third,
          { atLeast: 2, to: 'bank' },
        );
      },
      ['bank', 'shop', 'third'],
    );
    const { view, result } = await settle(some, [BANK, SHOP, THIRD, undefined], { protocol, seats: [...seats] });
    expect([view.phase, view.error, result]).toEqual(['settled', undefined, {}]);
    expect(kept()).toEqual([{ intersection: [0, 2, 3, 4] }, {}, {}, {}]);
  },
  60_000,
);

test('it is refused where seats may do as they like, before anything is published', async () => {
  const third = plan(
    ({ each, join, reveal }) => {
      const [a, b, c] = (['bank', 'shop', 'third'] as const).map((role) => each(role, (t) => t.accounts.by('email')));
      return reveal(join(a as never, b as never, c as never, { matching: 'circuit' }).count(), { to: 'analyst' });
    },
    ['bank', 'shop', 'third'],
  );
  await expect(settle(third, [BANK, SHOP, THIRD], { protocol: REP3_MALICIOUS.id })).rejects.toMatchObject({
    code: 'PSI_UNSUPPORTED',
  });
});

test.each([3, 11])(
  'a channel that breaks between the holders at frame %i costs an attempt, not the task',
  async (at) => {
    let broken = false;
    const { view, result } = await settle(joined, [BANK, SHOP], {
      protocol: ADDITIVE_SEMI_HONEST.id,
      wrap: (channel, { self, binding: { protocol } }) => {
        if (broken || protocol !== COMPUTE_PROTOCOL || self !== net?.holders[0]?.id) return channel;
        broken = true;
        return faultyChannel(channel, (frame) => (frame === at ? { kind: 'close' } : undefined));
      },
    });
    expect([view.phase, view.attempt, broken]).toEqual(['settled', 2, true]);
    expect(result).toMatchObject({ customers: 3, bank: 990 });
  },
  60_000,
);
