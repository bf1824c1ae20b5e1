/**
 * Hints on the wire: of each column its first `SHARE_BYTES` bytes. Decoding is XOR, byte by byte, so what is cut from all
 * columns is cut from every decoded value; and hints in stores of one shape may be added up before decoding.
 * @module
 */
import { type OkvsParameters, okvsLength } from '@2pm/crypto/okvs';
import { type Kernels, pieces } from '@2pm/crypto/wasm';
import { type BoundChannel, FRAME_BYTES } from '../bound-channel.ts';
import { SHARE_BYTES } from './parameters.ts';

const BLOCK = 16;
const WORDS = SHARE_BYTES / 4;

/** `vector`: address of the blocks of a store of this shape. */
export async function sendHint(
  kernels: Kernels,
  channel: BoundChannel,
  shape: OkvsParameters,
  vector: number,
): Promise<void> {
  const packed = kernels.alloc(FRAME_BYTES + BLOCK);
  for (const [from, to] of pieces(okvsLength(shape), FRAME_BYTES / SHARE_BYTES)) {
    kernels.run.pack_tags(vector + BLOCK * from, to - from, SHARE_BYTES, packed);
    await channel.sendFrame(kernels.bytes(packed, SHARE_BYTES * (to - from)));
  }
}

/** The address of the sum of all the hints, one from each channel, as blocks whose other bytes are zero. */
export async function receiveHints(
  kernels: Kernels,
  channels: readonly BoundChannel[],
  shape: OkvsParameters,
): Promise<number> {
  const columns = okvsLength(shape);
  const vector = kernels.alloc(BLOCK * columns);
  const size = BLOCK * Math.ceil((SHARE_BYTES * columns) / BLOCK);
  const [packed, frame] = [kernels.alloc(size), kernels.alloc(FRAME_BYTES)];
  kernels.bytes(packed, size).fill(0);
  const receive = async (channel: BoundChannel) => {
    for (const [from, to] of pieces(SHARE_BYTES * columns, FRAME_BYTES)) {
      const received = await channel.receiveFrame(to - from);
      kernels.bytes(frame, FRAME_BYTES).set(received);
      kernels.bytes(frame + received.length, FRAME_BYTES - received.length).fill(0);
      kernels.run.xor_blocks(packed + from, frame, packed + from, Math.ceil((to - from) / BLOCK));
    }
  };
  await Promise.all(channels.map(receive));
  const [from, to] = [kernels.words(packed, WORDS * columns), kernels.words(vector, 4 * columns)];
  for (let i = 0; i < columns; i++) {
    for (let k = 0; k < 4; k++) to[4 * i + k] = k < WORDS ? from[WORDS * i + k]! : 0;
  }
  return vector;
}
