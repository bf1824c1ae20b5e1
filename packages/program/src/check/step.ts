/** What a step of a loop begins with, what it knows of its number, and what the last one leaves. @module */
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

/** As many values as the loop has steps: `checkLoops` sees to that. */
export function numbered({ attrs }: PlanNode): ValueType {
  const values = (attrs.values as string[]).map(BigInt);
  const range = { lo: values.reduce(least), hi: values.reduce(greatest) };
  return shared({ dtype: 'int', length: 1, fractionBits: attrs.fractionBits as number }, range);
}

/** How much later than at its offset a part of a vector begins, at most. */
export function moved(plan: Plan, { args }: PlanNode): number {
  const by = plan.nodes[args[1] as number] as PlanNode;
  demand(by.op === 'step/1' && by.attrs.fractionBits === 0, 'is moved by what is no public number of a step');
  const { lo, hi } = bounds(by.type);
  demand(lo >= 0n && hi < BigInt(Number.MAX_SAFE_INTEGER), 'is moved beyond an end');
  return Number(hi);
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);
const greatest = (a: bigint, b: bigint) => (a > b ? a : b);

function sameForm(a: Shared, b: Shared): boolean {
  return a.dtype === b.dtype && a.length === b.length && a.stacked === b.stacked && a.fractionBits === b.fractionBits;
}
