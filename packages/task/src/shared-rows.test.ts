/** Rows of several holders, one below the other, as a whole task: each holder shares them, the seats order and group them. */
import { SubmitRequest } from '@2pm/core/api';
import { ADDITIVE_SEMI_HONEST } from '@2pm/mpc';
import { defineTask, int, table, trace } from '@2pm/program';
import { type TaskNetwork, taskNetwork } from '@2pm/testing/task-network';
import { afterEach, expect, test } from 'vitest';

const CAPACITY = 8;
const plan = trace(
  defineTask({
    name: 'stays',
    tables: {
      stays: table({ days: int({ min: 0, max: 60 }), ward: int({ min: 0, max: 999 }) }, { maxRows: CAPACITY }),
    },
    roles: { hospital: { min: 2, max: 4, tables: ['stays'] } },
    run({ each, union, reveal }) {
      const all = union(each('hospital', ({ stays }) => stays.rows(['days', 'ward'])));
      const wards = all.groupBy('ward', { maxGroups: 2 });
      return reveal(
        {
          n: all.count(),
          median: all.median('days'),
          longest: all.nlargest(3, 'days').sum('days'),
          ...{ ward: wards.key, stays: wards.count(), days: wards.sum('days') },
        },
        { to: 'analyst' },
      );
    },
  }),
);

/** A slot for each row: whether it holds one, then its columns. */
const rows = (...stays: readonly (readonly [days: number, ward: number])[]) => ({
  vectors: {
    'rows/1': Array.from({ length: CAPACITY }, (_, i) => stays[i]).flatMap((stay) =>
      [stay === undefined ? 0 : 1, ...(stay ?? [0, 0])].map(BigInt),
    ),
  },
});

let net: TaskNetwork;
afterEach(() => net.stop());

test.each<[string, object]>([
  ['three seats', {}],
  ['three seats of which one may be malicious', { security: 'malicious' }],
  ['two seats', { protocol: ADDITIVE_SEMI_HONEST.id }],
])(
  'settles among %s with what plain code finds in all rows',
  async (_, asked) => {
    const holders = [rows([3, 7], [9, 501]), rows(), rows([1, 7], [60, 12], [5, 501], [2, 7])];
    net = await taskNetwork({ plans: { stays: plan }, holders });
    const taskId = await net.analyst.tasks.submit(SubmitRequest.parse({ program: 'stays', purpose: 'test', ...asked }));
    for await (const _ of net.analyst.tasks.updates(taskId, new AbortController().signal));
    expect(net.analyst.tasks.view(taskId)).toMatchObject({ phase: 'settled', attempt: 1 });
    const { result } = await net.analyst.tasks.result(taskId);
    expect(result).toEqual({ n: 6, median: 4, longest: 74, ward: [7, 501], stays: [3, 2], days: [6, 14] });
  },
  60_000,
);
