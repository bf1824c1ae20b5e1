/** Drafts a task spec from what the analyst asked for: whom to invite, who computes, until when. @module */
import {
  type AnalystKeys,
  admitsSeats,
  type Hash,
  NodeError,
  type NodeId,
  type Plan,
  type ProtocolCard,
  seatsOf,
  type TaskSpec,
} from '@2pm/core';
import type { SubmitRequest } from '@2pm/core/api';
import { chooseSeats } from './seats.ts';

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
  /** Invited, and seated, only where the others are too few. */
  unwilling: ReadonlySet<NodeId>;
  coordinator: NodeId;
  nonce: number;
  programHash: Hash;
  planHash: Hash;
  recipient: AnalystKeys;
  protocol: ProtocolCard;
  nowMs: number;
}

/** @throws {NodeError} `TASK_TOO_FEW_MEMBERS`, `TASK_UNNAMED_ROLE`, `TASK_UNKNOWN_NODE`, `TASK_UNKNOWN_ROLE`, `TASK_SEATS`. */
export function draftSpec(draft: SpecDraft): TaskSpec {
  const { request, plan, unwilling, coordinator, nowMs } = draft;
  const refuses = ({ node }: Peer) => Number(unwilling.has(node));
  const peers = [...draft.peers].sort((a, b) => refuses(a) - refuses(b) || (a.node < b.node ? -1 : 1));
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
      if (request.roles[role] === undefined && Object.keys(plan.roles).length > 1) {
        throw new NodeError('TASK_UNNAMED_ROLE', `whom to invite as ${role} is not said`, {
          fault: 'caller',
          fix: `the program has several roles: name the nodes of each with --role ${role}=…`,
        });
      }
      const members = [...new Set(request.roles[role] ?? offering)].slice(0, max).sort();
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
  const { id: protocol, security, seats: count } = draft.protocol;
  const seats = request.seats ?? chooseSeats({ plan, roles, peers, coordinator, count, protocol: draft.protocol });
  const organisations = new Set(seats.map((seat) => known.get(seat)?.org));
  if (!admitsSeats(draft.protocol, seats.length) || organisations.size !== seats.length) {
    const wanted = seatsOf(draft.protocol);
    throw new NodeError('TASK_SEATS', `${protocol} wants ${wanted} seats of as many different organisations`, {
      fault: 'caller',
      fix: `name ${wanted} nodes of different organisations with --seats`,
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
    protocol,
    security,
    recipients: Object.fromEntries(plan.recipients.map((name) => [name, draft.recipient])),
    purpose: request.purpose,
    limits: { attemptMs: Math.max(1_000, Math.min(600_000, request.settleWithinSeconds * 1_000)) },
    joinBy,
    settleBy: joinBy + request.settleWithinSeconds,
    quorum: 0,
  };
}
