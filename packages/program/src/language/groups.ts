/** Groups of shared rows by a key whose values nobody knows in advance. @module */
import { bitsOf, interval } from './arithmetic.ts';
import { SharedVector } from './shared.ts';
import type { Ref, Shape } from './trace.ts';

/**
 * The largest groups, the largest first, of equal ones that with the lesser key; slots beyond the groups hold 0. Revealed
 * with `minGroupSize`, a slot whose group is smaller is withheld, its key too: that the last slot is not says that there may
 * be more groups as large.
 */
export class SharedGroups<Column> {
  readonly #rows: Ref;
  readonly #by: Ref;
  readonly #length: number;
  readonly #numbers: (of: Column) => Ref;

  constructor(rows: Ref, by: Ref, length: number, numbers: (of: Column) => Ref) {
    this.#rows = rows;
    this.#by = by;
    this.#length = length;
    this.#numbers = numbers;
  }

  /** By what the rows of a group agree. */
  get key(): SharedVector<'int'> {
    return this.#emit('group-key/1', this.#by, [], 1n);
  }

  /** Rows in each group. */
  count(): SharedVector<'int'> {
    return new SharedVector(groupCount(this.#rows, this.#by, this.#length));
  }

  /** Of a column over each group. Choose rows by `where` before they are grouped: policies refuse a choice within a group. */
  sum(of: Column): SharedVector<'int'> {
    const x = this.#numbers(of);
    return this.#emit('group-sum/1', x, [x], BigInt(slotsOf(this.#rows)));
  }

  #emit(op: 'group-key/1' | 'group-sum/1', like: Ref, more: readonly Ref[], times: bigint): SharedVector<'int'> {
    const length = this.#length;
    const { lo, hi } = interval.hull(like, { lo: 0n, hi: 0n });
    const shape: Shape = { kind: 'shared', length, dtype: 'int', fractionBits: bitsOf(like) };
    const bounds = { lo: lo * times, hi: hi * times };
    return new SharedVector(this.#rows.trace.emit(op, [this.#rows, this.#by, ...more], shape, bounds, { length }));
  }
}

/** Rows in each of the largest groups. */
export function groupCount(rows: Ref, by: Ref, length: number): Ref {
  const shape: Shape = { kind: 'shared', length, dtype: 'int', fractionBits: 0 };
  return rows.trace.emit('group-count/1', [rows, by], shape, { lo: 0n, hi: BigInt(slotsOf(rows)) }, { length });
}

function slotsOf({ type }: Ref): number {
  return 'length' in type ? type.length : 1;
}
