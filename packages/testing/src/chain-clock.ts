/** Clocks for tests of the chain: the wall clock, and one that stands still until it is told to go on. @module */
import type { Clock } from '@2pm/core';

export const wallClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((done, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(finish, ms);
      signal?.addEventListener('abort', cancel, { once: true });
      function finish() {
        signal?.removeEventListener('abort', cancel);
        done();
      }
      function cancel() {
        clearTimeout(timer);
        reject(signal?.reason);
      }
    }),
};

export interface ManualClock extends Clock {
  /** Lets `ms` pass: wakes sleepers in the order of their deadlines. */
  advance(ms: number): void;
}

export function manualClock(startMs: number): ManualClock {
  let nowMs = startMs;
  let sleepers: { due: number; wake: () => void }[] = [];
  return {
    now: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((done, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const sleeper = {
          due: nowMs + ms,
          wake() {
            signal?.removeEventListener('abort', cancel);
            done();
          },
        };
        function cancel() {
          sleepers = sleepers.filter((other) => other !== sleeper);
          reject(signal?.reason);
        }
        signal?.addEventListener('abort', cancel, { once: true });
        sleepers.push(sleeper);
      }),
    advance(ms) {
      nowMs += ms;
      const due = sleepers.filter((sleeper) => sleeper.due <= nowMs).sort((a, b) => a.due - b.due);
      sleepers = sleepers.filter((sleeper) => sleeper.due > nowMs);
      for (const sleeper of due) sleeper.wake();
    },
  };
}
