import { readFileSync } from 'node:fs';
import { concatBytes, fromHex, type Rng } from '@2pm/core';
import { ristretto255, ristretto255_oprf } from '@noble/curves/ed25519.js';
import { beforeAll, expect, test } from 'vitest';
import { type Group, loadGroup } from '../group/ristretto255.ts';
import { nodeRng } from '../node/provider.ts';
import { loadOprf, type Oprf } from './oprf.ts';

interface Vector {
  Batch: number;
  Blind: string;
  BlindedElement: string;
  EvaluationElement: string;
  Input: string;
  Output: string;
  Proof?: { proof: string; r: string };
}
interface Suite {
  mode: 0 | 1;
  keyInfo: string;
  seed: string;
  skSm: string;
  pkSm?: string;
  vectors: Vector[];
}

const file = new URL('../../../../vectors/rfc9497/ristretto255-sha512.json', import.meta.url);
const { suites } = JSON.parse(readFileSync(file, 'utf8')) as { suites: Suite[] };
const hex = (text: string) => fromHex(`0x${text}`);
const list = (text: string) => text.split(',').map(hex);
const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const code = (code: string) => expect.objectContaining({ code });

/** Draws these scalars, in order. */
function scripted(scalars: readonly Uint8Array[]): Rng {
  let drawn = 0;
  return {
    fill(bytes) {
      bytes.set(scalars[drawn++]!);
      return bytes;
    },
  };
}

let group: Group;
const oprfs: Oprf[] = [];
beforeAll(async () => {
  group = await loadGroup();
  oprfs.push(await loadOprf('oprf'), await loadOprf('voprf'));
});

const cases = suites.flatMap(({ vectors, ...suite }) =>
  vectors.map((vector, i) => [suite.mode, i, suite, vector] as const),
);

test('the vectors of both modes are there', () => {
  expect(cases.map(([mode, i]) => [mode, i])).toEqual([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
    [1, 2],
  ]);
});

test.each(cases)('mode %i, vector %i of RFC 9497 comes out to the byte', (mode, _, suite, vector) => {
  const oprf = oprfs[mode]!;
  const keys = oprf.deriveKeyPair(hex(suite.seed), hex(suite.keyInfo));
  expect(keys.secretKey).toEqual(hex(suite.skSm));
  if (suite.pkSm !== undefined) expect(keys.publicKey).toEqual(hex(suite.pkSm));
  const inputs = list(vector.Input);
  expect(inputs).toHaveLength(vector.Batch);
  const { blinds, elements } = oprf.blind(inputs, scripted(list(vector.Blind)));
  expect(elements).toEqual(concatBytes(...list(vector.BlindedElement)));
  const evaluated = oprf.blindEvaluate(keys.secretKey, elements);
  expect(evaluated).toEqual(concatBytes(...list(vector.EvaluationElement)));
  if (vector.Proof !== undefined) {
    const proof = oprf.prove(keys, elements, evaluated, scripted([hex(vector.Proof.r)]));
    expect(proof).toEqual(hex(vector.Proof.proof));
    oprf.verify(keys.publicKey, elements, evaluated, proof);
  }
  expect(oprf.finalize(inputs, blinds, evaluated)).toEqual(list(vector.Output));
  expect(inputs.map((input) => oprf.evaluate(keys.secretKey, input))).toEqual(list(vector.Output));
});

test('random batches come out as the readable implementation has them, and its proofs and ours verify each other', () => {
  const { voprf } = ristretto255_oprf;
  const oprf = oprfs[1]!;
  const keys = oprf.deriveKeyPair(random(32), random(7));
  const inputs = [random(16), random(1), new Uint8Array(0), random(300)];
  const { blinds, elements } = oprf.blind(inputs, nodeRng);
  const evaluated = oprf.blindEvaluate(keys.secretKey, elements);
  const split = (packed: Uint8Array) => inputs.map((_, i) => packed.slice(32 * i, 32 * i + 32));
  const theirs = voprf.blindEvaluateBatch(keys.secretKey, keys.publicKey, split(elements));
  expect(concatBytes(...theirs.evaluated)).toEqual(evaluated);
  oprf.verify(keys.publicKey, elements, evaluated, theirs.proof);
  const proof = oprf.prove(keys, elements, evaluated, nodeRng);
  const outputs = oprf.finalize(inputs, blinds, evaluated);
  const items = inputs.map((input, i) => ({
    input,
    blind: blinds[i]!,
    blinded: split(elements)[i]!,
    evaluated: split(evaluated)[i]!,
  }));
  expect(voprf.finalizeBatch(items, keys.publicKey, proof)).toEqual(outputs);
});

test('another blind hides the input anew and gives the same output', () => {
  const oprf = oprfs[0]!;
  const { secretKey } = oprf.keyPair(nodeRng);
  const input = random(16);
  const runs = [0, 1].map(() => {
    const { blinds, elements } = oprf.blind([input], nodeRng);
    return { elements, output: oprf.finalize([input], blinds, oprf.blindEvaluate(secretKey, elements))[0] };
  });
  expect(runs[0]!.elements).not.toEqual(runs[1]!.elements);
  expect(runs[0]!.output).toEqual(runs[1]!.output);
});

test('scalars invert, all at once as one by one', () => {
  const scalars = Array.from({ length: 5 }, () => group.randomScalar(nodeRng));
  const one = new Uint8Array(32);
  one[0] = 1;
  for (const [i, inverse] of group.invertAll(scalars).entries()) {
    expect(group.scalarMultiply(scalars[i]!, inverse)).toEqual(one);
    expect(group.invertAll([scalars[i]!])).toEqual([inverse]);
  }
  expect(group.invertAll([])).toEqual([]);
});

const order = ristretto255.Point.Fn.ORDER;
const littleEndian = (value: bigint) =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
/** Encodings that RFC 9496 §4.3.1 refuses: the identity, no field element, a negative one, no square, too short, too long. */
const badElements: [string, Uint8Array][] = [
  ['the identity', new Uint8Array(32)],
  ['a field element not reduced', littleEndian(2n ** 255n - 19n + 2n)],
  ['a field element with its top bit set', littleEndian(2n ** 255n + 2n)],
  ['a negative field element', littleEndian(1n)],
  ['all ones', new Uint8Array(32).fill(255)],
  ['31 bytes', new Uint8Array(31).fill(2)],
  ['33 bytes', new Uint8Array(33).fill(2)],
];

test.each(badElements)('%s is no element, wherever it comes in', (_, bad) => {
  const oprf = oprfs[1]!;
  const keys = oprf.keyPair(nodeRng);
  const inputs = [random(16), random(16)];
  const { blinds, elements } = oprf.blind(inputs, nodeRng);
  const good = oprf.blindEvaluate(keys.secretKey, elements);
  const proof = oprf.prove(keys, elements, good, nodeRng);
  const spoilt = concatBytes(good.subarray(0, 32), bad);
  expect(group.isElement(bad)).toBe(false);
  expect(() => oprf.blindEvaluate(keys.secretKey, spoilt)).toThrow(code('GROUP_BAD_ELEMENT'));
  expect(() => oprf.finalize(inputs, blinds, spoilt)).toThrow(code('GROUP_BAD_ELEMENT'));
  expect(() => oprf.verify(bad, elements, good, proof)).toThrow(code('GROUP_BAD_ELEMENT'));
  expect(() => oprf.verify(keys.publicKey, elements, spoilt, proof)).toThrow();
});

test('about half of all even field elements are no group elements, and none of them passes as one', () => {
  let refused = 0;
  for (let i = 0; i < 64; i++) {
    const bytes = random(32);
    bytes[0]! &= 254;
    bytes[31]! &= 127;
    let expected = true;
    try {
      ristretto255.Point.fromBytes(bytes);
    } catch {
      expected = false;
      refused++;
    }
    expect(group.isElement(bytes)).toBe(expected);
  }
  expect(refused).toBeGreaterThan(0);
});

test('a proof holds for its key, elements and evaluations alone', () => {
  const oprf = oprfs[1]!;
  const [keys, other] = [oprf.keyPair(nodeRng), oprf.keyPair(nodeRng)];
  const { elements } = oprf.blind([random(16), random(16)], nodeRng);
  const evaluated = oprf.blindEvaluate(keys.secretKey, elements);
  const proof = oprf.prove(keys, elements, evaluated, nodeRng);
  const swap = (packed: Uint8Array) => concatBytes(packed.subarray(32), packed.subarray(0, 32));
  const one = concatBytes(evaluated.subarray(0, 32), oprf.blindEvaluate(other.secretKey, elements.subarray(32)));
  const s = proof.slice(32);
  const notReduced = littleEndian(s.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order);
  const cases: [Uint8Array, Uint8Array, Uint8Array, Uint8Array][] = [
    [other.publicKey, elements, evaluated, proof],
    [keys.publicKey, elements, oprf.blindEvaluate(other.secretKey, elements), proof],
    [keys.publicKey, elements, one, proof],
    [keys.publicKey, elements, one, oprf.prove(keys, elements, one, nodeRng)],
    [keys.publicKey, swap(elements), evaluated, proof],
    [keys.publicKey, swap(elements), swap(evaluated), proof],
    [keys.publicKey, elements, evaluated, proof.subarray(1)],
    [keys.publicKey, elements, evaluated, new Uint8Array(64)],
    [keys.publicKey, elements, evaluated, concatBytes(proof.subarray(0, 32), notReduced)],
    [keys.publicKey, elements, evaluated, concatBytes(proof.subarray(32), proof.subarray(0, 32))],
  ];
  for (const arguments_ of cases) expect(() => oprf.verify(...arguments_)).toThrow(code('OPRF_BAD_PROOF'));
  oprf.verify(keys.publicKey, elements, evaluated, proof);
});

test('batches that are empty, unequal or longer than the counter are refused, and so are odd seeds and long inputs', () => {
  const oprf = oprfs[1]!;
  const keys = oprf.keyPair(nodeRng);
  const { elements } = oprf.blind([random(16)], nodeRng);
  for (const [c, d] of [
    [new Uint8Array(0), new Uint8Array(0)],
    [elements, new Uint8Array(0)],
    [new Uint8Array(32 * 65_536), new Uint8Array(32 * 65_536)],
  ] as const) {
    expect(() => oprf.prove(keys, c, d, nodeRng)).toThrow(code('OPRF_BAD_BATCH'));
    expect(() => oprf.verify(keys.publicKey, c, d, new Uint8Array(64))).toThrow(code('OPRF_BAD_BATCH'));
  }
  expect(() => oprf.deriveKeyPair(random(31), random(1))).toThrow(code('OPRF_BAD_SEED'));
  expect(() => oprf.blind([new Uint8Array(65_536)], nodeRng)).toThrow(code('OPRF_BAD_INPUT'));
  expect(() => oprf.finalize([random(16)], [], elements)).toThrow(code('GROUP_BAD_ELEMENT'));
});
