/** Which nodes compute a task, where the analyst names none. @module */
import { NodeError, type NodeId, type Plan, type ProtocolCard, taggedJoins } from '@2pm/core';

export interface Candidate {
  node: NodeId;
  org: string;
}

/**
 * So many nodes of distinct organisations: invited ones first, then other active peers, each as they are ordered; the
 * coordinator sits only if it is named. Where one of them matches rows by tags, it brings none into any such join. A dealer
 * comes last, and is in no role.
 * @throws {NodeError} `TASK_SEATS`.
 */
export function chooseSeats(options: {
  plan: Plan;
  roles: Readonly<Record<string, readonly NodeId[]>>;
  peers: readonly Candidate[];
  coordinator: NodeId;
  count: number;
  protocol: Pick<ProtocolCard, 'dealer' | 'matcher'>;
}): NodeId[] {
  const { plan, roles, peers, coordinator, count, protocol } = options;
  const dealer = protocol.dealer === true;
  const invited = new Set(Object.values(roles).flat());
  const joined = new Set(
    (protocol.matcher === true ? taggedJoins(plan) : []).flatMap((index) => {
      const type = plan.nodes[index]?.type;
      return type?.kind === 'joined' ? type.roles.flatMap((role) => roles[role] ?? []) : [];
    }),
  );
  const candidates = peers
    .filter(({ node }) => node !== coordinator || invited.has(node))
    .sort((a, b) => Number(invited.has(b.node)) - Number(invited.has(a.node)));
  const [matcher] = joined.size === 0 ? [] : candidates.filter(({ node }) => !joined.has(node));
  if (joined.size > 0 && matcher === undefined) {
    throw new NodeError('TASK_SEATS', 'every node that could compute brings rows into the join', {
      fault: 'caller',
      fix: 'let another organisation run a node that brings no rows, or ask for a protocol in which no seat matches, such as rep3-malicious/1',
    });
  }
  const chosen = new Map<string, NodeId>();
  const computing = dealer ? count - 1 : count;
  for (const { node, org } of matcher === undefined ? candidates : [matcher, ...candidates]) {
    if (chosen.size < computing && !chosen.has(org)) chosen.set(org, node);
  }
  const dealing = candidates.find(({ node, org }) => dealer && !invited.has(node) && !chosen.has(org));
  if (dealer && dealing === undefined) {
    throw new NodeError('TASK_SEATS', 'no node is there that could deal: one of another organisation, in no role', {
      fault: 'caller',
      fix: 'let another organisation run a node that brings no data, or compute without a dealer: additive-semi-honest/1',
    });
  }
  if (chosen.size < computing) {
    throw new NodeError('TASK_SEATS', `${chosen.size} of the ${computing} organisations needed to compute are there`, {
      fault: 'caller',
      fix: `${count} seats of distinct organisations are needed: invite more, or name two with --seats, who compute most programs as well`,
    });
  }
  return [...[...chosen.values()].sort(), ...(dealing === undefined ? [] : [dealing.node])];
}
