import type { NodeId } from '@2pm/core';
import { expect, it } from 'vitest';
import { backboneConformance } from './backbone-conformance.ts';
import { faultAt, faultyChannel } from './faulty-channel.ts';
import { memoryNetwork } from './memory-backbone.ts';

const [a, b, c] = ['0a', '0b', '0c'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId, NodeId];

backboneConformance('memory', async () => {
  const network = memoryNetwork({ frameBytes: 1 << 20 });
  return {
    nodes: [network.join(a), network.join(b), network.join(c)],
    kill: async (node) => network.kill(node),
    frameBytes: 1 << 20,
    stop: async () => {},
  };
});

it('breaks off both ends when the line is cut, refuses dials meanwhile, and heals', async () => {
  const network = memoryNetwork();
  const [x, y] = [network.join(a), network.join(b)];
  const accepted: unknown[] = [];
  y.serve('p', (channel) => accepted.push(channel.receive().catch((error: { code: string }) => error.code)));
  const channel = await x.dial(b, { protocol: 'p', session: '1' });
  await Promise.resolve();
  network.cut(b, a);
  await expect(channel.receive()).rejects.toMatchObject({ code: 'P2P_CONNECTION_LOST' });
  expect(await accepted[0]).toBe('P2P_CONNECTION_LOST');
  await expect(x.dial(b, { protocol: 'p', session: '2' })).rejects.toMatchObject({ code: 'P2P_UNREACHABLE' });
  network.heal(a, b);
  await x.dial(b, { protocol: 'p', session: '3' });
});

it('closes the sessions of a node that leaves the registry', async () => {
  const network = memoryNetwork();
  const [x, y] = [network.join(a), network.join(b)];
  y.serve('p', () => {});
  const channel = await x.dial(b, { protocol: 'p', session: '1' });
  network.remove(b);
  await expect(channel.receive()).rejects.toMatchObject({ code: 'P2P_IDENTITY' });
  await expect(x.dial(b, { protocol: 'p', session: '2' })).rejects.toMatchObject({ code: 'P2P_UNKNOWN_NODE' });
});

it('lets a fault stand between a node and the network', async () => {
  const network = memoryNetwork({
    wrap: (channel, { self }) => (self === a ? faultyChannel(channel, faultAt(1, { kind: 'drop' })) : channel),
  });
  const [x, y] = [network.join(a), network.join(b)];
  const got: number[] = [];
  y.serve('p', async (channel) => {
    for (;;) got.push(...(await channel.receive()));
  });
  const channel = await x.dial(b, { protocol: 'p', session: '1' });
  for (const byte of [1, 2, 3]) await channel.send(new Uint8Array([byte]));
  await new Promise((resolve) => setImmediate(resolve));
  expect(got).toEqual([1, 3]);
});
