/**
 * Loops of a plan: which nodes a step computes. `carried/1` nodes stand for what goes from step to step, `iterate/1` ends a
 * loop; the body is whatever lies between and depends on a carried value, so that the rest is computed once by itself.
 * @module
 */
import type { Plan } from './plan.ts';

export interface Loop {
  times: number;
  /** The `carried/1` nodes, and for each the node that gives its value in the next step. */
  carried: readonly number[];
  next: readonly number[];
  /** Nodes that each step computes, ascending; of a loop within only its `iterate/1` nodes. */
  body: readonly number[];
}

export class Loops {
  readonly #plan: Plan;
  /** Of each node the carried values that it varies with, but for those of loops that ended. */
  readonly #open: (ReadonlySet<number> | undefined)[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
    if (!plan.nodes.some(({ op }) => op === 'carried/1')) return;
    const begun = new Map<number | undefined, number>();
    for (const [index, { op, args, attrs }] of plan.nodes.entries()) {
      let open: ReadonlySet<number> | undefined;
      for (const arg of args) open = union(open, this.#open[arg]);
      if (op === 'carried/1') {
        open = union(open, new Set([index]));
        begun.set(attrs.loop, begun.get(attrs.loop) ?? index);
      }
      // It varies with all that its loop carries, of which one will do.
      const loop = op === 'step/1' ? begun.get(attrs.loop) : undefined;
      if (loop !== undefined) open = new Set([loop]);
      if (op === 'iterate/1' && open !== undefined) {
        const ended = args.slice(0, args.length / 2);
        const left = [...open].filter((one) => !ended.includes(one));
        open = left.length === 0 ? undefined : new Set(left);
      }
      this.#open[index] = open;
    }
  }

  /** Whether the node has another value in each step of a loop, which only `iterate/1` takes out of it. */
  varies(index: number): boolean {
    return this.#open[index] !== undefined;
  }

  /** The loop that an `iterate/1` node ends. */
  at(index: number): Loop {
    const node = this.#plan.nodes[index];
    if (node?.op !== 'iterate/1') throw new RangeError(`node ${index} ends no loop`);
    const { args, attrs } = node;
    const [carried, next] = [args.slice(0, args.length / 2), args.slice(args.length / 2)];
    const found = new Set<number>();
    const within = new Set<number>();
    const stack = [...next];
    for (let one = stack.pop(); one !== undefined; one = stack.pop()) {
      const open = this.#open[one];
      if (found.has(one) || open === undefined || !carried.some((value) => open.has(value))) continue;
      found.add(one);
      const { op, args: needs } = this.#plan.nodes[one] ?? { op: undefined, args: [] };
      if (op === 'iterate/1') for (const value of needs.slice(0, needs.length / 2)) within.add(value);
      stack.push(...needs);
    }
    const own = (one: number) =>
      !carried.includes(one) && ![...(this.#open[one] ?? [])].some((value) => within.has(value));
    const body = [...found].filter(own).sort((a, b) => a - b);
    return { times: attrs.times ?? 0, carried, next, body };
  }
}

function union(a: ReadonlySet<number> | undefined, b: ReadonlySet<number> | undefined) {
  if (a === undefined || b === undefined || a === b) return a ?? b;
  const both = new Set([...a, ...b]);
  return both.size === a.size ? a : both;
}
