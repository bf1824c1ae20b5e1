/**
 * Checks everything that was recorded since the last check: products of words and ANDs of bits behind one coin. Nothing
 * leaves a seat, and no record is kept, before it has passed. Rounds: claims, 3 of the coin, openings, verdicts.
 * @module
 */
import { equalBytes } from '@2pm/core';
import type { Exchange } from '../execute.ts';
import { Masks } from '../rep3/masks.ts';
import type { Simd } from '../rep3/simd.ts';
import { AndCheck, checkBits, wrongAnd } from './ands.ts';
import { type CoinContext, tossCoin } from './coin.ts';
import type { Rep3MaliciousEngine } from './engine.ts';
import type { Kernels } from './kernels.ts';
import { ProductCheck } from './products.ts';

/** Records beyond which a check runs before the circuit goes on: they, and what checks them, stay in memory. */
const MOST_WORDS = 1 << 20;
const MOST_PACKED = 1 << 18;

export interface CheckContext extends CoinContext {
  keys: { a: Masks; b: Masks };
  simd: Simd;
  kernels: Kernels;
}

export class Check {
  readonly #context: CheckContext;
  readonly #engine: Rep3MaliciousEngine;
  #done = 0;

  constructor(context: CheckContext, engine: Rep3MaliciousEngine) {
    this.#context = context;
    this.#engine = engine;
  }

  /** Whether to run now. A function of the circuit alone: all seats agree. */
  get due(): boolean {
    const words = this.#engine.products.reduce((sum, { x, y }) => sum + x.a.length + y.a.length, 0);
    return words > MOST_WORDS || this.#engine.ands.length > MOST_PACKED;
  }

  /** @throws {NodeError} `MPC_CHECK_FAILED`, `MPC_EQUIVOCATION`. */
  *run(): Generator<Exchange, void, Uint8Array> {
    const { products, ands } = this.#engine;
    const [words, bits] = [products.splice(0), ands.length > 0];
    if (words.length === 0 && !bits) return;
    const number = this.#done++;
    const product = words.length === 0 ? undefined : new ProductCheck(this.#context, words);
    const and = bits ? new AndCheck(this.#context, ands, checkBits(number)) : undefined;
    yield* product?.claim() ?? [];
    yield* and?.makeTriples() ?? [];
    const coin = new Masks(this.#context.crypto, yield* tossCoin(this.#context, number), this.#context.sid);
    yield* product?.verify(coin) ?? [];
    yield* and?.open(coin) ?? [];
    if (and === undefined) return;
    const { own, expected } = and.verdict();
    const answer = yield { send: new Uint8Array(0), expect: 0, back: { send: own, expect: expected.length } };
    if (!equalBytes(answer, expected)) throw wrongAnd();
  }
}
