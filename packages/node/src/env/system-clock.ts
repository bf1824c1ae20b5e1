/** The operating system's clock. @module */
import type { Clock } from '@2pm/core';

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const end = Date.now() + ms;
      let timer: NodeJS.Timeout;
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const wait = () => {
        const left = end - Date.now();
        if (left > LONGEST_TIMER_MS) {
          timer = setTimeout(wait, LONGEST_TIMER_MS);
          return;
        }
        timer = setTimeout(
          () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
          Math.max(0, left),
        );
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      wait();
    }),
};
