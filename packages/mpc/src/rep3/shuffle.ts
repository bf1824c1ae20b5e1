/**
 * Permutes the rows of shared columns by a permutation that no seat knows: σ23 ∘ σ13 ∘ σ12, each drawn from a stream that
 * two of the seats have in common.
 * Reference: Laur, Willemson, Zhang: Round-Efficient Oblivious Database Manipulation, ISC 2011 (three permutations,
 * each known to two seats); Araki et al.: Secure Graph Analysis at Scale, CCS 2021 (resharing once, at the end).
 *
 * Seat 1 here is the one that leads, seat 2 the one before it in the ring, seat 3 the other. Seats 1 and 2 share the
 * component x₁₂ and the stream s₁₂, and so on. ρ and ζ are pieces of these streams.
 *   1 → 2   X = σ13(σ12(x₁₂ + x₁₃ + ζ12)) + ζ13        2 → 3   Y = σ12(x₂₃ - ζ12)
 *   2 ↔ 3   C = σ23(X) - ρ12 and D = σ23(σ13(Y) - ζ13) - ρ13
 * The result has the components ρ12, ρ13 and C + D. A column may instead be opened to seat 1, and to nobody else:
 *   2 → 1   σ23(X) + ζ23                               3 → 1   σ23(σ13(Y) - ζ13) - ζ23
 *
 * Semi-honest, one seat corrupted. Every word that a seat receives is masked by a stream that it does not know, but for
 * the sum of the two words of an opened column, which is its value. Seat 1 does not know σ23, nor seat 2 σ13, nor seat 3
 * σ12: to each of them the composition is uniform, whatever it saw, as long as it does not see the rows.
 * Two rounds; for each word that is permuted 32 bytes in all: 8 sent by seat 1, 16 by seat 2, 8 by seat 3, and for an
 * opened one 8, 16 and 8 too. Leakage: none beyond the number of rows and columns.
 * @module
 */
import type { Exchange } from '../execute.ts';
import { ADDITIVE, type Group, gather, XORED } from './kernels.ts';
import type { Masks } from './masks.ts';
import { composed, uniformOrder } from './permutation.ts';
import { bytesOf, toWords, type WordShare } from './share.ts';

/** Columns whose rows are permuted together. */
export interface Rows {
  height: number;
  /** Columns side by side, those to open first. `xored`: words whose addends are combined by xor. */
  columns: readonly (WordShare & { xored?: boolean })[];
  /** How many of them are opened to the leading seat. */
  opened: number;
}

export interface Shuffled {
  /** The columns that stay secret, side by side. */
  share: WordShare;
  /** At the leading seat the opened columns, side by side; elsewhere empty. */
  opened: BigUint64Array;
}

export interface Keys {
  a: Masks;
  b: Masks;
}

/** Words of a mask that are drawn at a time. */
const PIECE_WORDS = 1 << 14;

/** A column in the messages: its first word among all, and among those that are opened or stay secret as it does. */
interface Column extends WordShare {
  table: number;
  height: number;
  group: Group;
  shown: boolean;
  at: number;
  within: number;
}

/** Permutes each of `tables` on its own, all of them in the same two rounds. */
export function* shuffle(
  seat: number,
  { a, b }: Keys,
  leader: number,
  tables: readonly Rows[],
): Generator<Exchange, Shuffled[], Uint8Array> {
  const size = { all: 0, shown: 0, rest: 0 };
  const columns: Column[] = tables.flatMap(({ height, columns, opened }, table) =>
    columns.map((share, column) => {
      const kind = column < opened ? 'shown' : 'rest';
      const [at, within] = [size.all, size[kind]];
      size.all += height;
      size[kind] += height;
      return { ...share, table, height, group: share.xored ? XORED : ADDITIVE, shown: kind === 'shown', at, within };
    }),
  );
  // What a pass needs of a stream comes from branches of it, so that no seat must draw before it uses. Column by column.
  const draw = (key: Masks) => {
    const [orders, mask, result] = [key.branch(), key.branch(), key.branch()];
    return {
      orders: tables.map(({ height }) => uniformOrder(orders, height)),
      mask,
      result: (words: number) => toWords(result.bytes(8 * words)),
    };
  };
  const order = ({ orders }: { orders: readonly Uint32Array[] }, table: number) => orders[table] ?? new Uint32Array(0);
  const part = (vector: BigUint64Array, from: number, { height }: Column) => vector.subarray(from, from + height);
  const nothing = new Uint8Array(0);
  const parts = (vector: BigUint64Array, kind: 'shown' | 'rest') => {
    let end = 0;
    return tables.map(({ height, columns, opened }) => {
      const words = height * (kind === 'shown' ? opened : columns.length - opened);
      end += words;
      return vector.subarray(end - words, end);
    });
  };
  const result = (x: BigUint64Array, y: BigUint64Array, opened: BigUint64Array = new BigUint64Array(0)): Shuffled[] => {
    const [ofA, ofB, ofOpened] = [parts(x, 'rest'), parts(y, 'rest'), parts(opened, 'shown')];
    const empty = new BigUint64Array(0);
    return tables.map((_, table) => ({
      share: { form: 'words', a: ofA[table] ?? empty, b: ofB[table] ?? empty },
      opened: ofOpened[table] ?? empty,
    }));
  };

  /** Adds or subtracts a mask piece by piece, so that it stays in cache. */
  const masked = (
    { height }: Column,
    stream: Masks,
    apply: (from: number, to: number, piece: BigUint64Array) => void,
  ): void => {
    for (let from = 0; from < height; from += PIECE_WORDS) {
      const to = Math.min(height, from + PIECE_WORDS);
      apply(from, to, toWords(stream.bytes(8 * (to - from))));
    }
  };
  /** The sum of two vectors of columns. */
  const combined = (kind: 'shown' | 'rest', x: BigUint64Array, y: BigUint64Array) => {
    const out = new BigUint64Array(x.length);
    for (const column of columns) {
      const here = (vector: BigUint64Array) => part(vector, column.within, column);
      if (column.shown === (kind === 'shown')) column.group.plus(here(out), here(x), here(y));
    }
    return out;
  };
  const highest = Math.max(...tables.map(({ height }) => height));
  const scratch = new BigUint64Array(highest);

  if (seat === leader) {
    const [s12, s13] = [draw(a), draw(b)];
    const both = tables.map((_, table) => composed(order(s12, table), order(s13, table)));
    const x = new BigUint64Array(size.all);
    for (const column of columns) {
      const [out, order] = [part(x, column.at, column), both[column.table] ?? new Uint32Array(0)];
      masked(column, s12.mask, (from, to, piece) =>
        column.group.sum(scratch.subarray(from, to), column.a.subarray(from, to), column.b.subarray(from, to), piece),
      );
      masked(column, s13.mask, (from, to, piece) =>
        column.group.gatherPlus(out.subarray(from, to), scratch, order.subarray(from, to), piece),
      );
    }
    yield { send: bytesOf(x), expect: 0 };
    const expect = 8 * size.shown;
    const answers = toWords(yield { send: nothing, expect, back: { send: nothing, expect } });
    const opened = combined('shown', answers.subarray(0, size.shown), answers.subarray(size.shown));
    return result(s12.result(size.rest), s13.result(size.rest), opened);
  }

  /** σ23 of what a seat has, less its piece of the result, or under the mask of s₂₃ that is opposite at the other seat. */
  const finish = (
    from: BigUint64Array,
    column: Column,
    s23: ReturnType<typeof draw>,
    own: BigUint64Array,
    to: Outgoing,
  ) => {
    const [o23, { within, group }] = [order(s23, column.table), column];
    if (!column.shown) group.gatherMinus(part(to.rest, within, column), from, o23, part(own, within, column));
    else {
      const [out, add] = [part(to.shown, within, column), to.add];
      masked(column, s23.mask, (start, end, piece) => {
        const [part, places] = [out.subarray(start, end), o23.subarray(start, end)];
        if (add) group.gatherPlus(part, from, places, piece);
        else group.gatherMinus(part, from, places, piece);
      });
    }
  };
  const outgoing = (add: boolean): Outgoing => ({
    ...{ shown: new BigUint64Array(size.shown), rest: new BigUint64Array(size.rest), add },
  });

  if (seat === (leader + 2) % 3) {
    const [s23, s12] = [draw(a), draw(b)];
    const y = new BigUint64Array(size.all);
    for (const column of columns) {
      masked(column, s12.mask, (from, to, piece) =>
        column.group.minus(scratch.subarray(from, to), column.a.subarray(from, to), piece),
      );
      gather(part(y, column.at, column), scratch, order(s12, column.table));
    }
    const x = toWords(yield { send: bytesOf(y), expect: y.byteLength });
    const [own, out] = [s12.result(size.rest), outgoing(true)];
    for (const column of columns) finish(part(x, column.at, column), column, s23, own, out);
    const back = { send: bytesOf(out.shown), expect: out.rest.byteLength };
    const theirs = toWords(yield { send: bytesOf(out.rest), expect: 0, back });
    return result(combined('rest', out.rest, theirs), own);
  }

  const [s13, s23] = [draw(a), draw(b)];
  const y = toWords(yield { send: nothing, expect: 8 * size.all });
  const [own, out] = [s13.result(size.rest), outgoing(false)];
  for (const column of columns) {
    const [mine, o13] = [part(y, column.at, column), order(s13, column.table)];
    masked(column, s13.mask, (from, to, piece) =>
      column.group.gatherMinus(scratch.subarray(from, to), mine, o13.subarray(from, to), piece),
    );
    finish(scratch, column, s23, own, out);
  }
  const back = { send: bytesOf(out.rest), expect: 0 };
  const theirs = toWords(yield { send: bytesOf(out.shown), expect: out.rest.byteLength, back });
  return result(own, combined('rest', out.rest, theirs));
}

/** Messages of the last round; `add`: which of the two opposite masks of an opened column is this seat's. */
interface Outgoing {
  shown: BigUint64Array;
  rest: BigUint64Array;
  add: boolean;
}
