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

/** NIST SP 800-38D, §6.3 to §7.1, with nothing to encrypt: bit by bit, over GF(2^128) with the first bit highest. */
function gmac(key: Uint8Array, nonce: Uint8Array, message: Uint8Array): string {
  const block = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  const times = (x: bigint, y: bigint) => {
    let [z, v] = [0n, y];
    for (let bit = 127n; bit >= 0n; bit--) {
      if ((x >> bit) & 1n) z ^= v;
      v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n;
    }
    return z;
  };
  const h = block(nodeCrypto.aes128Ecb(key, new Uint8Array(16)));
  const padded = new Uint8Array(16 * Math.ceil(message.length / 16));
  padded.set(message);
  let sum = 0n;
  for (let at = 0; at < padded.length; at += 16) sum = times(sum ^ block(padded.subarray(at, at + 16)), h);
  sum = times(sum ^ (BigInt(8 * message.length) << 64n), h);
  const first = nodeCrypto.aes128Ecb(key, Uint8Array.of(...nonce, 0, 0, 0, 1));
  return (sum ^ block(first)).toString(16).padStart(32, '0');
}

test('the message authentication code is that of NIST SP 800-38D, however the message is cut', () => {
  const tag = (key: Uint8Array, nonce: Uint8Array, ...parts: Uint8Array[]) => {
    const mac = nodeCrypto.gmac128(key, nonce);
    for (const part of parts) mac.update(part);
    return Buffer.from(mac.digest()).toString('hex');
  };
  // Origin: McGrew, Viega: The Galois/Counter Mode of Operation (public domain), test case 1.
  expect(tag(new Uint8Array(16), new Uint8Array(12))).toBe('58e2fccefa7e3061367f1d57a4e7455a');
  const rng = seededRng(3);
  for (const length of [1, 16, 17, 300]) {
    const [key, nonce, message] = [16, 12, length].map((size) => rng.fill(new Uint8Array(size))) as Uint8Array[];
    if (key === undefined || nonce === undefined || message === undefined) throw new Error('no message');
    const expected = gmac(key, nonce, message);
    expect(tag(key, nonce, message)).toBe(expected);
    expect(tag(key, nonce, message.subarray(0, 5), message.subarray(5))).toBe(expected);
  }
  expect(() => nodeCrypto.gmac128(seed, new Uint8Array(16))).toThrow(
    expect.objectContaining({ code: 'CRYPTO_BAD_NONCE' }),
  );
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
