/** Reads a plan that came out of a sandbox, as if a stranger had sent it. @module */
import { Attributes, NodeError, Plan, PlanNode, parse, ValueType } from '@2pm/core';
import type { PackedPlan } from '../language/packed.ts';

const Head = Plan.omit({ nodes: true }).extend({
  operations: PlanNode.shape.op.array(),
  types: ValueType.array(),
  attributes: Attributes.array(),
});

const MOST_ARGUMENTS = 256;

/** @throws {NodeError} `PLAN_MALFORMED`, `CODEC_SCHEMA`. Whether the plan makes sense is for `checkPlan`. */
export function unpackPlan({ head, words, bounds }: PackedPlan): Plan {
  const { operations, types, attributes, ...plan } = parse(headOf(head), Head, 'the plan');
  if (bounds.length === 0 || bounds.length % 2 !== 0) throw malformed();
  const nodes: PlanNode[] = [];
  let at = 0;
  for (let i = 0; i < bounds.length; i += 2) {
    const op = operations[words[at] ?? -1];
    const type = types[words[at + 1] ?? -1];
    const attrs = attributes[words[at + 2] ?? -1];
    const line = words[at + 3];
    const count = words[at + 4] ?? MOST_ARGUMENTS + 1;
    const end = at + 5 + count;
    if (op === undefined || type === undefined || attrs === undefined || line === undefined) throw malformed();
    if (count > MOST_ARGUMENTS || end > words.length) throw malformed();
    // Of its size from the start: a list that grows takes several times as much memory.
    const args = new Array<number>(count);
    at += 5;
    for (let j = 0; j < count; j++) args[j] = words[at++] as number;
    nodes.push({
      op,
      args,
      attrs: copied(attrs),
      type: withNumbers(type, bounds[i] as bigint, bounds[i + 1] as bigint),
      line,
    });
  }
  if (at !== words.length) throw malformed();
  return { ...plan, nodes };
}

const NONE: Attributes = Object.freeze({});

/** Nodes have attributes of their own, where they have some. */
function copied(attrs: Attributes): Attributes {
  for (const _ in attrs) return { ...attrs };
  return NONE;
}

/** The shapes become types, of the number 0. */
function headOf(text: string): unknown {
  try {
    const { shapes, ...head } = JSON.parse(text);
    return { ...head, types: shapes.map((shape: object) => withNumbers(shape, 0n, 0n)) };
  } catch (cause) {
    throw malformed(cause);
  }
}

/** A shape becomes a type by the numbers that it lacks. */
function withNumbers<Shape extends object>(shape: Shape, lo: bigint, hi: bigint): Shape {
  if (!('fractionBits' in shape)) return shape;
  // Copied and then assigned: V8 takes half as long again for one literal of both.
  const type: Shape & { value?: string; lo?: string; hi?: string } = { ...shape };
  if ('kind' in shape && shape.kind === 'constant') {
    type.value = String(lo);
  } else {
    type.lo = String(lo);
    type.hi = String(hi);
  }
  return type;
}

function malformed(cause?: unknown): NodeError {
  return new NodeError('PLAN_MALFORMED', 'what left the sandbox is no plan', { fault: 'caller', cause });
}
