/** What a step of a loop begins with, and what the last one leaves. @module */
import type { Plan, PlanNode, ValueType } from '@2pm/core';
import { bounds, contains } from './bounds.ts';
import { as, type Shared, shared } from './placement.ts';
import { demand } from './refusal.ts';

/** Like what it begins with, but of its own range, which `checkLoops` judges. */
export function carried({ type }: PlanNode, [start]: readonly ValueType[]): ValueType {
  const [like, own] = [as('shared', start), as('shared', type)];
  demand(contains(bounds(own), bounds(like)), 'begins outside its range');
  return shared(like, bounds(own));
}

export function iterated(plan: Plan, { args, attrs }: PlanNode, types: readonly ValueType[]): ValueType {
  const count = args.length / 2;
  const place = attrs.place as number;
  demand(Number.isInteger(count) && place < count, 'takes a value after the step for each one before');
  const loop = plan.nodes[args[0] as number]?.attrs.loop;
  for (let i = 0; i < count; i++) {
    const before = plan.nodes[args[i] as number];
    demand(before?.op === 'carried/1' && before.attrs.loop === loop, 'takes what is not carried by one loop');
    demand(before.attrs.place === i, 'takes carried values in another order');
    demand(sameForm(as('shared', types[i]), as('shared', types[count + i])), 'a step changes the form of a value');
  }
  return types[count + place] as ValueType;
}

function sameForm(a: Shared, b: Shared): boolean {
  return a.dtype === b.dtype && a.length === b.length && a.stacked === b.stacked && a.fractionBits === b.fractionBits;
}
