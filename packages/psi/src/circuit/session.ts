/** What leader and member do before the first frame, and how words travel in stores. @module */
import { loadGroup } from '@2pm/crypto/group';
import type { VoleContext } from '@2pm/crypto/vole';
import { type Kernels, loadKernels, pieces } from '@2pm/crypto/wasm';
import { BoundChannel, FRAME_BYTES } from '../bound-channel.ts';
import { ITEM_BYTES } from '../items.ts';
import { type OpprfOptions, type OpprfParameters, opprfParameters, opprfSession } from './parameters.ts';

export interface OpprfSetup {
  parameters: OpprfParameters;
  channel: BoundChannel;
  vole: VoleContext;
}

/** @throws {NodeError} `PSI_BAD_CAPACITY`. */
export async function openSession(options: OpprfOptions, columns: number): Promise<OpprfSetup> {
  const { capacity, rng, crypto, signal } = options;
  const parameters = opprfParameters(capacity, columns);
  const session = opprfSession(options, parameters);
  return {
    parameters,
    channel: new BoundChannel(options.channel, crypto, session, signal),
    vole: {
      ...{ kernels: await loadKernels(), group: await loadGroup(), crypto, rng, session },
      parameters: parameters.vole,
    },
  };
}

/** The first `width` bytes of each block. */
export async function sendBlocks(channel: BoundChannel, kernels: Kernels, at: number, n: number, width: number) {
  const mark = kernels.mark();
  const packed = kernels.alloc(FRAME_BYTES + ITEM_BYTES);
  for (const [from, to] of pieces(n, Math.floor(FRAME_BYTES / width))) {
    kernels.run.pack_tags(at + ITEM_BYTES * from, to - from, width, packed);
    await channel.sendFrame(kernels.bytes(packed, width * (to - from)));
  }
  kernels.release(mark);
}

/** Blocks of which `width` bytes came, zeros behind them; `take` gets them piece by piece. */
export async function receiveBlocks(
  channel: BoundChannel,
  kernels: Kernels,
  n: number,
  width: number,
  take: (blocks: number, from: number, to: number) => void,
): Promise<void> {
  const perFrame = Math.floor(FRAME_BYTES / width);
  const mark = kernels.mark();
  const [packed, blocks] = [kernels.alloc(FRAME_BYTES + ITEM_BYTES), kernels.alloc(ITEM_BYTES * perFrame)];
  for (const [from, to] of pieces(n, perFrame)) {
    const frame = await channel.receiveFrame(width * (to - from));
    kernels.bytes(packed, frame.length).set(frame);
    kernels.run.unpack_tags(packed, to - from, width, blocks);
    take(blocks, from, to);
  }
  kernels.release(mark);
}
