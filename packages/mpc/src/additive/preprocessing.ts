/**
 * Makes the correlations that a circuit takes, before it runs and without its inputs.
 *
 * Construction: triples after Beaver (CRYPTO 1991) from products of one factor at each seat, a0·b1 and a1·b0, each made of
 * transfers towards the seat whose choice bits are the factor b (Gilboa, CRYPTO 1999, §4.1: `crypto/ot/products.ts`);
 * random a and b are as good as any, so choices need no correction. Transfers are silent (`crypto/ot/silent.ts`), in
 * batches of up to 2^20 in each direction.
 * Corruption model: semi-honest. Rounds: base transfers, choice, then one stream from each seat: for each batch a
 * correction and then what the products take. Bytes a seat sends: 260 a triple of words and for each product of elements
 * in a triple of matrices, none a triple of bits or a carry; 8 a choice, and from seat 0 a product of bits as words; for the transfers about 0.1 MB
 * at least, 0.28 bytes each in long batches.
 * Leakage: none beyond the lengths, which follow from the circuit. Every transfer serves for one correlation alone; those
 * under a column of a matrix are hashed under a key of its own for every two rows.
 * @module
 */
import { bytesToWords, concatBytes, fromHex, type Hash, hashValue, type SeatContext } from '@2pm/core';
import { loadGroup } from '@2pm/crypto/group';
import {
  BIT_PRODUCT_BYTES,
  choiceBits,
  type PadContext,
  padKey,
  type Received,
  receiveBitProducts,
  receiveBits,
  receiveSixteen,
  receiveWordProducts,
  type Sent,
  SilentOtReceiver,
  SilentOtSender,
  sendBitProducts,
  sendBits,
  sendSixteen,
  sendWordProducts,
  silentOtMessageBytes,
  WORD_PRODUCT_BYTES,
  WORD_TRANSFERS,
} from '@2pm/crypto/ot';
import { voleParameters } from '@2pm/crypto/vole';
import { loadKernels } from '@2pm/crypto/wasm';
import type { Gate } from '../circuit.ts';
import { widen } from '../rep3/kernels.ts';
import { bytesOf } from '../rep3/share.ts';
import type { Simd } from '../rep3/simd.ts';
import { type Demand, type MatrixShape, type Portion, portionsOf } from './demand.ts';
import type { Link } from './link.ts';
import type { Carries, Choices, Correlations, Triple } from './supply.ts';

/** Transfers of a batch: more would save little of what is sent and need more memory than fits in a cache. */
const BATCH = 2 ** 20;
/** Transfers handled at a time: what their products take fits in a frame. */
const PIECE = 2 ** 17;

/** Rounds before the first gate. */
export const PREPROCESSING_ROUNDS = 3;

/** Of one direction. */
interface Direction {
  portions: readonly Portion[];
  batches: number;
  parameters: ReturnType<typeof voleParameters>;
  session: Uint8Array;
}

export function directionOf(demand: Demand, from: number, binding: Hash): Direction | undefined {
  const portions = portionsOf(demand, from);
  const total = portions.reduce((sum, { transfers }) => sum + transfers, 0);
  if (total === 0) return undefined;
  const batches = Math.ceil(total / BATCH);
  const parameters = voleParameters(Math.ceil(total / batches));
  const session = fromHex(hashValue('2pm/mpc-transfers/1', { binding, from, batches, parameters: { ...parameters } }));
  return { portions, batches, parameters, session };
}

/** Batches of the busier direction: the unit of `onBatch`. */
export function batchesOf(demand: Demand, binding: Hash): number {
  return Math.max(...[0, 1].map((from) => directionOf(demand, from, binding)?.batches ?? 0));
}

/** `binding`: hash of what the seats agreed on, unique for the session. `onBatch` is called after each. */
export async function makeCorrelations(
  { seat, rng, crypto }: Pick<SeatContext, 'seat' | 'rng' | 'crypto'>,
  { link, binding, simd, onBatch }: { link: Link; binding: Hash; simd: Simd; onBatch: () => void },
  demand: Demand,
): Promise<Correlations> {
  const making = new Making(seat, demand, (bytes) => rng.fill(bytes));
  const [outward, inward] = [directionOf(demand, seat, binding), directionOf(demand, 1 - seat, binding)];
  if (outward === undefined && inward === undefined) return making.finish(simd);

  const group = await loadGroup();
  const context = async (direction: Direction) => ({
    ...{ group, crypto, rng, kernels: await loadKernels() },
    ...direction,
  });
  const [mine, theirs] = [outward && (await context(outward)), inward && (await context(inward))];
  const sender = mine && new SilentOtSender(mine);
  const receiver = theirs && new SilentOtReceiver(theirs);
  const none = { offer: 0, answer: 0, choice: 0, correction: 0 };
  const [out, back] = [mine ? silentOtMessageBytes(mine) : none, theirs ? silentOtMessageBytes(theirs) : none];

  const first = concatBytes(receiver?.offer ?? NOTHING, sender?.answer ?? NOTHING);
  const base = await link.swap(first, out.offer + back.answer);
  const choice = receiver?.choose(base.subarray(out.offer)) ?? NOTHING;
  const chosen = await link.swap(choice, out.choice);
  sender?.begin(base.slice(0, out.offer), chosen);

  const send = async () => {
    if (mine === undefined || sender === undefined) return;
    const { kernels } = mine;
    for (let batch = 0; batch < mine.batches; batch++) {
      const mark = kernels.mark();
      const { q, correction } = sender.next();
      await link.send(correction);
      for (const { portion, from, count, at } of piecesOf(mine, batch, q)) {
        const run = { at, count, delta: sender.delta };
        for (const message of making.send({ kernels, crypto }, mine.session, portion, from, run)) {
          await link.send(message);
        }
      }
      kernels.release(mark);
      if (mine.batches >= (theirs?.batches ?? 0)) onBatch();
    }
  };
  const receive = async () => {
    if (theirs === undefined || receiver === undefined) return;
    const { kernels } = theirs;
    for (let batch = 0; batch < theirs.batches; batch++) {
      const mark = kernels.mark();
      const t = receiver.next(await link.receive(back.correction));
      for (const { portion, from, count, at } of piecesOf(theirs, batch, t)) {
        const taking = making.receive({ kernels, crypto }, theirs.session, portion, from, { at, count });
        for (let step = taking.next(); step.done !== true; ) {
          step = taking.next(await link.receive(step.value));
        }
      }
      kernels.release(mark);
      if (theirs.batches > (mine?.batches ?? 0)) onBatch();
    }
  };
  await Promise.all([receive(), send()]);
  return making.finish(simd);
}

/** The pieces of the portions that lie in a batch, whose transfers are at `blocks`; `from` counts in the portion. */
export function* piecesOf({ portions, parameters: { length } }: Direction, batch: number, blocks: number) {
  let start = -length * batch;
  for (const portion of portions) {
    const [low, high] = [Math.max(0, start), Math.min(length, start + portion.transfers)];
    for (let at = low; at < high; at += PIECE) {
      yield { portion, from: at - start, count: Math.min(PIECE, high - at), at: blocks + 16 * at };
    }
    start += portion.transfers;
  }
}

type Context = Omit<PadContext, 'key'>;

/** What is being made at one seat. Vectors are as long as the portions of transfers, a little longer than what is asked for. */
class Making {
  readonly #words: Triple<BigUint64Array>;
  readonly #bits: Triple<Uint32Array>;
  readonly #carries: Carries;
  readonly #crossWords: { factor: Uint32Array; share: BigUint64Array };
  readonly #choices: Choices;
  readonly #matrices: Map<Gate, { shape: MatrixShape; triple: Triple<BigUint64Array> }>;

  constructor(seat: number, demand: Demand, random: (bytes: Uint8Array) => Uint8Array) {
    const transfers = (kind: Portion['kind']) =>
      portionsOf(demand, 0).find((portion) => portion.kind === kind)?.transfers ?? 0;
    const randomWords = (length: number) => {
      const out = new BigUint64Array(length);
      random(bytesOf(out));
      return out;
    };
    const words = transfers('words') / WORD_TRANSFERS;
    this.#words = { a: randomWords(words), b: new BigUint64Array(words), c: new BigUint64Array(words) };
    const packed = (kind: Portion['kind']) => new Uint32Array(transfers(kind) / 32);
    this.#bits = { a: packed('bits'), b: packed('bits'), c: packed('bits') };
    const carries = transfers('carries') / WORD_TRANSFERS;
    this.#carries = { choice: new BigUint64Array(seat === 1 ? carries : 0), pad: new Uint32Array(16 * carries) };
    const factor = packed('crossWords');
    // The other seat's factors are its choice bits.
    if (seat === 0) random(bytesOf(factor));
    this.#crossWords = { factor, share: new BigUint64Array(transfers('crossWords')) };
    const choices = transfers('choices');
    this.#choices = {
      ...{ word: randomWords(choices), bit: packed('choices') },
      ...{ sent: new BigUint64Array(choices), received: new BigUint64Array(choices) },
    };
    this.#matrices = new Map(
      demand.matrices.map((shape) => {
        const { gate, rows, inner, columns } = shape;
        const [b, c] = [new BigUint64Array(inner * columns), new BigUint64Array(rows * columns)];
        return [gate, { shape, triple: { a: randomWords(rows * inner), b, c } }];
      }),
    );
  }

  /** The own factors of a piece; what the other seat is to be sent, message by message. */
  *send(context: Context, session: Uint8Array, portion: Portion, from: number, run: Sent): Generator<Uint8Array> {
    const padded = { ...context, key: padKey(session, 0) };
    const [first, last] = [from / WORD_TRANSFERS, (from + run.count) / WORD_TRANSFERS];
    const [low, high] = [from / 32, (from + run.count) / 32];
    switch (portion.kind) {
      case 'words': {
        for (const { share, message } of sendWordProducts(padded, run, [this.#words.a.subarray(first, last)])) {
          addTo(this.#words.c.subarray(first, last), share);
          yield message;
        }
        return;
      }
      case 'matrix': {
        const { rows } = portion.shape;
        for (let row = 0; row < rows; row += 2) {
          const pair = [row, row + 1].filter((each) => each < rows);
          const factors = pair.map((each) => this.#row(portion.shape, each, run, first));
          const products = sendWordProducts({ ...context, key: padKey(session, row / 2) }, run, factors);
          for (const [lane, { share, message }] of products.entries()) {
            this.#addToRow(portion.shape, row + lane, first, share);
            yield message;
          }
        }
        return;
      }
      case 'bits': {
        const { factors, shares } = sendBits(padded, run);
        this.#bits.a.set(factors, low);
        xorOnto(this.#bits.c.subarray(low, high), shares);
        return;
      }
      case 'carries':
        this.#carries.pad.set(sendSixteen(padded, run), from / 4);
        return;
      case 'choices': {
        const words = this.#choices.word.subarray(from, from + run.count);
        const { shares, message } = sendBitProducts(padded, run, words);
        this.#choices.sent.set(shares, from);
        yield message;
        return;
      }
      case 'crossWords': {
        const factors = widen(this.#crossWords.factor.subarray(low, high), run.count);
        const { shares, message } = sendBitProducts(padded, run, factors);
        this.#crossWords.share.set(shares, from);
        yield message;
      }
    }
  }

  /** The same for a piece in which the own factors are the choices. Yields the lengths of the messages that it takes. */
  *receive(
    context: Context,
    session: Uint8Array,
    portion: Portion,
    from: number,
    run: Received,
  ): Generator<number, void, Uint8Array> {
    const padded = { ...context, key: padKey(session, 0) };
    const choices = choiceBits(context.kernels, run);
    const [first, last] = [from / WORD_TRANSFERS, (from + run.count) / WORD_TRANSFERS];
    const [low, high] = [from / 32, (from + run.count) / 32];
    const bytes = WORD_PRODUCT_BYTES * (last - first);
    switch (portion.kind) {
      case 'words': {
        const [share = EMPTY] = receiveWordProducts(padded, run, [yield bytes]);
        this.#words.b.set(bytesToWords(bytesOf(choices)), first);
        addTo(this.#words.c.subarray(first, last), share);
        return;
      }
      case 'matrix': {
        const { rows, inner, columns } = portion.shape;
        const { b } = this.#matrix(portion.shape);
        b.set(bytesToWords(bytesOf(choices)).subarray(0, inner * columns - first), first);
        for (let row = 0; row < rows; row += 2) {
          const messages = [yield bytes];
          if (row + 1 < rows) messages.push(yield bytes);
          const shares = receiveWordProducts({ ...context, key: padKey(session, row / 2) }, run, messages);
          for (const [lane, share] of shares.entries()) this.#addToRow(portion.shape, row + lane, first, share);
        }
        return;
      }
      case 'bits':
        this.#bits.b.set(choices, low);
        xorOnto(this.#bits.c.subarray(low, high), receiveBits(padded, run));
        return;
      case 'carries':
        this.#carries.choice.set(bytesToWords(bytesOf(choices)), first);
        this.#carries.pad.set(receiveSixteen(padded, run), from / 4);
        return;
      case 'choices': {
        const shares = receiveBitProducts(padded, run, yield BIT_PRODUCT_BYTES * run.count);
        this.#choices.bit.set(choices, low);
        this.#choices.received.set(shares, from);
        return;
      }
      case 'crossWords': {
        const shares = receiveBitProducts(padded, run, yield BIT_PRODUCT_BYTES * run.count);
        this.#crossWords.factor.set(choices, low);
        this.#crossWords.share.set(shares, from);
      }
    }
  }

  /** Adds the products of the own factors. */
  finish(simd: Simd): Correlations {
    const { a, b, c } = this.#words;
    for (let i = 0; i < c.length; i++) c[i] = c[i]! + a[i]! * b[i]!;
    const bits = this.#bits;
    for (let i = 0; i < bits.c.length; i++) bits.c[i] = bits.c[i]! ^ (bits.a[i]! & bits.b[i]!);
    for (const { shape, triple } of this.#matrices.values()) {
      addTo(triple.c, simd.matrixProducts([[triple.a, triple.b]], shape.inner));
    }
    return {
      ...{ words: this.#words, bits, carries: this.#carries, crossWords: this.#crossWords },
      choices: this.#choices,
      matrices: new Map([...this.#matrices].map(([gate, { triple }]) => [gate, triple])),
    };
  }

  #matrix({ gate }: MatrixShape): Triple<BigUint64Array> {
    const matrix = this.#matrices.get(gate);
    if (matrix === undefined) throw new Error('no such matrix product');
    return matrix.triple;
  }

  /** For the elements of b from number `first` on, the elements of one row of a that they meet; 0 beyond the last. */
  #row(shape: MatrixShape, row: number, { count }: Sent, first: number): BigUint64Array {
    const { inner, columns } = shape;
    const { a } = this.#matrix(shape);
    const out = new BigUint64Array(count / WORD_TRANSFERS);
    for (let i = 0; i < out.length; i++) {
      const k = Math.floor((first + i) / columns);
      out[i] = k < inner ? a[row * inner + k]! : 0n;
    }
    return out;
  }

  #addToRow(shape: MatrixShape, row: number, first: number, products: BigUint64Array): void {
    const { inner, columns } = shape;
    const c = this.#matrix(shape).c.subarray(row * columns, (row + 1) * columns);
    const end = Math.min(products.length, inner * columns - first);
    for (let i = 0; i < end; ) {
      const column = (first + i) % columns;
      const run = Math.min(columns - column, end - i);
      addTo(c.subarray(column, column + run), products.subarray(i, i + run));
      i += run;
    }
  }
}

function addTo(out: BigUint64Array, x: BigUint64Array): void {
  for (let i = 0; i < out.length; i++) out[i] = out[i]! + x[i]!;
}

function xorOnto(out: Uint32Array, x: Uint32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = out[i]! ^ x[i]!;
}

const NOTHING = new Uint8Array(0);
const EMPTY = new BigUint64Array(0);
