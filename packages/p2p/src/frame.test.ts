import { isNodeError } from '@2pm/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FrameDecoder, frameHeader, GOODBYE } from './frame.ts';

const wire = (frames: Uint8Array[]) => Buffer.concat(frames.flatMap((frame) => [frameHeader(frame.length), frame]));

it('cuts a stream into the frames that were sent, wherever the network splits it', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1 }), (sent, steps) => {
      const stream = Buffer.concat([wire(sent), GOODBYE]);
      const decoder = new FrameDecoder(40);
      const got: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const step = steps[turn % steps.length] as number;
        got.push(...decoder.push(stream.subarray(at, at + step)));
        at += step;
      }
      expect(got).toEqual(sent);
      expect(decoder.ended).toBe(true);
      expect(decoder.partial).toBe(false);
    }),
  );
});

it('meets any bytes with frames within the limit or with a code, never with anything else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 6 }), (chunks) => {
      const decoder = new FrameDecoder(32);
      try {
        for (const chunk of chunks) {
          for (const frame of decoder.push(chunk)) expect(frame.length).toBeLessThanOrEqual(32);
        }
      } catch (error) {
        const known = isNodeError(error, 'P2P_FRAME_TOO_LARGE') || isNodeError(error, 'P2P_MALFORMED_FRAME');
        if (!known) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

it('refuses a length over the limit as soon as its four bytes are there', () => {
  const decoder = new FrameDecoder(100);
  expect(() => [...decoder.push(frameHeader(101))]).toThrow(expect.objectContaining({ code: 'P2P_FRAME_TOO_LARGE' }));
});

it('refuses bytes after the goodbye', () => {
  const decoder = new FrameDecoder(100);
  expect(() => [...decoder.push(Buffer.concat([GOODBYE, new Uint8Array(1)]))]).toThrow(
    expect.objectContaining({ code: 'P2P_MALFORMED_FRAME' }),
  );
});
