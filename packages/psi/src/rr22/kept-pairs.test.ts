import { type Channel, channelPair, type Hash, type NodeId, toHex } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { expect, test } from 'vitest';
import { KEPT_LIMITS, KeptPairs } from './kept-pairs.ts';
import type { PairSetup } from './pair-setup.ts';
import { rr22Receiver } from './receiver.ts';
import { rr22Sender } from './sender.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const freshSid = () => toHex(random(32)) as Hash;
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const common = () => ({ rng: nodeRng, crypto: nodeCrypto, signal: new AbortController().signal });

/** Two nodes whose clocks a test sets. */
function nodes(limits = KEPT_LIMITS) {
  const clock = { receiver: 0, sender: 0 };
  const start = (role: 'receiver' | 'sender') => new KeptPairs(() => clock[role], limits);
  return { clock, start, receiver: start('receiver'), sender: start('sender') };
}

type Both = Pick<ReturnType<typeof nodes>, 'receiver' | 'sender'>;
type Work = (setup: PairSetup, channel: Channel) => Promise<unknown>;
const nothing: Work = async () => undefined;

/** Names of the setups that both run over, and what both sent. */
async function runBoth(
  { receiver, sender }: Both,
  { sid = freshSid(), identity = 'key 1', work = nothing, channels = channelPair(ids[1], ids[0]) } = {},
) {
  const [a, b] = channels;
  const one = (pairs: KeptPairs, role: 'receiver' | 'sender', channel: Channel) =>
    pairs.use([{ channel, identity }], { role, sid, ...common() }, async ([setup]) => {
      await work(setup as PairSetup, channel);
      return toHex((setup as PairSetup).kept.id);
    });
  const names = await Promise.all([one(receiver, 'receiver', a), one(sender, 'sender', b)]);
  return { names, bytes: a.stats.bytesSent + b.stats.bytesSent };
}

/** The two play RR22 over what they have, and find what they should. */
const intersecting =
  (sid: Hash): Work =>
  async (setup, channel) => {
    const items = new Uint8Array(16 * 600);
    for (let i = 0; i < 600; i++) new DataView(items.buffer).setUint32(16 * i, i);
    const theirs = items.slice(16 * 200);
    const run = { channel, sid, capacity: { receiver: 600, sender: 400 }, setup, ...common() };
    if (setup.role === 'sender') return rr22Sender({ ...run, items: theirs });
    expect([...(await rr22Receiver({ ...run, items }))]).toEqual(Array.from({ length: 400 }, (_, i) => 200 + i));
  };

test('a second run uses what the first has made, and both find the same', async () => {
  const both = nodes();
  const [sid, next] = [freshSid(), freshSid()];
  const first = await runBoth(both, { sid, work: intersecting(sid) });
  const second = await runBoth(both, { sid: next, work: intersecting(next) });
  expect(first.names[0]).toBe(first.names[1]);
  expect(second.names).toEqual(first.names);
  expect(second.bytes).toBeLessThan(first.bytes - 8_192);
});

test('a peer that was restarted has lost it: both make another, and nobody sees an error', async () => {
  for (const lost of ['receiver', 'sender'] as const) {
    const both = nodes();
    const first = await runBoth(both);
    const after: Both = { ...both, [lost]: both.start(lost) };
    const second = await runBoth(after, { sid: freshSid() });
    expect(second.names[0]).toBe(second.names[1]);
    expect(second.names[0]).not.toBe(first.names[0]);
    expect((await runBoth(after)).names).toEqual(second.names);
  }
});

test('a setup ends with its age, its runs, the identity of the peer, and any run that fails', async () => {
  const both = nodes({ ...KEPT_LIMITS, runs: 3 });
  let { names } = await runBoth(both);
  const renewed = async (options?: Parameters<typeof runBoth>[1]) => {
    const next = (await runBoth(both, options)).names;
    expect(next[0]).toBe(next[1]);
    const changed = next[0] !== names[0];
    names = next;
    return changed;
  };
  expect(await renewed()).toBe(false);
  both.clock.sender = KEPT_LIMITS.ms - 1;
  expect(await renewed()).toBe(false);
  // Three runs are over.
  expect(await renewed()).toBe(true);
  both.clock.sender += KEPT_LIMITS.ms;
  expect(await renewed()).toBe(true);
  expect(await renewed({ identity: 'key 2' })).toBe(true);
  const failing: Work = async ({ role }) => {
    if (role === 'sender') throw new Error('the run failed');
  };
  await expect(runBoth(both, { identity: 'key 2', work: failing })).rejects.toThrow('the run failed');
  expect(await renewed({ identity: 'key 2' })).toBe(true);
});

test('only so many peers are kept, the newest', async () => {
  const both = nodes({ ...KEPT_LIMITS, pairs: 2 });
  const peers = ['33', '44', '55'].map((byte) => `0x${byte.repeat(20)}` as NodeId);
  const names: string[] = [];
  for (const peer of [...peers, ...peers.slice(1), peers[0] as NodeId]) {
    // The sender has one peer, of whom it knows many names: each is a node of its own.
    const fresh: Both = { receiver: both.receiver, sender: senderOf(peer) };
    names.push((await runBoth(fresh, { channels: channelPair(peer, ids[0]) })).names[0] as string);
  }
  expect(names.slice(3, 5)).toEqual(names.slice(1, 3));
  expect(names[5]).not.toBe(names[0]);
});
const senders = new Map<NodeId, KeptPairs>();
function senderOf(peer: NodeId): KeptPairs {
  const known = senders.get(peer) ?? new KeptPairs(() => 0);
  senders.set(peer, known);
  return known;
}

test('a peer that claims to have what it has lost gets an error at the first frame, and the next run goes through', async () => {
  const both = nodes();
  await runBoth(both);
  const liar: Both = { ...both, sender: both.start('sender') };
  const [a, b] = channelPair(ids[1], ids[0]);
  // It echoes the name that it hears, and makes no setup, as if it had it; what follows is its own.
  const claim = async () => {
    const { setup } = await lostSetup();
    await b.send(await b.receive());
    await rr22Sender({ ...common(), channel: b, sid, capacity: { receiver: 5, sender: 5 }, items: random(80), setup });
  };
  const sid = freshSid();
  const honest = both.receiver.use(
    [{ channel: a, identity: 'key 1' }],
    { role: 'receiver', sid, ...common() },
    ([setup]) =>
      rr22Receiver({
        ...common(),
        channel: a,
        sid,
        capacity: { receiver: 5, sender: 5 },
        items: random(80),
        ...(setup && { setup }),
      }),
  );
  const closing = <T>(party: Promise<T>, channel: Channel) =>
    party.catch((error: unknown) => {
      channel.close();
      throw error;
    });
  const settled = await Promise.allSettled([closing(honest, a), closing(claim(), b)]);
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(settled[1]).toMatchObject({ reason: { code: 'PSI_SESSION_MISMATCH' } });
  const next = freshSid();
  const { names } = await runBoth(liar, { sid: next, work: intersecting(next) });
  expect(names[0]).toBe(names[1]);
});

/** A setup with somebody else: all that a party has that lost its own. */
async function lostSetup(): Promise<{ setup: PairSetup }> {
  const setups: PairSetup[] = [];
  await runBoth(nodes(), { work: async (setup) => void setups.push(setup) });
  return { setup: setups.find(({ role }) => role === 'sender') as PairSetup };
}
