import { type Channel, channelPair, type Hash, isNodeError, type NodeId } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rr22MaliciousCard } from './card.ts';
import { rr22ReceiverSetup, rr22SenderSetup } from './pair-setup.ts';
import { type Rr22Options, rr22Parameters, rr22Session } from './parameters.ts';
import { rr22Receiver } from './receiver.ts';
import { rr22Sender } from './sender.ts';

/** Runs of the sweep over cheating parties. */
const SWEEP = Number(process.env['RR22_CHEATING_RUNS'] ?? 5);

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const crypto = nodeCrypto;
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const sid = `0x${'ab'.repeat(32)}` as Hash;
const capacity = { receiver: 60, sender: 50 };
const common = 20;
const session = rr22Session(sid, capacity, rr22Parameters(capacity, { security: 'malicious' }));
const code = (...codes: string[]) => expect.objectContaining({ code: expect.toBeOneOf(codes) });

type Role = 'receiver' | 'sender';
/** What the cheating party says in place of the payload of one of its frames; `before`: those it sent so far. */
type Cheat = (frame: number, payload: Uint8Array, before: readonly Uint8Array[]) => Uint8Array;

/**
 * The end of a party that says something else than its engine thinks, and counts it as said: both engines see frames that
 * follow from the ones before, so nothing shows but what the protocol itself checks.
 */
function cheating(channel: Channel, cheat: Cheat): Channel {
  const sent: Uint8Array[] = [];
  let [own, peers] = [session, session];
  const absorbed = (state: Uint8Array, payload: Uint8Array) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, payload.length, true);
    const hash = crypto.sha256();
    for (const part of [state, length, payload]) hash.update(part);
    return hash.digest();
  };
  const bound = (state: Uint8Array, payload: Uint8Array) => new Uint8Array([...state.subarray(0, 16), ...payload]);
  return {
    ...channel,
    async send(frame) {
      const payload = frame.slice(16);
      const said = cheat(sent.length, payload.slice(), sent);
      sent.push(payload);
      await channel.send(bound(peers, said));
      [own, peers] = [absorbed(own, payload), absorbed(peers, said)];
    },
    async receive(options) {
      const payload = (await channel.receive(options)).slice(16);
      const frame = bound(own, payload);
      [own, peers] = [absorbed(own, payload), absorbed(peers, payload)];
      return frame;
    },
  };
}

/** The sender holds the last items of the receiver, the first are the receiver's alone. */
const mine = random(16 * 60);
const theirs = new Uint8Array([...mine.slice(16 * (60 - common)), ...random(16 * 30)]);
const truth = Array.from({ length: common }, (_, i) => 60 - common + i);

async function run(cheater?: Role, cheat: Cheat = (_, payload) => payload, extra: Partial<Rr22Options> = {}) {
  const [a, b] = channelPair(ids[1], ids[0]);
  const shared = { sid, capacity, rng: nodeRng, crypto, security: 'malicious', ...extra } as const;
  const end = (role: Role, channel: Channel) => (role === cheater ? cheating(channel, cheat) : channel);
  const closing = <T>(party: Promise<T>, channel: Channel) =>
    party.catch((error: unknown) => {
      channel.close();
      throw error;
    });
  const [received, sent] = await Promise.allSettled([
    closing(rr22Receiver({ ...shared, channel: end('receiver', a), items: mine }), a),
    closing(rr22Sender({ ...shared, channel: end('sender', b), items: theirs }), b),
  ]);
  return {
    received: received.status === 'fulfilled' ? [...received.value] : (received.reason as unknown),
    sent: sent.status === 'fulfilled' ? 'sent' : (sent.reason as unknown),
  };
}

const flipping =
  (frame: number, bit = 5): Cheat =>
  (index, payload) => {
    if (index === frame) payload[bit >> 3]! ^= 1 << (bit & 7);
    return payload;
  };

test('a malicious run of honest parties gives exactly the common items', async () => {
  expect(await run()).toEqual({ received: truth, sent: 'sent' });
});

test('every flipped message of a receiver is refused by the sender, or spoils its own result alone', async () => {
  const names = ['offer', 'commitment', 'opening', ...Array(6).fill('choice'), 'challenge', 'vector', 'mask'];
  const refusals: Record<string, string[]> = {
    offer: ['GROUP_BAD_ELEMENT', 'OT_INCONSISTENT'],
    commitment: ['PSI_BAD_OPENING'],
    opening: ['PSI_BAD_OPENING'],
    choice: ['OT_INCONSISTENT'],
  };
  for (const [frame, name] of names.entries()) {
    if (name === 'choice' && names[frame + 1] === 'choice') continue;
    const { received, sent } = await run('receiver', flipping(frame));
    const codes = refusals[name];
    if (codes !== undefined) expect([name, sent]).toEqual([name, code(...codes)]);
    // The sender proves something else, which is of no use; or the receiver asks for other items than its own.
    else if (name === 'challenge') expect(received).toEqual(code('VOLE_INCONSISTENT'));
    else {
      expect([name, sent]).toEqual([name, 'sent']);
      for (const index of received as number[]) expect(truth).toContain(index);
      if (name === 'mask') expect(received).toEqual([]);
    }
  }
});

test('every flipped message of a sender is refused by the receiver, or changes what the sender put in', async () => {
  const names = ['answer', 'key', 'commitment', 'correction', 'correction', 'response', 'opening', 'tags'];
  const refusals: Record<string, string[]> = {
    // Here the sender's own engine stumbles over it, unless the receiver does.
    answer: ['GROUP_BAD_ELEMENT', 'CHANNEL_CLOSED'],
    commitment: ['PSI_BAD_OPENING'],
    response: ['VOLE_INCONSISTENT'],
    opening: ['PSI_BAD_OPENING'],
  };
  for (const [frame, name] of names.entries()) {
    const { received } = await run('sender', flipping(frame));
    const codes = refusals[name];
    if (codes !== undefined) expect([name, received]).toEqual([name, code(...codes)]);
    // A sum that the receiver cannot read changes nothing.
    else if (name === 'correction') expect(received).toBeOneOf([truth, code('VOLE_INCONSISTENT')]);
    else {
      for (const index of received as number[]) expect(truth).toContain(index);
      expect((received as number[]).length).toBeGreaterThanOrEqual(name === 'key' ? 0 : common - 1);
    }
  }
});

test('a total of any tree off by one bit is refused', async () => {
  const bytes = rr22Parameters(capacity, { security: 'malicious' }).vole;
  // The totals end the correction, which travels as two frames.
  for (const tree of [0, bytes.noiseWeight - 1]) {
    const last: Cheat = (index, payload) => {
      if (index === 4) payload[payload.length - 16 * (tree + 1)]! ^= 1;
      return payload;
    };
    expect((await run('sender', last)).received).toEqual(code('VOLE_INCONSISTENT'));
  }
});

test('whatever one party says, the other finds out, or the result is right but for what that party put in', async () => {
  const kinds = ['flip', 'noise', 'zeros', 'replay', 'truncate', 'oversize', 'repeat'] as const;
  const plan = fc.record({
    role: fc.constantFrom<Role>('receiver', 'sender'),
    frame: fc.nat(11),
    kind: fc.constantFrom(...kinds),
    at: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ role, frame, kind, at }) => {
      const number = role === 'receiver' ? frame : frame % 8;
      const { received, sent } = await run(role, (index, payload, before) => {
        if (index !== number) return payload;
        if (kind === 'flip') return flipping(index, at % (8 * payload.length))(index, payload, before);
        if (kind === 'noise') return random(payload.length);
        if (kind === 'zeros') return new Uint8Array(payload.length);
        if (kind === 'truncate') return payload.subarray(0, at % payload.length);
        if (kind === 'oversize') return new Uint8Array([...payload, ...random(1 + (at % 100))]);
        const earlier = before[at % Math.max(1, before.length)] ?? payload;
        if (kind === 'replay') return earlier;
        return new Uint8Array(payload.length).map((_, i) => payload[i % 16]!);
      });
      const effective = role === 'receiver' ? [9, 10, 11] : [1, 7];
      if (Array.isArray(received)) {
        if (!effective.includes(number)) expect(received).toEqual(truth);
        for (const index of received) expect(truth).toContain(index);
      } else expect(isNodeError(received)).toBe(true);
      if (sent !== 'sent') expect(isNodeError(sent)).toBe(true);
      if ((kind === 'truncate' || kind === 'oversize') && role === 'receiver')
        expect(sent).toEqual(code('PSI_BAD_LENGTH'));
      if ((kind === 'truncate' || kind === 'oversize') && role === 'sender') {
        expect(received).toEqual(code('PSI_BAD_LENGTH'));
      }
    }),
    { numRuns: SWEEP },
  );
});

test('a party of the other mode, or with kept base transfers, is refused', async () => {
  const [a, b] = channelPair(ids[1], ids[0]);
  const shared = { sid, capacity, rng: nodeRng, crypto };
  const receiver = rr22Receiver({ ...shared, channel: a, items: mine, security: 'malicious' });
  await expect(rr22Sender({ ...shared, channel: b, items: theirs })).rejects.toEqual(code('PSI_SESSION_MISMATCH'));
  b.close();
  await expect(receiver).rejects.toEqual(code('CHANNEL_CLOSED'));
  const [c, d] = channelPair(ids[1], ids[0]);
  const [setup] = await Promise.all([
    rr22ReceiverSetup({ ...shared, channel: c }),
    rr22SenderSetup({ ...shared, channel: d }),
  ]);
  const kept = rr22Receiver({ ...shared, channel: c, items: mine, security: 'malicious', setup });
  await expect(kept).rejects.toEqual(code('PSI_BAD_SETUP'));
});

test('sets of several bins intersect exactly in a malicious run', async () => {
  const [own, other] = [random(16 * 40_000), random(16 * 33_000)];
  other.set(own.subarray(16 * 100, 16 * 20_100), 16 * 50);
  const [a, b] = channelPair(ids[1], ids[0]);
  const large = { receiver: 40_000, sender: 70_000 };
  const shared = { sid, capacity: large, rng: nodeRng, crypto, security: 'malicious' } as const;
  const [found] = await Promise.all([
    rr22Receiver({ ...shared, channel: a, items: own }),
    rr22Sender({ ...shared, channel: b, items: other }),
  ]);
  expect([...found]).toEqual(Array.from({ length: 20_000 }, (_, i) => 100 + i));
  expect(rr22MaliciousCard.security).toBe('malicious');
});
