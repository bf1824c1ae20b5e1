/**
 * Finds the rows of several relations that carry the same tag. Passes come in order: a row that found its partners in
 * one is out of those that follow, and a match needs the same tag in all relations in the same pass. Within a pass the
 * tags of a relation are distinct if its holder is honest; otherwise one of the rows that share a tag is matched.
 * @module
 */
import type { Masks } from './masks.ts';
import { permuteUniformly } from './permutation.ts';

/** Rows of the anchor that are matched at a time. */
const BUCKET_ROWS = 2 ** 11;

/** `tags`: for each pass two columns of `rows` words, side by side. */
export interface TagTable {
  rows: number;
  tags: BigUint64Array;
}

export interface Matching {
  /** For each row of the anchor 1 where it is matched, else 0. */
  matched: BigUint64Array;
  /** For each relation but the anchor, in order, a row for each row of the anchor, no row twice. */
  partners: Uint32Array[];
}

/** The relation that gives the slots: the lowest, and the first of several. */
export function anchorOf(relations: readonly { rows: number }[]): number {
  return relations.reduce((best, { rows }, r) => (rows < (relations[best]?.rows ?? 0) ? r : best), 0);
}

/** Rows without a match get partners that are uniformly random among those that are left, drawn from `random`. */
export function matchTags(relations: readonly TagTable[], passes: number, random: Masks): Matching {
  const anchor = anchorOf(relations);
  const rows = relations[anchor]?.rows ?? 0;
  const others = relations.filter((_, r) => r !== anchor);
  const taken = new Uint8Array(rows);
  const partners = others.map(() => new Uint32Array(rows));
  const used = others.map((other) => new Uint8Array(other.rows));
  for (let pass = 0; pass < passes; pass++) {
    const bits = Math.max(0, Math.ceil(Math.log2(rows / BUCKET_ROWS)));
    const mine = new Buckets(relations[anchor], pass, taken, bits);
    const found = others.map((other, r) => mine.find(new Buckets(other, pass, used[r] ?? taken, bits), rows));
    const complete = new Uint8Array(rows).fill(1);
    for (const of of found) for (let row = 0; row < rows; row++) if (of[row] === 0) complete[row] = 0;
    for (const [r, of] of found.entries()) {
      const [partner, out] = [partners[r] ?? of, used[r] ?? taken];
      for (let row = 0; row < rows; row++) {
        if (complete[row] === 0) continue;
        partner[row] = of[row]! - 1;
        out[partner[row]!] = 1;
      }
    }
    for (let row = 0; row < rows; row++) if (complete[row] === 1) taken[row] = 1;
  }
  for (const [r, of] of partners.entries()) fill(of, taken, used[r] ?? taken, random);
  const matched = new BigUint64Array(rows);
  const halves = new Uint32Array(matched.buffer);
  for (let row = 0; row < rows; row++) halves[2 * row] = taken[row]!;
  return { matched, partners };
}

/** Rows that are not used yet, in random order, for those that are not matched. */
function fill(partners: Uint32Array, taken: Uint8Array, used: Uint8Array, random: Masks): void {
  const free = new Uint32Array(used.length);
  let count = 0;
  for (let row = 0; row < used.length; row++) if (used[row] === 0) free[count++] = row;
  permuteUniformly(random, free.subarray(0, count));
  let next = 0;
  for (let row = 0; row < partners.length; row++) if (taken[row] === 0) partners[row] = free[next++] ?? 0;
}

/** The rows of a relation that are not taken, with the tags of a pass, by the lowest bits of these: a bucket fits into cache. */
class Buckets {
  /** Where each bucket ends. */
  readonly ends: Uint32Array;
  readonly rows: Uint32Array;
  /** Four halves of words for each row. */
  readonly tags: Uint32Array;

  constructor(table: TagTable | undefined, pass: number, taken: Uint8Array, bits: number) {
    const { rows: height, tags } = table ?? { rows: 0, tags: new BigUint64Array(0) };
    const halves = new Uint32Array(tags.buffer, tags.byteOffset, 2 * tags.length);
    const column = (place: number) => halves.subarray(2 * height * place, 2 * height * (place + 1));
    const [first, second] = [column(2 * pass), column(2 * pass + 1)];
    const mask = 2 ** bits - 1;
    const next = new Uint32Array(mask + 1);
    for (let row = 0; row < height; row++) if (taken[row] === 0) next[first[2 * row]! & mask]!++;
    let count = 0;
    for (let bucket = 0; bucket <= mask; bucket++) {
      const size = next[bucket]!;
      next[bucket] = count;
      count += size;
    }
    this.rows = new Uint32Array(count);
    this.tags = new Uint32Array(4 * count);
    for (let row = 0; row < height; row++) {
      if (taken[row] === 1) continue;
      const at = next[first[2 * row]! & mask]!++;
      this.rows[at] = row;
      this.tags[4 * at] = first[2 * row]!;
      this.tags[4 * at + 1] = first[2 * row + 1]!;
      this.tags[4 * at + 2] = second[2 * row]!;
      this.tags[4 * at + 3] = second[2 * row + 1]!;
    }
    this.ends = next;
  }

  /** For each of `height` rows here that row of `others` which has its tag, and 1; 0 if there is none. */
  find(others: Buckets, height: number): Uint32Array {
    const found = new Uint32Array(height);
    const { rows, tags, ends } = this;
    let slots = new Uint32Array(0);
    for (let bucket = 0; bucket < ends.length; bucket++) {
      const [start, from] = bucket === 0 ? [0, 0] : [ends[bucket - 1]!, others.ends[bucket - 1]!];
      const size = 2 ** Math.ceil(Math.log2(2 * (ends[bucket]! - start) + 2));
      // Linear probing; tags are pseudorandom, so other bits of theirs are a hash. A slot holds a place and 1, or 0.
      if (slots.length < size) slots = new Uint32Array(size);
      else slots.fill(0, 0, size);
      for (let at = start; at < ends[bucket]!; at++) {
        const slot = slotOf(slots, size - 1, tags, tags, at);
        if (slots[slot] === 0) slots[slot] = at + 1;
      }
      for (let at = from; at < others.ends[bucket]!; at++) {
        const mine = slots[slotOf(slots, size - 1, tags, others.tags, at)]!;
        if (mine !== 0 && found[rows[mine - 1]!] === 0) found[rows[mine - 1]!] = others.rows[at]! + 1;
      }
    }
    return found;
  }
}

/** The slot that holds the tag at this place of `theirs`, or the free one where it belongs; slots name places in `tags`. */
function slotOf(slots: Uint32Array, mask: number, tags: Uint32Array, theirs: Uint32Array, at: number): number {
  const j = 4 * at;
  let slot = theirs[j + 1]! & mask;
  for (let other = slots[slot]!; other !== 0; other = slots[slot]!) {
    const i = 4 * (other - 1);
    if (
      tags[i] === theirs[j] &&
      tags[i + 1] === theirs[j + 1] &&
      tags[i + 2] === theirs[j + 2] &&
      tags[i + 3] === theirs[j + 3]
    ) {
      break;
    }
    slot = (slot + 1) & mask;
  }
  return slot;
}
