/** Tasks that match rows by keys, from submission to settlement, among task managers in one process. */
import { type DeliveredColumn, type KeyedRows, type Plan, sha256Bytes } from '@2pm/core';
import { SubmitRequest } from '@2pm/core/api';
import { ADDITIVE_SEMI_HONEST } from '@2pm/mpc';
import { checkPlan, defineTask, int, key, table, trace } from '@2pm/program';
import { faultyChannel } from '@2pm/testing/faulty-channel';
import { type TaskNetwork, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';
import { COMPUTE_PROTOCOL } from './messages.ts';

let net: TaskNetwork;
afterEach(() => net.stop());

const accounts = table(
  { balance: int({ min: 0, max: 1_000 }) },
  { maxRows: 40, keys: { person: [key.name('name'), key.date('born')] } },
);
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

const joined = plan(({ each, join, reveal }) => {
  const rows = join(
    each('bank', (t) => t.accounts.by('person', { columns: ['balance'] })),
    each('shop', (t) => t.accounts.by('person', { columns: ['balance'], capacity: 30 })),
  );
  const rich = rows.where(rows.column('bank', 'balance').gt(20));
  return reveal(
    {
      customers: rows.count(),
      bank: rows.column('bank', 'balance').sum(),
      shop: rows.column('shop', 'balance').sum(),
      product: rows.column('bank', 'balance').mul(rows.column('shop', 'balance')).sum(),
      rich: rich.count(),
      few: rows.where(rows.column('bank', 'balance').gt(900)).count(),
    },
    { to: 'analyst', minGroupSize: 2 },
  );
});

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

async function settle(
  program: Plan,
  data: readonly (KeyedRows | undefined)[],
  options: {
    roles: Record<string, number>;
    wrap?: Parameters<typeof taskNetwork>[0]['wrap'];
    seats?: number[];
    delivered?: Map<string, readonly DeliveredColumn[]>[];
    asked?: object;
  },
) {
  net = await taskNetwork({
    plans: { p: program },
    holders: data.map((keyed, i) => {
      const delivered = options.delivered?.[i];
      const kept = { kept: new Map(), ...(delivered === undefined ? {} : { delivered }) };
      return keyed === undefined ? undefined : { vectors: {}, keyed, ...kept };
    }),
    ...(options.wrap === undefined ? {} : { wrap: options.wrap }),
  });
  const id = (holder: number) => [net.holders[holder]?.id ?? '0x'] as never;
  const { tasks } = net.analyst;
  const request = SubmitRequest.parse({
    program: 'p',
    purpose: 'test',
    roles: Object.fromEntries(Object.entries(options.roles).map(([role, holder]) => [role, id(holder)])),
    ...(options.seats === undefined ? {} : { seats: options.seats.flatMap(id) }),
    ...options.asked,
  });
  const taskId = await tasks.submit(request);
  for await (const _ of tasks.updates(taskId, new AbortController().signal));
  const view = tasks.view(taskId);
  return { view, result: view.phase === 'settled' ? (await tasks.result(taskId)).result : undefined };
}

const kept = (holder: number) => Object.fromEntries(net.holders[holder]?.data?.kept ?? []);

test('joined rows are computed on, and nobody is told who matched', async () => {
  const { view, result } = await settle(joined, [BANK, SHOP, undefined], { roles: { bank: 0, shop: 1 } });
  expect([view.phase, view.error]).toEqual(['settled', undefined]);
  // ann, cyd and eve. Of those above 900 there is one: withheld. Two of three are a count that leaves one.
  expect(result).toEqual({ customers: 3, bank: 990, shop: 6, product: 30 + 60 + 950, rich: null, few: null });
});

test.each<[string, number[] | undefined, object]>([
  ['with seats of which one may be malicious', undefined, { security: 'malicious' }],
  ['between the two holders alone', [0, 1], { protocol: ADDITIVE_SEMI_HONEST.id }],
])(
  'they are %s too, where no seat learns how many match',
  async (_, seats, asked) => {
    const options = { roles: { bank: 0, shop: 1 }, ...(seats === undefined ? {} : { seats }), asked };
    const { view, result } = await settle(joined, [BANK, SHOP, undefined], options);
    expect([view.phase, view.error]).toEqual(['settled', undefined]);
    expect(result).toEqual({ customers: 3, bank: 990, shop: 6, product: 30 + 60 + 950, rich: null, few: null });
  },
  60_000,
);

test('an intersection reaches the holder that is to learn it, and no other', async () => {
  const psi = plan(({ each, psi }) =>
    psi(
      each('bank', (t) => t.accounts.by('person')),
      each('shop', (t) => t.accounts.by('person')),
      { to: 'shop', name: 'common' },
    ),
  );
  const { view, result } = await settle(psi, [BANK, SHOP, undefined], { roles: { bank: 0, shop: 1 } });
  expect([view.phase, result]).toEqual(['settled', {}]);
  expect([kept(0), kept(1)]).toEqual([{}, { common: [0, 2, 3] }]);
  // Its own operator sees where; the analyst is told nothing.
  expect(net.holders[1]?.tasks.view(view.taskId).own).toEqual({
    keys: [],
    kept: [{ name: 'common', file: 'common', rows: 3 }],
  });
  expect(view.own).toBeUndefined();
});

test('of an intersection that delivers, the receiver gets what the other brought, of the matches alone', async () => {
  const both = plan(({ each, psi }) =>
    psi(
      each('bank', (t) => t.accounts.by('person', { columns: ['balance'] })),
      each('shop', (t) => t.accounts.by('person', { columns: ['balance'] })),
      { to: ['bank', 'shop'], name: 'common', deliver: true },
    ),
  );
  const delivered = [new Map(), new Map()];
  const { view, result } = await settle(both, [BANK, SHOP, undefined], {
    roles: { bank: 0, shop: 1 },
    delivered,
  });
  expect([view.phase, view.error, result]).toEqual(['settled', undefined, {}]);
  expect([kept(0), kept(1)]).toEqual([{ common_bank: [0, 2, 4] }, { common_shop: [0, 2, 3] }]);
  const type = { type: 'int', min: '0', max: '1000', nullable: false };
  // ann, cyd and eve in the order of the one; eve, cyd and ann in that of the other.
  expect(delivered.map((one) => Object.fromEntries(one))).toEqual([
    { common_bank: [{ name: 'shop_balance', type, values: BigInt64Array.of(3n, 2n, 1n) }] },
    { common_shop: [{ name: 'bank_balance', type, values: BigInt64Array.of(950n, 30n, 10n) }] },
  ]);
});

test('three holders intersect, each in turn learning it, while two of them join', async () => {
  const both = plan(
    ({ each, join, psi, reveal }) => {
      const bank = each('bank', (t) => t.accounts.by('person', { columns: ['balance'] }));
      const shop = each('shop', (t) => t.accounts.by('person', { columns: ['balance'] }));
      psi(
        bank,
        shop,
        each('third', (t) => t.accounts.by('person')),
        { to: ['bank', 'third'] },
      );
      return reveal(join(bank, shop).column('bank', 'balance').sum(), { to: 'analyst' });
    },
    ['bank', 'shop', 'third'],
  );
  const third = rows([
    ['cyd', 0],
    ['nil', 0],
    ['eve', 0],
  ]);
  const { view, result } = await settle(both, [BANK, SHOP, third], { roles: { bank: 0, shop: 1, third: 2 } });
  expect([view.error, result]).toEqual([undefined, 990]);
  expect([kept(0), kept(1), kept(2)]).toEqual([{ intersection_bank: [2, 4] }, {}, { intersection_third: [0, 2] }]);
});

test('a join for which nobody is there that brings no rows is refused before anything is published', async () => {
  const two = { roles: { bank: 0, shop: 1 } };
  await expect(settle(joined, [BANK, SHOP], two)).rejects.toMatchObject({ code: 'TASK_SEATS' });
});

test('a node on both sides of a match is refused before anything is published', async () => {
  const same = settle(joined, [BANK, SHOP, undefined, undefined], { roles: { bank: 0, shop: 0 } });
  await expect(same).rejects.toMatchObject({ code: 'TASK_MATCH', fix: expect.stringContaining('--role') });
  expect(net.nodes.flatMap(({ tasks }) => tasks.list())).toEqual([]);
});

test('roles of a program with several must be named', async () => {
  await expect(settle(joined, [BANK, SHOP, undefined], { roles: { bank: 0 } })).rejects.toMatchObject({
    code: 'TASK_UNNAMED_ROLE',
  });
});

test.each([0, 1, 2, 3])(
  'a channel between holders that breaks at frame %i costs an attempt, not the task',
  async (at) => {
    let broken = false;
    const { view, result } = await settle(joined, [BANK, SHOP, undefined], {
      roles: { bank: 0, shop: 1 },
      wrap: (channel, { self, peer, binding: { protocol } }) => {
        const holders = [net?.holders[0]?.id, net?.holders[1]?.id];
        if (broken || protocol !== COMPUTE_PROTOCOL || !holders.includes(self) || !holders.includes(peer))
          return channel;
        broken = true;
        return faultyChannel(channel, (frame) => (frame === at ? { kind: 'close' } : undefined));
      },
    });
    expect([view.phase, broken]).toEqual(['settled', true]);
    expect(view.attempt).toBe(2);
    expect(result).toMatchObject({ customers: 3, bank: 990 });
  },
);
