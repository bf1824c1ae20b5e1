/**
 * Brings together the rows of several relations that carry the same tag, without anyone learning which.
 *
 * Construction, after Laur, Willemson, Zhang (ISC 2011: shuffle, open the keys, match in the clear), with tags in the
 * place of keys, and one seat, the matcher, in the place of everybody:
 *   1. Every relation is shuffled (shuffle.ts) with the matcher as leader. In the last round its tag columns go to the
 *      matcher alone, its other columns are reshared.                                                         2 rounds
 *   2. The matcher matches (matching.ts). The relation of least height is the anchor: its rows are the slots of the result.
 *      For each other relation the matcher completes the partners of matched slots to an injection of slots into rows, by
 *      rows that it chooses at random among those that are left, and tells both other seats these k - 1 injections. It
 *      shares the match bits, as words: itself and the next seat know one addend, itself and the previous the other. 1 round
 *   3. Each seat gathers the rows of its own shares by the injections.                                             local
 *
 * Semi-honest, one seat corrupted.
 *   The matcher sees uniform words, and the tags of each relation in an order of which it does not know the last
 *   permutation, σ23. Tags are values of a pseudorandom function under a key that only the joining holders have, and random
 *   where a row has no key or is none. So it learns the equalities among tags up to the order of rows: for each pass and
 *   each set of relations how many rows have a tag in common, and, as tags of several passes come row by row, how these
 *   matches overlap. It learns nothing of who, and no other column. A relation that enters several joins with the same
 *   matcher shows the same tags in each, so the matcher can tell which row of one is which of the other.
 *   Each of the other seats sees uniform words and the injections. Given everything else it saw, the order of a relation
 *   after the shuffle is uniform to it, for it does not know one of the three permutations. Hence the partners of matched
 *   slots are a uniform injection of these slots, whichever they are, and the completion is uniform among the rest: all
 *   in all a uniform injection, the same for every number of matches. It learns nothing. (The completion must be random:
 *   in ascending order it would show which slots are not matched.)
 *   The matcher together with a holder of the tag key learns which tags match, and so, as far as that holder can guess
 *   keys, whose. It must be no holder of a joined relation, nor act for one.
 * A matcher that deviates can join as it likes: rows that do not belong together, or a mask that says so. Receivers check
 * that what it announces are injections, no more.
 *
 * Bytes: those of the shuffles, then 8 for each slot and, k - 1 times to both seats, 4. Deviation: a row in a match across
 * fewer than all relations counts as not matched, and is not told apart in the mask.
 * @module
 */
import { assert, concatBytes, NodeError } from '@2pm/core';
import { type Gate, type Joining, joinedRows } from '../circuit.ts';
import type { Interactive } from '../execute.ts';
import { gather, sub } from './kernels.ts';
import type { Masks } from './masks.ts';
import { anchorOf, type Matching, matchTags } from './matching.ts';
import { bytesOf, toPacked, toWords, type WordShare } from './share.ts';
import { type Keys, type Rows, shuffle } from './shuffle.ts';

/** `own`: a stream of this seat alone, from which the matcher completes what it announces. */
export function* joinRelations(
  seat: number,
  keys: Keys,
  own: Masks,
  { join }: Gate,
  args: readonly WordShare[],
): Interactive<WordShare> {
  assert(join?.matcher !== undefined, 'a join that runs has a matcher');
  const { relations, passes, matcher } = join;
  const slots = joinedRows(join);
  const tables = relations.map(({ rows, columns }, r) => table(args[r], rows, columns, passes));
  const shuffled = yield* shuffle(seat, keys, matcher, tables);

  // The addend of the match bits that the matcher has in common with the next seat.
  const mask: WordShare = { form: 'words', a: new BigUint64Array(slots), b: new BigUint64Array(slots) };
  let partners: Uint32Array[];
  if (seat === matcher) {
    mask.b = toWords(keys.b.bytes(8 * slots));
    const tagged = relations.map(({ rows }, r) => ({ rows, tags: shuffled[r]?.opened ?? new BigUint64Array(0) }));
    const matching = matchTags(tagged, passes, own);
    partners = matching.partners;
    mask.a = sub(matching.matched, mask.b);
    const announced = concatBytes(...partners.map(bytesOf));
    yield { send: concatBytes(bytesOf(mask.a), announced), expect: 0, back: { send: announced, expect: 0 } };
  } else {
    const announced = 4 * slots * (relations.length - 1);
    const nothing = new Uint8Array(0);
    if (seat === (matcher + 2) % 3) {
      const answer = yield { send: nothing, expect: 8 * slots + announced };
      mask.b = toWords(answer.subarray(0, 8 * slots));
      partners = readPartners(answer.subarray(8 * slots), join);
    } else {
      mask.a = toWords(keys.a.bytes(8 * slots));
      partners = readPartners(yield { send: nothing, expect: 0, back: { send: nothing, expect: announced } }, join);
    }
  }
  const columns = shuffled.map(({ share }) => share);
  return { form: 'words', a: block('a', mask, columns, partners, join), b: block('b', mask, columns, partners, join) };
}

/** The columns of a relation: its tags first, which are opened. */
function table(share: WordShare | undefined, height: number, brought: number, passes: number): Rows {
  assert(share !== undefined, 'a join has an argument for each relation');
  const columns = Array.from({ length: 2 * passes + brought }, (_, c): WordShare => {
    const of = (part: BigUint64Array) => part.subarray(c * height, (c + 1) * height);
    return { form: 'words', a: of(share.a), b: of(share.b) };
  });
  return { height, columns, opened: 2 * passes };
}

/**
 * The injections of slots into the rows of each relation but the anchor.
 * @throws {NodeError} `MPC_BAD_MATCHING` if they are none.
 */
export function readPartners(bytes: Uint8Array, join: Joining): Uint32Array[] {
  const slots = joinedRows(join);
  const all = toPacked(bytes);
  const others = join.relations.filter((_, r) => r !== anchorOf(join.relations));
  return others.map(({ rows }, r) => {
    const partners = all.subarray(r * slots, (r + 1) * slots);
    const taken = new Uint8Array(rows);
    for (let i = 0; i < slots; i++) {
      const row = partners[i]!;
      if (row >= rows || taken[row] === 1) throw badMatching(join.matcher, row, rows);
      taken[row] = 1;
    }
    return partners;
  });
}

/** One component of the result: the mask, and the columns of all relations, gathered by the partners of the slots. */
function block(
  of: 'a' | 'b',
  mask: WordShare,
  shares: readonly WordShare[],
  partners: Matching['partners'],
  join: Joining,
): BigUint64Array {
  const slots = joinedRows(join);
  const anchor = anchorOf(join.relations);
  const out = new BigUint64Array(slots * join.relations.reduce((sum, { columns }) => sum + columns, 1));
  out.set(mask[of]);
  let at = slots;
  for (const [r, { rows, columns }] of join.relations.entries()) {
    const from = shares[r]?.[of] ?? new BigUint64Array(0);
    const order = partners[r < anchor ? r : r - 1] ?? new Uint32Array(0);
    for (let c = 0; c < columns; c++, at += slots) {
      const column = from.subarray(c * rows, (c + 1) * rows);
      if (r === anchor) out.set(column, at);
      else gather(out.subarray(at, at + slots), column, order);
    }
  }
  return out;
}

function badMatching(matcher: number | undefined, row: number, rows: number): NodeError {
  return new NodeError('MPC_BAD_MATCHING', `seat ${matcher} matched row ${row} of ${rows}, which is none or taken`, {
    fault: 'peer',
    fix: 'Ask for a new attempt, with another seat to match rows if it happens again.',
  });
}
