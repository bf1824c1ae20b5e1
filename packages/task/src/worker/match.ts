/**
 * Rows matched by keys, in one attempt: what holders do among themselves before anything reaches the seats. In the order of
 * the plan, so that all agree whose turn a channel is. An intersection runs at once, and its receiver keeps what it learns
 * on its own node. For a join the holders agree on a key that the matching seat does not know, and tag their rows with it.
 * @module
 */
import {
  type Channel,
  type CryptoProvider,
  type DataHolder,
  deliveredColumns,
  type Hash,
  hashValue,
  type KeyedRows,
  keyedColumns,
  NodeError,
  type NodeId,
  nodesOf,
  type Plan,
  type Rng,
  type TaskRequest,
} from '@2pm/core';
import type { KeptRows } from '@2pm/core/api';
import {
  CONTRIBUTION_BYTES,
  columnPayloads,
  intersect,
  intersectWithPayloads,
  joinInput,
  joinKey,
  payloadColumns,
  WORD_BYTES,
} from '@2pm/psi';
import type { Roster } from '../roster.ts';
import { blaming } from './blame.ts';

export interface MatchContext {
  request: TaskRequest;
  roster: Roster;
  sid: Hash;
  data: DataHolder | undefined;
  /** To the other members, by id. */
  channels: ReadonlyMap<NodeId, Channel>;
  rng: Rng;
  crypto: CryptoProvider;
  signal: AbortSignal;
  onProgress: (phase: string, message: string) => void;
}

/** The holders that a matching operation brings together, in the order of its arguments. */
function sidesOf(plan: Plan, roster: Roster, operation: number): { node: number; role: string; holder: NodeId }[] {
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

/** With whom this member must speak to match rows. */
export function matchPeers(plan: Plan, roster: Roster, self: NodeId): Set<NodeId> {
  const peers = nodesOf(plan, 'join/1', 'intersect/1').flatMap((operation) => {
    const holders = sidesOf(plan, roster, operation).map(({ holder }) => holder);
    return holders.includes(self) ? holders : [];
  });
  return new Set(peers.filter((holder) => holder !== self));
}

export interface MatchedRows {
  /** What this member shares with the seats of each of its keyed nodes that enter a join. */
  shared: Map<number, BigInt64Array>;
  /** What it learnt, and keeps. */
  kept: KeptRows[];
}

/** Runs all matching operations of which this member is a side. */
export async function matchRows(context: MatchContext): Promise<MatchedRows> {
  const { request, roster, sid } = context;
  const { plan, self } = request;
  const rows = keyedRows(context);
  const shared = new Map<number, BigInt64Array>();
  const kept: KeptRows[] = [];
  for (const operation of nodesOf(plan, 'join/1', 'intersect/1')) {
    const sides = sidesOf(plan, roster, operation);
    const own = sides.find(({ holder }) => holder === self);
    if (own === undefined) continue;
    const session = hashValue('2pm/match-session/1', [sid, operation]) as Hash;
    const others = sides.filter(({ holder }) => holder !== self);
    context.onProgress('matching', `matching rows with ${others.map(({ role }) => role).join(' and ')}`);
    const mine = await rows(own.role, own.node);
    if (plan.nodes[operation]?.op === 'join/1') {
      const key = joinKey(session, await contributions(context, sides));
      const { rng, crypto } = context;
      shared.set(own.node, joinInput({ plan, node: own.node, rows: mine, key, rng, crypto }));
    } else {
      kept.push(...(await intersectRows(context, operation, session, sides, mine)));
    }
  }
  return { shared, kept };
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

async function intersectRows(
  { request, data, channels, rng, crypto, signal }: MatchContext,
  operation: number,
  sid: Hash,
  sides: readonly { node: number; role: string; holder: NodeId }[],
  rows: KeyedRows,
): Promise<KeptRows[]> {
  const { plan, self, signed } = request;
  const { name = '', to = '' } = plan.nodes[operation]?.attrs ?? {};
  const capacityOf = (node: number) => keyedColumns(plan, node).capacity;
  const own = sides.find(({ holder }) => holder === self);
  const run = {
    sid,
    security: signed.spec.security,
    parties: sides.map(({ node, holder }) => ({
      capacity: capacityOf(node),
      ...(holder === self ? {} : { channel: channelTo(channels, holder) }),
    })),
    receiver: sides.findIndex(({ role }) => role === to),
    items: rows.digests[0] ?? new Uint8Array(),
    ...{ rng, crypto, signal },
  };
  const delivered = deliveredColumns(plan, operation);
  const payloads =
    delivered === undefined
      ? undefined
      : await intersectWithPayloads({
          ...run,
          payloadBytes: WORD_BYTES * delivered.columns.length,
          ...(own?.node === delivered.node ? { payloads: columnPayloads(rows) } : {}),
        });
  const found = delivered === undefined ? await intersect(run) : payloads?.matches;
  if (found === undefined || own === undefined || data === undefined) return [];
  const beside =
    delivered === undefined || payloads === undefined
      ? {}
      : { delivered: payloadColumns(payloads.payloads, delivered) };
  return [{ name, ...(await data.deliver(request, own.role, own.node, name, found, { signal, ...beside })) }];
}

function channelTo(channels: ReadonlyMap<NodeId, Channel>, holder: NodeId): Channel {
  const channel = channels.get(holder);
  if (channel === undefined) throw new NodeError('TASK_NO_CHANNEL', `no channel to ${holder}`, { fault: 'node' });
  return channel;
}
