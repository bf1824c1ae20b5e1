/**
 * Sorts rows by a shared key, two bits at a time from the lowest on, without comparisons: each step is a stable partition.
 * Reference: Asharov, Hamada, Ikarashi, Kikuchi, Nof, Pinkas, Takahashi, Tomida: Efficient Secure Three-Party Sorting with
 * Applications to Data Analysis and Heavy Hitters, CCS 2022; after Hamada et al., IACR ePrint 2014/121.
 *
 * `sortable` turns words into rows of 64 bits, which are xored shares: the key, and from bit 32 on the place of the row.
 * `radix` moves rows by two bits of the key: radix.ts computes where to. These places are shuffled together with the rows,
 * opened, and the rows are put there.
 * `ranks` shuffles the rows with their places after all steps, opens where they came from, and puts the places there.
 * `place` shuffles columns with the places where they belong, opens these, and puts the columns there.
 *
 * Semi-honest, one seat corrupted. What is opened, each time, is a permutation composed with a fresh one that is uniform to
 * every seat (shuffle.ts): it is uniform, whatever the keys are. Leakage: none beyond rows, columns and bits of the key.
 * Deviation: the seat that leads the shuffle learns the permutation first, and tells the others, who check that it is one.
 * Deviation: rows carry their bits through the steps, which spares the inverse of each shuffle.
 * Rounds: sortable 7, radix 7 for each two bits, ranks 3, place 3.
 * @module
 */
import { assert, NodeError } from '@2pm/core';
import type { Exchange } from '../execute.ts';
import { halves, lowHalves } from './kernels.ts';
import { type BitShare, bytesOf, toPacked, type WordShare } from './share.ts';
import { type Keys, type Rows, shuffle } from './shuffle.ts';

const LEADER = 0;

/** Shuffles the columns and opens the first; the others come back, put where it says. */
export function* placeRows(
  seat: number,
  keys: Keys,
  places: Rows['columns'][number],
  columns: Rows['columns'],
): Generator<Exchange, WordShare[], Uint8Array> {
  const height = places.a.length;
  const tables = [{ height, columns: [places, ...columns], opened: 1 }];
  const [shuffled] = yield* shuffle(seat, keys, LEADER, tables);
  assert(shuffled !== undefined, 'one table gives one');
  const nothing = new Uint8Array(0);
  let to: Uint32Array;
  if (seat === LEADER) {
    to = lowHalves(shuffled.opened);
    yield { send: bytesOf(to), expect: 0, back: { send: bytesOf(to), expect: 0 } };
  } else if (seat === (LEADER + 2) % 3) {
    to = toPacked(yield { send: nothing, expect: 4 * height });
  } else {
    to = toPacked(yield { send: nothing, expect: 0, back: { send: nothing, expect: 4 * height } });
  }
  checkPermutation(to);
  const moved = (part: BigUint64Array, c: number) => scattered(part.subarray(c * height, (c + 1) * height), to);
  return columns.map((_, c) => ({ form: 'words', a: moved(shuffled.share.a, c), b: moved(shuffled.share.b, c) }));
}

/** @throws {NodeError} `MPC_BAD_ORDER` */
export function checkPermutation(to: Uint32Array): void {
  const taken = new Uint8Array(to.length);
  for (let i = 0; i < to.length; i++) {
    const place = to[i]!;
    if (place >= to.length || taken[place] === 1) {
      throw new NodeError('MPC_BAD_ORDER', `seat ${LEADER} moves row ${i} to place ${place} of ${to.length}`, {
        fault: 'peer',
        fix: 'Ask for a new attempt, with other seats if it happens again.',
      });
    }
    taken[place] = 1;
  }
}

function scattered(x: BigUint64Array, to: Uint32Array): BigUint64Array {
  const out = new BigUint64Array(x.length);
  for (let i = 0; i < x.length; i++) out[to[i]!] = x[i]!;
  return out;
}

/** Rows of 64 bits as words: xored shares. */
export function xoredWords({ a, b }: BitShare): WordShare & { xored: true } {
  const of = (part: Uint32Array) => new BigUint64Array(part.buffer, part.byteOffset, part.length / 2);
  return { form: 'words', a: of(a), b: of(b), xored: true };
}

/** Where rows come from, which is in the upper halves. */
export function origins(rows: BitShare): WordShare & { xored: true } {
  const of = (part: Uint32Array) => {
    const out = new BigUint64Array(part.length / 2);
    const low = halves(out);
    for (let i = 0; i < low.length; i += 2) low[i] = part[i + 1]!;
    return out;
  };
  return { form: 'words', a: of(rows.a), b: of(rows.b), xored: true };
}

/** One bit of each row, packed. */
export function bitOfRows(part: Uint32Array, bit: number): Uint32Array {
  const rows = part.length / 2;
  const out = new Uint32Array(Math.ceil(rows / 32));
  for (let i = 0; i < rows; i++) out[i >>> 5] = out[i >>> 5]! | (((part[2 * i]! >>> bit) & 1) << (i & 31));
  return out;
}
