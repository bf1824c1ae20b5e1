/** Drafts a task spec from what the analyst asked for: whom to invite, who computes, until when. @module */
import { type AnalystKeys, type Hash, NodeError, type NodeId, type Plan, type TaskSpec } from '@2pm/core';
import type { SubmitRequest } from '@2pm/core/api';

export interface Peer {
  node: NodeId;
  org: string;
  /** Says that it has data to compute on. */
  offersData: boolean;
}

export interface SpecDraft {
  request: SubmitRequest;
  plan: Plan;
  peers: readonly Peer[];
  coordinator: NodeId;
  nonce: number;
  programHash: Hash;
  planHash: Hash;
  recipient: AnalystKeys;
  protocol: string;
  nowMs: number;
}

/** @throws {NodeError} `TASK_TOO_FEW_MEMBERS`, `TASK_UNKNOWN_NODE`, `TASK_UNKNOWN_ROLE`, `TASK_SEATS`. */
export function draftSpec(draft: SpecDraft): TaskSpec {
  const { request, plan, peers, coordinator, nowMs } = draft;
  for (const role of Object.keys(request.roles)) {
    if (plan.roles[role] === undefined) {
      throw new NodeError('TASK_UNKNOWN_ROLE', `the program has no role ${role}`, {
        fault: 'caller',
        fix: `its roles are ${Object.keys(plan.roles).join(', ')}`,
      });
    }
  }
  const known = new Map(peers.map((peer) => [peer.node, peer]));
  for (const node of [...Object.values(request.roles).flat(), ...(request.seats ?? [])]) {
    if (!known.has(node)) {
      throw new NodeError('TASK_UNKNOWN_NODE', `${node} is not an active node of this network`, {
        fault: 'caller',
        fix: '2pm peers lists the active nodes',
      });
    }
  }
  const roles = Object.fromEntries(
    Object.entries(plan.roles).map(([role, { min, max }]) => {
      const offering = peers
        .filter(({ node, offersData }) => offersData && node !== coordinator)
        .map(({ node }) => node);
      const members = [...new Set(request.roles[role] ?? offering)].sort().slice(0, max);
      if (members.length < min) {
        throw new NodeError(
          'TASK_TOO_FEW_MEMBERS',
          `role ${role} wants at least ${min} nodes, ${members.length} are there`,
          {
            fault: 'caller',
            fix: 'wait for more data holders to join, or name them with --role',
          },
        );
      }
      return [role, members];
    }),
  );
  const seats = request.seats ?? defaultSeats(Object.values(roles).flat(), known);
  if (new Set(seats.map((seat) => known.get(seat)?.org)).size !== seats.length) {
    throw new NodeError('TASK_SEATS', 'the three seats must belong to three different organisations', {
      fault: 'caller',
      fix: 'name three nodes of different organisations with --seats',
    });
  }
  const joinBy = Math.ceil(nowMs / 1_000) + request.joinWithinSeconds;
  return {
    v: 1,
    coordinator,
    nonce: draft.nonce,
    programHash: draft.programHash,
    planHash: draft.planHash,
    roles,
    seats,
    protocol: draft.protocol,
    security: 'semi-honest',
    recipients: Object.fromEntries(plan.recipients.map((name) => [name, draft.recipient])),
    purpose: request.purpose,
    limits: { attemptMs: Math.max(1_000, Math.min(600_000, request.settleWithinSeconds * 1_000)) },
    joinBy,
    settleBy: joinBy + request.settleWithinSeconds,
    quorum: 0,
  };
}

/** The first three invited nodes of distinct organisations. A recipient sits only if it is named. */
function defaultSeats(invited: readonly NodeId[], known: ReadonlyMap<NodeId, Peer>): NodeId[] {
  const seats = new Map<string, NodeId>();
  for (const node of [...new Set(invited)].sort()) {
    const org = known.get(node)?.org;
    if (org !== undefined && !seats.has(org) && seats.size < 3) seats.set(org, node);
  }
  if (seats.size < 3) {
    throw new NodeError('TASK_SEATS', 'fewer than three organisations are there to compute', {
      fault: 'caller',
      fix: 'three seats of distinct organisations are needed: invite more, or name seats with --seats',
    });
  }
  return [...seats.values()];
}
