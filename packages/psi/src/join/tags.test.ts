import { type Hash, ZERO_HASH } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { expect, test } from 'vitest';
import { joinKey, joinTags } from './tags.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const session = ZERO_HASH as Hash;
const key = joinKey(session, [random(32), random(32)]);

function tagsOf(digests: Uint8Array, present: Uint8Array, capacity: number, pass = 0, under = key): string[] {
  const words = joinTags({ crypto: nodeCrypto, rng: nodeRng, key: under, pass, digests, present, capacity });
  expect(words.length).toBe(2 * capacity);
  return Array.from({ length: capacity }, (_, row) => `${words[row]} ${words[capacity + row]}`);
}

test('equal digests have equal tags wherever they stand, whatever the capacities', () => {
  const [a, b, c] = [random(16), random(16), random(16)] as const;
  const mine = tagsOf(Buffer.concat([a, b]), Uint8Array.of(1, 1), 5);
  const theirs = tagsOf(Buffer.concat([c, b, a]), Uint8Array.of(1, 1, 1), 4);
  expect(theirs[2]).toBe(mine[0]);
  expect(theirs[1]).toBe(mine[1]);
  expect(new Set([...mine, ...theirs]).size).toBe(7);
});

test('first words stay below 2^59, second ones below 2^62', () => {
  const words = joinTags({
    ...{ crypto: nodeCrypto, rng: nodeRng, key, pass: 0, capacity: 20_000 },
    digests: random(16 * 10_000),
    present: new Uint8Array(10_000).fill(1),
  });
  expect(words.every((word, i) => word >= 0n && word < 2n ** (i < 20_000 ? 59n : 62n))).toBe(true);
  expect(words.subarray(0, 20_000).some((word) => word >= 2n ** 58n)).toBe(true);
});

test('rows without a key, and padding, have fresh tags each time', () => {
  const digest = random(16);
  const once = tagsOf(digest, Uint8Array.of(0), 2);
  const again = tagsOf(digest, Uint8Array.of(0), 2);
  expect(new Set([...once, ...again]).size).toBe(4);
});

test('another pass, another key and another session give other tags', () => {
  const digest = random(16);
  const present = Uint8Array.of(1);
  const contributions = [random(32), random(32)];
  const keys = [
    joinKey(session, contributions),
    joinKey(`0x${'11'.repeat(32)}` as Hash, contributions),
    joinKey(session, [...contributions].reverse()),
  ];
  const tags = [...keys.map((each) => tagsOf(digest, present, 1, 0, each)), tagsOf(digest, present, 1, 1, keys[0])];
  expect(new Set(tags.flat()).size).toBe(4);
});

test('refuses more rows than the capacity, and a contribution of another length', () => {
  expect(() => tagsOf(random(48), new Uint8Array(3).fill(1), 2)).toThrow(
    expect.objectContaining({ code: 'PSI_OVER_CAPACITY' }),
  );
  expect(() => joinKey(session, [random(32), random(31)])).toThrow(expect.objectContaining({ code: 'PSI_BAD_LENGTH' }));
});
