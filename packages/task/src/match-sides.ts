/** Whose rows a match brings together. @module */
import { NodeError, type NodeId, nodesOf, type Plan, type TaskSpec } from '@2pm/core';

/**
 * Every side of a match is a node of its own: one that is two sides has nobody to hide them from, and no channel to itself.
 * @throws {NodeError} `TASK_MATCH`.
 */
export function checkSides(plan: Plan, { roles }: TaskSpec): void {
  for (const index of nodesOf(plan, 'join/1', 'intersect/1')) {
    const roleOf = new Map<NodeId, string>();
    for (const arg of plan.nodes[index]?.args ?? []) {
      const type = plan.nodes[arg]?.type;
      if (type?.kind !== 'keyed') continue;
      for (const node of roles[type.role] ?? []) {
        const other = roleOf.get(node);
        if (other !== undefined) throw bothSides(node, other, type.role, plan.nodes[index]?.line ?? 0);
        roleOf.set(node, type.role);
      }
    }
  }
}

function bothSides(node: NodeId, one: string, other: string, line: number): NodeError {
  return new NodeError('TASK_MATCH', `line ${line}: ${node} would match its own rows, as ${one} and as ${other}`, {
    fault: 'caller',
    fix: 'Name a node for each of these roles with --role; a holder can join its own tables in its data source.',
  });
}
