import { isNodeError } from '@2pm/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Group, loadGroup } from '../group/ristretto255.ts';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { voleParameters } from '../vole/parameters.ts';
import { loadKernels } from '../wasm/kernels.ts';
import {
  choiceBits,
  padKey,
  receiveBitProducts,
  receiveBits,
  receiveSixteen,
  sendBitProducts,
  sendBits,
  sendSixteen,
} from './products.ts';
import { SilentOtReceiver, SilentOtSender, silentOtMessageBytes } from './silent.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
let group: Group;
beforeAll(async () => {
  group = await loadGroup();
});

/** Both ends in one process, up to the first batch. */
async function begun(atLeast: number, batches: number) {
  const shared = { group, crypto: nodeCrypto, rng: nodeRng, session: random(32), parameters: voleParameters(atLeast) };
  const [mine, theirs] = [await loadKernels(), await loadKernels()];
  const sender = new SilentOtSender({ ...shared, batches, kernels: mine });
  const receiver = new SilentOtReceiver({ ...shared, batches, kernels: theirs });
  const choice = receiver.choose(sender.answer);
  sender.begin(receiver.offer, choice);
  const { length } = shared.parameters;
  const lengths = silentOtMessageBytes({ parameters: shared.parameters, batches });
  expect([receiver.offer, sender.answer, choice].map((message) => message.length)).toEqual([
    lengths.offer,
    lengths.answer,
    lengths.choice,
  ]);
  return { sender, receiver, mine, theirs, length, lengths, session: shared.session };
}

/** One batch of it, with the bits. */
async function batch(atLeast = 1) {
  const { sender, receiver, mine, theirs, length, session } = await begun(atLeast, 1);
  const { q, correction } = sender.next();
  const t = receiver.next(correction);
  const sent = { at: q, delta: sender.delta, count: length };
  const received = { at: t, count: length };
  const key = padKey(session, 0);
  return {
    ...{ sent, received, length, session },
    sending: { kernels: mine, crypto: nodeCrypto, key },
    receiving: { kernels: theirs, crypto: nodeCrypto, key },
    choices: choiceBits(theirs, received),
  };
}

const bitOf = (packed: Uint32Array, i: number) => BigInt((packed[i >> 5]! >>> (i & 31)) & 1);
const modulo = (value: bigint) => BigInt.asUintN(64, value);

test.each([1, 5000])('at least %i transfers a batch correlate in every batch: t = q ⊕ r·Δ', async (atLeast) => {
  const { sender, receiver, mine, theirs, length, lengths } = await begun(atLeast, 3);
  const seen = new Set<string>();
  for (let index = 0; index < 3; index++) {
    const { q, correction } = sender.next();
    expect(correction.length).toBe(lengths.correction);
    const t = receiver.next(correction);
    const [sent, received] = [mine.bytes(q, 16 * length), theirs.bytes(t, 16 * length)];
    const choices = choiceBits(theirs, { at: t, count: length });
    let ones = 0;
    for (let i = 0; i < length; i++) {
      const bit = Number(bitOf(choices, i));
      ones += bit;
      for (let k = 0; k < 16; k++) {
        if (received[16 * i + k] !== (sent[16 * i + k]! ^ (bit * sender.delta[k]!))) expect.fail(`transfer ${i}`);
      }
      seen.add(String(sent.slice(16 * i, 16 * i + 16)));
    }
    // Six standard deviations.
    expect(Math.abs(ones - length / 2)).toBeLessThan(3 * Math.sqrt(length));
  }
  expect(seen.size).toBe(3 * length);
  expect(() => sender.next()).toThrow(RangeError);
});

test('messages of a wrong length are refused with a code', async () => {
  const { sender, receiver } = await begun(1, 2);
  const refused = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      return isNodeError(error) && error.code === 'OT_BAD_LENGTH' && error.fault === 'peer';
    }
    return false;
  };
  expect(refused(() => sender.begin(receiver.offer, new Uint8Array(3)))).toBe(true);
  expect(refused(() => receiver.next(sender.next().correction.subarray(1)))).toBe(true);
});

describe('products', () => {
  test('of bits as bits, without a message', async () => {
    const { sent, received, sending, receiving, choices, length } = await batch();
    const { factors, shares } = sendBits(sending, sent);
    const theirs = receiveBits(receiving, received);
    for (let i = 0; i < length / 32; i++) {
      expect((shares[i]! ^ theirs[i]!) >>> 0).toBe((factors[i]! & choices[i]!) >>> 0);
    }
    const products = Array.from({ length }, (_, i) => 2 * Number(bitOf(factors, i)) + Number(bitOf(choices, i)));
    for (const value of [0, 1, 2, 3]) {
      const times = products.filter((product) => product === value).length;
      expect(Math.abs(times - length / 4)).toBeLessThan(6 * Math.sqrt((3 * length) / 16));
    }
  });

  test('of one of sixteen pairs of bits: the chosen slot alone', async () => {
    const { sent, received, sending, receiving, choices, length } = await batch();
    const [all, chosen] = [sendSixteen(sending, sent), receiveSixteen(receiving, received)];
    const slots = new Array<number>(16).fill(0);
    const equal = new Array<number>(16).fill(0);
    for (let i = 0; i < length / 4; i++) {
      const choice = (choices[i >> 3]! >>> (4 * (i & 7))) & 15;
      slots[choice]!++;
      expect(chosen[i]).toBe((all[i]! >>> (2 * choice)) & 3);
      for (let other = 1; other < 16; other++) {
        if (((all[i]! >>> (2 * (choice ^ other))) & 3) === chosen[i]) equal[other]!++;
      }
    }
    // Other slots agree with it as often as two random bits do, and every slot is chosen.
    const deviation = 6 * Math.sqrt((length * 3) / 64);
    for (const times of equal.slice(1)) expect(Math.abs(times - length / 16)).toBeLessThan(deviation);
    expect(slots.every((times) => times > 0)).toBe(true);
  });

  test('of words and bits', async () => {
    const { sent, received, sending, receiving, choices, length } = await batch();
    const factors = new BigUint64Array(random(8 * length).buffer);
    factors.set([0n, 1n, 2n ** 64n - 1n]);
    const { shares, message } = sendBitProducts(sending, sent, factors);
    const theirs = receiveBitProducts(receiving, received, message);
    for (let i = 0; i < length; i++) {
      expect(modulo(shares[i]! + theirs[i]!)).toBe(factors[i]! * bitOf(choices, i));
    }
  });

  test('what the receiver of a product reads without its choice is not the factor', async () => {
    const { sent, received, sending, receiving, choices, length } = await batch();
    const [zeros, ones] = [new BigUint64Array(length), new BigUint64Array(length).fill(1n)];
    const messages = [zeros, ones].map((factors) => sendBitProducts(sending, sent, factors).message);
    const words = messages.map((message) => new BigUint64Array(message.buffer));
    const shares = messages.map((message) => receiveBitProducts(receiving, received, message));
    for (let i = 0; i < length; i++) {
      // The two messages differ by one under the same pads: the receiver's view of each alone is its pad or uniform.
      expect(modulo(words[1]![i]! - words[0]![i]!)).toBe(1n);
      expect(shares[0]![i] === shares[1]![i]).toBe(bitOf(choices, i) === 0n);
    }
  });
});
