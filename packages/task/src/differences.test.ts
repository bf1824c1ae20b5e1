import type { Hash, Plan } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { evaluatePlain, type PlainInputs, sharedBackends, simulateSeats } from '@2pm/mpc';
import { bool, defineTask, int, lifeTable, table, trace } from '@2pm/program';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { finish } from './finish.ts';

const MIN = 5;
const SLOTS = 4;
const roles = { holder: 1 };

/** A life table, the number of a part of its rows, and of all. */
const plan: Plan = trace(
  defineTask({
    ...{
      name: 'differences',
      tables: { t: table({ time: int({ min: 0, max: 99 }), died: bool(), old: bool() }, { maxRows: 99 }) },
    },
    roles: { holder: { min: 1, max: 1, tables: ['t'] } },
    run({ each, reveal }) {
      const counts = each('holder', ({ t }) => ({
        ...lifeTable(t, { time: 'time', event: 'died', edges: [0, 10, 20, 30, 40] }),
        old: t.where(t.old).count(),
        all: t.count(),
      }));
      return reveal(counts.total(), { to: 'analyst', minGroupSize: MIN });
    },
  }),
);

const count = fc.nat({ max: 3 * MIN });
const slot = fc.tuple(count, count);
type Case = { slots: [number, number][]; beyond: number; before: number; old: number };

/** What the holder counts: nodes in the order in which the plan wants them. */
function inputsOf({ slots, beyond, before, old }: Case): PlainInputs {
  const leaving = slots.map(([died, censored]) => died + censored);
  const entered = leaving.reduce((sum, n) => sum + n, beyond);
  const values = {
    entered: [entered],
    events: slots.map(([died]) => died),
    leaving,
    old: [Math.min(old, entered + before)],
    all: [entered + before],
  };
  const vectors = plan.nodes.flatMap(({ op, args }) => {
    if (op !== 'total/1') return [];
    const local = plan.nodes[args[0] ?? -1];
    const [of = -1] = local?.args ?? [];
    const under = plan.nodes[of];
    const text = JSON.stringify(slice(of));
    if (local?.op === 'histogram/1') return [text.includes('died') ? values.events : values.leaving];
    if (local?.op !== 'count/1' || under === undefined) throw new Error(`what is ${local?.op}?`);
    return [
      under.op === 'input/1'
        ? values.all
        : text.includes('old')
          ? values.old
          : text.includes('died')
            ? [values.events.reduce((a, b) => a + b, 0)]
            : values.entered,
    ];
  });
  return new Map([['holder', [vectors.map((vector) => BigInt64Array.from(vector, BigInt))]]]);
}

function slice(index: number): unknown[] {
  const node = plan.nodes[index];
  return node === undefined ? [] : [node.op, node.attrs, ...node.args.map(slice)];
}

type Shown = { [Name in 'entered' | 'old' | 'all']: number | null } & {
  events: (number | null)[];
  leaving: (number | null)[];
};

/** Numbers of rows that follow from what is shown by one subtraction, or by taking all slots away. */
function derived({ entered, events, leaving, old, all }: Shown): number[] {
  const less = (whole: number | null, part: number | null) => (whole === null || part === null ? [] : [whole - part]);
  const hidden = (whole: number | null, slots: (number | null)[]) =>
    whole === null || slots.every((n) => n === null) ? [] : [slots.reduce<number>((left, n) => left - (n ?? 0), whole)];
  return [
    ...leaving.flatMap((n, i) => less(n, events[i] ?? null)),
    ...less(all, entered),
    ...less(all, old),
    ...[entered, all].flatMap((whole) => [...hidden(whole, leaving), ...hidden(whole, events)]),
  ];
}

const cases: fc.Arbitrary<Case> = fc.record({
  slots: fc.array(slot, { minLength: SLOTS, maxLength: SLOTS }),
  ...{ beyond: count, before: count, old: fc.nat({ max: 99 }) },
});

test('no subtraction of what is shown tells of fewer rows than the minimum, but of none', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const shown = finish(plan, evaluatePlain(plan, roles, inputsOf(given))) as unknown as Shown;
      for (const rows of derived(shown)) expect(rows === 0 || rows >= MIN).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

test('what needs no protection is shown', () => {
  const given: Case = {
    slots: [
      [9, 0],
      [8, 7],
      [6, 5],
      [9, 9],
    ],
    beyond: 12,
    before: 0,
    old: 30,
  };
  expect(finish(plan, evaluatePlain(plan, roles, inputsOf(given)))).toEqual({
    ...{ entered: 65, events: [9, 8, 6, 9], leaving: [9, 15, 11, 18], old: 30, all: 65 },
  });
  // Three remain: the last interval would show them.
  const few = finish(plan, evaluatePlain(plan, roles, inputsOf({ ...given, beyond: 3 }))) as unknown as Shown;
  expect([few.entered, few.leaving]).toEqual([56, [9, 15, 11, null]]);
  // Two end their observation in the second.
  const censored: Case = {
    ...given,
    slots: [
      [9, 0],
      [8, 2],
      [6, 5],
      [9, 9],
    ],
  };
  const two = finish(plan, evaluatePlain(plan, roles, inputsOf(censored))) as unknown as Shown;
  expect([two.events, two.leaving]).toEqual([
    [9, 8, 6, 9],
    [9, null, 11, 18],
  ]);
});

test.each(sharedBackends.map((backend) => [backend.card.id, backend] as const))(
  'seats of %s withhold the same',
  async (_, backend) => {
    for (const given of fc.sample(cases, { seed: 7, numRuns: 3 })) {
      const inputs = inputsOf(given);
      const { opened } = await simulateSeats(backend, {
        ...{ plan, sid: `0x${'ab'.repeat(32)}` as Hash, roles, inputs, rng: seededRng(3), crypto: nodeCrypto },
      });
      expect(opened).toEqual(evaluatePlain(plan, roles, inputs));
    }
  },
);
