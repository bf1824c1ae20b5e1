/** Rows matched by keys in one process, as the holders do it among themselves, with channels in memory. @module */
import {
  type Channel,
  channelPair,
  circuitMatch,
  deliveredColumns,
  type Hash,
  hashValue,
  type KeyedRows,
  keyedColumns,
  type NodeId,
  nodesOf,
  type Plan,
  type PlanNode,
} from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { type Engine, keyedTable, Lineage } from '@2pm/data';
import { circuitInput, columnPayloads, intersect, intersectWithPayloads, joinInput, WORD_BYTES } from '@2pm/psi';
import type { Member } from './member.ts';

/**
 * What each role shares with the seats (`role node` → words), what holders keep of intersections, which rows stand in the slots
 * of matches in a circuit, by operation, and the bytes that took. Columns that are
 * delivered travel, and are counted; they are not shown, for a simulation tells what its analyst would see.
 */
export async function match(
  plan: Plan,
  bound: ReadonlyMap<string, readonly Member[]>,
  engine: Engine,
  sid: Hash,
  signal: AbortSignal,
) {
  const lineage = new Lineage(plan);
  const shared = new Map<string, BigInt64Array>();
  const rowOf = new Map<number, Int32Array>();
  const kept: { name: string; role: string; rows: number; delivered: string[] }[] = [];
  let bytes = 0;
  const keyed = new Map<number, KeyedRows>();
  for (const node of nodesOf(plan, 'keyed/1')) {
    const type = plan.nodes[node]?.type;
    const source = type?.kind === 'keyed' ? bound.get(type.role)?.[0]?.get(type.table) : undefined;
    if (source === undefined) continue;
    keyed.set(node, await keyedTable(engine, lineage, node, source.binding, source.rows, signal));
  }
  const common = { rng: nodeRng, crypto: nodeCrypto };
  for (const operation of nodesOf(plan, 'join/1', 'intersect/1')) {
    const { op, args, attrs } = plan.nodes[operation] as PlanNode;
    const session = hashValue('2pm/match-session/1', [sid, operation]) as Hash;
    const rowsOf = (node: number) => keyed.get(node) as KeyedRows;
    const roles = args.map((node) => lineage.node(node).type).map((type) => (type.kind === 'keyed' ? type.role : ''));
    const channels = connected(args.length);
    const binned = circuitMatch(plan, operation);
    if (binned !== undefined) {
      const run = { ...common, match: binned, sid: session, signal };
      const inputs = await Promise.all(
        binned.sides.map(({ node }, self) =>
          circuitInput({ ...run, self, rows: rowsOf(node), channels: channels[self] ?? new Map() }),
        ),
      );
      for (const [side, { words, rowOf: own }] of inputs.entries()) {
        shared.set(`${binned.sides[side]?.role} ${operation}`, words);
        if (own !== undefined) rowOf.set(operation, own);
      }
      bytes += sentOver(channels);
      continue;
    }
    if (op === 'join/1') {
      const key = nodeRng.fill(new Uint8Array(32));
      for (const [side, node] of args.entries()) {
        shared.set(`${roles[side]} ${node}`, joinInput({ plan, node, rows: rowsOf(node), key, ...common }));
      }
      continue;
    }
    const capacities = args.map((node) => keyedColumns(plan, node).capacity);
    const delivered = deliveredColumns(plan, operation);
    const found = await Promise.all(
      args.map(async (node, self) => {
        const run = {
          ...common,
          sid: session,
          security: 'semi-honest',
          parties: capacities.map((capacity, party) => {
            const channel = channels[self]?.get(party);
            return channel === undefined ? { capacity } : { capacity, channel };
          }),
          receiver: roles.indexOf(attrs.to ?? ''),
          items: rowsOf(node).digests[0] ?? new Uint8Array(),
          signal,
        } as const;
        if (delivered === undefined) return intersect(run);
        const payloads = node === delivered.node ? { payloads: columnPayloads(rowsOf(node)) } : {};
        const payloadBytes = WORD_BYTES * delivered.columns.length;
        return (await intersectWithPayloads({ ...run, payloadBytes, ...payloads }))?.matches;
      }),
    );
    const rows = found.find((one) => one !== undefined)?.length ?? 0;
    const names = (delivered?.columns ?? []).map(({ name }) => `${delivered?.role}_${name}`);
    kept.push({ name: attrs.name ?? '', role: attrs.to ?? '', rows, delivered: names });
    bytes += sentOver(channels);
  }
  return { shared, kept, rowOf, bytes };
}

/** All parties with each other, in memory. */
function connected(parties: number): Map<number, Channel>[] {
  const channels = Array.from({ length: parties }, () => new Map<number, Channel>());
  for (const a of channels.keys()) {
    for (const b of channels.keys()) {
      if (a >= b) continue;
      const [mine, theirs] = channelPair(nameOf(b), nameOf(a));
      channels[a]?.set(b, mine);
      channels[b]?.set(a, theirs);
    }
  }
  return channels;
}

function sentOver(channels: readonly ReadonlyMap<number, Channel>[]): number {
  return channels.flatMap((of) => [...of.values()]).reduce((sum, { stats }) => sum + stats.bytesSent, 0);
}

const nameOf = (party: number) => `0x${String(party).padStart(40, '0')}` as NodeId;
