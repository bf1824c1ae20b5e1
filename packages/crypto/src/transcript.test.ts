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
