import { channelPair, type NodeId } from '@2pm/core';
import { expect, it } from 'vitest';
import { type ChannelFault, faultAt, faultyChannel } from './faulty-channel.ts';
import { virtualClock } from './virtual-clock.ts';

const nodes = ['0a', '0b'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
const clock = virtualClock();

/** What arrives when the frames [1,1] [2,2] [3,3] are sent and the fault strikes the second. */
async function arrivals(fault: ChannelFault): Promise<number[][]> {
  const [a, b] = channelPair(nodes[1], nodes[0]);
  const faulty = faultyChannel(a, faultAt(1, fault), { clock });
  for (const value of [1, 2, 3]) await faulty.send(new Uint8Array([value, value])).catch(() => {});
  a.close();
  const got: number[][] = [];
  try {
    for (;;) got.push([...(await b.receive())]);
  } catch {
    return got;
  }
}

it('does at the chosen frame exactly what it says', async () => {
  expect(await arrivals({ kind: 'drop' })).toEqual([
    [1, 1],
    [3, 3],
  ]);
  expect(await arrivals({ kind: 'close' })).toEqual([[1, 1]]);
  expect(await arrivals({ kind: 'flip', bit: 9 })).toEqual([
    [1, 1],
    [2, 0],
    [3, 3],
  ]);
  expect(await arrivals({ kind: 'truncate', bytes: 1 })).toEqual([[1, 1], [2], [3, 3]]);
  expect(await arrivals({ kind: 'duplicate' })).toEqual([
    [1, 1],
    [2, 2],
    [2, 2],
    [3, 3],
  ]);
  expect(await arrivals({ kind: 'reorder' })).toEqual([
    [1, 1],
    [3, 3],
    [2, 2],
  ]);
  expect(await arrivals({ kind: 'oversize', bytes: 2 })).toEqual([
    [1, 1],
    [2, 2, 0, 0],
    [3, 3],
  ]);
  expect(await arrivals({ kind: 'replace', with: () => new Uint8Array([9]) })).toEqual([[1, 1], [9], [3, 3]]);
});

it('delays without changing the order', async () => {
  const before = clock.now();
  expect(await arrivals({ kind: 'delay', ms: 3_600_000 })).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  expect(clock.now() - before).toBe(3_600_000);
});
