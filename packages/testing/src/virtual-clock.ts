/**
 * Time that moves only when nobody has anything left to do: a day of deadlines passes in milliseconds, and the same seed
 * gives the same order of events.
 * @module
 */
import type { Clock } from '@2pm/core';

export interface VirtualClock extends Clock {
  /** Moves time by hand, firing what falls due on the way, in order. */
  advance(ms: number): Promise<void>;
  /**
   * Keeps time from moving by itself while something outside the event loop is under way (a child process, a worker, a
   * socket), which this clock cannot see. Returns the release.
   */
  hold(): () => void;
  /** Sleepers that wait. */
  readonly pending: number;
}

export interface VirtualClockOptions {
  /** Milliseconds since the Unix epoch. Default 2026-01-01. */
  start?: number;
  /** Orders sleepers that fall due at the same instant, so that seeds explore interleavings. Default 0. */
  seed?: number;
  /** False: time moves only by `advance`. Default true. */
  auto?: boolean;
}

interface Sleeper {
  due: number;
  tie: number;
  resolve(): void;
}

/** Turns of the event loop that must pass without a new sleeper before time moves by itself. */
const IDLE_TURNS = 3;

export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  const { start = Date.UTC(2026, 0, 1), seed = 0, auto = true } = options;
  let now = start;
  let holds = 0;
  let watching = false;
  /** Counts what happens, so that the watch sees whether anything did. */
  let activity = 0;
  const sleepers = new Set<Sleeper>();
  const tie = splitMix32(seed);

  const next = (): Sleeper | undefined => {
    let first: Sleeper | undefined;
    for (const sleeper of sleepers) {
      if (first === undefined || sleeper.due < first.due || (sleeper.due === first.due && sleeper.tie < first.tie)) {
        first = sleeper;
      }
    }
    return first;
  };
  const fire = (sleeper: Sleeper): void => {
    sleepers.delete(sleeper);
    now = Math.max(now, sleeper.due);
    activity++;
    sleeper.resolve();
  };
  const watch = async (): Promise<void> => {
    if (watching || !auto) return;
    watching = true;
    try {
      while (sleepers.size > 0 && holds === 0) {
        const before = activity;
        await idle();
        if (activity !== before || holds > 0) continue;
        const first = next();
        if (first !== undefined) fire(first);
      }
    } finally {
      watching = false;
    }
  };

  return {
    now: () => now,
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      activity++;
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          sleepers.delete(sleeper);
          activity++;
          reject(signal?.reason);
        };
        const sleeper: Sleeper = {
          due: now + Math.max(0, ms),
          tie: tie(),
          resolve: () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        sleepers.add(sleeper);
        void watch();
      });
    },
    async advance(ms) {
      const target = now + ms;
      await idle();
      for (let first = next(); first !== undefined && first.due <= target; first = next()) {
        fire(first);
        await idle();
      }
      now = Math.max(now, target);
    },
    hold() {
      let held = true;
      holds++;
      return () => {
        if (!held) return;
        held = false;
        holds--;
        void watch();
      };
    },
    get pending() {
      return sleepers.size;
    },
  };
}

async function idle(): Promise<void> {
  for (let turn = 0; turn < IDLE_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** SplitMix32 (Steele, Lea, Flood, OOPSLA 2014, in 32 bits): orders ties, never makes a secret. */
function splitMix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
}
