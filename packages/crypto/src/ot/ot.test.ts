import { concatBytes } from '@2pm/core';
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { blake3 } from '@noble/hashes/blake3.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { beforeAll, expect, test } from 'vitest';
import { type Group, sha512 as groupHash, loadGroup } from '../group/ristretto255.ts';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { loadKernels } from '../wasm/kernels.ts';
import { baseOtReceiver, baseOtSender } from './base.ts';
import { extendReceiver, extendSender, hashCorrelations } from './extension.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
let group: Group;
beforeAll(async () => {
  group = await loadGroup();
});

const Point = ristretto255.Point;

test('the group is ristretto255 as the readable implementation has it', () => {
  const uniform = random(64);
  const point = group.fromUniform(uniform);
  expect(point).toEqual(ristretto255_hasher.deriveToCurve!(uniform).toBytes());
  const scalar = group.randomScalar(nodeRng);
  const value = Point.Fn.fromBytes(scalar);
  expect(group.base(scalar)).toEqual(Point.BASE.multiply(value).toBytes());
  expect(group.multiply(scalar, point)).toEqual(Point.fromBytes(point).multiply(value).toBytes());
  expect(groupHash(uniform)).toEqual(sha512(uniform));
  expect(group.subtract(group.add(point, group.base(scalar)), point)).toEqual(group.base(scalar));
});

test('base transfers give the receiver exactly the chosen key of each pair', () => {
  const session = random(32);
  const choices = [0, 1, 1, 0, 1];
  const sender = baseOtSender({ group, rng: nodeRng, session, count: 5 });
  const receiver = baseOtReceiver({ group, rng: nodeRng, session, count: 5 }, choices);
  const pairs = sender.keys(receiver.answer);
  for (const [i, key] of receiver.keys(sender.offer).entries()) {
    expect(key).toEqual(pairs[i]![choices[i]!]);
    expect(key).not.toEqual(pairs[i]![1 - choices[i]!]);
  }
});

test('base transfers of another session give unrelated keys', () => {
  const sender = baseOtSender({ group, rng: nodeRng, session: random(32), count: 1 });
  const receiver = baseOtReceiver({ group, rng: nodeRng, session: random(32), count: 1 }, [0]);
  const [pair] = sender.keys(receiver.answer);
  expect(pair).not.toContainEqual(receiver.keys(sender.offer)[0]);
});

test('points that are no group elements, and the identity, are refused with a code', () => {
  const context = { group, rng: nodeRng, session: random(32), count: 1 };
  const sender = baseOtSender(context);
  for (const bad of [new Uint8Array(64).fill(255), new Uint8Array(64).fill(1), new Uint8Array(64).fill(9)]) {
    expect(() => sender.keys(bad)).toThrow(expect.objectContaining({ code: 'GROUP_BAD_ELEMENT', fault: 'peer' }));
  }
  const identity = new Uint8Array(32);
  const point = group.base(group.randomScalar(nodeRng));
  for (const bad of [concatBytes(point, identity), concatBytes(identity, point)]) {
    expect(() => sender.keys(bad)).toThrow(expect.objectContaining({ code: 'GROUP_BAD_ELEMENT' }));
  }
  expect(() => sender.keys(new Uint8Array(63))).toThrow(expect.objectContaining({ code: 'OT_BAD_LENGTH' }));
  const receiver = baseOtReceiver(context, [1]);
  for (const bad of [new Uint8Array(32), new Uint8Array(32).fill(255)]) {
    expect(() => receiver.keys(bad)).toThrow(expect.objectContaining({ code: 'GROUP_BAD_ELEMENT' }));
  }
});

test('an extension correlates: q = t ⊕ r·Δ, and hashes agree on the chosen side alone', async () => {
  const kernels = await loadKernels();
  const delta = random(16);
  const keys = Array.from({ length: 128 }, () => [random(16), random(16)] as [Uint8Array, Uint8Array]);
  const chosen = keys.map((pair, i) => pair[(delta[i >> 3]! >> (i & 7)) & 1]!);
  const choices = random(25);
  const { correction, t } = extendReceiver(kernels, nodeCrypto, keys, choices);
  const q = extendSender(kernels, nodeCrypto, chosen, delta, correction);
  for (let j = 0; j < 200; j++) {
    const bit = (choices[j >> 3]! >> (j & 7)) & 1;
    const mine = kernels.bytes(t + 16 * j, 16);
    const theirs = kernels.bytes(q + 16 * j, 16);
    expect([...theirs]).toEqual([...mine].map((byte, k) => byte ^ (bit * delta[k]!)));
  }
  const session = random(32);
  const pads = (blocks: number, offset?: Uint8Array) =>
    kernels.bytes(hashCorrelations(kernels, session, blocks, 200, offset), 32 * 200).slice();
  const [zero, one] = [pads(q), pads(q, delta)];
  const held = pads(t);
  const message = kernels.bytes(q + 16 * 7, 20).slice();
  message.set([7, 0, 0, 0], 16);
  const hash = blake3(message, { key: session });
  expect(zero.subarray(16 * 7, 16 * 8)).toEqual(hash.subarray(0, 16));
  expect(zero.subarray(16 * 207, 16 * 208)).toEqual(hash.subarray(16));
  for (let j = 0; j < 400; j++) {
    const bit = (choices[(j % 200) >> 3]! >> (j & 7)) & 1;
    const [is, other] = bit ? [one, zero] : [zero, one];
    const at = [16 * j, 16 * j + 16] as const;
    expect(held.subarray(...at)).toEqual(is.subarray(...at));
    expect(held.subarray(...at)).not.toEqual(other.subarray(...at));
  }
});
