import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import { commit, commitWith, verifyCommitment } from './commitment.ts';

const message = new Uint8Array([42]);

test('a commitment opens to its message under its context and to nothing else', () => {
  const { commitment, opening } = commit('result', message, seededRng(1));
  expect(verifyCommitment(commitment, 'result', message, opening)).toBe(true);
  expect(verifyCommitment(commitment, 'result', new Uint8Array([43]), opening)).toBe(false);
  expect(verifyCommitment(commitment, 'other', message, opening)).toBe(false);
  expect(
    verifyCommitment(
      commitment,
      'result',
      message,
      opening.map((byte) => byte ^ 1),
    ),
  ).toBe(false);
  expect(verifyCommitment(commitment, 'result', message, opening.subarray(1))).toBe(false);
});

test('bytes cannot move between context and message', () => {
  const opening = new Uint8Array(32);
  const a = commitWith('ab', new TextEncoder().encode('c'), opening);
  expect(commitWith('a', new TextEncoder().encode('bc'), opening)).not.toBe(a);
});

test('two commitments to the same message differ', () => {
  const rng = seededRng(1);
  expect(commit('result', message, rng).commitment).not.toBe(commit('result', message, rng).commitment);
});

test('a short opening is refused', () => {
  expect(() => commitWith('result', message, new Uint8Array(16))).toThrow(
    expect.objectContaining({ code: 'COMMITMENT_BAD_OPENING' }),
  );
});
