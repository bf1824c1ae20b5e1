/** What both parties may know of the sizes: two declared capacities, and what follows from them. @module */
import { NodeError } from '@2pm/core';

/** Public bounds on the two set sizes; what travels has these sizes, whatever the sets hold. */
export interface Capacity {
  receiver: number;
  sender: number;
}

/** @throws {NodeError} `PSI_BAD_CAPACITY` unless both are whole and from 1 to `largest`. */
export function checkCapacity({ receiver, sender }: Capacity, largest: number): void {
  for (const size of [receiver, sender]) {
    if (!Number.isInteger(size) || size < 1 || size > largest) {
      throw badCapacity(`a capacity of ${size} is outside 1 to ${largest}`);
    }
  }
}

/**
 * ⌈(40 + log2(parts·nx·ny)) / 8⌉: all nx·ny pairs of as many runs as there are parts match falsely with probability at most
 * parts·nx·ny / 2^(8·bytes) ≤ 2^-40.
 */
export function tagBytesFor({ receiver, sender }: Capacity, parts = 1): number {
  return Math.ceil((40 + Math.log2(parts) + Math.log2(receiver) + Math.log2(sender)) / 8);
}

export function badCapacity(message: string): NodeError {
  return new NodeError('PSI_BAD_CAPACITY', message, {
    fault: 'caller',
    fix: 'Declare the same capacities in range on both sides; cut larger sets into buckets by a keyed hash.',
  });
}
