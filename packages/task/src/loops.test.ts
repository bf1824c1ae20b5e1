import type { Channel, Hash, Plan } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import { evaluatePlain, sharedBackends, simulateSeats } from '@2pm/mpc';
import {
  concat,
  defineTask,
  int,
  type OpenedVector,
  repeat,
  type SharedVector,
  type Step,
  table,
  trace,
} from '@2pm/program';
import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { finish } from './finish.ts';

type Ints = SharedVector<'int'>;
type Loop = typeof repeat;

/** What `repeat` stands for. */
const unrolled: Loop = (times, start, step) => {
  let state = start;
  for (let i = 0; i < times; i++) state = step(state, numbered(i));
  return state;
};

/** The step with this number, where it is a JavaScript number. */
const numbered = (i: number) =>
  ({
    map: (of: (step: number) => number) => of(i),
    batch: (of: Ints, size: number) => of.slice((i * size) % of.length, ((i * size) % of.length) + size),
  }) as unknown as Step;

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
    const table = concat(x, y, x.sub(y), y.add(3));
    const { a, b, odd } = loop(outer, { a: x, b: y, odd: x.gt(y) }, ({ a: p, b: q, odd: bit }, big) => {
      const [r, s] = loop(inner, [p, q], ([u, v], little) => [
        v.clip(-50, 50).add(y.mul(little.map((i) => 2 * i - 1))),
        bit.select(u.sub(big.map((i) => i * i)), v.add(little.batch(table, 1))).clip(-90, 90),
      ]);
      return { a: s, b: r.minimum(200).sub(big.batch(table, 2).sum()), odd: bit.not().or(s.eq(r)) };
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

/** Doubles x until it is 100 or more, and counts how often. */
const doubling = program((x, y) => {
  const { a, odd, steps } = repeat(
    6,
    { a: x.abs().add(1), odd: y.gt(0), steps: x.mul(0) },
    ({ a: now, odd: bit, steps: done }) => ({ a: now.mul(2), odd: bit.not(), steps: done.add(1) }),
    { until: ({ a: now }) => now.ge(100) },
  );
  return { a, odd, steps };
});

test('where a loop is told until when, further steps change nothing', () => {
  fc.assert(
    fc.property(small, small, (x, y) => {
      let [a, odd, steps] = [Math.abs(x) + 1, y > 0, 0];
      for (; a < 100 && steps < 6; steps++) [a, odd] = [2 * a, !odd];
      const expected = { a, odd: Number(odd), steps };
      expect(finish(doubling, evaluatePlain(doubling, roles, inputs(x, y)))).toEqual(expected);
    }),
  );
});

test.each(sharedBackends.map((backend) => [backend.card.id, backend] as const))(
  'seats of %s send the same frames, whenever that is',
  async (_, backend) => {
    const run = async (x: number) => {
      const frames: number[][] = [];
      const counted = (channel: Channel, seat: number, peer: number): Channel => ({
        ...{ peer: channel.peer, stats: channel.stats, receive: (options) => channel.receive(options) },
        close: (reason) => channel.close(reason),
        send(frame) {
          frames.push([seat, peer, frame.length]);
          return channel.send(frame);
        },
      });
      const { opened } = await simulateSeats(backend, {
        ...{ plan: doubling, sid: `0x${'ab'.repeat(32)}` as Hash, roles, inputs: inputs(x, 5) },
        ...{ rng: seededRng(3), crypto: nodeCrypto, wrap: counted },
      });
      const { steps } = finish(doubling, opened) as { steps: number };
      return { steps, frames: frames.sort(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d) };
    };
    const [early, late] = [await run(20), await run(1)];
    expect([early.steps, late.steps]).toEqual([3, 6]);
    expect(early.frames).toEqual(late.frames);
  },
);
