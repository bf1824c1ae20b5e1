/** The holders that one operation brings together, and the way to each. @module */
import { type Channel, NodeError, type NodeId, type Plan } from '@2pm/core';
import type { Roster } from '../roster.ts';

/** One of those whose rows an operation matches. */
export interface Side {
  /** Its `keyed/1` node. */
  node: number;
  role: string;
  holder: NodeId;
}

/** The holders that a matching operation brings together, in the order of its arguments. */
export function sidesOf(plan: Plan, roster: Roster, operation: number): Side[] {
  return (plan.nodes[operation]?.args ?? []).map((node) => {
    const type = plan.nodes[node]?.type;
    const role = type?.kind === 'keyed' ? type.role : '';
    const [holder, ...others] = roster.roles[role] ?? [];
    if (holder === undefined || others.length > 0) {
      throw new NodeError('TASK_MATCH', `role ${role} has not exactly one member`, { fault: 'caller' });
    }
    return { node, role, holder };
  });
}

export function channelTo(channels: ReadonlyMap<NodeId, Channel>, holder: NodeId): Channel {
  const channel = channels.get(holder);
  if (channel === undefined) throw new NodeError('TASK_NO_CHANNEL', `no channel to ${holder}`, { fault: 'node' });
  return channel;
}
