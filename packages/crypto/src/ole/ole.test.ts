import { seededRng } from '@2pm/testing/seeded-rng';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { loadKernels } from '../wasm/kernels.ts';
import { ANSWER_BYTES, OFFER_BYTES, OleReceiver, OleSender } from './ole.ts';
import { GROUPS, inverse, LIMBS, MASK_BITS, PLAIN, power, Q, rootOf, SLOTS } from './parameters.ts';
import { MONTGOMERY, POLYNOMIAL, Ring } from './ring.ts';

const SESSION = new Uint8Array(32).fill(7);
const modulo = (value: bigint) => BigInt.asUintN(64, value);
const randomWords = () => new BigUint64Array(nodeRng.fill(new Uint8Array(8 * SLOTS)).buffer);
const product = (factors: readonly bigint[]) => factors.reduce((all, factor) => all * factor, 1n);

let ring: Ring;
beforeAll(async () => {
  ring = new Ring(await loadKernels());
});

describe('the parameters', () => {
  test('are ascending primes below 2^31 with roots of order 16384', () => {
    for (const list of [LIMBS, PLAIN]) expect([...list].sort((x, y) => (x < y ? -1 : 1))).toEqual(list);
    for (const prime of [...LIMBS, ...PLAIN]) {
      expect(prime < 2n ** 31n && prime % BigInt(2 * SLOTS) === 1n).toBe(true);
      for (const base of [2n, 3n, 5n, 7n, 11n]) expect(power(base, prime - 1n, prime)).toBe(1n);
      for (let divisor = 3n; divisor * divisor <= prime; divisor += 2n) if (prime % divisor === 0n) expect.fail();
      expect(power(rootOf(prime), BigInt(SLOTS), prime)).toBe(prime - 1n);
    }
    expect(new Set([...LIMBS, ...PLAIN]).size).toBe(12);
  });

  test('keep q within what 128 bits admit for the degree, and mask and worst noise below q/2', () => {
    expect(Q < 2n ** 214n).toBe(true);
    const [p, r] = GROUPS.at(-1)!;
    const T = p * r;
    const worst = BigInt(SLOTS) * (22n * T) * (22n * T) + BigInt(SLOTS) * 21n * T;
    expect(worst < 2n ** 146n).toBe(true);
    // The fractions of `quotients` are exact to 2^-18.
    expect(2n * (worst + 2n ** BigInt(MASK_BITS)) < Q - (Q >> 16n)).toBe(true);
    expect(product(PLAIN) > 2n ** (128n + 54n)).toBe(true);
  });
});

describe('the ring', () => {
  const load = (values: readonly bigint[], at = ring.alloc()) => {
    ring.kernels.words(at, SLOTS).fill(0).set(values.map(Number));
    return at;
  };
  const read = (at: number) => Array.from(ring.kernels.words(at, SLOTS), BigInt);
  const below = (prime: bigint) => fc.bigInt({ min: 0n, max: prime - 1n });

  test.each([LIMBS[0]!, PLAIN[5]!])('multiplies as polynomials modulo X^8192 + 1 and %d', (prime) => {
    const [few, any] = [
      fc.array(fc.tuple(fc.nat(SLOTS - 1), below(prime)), { minLength: 1, maxLength: 4 }),
      fc.array(below(prime), { minLength: SLOTS, maxLength: SLOTS, size: 'max' }),
    ];
    fc.assert(
      fc.property(few, any, (sparse, dense) => {
        const mark = ring.kernels.mark();
        const expected = new Array<bigint>(SLOTS).fill(0n);
        const left = new Array<bigint>(SLOTS).fill(0n);
        for (const [at, factor] of sparse) {
          left[at] = (left[at]! + factor) % prime;
          for (const [i, value] of dense.entries()) {
            const to = at + i;
            expected[to % SLOTS] = expected[to % SLOTS]! + (to < SLOTS ? factor : prime - factor) * value;
          }
        }
        const [x, y] = [load(left), load(dense)];
        for (const at of [x, y]) ring.toValues(at, prime);
        ring.multiplyAdd(x, y, undefined, prime, x);
        ring.toCoefficients(x, prime, MONTGOMERY);
        expect(read(x)).toEqual(expected.map((value) => value % prime));
        ring.kernels.release(mark);
      }),
      { numRuns: 3 },
    );
  });

  test('sums up words times factors, any words', () => {
    const word = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }), fc.constantFrom(0n, 2n ** 32n - 1n));
    const lists = fc.array(fc.tuple(fc.array(word, { minLength: 16, maxLength: 16 }), fc.bigInt()), { maxLength: 7 });
    fc.assert(
      fc.property(fc.constantFrom(...LIMBS, ...PLAIN), lists, (prime, terms) => {
        const mark = ring.kernels.mark();
        const out = ring.alloc();
        ring.combine(
          terms.map(([values, factor]) => [load(values), factor]),
          prime,
          out,
        );
        for (let i = 0; i < 16; i++) {
          const sum = terms.reduce((total, [values, factor]) => total + values[i]! * factor, 0n);
          expect(read(out)[i]).toBe(((sum % prime) + prime) % prime);
        }
        ring.kernels.release(mark);
      }),
      { numRuns: 20 },
    );
  });

  test('adds a third operand after a product, at the edges too', () => {
    const prime = LIMBS[5]!;
    const edges = [0n, 1n, prime - 1n, prime >> 1n, 2n ** 30n];
    const triples = edges.flatMap((x) => edges.flatMap((y) => edges.map((z) => [x, y, z] as const)));
    const [x, y, z] = [0, 1, 2].map((which) => load(triples.map((triple) => triple[which]!))) as [
      number,
      number,
      number,
    ];
    ring.multiplyAdd(x, y, z, prime, x);
    const back = inverse(MONTGOMERY, prime);
    expect(read(x).slice(0, triples.length)).toEqual(triples.map(([a, b, c]) => (a * b * back + c) % prime));
  });

  test('takes residues back to integers modulo 2^64', () => {
    const T = product(PLAIN);
    const values = [0n, 1n, T - 1n, 2n ** 64n, T >> 1n, ...fc.sample(fc.bigInt({ min: 0n, max: T - 1n }), 50)];
    const { kernels } = ring;
    const residues = ring.alloc(PLAIN.length);
    for (const [k, prime] of PLAIN.entries())
      load(
        values.map((value) => value % prime),
        residues + POLYNOMIAL * k,
      );
    const bytes = (array: BigUint64Array | Uint32Array) => new Uint8Array(array.buffer);
    const inverses = PLAIN.flatMap((of) =>
      PLAIN.flatMap((prime) => {
        const factor = prime < of ? inverse(prime, of) : 0n;
        return [Number(factor), Number((factor << 32n) / of)];
      }),
    );
    const places = PLAIN.map((_, k) => product(PLAIN.slice(0, k)));
    const [primes, table, weights] = [
      kernels.put(bytes(Uint32Array.from(PLAIN, Number))),
      kernels.put(bytes(Uint32Array.from(inverses))),
      kernels.put(bytes(BigUint64Array.from(places))),
    ];
    const out = kernels.alloc(8 * SLOTS);
    kernels.run.garner(residues, PLAIN.length, SLOTS, primes, table, weights, 0, out);
    const integers = new BigUint64Array(kernels.bytes(out, 8 * values.length).slice().buffer);
    expect([...integers]).toEqual(values.map(modulo));
  });
});

/** One receiver, and senders that answer each of its offers. */
function parties(senders = 1, rng = nodeRng) {
  const context = { ring, crypto: nodeCrypto, rng, session: SESSION };
  return {
    receiver: new OleReceiver(context),
    senders: Array.from({ length: senders }, () => new OleSender(context)),
  };
}

test('shares add up to the products, whichever words they are of, in every batch', () => {
  const { receiver, senders } = parties();
  const edges = [0n, 1n, 2n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n];
  const seen = new Set<bigint>();
  for (let batch = 0; batch < 3; batch++) {
    const [a, b] = [randomWords(), randomWords()];
    for (const [i, x] of edges.entries()) {
      for (const [k, y] of edges.entries()) [a[7 * i + k], b[7 * i + k]] = [x, y];
    }
    const offer = receiver.offer(b);
    const { message, shares } = senders[0]!.answer(offer, a);
    expect([offer.length, message.length]).toEqual([OFFER_BYTES, ANSWER_BYTES]);
    const theirs = receiver.finish(message);
    let wrong = 0;
    for (let i = 0; i < SLOTS; i++) if (modulo(a[i]! * b[i]!) !== modulo(shares[i]! + theirs[i]!)) wrong++;
    expect(wrong).toBe(0);
    for (const share of [...shares, ...theirs]) seen.add(share);
  }
  expect(seen.size).toBe(6 * SLOTS);
});

test('one offer serves several senders, and a part of a batch is a batch padded', () => {
  const { receiver, senders } = parties(3);
  const b = BigUint64Array.of(5n, 2n ** 64n - 1n, 2n ** 40n);
  const offer = receiver.offer(b);
  for (const [at, sender] of senders.entries()) {
    const a = BigUint64Array.of(BigInt(at + 1), 2n ** 64n - 3n, 2n ** 63n + 1n);
    const { message, shares } = sender.answer(offer, a);
    const theirs = receiver.finish(message);
    expect(Array.from(b, (word, i) => modulo(word * a[i]!))).toEqual(
      Array.from(b, (_, i) => modulo(shares[i]! + theirs[i]!)),
    );
    expect(modulo(shares[SLOTS - 1]! + theirs[SLOTS - 1]!)).toBe(0n);
  }
});

test('nothing repeats: equal words twice give offers and answers without a word in common', () => {
  const { receiver, senders } = parties();
  const b = new BigUint64Array(SLOTS);
  const offers = [receiver.offer(b), receiver.offer(b)];
  const answers = offers.map((offer) => senders[0]!.answer(offer, b).message);
  for (const messages of [offers, answers]) {
    const [one, other] = messages.map((message) => new Uint32Array(message.buffer));
    // Two uniform words below 2^31 agree once in 2^31 times.
    expect(one!.filter((word, i) => word === other![i]).length).toBeLessThan(10);
  }
});

test('messages show nothing to the eye: residues of offers and answers are spread evenly, for words of zero too', () => {
  const { receiver, senders } = parties();
  const offer = receiver.offer(new BigUint64Array(SLOTS));
  const { message } = senders[0]!.answer(offer, new BigUint64Array(SLOTS));
  // Both halves of answers too: without u the second would be the public half of the offer times a, and so show a.
  const ciphertext = 2 * POLYNOMIAL * LIMBS.length;
  const answers = GROUPS.flatMap((_, g) =>
    [0, 1].map((half) => message.subarray(ciphertext * (g + half / 2), ciphertext * (g + (half + 1) / 2))),
  );
  for (const bytes of [offer, ...answers]) {
    const words = new Uint32Array(bytes.slice().buffer);
    const counts = new Array<number>(16).fill(0);
    for (const word of words) counts[word >>> 27]!++;
    const deviation = Math.sqrt(words.length / 16);
    for (const count of counts) expect(Math.abs(count - words.length / 16)).toBeLessThan(6 * deviation);
  }
});

test('another session, or an answer that was altered, gives other shares: correctness rests on both keeping to it', () => {
  const { receiver, senders } = parties();
  const b = BigUint64Array.of(3n);
  const offer = receiver.offer(b);
  const stranger = new OleSender({ ring, crypto: nodeCrypto, rng: seededRng(4), session: new Uint8Array(32) });
  const { message, shares } = stranger.answer(offer, b);
  expect(modulo(receiver.finish(message)[0]! + shares[0]!)).not.toBe(9n);
  const good = senders[0]!.answer(offer, b);
  good.message[100]! ^= 1;
  expect(modulo(receiver.finish(good.message)[0]! + good.shares[0]!)).not.toBe(9n);
});

test('messages of a wrong length are refused with a code', () => {
  const { receiver, senders } = parties();
  const code = expect.objectContaining({ code: 'OLE_BAD_LENGTH', fault: 'peer' });
  for (const bad of [new Uint8Array(), new Uint8Array(OFFER_BYTES - 1), new Uint8Array(ANSWER_BYTES + 4)]) {
    expect(() => senders[0]!.answer(bad, BigUint64Array.of(1n))).toThrow(code);
    expect(() => receiver.finish(bad)).toThrow(code);
  }
});
