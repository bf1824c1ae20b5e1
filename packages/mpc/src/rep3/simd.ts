/**
 * The loops that plain JavaScript does slowly, as WebAssembly SIMD (source and build in `packages/mpc/wasm`): ANDs of bit
 * planes, the bit transposition, matrix products. Operands are copied through a scratch memory in pieces that stay in
 * cache, so shares live in ordinary arrays and no address outlives a call. An instance belongs to one seat of one run.
 * @module
 */
import { PAGE, type WasmMemory, wasmLoader } from '@2pm/crypto/wasm';
import { bytesOf } from './share.ts';
import { SIMD_WASM } from './simd.generated.ts';

type TruncateSum = (n: number, x0: number, x1: number, w: number, bits: number, bit: number, part: number) => void;
type TruncateDifference = (n: number, x2: number, m: number, bits: number, own: bigint, part: number) => void;

/** Takes a number of 16-byte blocks and the addresses of operands, two masks and the result. */
type MaskedKernel = (blocks: number, ...at: number[]) => void;

interface SimdFunctions {
  masked_and: MaskedKernel;
  masked_product: MaskedKernel;
  masked_words: MaskedKernel;
  slice_planes(words: number, groups: number, planes: number): void;
  truncate_sum16: TruncateSum;
  truncate_sum32: TruncateSum;
  truncate_sum64: TruncateSum;
  truncate_difference16: TruncateDifference;
  truncate_difference32: TruncateDifference;
  truncate_difference64: TruncateDifference;
  row_times_matrix(x: number, y: number, inner: number, columns: number, out: number): void;
}

const WORD_BYTES = 8;
/** Bytes of each operand in a masked step of one call. */
const MASKED_PIECE = 1 << 14;
/** 64-bit words of each operand in an element-wise step of one call. */
const WORD_PIECE = 2048;
/** 64-bit words of a transposition of one call, a multiple of 128. */
const SLICE_PIECE = 4096;

/** Words of 16, 32 or 64 bits: as many as `narrow` says. */
export type Narrow = Uint16Array | Uint32Array | BigUint64Array;

/** The bytes as words that hold `bits` bits each. */
export function narrow(bytes: Uint8Array, bits: number): Narrow {
  const width = narrowBytes(bits);
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  if (width === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  if (width === 4) return new Uint32Array(buffer, byteOffset, byteLength / 4);
  return new BigUint64Array(buffer, byteOffset, byteLength / 8);
}

export function narrowBytes(bits: number): number {
  return 2 << narrowness(bits);
}

function narrowness(bits: number): number {
  return bits <= 16 ? 0 : bits <= 32 ? 1 : 2;
}

interface Pair<Words> {
  a: Words;
  b: Words;
}

/** Writes what comes next over `out`. */
export interface Stream {
  fill(out: Uint8Array): unknown;
}

export class Simd {
  readonly #run: SimdFunctions;
  readonly #memory: WasmMemory;
  readonly #base: number;
  #views: { bytes: Uint8Array; packed: Uint32Array; words: BigUint64Array } | undefined;

  /** Use `loadSimd`. */
  constructor(exports: Record<string, unknown>, memory: WasmMemory) {
    this.#run = exports as unknown as SimdFunctions;
    this.#memory = memory;
    this.#base = Math.ceil((exports['__heap_base'] as { value: number }).value / 64) * 64;
  }

  /** out = this seat's part of an AND, masked by the zero sharing of the two streams; all views have one length. */
  maskedAnd(out: Uint32Array, x: Pair<Uint32Array>, y: Pair<Uint32Array>, masks: Pair<Stream>): void {
    const { packed } = this.#masking();
    this.#masked(this.#run.masked_and, packed, out, [x.a, x.b, y.a, y.b], masks, 0, out.length);
  }

  /**
   * This seat's additive part of a product (Araki et al.), xa·ya + xa·yb + xb·ya, plus one mask less the other: elements [from, to)
   * of `out`.
   */
  maskedProduct(
    out: BigUint64Array,
    x: Pair<BigUint64Array>,
    y: Pair<BigUint64Array>,
    masks: Pair<Stream>,
    from = 0,
    to = out.length,
  ): void {
    const { words } = this.#masking();
    this.#masked(this.#run.masked_product, words, out, [x.a, x.b, y.a, y.b], masks, from, to);
  }

  /** Elements [from, to) of z += one mask less the other. */
  maskWords(z: BigUint64Array, masks: Pair<Stream>, from = 0, to = z.length): void {
    this.#masked(this.#run.masked_words, this.#masking().words, z, [z], masks, from, to);
  }

  /** Small arrays are neither viewed nor cut, which costs more than the work on them. */
  #masked<Words extends Uint32Array | BigUint64Array>(
    kernel: MaskedKernel,
    scratch: Words,
    out: Words,
    operands: readonly Words[],
    { a, b }: Pair<Stream>,
    from: number,
    to: number,
  ): void {
    const { bytes } = this.#masking();
    const width = out.BYTES_PER_ELEMENT;
    const piece = MASKED_PIECE / width;
    const cut = (words: Words, start: number, count: number) =>
      (count === words.length ? words : words.subarray(start, start + count)) as Uint32Array & BigUint64Array;
    const { length } = operands;
    const at = Array.from({ length: length + 3 }, (_, slot) => this.#base + MASKED_PIECE * slot);
    for (let start = from; start < to; start += piece) {
      const count = Math.min(to - start, piece);
      for (let slot = 0; slot < length; slot++) scratch.set(cut(operands[slot]!, start, count), slot * piece);
      a.fill(bytes.subarray(MASKED_PIECE * length, MASKED_PIECE * length + width * count));
      b.fill(bytes.subarray(MASKED_PIECE * (length + 1), MASKED_PIECE * (length + 1) + width * count));
      kernel(Math.ceil((width * count) / 16), ...at);
      out.set(cut(scratch, (length + 2) * piece, count), start);
    }
  }

  /** Views of the scratch memory that masked steps share. */
  #masking(): { bytes: Uint8Array; packed: Uint32Array; words: BigUint64Array } {
    const size = MASKED_PIECE * 7;
    const base = this.#room(size);
    const { buffer } = this.#memory;
    if (this.#views?.bytes.buffer !== buffer) {
      this.#views = {
        bytes: new Uint8Array(buffer, base, size),
        packed: new Uint32Array(buffer, base, size / 4),
        words: new BigUint64Array(buffer, base, size / 8),
      };
    }
    return this.#views;
  }

  /**
   * Bit-slices: each of 64 planes, one after another, holds one bit of every word, packed. Bit k is in the plane whose
   * number is k with its six bits reversed: neighbours in significance then lie 32 planes apart, pairs of neighbours 16
   * apart, and a tree over them works on whole contiguous runs. Bit 63 is in plane 63.
   * Transposes 32 × 32 blocks by swapping halves, quarters, … (Warren, Hacker's Delight, §7-3).
   */
  slicePlanes(x: BigUint64Array): Uint32Array {
    const width = Math.ceil(x.length / 32);
    const out = new Uint32Array(64 * width);
    const from = this.#room(2 * WORD_BYTES * SLICE_PIECE);
    const to = from + WORD_BYTES * SLICE_PIECE;
    const words = new BigUint64Array(this.#memory.buffer, from, SLICE_PIECE);
    for (let start = 0; start < x.length; start += SLICE_PIECE) {
      const piece = x.subarray(start, start + SLICE_PIECE);
      const groups = Math.ceil(piece.length / 128);
      words.set(piece);
      words.fill(0n, piece.length, 128 * groups);
      this.#run.slice_planes(from, groups, to);
      const planes = new Uint32Array(this.#memory.buffer, to, 64 * 4 * groups);
      const filled = Math.ceil(piece.length / 32);
      for (let plane = 0; plane < 64; plane++) {
        out.set(planes.subarray(4 * groups * plane, 4 * groups * plane + filled), plane * width + start / 32);
      }
    }
    return out;
  }

  /** Seat 0's step of a truncation: of u = x0 + x1 + 2^62, the bit u < 2^63 less w, and the word u >> bits less 2^62 >> bits. */
  truncateSum(
    bits: number,
    [x0, x1, w]: readonly [BigUint64Array, BigUint64Array, Narrow],
    [bit, part]: readonly [Narrow, BigUint64Array],
  ): void {
    const { truncate_sum16, truncate_sum32, truncate_sum64 } = this.#run;
    const kernel = [truncate_sum16, truncate_sum32, truncate_sum64][narrowness(bits)] ?? truncate_sum64;
    this.#elementwise([x0, x1, w], [bit, part], (n, [a = 0, b = 0, c = 0, d = 0, e = 0]) =>
      kernel(n, a, b, c, bits, d, e),
    );
  }

  /** The step of seats 1 and 2: of r = -x2, m · 2^(64 - bits) where r ≥ 2^63; and with `own`, less r >> bits. */
  truncateDifference(bits: number, own: boolean, x2: BigUint64Array, m: Narrow, part: BigUint64Array): void {
    const { truncate_difference16, truncate_difference32, truncate_difference64 } = this.#run;
    const kernel =
      [truncate_difference16, truncate_difference32, truncate_difference64][narrowness(bits)] ?? truncate_difference64;
    this.#elementwise([x2, m], [part], (n, [a = 0, b = 0, c = 0]) => kernel(n, a, b, bits, own ? 1n : 0n, c));
  }

  /** Sum of the products x · y of row-major matrices modulo 2^64; each x has rows of `inner` elements, each y that many rows. */
  matrixProducts(pairs: readonly (readonly [BigUint64Array, BigUint64Array])[], inner: number): BigUint64Array {
    const [rows, columns] = [(pairs[0]?.[0].length ?? 0) / inner, (pairs[0]?.[1].length ?? 0) / inner];
    const out = new BigUint64Array(rows * columns);
    const matrix = WORD_BYTES * inner * columns;
    const base = this.#room(matrix + WORD_BYTES * (inner + columns) + 16);
    const row = base + matrix;
    const sums = row + WORD_BYTES * inner;
    const view = (at: number, length: number) => new BigUint64Array(this.#memory.buffer, at, length);
    const [factor, sum] = [view(row, inner), view(sums, columns)];
    for (const [x, y] of pairs) {
      view(base, inner * columns).set(y);
      for (let i = 0; i < rows; i++) {
        const part = out.subarray(i * columns, (i + 1) * columns);
        factor.set(x.subarray(i * inner, (i + 1) * inner));
        sum.set(part);
        this.#run.row_times_matrix(row, base, inner, columns, sums);
        part.set(sum);
      }
    }
    return out;
  }

  /** Copies pieces of the inputs in and of the outputs out, around calls with the addresses of all. */
  #elementwise(
    inputs: readonly Narrow[],
    outputs: readonly Narrow[],
    call: (n: number, at: readonly number[]) => void,
  ): void {
    const arrays = [...inputs, ...outputs].map(bytesOf);
    const length = outputs[0]?.length ?? 0;
    const base = this.#room(WORD_BYTES * WORD_PIECE * arrays.length);
    const at = arrays.map((_, slot) => base + WORD_BYTES * WORD_PIECE * slot);
    const scratch = new Uint8Array(this.#memory.buffer);
    for (let from = 0; from < length; from += WORD_PIECE) {
      const to = Math.min(length, from + WORD_PIECE);
      for (const [slot, array] of arrays.entries()) {
        const width = array.length / length;
        if (slot < inputs.length) scratch.set(array.subarray(from * width, to * width), at[slot]);
      }
      call(to - from, at);
      for (const [slot, array] of arrays.entries()) {
        const [width, place] = [array.length / length, at[slot] ?? 0];
        if (slot >= inputs.length) array.set(scratch.subarray(place, place + (to - from) * width), from * width);
      }
    }
  }

  /** Address of `size` bytes of scratch. */
  #room(size: number): number {
    const missing = Math.ceil((this.#base + size - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#memory.grow(missing);
    return this.#base;
  }
}

const load = wasmLoader(SIMD_WASM, 8);

/** A fresh instance with its own memory. */
export async function loadSimd(): Promise<Simd> {
  const { exports, memory } = await load();
  return new Simd(exports, memory);
}
