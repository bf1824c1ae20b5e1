import { type Channel, channelPair, concatBytes, type Hash, isNodeError, type NodeId } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { loadOprf } from '@2pm/crypto/oprf';
import { type ChannelFault, faultAt, faultyChannel } from '@2pm/testing/faulty-channel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundChannel } from '../bound-channel.ts';
import { type Capacity, tagBytesFor } from '../capacity.ts';
import { digestKeys } from '../digest-keys.ts';
import { type EvaluatedSet, evaluateSet, updateSet } from './evaluated-set.ts';
import { evaluationCap } from './evaluation-cap.ts';
import { BATCH, type EcdhKey, type EcdhOptions, ecdhKey, ecdhParameters } from './parameters.ts';
import { type EcdhReceiverOptions, ecdhReceiver, type KeptTags } from './receiver.ts';
import { ecdhSender } from './sender.ts';
import { TAG_BYTES, unpackTags } from './tags.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const sidOf = (byte: string) => `0x${byte.repeat(32)}` as Hash;
const code = (code: string) => expect.objectContaining({ code });
const refused = (name: string) => ({ status: 'rejected', reason: code(name) });
const base = { sid: sidOf('aa'), rng: nodeRng, crypto: nodeCrypto };
const name = (version = 1, purpose = 'trial') => ({ server: ids[1], purpose, version });

type Options = Partial<Omit<EcdhReceiverOptions, 'channel' | 'items'>>;
type Party = (channel: Channel) => Promise<unknown>;
type Wrap = (channels: [Channel, Channel]) => [Channel, Channel];

/** Both parties in one process. When one ends with an error its channel closes, as a session's would. */
async function meet(receiver: (channel: Channel) => Promise<Uint32Array>, sender: Party, wrap?: Wrap) {
  const pair = channelPair(ids[1], ids[0]);
  const [a, b] = wrap?.(pair) ?? pair;
  const closing = <T>(party: Promise<T>, channel: Channel) =>
    party.catch((error: unknown) => {
      channel.close();
      throw error;
    });
  const [received, sent] = await Promise.allSettled([closing(receiver(a), pair[0]), closing(sender(b), pair[1])]);
  return { received, sent, stats: [pair[0].stats, pair[1].stats] as const };
}

interface Run extends Options {
  capacity: Capacity;
  mine: Uint8Array;
  /** The sender's items, or the set that it keeps. */
  theirs: Uint8Array | { key: EcdhKey; set: EvaluatedSet };
  /** Where the sender differs. */
  other?: Partial<EcdhOptions> & { cap?: ReturnType<typeof evaluationCap> };
  wrap?: Wrap;
}

function run({ mine, theirs, other, wrap, ...options }: Run) {
  const source = theirs instanceof Uint8Array ? { items: theirs } : theirs;
  const shared: Partial<EcdhReceiverOptions> = { ...options };
  delete shared.key;
  return meet(
    (channel) => ecdhReceiver({ ...base, ...options, channel, items: mine }),
    (channel) => ecdhSender({ ...base, capacity: options.capacity, ...shared, ...other, channel, ...source }),
    wrap,
  );
}

async function intersect(options: Run): Promise<number[]> {
  const { received, sent } = await run(options);
  if (sent.status === 'rejected') throw sent.reason;
  if (received.status === 'rejected') throw received.reason;
  return [...received.value];
}

/** Two sets of the given sizes with `common` items in both, at scattered places; and the plain answer. */
function sets(mine: number, theirs: number, common: number) {
  const [a, b] = [random(16 * mine), random(16 * theirs)];
  const expected: number[] = [];
  for (let i = 0; i < common; i++) {
    const at = Math.floor((i * mine) / common);
    expected.push(at);
    const to = theirs - 1 - Math.floor((i * theirs) / common);
    b.set(a.subarray(16 * at, 16 * at + 16), 16 * to);
  }
  return { mine: a, theirs: b, expected };
}

function spied(trace: string[]): Wrap {
  const spy = (who: string, channel: Channel): Channel => ({
    ...channel,
    send: (frame) => {
      trace.push(`${who} ${frame.length}`);
      return channel.send(frame);
    },
  });
  return ([a, b]) => [spy('receiver', a), spy('sender', b)];
}

test.each([
  [100, 100, 0],
  [100, 100, 37],
  [100, 100, 100],
  [0, 50, 0],
  [50, 0, 0],
  [0, 0, 0],
  [1, 1, 1],
  [1, 1, 0],
  [3, 600, 2],
  [520, 3, 2],
])(
  'of %i and %i items the receiver learns exactly the %i common ones, with proofs and without',
  async (m, t, common) => {
    const { expected, mine, theirs } = sets(m, t, common);
    const capacity = { receiver: Math.max(1, m), sender: Math.max(1, t) };
    expect(await intersect({ mine, theirs, capacity })).toEqual(expected);
    if (m <= 100) expect(await intersect({ mine, theirs, capacity, mode: 'voprf' })).toEqual(expected);
  },
);

test('random sets over a small universe of keys intersect as plain sets do', async () => {
  const key = fc.integer({ min: 0, max: 20 });
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(key), fc.uniqueArray(key), async (left, right) => {
      const mine = await digestKeys(left.map((k) => `key ${k}`));
      const theirs = await digestKeys(right.map((k) => `key ${k}`));
      const found = await intersect({ mine, theirs, capacity: { receiver: 21, sender: 24 } });
      expect(found).toEqual([...left.keys()].filter((i) => right.includes(left[i]!)));
    }),
    { numRuns: 10 },
  );
});

test('tags are wide enough that all pairs together match falsely with at most 2^-40', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 22 }), fc.integer({ min: 1, max: 2 ** 22 }), (receiver, sender) => {
      const bits = 8 * tagBytesFor({ receiver, sender });
      expect(receiver * sender * 2 ** -bits).toBeLessThanOrEqual(2 ** -40);
      expect(bits).toBeLessThanOrEqual(8 * TAG_BYTES);
    }),
  );
});

test('what travels has the same lengths for the same capacities, whatever the sets hold', async () => {
  const capacity = { receiver: 30, sender: 50 };
  for (const mode of ['oprf', 'voprf'] as const) {
    const traces = [];
    for (const [m, t, common] of [
      [0, 0, 0],
      [30, 50, 30],
      [17, 40, 1],
    ] as const) {
      const trace: string[] = [];
      await intersect({ ...sets(m, t, common), capacity, mode, wrap: spied(trace) });
      traces.push(trace);
    }
    expect(traces[0]!.length).toBeGreaterThan(4);
    expect(traces[1]).toEqual(traces[0]);
    expect(traces[2]).toEqual(traces[0]);
  }
});

test('both sides work as many batches for the same capacities, whatever the sets hold', async () => {
  const capacity = { receiver: BATCH + 1, sender: BATCH };
  for (const [m, t] of [
    [0, 0],
    [BATCH + 1, BATCH],
  ] as const) {
    const pauses = [0, 0];
    const count = (side: 0 | 1) => async () => void pauses[side]!++;
    await run({ ...sets(m, t, 0), capacity, pause: count(0), other: { pause: count(1) } });
    expect(pauses).toEqual([2, 1]);
  }
});

test('neither blinded items nor tags of one session alone repeat in the next', async () => {
  const frames: string[][] = [];
  const { mine, theirs } = sets(5, 5, 5);
  for (let i = 0; i < 2; i++) {
    const seen: string[] = [];
    const tap = (channel: Channel): Channel => ({
      ...channel,
      send: (frame) => {
        const payload = Buffer.from(frame.subarray(16));
        for (let at = 0; at + 8 <= payload.length; at += 8) seen.push(payload.toString('hex', at, at + 8));
        return channel.send(frame);
      },
    });
    await intersect({ mine, theirs, capacity: { receiver: 5, sender: 5 }, wrap: ([a, b]) => [tap(a), tap(b)] });
    frames.push(seen.filter((part) => !/^0+$/.test(part)));
  }
  expect(frames[0]!.length).toBeGreaterThan(40);
  expect(frames[0]!.filter((part) => frames[1]!.includes(part))).toEqual([]);
});

test('a set is what it was at the call, whatever becomes of the caller’s buffer', async () => {
  const { mine, theirs, expected } = sets(20, 20, 10);
  const running = intersect({ mine, theirs, capacity: { receiver: 20, sender: 20 } });
  for (const buffer of [mine, theirs]) nodeRng.fill(buffer);
  expect(await running).toEqual(expected);
});

test('two sessions with other ids, capacities, modes, keys or roles stop at the first frame', async () => {
  const { mine, theirs } = sets(4, 4, 2);
  const capacity = { receiver: 4, sender: 4 };
  const key = await ecdhKey(random(32), name());
  const set = await evaluateSet({ key, items: theirs, capacity: 4, rng: nodeRng });
  const kept = { key, set };
  const cases: Run[] = [
    { mine, theirs, capacity, other: { sid: sidOf('ab') } },
    { mine, theirs, capacity, other: { capacity: { receiver: 5, sender: 4 } } },
    { mine, theirs, capacity, other: { capacity: { receiver: 4, sender: 5 } } },
    { mine, theirs, capacity, other: { mode: 'voprf' } },
    { mine, theirs: kept, capacity },
    { mine, theirs, capacity, key: name() },
    { mine, theirs: kept, capacity, key: name(2) },
    { mine, theirs: kept, capacity, key: name(1, 'other') },
    { mine, theirs: kept, capacity, key: { ...name(), server: ids[0] } },
  ];
  for (const options of cases) {
    const { received, sent, stats } = await run(options);
    expect(sent).toMatchObject(refused('PSI_SESSION_MISMATCH'));
    expect(received).toMatchObject(refused('CHANNEL_CLOSED'));
    expect(stats[1].framesSent).toBe(0);
  }
  const party = (channel: Channel) => ecdhReceiver({ ...base, channel, capacity, items: mine });
  const [a, b] = channelPair(ids[1], ids[0]);
  for (const result of await Promise.allSettled([party(a), party(b)])) {
    expect(result).toMatchObject({ status: 'rejected', reason: { fault: 'peer' } });
  }
});

/**
 * Frames of each side at a capacity of two batches. That every kind of fault shows at every frame is tested with the
 * channel that all of them go through (`bound-channel.ts`).
 */
const FRAMES = [3, 4] as const;
const faulty = { receiver: BATCH + 1, sender: 10 };

test('the faults below reach every frame', async () => {
  const { stats } = await run({ ...sets(5, 5, 2), capacity: faulty });
  expect(stats.map((side) => side.framesSent)).toEqual([...FRAMES]);
});

const faults: [string, ChannelFault][] = [
  ['truncated', { kind: 'truncate', bytes: 15 }],
  ['oversized', { kind: 'oversize', bytes: 1 }],
  ['replayed', { kind: 'duplicate' }],
  ['lost with the connection', { kind: 'close' }],
];

async function strike(side: 0 | 1, frame: number, fault: ChannelFault, capacity: Capacity) {
  const wrap: Wrap = (pair) => {
    pair[side] = faultyChannel(pair[side], faultAt(frame, fault));
    return pair;
  };
  const { received, sent } = await run({ ...sets(5, 5, 2), capacity, wrap });
  const victim = side === 0 ? sent : received;
  expect([side, frame, victim.status]).toEqual([side, frame, 'rejected']);
  for (const result of [received, sent]) {
    if (result.status === 'rejected') expect(isNodeError(result.reason)).toBe(true);
  }
}

test.each(faults)('a frame %s ends the session with a coded error', async (_, fault) => {
  // A side's last frame has no follower by which a second copy could show: nobody reads the copy.
  const frames = fault.kind === 'duplicate' ? [0, 1] : [1, 1];
  for (const side of [0, 1] as const) await strike(side, frames[side]!, fault, { receiver: 5, sender: 10 });
});

test('a frame of another session ends the session with a coded error, whichever frame it is', async () => {
  for (const side of [0, 1] as const) {
    for (let frame = 0; frame < FRAMES[side]; frame++) await strike(side, frame, { kind: 'flip', bit: 3 }, faulty);
  }
});

test('frames in another order are refused', async () => {
  const wrap: Wrap = ([a, b]) => [a, faultyChannel(b, faultAt(0, { kind: 'reorder' }))];
  const { received } = await run({ ...sets(5, 5, 2), capacity: { receiver: 5, sender: 5 }, wrap });
  expect(received).toMatchObject({ status: 'rejected', reason: { fault: 'peer' } });
});

test('with proofs, one changed bit anywhere in what either side sends leaves the receiver without an answer', async () => {
  const capacity = { receiver: 4, sender: 4 };
  for (const side of [0, 1] as const) {
    for (let frame = 0; frame < 2 + side; frame++) {
      for (const bit of [130, 300, 8 * 16 + 8 * 32 * 4 + 5]) {
        const wrap: Wrap = (pair) => {
          pair[side] = faultyChannel(pair[side], faultAt(frame, { kind: 'flip', bit }));
          return pair;
        };
        const { received } = await run({ ...sets(4, 4, 2), capacity, mode: 'voprf', wrap });
        expect([side, frame, bit, received.status]).toEqual([side, frame, bit, 'rejected']);
      }
    }
  }
});

test('an abort of the signal ends either side with its reason, wherever it waits', async () => {
  const capacity = { receiver: 5, sender: 5 };
  // Of one batch: a frame fewer on both sides.
  const frames = FRAMES.map((count) => count - 1);
  const { mine, theirs } = sets(5, 5, 5);
  for (const side of [0, 1] as const) {
    for (let frame = 0; frame < frames[1 - side]!; frame++) {
      const controller = new AbortController();
      const stop = new Error('stop');
      const stopping: Wrap = (pair) => {
        const channel = pair[side];
        let received = 0;
        pair[side] = {
          ...channel,
          receive: (options) => {
            if (received++ === frame) controller.abort(stop);
            return channel.receive(options);
          },
        };
        return pair;
      };
      const results = await meet(
        (channel) =>
          ecdhReceiver({ ...base, channel, capacity, items: mine, ...(side === 0 && { signal: controller.signal }) }),
        (channel) =>
          ecdhSender({ ...base, channel, capacity, items: theirs, ...(side === 1 && { signal: controller.signal }) }),
        stopping,
      );
      // What was already there is still handed out; then the next step sees the signal, unless the work was done.
      const victim = side === 0 ? results.received : results.sent;
      if (victim.status === 'rejected') expect(victim.reason).toBe(stop);
      else expect(frame).toBe(frames[1 - side]! - 1);
    }
  }
});

test('sets that are no sets, too large, or no items are refused before anything is matched', async () => {
  const capacity = { receiver: 10, sender: 10 };
  const good = random(160);
  const twice = random(160);
  twice.copyWithin(0, 144);
  for (const [bad, expected] of [
    [random(15), 'PSI_BAD_ITEMS'],
    [random(176), 'PSI_OVER_CAPACITY'],
    [twice, 'PSI_DUPLICATE_ITEM'],
  ] as const) {
    const asReceiver = await run({ mine: bad, theirs: good, capacity });
    expect(asReceiver.received).toMatchObject(refused(expected));
    const asSender = await run({ mine: good, theirs: bad, capacity });
    expect(asSender.sent).toMatchObject(refused(expected));
    expect(asSender.received.status).toBe('rejected');
    expect(asSender.stats[1].framesSent).toBe(0);
  }
  for (const receiver of [0, 1.5, 2 ** 22 + 1]) {
    const { received } = await run({ mine: good, theirs: good, capacity: { receiver, sender: 10 } });
    expect(received).toMatchObject(refused('PSI_BAD_CAPACITY'));
  }
  for (const update of [-1, 0.5, 11, 1]) {
    const { sent } = await run({ mine: good, theirs: good, capacity, update });
    expect(sent).toMatchObject(refused('PSI_BAD_CAPACITY'));
  }
});

test('a peer that has used up its evaluations is refused before it is answered, and others are not', async () => {
  const { mine, theirs } = sets(3, 3, 3);
  const capacity = { receiver: 4, sender: 4 };
  const spent = new Map<NodeId, number>();
  const cap = evaluationCap(8, spent);
  for (let i = 0; i < 2; i++) expect(await intersect({ mine, theirs, capacity, other: { cap } })).toHaveLength(3);
  const { sent, received, stats } = await run({ mine, theirs, capacity, other: { cap } });
  expect(sent).toMatchObject(refused('PSI_EVALUATION_CAP'));
  expect(received.status).toBe('rejected');
  expect(stats[1].framesSent).toBe(0);
  expect([...spent]).toEqual([[ids[0], 8]]);
  await cap.charge(ids[1], 8);
});

interface Speech {
  header: Uint8Array;
  tags: Uint8Array;
  answer: (elements: Uint8Array) => Uint8Array;
}

/** A sender that keeps to the frames and says what it likes in them. */
const puppet = (options: EcdhOptions, say: Speech) => async (channel: Channel) => {
  const { session } = ecdhParameters(options, null);
  const bound = new BoundChannel(channel, nodeCrypto, session);
  await bound.receiveFrame(16);
  await bound.sendFrame(say.header);
  await bound.send(say.tags);
  await bound.sendFrame(say.answer(await bound.receiveFrame(32 * options.capacity.receiver)));
};

const whole = (publicKey: Uint8Array, updates = 0xffff_ffff) => {
  const count = new Uint8Array(new Uint32Array([updates]).buffer);
  return concatBytes(publicKey, random(16), count);
};

test('elements that are no elements, wrong proofs, wrong keys and unsorted tags give the receiver a coded error and no answer', async () => {
  const capacity = { receiver: 2, sender: 3 };
  const items = random(32);
  const tagBytes = tagBytesFor(capacity);
  const [zeros, ones] = [new Uint8Array(tagBytes * 3), new Uint8Array(tagBytes * 3).fill(255)];
  const unsorted = concatBytes(ones.subarray(0, tagBytes), zeros.subarray(tagBytes));
  for (const mode of ['oprf', 'voprf'] as const) {
    const oprf = await loadOprf(mode);
    const [keys, others] = [oprf.keyPair(nodeRng), oprf.keyPair(nodeRng)];
    const proved = (evaluated: Uint8Array, proof: Uint8Array) =>
      mode === 'voprf' ? concatBytes(evaluated, proof) : evaluated;
    const honest = (elements: Uint8Array) => {
      const evaluated = oprf.blindEvaluate(keys.secretKey, elements);
      return proved(evaluated, oprf.prove(keys, elements, evaluated, nodeRng));
    };
    const second = (bad: Uint8Array) => (elements: Uint8Array) => {
      const answer = honest(elements);
      answer.set(bad, 32);
      return answer;
    };
    const good: Speech = { header: whole(keys.publicKey), tags: zeros, answer: honest };
    const lies: [Partial<Speech>, string][] = [
      [{ tags: unsorted }, 'PSI_BAD_TAGS'],
      [{ header: whole(others.publicKey) }, 'PSI_WRONG_KEY'],
      [{ header: whole(keys.publicKey, 1) }, 'PSI_BAD_UPDATE'],
      [{ header: whole(keys.publicKey, 0) }, 'PSI_BAD_UPDATE'],
      [{ answer: (elements) => honest(elements).subarray(1) }, 'PSI_BAD_LENGTH'],
      [{ answer: second(new Uint8Array(32)) }, 'GROUP_BAD_ELEMENT'],
      [{ answer: second(new Uint8Array(32).fill(255)) }, 'GROUP_BAD_ELEMENT'],
      [{ answer: second(Uint8Array.of(1, ...new Uint8Array(31))) }, 'GROUP_BAD_ELEMENT'],
    ];
    if (mode === 'voprf') {
      const underOther = (elements: Uint8Array) => oprf.blindEvaluate(others.secretKey, elements);
      lies.push(
        [
          { answer: (e) => concatBytes(underOther(e), oprf.prove(others, e, underOther(e), nodeRng)) },
          'OPRF_BAD_PROOF',
        ],
        [{ answer: (e) => concatBytes(underOther(e), oprf.prove(keys, e, underOther(e), nodeRng)) }, 'OPRF_BAD_PROOF'],
        [{ answer: (e) => concatBytes(honest(e).subarray(0, 64), new Uint8Array(64)) }, 'OPRF_BAD_PROOF'],
        [
          { answer: (e) => concatBytes(honest(e).subarray(32, 64), honest(e).subarray(0, 32), honest(e).subarray(64)) },
          'OPRF_BAD_PROOF',
        ],
      );
    }
    const options = { ...base, capacity, mode };
    const play = async (lie: Partial<Speech>) => {
      let cached = 0;
      const cache = { get: () => undefined, set: () => void cached++ };
      const { received } = await meet(
        (channel) => ecdhReceiver({ ...options, channel, items, cache, publicKey: keys.publicKey }),
        (channel) => puppet({ ...options, channel }, { ...good, ...lie })(channel),
      );
      return { received, cached };
    };
    expect(await play({})).toMatchObject({ received: { status: 'fulfilled', value: new Uint32Array() }, cached: 1 });
    for (const [lie, expected] of lies) {
      expect(await play(lie)).toMatchObject({ received: refused(expected), cached: 0 });
    }
  }
});

test('a public key that is no element is refused with proofs', async () => {
  const options = { ...base, capacity: { receiver: 1, sender: 1 }, mode: 'voprf' as const };
  const header = whole(new Uint8Array(32));
  const { received } = await meet(
    (channel) => ecdhReceiver({ ...options, channel, items: random(16) }),
    (channel) =>
      puppet(
        { ...options, channel },
        { header, tags: new Uint8Array(5), answer: (e) => concatBytes(e, random(64)) },
      )(channel),
  );
  expect(received).toMatchObject(refused('GROUP_BAD_ELEMENT'));
});

test('a receiver that sends what is no element gets a coded error and no evaluation', async () => {
  const capacity = { receiver: 2, sender: 1 };
  const { session } = ecdhParameters({ ...base, capacity, channel: channelPair(...ids)[0] }, null);
  for (const bad of [new Uint8Array(32), new Uint8Array(32).fill(255), Uint8Array.of(1, ...new Uint8Array(31))]) {
    const { sent, stats } = await meet(
      async (channel) => {
        const bound = new BoundChannel(channel, nodeCrypto, session);
        await bound.sendFrame(new Uint8Array(16));
        await bound.receiveFrame(52);
        await bound.receive(tagBytesFor(capacity));
        await bound.sendFrame(concatBytes((await loadOprf('oprf')).keyPair(nodeRng).publicKey, bad));
        return new Uint32Array(await bound.receiveFrame(64));
      },
      (channel) => ecdhSender({ ...base, capacity, channel, items: random(16) }),
    );
    expect(sent).toMatchObject(refused('GROUP_BAD_ELEMENT'));
    expect(stats[1].framesSent).toBe(2);
  }
});

/** A cache that starts empty. */
function memory() {
  let kept: KeptTags | undefined;
  return {
    get: () => kept,
    set(tags: KeptTags) {
      kept = tags;
    },
  };
}

const pack = (items: readonly number[]) => digestKeys(items.map((item) => `item ${item}`));
/** Tags behind which an item stands, ascending. */
function itemTags(set: EvaluatedSet): string[] {
  const filler = new Set(unpackTags(set.filler, TAG_BYTES));
  return unpackTags(set.tags, TAG_BYTES).filter((tag) => !filler.has(tag));
}

test('after random updates a set is what a full evaluation gives, and a receiver at any state of it gets the same answer', async () => {
  const universe = Array.from({ length: 24 }, (_, i) => i);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ toggled: fc.subarray(universe, { maxLength: 4 }), asks: fc.boolean() }), { maxLength: 7 }),
      async (steps) => {
        const capacity = { receiver: 10, sender: 40 };
        const key = await ecdhKey(random(32), name(), 'voprf');
        const shared = { key, rng: nodeRng };
        let items = universe.slice(0, 8);
        let set = await evaluateSet({ ...shared, items: await pack(items), capacity: 40, update: 4 });
        const cache = memory();
        const mine = universe.slice(5, 15);
        for (const { toggled, asks } of steps) {
          const added = toggled.filter((item) => !items.includes(item));
          const removed = toggled.filter((item) => items.includes(item));
          items = [...items.filter((item) => !removed.includes(item)), ...added];
          set = await updateSet(set, { ...shared, added: await pack(added), removed: await pack(removed) });
          const anew = await evaluateSet({ ...shared, items: await pack(items), capacity: 40, update: 4 });
          expect(itemTags(set)).toEqual(itemTags(anew));
          expect(set.tags.length).toBe(anew.tags.length);
          if (!asks) continue;
          const options = {
            mine: await pack(mine),
            theirs: { key, set },
            capacity,
            update: 4,
            key: name(),
            mode: 'voprf' as const,
          };
          const expected = [...mine.keys()].filter((i) => items.includes(mine[i]!));
          expect(await intersect({ ...options, cache, publicKey: key.publicKey })).toEqual(expected);
          const kept = cache.get();
          expect(await intersect({ ...options, cache: memory() })).toEqual(expected);
          expect(kept?.stamp).toEqual(set.stamp);
        }
      },
    ),
    { numRuns: 5 },
  );
}, 60_000);

test('updates travel as tags replaced, as many as declared, whatever changed; too many of them as the whole set', async () => {
  const capacity = { receiver: 2, sender: 40 };
  const key = await ecdhKey(random(32), name());
  const shared = { key, rng: nodeRng };
  const start = await evaluateSet({ ...shared, items: await pack([1, 2, 3]), capacity: 40, update: 4 });
  const mine = await pack([3, 9]);
  const trace = async (set: EvaluatedSet, cache: ReturnType<typeof memory>, expected: number[]) => {
    const frames: string[] = [];
    const options = { mine, theirs: { key, set }, capacity, update: 4, key: name(), cache, wrap: spied(frames) };
    expect(await intersect(options)).toEqual(expected);
    return frames;
  };
  const cache = memory();
  const first = await trace(start, cache, [0]);
  const tagBytes = tagBytesFor(capacity);
  expect(first[2]).toBe(`sender ${16 + 40 * tagBytes}`);
  const traces = [];
  for (const [added, removed, expected] of [
    [[], [], [0]],
    [[9], [], [0, 1]],
    [[4, 5], [1, 3], []],
    [[], [1, 2, 3], []],
  ] as const) {
    const set = await updateSet(start, { ...shared, added: await pack(added), removed: await pack(removed) });
    expect(set.tags.length).toBe(start.tags.length);
    const kept = cache.get();
    traces.push(await trace(set, { get: () => kept, set() {} }, [...expected]));
  }
  expect(traces[0]![2]).toBe(`sender ${16 + 8 * tagBytes}`);
  for (const other of traces.slice(1)) expect(other).toEqual(traces[0]);

  let set = start;
  for (let i = 0; i < 6; i++) {
    set = await updateSet(set, { ...shared, added: await pack([100 + i]), removed: new Uint8Array(0) });
    expect(set.history.length).toBe(Math.min(5, i + 1));
  }
  expect(await trace(set, cache, [0])).toEqual(first);
});

test('an unchanged set is not sent again', async () => {
  const key = await ecdhKey(random(32), name());
  const set = await evaluateSet({ key, items: await pack([1, 2, 3]), capacity: 5, rng: nodeRng });
  const cache = memory();
  const options = { theirs: { key, set }, capacity: { receiver: 2, sender: 5 }, key: name(), cache };
  for (const [items, expected, frames] of [
    [[1, 7], [0], 3],
    [[2, 3], [0, 1], 2],
  ] as const) {
    const result = await run({ ...options, mine: await pack(items) });
    expect(result.received).toEqual({ status: 'fulfilled', value: Uint32Array.from(expected) });
    expect(result.stats[1].framesSent).toBe(frames);
  }
});

test('tags kept from a session of other capacities are not built on: the whole set comes anew', async () => {
  const key = await ecdhKey(random(32), name());
  const set = await evaluateSet({ key, items: await pack([1, 2, 3]), capacity: 5, rng: nodeRng });
  const cache = memory();
  const options = { mine: await pack([2, 8]), theirs: { key, set }, key: name(), cache };
  for (const receiver of [2, 200, 2]) {
    const { received, stats } = await run({ ...options, capacity: { receiver, sender: 5 } });
    expect(received).toEqual({ status: 'fulfilled', value: Uint32Array.of(0) });
    expect(stats[1].framesSent).toBe(3);
  }
});

test('a sender that updates the tags of another key, or claims more updates than can be, is refused and nothing is kept', async () => {
  const capacity = { receiver: 1, sender: 8 };
  const oprf = await loadOprf('oprf');
  const [keys, others] = [oprf.keyPair(nodeRng), oprf.keyPair(nodeRng)];
  const tagBytes = tagBytesFor(capacity);
  const kept = { publicKey: keys.publicKey, stamp: random(16), tagBytes, tags: new Uint8Array(8 * tagBytes) };
  const answer = (elements: Uint8Array) => oprf.blindEvaluate(keys.secretKey, elements);
  const none = new Uint8Array(0);
  const absent = new Uint8Array(4 * tagBytes).fill(1);
  const options = { ...base, capacity, update: 2 };
  const cases: [Speech, string | undefined][] = [
    [{ header: whole(keys.publicKey, 0), tags: none, answer }, undefined],
    [{ header: whole(others.publicKey, 0), tags: none, answer }, 'PSI_WRONG_KEY'],
    [{ header: whole(keys.publicKey, 3), tags: none, answer }, 'PSI_BAD_UPDATE'],
    [{ header: whole(keys.publicKey, 1), tags: absent, answer }, 'PSI_BAD_UPDATE'],
  ];
  for (const [speech, expected] of cases) {
    let saved = 0;
    const cache = { get: () => kept, set: () => void saved++ };
    const { received } = await meet(
      (channel) => ecdhReceiver({ ...options, channel, items: random(16), cache }),
      (channel) => puppet({ ...options, channel }, speech)(channel),
    );
    if (expected === undefined) expect(received.status).toBe('fulfilled');
    else expect(received).toMatchObject(refused(expected));
    expect(saved).toBe(expected === undefined ? 1 : 0);
  }
});

test('a new version of a key shares no tag with the old one, and what was kept under the old one is sent anew', async () => {
  const seed = random(32);
  const [old, next] = [await ecdhKey(seed, name(1)), await ecdhKey(seed, name(2))];
  const other = [
    await ecdhKey(seed, name(1, 'other')),
    await ecdhKey(seed, { ...name(1), server: ids[0] }),
    await ecdhKey(seed, name(1), 'voprf'),
    await ecdhKey(random(32), name(1)),
    next,
  ];
  expect(await ecdhKey(seed, name(1))).toEqual(old);
  const items = await pack([1, 2, 3]);
  const evaluate = (key: EcdhKey) => evaluateSet({ key, items, capacity: 3, rng: nodeRng });
  const set = await evaluate(old);
  expect(itemTags(await evaluate(old))).toEqual(itemTags(set));
  for (const key of other) {
    const tags = itemTags(await evaluate(key));
    expect(tags.filter((tag) => itemTags(set).includes(tag))).toEqual([]);
  }
  const cache = memory();
  const options = { mine: items, capacity: { receiver: 3, sender: 3 }, cache };
  expect(await intersect({ ...options, theirs: { key: old, set }, key: name(1) })).toEqual([0, 1, 2]);
  const rotated = { key: next, set: await evaluate(next) };
  expect(await intersect({ ...options, theirs: rotated, key: name(2) })).toEqual([0, 1, 2]);
  expect(cache.get()?.publicKey).toEqual(next.publicKey);
});

test('changes that do not fit the set, its key or its capacity are refused, and the set stays as it was', async () => {
  const key = await ecdhKey(random(32), name());
  const shared = { key, rng: nodeRng };
  const set = await evaluateSet({ ...shared, items: await pack([1, 2, 3]), capacity: 6, update: 2 });
  const before = structuredClone(set);
  const none = new Uint8Array(0);
  const one = await pack([1]);
  for (const [added, removed, expected] of [
    [one, none, 'PSI_DUPLICATE_ITEM'],
    [concatBytes(await pack([7]), await pack([7])), none, 'PSI_DUPLICATE_ITEM'],
    [none, await pack([7]), 'PSI_UNKNOWN_ITEM'],
    [none, concatBytes(one, one), 'PSI_UNKNOWN_ITEM'],
    [await pack([7]), await pack([7]), 'PSI_UNKNOWN_ITEM'],
    [await pack([7, 8, 9]), none, 'PSI_OVER_CAPACITY'],
    [await pack([7, 8]), one, 'PSI_OVER_CAPACITY'],
    [await pack([7, 8]), none, 'PSI_OVER_CAPACITY'],
    [none, random(15), 'PSI_BAD_ITEMS'],
  ] as const) {
    await expect(updateSet(set, { ...shared, added, removed })).rejects.toThrow(code(expected));
  }
  const other = await ecdhKey(random(32), name());
  await expect(updateSet(set, { ...shared, key: other, added: none, removed: none })).rejects.toThrow(
    code('PSI_WRONG_KEY'),
  );
  expect(set).toEqual(before);
  await expect(evaluateSet({ ...shared, items: random(80), capacity: 6, update: 2 })).rejects.toThrow(
    code('PSI_OVER_CAPACITY'),
  );
  await expect(evaluateSet({ ...shared, items: none, capacity: 6, update: 7 })).rejects.toThrow(
    code('PSI_BAD_CAPACITY'),
  );

  const capacity = { receiver: 1, sender: 6 };
  const wrong: [Run, string][] = [
    [{ mine: one, theirs: { key: other, set }, capacity, update: 2 }, 'PSI_WRONG_KEY'],
    [{ mine: one, theirs: { key, set }, capacity, update: 2, mode: 'voprf' }, 'PSI_WRONG_KEY'],
    [{ mine: one, theirs: { key, set }, capacity }, 'PSI_BAD_CAPACITY'],
    [{ mine: one, theirs: { key, set }, capacity: { receiver: 1, sender: 7 }, update: 2 }, 'PSI_BAD_CAPACITY'],
  ];
  for (const [options, expected] of wrong)
    expect((await run({ ...options, key: name() })).sent).toMatchObject(refused(expected));
});
