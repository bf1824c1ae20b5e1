import { fromHex, type Hash, ZERO_HASH } from '@2pm/core';
import { seededRng } from '@2pm/testing/seeded-rng';
import { expect, test } from 'vitest';
import { nodeCrypto, nodeRng } from './node/provider.ts';
import { Prg } from './prg.ts';

const seed = new Uint8Array(16).fill(7);
const domain = { node: 1, operation: 2, lane: 3 };

test('equal seeds, sessions and domains give equal streams; any other number gives another', () => {
  const draw = (from: Uint8Array, sid: Hash, at = domain) => new Prg(nodeCrypto, from, sid).bytes(at, 32).join();
  expect(draw(seed, ZERO_HASH)).toBe(draw(seed.slice(), ZERO_HASH));
  const streams = [
    draw(seed, ZERO_HASH),
    draw(new Uint8Array(16), ZERO_HASH),
    draw(seed, `0x${'11'.repeat(32)}` as Hash),
    draw(seed, ZERO_HASH, { ...domain, node: 2 }),
    draw(seed, ZERO_HASH, { ...domain, operation: 1 }),
    draw(seed, ZERO_HASH, { ...domain, lane: 2 ** 16 - 1 }),
  ];
  expect(new Set(streams).size).toBe(streams.length);
});

test('no stream is handed out twice', () => {
  const prg = new Prg(nodeCrypto, seed, ZERO_HASH);
  prg.bytes(domain, 16);
  prg.bytes({ ...domain, lane: 4 }, 16);
  expect(() => prg.bytes(domain, 32)).toThrow(expect.objectContaining({ code: 'PRG_REUSED' }));
});

test('numbers that do not fit the nonce are refused, so that no two domains share one', () => {
  const prg = new Prg(nodeCrypto, seed, ZERO_HASH);
  for (const bad of [{ node: 2 ** 32 }, { operation: 2 ** 16 }, { lane: -1 }, { lane: 0.5 }]) {
    expect(() => prg.bytes({ ...domain, ...bad }, 16)).toThrow(expect.objectContaining({ code: 'PRG_BAD_DOMAIN' }));
  }
});

test('the counter mode and block cipher are those of NIST SP 800-38A', () => {
  // Origin: NIST SP 800-38A (public domain), F.5.1 CTR-AES128 and F.1.1 ECB-AES128.
  const key = fromHex('0x2b7e151628aed2a6abf7158809cf4f3c');
  const plain = fromHex('0x6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51');
  const cipher = fromHex('0x874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff');
  const stream = nodeCrypto.aes128Ctr(key, fromHex('0xf0f1f2f3f4f5f6f7'), 0xf8f9fafbfcfdfeffn, 32);
  expect(stream.map((byte, i) => byte ^ (plain[i] ?? 0))).toEqual(cipher);
  expect(nodeCrypto.aes128Ecb(key, plain.subarray(0, 16))).toEqual(fromHex('0x3ad77bb40d7a3660a89ecaf32466ef97'));
});

test('long streams, longer than one call of the cipher, are one stream', () => {
  const long = nodeCrypto.aes128Ctr(seed, new Uint8Array(8), 0n, 400_000);
  const tail = nodeCrypto.aes128Ctr(seed, new Uint8Array(8), 20_000n, 80_000);
  expect(Buffer.compare(long.subarray(320_000), tail)).toBe(0);
  const ecb = nodeCrypto.aes128Ecb(seed, new Uint8Array(160_000));
  expect(Buffer.compare(ecb.subarray(0, 16), ecb.subarray(159_984))).toBe(0);
});

test('seeded randomness does not depend on how it is drawn; system randomness differs every time', () => {
  const [a, b] = [seededRng(1), seededRng(1)];
  const parts = [a.fill(new Uint8Array(5)), a.fill(new Uint8Array(40))].flatMap((part) => [...part]);
  expect(parts).toEqual([...b.fill(new Uint8Array(45))]);
  expect(nodeRng.fill(new Uint8Array(16))).not.toEqual(nodeRng.fill(new Uint8Array(16)));
});
