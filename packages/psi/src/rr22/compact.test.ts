import { channelPair, type Hash, type NodeId } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Capacity } from '../capacity.ts';
import { type Rr22Mode, rr22CardOf } from './card.ts';
import { rr22Parameters } from './parameters.ts';
import { rr22Receiver } from './receiver.ts';
import { rr22Sender } from './sender.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const [id, peer] = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const shared = { sid: `0x${'cd'.repeat(32)}` as Hash, rng: nodeRng, crypto: nodeCrypto };
const code = (code: string) => expect.objectContaining({ code });

/** The receiver's answer, and the bytes that travelled. The first `common` items of both are the same. */
async function intersect(capacity: Capacity, common: number, [mode, other]: [Rr22Mode, Rr22Mode]) {
  const [mine, theirs] = [random(16 * capacity.receiver), random(16 * capacity.sender)];
  theirs.set(mine.subarray(0, 16 * common));
  const [a, b] = channelPair(peer, id);
  const [found] = await Promise.all([
    rr22Receiver({ ...shared, ...mode, channel: a, capacity, items: mine }),
    rr22Sender({ ...shared, ...other, channel: b, capacity, items: theirs }).catch((error: unknown) => {
      b.close();
      throw error;
    }),
  ]);
  return { found: [...found], bytes: a.stats.bytesSent + a.stats.bytesReceived };
}

const compact: [Rr22Mode, Rr22Mode] = [{ encoding: 'compact' }, { encoding: 'compact' }];

test('compact runs of random sizes give exactly the common items', async () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 3000 }));
  await fc.assert(
    fc.asyncProperty(sizes, async ([receiver, sender]) => {
      const common = Math.floor(Math.min(receiver, sender) / 2);
      const { found } = await intersect({ receiver, sender }, common, compact);
      expect(found).toEqual(Array.from({ length: common }, (_, i) => i));
    }),
    { numRuns: 3, examples: [[[1, 3000]], [[3000, 1]]] },
  );
});

test('a compact run of a large store sends less than a clustered one', async () => {
  const capacity = { receiver: 70_000, sender: 90_000 };
  const short = await intersect(capacity, 12_345, compact);
  expect(short.found).toEqual(Array.from({ length: 12_345 }, (_, i) => i));
  const long = await intersect(capacity, 1, [{}, {}]);
  expect(short.bytes).toBeLessThan(0.75 * long.bytes);
});

test('values are wide enough for both bounds, whatever the sizes', () => {
  for (const [receiver, sender] of [
    [1, 2 ** 20],
    [2 ** 20, 1],
    [2 ** 20, 2 ** 20],
    [2 ** 23, 2 ** 23],
    [3, 5],
  ] as const) {
    const { vole, okvs } = rr22Parameters({ receiver, sender }, { encoding: 'compact' });
    const bits = 8 * vole.valueBytes;
    expect(bits).toBeGreaterThanOrEqual(40 + Math.log2(receiver) + Math.log2(sender));
    // Among the sender's items: pairs / 2^bits below 2^-40.
    expect(bits).toBeGreaterThanOrEqual(40 + 2 * Math.log2(sender));
    expect(okvs.bins).toBe(1);
    expect(vole.valueBytes).toBeLessThanOrEqual(11);
  }
});

test('parties that do not agree on the encoding stop at the first frame; compact and malicious do not go together', async () => {
  const capacity = { receiver: 10, sender: 10 };
  await expect(intersect(capacity, 1, [{ encoding: 'compact' }, {}])).rejects.toEqual(code('PSI_SESSION_MISMATCH'));
  const both: Rr22Mode = { encoding: 'compact', security: 'malicious' };
  await expect(intersect(capacity, 1, [both, both])).rejects.toEqual(code('PSI_BAD_MODE'));
  expect(rr22CardOf({ encoding: 'compact' })).toMatchObject({ id: 'psi-rr22-compact/1', security: 'semi-honest' });
});

test('an item that comes twice is refused on either side of a compact run', async () => {
  const twice = random(160);
  twice.copyWithin(0, 144);
  const capacity = { receiver: 10, sender: 10 };
  for (const [mine, theirs] of [
    [twice, random(160)],
    [random(160), twice],
  ] as const) {
    const [a, b] = channelPair(peer, id);
    const mode = { ...shared, capacity, encoding: 'compact' } as const;
    const results = await Promise.allSettled([
      rr22Receiver({ ...mode, channel: a, items: mine }).finally(() => a.close()),
      rr22Sender({ ...mode, channel: b, items: theirs }).finally(() => b.close()),
    ]);
    expect(results).toContainEqual(expect.objectContaining({ reason: code('PSI_DUPLICATE_ITEM') }));
  }
});
