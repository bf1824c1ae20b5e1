/** What runs the intersections of a node, one after another or at once, and keeps between them what serves the next. @module */
import type { CryptoProvider, Rng } from '@2pm/core';
import { KernelPool } from '@2pm/crypto/wasm';
import {
  type Intersection,
  intersect,
  intersectWithPayloads,
  type PayloadIntersection,
  type SetSizes,
} from './intersect.ts';
import { KeptPairs } from './rr22/kept-pairs.ts';
import type { MatchedPayloads } from './rr22/receiver.ts';

type Kept = 'rng' | 'crypto' | 'kept' | 'pool';
export interface IntersectionRequest
  extends Omit<Intersection, Kept | 'resume'>,
    Partial<Pick<PayloadIntersection, 'payloadBytes' | 'payloads'>> {
  /** `task`: until when it may be resumed. */
  resume?: NonNullable<Intersection['resume']> & { task: string };
}

export interface Intersector {
  /**
   * Gives the matches and, where the request names `payloadBytes`, what was delivered with them; undefined to all but the
   * receiver.
   */
  intersect(request: IntersectionRequest): Promise<MatchedPayloads | undefined>;
  /** Removes what is kept for other tasks than these. */
  retain(tasks: readonly string[]): Promise<void>;
}

/** Of the memory of one run of about 2^20 items: what a larger one took goes back to the system. */
const KEPT_MEMORY = 512 * 2 ** 20;

/** In this thread. `now`: milliseconds on any clock. */
export function intersector(options: {
  rng: Rng;
  crypto: CryptoProvider;
  now: () => number;
  sizes?: SetSizes;
}): Intersector {
  const { rng, crypto, now, sizes } = options;
  const common = { rng, crypto, kept: new KeptPairs(now), pool: new KernelPool(KEPT_MEMORY) };
  return {
    async intersect({ payloadBytes, ...request }) {
      if (payloadBytes !== undefined) return intersectWithPayloads({ ...request, ...common, payloadBytes });
      const matches = await intersect({ ...request, ...common }, sizes);
      return matches === undefined ? undefined : { matches, payloads: new Uint8Array() };
    },
    retain: async () => undefined,
  };
}
