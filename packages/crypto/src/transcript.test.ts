import { channelPair, type Hash, type NodeId, ZERO_HASH } from '@2pm/core';
import { expect, test } from 'vitest';
import { nodeCrypto } from './node/provider.ts';
import { TranscriptChannel } from './transcript.ts';

const OTHER_SID = `0x${'11'.repeat(32)}` as Hash;

function ends(sids: [Hash, Hash] = [ZERO_HASH, ZERO_HASH]) {
  const [a, b] = channelPair('0xb' as NodeId, '0xa' as NodeId);
  return [
    new TranscriptChannel(a, nodeCrypto, { protocol: 'test/1', sid: sids[0], self: 0, peer: 1 }),
    new TranscriptChannel(b, nodeCrypto, { protocol: 'test/1', sid: sids[1], self: 1, peer: 0 }),
    b,
  ] as const;
}

const frame = (...bytes: number[]) => new Uint8Array(bytes);

test('both ends of an untouched channel hold the same digest for each direction', async () => {
  const [a, b] = ends();
  await a.send(frame(1, 2));
  await b.send(frame(3));
  expect(await b.receive()).toEqual(frame(1, 2));
  expect(await a.receive()).toEqual(frame(3));
  const [ofA, ofB] = [a.digests(), b.digests()];
  expect(ofA.sent).toBe(ofB.received);
  expect(ofA.received).toBe(ofB.sent);
  expect(ofA.sent).not.toBe(ofA.received);
});

test('frames joined, split, dropped, altered or added between the ends give other digests', async () => {
  const sent = async (...frames: Uint8Array[]) => {
    const [a] = ends();
    for (const one of frames) await a.send(one);
    return a.digests().sent;
  };
  const digests = await Promise.all([
    sent(frame(1, 2), frame(3)),
    sent(frame(1), frame(2, 3)),
    sent(frame(1, 2, 3)),
    sent(frame(1, 2)),
    sent(frame(1, 2), frame(3), frame()),
    sent(frame(1, 2), frame(2)),
  ]);
  expect(new Set(digests).size).toBe(digests.length);
});

test('under a key, too, the ends agree on what they saw in each direction and on nothing else', async () => {
  const [first, second] = [1, 2].map((byte) => new Uint8Array(16).fill(byte)) as [Uint8Array, Uint8Array];
  const [a, b] = ends();
  await a.send(frame(7));
  await b.receive();
  for (const end of [a, b]) end.keyed(first);
  await a.send(frame(1, 2));
  await b.send(frame(3));
  expect(await b.receive()).toEqual(frame(1, 2));
  expect(await a.receive()).toEqual(frame(3));
  const [ofA, ofB] = [a.digests(), b.digests()];
  expect(ofA.sent).toBe(ofB.received);
  expect(ofA.received).toBe(ofB.sent);

  const sent = async (before: Uint8Array[], key: Uint8Array, after: Uint8Array[]) => {
    const [c] = ends();
    for (const one of before) await c.send(one);
    c.keyed(key);
    for (const one of after) await c.send(one);
    return c.digests().sent;
  };
  expect(await sent([frame(7)], first, [frame(1, 2)])).toBe(ofA.sent);
  const others = await Promise.all([
    sent([frame(8)], first, [frame(1, 2)]),
    sent([frame(7)], second, [frame(1, 2)]),
    sent([frame(7)], first, [frame(1), frame(2)]),
    sent([frame(7)], first, [frame(1, 3)]),
    sent([frame(7)], first, []),
    sent([frame(7), frame(1, 2)], first, []),
  ]);
  expect(new Set([ofA.sent, ...others]).size).toBe(1 + others.length);
  const [c] = ends();
  c.keyed(first);
  expect(() => c.keyed(first)).toThrow(expect.objectContaining({ code: 'TRANSCRIPT_KEYED' }));
});

test('the session is part of the digest', async () => {
  const [a, b] = ends([ZERO_HASH, OTHER_SID]);
  expect(a.digests().sent).not.toBe(b.digests().received);
});

test('parties that a byte cannot tell apart are refused', () => {
  const [a] = channelPair('0xb' as NodeId, '0xa' as NodeId);
  for (const [self, peer] of [
    [0, 256],
    [-1, 0],
    [0.5, 1],
  ] as const) {
    const binding = { protocol: 'test/1', sid: ZERO_HASH, self, peer };
    expect(() => new TranscriptChannel(a, nodeCrypto, binding)).toThrow(
      expect.objectContaining({ code: 'TRANSCRIPT_BAD_PARTY' }),
    );
  }
});

test('no frame escapes the digest by coming late', async () => {
  const [a, , raw] = ends();
  a.digests();
  expect(() => a.send(frame(1))).toThrow(expect.objectContaining({ code: 'TRANSCRIPT_CLOSED' }));
  await raw.send(frame(1));
  await expect(a.receive()).rejects.toMatchObject({ code: 'TRANSCRIPT_CLOSED' });
});
