/**
 * Triples of words and of matrices, for any number of seats: seat i holds a_i, b_i and c_i, and the sum of all a times that
 * of all b is the sum of all c.
 *
 * Construction: triples after Beaver (CRYPTO 1991); c_i is a_i·b_i and shares of a_i·b_j and a_j·b_i for every other seat j,
 * each of them made by `crypto/ole/ole.ts`. What a seat offers goes to all others. A matrix product takes all products of
 * elements.
 * Corruption model: semi-honest, all seats but one. Rounds: one for every 32,768 products, and one more. Bytes to each
 * other seat: 1,769,472 for every 8192 products or a part of them, so 216 each where they are many.
 * Leakage: none beyond the lengths, which follow from the circuit. Deviations: those of `crypto/ole/ole.ts`.
 * @module
 */
import { fromHex, type Hash, hashValue, type SeatContext } from '@2pm/core';
import { ANSWER_BYTES, OFFER_BYTES, OleReceiver, OleSender, Ring, SLOTS } from '@2pm/crypto/ole';
import { loadKernels } from '@2pm/crypto/wasm';
import type { Gate } from '../circuit.ts';
import { bytesOf } from '../rep3/share.ts';
import type { Simd } from '../rep3/simd.ts';
import type { Demand } from './demand.ts';
import type { Link } from './link.ts';
import type { Triple } from './supply.ts';

/** Batches of products that travel together. */
const TOGETHER = 4;

export interface Triples {
  words: Triple<BigUint64Array>;
  matrices: ReadonlyMap<Gate, Triple<BigUint64Array>>;
}

/** Also the unit of `onRound`. */
export function tripleRounds(demand: Demand): number {
  const batches = Math.ceil(productsOf(demand) / SLOTS);
  return batches === 0 ? 0 : Math.ceil(batches / TOGETHER) + 1;
}

/** Sent to each other seat. */
export function tripleBytes(demand: Demand): number {
  return Math.ceil(productsOf(demand) / SLOTS) * (OFFER_BYTES + ANSWER_BYTES);
}

/** `links`: to all other seats. `binding`: hash of what the seats agreed on, unique for the session. */
export async function makeTriples(
  { seat, rng, crypto }: Pick<SeatContext, 'seat' | 'rng' | 'crypto'>,
  { links, binding, simd, onRound }: { links: readonly Link[]; binding: Hash; simd: Simd; onRound: () => void },
  demand: Demand,
): Promise<Triples> {
  const factors = new Factors(demand, simd, (bytes) => rng.fill(bytes));
  const batches = Math.ceil(factors.length / SLOTS);
  if (batches === 0) return factors.triples;
  const ring = new Ring(await loadKernels());
  const session = (receiver: number) => fromHex(hashValue('2pm/mpc-products/1', { binding, receiver }));
  const receiver = new OleReceiver({ ring, crypto, rng, session: session(seat) });
  const senders = links.map(({ peer }) => new OleSender({ ring, crypto, rng, session: session(peer) }));

  const range = (round: number) => {
    const from = Math.min(batches, TOGETHER * round);
    return Array.from({ length: Math.min(batches, from + TOGETHER) - from }, (_, i) => SLOTS * (from + i));
  };
  let offered: Uint8Array[][] = links.map(() => []);
  for (let round = 0; round < tripleRounds(demand); round++) {
    const [offering, answering] = [range(round), round === 0 ? [] : range(round - 1)];
    const offers = offering.map((from) => receiver.offer(factors.pairs(from).b));
    const exchange = async (link: Link, sender: OleSender, theirs: readonly Uint8Array[]) => {
      const send = async () => {
        for (const offer of offers) await link.send(offer);
        for (const [i, from] of answering.entries()) {
          const { message, shares } = sender.answer(theirs[i] as Uint8Array, factors.pairs(from).a);
          factors.take(from, shares);
          await link.send(message);
        }
      };
      const receive = async () => {
        const received: Uint8Array[] = [];
        for (const _ of offering) received.push(await link.receive(OFFER_BYTES));
        for (const from of answering) factors.take(from, receiver.finish(await link.receive(ANSWER_BYTES)));
        return received;
      };
      return (await Promise.all([receive(), send()]))[0];
    };
    offered = await Promise.all(
      links.map((link, i) => exchange(link, senders[i] as OleSender, offered[i] as Uint8Array[])),
    );
    onRound();
  }
  return factors.triples;
}

function productsOf({ words, matrices }: Demand): number {
  return matrices.reduce((sum, { rows, inner, columns }) => sum + rows * inner * columns, words);
}

/** One seat's triples while they are made, as one long list of products: those of words, then matrix by matrix. */
class Factors {
  readonly length: number;
  readonly triples: Triples;
  readonly #matrices: readonly { from: number; to: number; columns: number; of: Triple<BigUint64Array> }[];

  /** c begins with the products of the seat's own factors. */
  constructor(demand: Demand, simd: Simd, random: (bytes: Uint8Array) => Uint8Array) {
    const vector = (length: number) => {
      const out = new BigUint64Array(length);
      random(bytesOf(out));
      return out;
    };
    const [a, b] = [vector(demand.words), vector(demand.words)];
    const words = { a, b, c: new BigUint64Array(a.length) };
    for (let i = 0; i < a.length; i++) words.c[i] = a[i]! * b[i]!;
    let to = a.length;
    const matrices = demand.matrices.map(({ gate, rows, inner, columns }) => {
      const [left, right] = [vector(rows * inner), vector(inner * columns)];
      const of = { a: left, b: right, c: simd.matrixProducts([[left, right]], inner) };
      const from = to;
      to += rows * right.length;
      return { gate, from, to, columns, of };
    });
    this.length = to;
    this.#matrices = matrices;
    this.triples = { words, matrices: new Map(matrices.map(({ gate, of }) => [gate, of])) };
  }

  /** The own factors of the batch of products from number `from` on. */
  pairs(from: number): { a: BigUint64Array; b: BigUint64Array } {
    const length = Math.min(SLOTS, this.length - from);
    const [a, b] = [new BigUint64Array(length), new BigUint64Array(length)];
    const { words } = this.triples;
    a.set(words.a.subarray(from, from + length));
    b.set(words.b.subarray(from, from + length));
    this.#inMatrices(from, ({ of }, i, left, right) => {
      a[i] = of.a[left]!;
      b[i] = of.b[right]!;
    });
    return { a, b };
  }

  /** Adds shares of the products of that batch. */
  take(from: number, shares: BigUint64Array): void {
    const c = this.triples.words.c.subarray(from, from + SLOTS);
    for (let i = 0; i < c.length; i++) c[i] = c[i]! + shares[i]!;
    this.#inMatrices(from, ({ of }, i, _left, _right, sum) => {
      of.c[sum] = of.c[sum]! + shares[i]!;
    });
  }

  /** For each product of a batch, which elements of its matrices it takes, and to which it is added. */
  #inMatrices(
    from: number,
    visit: (matrix: { of: Triple<BigUint64Array> }, i: number, a: number, b: number, c: number) => void,
  ): void {
    for (const matrix of this.#matrices) {
      const end = Math.min(from + SLOTS, matrix.to);
      for (let at = Math.max(from, matrix.from); at < end; at++) {
        const product = at - matrix.from;
        const row = Math.floor(product / matrix.of.b.length);
        const column = product % matrix.columns;
        const [a, b] = [Math.floor(product / matrix.columns), product - row * matrix.of.b.length];
        visit(matrix, at - from, a, b, row * matrix.columns + column);
      }
    }
  }
}
