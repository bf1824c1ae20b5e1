/**
 * What a seat remembers of the multiplications of a run until they are checked: operands, what it received, and for
 * words the masks under which it sent its part.
 * @module
 */
import type { BitShare, WordShare } from '../rep3/share.ts';

/** A multiplication of words. `received` is component b of the result: what the next seat sent. */
export interface Product {
  /** each: element by element; blocks: summed over adjacent blocks; matrix: row-major, with the common dimension `inner`. */
  kind: { shape: 'each' } | { shape: 'blocks' } | { shape: 'matrix'; inner: number };
  x: WordShare;
  y: WordShare;
  received: BigUint64Array;
  /** Masks that this seat added to and subtracted from what it sent. */
  f: BigUint64Array;
  g: BigUint64Array;
}

/** Operands and results of ANDs, end to end in packed words: components a and b of x, y and z. */
export class Ands {
  #columns = Array.from({ length: 6 }, () => new Uint32Array(1 << 10));
  #length = 0;

  /** 32-bit words. */
  get length(): number {
    return this.#length;
  }

  /** Copies: the shares may be written over afterwards. The results stand side by side in z. */
  add(pairs: readonly (readonly [BitShare, BitShare])[], z: BitShare): void {
    this.#reserve(this.#length + z.a.length);
    const [xa, xb, ya, yb, za, zb] = this.#columns;
    let at = this.#length;
    for (const [x, y] of pairs) {
      xa?.set(x.a, at);
      xb?.set(x.b, at);
      ya?.set(y.a, at);
      yb?.set(y.b, at);
      at += x.a.length;
    }
    za?.set(z.a, this.#length);
    zb?.set(z.b, this.#length);
    this.#length += z.a.length;
  }

  /** All of them, followed by zeros up to `words`, and an empty record from here on. */
  take(words: number): { x: BitShare; y: BitShare; z: BitShare } {
    this.#reserve(words);
    const [xa, xb, ya, yb, za, zb] = this.#columns.map((column) => {
      column.fill(0, this.#length, words);
      return column.subarray(0, words);
    });
    this.#columns = Array.from({ length: 6 }, () => new Uint32Array(1 << 10));
    this.#length = 0;
    const share = (a = new Uint32Array(0), b = new Uint32Array(0)): BitShare => ({ form: 'bits', a, b });
    return { x: share(xa, xb), y: share(ya, yb), z: share(za, zb) };
  }

  #reserve(words: number): void {
    const has = this.#columns[0]?.length ?? 0;
    if (words <= has) return;
    this.#columns = this.#columns.map((column) => {
      const larger = new Uint32Array(Math.max(words, 2 * has));
      larger.set(column.subarray(0, this.#length));
      return larger;
    });
  }
}
