/**
 * Loops: that the ranges of carried values hold in every step, and that nothing leaves a loop but what its last step gives.
 * @module
 */
import { Loops, type Plan, type PlanNode, type ValueType } from '@2pm/core';
import { type Bounds, bounds, contains, hull } from './bounds.ts';
import { derive } from './derive.ts';
import { as, shared } from './placement.ts';
import { demand } from './refusal.ts';

/** Only for what is to be revealed. */
const OUTSIDE: ReadonlySet<string> = new Set(['rest/1', 'beside/1', 'suppress/1', 'noise/1']);

/** `most`: operations that may be computed in all steps of all loops together. */
export function checkLoops(plan: Plan, most: number): void {
  const loops = new Loops(plan);
  const places = new Set<string>();
  const ended = new Map<number | undefined, string>();
  const settling = new Settling(plan, loops, most);
  for (const [index, { op, args, attrs, type }] of plan.nodes.entries()) {
    if (loops.varies(index)) {
      demand(type.kind === 'shared' && !OUTSIDE.has(op), `${op} stands inside of one`);
    }
    if (op === 'step/1') demand(loops.varies(index), 'a number of a step belongs to none');
    if (op === 'carried/1') {
      const place = `${attrs.loop} ${attrs.place}`;
      demand(!places.has(place), 'two carried values have one place');
      places.add(place);
    }
    if (op !== 'iterate/1') continue;
    const loop = plan.nodes[args[0] as number]?.attrs.loop;
    const end = `${attrs.times} ${args.join()}`;
    const known = ended.get(loop);
    demand(known === undefined || known === end, 'one ends in two ways');
    ended.set(loop, end);
    // Inner loops are settled for each step of the outer one.
    if (known === undefined && !loops.varies(index)) settling.settle(index);
  }
}

/** Finds the ranges of carried values by widening them from step to step until they hold, or the steps end. */
class Settling {
  readonly #plan: Plan;
  readonly #loops: Loops;
  readonly #most: number;
  /** The nodes, with the ranges that they have been found to have up to now. */
  readonly #found: Plan;
  #operations = 0;

  constructor(plan: Plan, loops: Loops, most: number) {
    this.#plan = plan;
    this.#loops = loops;
    this.#most = most;
    this.#found = { ...plan, nodes: [...plan.nodes] };
  }

  settle(end: number): void {
    const { times, carried, next, body } = this.#loops.at(end);
    const before = this.#operations;
    let ranges = carried.map((one) => this.#range(this.#plan.nodes[one]?.args[0] as number));
    for (let done = 1; ; done++) {
      const begun = this.#operations;
      for (const [place, one] of carried.entries()) {
        const own = this.#plan.nodes[one] as PlanNode;
        demand(contains(bounds(own.type), ranges[place] as Bounds), `a value leaves its range (line ${own.line})`);
        this.#retype(one, shared(as('shared', own.type), ranges[place] as Bounds));
      }
      const inner = new Set<number | undefined>();
      for (const one of body) {
        const { op, args, attrs } = this.#plan.nodes[one] as PlanNode;
        if (op === 'step/1') {
          demand(attrs.values?.length === times, 'the numbers of its steps are not as many as these');
          continue;
        }
        if (op === 'iterate/1' && !inner.has(args[0])) this.settle(one);
        if (op === 'iterate/1') inner.add(args[0]);
        this.#retype(one, derive(this.#found, this.#found.nodes[one] as PlanNode));
      }
      this.#operations += body.length;
      demand(
        before + (this.#operations - begun) * times <= this.#most,
        `more than ${this.#most} operations in all steps`,
      );
      const wider = next.map((one, place) => hull(ranges[place] as Bounds, this.#range(one)));
      if (done === times || wider.every(({ lo, hi }, place) => lo === ranges[place]?.lo && hi === ranges[place]?.hi)) {
        // As if every step had been derived.
        this.#operations = before + (this.#operations - begun) * times;
        return;
      }
      ranges = wider;
    }
  }

  #range(index: number): Bounds {
    return bounds((this.#found.nodes[index] as PlanNode).type);
  }

  #retype(index: number, type: ValueType): void {
    this.#found.nodes[index] = { ...(this.#found.nodes[index] as PlanNode), type };
  }
}
