/** Deadlines on the node's clock, so that a simulated network keeps simulated time. @module */
import { type Clock, NodeError } from '@2pm/core';

/** A signal that fires after `ms` on `clock`, or when a parent does. Call `cancel` when the work is done. */
export function deadline(
  clock: Clock,
  ms: number,
  what: string,
  ...parents: readonly AbortSignal[]
): { signal: AbortSignal; cancel: () => void } {
  const timer = new AbortController();
  const expiry = new AbortController();
  clock.sleep(ms, timer.signal).then(
    () =>
      expiry.abort(
        new NodeError('TASK_TIMEOUT', `${what} took longer than ${ms} ms`, { fault: 'peer', retryable: true }),
      ),
    () => undefined,
  );
  return { signal: AbortSignal.any([expiry.signal, ...parents]), cancel: () => timer.abort() };
}

/** Runs `work` under a deadline and cleans up behind it. */
export async function within<T>(
  clock: Clock,
  ms: number,
  what: string,
  parents: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, cancel } = deadline(clock, ms, what, ...parents);
  try {
    return await work(signal);
  } finally {
    cancel();
  }
}

/** Lets several waiters sleep until something has changed. */
export class Notifier {
  #waiting: (() => void)[] = [];

  notify(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  /** Waits until `condition` gives a value other than undefined. */
  async until<T>(condition: () => T | undefined, signal: AbortSignal): Promise<T> {
    for (;;) {
      const value = condition();
      if (value !== undefined) return value;
      await this.wait(signal);
    }
  }
}
