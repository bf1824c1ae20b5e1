/**
 * Finds the rows of several relations that carry the same tag. Passes come in order: a row that found its partners in
 * one is out of those that follow, and a match needs the same tag in all relations in the same pass. Within a pass the
 * tags of a relation are distinct if its holder is honest; otherwise one of the rows that share a tag is matched.
 * @module
 */
import type { Masks } from './masks.ts';
import { permuteUniformly } from './permutation.ts';

/** `tags`: for each pass two columns of `rows` words, side by side. */
export interface TagTable {
  rows: number;
  tags: BigUint64Array;
}

export interface Matching {
  /** For each row of the anchor 1 where it is matched, else 0. */
  matched: Uint8Array;
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
  const matched = new Uint8Array(rows);
  const partners = others.map(() => new Uint32Array(rows));
  const used = others.map((other) => new Uint8Array(other.rows));
  for (let pass = 0; pass < passes; pass++) {
    const index = new TagIndex(passOf(relations[anchor], pass), matched);
    const found = others.map((other, r) => index.find(passOf(other, pass), used[r] ?? new Uint8Array(0)));
    for (let row = 0; row < rows; row++) {
      if (!found.every((of) => of[row] !== 0)) continue;
      matched[row] = 1;
      for (const [r, of] of found.entries()) {
        const partner = (of[row] ?? 0) - 1;
        (partners[r] ?? of)[row] = partner;
        (used[r] ?? matched)[partner] = 1;
      }
    }
  }
  for (const [r, of] of partners.entries()) complete(of, matched, used[r] ?? matched, random);
  return { matched, partners };
}

/** Rows that are not used yet, in random order, for those that are not matched. */
function complete(partners: Uint32Array, matched: Uint8Array, used: Uint8Array, random: Masks): void {
  const free = new Uint32Array(used.length);
  let count = 0;
  for (let row = 0; row < used.length; row++) if (used[row] === 0) free[count++] = row;
  permuteUniformly(random, free.subarray(0, count));
  let next = 0;
  for (let row = 0; row < partners.length; row++) if (matched[row] === 0) partners[row] = free[next++] ?? 0;
}

interface PassTags {
  rows: number;
  /** Low and high halves of the first word of each tag, then of the second. */
  first: Uint32Array;
  second: Uint32Array;
}

function passOf(table: TagTable | undefined, pass: number): PassTags {
  const { rows, tags } = table ?? { rows: 0, tags: new BigUint64Array(0) };
  const halves = new Uint32Array(tags.buffer, tags.byteOffset, 2 * tags.length);
  const column = (place: number) => halves.subarray(2 * rows * place, 2 * rows * (place + 1));
  return { rows, first: column(2 * pass), second: column(2 * pass + 1) };
}

/** Hash table with linear probing; tags are pseudorandom, so their bits are a hash. */
class TagIndex {
  readonly #tags: PassTags;
  /** Row and 1, or 0. */
  readonly #slots: Uint32Array;

  /** Of the rows that are not `taken`. */
  constructor(tags: PassTags, taken: Uint8Array) {
    this.#tags = tags;
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * tags.rows + 2)));
    for (let row = 0; row < tags.rows; row++) {
      if (taken[row] === 1) continue;
      const slot = this.#slot(tags, row);
      if (this.#slots[slot] === 0) this.#slots[slot] = row + 1;
    }
  }

  /** For each row of the index, that row of `tags` which has its tag and is not `taken`, and 1; 0 if there is none. */
  find(tags: PassTags, taken: Uint8Array): Uint32Array {
    const found = new Uint32Array(this.#tags.rows);
    for (let row = 0; row < tags.rows; row++) {
      if (taken[row] === 1) continue;
      const mine = this.#slots[this.#slot(tags, row)]!;
      if (mine !== 0 && found[mine - 1] === 0) found[mine - 1] = row + 1;
    }
    return found;
  }

  /** The slot that holds the tag of this row, or the free one where it belongs. */
  #slot({ first, second }: PassTags, row: number): number {
    const [f, s, slots] = [this.#tags.first, this.#tags.second, this.#slots];
    const mask = slots.length - 1;
    const [p, q, r, t] = [first[2 * row]!, first[2 * row + 1]!, second[2 * row]!, second[2 * row + 1]!];
    let slot = p & mask;
    for (let at = slots[slot]!; at !== 0; at = slots[slot]!) {
      const i = 2 * (at - 1);
      if (f[i] === p && f[i + 1] === q && s[i] === r && s[i + 1] === t) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
