/** One `intersect/1` operation of an attempt: its protocol among the holders, and what the receiver keeps of it. @module */
import {
  type Channel,
  type DataHolder,
  deliveredColumns,
  type Hash,
  type KeyedRows,
  keyedColumns,
  type NodeId,
  type TaskRequest,
} from '@2pm/core';
import type { KeptRows } from '@2pm/core/api';
import { columnPayloads, type Intersector, payloadColumns, WORD_BYTES } from '@2pm/psi';
import { channelTo, type Side } from './sides.ts';

export interface IntersectContext {
  request: TaskRequest;
  data: DataHolder | undefined;
  channels: ReadonlyMap<NodeId, Channel>;
  intersector: Intersector;
  signal: AbortSignal;
  onProgress: (phase: string, message: string, done?: number, of?: number) => void;
}

export interface IntersectOperation {
  operation: number;
  session: Hash;
  lasting: Hash;
  sides: readonly Side[];
  rows: KeyedRows;
}

/** `session`: a name that no other run has; `lasting`: one for all attempts. `rows`: own ones. Empty for all but the receiver. */
export async function intersectRows(
  { request, data, channels, intersector, signal, onProgress }: IntersectContext,
  { operation, session, lasting, sides, rows }: IntersectOperation,
): Promise<KeptRows[]> {
  const { plan, self, signed } = request;
  const { name = '', to = '' } = plan.nodes[operation]?.attrs ?? {};
  const own = sides.find(({ holder }) => holder === self);
  const delivered = deliveredColumns(plan, operation);
  const brings = delivered !== undefined && own?.node === delivered.node;
  const found = await intersector.intersect({
    sid: session,
    security: signed.spec.security,
    parties: sides.map(({ node, holder }) => ({
      capacity: keyedColumns(plan, node).capacity,
      ...(holder === self ? {} : { channel: channelTo(channels, holder) }),
    })),
    receiver: sides.findIndex(({ role }) => role === to),
    items: rows.digests[0] ?? new Uint8Array(),
    ...(delivered === undefined ? {} : { payloadBytes: WORD_BYTES * delivered.columns.length }),
    ...(brings ? { payloads: columnPayloads(rows) } : {}),
    resume: { task: request.taskId, sid: lasting },
    signal,
    onProgress: ({ buckets, of }) => onProgress('matching', 'matching rows in buckets', buckets, of),
  });
  if (found === undefined || own === undefined || data === undefined) return [];
  const beside = delivered === undefined ? {} : { delivered: payloadColumns(found.payloads, delivered) };
  return [{ name, ...(await data.deliver(request, own.role, own.node, name, found.matches, { signal, ...beside })) }];
}
