/**
 * The correlations of `demand.ts` from a dealer, who holds no shares of anything else.
 *
 * Construction: the dealer shares a stream of pseudo-random bytes with each computing seat. All vectors of a seat's
 * correlations come from its stream but those that make them correlated; the dealer, who knows all streams, computes these
 * and sends them (after Beaver, STOC 1997, and Riazi et al., Chameleon, ASIACCS 2018). Piece by piece, so that the dealer
 * holds one piece of each seat at a time, or one matrix product, and waits until a piece has left.
 * Corruption model: semi-honest; the dealer colludes with nobody. What a seat is told is uniform, given its own stream: it is
 * masked by vectors of the other seats' streams, each of which serves once.
 * Rounds: one. Bytes to seat 0: 8 a product of words, a product of bits as words, and an entry of a matrix product, 1/8 a
 * product of bits; to seat 1: 4 a sign between two; to both of two: 8 a choice. To all others none.
 * Leakage: none beyond the lengths, which follow from the circuit.
 * @module
 */
import { concatBytes } from '@2pm/core';
import { add, halves, widen, xor } from '../../rep3/kernels.ts';
import type { Masks } from '../../rep3/masks.ts';
import { bytesOf } from '../../rep3/share.ts';
import type { Simd } from '../../rep3/simd.ts';
import type { Demand } from '../demand.ts';
import type { Link } from '../link.ts';
import type { Correlations } from '../supply.ts';

/** Of each kind, as many as make a message of 128 KiB at most. All but the first and third in whole 32-bit words. */
const PIECES = { words: 2 ** 14, bits: 2 ** 20, carries: 2 ** 15, crossWords: 2 ** 14, choices: 2 ** 14 } as const;
const NONE: Demand = { words: 0, bits: 0, carries: 0, crossWords: 0, choices: 0, matrices: [] };
const BLOCKS = 16;

/** The demand in parts, each of one kind, in the order in which they are dealt. */
export function piecesOf(demand: Demand): Demand[] {
  const kinds = Object.entries(PIECES) as [keyof typeof PIECES, number][];
  const vectors = kinds.flatMap(([kind, size]) =>
    Array.from({ length: Math.ceil(demand[kind] / size) }, (_, i) => ({
      ...NONE,
      [kind]: Math.min(size, demand[kind] - i * size),
    })),
  );
  return [...vectors, ...demand.matrices.map((matrix) => ({ ...NONE, matrices: [matrix] }))];
}

/** What the dealer sends to a seat. */
export function toldBytes({ words, bits, carries, crossWords, choices, matrices }: Demand, seat: number): number {
  const entries = matrices.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  if (seat === 0) return 8 * (words + crossWords + choices + entries) + bits / 8;
  return seat === 1 ? 8 * choices + 4 * carries : 0;
}

/** The correlations of a computing seat. `stream`: shared with the dealer. `onPiece` is called after each of `piecesOf`. */
export async function receiveDealt(
  { seat, dealer, stream, onPiece }: { seat: number; dealer: Link; stream: Masks; onPiece: () => void },
  demand: Demand,
): Promise<Correlations> {
  const all = blank(demand, seat);
  const matrices = new Map(all.matrices);
  const into = vectorsOf({ ...all, matrices: new Map() }, seat);
  const filled = into.map(() => 0);
  for (const piece of piecesOf(demand)) {
    const part = blank(piece, seat);
    draw(stream, part, seat);
    hear(part, seat, await dealer.receive(toldBytes(piece, seat)));
    for (const [i, { vector }] of vectorsOf({ ...part, matrices: new Map() }, seat).entries()) {
      bytesOf(into[i]?.vector as Vector).set(bytesOf(vector), filled[i]);
      filled[i] = (filled[i] ?? 0) + vector.byteLength;
    }
    for (const [gate, triple] of part.matrices) matrices.set(gate, triple);
    onPiece();
  }
  return { ...all, matrices };
}

/** The dealer's part. `links`, `streams`: of the computing seats, in their order. */
export async function deal(
  {
    links,
    streams,
    simd,
    onPiece,
  }: { links: readonly Link[]; streams: readonly Masks[]; simd: Simd; onPiece: () => void },
  demand: Demand,
): Promise<void> {
  for (const piece of piecesOf(demand)) {
    const parts = streams.map((stream, seat) => {
      const part = blank(piece, seat);
      draw(stream, part, seat);
      return part;
    });
    correlate(parts, piece, simd);
    for (const [seat, link] of links.entries()) await link.send(tell(parts[seat] as Correlations, seat));
    onPiece();
  }
}

type Vector = BigUint64Array | Uint32Array;

function blank({ words, bits, carries, crossWords, choices, matrices }: Demand, seat: number): Correlations {
  const wordsOf = (length: number) => new BigUint64Array(length);
  const packed = (length: number) => new Uint32Array(length / 32);
  return {
    words: { a: wordsOf(words), b: wordsOf(words), c: wordsOf(words) },
    bits: { a: packed(bits), b: packed(bits), c: packed(bits) },
    carries: { choice: wordsOf(seat === 0 ? 0 : carries), pad: new Uint32Array(BLOCKS * carries) },
    crossWords: { factor: packed(crossWords), share: wordsOf(crossWords) },
    choices: {
      ...{ word: wordsOf(choices), bit: packed(choices) },
      ...{ sent: wordsOf(choices), received: wordsOf(choices) },
    },
    matrices: new Map(
      matrices.map(({ gate, rows, inner, columns }) => [
        gate,
        { a: wordsOf(rows * inner), b: wordsOf(inner * columns), c: wordsOf(rows * columns) },
      ]),
    ),
  };
}

/** All vectors of a seat, and which of them it is told by the dealer. The others come from its stream, in this order. */
function vectorsOf(
  { words, bits, carries, crossWords, choices, matrices }: Correlations,
  seat: number,
): { vector: Vector; told?: boolean }[] {
  const first = seat === 0;
  const triple = ({ a, b, c }: { a: Vector; b: Vector; c: Vector }) => [
    { vector: a },
    { vector: b },
    { vector: c, told: first },
  ];
  return [
    ...triple(words),
    ...triple(bits),
    { vector: carries.choice },
    { vector: carries.pad, told: !first },
    { vector: crossWords.factor },
    { vector: crossWords.share, told: first },
    { vector: choices.word },
    { vector: choices.bit },
    { vector: choices.sent },
    { vector: choices.received, told: true },
    ...[...matrices.values()].flatMap(triple),
  ];
}

function draw(stream: Masks, part: Correlations, seat: number): void {
  for (const { vector, told } of vectorsOf(part, seat)) {
    if (told !== true) bytesOf(vector).set(stream.bytes(vector.byteLength));
  }
}

/** Fills in what the seats are told, by what was drawn. */
function correlate(parts: readonly Correlations[], { matrices }: Demand, simd: Simd): void {
  const [first, second] = parts as [Correlations, Correlations];
  const total = (of: (part: Correlations) => BigUint64Array, from = 0) => parts.slice(from).map(of).reduce(add);
  const parity = (of: (part: Correlations) => Uint32Array, from = 0) => parts.slice(from).map(of).reduce(xor);
  {
    const [a, b, c] = [total(({ words }) => words.a), total(({ words }) => words.b), total(({ words }) => words.c, 1)];
    const out = first.words.c;
    for (let i = 0; i < out.length; i++) out[i] = a[i]! * b[i]! - c[i]!;
  }
  {
    const [a, b, c] = [parity(({ bits }) => bits.a), parity(({ bits }) => bits.b), parity(({ bits }) => bits.c, 1)];
    const out = first.bits.c;
    for (let i = 0; i < out.length; i++) out[i] = (a[i]! & b[i]!) ^ c[i]!;
  }
  for (const { gate, inner } of matrices) {
    const [a, b] = [total((part) => tripleOf(part, gate).a), total((part) => tripleOf(part, gate).b)];
    const [c, out] = [total((part) => tripleOf(part, gate).c, 1), tripleOf(first, gate).c];
    const product = simd.matrixProducts([[a, b]], inner);
    for (let i = 0; i < out.length; i++) out[i] = product[i]! - c[i]!;
  }
  {
    const { factor, share: out } = first.crossWords;
    const { factor: other, share } = second.crossWords;
    const both = widen(
      factor.map((word, i) => word & other[i]!),
      out.length,
    );
    for (let i = 0; i < out.length; i++) out[i] = both[i]! - share[i]!;
  }
  for (const [from, to] of [
    [first.choices, second.choices],
    [second.choices, first.choices],
  ] as const) {
    const [{ word, sent }, out] = [from, to.received];
    const bit = widen(to.bit, out.length);
    for (let i = 0; i < out.length; i++) out[i] = word[i]! * bit[i]! - sent[i]!;
  }
  const [{ pad }, { choice, pad: out }] = [first.carries, second.carries];
  const nibbles = halves(choice);
  for (let i = 0; i < out.length; i++) {
    const chosen = (nibbles[i >>> 3]! >>> (4 * (i & 7))) & 15;
    out[i] = (pad[i]! >>> (2 * chosen)) & 3;
  }
}

function tripleOf({ matrices }: Correlations, gate: Demand['matrices'][number]['gate']) {
  return matrices.get(gate) as NonNullable<ReturnType<typeof matrices.get>>;
}

/** What a seat is told, one vector after another, pads of carries two bits each. */
function tell(part: Correlations, seat: number): Uint8Array {
  const { pad } = part.carries;
  return concatBytes(
    ...vectorsOf(part, seat).flatMap(({ vector, told }) => {
      if (told !== true) return [];
      return [bytesOf(vector === pad ? packPads(pad) : vector)];
    }),
  );
}

function hear(part: Correlations, seat: number, message: Uint8Array): void {
  const { pad } = part.carries;
  let at = 0;
  for (const { vector, told } of vectorsOf(part, seat)) {
    if (told !== true) continue;
    const length = vector === pad ? pad.byteLength / BLOCKS : vector.byteLength;
    const bytes = message.slice(at, at + length);
    if (vector === pad) unpackPads(new Uint32Array(bytes.buffer), pad);
    else bytesOf(vector).set(bytes);
    at += length;
  }
}

function packPads(pad: Uint32Array): Uint32Array {
  const out = new Uint32Array(pad.length / BLOCKS);
  for (let i = 0; i < pad.length; i++) out[i >>> 4] = out[i >>> 4]! | (pad[i]! << (2 * (i & 15)));
  return out;
}

function unpackPads(packed: Uint32Array, pad: Uint32Array): void {
  for (let i = 0; i < pad.length; i++) pad[i] = (packed[i >>> 4]! >>> (2 * (i & 15))) & 3;
}
