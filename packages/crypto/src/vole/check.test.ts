import { isNodeError } from '@2pm/core';
import { expect, test } from 'vitest';
import { evaluate, innerProduct, powers } from '../gf128/polynomial.ts';
import { blocksToIntegers, multiplyReference } from '../gf128/reference.ts';
import { ARITY, depthOf, levelSizes, pathOf } from '../ggm/pprf.ts';
import { loadGroup } from '../group/ristretto255.ts';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { loadKernels } from '../wasm/kernels.ts';
import { checkResponse, expectedResponse, responseTo, shiftOf } from './check.ts';
import { placesOf, type VoleNoise, voleNoise } from './noise.ts';
import { forestOf, voleParameters } from './parameters.ts';
import { VoleReceiver, VoleSender } from './silent.ts';

/** Runs with a wrong sum somewhere. */
const WRONG_SUMS = Number(process.env['VOLE_WRONG_SUMS'] ?? 8);

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const parameters = voleParameters(4096, { checked: true });
const forest = forestOf(parameters);
const refused = expect.objectContaining({ code: 'VOLE_INCONSISTENT', fault: 'peer' });

type Message = 'offer' | 'answer' | 'choice' | 'correction' | 'challenge' | 'response';
type Cheat = (name: Message, message: Uint8Array, noise: VoleNoise) => void;

/** A run in which `cheat` alters messages on their way. Returns whether C = B + Δ·A holds at the end. */
async function run(cheat: Cheat = () => {}, valueBytes = 16): Promise<boolean> {
  const parameters = voleParameters(4096, { checked: true, valueBytes });
  const group = await loadGroup();
  const session = random(32);
  const contextOf = async () => {
    const kernels = await loadKernels();
    return { kernels, group, crypto: nodeCrypto, rng: nodeRng, session, parameters };
  };
  const [senderContext, receiverContext] = [await contextOf(), await contextOf()];
  const noise = voleNoise(nodeRng, parameters);
  const sender = new VoleSender(senderContext);
  const receiver = new VoleReceiver(receiverContext, noise);
  const pass = (name: Message, message: Uint8Array) => {
    const altered = message.slice();
    cheat(name, altered, noise);
    return altered;
  };
  const offer = pass('offer', receiver.offer);
  const choice = pass('choice', receiver.choose(pass('answer', sender.respond(offer))));
  const correction = pass('correction', sender.expand(offer, choice));
  const a = receiverContext.kernels.put(new Uint8Array(16 * parameters.length));
  const challenge = pass('challenge', receiver.challenge());
  receiver.rebuild(correction);
  receiver.verify(pass('response', sender.prove(challenge)));
  const c = receiver.compress(a);
  const b = sender.finish();
  const [some] = blocksToIntegers(sender.delta) as [bigint];
  const read = (kernels: typeof senderContext.kernels, at: number) =>
    blocksToIntegers(kernels.bytes(at, 16 * parameters.length).slice());
  const [as, bs, cs] = [
    read(receiverContext.kernels, a),
    read(senderContext.kernels, b),
    read(receiverContext.kernels, c),
  ];
  expect(as.every((value) => value < 1n << BigInt(8 * valueBytes))).toBe(true);
  return cs.every((value, i) => value === (bs[i]! ^ multiplyReference(as[i]!, some)));
}

const flipping =
  (name: Message, bit: number): Cheat =>
  (at, message) => {
    if (at === name) message[bit >> 3]! ^= 1 << (bit & 7);
  };

test.each([16, 10])('a checked VOLE with values of %i bytes holds everywhere', async (valueBytes) => {
  expect(await run(undefined, valueBytes)).toBe(true);
});

test.each<[Message, number, string[]]>([
  ['offer', 256, ['GROUP_BAD_ELEMENT', 'OT_INCONSISTENT']],
  ['answer', 8 * 8192, ['GROUP_BAD_ELEMENT', 'OT_INCONSISTENT']],
  [
    'choice',
    8 * (128 * (2 * forest.trees * depthOf(forest) * 2 ** -3 + 16 * forest.trees + 32) + 2064),
    ['OT_INCONSISTENT'],
  ],
  ['challenge', 256, ['VOLE_INCONSISTENT']],
  ['response', 256, ['VOLE_INCONSISTENT']],
])('any flipped bit of the %s ends the run', async (name, bits, codes) => {
  for (const bit of [3, bits - 2]) {
    const error = await run(flipping(name, bit)).catch((reason: unknown) => reason);
    expect([bit, isNodeError(error) && error.code]).toEqual([bit, expect.toBeOneOf(codes)]);
  }
});

test('a wrong total of a tree is refused, whichever tree and bit', async () => {
  const from = 16 * 2 * ARITY * forest.trees * depthOf(forest);
  for (const tree of [0, forest.trees - 1]) {
    await expect(run(flipping('correction', 8 * (from + 16 * tree) + 37))).rejects.toEqual(refused);
  }
});

test('a wrong sum of a level is refused just where the receiver reads it, and else changes nothing', async () => {
  const outcomes = new Set<boolean>();
  for (let i = 0; i < WRONG_SUMS; i++) {
    // All eight kinds of a place at one level, then at the next.
    const [tree, level, bit, differing] = [i % forest.trees, (1 + (i >> 3)) % depthOf(forest), (i >> 2) & 1, i & 3];
    const [parents, children] = levelSizes(forest).slice(level) as [number, number];
    let reads = false;
    const result = run((name, message, { points }) => {
      if (name !== 'correction') return;
      const child = differing ^ pathOf(forest, points[tree]!)[level]!;
      reads = child * parents < children && (bit === 0 ? (differing & 1) === 1 : differing === 2);
      message[ARITY * 16 * (2 * level + bit) * forest.trees + 16 * (child * forest.trees + tree)]! ^= 1;
    });
    const held = await result.catch((reason: unknown) => reason);
    outcomes.add(reads);
    expect(held).toEqual(reads ? refused : true);
  }
  expect(outcomes.size).toBe(2);
});

test('a hash of fewer or more bytes, and steps out of order, are refused', async () => {
  const group = await loadGroup();
  const context = {
    kernels: await loadKernels(),
    group,
    crypto: nodeCrypto,
    rng: nodeRng,
    session: random(32),
    parameters,
  };
  const [sender, receiver] = [new VoleSender(context), new VoleReceiver(context)];
  const broken = expect.objectContaining({ code: 'NODE_ASSERTION' });
  expect(() => sender.prove(new Uint8Array(32))).toThrow(broken);
  expect(() => receiver.challenge()).toThrow(broken);
  const choice = receiver.choose(sender.respond(receiver.offer));
  const correction = sender.expand(receiver.offer, choice);
  expect(() => sender.finish()).toThrow(broken);
  const challenge = receiver.challenge();
  expect(() => receiver.challenge()).toThrow(broken);
  expect(() => sender.prove(challenge.subarray(1))).toThrow(expect.objectContaining({ code: 'VOLE_BAD_LENGTH' }));
  const response = sender.prove(challenge);
  expect(() => sender.prove(challenge)).toThrow(broken);
  expect(() => receiver.finish(correction)).toThrow(broken);
  expect(() => receiver.verify(response.subarray(1))).toThrow(expect.objectContaining({ code: 'VOLE_BAD_LENGTH' }));
});

/** Vectors as after the trees, in clear: what the two ends of the check work on. */
async function vectors() {
  const kernels = await loadKernels();
  const small = voleParameters(1);
  const n = 2 * small.length;
  const noise = voleNoise(nodeRng, small);
  const [delta, b, value] = [random(16), random(16 * n), random(16)];
  const c = b.slice();
  const times = (x: Uint8Array) => innerProduct(kernels, delta, x);
  const add = (to: Uint8Array, x: Uint8Array) => to.set(to.map((byte, i) => byte ^ x[i]!));
  for (const [j, place] of placesOf(noise).entries()) {
    add(c.subarray(16 * place, 16 * place + 16), times(noise.values.subarray(16 * j, 16 * j + 16)));
  }
  const [extraB, extraC] = [random(16), new Uint8Array(16)];
  extraC.set(extraB);
  add(extraC, times(value));
  const session = random(32);
  const point = random(16);
  return {
    ...{ kernels, n, noise, point, add },
    challenge: new Uint8Array([...point, ...shiftOf(kernels, noise, n, point, value)]),
    expected: (altered = c) =>
      expectedResponse(kernels, { session, vector: kernels.put(altered), n, extra: extraC }, point),
    respond: (challenge: Uint8Array, extra = extraB) =>
      responseTo(kernels, { session, vector: kernels.put(b), n, extra, delta }, challenge),
    c,
    extraB,
  };
}

test('one block off anywhere is refused', async () => {
  const { kernels, n, c, expected, respond, challenge } = await vectors();
  const mark = kernels.mark();
  const response = respond(challenge);
  expect(() => checkResponse(expected(), response)).not.toThrow();
  for (const place of [0, 1, 15, 16, 4095, n - 1]) {
    const altered = c.slice();
    altered[16 * place + 7]! ^= 32;
    kernels.release(mark);
    expect(() => checkResponse(expected(altered), response)).toThrow(refused);
  }
});

test('a sender that bets on a point passes if it guessed it, and is refused otherwise', async () => {
  const { kernels, n, noise, c, point, add, expected, respond, challenge, extraB } = await vectors();
  const [place, other] = placesOf(noise) as [number, number];
  const error = random(16);
  const altered = c.slice();
  // The total of tree 0 is off by the error, so the leaf at its point is.
  add(altered.subarray(16 * place, 16 * place + 16), error);
  const bet = (guess: number) => {
    const extra = extraB.slice();
    add(extra, innerProduct(kernels, powers(kernels, point, [n - 1 - guess]), error));
    return respond(challenge, extra);
  };
  expect(() => checkResponse(expected(altered), bet(place))).not.toThrow();
  for (const wrong of [place ^ 1, other]) expect(() => checkResponse(expected(altered), bet(wrong))).toThrow(refused);
});

test('a polynomial is evaluated as its definition says', async () => {
  const kernels = await loadKernels();
  const [blocks, point] = [random(16 * 48), random(16)];
  const [x] = blocksToIntegers(point) as [bigint];
  const expected = blocksToIntegers(blocks).reduce((sum, block) => multiplyReference(sum, x) ^ block, 0n);
  const value = evaluate(kernels, kernels.put(blocks), 48, point);
  expect(blocksToIntegers(value)).toEqual([expected]);
  const weights = powers(kernels, point, [0, 1, 5, 47]);
  const power = (exponent: number): bigint => (exponent === 0 ? 1n : multiplyReference(power(exponent - 1), x));
  expect(blocksToIntegers(weights)).toEqual([0, 1, 5, 47].map(power));
});
