/** Operations that exist in several placements. @module */
import type { ValueType } from '@2pm/core';
import { type Bounds, bounds, hull } from './bounds.ts';
import { bit } from './columns.ts';
import { type Column, columnOf, lengthWithin, type Of, type Shared, sameShape, shared, sharedOf } from './placement.ts';
import { demand } from './refusal.ts';

/** The argument that fixes the placement: never a constant; columns of one table, shared values of one shape. */
export function principal(args: readonly ValueType[], dtype: 'int' | 'bool'): Column | Shared {
  const [first, second] = args;
  const lead = first?.kind === 'column' ? columnOf(first, dtype) : sharedOf(first, dtype);
  if (second === undefined) return lead;
  if (second.kind === 'constant') {
    demand(dtype === 'int', 'a condition does not combine with a constant');
    return lead;
  }
  if (lead.kind === 'column') {
    const other = columnOf(second, dtype);
    demand(lead.role === other.role && lead.of === other.of, 'the columns are of different tables');
    return { ...lead, nullable: lead.nullable || other.nullable };
  }
  sameShape(lead, sharedOf(second, dtype));
  return lead;
}

export function scaleOf(type: ValueType): number {
  return 'fractionBits' in type ? type.fractionBits : 0;
}

export function arithmetic(op: 'add/1' | 'sub/1' | 'mul/1' | 'neg/1', args: readonly ValueType[]): ValueType {
  if (isReadable(args[0])) return byRecipient(args);
  const lead = principal(args, 'int');
  const a = bounds(args[0] as ValueType);
  const b = args[1] === undefined ? a : bounds(args[1]);
  const scales = args.map(scaleOf) as [number, number?];
  if (op === 'add/1' || op === 'sub/1') demand(scales[0] === scales[1], 'the scales differ');
  const fractionBits = op === 'mul/1' ? scales[0] + (scales[1] ?? 0) : scales[0];
  demand(fractionBits <= 62, 'has more than 62 fraction bits');
  const { lo, hi } = range(op, a, b);
  if (lead.kind === 'shared') return shared({ ...lead, fractionBits }, { lo, hi });
  return { ...lead, fractionBits, lo: String(lo), hi: String(hi) };
}

export function range(op: 'add/1' | 'sub/1' | 'mul/1' | 'neg/1', a: Bounds, b: Bounds): Bounds {
  switch (op) {
    case 'add/1':
      return { lo: a.lo + b.lo, hi: a.hi + b.hi };
    case 'sub/1':
      return { lo: a.lo - b.hi, hi: a.hi - b.lo };
    case 'neg/1':
      return { lo: -a.hi, hi: -a.lo };
    case 'mul/1': {
      if (a.lo >= 0n && b.lo >= 0n) return { lo: a.lo * b.lo, hi: a.hi * b.hi };
      const [p, q, r, s] = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
      return hull(hull({ lo: p, hi: p }, { lo: q, hi: q }), hull({ lo: r, hi: r }, { lo: s, hi: s }));
    }
  }
}

export function compare(args: readonly ValueType[]): ValueType {
  const lead = principal(args, 'int');
  demand(scaleOf(args[0] as ValueType) === scaleOf(args[1] as ValueType), 'the scales differ');
  return truth(lead);
}

export function logic(args: readonly ValueType[]): ValueType {
  return truth(principal(args, 'bool'));
}

export function truth(lead: Column | Shared): ValueType {
  if (lead.kind === 'column') return bit(lead);
  return shared({ ...lead, dtype: 'bool', fractionBits: 0 }, { lo: 0n, hi: 1n });
}

/** Whether a recipient knows it. */
export function isReadable(type: ValueType | undefined): type is Of<'opened'> | Of<'public'> {
  return type?.kind === 'opened' || type?.kind === 'public';
}

/** What one recipient knows, one vector after another. */
export function sideBySide(args: readonly ValueType[]): Of<'public'> {
  const parts = args.map((arg) => byRecipient([arg]));
  const [first] = parts as [Of<'public'>];
  for (const { to } of parts) demand(to === first.to, 'mixes what two recipients know');
  return { ...first, length: lengthWithin(parts.reduce((sum, { length }) => sum + length, 0)) };
}

export function byRecipient(args: readonly ValueType[]): Of<'public'> {
  const known = args.map((arg, i) => {
    if (i > 0 && arg.kind === 'constant') return undefined;
    demand(isReadable(arg), `expected an opened argument, got ${arg.kind}`);
    demand(!('stacked' in arg) || arg.stacked === undefined, 'does not apply to stacked values');
    return arg;
  });
  const [first, second] = known;
  demand(first !== undefined, 'has no opened argument');
  if (second === undefined) return { kind: 'public', length: first.length, to: first.to };
  demand(first.to === second.to, 'mixes what two recipients know');
  demand(
    first.length === second.length || first.length === 1 || second.length === 1,
    `lengths differ: ${first.length} and ${second.length}`,
  );
  return { kind: 'public', length: Math.max(first.length, second.length), to: first.to };
}
