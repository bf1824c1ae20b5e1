/**
 * Permutes the rows of shared columns by a permutation that no seat knows: σ23 ∘ σ13 ∘ σ12, each drawn from a stream that
 * two of the seats have in common.
 * Reference: Laur, Willemson, Zhang: Round-Efficient Oblivious Database Manipulation, ISC 2011, §4 (three permutations,
 * each known to two seats); Araki et al.: Secure Graph Analysis at Scale, CCS 2021, §4 (resharing once, at the end).
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
import { add, gather, gatherAdd, gatherSub, sub, sum } from './kernels.ts';
import type { Masks } from './masks.ts';
import { composed, uniformOrder } from './permutation.ts';
import { bytesOf, toWords, type WordShare } from './share.ts';

/** Columns whose rows are permuted together. */
export interface Rows {
  height: number;
  /** Columns side by side, those to open first. */
  columns: readonly WordShare[];
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

/** A column in the messages: its first word among all, and among those that are opened or stay secret as it does. */
interface Column extends WordShare {
  table: number;
  height: number;
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
      return { ...share, table, height, shown: kind === 'shown', at, within };
    }),
  );
  // Everything is drawn before the first round: in one order at both seats that know a stream.
  const draw = (key: Masks, masks: number, results: number) => ({
    orders: tables.map(({ height }) => uniformOrder(key, height)),
    mask: toWords(key.bytes(8 * masks)),
    result: toWords(key.bytes(8 * results)),
  });
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

  if (seat === leader) {
    const [s12, s13] = [draw(a, size.all, size.rest), draw(b, size.all, size.rest)];
    const both = tables.map((_, table) => composed(order(s12, table), order(s13, table)));
    const x = new BigUint64Array(size.all);
    for (const column of columns) {
      const { table, at } = column;
      const masked = sum(column.a, column.b, part(s12.mask, at, column));
      gatherAdd(part(x, at, column), masked, both[table] ?? order(s12, table), part(s13.mask, at, column));
    }
    yield { send: bytesOf(x), expect: 0 };
    const expect = 8 * size.shown;
    const answers = toWords(yield { send: nothing, expect, back: { send: nothing, expect } });
    const opened = add(answers.subarray(0, size.shown), answers.subarray(size.shown));
    return result(s12.result, s13.result, opened);
  }

  /** σ23 of what a seat has, under the mask of the stream that it shares with the leader or, to the leader, of s₂₃. */
  const finish = (
    vector: BigUint64Array,
    s23: ReturnType<typeof draw>,
    own: ReturnType<typeof draw>,
    first: boolean,
  ) => {
    const [shown, rest] = [new BigUint64Array(size.shown), new BigUint64Array(size.rest)];
    for (const column of columns) {
      const [from, o23, { within }] = [part(vector, column.at, column), order(s23, column.table), column];
      if (!column.shown) gatherSub(part(rest, within, column), from, o23, part(own.result, within, column));
      else (first ? gatherAdd : gatherSub)(part(shown, within, column), from, o23, part(s23.mask, within, column));
    }
    return { shown, rest };
  };

  if (seat === (leader + 2) % 3) {
    const [s23, s12] = [draw(a, size.shown, 0), draw(b, size.all, size.rest)];
    const y = new BigUint64Array(size.all);
    for (const column of columns) {
      const { table, at } = column;
      gather(part(y, at, column), sub(column.a, part(s12.mask, at, column)), order(s12, table));
    }
    const x = toWords(yield { send: bytesOf(y), expect: y.byteLength });
    const { shown, rest } = finish(x, s23, s12, true);
    const back = { send: bytesOf(shown), expect: rest.byteLength };
    const theirs = toWords(yield { send: bytesOf(rest), expect: 0, back });
    return result(add(rest, theirs), s12.result);
  }

  const [s13, s23] = [draw(a, size.all, size.rest), draw(b, size.shown, 0)];
  const y = toWords(yield { send: nothing, expect: 8 * size.all });
  const between = new BigUint64Array(size.all);
  for (const column of columns) {
    const { table, at } = column;
    gatherSub(part(between, at, column), part(y, at, column), order(s13, table), part(s13.mask, at, column));
  }
  const { shown, rest } = finish(between, s23, s13, false);
  const back = { send: bytesOf(rest), expect: 0 };
  const theirs = toWords(yield { send: bytesOf(shown), expect: rest.byteLength, back });
  return result(s13.result, add(rest, theirs));
}
