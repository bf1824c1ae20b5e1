/** Polynomials modulo X^8192 + 1 and a prime of `parameters.ts`, in the kernels' memory: 32 KiB each. @module */

import type { Kernels } from '../wasm/kernels.ts';
import { inverse, LIMBS, PLAIN, power, rootOf, SLOTS } from './parameters.ts';

/** Bytes of a polynomial. */
export const POLYNOMIAL = 4 * SLOTS;
/** What `multiplyAdd` divides by. */
export const MONTGOMERY = 2n ** 32n;

/** An address of words, and what each is multiplied by. */
export type Term = readonly [at: number, factor: bigint];

interface Tables {
  forward: number;
  backward: number;
  /** 1 / X^4096 as a value, by which the last layer of the way back multiplies. */
  middle: bigint;
  /** 1 / SLOTS. */
  scale: bigint;
  /** 1 / prime modulo 2^32. */
  reduction: number;
}

export class Ring {
  readonly kernels: Kernels;
  readonly #tables = new Map<bigint, Tables>();

  /** Keeps 1.6 MB of the kernels' memory for its tables. */
  constructor(kernels: Kernels) {
    this.kernels = kernels;
    for (const prime of [...LIMBS, ...PLAIN]) {
      const [root, p] = [rootOf(prime), Number(prime)];
      const back = inverse(root, prime);
      const [forward, backward] = [kernels.alloc(2 * POLYNOMIAL), kernels.alloc(2 * POLYNOMIAL)];
      kernels.run.ntt_roots(Number(root), p, SLOTS, forward);
      kernels.run.ntt_roots(Number(back), p, SLOTS, backward);
      const middle = power(back, BigInt(SLOTS / 2), prime);
      const scale = inverse(BigInt(SLOTS), prime);
      const reduction = Number(power(prime, 2n ** 31n - 1n, MONTGOMERY));
      this.#tables.set(prime, { forward, backward, middle, scale, reduction });
    }
  }

  /** Room for polynomials side by side. */
  alloc(count = 1): number {
    return this.kernels.alloc(POLYNOMIAL * count);
  }

  /** Coefficients to values, in place. */
  toValues(at: number, prime: bigint): void {
    this.kernels.run.ntt(at, SLOTS, Number(prime), this.#tablesOf(prime).forward);
  }

  /** Values to coefficients times a factor, in place. */
  toCoefficients(at: number, prime: bigint, factor = 1n): void {
    const { backward, middle, scale } = this.#tablesOf(prime);
    const first = (factor * scale) % prime;
    this.#withFactors([first, first * middle], prime, (factors) =>
      this.kernels.run.ntt_inverse(at, SLOTS, Number(prime), backward, factors),
    );
  }

  /** Sums of words times factors, modulo the prime; `out` may be one of them. */
  combine(terms: readonly Term[], prime: bigint, out: number): void {
    const { kernels } = this;
    const mark = kernels.mark();
    const at = kernels.alloc(12 * terms.length);
    const list = terms.flatMap(([words, factor]) => [words, ...pairOf(factor, prime)]);
    kernels.words(at, list.length).set(list);
    kernels.run.combine(at, terms.length, SLOTS, Number(prime), out);
    kernels.release(mark);
  }

  /** x y / 2^32 (+ z), of values. */
  multiplyAdd(x: number, y: number, z: number | undefined, prime: bigint, out: number): void {
    this.kernels.run.multiply_add(x, y, z ?? 0, SLOTS, Number(prime), this.#tablesOf(prime).reduction, out);
  }

  #withFactors(factors: readonly bigint[], prime: bigint, run: (at: number) => void): void {
    const mark = this.kernels.mark();
    const list = factors.flatMap((factor) => pairOf(factor, prime));
    const at = this.kernels.alloc(4 * list.length);
    this.kernels.words(at, list.length).set(list);
    run(at);
    this.kernels.release(mark);
  }

  #tablesOf(prime: bigint): Tables {
    const tables = this.#tables.get(prime);
    if (tables === undefined) throw new RangeError(`${prime} is none of the primes`);
    return tables;
  }
}

/** A factor as the kernels take it. */
export function pairOf(factor: bigint, prime: bigint): [factor: number, shoup: number] {
  const reduced = ((factor % prime) + prime) % prime;
  return [Number(reduced), Number((reduced << 32n) / prime)];
}
