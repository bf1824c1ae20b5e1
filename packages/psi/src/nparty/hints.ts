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
const COLUMNS_PER_FRAME = FRAME_BYTES / SHARE_BYTES;
const WORDS = SHARE_BYTES / 4;

/** `vector`: address of the blocks of a store of this shape. */
export async function sendHint(
  kernels: Kernels,
  channel: BoundChannel,
  shape: OkvsParameters,
  vector: number,
): Promise<void> {
  const packed = kernels.alloc(FRAME_BYTES + BLOCK);
  for (const [from, to] of pieces(okvsLength(shape), COLUMNS_PER_FRAME)) {
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
  kernels.bytes(vector, BLOCK * columns).fill(0);
  const frame = kernels.alloc(FRAME_BYTES);
  const receive = async (channel: BoundChannel) => {
    for (const [from, to] of pieces(columns, COLUMNS_PER_FRAME)) {
      const size = SHARE_BYTES * (to - from);
      const received = await channel.receiveFrame(size);
      kernels.bytes(frame, size).set(received);
      const [part, sum] = [kernels.words(frame, size / 4), kernels.words(vector + BLOCK * from, 4 * (to - from))];
      for (let i = 0; i < to - from; i++) {
        for (let k = 0; k < WORDS; k++) sum[4 * i + k]! ^= part[WORDS * i + k]!;
      }
    }
  };
  await Promise.all(channels.map(receive));
  return vector;
}
