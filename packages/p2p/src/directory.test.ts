import { type ChainItem, encode, type Hash, type LedgerEvent, type NodeId, type NodeRecord } from '@2pm/core';
import { expect, it } from 'vitest';
import { directory, MAX_RECORD_BYTES } from './directory.ts';

const id = (byte: string) => `0x${byte.repeat(20)}` as NodeId;
const key = (byte: string) => `0x${byte.repeat(32)}` as Hash;
const [a, b, c] = [id('0a'), id('0b'), id('0c')];

function record(node: NodeId, seq: number, tls: Hash, more: Partial<NodeRecord> = {}): Uint8Array {
  return encode({ v: 1, node, seq, org: 'o', addresses: [], keys: { tls, hpke: '0x' }, protocols: [], ...more });
}
const registered = (node: NodeId, seq: number, bytes: Uint8Array): LedgerEvent => ({
  type: 'nodeRegistered',
  node,
  controller: c,
  seq,
  record: bytes,
});
const updated = (node: NodeId, seq: number, bytes: Uint8Array): LedgerEvent => ({
  type: 'nodeUpdated',
  node,
  seq,
  record: bytes,
});
const at = (position: number, event: LedgerEvent): ChainItem => ({
  type: 'event',
  event,
  cursor: `c${position}`,
  block: position,
  blockTime: position,
  tx: '0x',
});

function replay(...events: LedgerEvent[]) {
  const found = directory();
  events.forEach((event, index) => {
    found.apply(at(index + 1, event));
  });
  return found;
}

it('knows each node by its id and by its TLS key, and always the newest record', () => {
  const found = replay(
    registered(a, 1, record(a, 1, key('01'))),
    registered(b, 1, record(b, 1, key('02'))),
    updated(a, 2, record(a, 2, key('03'), { addresses: ['example.org:1'] })),
  );
  expect(found.record(a)?.addresses).toEqual(['example.org:1']);
  expect(found.nodeOfKey(key('03'))).toBe(a);
  expect(found.nodeOfKey(key('01'))).toBeUndefined();
  expect(found.nodeOfKey(key('02'))).toBe(b);
  expect(
    found
      .peers()
      .map(({ node }) => node)
      .sort(),
  ).toEqual([a, b]);
  expect(found.refused.size).toBe(0);
});

it('ignores a record that fails a check, keeps the one before, and counts why', () => {
  const good = registered(a, 1, record(a, 1, key('01')));
  const cases: [string, LedgerEvent][] = [
    ['malformed', updated(a, 2, new Uint8Array([1, 2, 3]))],
    ['malformed', updated(a, 2, record(a, 2, key('01'), { org: '' }))],
    ['malformed', updated(a, 2, record(a, 2, '0x12' as Hash))],
    ['malformed', updated(a, 2, record(a, 2, key('01'), { extra: 1 } as Partial<NodeRecord>))],
    ['too-large', updated(a, 2, record(a, 2, key('01'), { protocols: Array(32).fill('p'.repeat(60)) }))],
    ['other-node', updated(a, 2, record(b, 2, key('01')))],
    ['wrong-seq', updated(a, 2, record(a, 3, key('01')))],
    ['stale', updated(a, 1, record(a, 1, key('09')))],
  ];
  for (const [reason, bad] of cases) {
    const found = replay(good, bad);
    expect(Object.fromEntries(found.refused)).toEqual({ [reason]: 1 });
    expect(found.record(a)?.seq).toBe(1);
    expect(found.nodeOfKey(key('01'))).toBe(a);
  }
  expect(MAX_RECORD_BYTES).toBe(1024);
});

it('refuses the later of two nodes that claim one TLS key', () => {
  const found = replay(registered(a, 1, record(a, 1, key('01'))), registered(b, 1, record(b, 1, key('01'))));
  expect(found.nodeOfKey(key('01'))).toBe(a);
  expect(found.record(b)).toBeUndefined();
  expect(found.refused.get('key-taken')).toBe(1);
});

it('forgets nodes that leave, are revoked or rotate, and no repeat of an old event brings them back', () => {
  const first = registered(a, 1, record(a, 1, key('01')));
  for (const type of ['nodeLeft', 'nodeRevoked'] as const) {
    const found = replay(first, { type, node: a }, first);
    expect(found.peers()).toEqual([]);
    expect(found.nodeOfKey(key('01'))).toBeUndefined();
  }
  const rotated: LedgerEvent = { type: 'nodeRotated', node: a, newNode: b, seq: 2, record: record(b, 2, key('01')) };
  const found = replay(first, rotated, first, rotated);
  expect(found.record(a)).toBeUndefined();
  expect(found.nodeOfKey(key('01'))).toBe(b);
});

it('takes the old node key out even when the record of the new one is worthless', () => {
  const first = registered(a, 1, record(a, 1, key('01')));
  const found = replay(first, { type: 'nodeRotated', node: a, newNode: b, seq: 2, record: new Uint8Array(3) });
  expect(found.peers()).toEqual([]);
});

it('goes back with the chain: what was undone is as if it had never been', () => {
  const found = replay(registered(a, 1, record(a, 1, key('01'))));
  found.apply({ type: 'head', cursor: 'h1', block: 1, blockTime: 1 });
  const task = { type: 'taskExpired', taskId: key('77') } as unknown as LedgerEvent;
  found.apply(at(2, task));
  found.apply(at(3, { type: 'nodeRevoked', node: a }));
  found.apply(at(4, registered(b, 1, record(b, 1, key('01')))));
  expect(found.nodeOfKey(key('01'))).toBe(b);

  found.apply({ type: 'rollback', to: 'c2' });
  expect(found.nodeOfKey(key('01'))).toBe(a);
  expect(found.record(b)).toBeUndefined();

  // The other branch, under the same cursors.
  found.apply(at(3, updated(a, 2, record(a, 2, key('05')))));
  expect(found.nodeOfKey(key('05'))).toBe(a);
  found.apply({ type: 'rollback', to: 'h1' });
  expect(found.record(a)?.seq).toBe(1);
  expect(() => found.apply({ type: 'rollback', to: 'c3' })).toThrow(
    expect.objectContaining({ code: 'P2P_ROLLBACK_UNKNOWN' }),
  );
  found.apply({ type: 'rollback', to: null });
  expect(found.peers()).toEqual([]);
  found.apply(at(1, registered(b, 1, record(b, 1, key('02')))));
  expect(found.record(b)?.seq).toBe(1);
});

it('passes over items it has seen already, and tells listeners of changes only', () => {
  const found = directory();
  let changes = 0;
  const stop = found.onChange(() => changes++);
  const item = at(1, registered(a, 1, record(a, 1, key('01'))));
  found.apply(item);
  found.apply(item);
  found.apply({ type: 'head', cursor: 'c1', block: 1, blockTime: 1 });
  expect(changes).toBe(1);
  expect(found.refused.size).toBe(0);
  stop();
  found.apply(at(2, { type: 'nodeLeft', node: a }));
  expect(changes).toBe(1);
});
