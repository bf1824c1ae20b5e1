/**
 * Rows matched by keys, in one attempt: what holders do among themselves before anything reaches the seats. In the order of
 * the plan, so that all agree whose turn a channel is. An intersection runs at once, and its receiver keeps what it learns
 * on its own node. For a tagged join the holders agree on a key that the matching seat does not know, and tag their rows with
 * it; for a match in a circuit the one that leads looks up its rows in what the others program.
 * @module
 */
import {
  type CryptoProvider,
  circuitMatch,
  type Hash,
  hashValue,
  type KeyedRows,
  NodeError,
  type NodeId,
  nodesOf,
  type Plan,
  type Rng,
} from '@2pm/core';
import type { KeptRows } from '@2pm/core/api';
import { CONTRIBUTION_BYTES, joinInput, joinKey } from '@2pm/psi';
import type { Roster } from '../roster.ts';
import { blaming } from './blame.ts';
import { circuitRows } from './circuit.ts';
import { type IntersectContext, intersectRows } from './intersect.ts';
import { channelTo, sidesOf } from './sides.ts';

export interface MatchContext extends IntersectContext {
  roster: Roster;
  sid: Hash;
  rng: Rng;
  crypto: CryptoProvider;
}

/** With whom this member must speak to match rows. */
export function matchPeers(plan: Plan, roster: Roster, self: NodeId): Set<NodeId> {
  const peers = nodesOf(plan, 'join/1', 'intersect/1').flatMap((operation) => {
    const holders = sidesOf(plan, roster, operation).map(({ holder }) => holder);
    return holders.includes(self) ? holders : [];
  });
  return new Set(peers.filter((holder) => holder !== self));
}

export interface MatchedRows {
  /** What this member shares with the seats, by input node of the back-end. */
  shared: Map<number, BigInt64Array>;
  /** Of each match in a circuit that this member leads: of each slot its own row, -1 where none. */
  rowOf: Map<number, Int32Array>;
  /** What it learnt, and keeps. */
  kept: KeptRows[];
}

/** Runs all matching operations of which this member is a side. */
export async function matchRows(context: MatchContext): Promise<MatchedRows> {
  const { request, roster, sid } = context;
  const { plan, self } = request;
  const rows = keyedRows(context);
  const shared = new Map<number, BigInt64Array>();
  const rowOf = new Map<number, Int32Array>();
  const kept: KeptRows[] = [];
  for (const operation of nodesOf(plan, 'join/1', 'intersect/1')) {
    const sides = sidesOf(plan, roster, operation);
    const own = sides.find(({ holder }) => holder === self);
    if (own === undefined) continue;
    // The roster holds the consents, and they the commitments to the snapshots: who brings what, in every attempt.
    const lasting = hashValue('2pm/match-lasting/1', [request.taskId, roster.hash, operation]) as Hash;
    const session = hashValue('2pm/match-session/1', [sid, operation]) as Hash;
    const others = sides.filter(({ holder }) => holder !== self);
    context.onProgress('matching', `matching rows with ${others.map(({ role }) => role).join(' and ')}`);
    const mine = await rows(own.role, own.node);
    const match = circuitMatch(plan, operation);
    if (match !== undefined) {
      const found = await circuitRows(context, match, session, sides, mine);
      shared.set(operation, found.words);
      if (found.rowOf !== undefined) rowOf.set(operation, found.rowOf);
    } else if (plan.nodes[operation]?.op === 'join/1') {
      const key = joinKey(session, await contributions(context, sides));
      const { rng, crypto } = context;
      shared.set(own.node, joinInput({ plan, node: own.node, rows: mine, key, rng, crypto }));
    } else {
      kept.push(...(await intersectRows(context, { operation, session, lasting, sides, rows: mine })));
    }
  }
  return { shared, rowOf, kept };
}

/** Asks the data once for each node, also where several operations take it. */
function keyedRows({ data, request, signal }: MatchContext): (role: string, node: number) => Promise<KeyedRows> {
  const known = new Map<number, Promise<KeyedRows>>();
  return (role, node) => {
    if (data === undefined) {
      throw new NodeError('TASK_NO_DATA', 'this node has no data for the task', { fault: 'data' });
    }
    const rows = known.get(node) ?? data.keyed(request, role, node, { signal });
    known.set(node, rows);
    return rows;
  };
}

async function contributions(
  { request, channels, rng, signal }: MatchContext,
  sides: readonly { holder: NodeId }[],
): Promise<Uint8Array[]> {
  const own = rng.fill(new Uint8Array(CONTRIBUTION_BYTES));
  return Promise.all(
    sides.map(async ({ holder }) => {
      if (holder === request.self) return own;
      const channel = channelTo(channels, holder);
      await blaming(holder, channel.send(own));
      return blaming(holder, channel.receive({ signal }));
    }),
  );
}
