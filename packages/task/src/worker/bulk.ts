/** Long messages over a channel: their length, then frames of one megabyte, so that neither end must hold a queue. @module */
import { type Channel, NodeError } from '@2pm/core';

const FRAME_BYTES = 1 << 20;
/** More than any plan can need; checked before memory is taken. */
const MOST_BYTES = 2 ** 34;

export async function sendBulk(channel: Channel, message: Uint8Array): Promise<void> {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(message.length), true);
  await channel.send(head);
  for (let from = 0; from < message.length; from += FRAME_BYTES) {
    await channel.send(message.subarray(from, from + FRAME_BYTES));
  }
}

/** @throws {NodeError} `TASK_BAD_FRAME`, and what the channel throws. */
export async function receiveBulk(channel: Channel, options: { signal: AbortSignal }): Promise<Uint8Array> {
  const head = await channel.receive(options);
  if (head.length !== 8) throw badFrame(channel, 'no length where one is due');
  const length = Number(new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true));
  if (length > MOST_BYTES) throw badFrame(channel, `a message of ${length} bytes`);
  const frames: Uint8Array[] = [];
  for (let from = 0; from < length; from += FRAME_BYTES) {
    const frame = await channel.receive(options);
    if (frame.length !== Math.min(FRAME_BYTES, length - from)) throw badFrame(channel, 'a frame of another length');
    frames.push(frame);
  }
  const [only] = frames;
  if (frames.length === 1 && only !== undefined) return only;
  // Only what has arrived is ever held: a length alone takes no memory.
  const message = new Uint8Array(length);
  for (const [index, frame] of frames.entries()) message.set(frame, index * FRAME_BYTES);
  return message;
}

function badFrame(channel: Channel, problem: string): NodeError {
  return new NodeError('TASK_BAD_FRAME', `${channel.peer} sent ${problem}`, { fault: 'peer' });
}
