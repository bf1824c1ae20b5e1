import { isNodeError, type NodeId } from '@2pm/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeHello, HELLO_LIMIT_BYTES, readAnswer, readHello } from './hello.ts';

const a = `0x${'0a'.repeat(20)}` as NodeId;
const b = `0x${'0b'.repeat(20)}` as NodeId;
const binding = { protocol: '/2pm/test/1', session: 's' };

it('binds protocol, session and both nodes: none of them can be exchanged', () => {
  expect(readHello(encodeHello(binding, a, b), a, b)).toEqual(binding);
  expect(() => readHello(encodeHello(binding, a, b), b, a)).toThrow(expect.objectContaining({ code: 'P2P_IDENTITY' }));
  const answer = encodeHello(binding, b, a);
  readAnswer(answer, binding, b, a);
  for (const other of [
    { ...binding, session: 't' },
    { ...binding, protocol: '/2pm/test/2' },
  ]) {
    expect(() => readAnswer(answer, other, b, a)).toThrow(expect.objectContaining({ code: 'P2P_MALFORMED_FRAME' }));
  }
  expect(() => readAnswer(encodeHello(binding, a, b), binding, b, a)).toThrow(
    expect.objectContaining({ code: 'P2P_IDENTITY' }),
  );
});

it('fits the longest protocol and session names into the limit', () => {
  const longest = { protocol: 'p'.repeat(64), session: 's'.repeat(128) };
  expect(encodeHello(longest, a, b, 'P2P_PROTOCOL').length).toBeLessThan(HELLO_LIMIT_BYTES);
});

it('meets any changed bytes with a code, or with another session of the same two nodes', () => {
  const good = encodeHello(binding, a, b);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(good.length), (at, mask, length) => {
      const bad = good.slice(0, Math.max(length, at + 1));
      bad[at] = (bad[at] as number) ^ mask;
      try {
        // Names of protocol and session are the dialler's to choose; the nodes are not.
        const read = readHello(bad, a, b);
        expect(read).not.toEqual(binding);
      } catch (error) {
        const known = isNodeError(error, 'P2P_MALFORMED_FRAME') || isNodeError(error, 'P2P_IDENTITY');
        if (!known) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});
