/** What subtraction leaves of counts. @module */
import type { PlanNode, ValueType } from '@2pm/core';
import { type Bounds, bounds, hull } from './bounds.ts';
import { type Shared, sameShape, shared, sharedOf } from './placement.ts';
import { demand } from './refusal.ts';

function count(type: ValueType | undefined): Shared {
  const of = sharedOf(type, 'int');
  demand(of.fractionBits === 0, 'is of what is no whole number');
  return of;
}

function minOf({ attrs }: PlanNode): Bounds {
  const min = BigInt(attrs.min as number);
  return { lo: min, hi: min };
}

export function rest(node: PlanNode, [first, second]: readonly ValueType[]): ValueType {
  const [whole, part] = [count(first), count(second)];
  const all = whole.length === 1 && part.length > 1;
  if (all) demand(whole.stacked === undefined && part.stacked === undefined, 'takes all of what is stacked');
  else sameShape(whole, part);
  const [has, each] = [bounds(whole), hull(bounds(part), { lo: 0n, hi: 0n })];
  const times = BigInt(all ? part.length : 1);
  const left = { lo: has.lo - each.hi * times, hi: has.hi - each.lo * times };
  return shared(whole, hull(left, minOf(node)));
}

export function beside(node: PlanNode, [first, second]: readonly ValueType[]): ValueType {
  const [slots, whole] = [count(first), count(second)];
  demand(whole.length === 1, 'takes the count of all as its second argument');
  demand(slots.stacked === undefined && whole.stacked === undefined, 'does not apply to stacked values');
  return shared(slots, { lo: 0n, hi: minOf(node).hi });
}
