import type { Hash, Plan } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { evaluatePlain, sharedBackends, simulateSeats } from '@2pm/mpc';
import { defineTask, int, type OpenedVector, repeat, type SharedVector, table, trace } from '@2pm/program';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { finish } from './finish.ts';

type Ints = SharedVector<'int'>;
type Loop = typeof repeat;

/** What `repeat` stands for. */
const unrolled: Loop = (times, start, step) => {
  let state = start;
  for (let i = 0; i < times; i++) state = step(state);
  return state;
};

const roles = { holder: 1 };
const tables = { t: table({ x: int({ min: -20, max: 20 }), y: int({ min: -20, max: 20 }) }, { maxRows: 1 }) };

function program(run: (x: Ints, y: Ints) => { [name: string]: SharedVector }): Plan {
  return trace(
    defineTask({
      ...{ name: 'loops', tables, roles: { holder: { min: 1, max: 1, tables: ['t'] } } },
      run({ each, reveal }) {
        const { x, y } = each('holder', ({ t }) => ({ x: t.x.sum(), y: t.y.sum() })).total();
        return reveal(run(x, y), { to: 'analyst' }) as { [name: string]: OpenedVector };
      },
    }),
  );
}

/** Two loops, one in the other: numbers and a bit go from step to step, and one of them changes places. */
const both = (loop: Loop, outer: number, inner: number) =>
  program((x, y) => {
    const { a, b, odd } = loop(outer, { a: x, b: y, odd: x.gt(y) }, ({ a: p, b: q, odd: bit }) => {
      const [r, s] = loop(inner, [p, q], ([u, v]) => [v.clip(-50, 50).add(y), bit.select(u.sub(x), v).clip(-90, 90)]);
      return { a: s, b: r.minimum(200), odd: bit.not().or(s.eq(r)) };
    });
    return { a, b, odd };
  });

const inputs = (x: number, y: number) =>
  new Map([['holder', [[BigInt64Array.of(BigInt(x)), BigInt64Array.of(BigInt(y))]]]]);
const small = fc.integer({ min: -20, max: 20 });
const steps = fc.integer({ min: 1, max: 4 });

test('a loop gives what its steps written out give', () => {
  fc.assert(
    fc.property(small, small, steps, steps, (x, y, outer, inner) => {
      const [looped, flat] = [repeat, unrolled].map((loop) => {
        const plan = both(loop, outer, inner);
        return finish(plan, evaluatePlain(plan, roles, inputs(x, y)));
      });
      expect(looped).toEqual(flat);
    }),
    { numRuns: 50 },
  );
});

test.each(sharedBackends.map((backend) => [backend.card.id, backend] as const))(
  'seats of %s run it, in the rounds of the steps written out',
  async (_, backend) => {
    const [x, y] = [17, -5];
    const run = async (plan: Plan) => {
      const { opened, seats } = await simulateSeats(backend, {
        ...{ plan, sid: `0x${'ab'.repeat(32)}` as Hash, roles, inputs: inputs(x, y) },
        ...{ rng: seededRng(3), crypto: nodeCrypto },
      });
      return { result: finish(plan, opened), rounds: seats[0]?.rounds };
    };
    const [looped, flat] = [both(repeat, 3, 2), both(unrolled, 3, 2)];
    const seats = await run(looped);
    expect(seats.result).toEqual(finish(flat, evaluatePlain(flat, roles, inputs(x, y))));
    expect(seats.rounds).toBe((await run(flat)).rounds);
  },
);
