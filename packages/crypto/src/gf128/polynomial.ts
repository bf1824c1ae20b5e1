/**
 * Polynomials over GF(2^128) as universal hashes: block i of n has the weight x^(n−1−i). Two vectors that differ meet at
 * fewer than n of the 2^128 points (their difference has degree below n). Used by the checks of `vole/` and `ot/`.
 * @module
 */
import { type Kernels, pieces } from '../wasm/kernels.ts';

const STRANDS = 16;

/** Σ x^(n−1−i)·block i of the n blocks (a multiple of 16) at `blocks`; `point` is x. */
export function evaluate(kernels: Kernels, blocks: number, n: number, point: Uint8Array): Uint8Array {
  const mark = kernels.mark();
  const [tables, sums] = [kernels.alloc(8192), kernels.alloc(16 * STRANDS)];
  kernels.bytes(sums, 16 * STRANDS).fill(0);
  kernels.run.gf_tables(kernels.put(powers(kernels, point, [STRANDS])), tables);
  for (const [from, to] of pieces(n)) kernels.run.gf_horner(tables, blocks + 16 * from, to - from, sums);
  // Strand j holds the blocks 16k + j: the strands are sixteen blocks of a polynomial in x itself.
  kernels.run.gf_tables(kernels.put(point), tables);
  const value = kernels.put(new Uint8Array(16));
  const next = kernels.alloc(16);
  for (let strand = 0; strand < STRANDS; strand++) {
    kernels.run.gf_multiply(tables, value, 16, next, 1, 0);
    kernels.run.xor_blocks(next, sums + 16 * strand, value, 1);
  }
  const result = kernels.bytes(value, 16).slice();
  kernels.release(mark);
  return result;
}

/** The powers of `point` with the given exponents (below 2^32), a block each. */
export function powers(kernels: Kernels, point: Uint8Array, exponents: readonly number[]): Uint8Array {
  const n = exponents.length;
  const mark = kernels.mark();
  const one = new Uint8Array(16);
  one[0] = 1;
  const square = kernels.put(point);
  const [product, factors] = [kernels.alloc(16 * n), kernels.alloc(16 * n)];
  for (let i = 0; i < n; i++) kernels.bytes(product + 16 * i, 16).set(one);
  const bits = Math.floor(Math.log2(Math.max(1, ...exponents))) + 1;
  for (let bit = 0; bit < bits; bit++) {
    const power = kernels.bytes(square, 16).slice();
    for (const [i, exponent] of exponents.entries()) {
      kernels.bytes(factors + 16 * i, 16).set((exponent >>> bit) & 1 ? power : one);
    }
    kernels.run.gf_products(product, factors, product, n);
    kernels.run.gf_products(square, square, square, 1);
  }
  const result = kernels.bytes(product, 16 * n).slice();
  kernels.release(mark);
  return result;
}

/** Σ of the products of blocks i of both. */
export function innerProduct(kernels: Kernels, a: Uint8Array, b: Uint8Array): Uint8Array {
  const mark = kernels.mark();
  const n = a.length / 16;
  const [left, right, out] = [kernels.put(a), kernels.put(b), kernels.alloc(16 * n)];
  kernels.run.gf_products(left, right, out, n);
  const sum = new Uint8Array(16);
  for (const [i, byte] of kernels.bytes(out, 16 * n).entries()) sum[i & 15]! ^= byte;
  kernels.release(mark);
  return sum;
}
