import { type Channel, channelPair, type Hash, type NodeId } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { expect, test } from 'vitest';
import { intersect, intersectionCard, intersectWithPayloads, payloadCard } from './intersect.ts';
import { intersectionCost } from './intersection-cost.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const id = (party: number) => `0x${String(party).padStart(40, '0')}` as NodeId;

/** Sets of digests that have the first `common` in common; every party but the receiver must learn nothing. */
async function run(
  capacities: readonly number[],
  receiver: number,
  common: number,
  security: 'semi-honest' | 'malicious' = 'semi-honest',
  sizes?: Parameters<typeof intersect>[1],
) {
  const shared = Array.from({ length: common }, () => random(16));
  const sets = capacities.map((capacity) => {
    const own = Array.from({ length: Math.max(0, capacity - common) }, () => random(16));
    return Buffer.concat([...own, ...shared].slice(0, capacity));
  });
  const channels = capacities.map(() => new Map<number, Channel>());
  for (let a = 0; a < capacities.length; a++) {
    for (let b = a + 1; b < capacities.length; b++) {
      const [mine, theirs] = channelPair(id(b), id(a));
      channels[a]?.set(b, mine);
      channels[b]?.set(a, theirs);
    }
  }
  const sid = `0x${Buffer.from(random(32)).toString('hex')}` as Hash;
  const found = await Promise.all(
    capacities.map((_, self) =>
      intersect(
        {
          ...{ sid, security, receiver, items: sets[self] ?? new Uint8Array() },
          ...{ rng: nodeRng, crypto: nodeCrypto, signal: new AbortController().signal },
          parties: capacities.map((capacity, party) => {
            const channel = channels[self]?.get(party);
            return channel === undefined ? { capacity } : { capacity, channel };
          }),
        },
        sizes,
      ),
    ),
  );
  const sent = channels.flatMap((of) => [...of.values()]).reduce((sum, { stats }) => sum + stats.bytesSent, 0);
  // What was told before, where the sizes are those that the protocol changes at.
  if (sizes === undefined) {
    const { bytes } = intersectionCost(capacities, receiver, security);
    expect([capacities, sent / bytes > 0.8 && sent / bytes < 1.25, sent, bytes]).toEqual([
      capacities,
      true,
      sent,
      bytes,
    ]);
  }
  const own = capacities[receiver] ?? 0;
  const expected = Array.from({ length: common }, (_, i) => own - common + i);
  expect(found.map((one) => (one === undefined ? undefined : [...one]))).toEqual(
    capacities.map((_, party) => (party === receiver ? expected : undefined)),
  );
}

test.each([
  ['psi-ecdh-semi-honest', [20, 30]],
  ['psi-rr22-semi-honest', [700, 30]],
  ['psi-nparty-semi-honest', [30, 40, 20]],
  ['psi-nparty-semi-honest', [30, 40, 20, 50]],
] as const)('by %s, whoever of the parties learns it', async (protocol, capacities) => {
  expect(intersectionCard(capacities, 'semi-honest').id).toContain(protocol);
  // Of many, neither the first nor the last.
  for (const receiver of capacities.length === 2 ? [0, 1] : [1]) await run(capacities, receiver, 7);
  if (capacities.length === 2) await run(capacities, 0, 0);
});

test('against malicious parties two sets of any size, and no more than two', async () => {
  expect(intersectionCard([20, 30], 'malicious').id).toContain('psi-rr22-malicious');
  await run([20, 30], 1, 7, 'malicious');
  expect(() => intersectionCard([20, 30, 40], 'malicious')).toThrow(
    expect.objectContaining({ code: 'PSI_UNSUPPORTED' }),
  );
});

test('large sets go through in buckets', async () => {
  expect(intersectionCard([2 ** 21 + 1, 10], 'semi-honest').id).toContain('buckets');
  await run([3_000, 4_000], 1, 700, 'semi-honest', { small: 512, large: 2_048, bucket: 1_000 });
});

test.each(['semi-honest', 'malicious'] as const)(
  'with payloads (%s) the receiver gets those of the matches, whatever the sizes, for what was told',
  async (security) => {
    for (const [receiver, capacities] of [
      [0, [5, 9]],
      [1, [700, 30]],
    ] as const) {
      const card = payloadCard([capacities[receiver] ?? 0, capacities[1 - receiver] ?? 0], security, 16);
      expect(card.id).toBe(`psi-rr22-payload-${security}/1`);
      const shared = random(16 * 3);
      const sets = capacities.map((capacity) => Buffer.concat([random(16 * (capacity - 3)), shared]));
      const payloads = random(16 * (capacities[1 - receiver] ?? 0));
      const [a, b] = channelPair(id(1), id(0));
      const sid = `0x${Buffer.from(random(32)).toString('hex')}` as Hash;
      const parties = (self: number, channel: Channel) =>
        capacities.map((capacity, party) => (party === self ? { capacity } : { capacity, channel }));
      const found = await Promise.all(
        ([a, b] as const).map((channel, self) =>
          intersectWithPayloads({
            ...{ sid, security, receiver, items: sets[self] ?? new Uint8Array(), payloadBytes: 16 },
            ...{ rng: nodeRng, crypto: nodeCrypto, signal: new AbortController().signal },
            ...(self === receiver ? {} : { payloads }),
            parties: parties(self, channel),
          }),
        ),
      );
      expect(found[1 - receiver]).toBeUndefined();
      const own = capacities[receiver] ?? 0;
      expect([...(found[receiver]?.matches ?? [])]).toEqual([own - 3, own - 2, own - 1]);
      expect(Buffer.from(found[receiver]?.payloads ?? [])).toEqual(Buffer.from(payloads.subarray(-48)));
      const told = intersectionCost(capacities, receiver, security, 16);
      const ratio = (a.stats.bytesSent + b.stats.bytesSent) / told.bytes;
      expect([told.card.id, ratio > 0.8 && ratio < 1.25, ratio]).toEqual([card.id, true, ratio]);
    }
  },
);

test('payloads go between two sets that one run holds', () => {
  const refused = (code: string) => expect.objectContaining({ code });
  expect(() => payloadCard([10, 10, 10], 'semi-honest', 8)).toThrow(refused('PSI_UNSUPPORTED'));
  expect(() => payloadCard([10, 2 ** 23 + 1], 'semi-honest', 8)).toThrow(refused('PSI_UNSUPPORTED'));
  expect(() => payloadCard([10, 2 ** 23], 'semi-honest', 512)).toThrow(refused('PSI_BAD_PAYLOADS'));
  expect(payloadCard([10, 2 ** 23], 'semi-honest', 8).security).toBe('semi-honest');
});
