import { channelPair, type NodeId } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { loadKernels } from '@2pm/crypto/wasm';
import { expect, test } from 'vitest';
import { BoundChannel } from '../bound-channel.ts';
import type { Rr22Setup } from './session.ts';
import { receiveTags, sendTags } from './tag-frames.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** Both ends as far as tags go, in memory full of something else. */
async function ends(compact: boolean, tagBytes: number) {
  const ids = ['11', '22'].map((byte) => `0x${byte.repeat(20)}` as NodeId) as [NodeId, NodeId];
  const pair = channelPair(ids[1], ids[0]);
  const session = random(32);
  const setups = pair.map(async (end) => {
    const kernels = await loadKernels();
    const mark = kernels.mark();
    kernels.put(random(2 ** 20));
    kernels.release(mark);
    const channel = new BoundChannel(end, nodeCrypto, session);
    return { parameters: { compact, tagBytes }, channel, vole: { kernels } } as unknown as Rr22Setup;
  });
  return { sender: await setups[0]!, receiver: await setups[1]!, stats: pair[0].stats };
}

async function received(receiver: Rr22Setup, n: number): Promise<string[]> {
  const { kernels } = receiver.vole;
  const { tagBytes } = receiver.parameters;
  const tags: string[] = [];
  for await (const { at, count } of receiveTags(receiver, n)) {
    for (let i = 0; i < count; i++) tags.push(hex(kernels.bytes(at + tagBytes * i, tagBytes)));
  }
  return tags;
}

test.each([
  [false, 1, 8],
  [true, 1, 8],
  [true, 9000, 9],
  [true, 30_000, 10],
])('tags arrive, compact or not (%s, %i of %i bytes)', async (compact, n, tagBytes) => {
  const { sender, receiver, stats } = await ends(compact, tagBytes);
  const slots = random(16 * n);
  const arriving = received(receiver, n);
  await sendTags(sender, sender.vole.kernels.put(slots), n);
  const sent = Array.from({ length: n }, (_, i) => hex(slots.subarray(16 * i, 16 * i + tagBytes)));
  const found = await arriving;
  if (compact) expect(found.toSorted()).toEqual(sent.toSorted());
  else expect(found).toEqual(sent);
  // A set of n takes log2(n) − 2 bits a tag less than a list.
  if (n > 1) expect(8 * stats.bytesSent).toBeLessThan(n * (8 * tagBytes - Math.log2(n) + 3) + 8 * 16 * 8);
});

test('prefixes that are no code of a set of the declared size are refused', async () => {
  for (const junk of [new Uint8Array(Math.ceil((100 + 64) / 8)), new Uint8Array(Math.ceil((100 + 64) / 8)).fill(128)]) {
    const { sender, receiver } = await ends(true, 9);
    const arriving = received(receiver, 100);
    await sender.channel.send(junk);
    await sender.channel.send(new Uint8Array((100 * (72 - 6)) / 8));
    await expect(arriving).rejects.toEqual(expect.objectContaining({ code: 'PSI_BAD_TAGS', fault: 'peer' }));
  }
});
