/** Matches in a circuit: what holders do before the seats run, and how some open to the holder that leads them. @module */
import {
  type Channel,
  type CircuitMatch,
  type CryptoProvider,
  circuitExits,
  circuitMatch,
  type DataHolder,
  type Hash,
  type KeyedRows,
  type NodeId,
  type Rng,
  type SharedBackend,
  type TaskRequest,
} from '@2pm/core';
import type { KeptRows } from '@2pm/core/api';
import { type CircuitInput, circuitInput, rowsInSlots } from '@2pm/psi';
import { type Roster, roleSizes } from '../roster.ts';
import { blaming } from './blame.ts';
import { receiveBulk, sendBulk } from './bulk.ts';
import { channelTo } from './sides.ts';

interface Peers {
  request: TaskRequest;
  channels: ReadonlyMap<NodeId, Channel>;
  signal: AbortSignal;
}

/** What this member shares of its rows. `sides`: all of the match, in any order. */
export function circuitRows(
  { request, channels, rng, crypto, signal }: Peers & { rng: Rng; crypto: CryptoProvider },
  match: CircuitMatch,
  sid: Hash,
  sides: readonly { node: number; holder: NodeId }[],
  rows: KeyedRows,
): Promise<CircuitInput> {
  const holders = match.sides.map(({ node }) => sides.find((side) => side.node === node)?.holder as NodeId);
  const self = holders.indexOf(request.self);
  const partners = [...holders.entries()].filter(([side]) => side !== self && (self === 0 || side === 0));
  const towards = new Map(partners.map(([side, holder]) => [side, channelTo(channels, holder)] as const));
  return circuitInput({ match, self, rows, sid, channels: towards, rng, crypto, signal });
}

/**
 * After the seats have run: a seat sends its shares of the bits, and takes them from `outputs`: these go to recipients. The holder opens them, and keeps
 * its rows. As of any intersection, it learns them in each attempt that gets so far: they are the same.
 */
export async function keepMatches(
  context: Peers & { roster: Roster; backend: SharedBackend; data: DataHolder | undefined },
  { rowOf }: { rowOf: ReadonlyMap<number, Int32Array> },
  outputs: Map<number, Uint8Array>,
): Promise<KeptRows[]> {
  const { request, roster, backend, data, channels, signal } = context;
  const { plan, self, signed } = request;
  const kept: KeptRows[] = [];
  for (const operation of circuitExits(plan)) {
    const own = outputs.get(operation);
    outputs.delete(operation);
    const { node = -1, role = '' } = circuitMatch(plan, operation)?.sides[0] ?? {};
    const [holder] = roster.roles[role] ?? [];
    if (holder !== undefined && holder !== self && own !== undefined) {
      await blaming(holder, sendBulk(channelTo(channels, holder), own));
    }
    if (holder !== self || data === undefined) continue;
    const shares = await Promise.all(
      signed.spec.seats.map(async (seat) => {
        if (seat === self) return own ?? new Uint8Array();
        return blaming(seat, receiveBulk(channelTo(channels, seat), { signal }));
      }),
    );
    const bits = backend.open(plan, roleSizes(roster), operation, shares);
    const { name = '' } = plan.nodes[operation]?.attrs ?? {};
    const found = rowsInSlots(rowOf.get(operation) ?? new Int32Array(), bits);
    kept.push({ name, ...(await data.deliver(request, role, node, name, found, { signal })) });
  }
  return kept;
}
