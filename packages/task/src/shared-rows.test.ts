/** Rows of several holders, one below the other, as a whole task: each holder shares them, the seats order and group them. */
import type { Plan } from '@2pm/core';
import { type SubmitInput, SubmitRequest } from '@2pm/core/api';
import { ADDITIVE_SEMI_HONEST } from '@2pm/mpc';
import { defineTask, int, type OpenedVector, table, trace } from '@2pm/program';
import { type TaskNetwork, type TestNode, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';

const CAPACITY = 8;
const tables = {
  stays: table({ days: int({ min: 0, max: 60 }), ward: int({ min: 0, max: 999 }) }, { maxRows: CAPACITY }),
};
const roles = { hospital: { min: 2, max: 4, tables: ['stays'] } } as const;
type Context = Parameters<Parameters<typeof defineTask<typeof tables, typeof roles>>[0]['run']>[0];
type Rows = ReturnType<Context['union']>;

const planOf = (values: (all: Rows) => Parameters<Context['reveal']>[0]): Plan =>
  trace(
    defineTask({
      ...{ name: 'stays', tables, roles },
      run({ each, union, reveal }) {
        const all = union(each('hospital', ({ stays }) => stays.rows(['days', 'ward'])));
        return reveal(values(all), { to: 'analyst' }) as { [name: string]: OpenedVector };
      },
    }),
  );
const grouped = (all: Rows) => {
  const wards = all.groupBy('ward', { maxGroups: 2 });
  return { ward: wards.key, stays: wards.count(), days: wards.sum('days') };
};
const plan = planOf((all) => ({
  ...{ n: all.count(), median: all.median('days'), longest: all.nlargest(3, 'days').sum('days') },
  ...grouped(all),
}));

/** A slot for each row: whether it holds one, then its columns. */
const rows = (...stays: readonly (readonly [days: number, ward: number])[]) => ({
  vectors: {
    'rows/1': Array.from({ length: CAPACITY }, (_, i) => stays[i]).flatMap((stay) =>
      [stay === undefined ? 0 : 1, ...(stay ?? [0, 0])].map(BigInt),
    ),
  },
});

const HOLDERS = [rows([3, 7], [9, 501]), rows(), rows([1, 7], [60, 12], [5, 501], [2, 7])];

let net: TaskNetwork;
afterEach(() => net.stop());

/** Runs it to its end; the second holder is killed when it first says that it is in `phase`, and comes back. */
async function settle(program: Plan, { asked = {}, phase }: { asked?: Partial<SubmitInput>; phase?: string }) {
  net = await taskNetwork({ plans: { stays: program }, holders: HOLDERS });
  const victim = net.holders[1] as TestNode;
  const taskId = await net.analyst.tasks.submit(SubmitRequest.parse({ program: 'stays', purpose: 'test', ...asked }));
  let killed = false;
  for await (const update of net.analyst.tasks.updates(taskId, new AbortController().signal)) {
    if (killed || update.node !== victim.id || update.phase !== phase) continue;
    killed = true;
    net.kill(victim);
    await net.clock.sleep(3_000);
    net.restart(victim);
  }
  const { attempt, phase: end } = net.analyst.tasks.view(taskId);
  expect([end, attempt > 1]).toEqual(['settled', killed]);
  return { killed, result: (await net.analyst.tasks.result(taskId)).result };
}

test.each<[string, Partial<SubmitInput>]>([
  ['three seats', {}],
  ['three seats of which one may be malicious', { security: 'malicious' }],
  ['two seats', { protocol: ADDITIVE_SEMI_HONEST.id }],
])(
  'settles among %s with what plain code finds in all rows',
  async (_, asked) => {
    const { result } = await settle(plan, { asked });
    expect(result).toEqual({ n: 6, median: 4, longest: 74, ward: [7, 501], stays: [3, 2], days: [6, 14] });
  },
  60_000,
);

/** Empty slots of the three hospitals stand last in what is sorted. */
const padded = (...values: number[]) => [...values, ...new Array<number>(4 * CAPACITY - values.length).fill(0)];

test.each<[string, string, Parameters<typeof planOf>[0], object]>([
  ['a group-by', 'connecting', grouped, { ward: [7, 501], stays: [3, 2], days: [6, 14] }],
  [
    'a sort',
    'local',
    (all) => {
      const sorted = all.sortBy(['ward', 'days'], { descending: [true, false] });
      return { ward: sorted.column('ward'), days: sorted.column('days') };
    },
    { ward: padded(501, 501, 12, 7, 7, 7), days: padded(5, 9, 60, 1, 2, 3) },
  ],
  ['quantiles', 'sharing', (all) => ({ q: all.quantile('days', [0, 0.5, 1]) }), { q: [1, 4, 60] }],
  ['a union', 'computing', (all) => ({ n: all.count(), days: all.sum('days') }), { n: 6, days: 80 }],
  ['the largest', 'computing', (all) => ({ days: all.nlargest(3, 'days').column('days') }), { days: [60, 9, 5] }],
])(
  '%s settles with the right result although a holder is killed while %s, and comes back',
  async (_, phase, values, expected) => {
    expect(await settle(planOf(values), { phase })).toEqual({ killed: true, result: expected });
  },
  60_000,
);
