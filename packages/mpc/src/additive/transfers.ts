/**
 * The correlations of two seats that are made of transfers: triples of bits, carries, choices and cross words (`demand.ts`).
 *
 * Construction: a0·b1 and a1·b0 are made of transfers towards the seat whose choice bits are the factor b
 * (`crypto/ot/products.ts`); random factors are as good as any, so choices need no correction. Transfers are silent
 * (`crypto/ot/silent.ts`), in batches of up to 2^20 in each direction.
 * Corruption model: semi-honest. Rounds: base transfers, choice, then one stream from each seat: for each batch a
 * correction and then what the products take. Bytes a seat sends: none a triple of bits or a carry; 8 a choice, and from
 * seat 0 a cross word; for the transfers about 0.1 MB at least, 0.28 bytes each in long batches.
 * Leakage: none beyond the lengths, which follow from the circuit. Every transfer serves for one correlation alone.
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
  type Sent,
  SilentOtReceiver,
  SilentOtSender,
  sendBitProducts,
  sendBits,
  sendSixteen,
  silentOtMessageBytes,
} from '@2pm/crypto/ot';
import { voleParameters } from '@2pm/crypto/vole';
import { loadKernels } from '@2pm/crypto/wasm';
import { widen } from '../rep3/kernels.ts';
import { bytesOf } from '../rep3/share.ts';
import { type Demand, type Portion, portionsOf } from './demand.ts';
import type { Link } from './link.ts';
import type { Carries, Choices, Cross, Triple } from './supply.ts';

/** Transfers of a batch, with all other seats together: more would save little of what is sent and need more memory than fits in a cache. */
const BATCH = 2 ** 20;
/** Transfers handled at a time: what their products take fits in a frame. */
const PIECE = 2 ** 17;

/** Rounds where there are any. */
export const TRANSFER_ROUNDS = 3;
/** Transfers of the carries of a word. */
const WORD_TRANSFERS = 64;

/** Of one direction. */
interface Direction {
  portions: readonly Portion[];
  batches: number;
  parameters: ReturnType<typeof voleParameters>;
  session: Uint8Array;
}

/** `peers`: with how many seats batches are made at the same time. */
export function directionOf(demand: Demand, from: number, binding: Hash, peers = 1): Direction | undefined {
  const portions = portionsOf(demand, from);
  const total = portions.reduce((sum, { transfers }) => sum + transfers, 0);
  if (total === 0) return undefined;
  const batches = Math.ceil(total / Math.floor(BATCH / peers));
  const parameters = voleParameters(Math.ceil(total / batches));
  const session = fromHex(hashValue('2pm/mpc-transfers/1', { binding, from, batches, parameters: { ...parameters } }));
  return { portions, batches, parameters, session };
}

/** Batches of the busier direction: the unit of `onBatch`. */
export function transferBatches(demand: Demand, binding: Hash, peers = 1): number {
  return Math.max(...[0, 1].map((from) => directionOf(demand, from, binding, peers)?.batches ?? 0));
}

/** `binding`: hash of what the seats agreed on, unique for the session. `onBatch` is called after each. */
export async function makeTransferred(
  { seat, rng, crypto }: Pick<SeatContext, 'seat' | 'rng' | 'crypto'>,
  { link, binding, onBatch, peers = 1 }: { link: Link; binding: Hash; onBatch: () => void; peers?: number },
  demand: Demand,
): Promise<Transferred> {
  const making = new Making(seat, demand, (bytes) => rng.fill(bytes));
  const [outward, inward] = [seat, 1 - seat].map((from) => directionOf(demand, from, binding, peers));
  if (outward === undefined && inward === undefined) return making.finish();

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
  return making.finish();
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

export interface Transferred {
  bits: Triple<Uint32Array>;
  carries: Carries;
  crossWords: Cross;
  choices: Choices;
}

type Context = Omit<PadContext, 'key'>;

/** What is being made at one seat. Vectors are as long as the portions of transfers, a little longer than what is asked for. */
class Making {
  readonly #bits: Triple<Uint32Array>;
  readonly #carries: Carries;
  readonly #crossWords: { factor: Uint32Array; share: BigUint64Array };
  readonly #choices: Choices;

  constructor(seat: number, demand: Demand, random: (bytes: Uint8Array) => Uint8Array) {
    const transfers = (kind: Portion['kind']) =>
      portionsOf(demand, 0).find((portion) => portion.kind === kind)?.transfers ?? 0;
    const randomWords = (length: number) => {
      const out = new BigUint64Array(length);
      random(bytesOf(out));
      return out;
    };
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
  }

  /** The own factors of a piece; what the other seat is to be sent, message by message. */
  *send(context: Context, session: Uint8Array, portion: Portion, from: number, run: Sent): Generator<Uint8Array> {
    const padded = { ...context, key: padKey(session, 0) };
    const [low, high] = [from / 32, (from + run.count) / 32];
    switch (portion.kind) {
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
    const [low, high] = [from / 32, (from + run.count) / 32];
    switch (portion.kind) {
      case 'bits':
        this.#bits.b.set(choices, low);
        xorOnto(this.#bits.c.subarray(low, high), receiveBits(padded, run));
        return;
      case 'carries':
        this.#carries.choice.set(bytesToWords(bytesOf(choices)), from / WORD_TRANSFERS);
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
  finish(): Transferred {
    const bits = this.#bits;
    for (let i = 0; i < bits.c.length; i++) bits.c[i] = bits.c[i]! ^ (bits.a[i]! & bits.b[i]!);
    return { bits, carries: this.#carries, crossWords: this.#crossWords, choices: this.#choices };
  }
}

function xorOnto(out: Uint32Array, x: Uint32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = out[i]! ^ x[i]!;
}

const NOTHING = new Uint8Array(0);
