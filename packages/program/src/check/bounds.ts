/** Intervals of integers. @module */
import type { ValueType } from '@2pm/core';

/** What every value of a plan stays within. */
export const LIMIT = 2n ** 62n;

export type Bounds = { lo: bigint; hi: bigint };

export function bounds(type: { lo: string; hi: string } | ValueType): Bounds {
  return 'lo' in type ? { lo: BigInt(type.lo), hi: BigInt(type.hi) } : boundsOf(type);
}

export function boundsOf(type: ValueType): Bounds {
  if ('lo' in type) return { lo: BigInt(type.lo), hi: BigInt(type.hi) };
  if (type.kind === 'constant') return { lo: BigInt(type.value), hi: BigInt(type.value) };
  return { lo: 0n, hi: 0n };
}

export function contains(outer: Bounds, inner: Bounds): boolean {
  return outer.lo <= inner.lo && inner.hi <= outer.hi;
}

export function hull(a: Bounds, b: Bounds): Bounds {
  const [lo, hi] = [a.lo <= b.lo, a.hi >= b.hi];
  return { lo: lo ? a.lo : b.lo, hi: hi ? a.hi : b.hi };
}

/** The greater of the lower ends and the lesser of the upper ends. */
export function overlap(a: Bounds, b: Bounds): Bounds {
  const [lo, hi] = [a.lo >= b.lo, a.hi <= b.hi];
  return { lo: lo ? a.lo : b.lo, hi: hi ? a.hi : b.hi };
}
