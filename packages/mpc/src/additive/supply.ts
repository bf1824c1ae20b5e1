/** The correlations of one seat, each handed out once, in the order of the schedule, which both seats have compared. @module */
import { assert } from '@2pm/core';
import type { Gate } from '../circuit.ts';

export interface Triple<Vector> {
  a: Vector;
  b: Vector;
  c: Vector;
}

/** A product of one factor at each seat: the own factors, packed, and the share of the products. */
export interface Cross {
  factor: Uint32Array;
  share: BigUint64Array;
}

/** Both directions of a product of a random word of one seat and a random bit of the other. */
export interface Choices {
  /** The own word, and the share of its product with the other seat's bit. */
  word: BigUint64Array;
  sent: BigUint64Array;
  /** The own bits, packed, and the share of their products with the other seat's words. */
  bit: Uint32Array;
  received: BigUint64Array;
}

export interface Carries {
  /** At seat 1 the bits of its choices, four for each pad; nothing at seat 0. */
  choice: BigUint64Array;
  /** At seat 0 all sixteen, slot m at bits 2m and 2m + 1; at seat 1 the one chosen. */
  pad: Uint32Array;
}

export interface Correlations {
  words: Triple<BigUint64Array>;
  bits: Triple<Uint32Array>;
  carries: Carries;
  crossWords: Cross;
  choices: Choices;
  matrices: ReadonlyMap<Gate, Triple<BigUint64Array>>;
}

export class Supply {
  readonly #of: Correlations;
  readonly #used = { words: 0, bits: 0, carries: 0, crossWords: 0, choices: 0 };
  readonly #matrices: Map<Gate, Triple<BigUint64Array>>;

  constructor(correlations: Correlations) {
    this.#of = correlations;
    this.#matrices = new Map(correlations.matrices);
  }

  words(count: number): Triple<BigUint64Array> {
    const { a, b, c } = this.#of.words;
    const [from, to] = this.#take('words', count, a.length);
    return { a: a.subarray(from, to), b: b.subarray(from, to), c: c.subarray(from, to) };
  }

  /** `packed`: 32-bit words of them, as below. */
  bits(packed: number): Triple<Uint32Array> {
    const { a, b, c } = this.#of.bits;
    const [from, to] = this.#take('bits', packed, a.length);
    return { a: a.subarray(from, to), b: b.subarray(from, to), c: c.subarray(from, to) };
  }

  /** For as many words. */
  carries(count: number): Carries {
    const { choice, pad } = this.#of.carries;
    const [from, to] = this.#take('carries', count, pad.length / 16);
    return { choice: choice.subarray(from, to), pad: pad.subarray(16 * from, 16 * to) };
  }

  crossWords(packed: number): Cross {
    const { factor, share } = this.#of.crossWords;
    const [from, to] = this.#take('crossWords', packed, factor.length);
    return { factor: factor.subarray(from, to), share: share.subarray(32 * from, 32 * to) };
  }

  choices(packed: number): Choices {
    const { word, sent, bit, received } = this.#of.choices;
    const [from, to] = this.#take('choices', packed, bit.length);
    const part = (words: BigUint64Array) => words.subarray(32 * from, 32 * to);
    return { word: part(word), sent: part(sent), bit: bit.subarray(from, to), received: part(received) };
  }

  matrix(gate: Gate): Triple<BigUint64Array> {
    const triple = this.#matrices.get(gate);
    assert(triple !== undefined, 'a matrix product has a triple of its own');
    this.#matrices.delete(gate);
    return triple;
  }

  #take(kind: Exclude<keyof Correlations, 'matrices'>, count: number, all: number): [from: number, to: number] {
    const from = this.#used[kind];
    assert(from + count <= all, `${kind} are used up`);
    this.#used[kind] = from + count;
    return [from, from + count];
  }

  /** How many were handed out: words and 32-bit words of bits. */
  get used(): Readonly<Record<keyof Correlations, number>> {
    return { ...this.#used, matrices: this.#of.matrices.size - this.#matrices.size };
  }
}
