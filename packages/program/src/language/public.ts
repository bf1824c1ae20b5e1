/** What a recipient knows: opened values, and what it computes from them in double precision. @module */
import type { Operation } from '@2pm/core';
import { dyadic } from './number.ts';
import { fail } from './program-error.ts';
import { describeOperand, type Ref, refOf, type Shape, sameTrace, Value } from './trace.ts';

/** An operand of the recipient's own arithmetic. A value of length 1 goes with any length. */
export type PublicOperand = OpenedVector | PublicVector | number | bigint;

abstract class Readable extends Value {
  get length(): number {
    return typeOf(refOf(this)).length;
  }
  add(other: PublicOperand): PublicVector {
    return combine('add/1', this, other);
  }
  sub(other: PublicOperand): PublicVector {
    return combine('sub/1', this, other);
  }
  mul(other: PublicOperand): PublicVector {
    return combine('mul/1', this, other);
  }
  div(other: PublicOperand): PublicVector {
    return combine('div/1', this, other);
  }
  neg(): PublicVector {
    return unary('neg/1', this);
  }
  sqrt(): PublicVector {
    return unary('sqrt/1', this);
  }
  /** Of all entries; null if one is withheld. */
  sum(): PublicVector {
    return unary('sum/1', this, 1);
  }
  at(place: number): PublicVector {
    return this.slice(place, place + 1);
  }
  /** Entries from `start` on, those from `end` on left out. */
  slice(start: number, end = this.length): PublicVector {
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end <= start || end > this.length) {
      fail('PROGRAM_LENGTH', `a vector of ${this.length} has no entries ${start} to ${end - 1}`);
    }
    const attrs = { offset: start, length: end - start };
    const ref = refOf(this);
    if ('stacked' in typeOf(ref)) refuseStacked();
    const shape: Shape = { kind: 'public', length: attrs.length, to: typeOf(ref).to };
    return new PublicVector(ref.trace.emit('slice/1', [ref], shape, undefined, attrs));
  }
  /** Sums of the first 1, 2, … entries, as numpy.cumsum. */
  cumsum(): PublicVector {
    return unary('cumsum/1', this);
  }
  cumprod(): PublicVector {
    return unary('cumprod/1', this);
  }
  /** Probability that a chi-square variable with so many degrees of freedom is greater. */
  chiSquareP(degrees: PublicOperand): PublicVector {
    return combine('chi-square-p/1', this, degrees);
  }
  /** Probability that a Student t variable with so many degrees of freedom is further from 0: the two-sided p-value. */
  studentTP(degrees: PublicOperand): PublicVector {
    return combine('student-t-p/1', this, degrees);
  }
}

/** What a reveal lets its recipient read. Withheld entries read null, and make null of all that depends on them. */
export class OpenedVector extends Readable {
  declare protected readonly placement: 'opened';
}

/** Computed by the recipient from opened values. */
export class PublicVector extends Readable {
  declare protected readonly placement: 'public';
}

/** Values of one recipient, one after another. */
export function sideBySide(values: readonly Readable[]): PublicVector {
  const refs = values.map(refOf);
  const [first] = refs as [Ref];
  for (const ref of refs) {
    sameTrace(first, ref);
    if ('stacked' in typeOf(ref)) refuseStacked();
    if (typeOf(ref).to !== typeOf(first).to) {
      fail('PROGRAM_PLACEMENT', `${typeOf(first).to} does not know what is opened to ${typeOf(ref).to}`);
    }
  }
  const length = values.reduce((sum, value) => sum + value.length, 0);
  return new PublicVector(first.trace.emit('concat/1', refs, { kind: 'public', length, to: typeOf(first).to }));
}

function typeOf(ref: Ref) {
  if (ref.type.kind !== 'opened' && ref.type.kind !== 'public') fail('PROGRAM_PLACEMENT', 'expected an opened value');
  return ref.type;
}

function unary(op: Operation, value: Readable, length = value.length): PublicVector {
  const ref = refOf(value);
  const { to } = typeOf(ref);
  if ('stacked' in typeOf(ref)) refuseStacked();
  return new PublicVector(ref.trace.emit(op, [ref], { kind: 'public', length, to }));
}

function combine(op: Operation, left: Readable, right: unknown): PublicVector {
  const a = refOf(left);
  const mine = typeOf(a);
  if ('stacked' in mine) refuseStacked();
  if (!(right instanceof Value)) {
    const { fractionBits, value } = dyadic(right as number);
    const shape: Shape = { kind: 'public', length: mine.length, to: mine.to };
    return new PublicVector(a.trace.emit(op, [a, a.trace.constant(value, fractionBits)], shape));
  }
  if (!(right instanceof Readable)) {
    const fix = 'Open it first: reveal(x, { to })';
    fail('PROGRAM_PLACEMENT', `expected an opened value, got ${describeOperand(right)}`, fix);
  }
  const b = refOf(right);
  sameTrace(a, b);
  const its = typeOf(b);
  if ('stacked' in its) refuseStacked();
  if (mine.to !== its.to) fail('PROGRAM_PLACEMENT', `${mine.to} does not know what is opened to ${its.to}`);
  if (mine.length !== its.length && mine.length !== 1 && its.length !== 1) {
    fail('PROGRAM_LENGTH', `lengths differ: ${mine.length} and ${its.length}`);
  }
  const shape: Shape = { kind: 'public', length: Math.max(mine.length, its.length), to: mine.to };
  return new PublicVector(a.trace.emit(op, [a, b], shape));
}

function refuseStacked(): never {
  fail('PROGRAM_STACKED', 'stacked values are read as they are; arithmetic on them is not in this language');
}
