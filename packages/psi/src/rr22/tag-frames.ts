/**
 * How the sender's n tags travel. In a compact run as a set in Elias-Fano coding: sorted by their low log2(n) bits, which
 * travel in unary, as differences, the others as they are. That is width − log2(n) + 2 bits a tag in place of the width, and
 * n + 2^log2(n) bits come first. Lengths follow from n alone. Else: tag after tag.
 * @module
 */
import { NodeError } from '@2pm/core';
import { pieces } from '@2pm/crypto/wasm';
import { FRAME_BYTES } from '../bound-channel.ts';
import { ITEM_BYTES } from '../items.ts';
import type { Rr22Setup } from './session.ts';

/** What the kernels read and write behind the last tag. */
const SPARE = 16;

interface Shape {
  /** Bits of a tag, and of those that travel in unary. */
  width: number;
  prefix: number;
  /** Bits that hold all prefixes. */
  unary: number;
  /** Tags of a frame, a multiple of 8. */
  perFrame: number;
}

function shapeOf(n: number, tagBytes: number): Shape {
  const [width, prefix] = [8 * tagBytes, Math.min(24, Math.floor(Math.log2(n)))];
  return { width, prefix, unary: n + 2 ** prefix, perFrame: 8 * Math.floor(FRAME_BYTES / (width - prefix)) };
}

const bytesOf = (bits: number) => Math.ceil(bits / 8);

/** Sends the tags that begin the n blocks at `slots`, in this order or, compact, as a set. */
export async function sendTags({ parameters, channel, vole: { kernels } }: Rr22Setup, slots: number, n: number) {
  const { tagBytes, compact } = parameters;
  if (!compact) {
    const packed = kernels.alloc(FRAME_BYTES + SPARE);
    for (const [from, to] of pieces(n, FRAME_BYTES / ITEM_BYTES)) {
      kernels.run.pack_tags(slots + ITEM_BYTES * from, to - from, tagBytes, packed);
      await channel.sendFrame(kernels.bytes(packed, tagBytes * (to - from)));
    }
    return;
  }
  const { width, prefix, unary, perFrame } = shapeOf(n, tagBytes);
  const [heads, sorted] = [kernels.alloc(4 * 2 ** prefix), kernels.alloc(ITEM_BYTES * n)];
  const [high, low] = [kernels.alloc(bytesOf(unary)), kernels.alloc(FRAME_BYTES + SPARE)];
  kernels.words(heads, 2 ** prefix).fill(0);
  for (const [from, to] of pieces(n)) kernels.run.sort_count(slots, from, to, prefix, heads);
  let before = 0;
  const places = kernels.words(heads, 2 ** prefix);
  for (const [value, count] of places.entries()) {
    places[value] = before;
    before += count;
  }
  for (const [from, to] of pieces(n)) kernels.run.sort_place(slots, from, to, prefix, heads, sorted);
  // The prefixes of all tags go first: to know them takes a pass over all.
  kernels.bytes(high, bytesOf(unary)).fill(0);
  const frames: Uint8Array[] = [];
  for (const [from, to] of pieces(n, perFrame)) {
    kernels.bytes(low, FRAME_BYTES + SPARE).fill(0);
    kernels.run.code_sorted(sorted, from, to, prefix, width, high, low);
    frames.push(kernels.bytes(low, bytesOf((to - from) * (width - prefix))).slice());
  }
  await channel.send(kernels.bytes(high, bytesOf(unary)).slice());
  for (const frame of frames) await channel.sendFrame(frame);
}

/**
 * Receives n tags, some at a time: `at` the address of so many, packed, good until the next are asked for.
 * @throws {NodeError} `PSI_BAD_TAGS`, and what the channel throws.
 */
export async function* receiveTags(
  { parameters, channel, vole: { kernels } }: Rr22Setup,
  n: number,
): AsyncGenerator<{ at: number; count: number }> {
  const { tagBytes, compact } = parameters;
  if (!compact) {
    const at = kernels.alloc((tagBytes * FRAME_BYTES) / ITEM_BYTES + SPARE);
    for (const [from, to] of pieces(n, FRAME_BYTES / ITEM_BYTES)) {
      const frame = await channel.receiveFrame(tagBytes * (to - from));
      kernels.bytes(at, frame.length).set(frame);
      yield { at, count: to - from };
    }
    return;
  }
  const { width, prefix, unary, perFrame } = shapeOf(n, tagBytes);
  const high = kernels.put(await channel.receive(bytesOf(unary)));
  const [cursor, low, at] = [
    kernels.alloc(4),
    kernels.alloc(FRAME_BYTES + SPARE),
    kernels.alloc(tagBytes * perFrame + SPARE),
  ];
  kernels.words(cursor, 1).fill(0);
  for (const [from, to] of pieces(n, perFrame)) {
    const frame = await channel.receiveFrame(bytesOf((to - from) * (width - prefix)));
    kernels.bytes(low, frame.length).set(frame);
    if (kernels.run.decode_sorted(high, cursor, unary, low, from, to, prefix, width, at) !== 0) {
      throw new NodeError('PSI_BAD_TAGS', 'the tags are not coded as a set of the declared size', { fault: 'peer' });
    }
    yield { at, count: to - from };
  }
}
