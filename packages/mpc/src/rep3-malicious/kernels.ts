/**
 * The loops of the checks, as WebAssembly (source and build in `packages/mpc/wasm`): arithmetic modulo 2^128, in which a wide
 * vector holds pairs of 64-bit words, the low one first; and permuted blocks of 128 bits. Operands are copied through a
 * scratch memory, words in pieces that stay in cache.
 * @module
 */
import { PAGE, type WasmMemory, wasmLoader } from '@2pm/crypto/wasm';
import type { WordShare } from '../rep3/share.ts';
import { CHECK_WASM } from './kernels.generated.ts';

interface CheckFunctions {
  /** Addresses of xa, xb, ya, yb, f, g, fh, gh and the result. */
  cross_high(n: number, ...at: number[]): void;
  cross_row(xa: number, xb: number, ya: number, yb: number, inner: number, columns: number, out: number): void;
  masked_high(n: number, sums: number, f: number, g: number, fh: number, gh: number, out: number): void;
  weigh_masked(n: number, weight: number, low: number, high: number, mask: number, out: number): void;
  inner_product(n: number, x: number, y: number, sum: number): void;
  weighted_sum(n: number, weight: number, low: number, high: number, sum: number): void;
  weighted_products(n: number, weight: number, x: number, y: number, sum: number): void;
  repeat_blocks(n: number, times: number, x: number, out: number): void;
  add_blocks(n: number, order: number, x: number, out: number): void;
  add_and_blocks(n: number, order: number, x: number, y: number, out: number): void;
}

/** 32-bit words of a block of bits. */
export const BLOCK_WORDS = 4;
/** Elements of each operand of one call. */
const PIECE = 2048;
const MODULUS_BITS = 128;

/** The low words of the two mask streams of a zero sharing, and their high words. */
export interface WideMasks {
  f: BigUint64Array;
  g: BigUint64Array;
  fHigh: BigUint64Array;
  gHigh: BigUint64Array;
}

export function modulo(value: bigint): bigint {
  return BigInt.asUintN(MODULUS_BITS, value);
}

export class Kernels {
  readonly #run: CheckFunctions;
  readonly #memory: WasmMemory;
  readonly #base: number;

  /** Use `loadKernels`. */
  constructor(exports: Record<string, unknown>, memory: WasmMemory, heapBase: number) {
    this.#run = exports as unknown as CheckFunctions;
    this.#memory = memory;
    this.#base = Math.ceil(heapBase / 64) * 64;
  }

  /** High words of xa·ya + xa·yb + xb·ya + f - g over the integers modulo 2^128, element by element. */
  crossHigh(out: BigUint64Array, x: WordShare, y: WordShare, { f, g, fHigh, gHigh }: WideMasks): void {
    this.#each([x.a, x.b, y.a, y.b, f, g, fHigh, gHigh], [out], (n, at) => this.#run.cross_high(n, ...at));
  }

  /** The same for a product of row-major matrices with the common dimension `inner`. */
  matrixHigh(out: BigUint64Array, x: WordShare, y: WordShare, inner: number, masks: WideMasks): void {
    const [rows, columns] = [x.a.length / inner, y.a.length / inner];
    const [matrix, row, sums] = [8 * inner * columns, 8 * inner, 16 * columns];
    const base = this.#room(2 * matrix + 2 * row + sums);
    const [ya, yb, xa, xb] = [base, base + matrix, base + 2 * matrix, base + 2 * matrix + row];
    const totals = base + 2 * matrix + 2 * row;
    const put = (at: number, from: BigUint64Array) =>
      new BigUint64Array(this.#memory.buffer, at, from.length).set(from);
    const all = new BigUint64Array(2 * rows * columns);
    put(ya, y.a);
    put(yb, y.b);
    for (let i = 0; i < rows; i++) {
      put(xa, x.a.subarray(i * inner, (i + 1) * inner));
      put(xb, x.b.subarray(i * inner, (i + 1) * inner));
      const total = new BigUint64Array(this.#memory.buffer, totals, 2 * columns);
      total.fill(0n);
      this.#run.cross_row(xa, xb, ya, yb, inner, columns, totals);
      all.set(total, 2 * i * columns);
    }
    this.#maskedHigh(out, all, masks);
  }

  /** The same for products summed over adjacent blocks of equal size. */
  blockHigh(out: BigUint64Array, x: WordShare, y: WordShare, masks: WideMasks): void {
    const blocks = out.length;
    const size = x.a.length / blocks;
    const all = new BigUint64Array(2 * blocks);
    const base = this.#room(16 + 4 * 8 * PIECE);
    for (let block = 0; block < blocks; block++) {
      const total = new BigUint64Array(this.#memory.buffer, base, 2);
      total.fill(0n);
      for (let from = block * size; from < (block + 1) * size; from += PIECE) {
        const to = Math.min(from + PIECE, (block + 1) * size);
        const place = [x.a, x.b, y.a, y.b].map((operand, slot) => {
          const at = base + 16 + 8 * PIECE * slot;
          new BigUint64Array(this.#memory.buffer, at, to - from).set(operand.subarray(from, to));
          return at;
        });
        const [xa = 0, xb = 0, ya = 0, yb = 0] = place;
        this.#run.cross_row(xa, xb, ya, yb, to - from, 1, base);
      }
      all.set(total, 2 * block);
    }
    this.#maskedHigh(out, all, masks);
  }

  /** weight · (high, low) - mask, element by element; `high` undefined is 0. */
  weighMasked(
    out: BigUint64Array,
    weight: BigUint64Array,
    low: BigUint64Array,
    high: BigUint64Array | undefined,
    mask: BigUint64Array,
  ): void {
    this.#each([weight, low, high ?? zeros(low.length), mask], [out], (n, [w = 0, l = 0, h = 0, m = 0, o = 0]) =>
      this.#run.weigh_masked(n, w, l, h, m, o),
    );
  }

  /** Sum of the products of wide x and narrow y. */
  innerProduct(x: BigUint64Array, y: BigUint64Array): bigint {
    return this.#sum([x, y], y.length, (n, [a = 0, b = 0, sum = 0]) => this.#run.inner_product(n, a, b, sum));
  }

  /** Sum of weight · (high, low); `high` undefined is 0. */
  weightedSum(weight: BigUint64Array, low: BigUint64Array, high?: BigUint64Array): bigint {
    return this.#sum([weight, low, high ?? zeros(low.length)], low.length, (n, [w = 0, l = 0, h = 0, sum = 0]) =>
      this.#run.weighted_sum(n, w, l, h, sum),
    );
  }

  /** Sum of weight · x · y. */
  weightedProducts(weight: BigUint64Array, x: BigUint64Array, y: BigUint64Array): bigint {
    return this.#sum([weight, x, y], x.length, (n, [w = 0, a = 0, b = 0, sum = 0]) =>
      this.#run.weighted_products(n, w, a, b, sum),
    );
  }

  /**
   * Blocks of `x`, each `times` times next to each other, xored with Σ blocks[order[·]] ∧ factor, a factor that is missing being all
   * ones; `order` says for each block of the result which of the blocks it meets.
   */
  mixedBlocks(
    x: Uint32Array,
    times: number,
    order: Uint32Array,
    terms: readonly { blocks: Uint32Array; factor?: Uint32Array }[],
  ): Uint32Array<ArrayBuffer> {
    const [count, length] = [(x.length / BLOCK_WORDS) * times, x.length * times];
    const largest = Math.max(x.length, ...terms.map(({ blocks }) => blocks.length));
    const [place, factors, result] = [0, 4 * largest, 4 * (largest + length)];
    const indices = result + 4 * length;
    const base = this.#room(indices + 4 * count);
    const memory = new Uint32Array(this.#memory.buffer, base);
    memory.set(x, place);
    this.#run.repeat_blocks(x.length / BLOCK_WORDS, times, base, base + result);
    memory.set(order.subarray(0, count), indices / 4);
    for (const { blocks, factor } of terms) {
      memory.set(blocks, place);
      if (factor === undefined) this.#run.add_blocks(count, base + indices, base, base + result);
      else {
        memory.set(factor, factors / 4);
        this.#run.add_and_blocks(count, base + indices, base, base + factors, base + result);
      }
    }
    return memory.slice(result / 4, result / 4 + length);
  }

  #maskedHigh(out: BigUint64Array, sums: BigUint64Array, { f, g, fHigh, gHigh }: WideMasks): void {
    this.#each([sums, f, g, fHigh, gHigh], [out], (n, [s = 0, a = 0, b = 0, c = 0, d = 0, o = 0]) =>
      this.#run.masked_high(n, s, a, b, c, d, o),
    );
  }

  #sum(inputs: readonly BigUint64Array[], length: number, call: (n: number, at: readonly number[]) => void): bigint {
    const total = new BigUint64Array(2);
    this.#each(inputs, [], call, { total, length });
    return (total[0] ?? 0n) + ((total[1] ?? 0n) << 64n);
  }

  /** Copies pieces of the inputs in and of the outputs out, around calls with the addresses of all, and of a sum if any. */
  #each(
    inputs: readonly BigUint64Array[],
    outputs: readonly BigUint64Array[],
    call: (n: number, at: readonly number[]) => void,
    sum?: { total: BigUint64Array; length: number },
  ): void {
    const arrays = [...inputs, ...outputs];
    const count = sum?.length ?? arrays.reduce((least, { length }) => Math.min(least, length), Infinity);
    const base = this.#room(16 + 16 * PIECE * arrays.length);
    const at = arrays.map((_, slot) => base + 16 + 16 * PIECE * slot);
    if (sum !== undefined) at.push(base);
    const scratch = new BigUint64Array(this.#memory.buffer, base, 2 + 2 * PIECE * arrays.length);
    const place = (slot: number) => 2 + 2 * PIECE * slot;
    scratch.fill(0n, 0, 2);
    for (let from = 0; from < count; from += PIECE) {
      const to = Math.min(count, from + PIECE);
      for (const [slot, array] of inputs.entries()) {
        const width = array.length / count;
        scratch.set(array.subarray(from * width, to * width), place(slot));
      }
      call(to - from, at);
      for (const [slot, array] of outputs.entries()) {
        const [width, start] = [array.length / count, place(inputs.length + slot)];
        array.set(scratch.subarray(start, start + (to - from) * width), from * width);
      }
    }
    sum?.total.set(scratch.subarray(0, 2));
  }

  /** Address of `size` bytes of scratch. */
  #room(size: number): number {
    const missing = Math.ceil((this.#base + size - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#memory.grow(missing);
    return this.#base;
  }
}

let none = new BigUint64Array(0);

/** Nobody writes there. */
function zeros(length: number): BigUint64Array {
  if (none.length < length) none = new BigUint64Array(length);
  return none.subarray(0, length);
}

const load = wasmLoader(CHECK_WASM, 8);

/** A fresh instance with its own memory. */
export async function loadKernels(): Promise<Kernels> {
  const { exports, memory, heapBase } = await load();
  return new Kernels(exports, memory, heapBase);
}
