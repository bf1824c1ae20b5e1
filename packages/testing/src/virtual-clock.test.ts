import { expect, it } from 'vitest';
import { virtualClock } from './virtual-clock.ts';

it('passes a year of sleeps at once, in the order in which they fall due', async () => {
  const clock = virtualClock({ start: 0 });
  const order: number[] = [];
  const sleep = async (ms: number) => {
    await clock.sleep(ms);
    order.push(clock.now());
  };
  await Promise.all([sleep(31_536_000_000), sleep(5), sleep(1000)]);
  expect(order).toEqual([5, 1000, 31_536_000_000]);
  expect(clock.pending).toBe(0);
});

it('does not move while work that needs no time goes on', async () => {
  const clock = virtualClock({ start: 0 });
  let timedOut = false;
  const deadline = clock.sleep(1).then(() => {
    timedOut = true;
  });
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  expect(timedOut).toBe(false);
  await deadline;
});

it('orders sleeps that fall due together by the seed: the same for one seed, not the same for all', async () => {
  const run = async (seed: number): Promise<string> => {
    const clock = virtualClock({ seed });
    const order: number[] = [];
    await Promise.all([0, 1, 2, 3, 4].map((id) => clock.sleep(10).then(() => order.push(id))));
    return order.join('');
  };
  const orders = await Promise.all([1, 2, 3, 4, 5, 6].map(run));
  expect(await run(3)).toBe(orders[2]);
  expect(new Set(orders).size).toBeGreaterThan(1);
});

it('forgets a sleep that is aborted', async () => {
  const clock = virtualClock({ start: 0 });
  const cancel = new AbortController();
  const sleeping = clock.sleep(1000, cancel.signal);
  cancel.abort(new Error('enough'));
  await expect(sleeping).rejects.toThrow('enough');
  await expect(clock.sleep(1, cancel.signal)).rejects.toThrow('enough');
  expect(clock.pending).toBe(0);
  expect(clock.now()).toBe(0);
});

it('stands still while held, and moves by hand', async () => {
  const clock = virtualClock({ start: 0 });
  const release = clock.hold();
  const sleeping = clock.sleep(10);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(clock.now()).toBe(0);
  release();
  await sleeping;
  expect(clock.now()).toBe(10);

  const manual = virtualClock({ start: 0, auto: false });
  const later = manual.sleep(50);
  await manual.advance(49);
  expect([manual.now(), manual.pending]).toEqual([49, 1]);
  await manual.advance(1);
  await later;
});
