/**
 * A plan on its way out of the sandbox: numbers in two lists and a little text. Writing text for each of a hundred thousand
 * nodes, and reading it again, would take longer than all the rest.
 * @module
 */
import type { Traced } from './task.ts';

export interface PackedPlan {
  /** JSON: the plan without nodes, and lists of the `operations`, `shapes` (value types without numbers) and `attributes` in it. */
  readonly head: string;
  /** For each node: places of its operation, shape and attributes in these lists, line, number of arguments, arguments. */
  readonly words: Uint32Array;
  /** For each node: its bounds, a constant's twice its value; 0 where a shape has no fraction bits. */
  readonly bounds: BigInt64Array;
}

export function pack({ plan, nodes }: Traced): PackedPlan {
  const operations = new Places();
  const shapes = new Places();
  const attributes = new Places();
  let size = 5 * nodes.length;
  for (let i = 0; i < nodes.length; i++) size += nodes[i]?.args.length ?? 0;
  const words = new Uint32Array(size);
  const bounds = new BigInt64Array(2 * nodes.length);
  let at = 0;
  for (let i = 0; i < nodes.length; i++) {
    const { op, type, attrs, line, args, lo, hi } = nodes[i] as Traced['nodes'][number];
    words[at++] = operations.places.get(op) ?? operations.add(op);
    words[at++] = shapes.places.get(type) ?? shapes.add(type);
    words[at++] = attributes.places.get(attrs) ?? attributes.add(attrs);
    // A constant whose operation was refused, and the refusal caught, has no line.
    words[at++] = Math.max(line, 0);
    words[at++] = args.length;
    for (let j = 0; j < args.length; j++) words[at++] = args[j] as number;
    bounds[2 * i] = lo;
    bounds[2 * i + 1] = hi;
  }
  const lists = { operations: operations.list, shapes: shapes.list, attributes: attributes.list };
  return { head: JSON.stringify({ ...plan, ...lists }), words, bounds };
}

/** Values that differ, each once. Most are the same object over and over, so that few are written to be compared. */
class Places {
  readonly list: unknown[] = [];
  readonly places = new Map<unknown, number>();

  add(value: unknown): number {
    const text = JSON.stringify(value);
    const place = this.places.get(text) ?? this.list.push(value) - 1;
    this.places.set(text, place).set(value, place);
    return place;
  }
}
