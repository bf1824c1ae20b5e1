import { type Channel, channelPair, isNodeError, type NodeId, toHex } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { type ChannelFault, faultAt, faultyChannel } from '@2pm/testing/faulty-channel';
import { expect, test } from 'vitest';
import { BoundChannel, FRAME_BYTES } from './bound-channel.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const code = (code: string) => expect.objectContaining({ code });

/** Messages in turn, the third of three frames; end 0 says the even ones. And the frames that each end so sends. */
const messages = [1, 9, 2 * FRAME_BYTES + 1, 5, 77].map(random);
const FRAMES = [5, 2] as const;

/** What this end hears. When it fails its channel closes, as a session's would. */
async function converse(channel: Channel, own: 0 | 1, session: Uint8Array): Promise<string[]> {
  const bound = new BoundChannel(channel, nodeCrypto, session);
  const heard: string[] = [];
  try {
    for (const [i, message] of messages.entries()) {
      if (i % 2 === own) await bound.send(message);
      else heard.push(toHex(await bound.receive(message.length)));
    }
  } catch (error) {
    channel.close();
    throw error;
  }
  return heard;
}

async function run(wrap: (ends: [Channel, Channel]) => void, sessions = [new Uint8Array(32), new Uint8Array(32)]) {
  const pair = channelPair(...ids);
  const ends: [Channel, Channel] = [...pair];
  wrap(ends);
  const results = await Promise.allSettled(ends.map((end, i) => converse(end, i as 0 | 1, sessions[i]!)));
  return { results, sent: pair.map((end) => end.stats.framesSent) };
}

test('messages of one frame and of several arrive as they were sent', async () => {
  const { results, sent } = await run(() => {});
  const [even, odd] = [0, 1].map((own) => messages.filter((_, i) => i % 2 === own).map(toHex));
  expect(results).toEqual([
    { status: 'fulfilled', value: odd },
    { status: 'fulfilled', value: even },
  ]);
  expect(sent).toEqual([...FRAMES]);
});

const faults: [string, ChannelFault][] = [
  ['truncated', { kind: 'truncate', bytes: 15 }],
  ['oversized', { kind: 'oversize', bytes: 1 }],
  ['of another session', { kind: 'flip', bit: 3 }],
  ['lost with the connection', { kind: 'close' }],
  ['replayed', { kind: 'duplicate' }],
  ['with a bit changed inside', { kind: 'flip', bit: 128 }],
];

test.each(faults)('a frame %s ends the session with a coded error, whichever frame it is', async (_, fault) => {
  const late = fault.kind === 'duplicate' || (fault.kind === 'flip' && fault.bit >= 128);
  for (const side of [0, 1] as const) {
    for (let frame = 0; frame < FRAMES[side]; frame++) {
      // What shows at the next frame only cannot show at the last of all.
      if (late && side === 0 && frame === FRAMES[0] - 1) continue;
      // Nobody reads a second copy of a side's last frame.
      if (fault.kind === 'duplicate' && frame === FRAMES[side] - 1) continue;
      const { results } = await run((ends) => {
        ends[side] = faultyChannel(ends[side], faultAt(frame, fault));
      });
      const refused = results.filter((result) => result.status === 'rejected');
      expect([side, frame, refused.length]).not.toEqual([side, frame, 0]);
      for (const { reason } of refused) expect([side, frame, isNodeError(reason)]).toEqual([side, frame, true]);
      if (!late) expect([side, frame, results[1 - side]!.status]).toEqual([side, frame, 'rejected']);
    }
  }
});

test('ends of two sessions, and two ends of the same role, refuse each other’s first frame', async () => {
  const { results } = await run(() => {}, [new Uint8Array(32), random(32)]);
  expect(results[1]).toMatchObject({ status: 'rejected', reason: code('PSI_SESSION_MISMATCH') });
  const pair = channelPair(...ids);
  const same = await Promise.allSettled(pair.map((end) => converse(end, 0, new Uint8Array(32))));
  for (const result of same) expect(result).toMatchObject({ status: 'rejected', reason: { fault: 'peer' } });
});
