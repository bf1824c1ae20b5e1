/** What the holders of a role share with the seats, and in which order. @module */
import {
  circuitExits,
  circuitMatch,
  circuitWords,
  keyedColumns,
  NodeError,
  nodesOf,
  type Plan,
  SHARING_OPERATIONS,
  taggedJoins,
} from '@2pm/core';

/** Input nodes of a role in plan order: the order in which a holder packs what it brings. */
export function inputNodes(plan: Plan, role: string): number[] {
  const tagged = new Set(taggedJoins(plan).flatMap((join) => plan.nodes[join]?.args ?? []));
  const exits = new Set(circuitExits(plan));
  return nodesOf(plan, ...SHARING_OPERATIONS, 'keyed/1', 'join/1', 'intersect/1').filter((index) => {
    const { op } = plan.nodes[index] ?? {};
    if (op === 'keyed/1') return tagged.has(index) && inputOf(plan, index).role === role;
    if (op === 'join/1' || exits.has(index)) {
      return circuitMatch(plan, index)?.sides.some((side) => side.role === role) ?? false;
    }
    return op !== 'intersect/1' && inputOf(plan, index).role === role;
  });
}

/** Who brings an input, and how many words each of them. `role`: of which side of a match. */
export function inputOf(plan: Plan, index: number, role?: string): { role: string; length: number } {
  const node = plan.nodes[index];
  const match = circuitMatch(plan, index);
  if (match !== undefined) {
    const side = match.sides.findIndex((one) => one.role === role);
    if (side >= 0) return { role: role ?? '', length: circuitWords(match, side) };
  }
  if (node?.type.kind === 'keyed') {
    const { capacity, passes, columns } = keyedColumns(plan, index);
    return { role: node.type.role, length: capacity * (2 * passes + columns.length) };
  }
  const type = plan.nodes[node?.args[0] ?? -1]?.type;
  if (type?.kind === 'local') return type;
  throw unsupported(plan, index, 'takes a vector that is local to the holders of a role');
}

const NARROWER = 'Change that line of the program, or declare narrower ranges for its columns.';

export function unsupported(plan: Plan, index: number, problem: string, fix = NARROWER): NodeError {
  const node = plan.nodes[index];
  return new NodeError('MPC_UNSUPPORTED', `line ${node?.line ?? '?'}: ${node?.op ?? 'a node'} ${problem}`, {
    fault: 'caller',
    fix,
  });
}
