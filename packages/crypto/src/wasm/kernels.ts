/**
 * The hot loops: one WebAssembly SIMD module (sources and build in `packages/crypto/wasm`) over one memory, with an
 * arena on top. Addresses are byte offsets into that memory; a `block` is 16 bytes, little endian.
 *
 * An instance belongs to one run of one protocol and is dropped with it, secrets included (or lent to the next, see
 * `pool.ts`): neither JavaScript nor WebAssembly can promise that memory is wiped. Multiplication in GF(2^128) is free of secret-dependent addresses and
 * branches; OKVS rows, GGM paths and tag joins are addressed by secret data, which a process that shares the cache could
 * observe.
 * @module
 */
import { type CryptoProvider, NodeError } from '@2pm/core';
import { KERNELS_WASM } from './kernels.generated.ts';
import { MAX_PAGES, PAGE, type WasmInstance, type WasmMemory, wasmLoader } from './module.ts';

/** C signatures in words: see the comment above each function in `packages/crypto/wasm`. */
export interface KernelFunctions {
  blake3_items(key: number, items: number, n: number, out: number): void;
  blake3_blocks(key: number, blocks: number, lengths: number, n: number, out: number): void;
  hash_correlations(key: number, blocks: number, offset: number, n: number, out: number): void;
  hash_with_items(key: number, values: number, mask: number, items: number, stride: number, n: number): void;
  okvs_rows(
    key: number,
    items: number,
    n: number,
    real: number,
    first: number,
    bins: number,
    capacity: number,
    sparse: number,
    dense: number,
    rows: number,
    indices: number,
    counts: number,
  ): number;
  okvs_scratch(capacity: number, sparse: number): number;
  okvs_encode(rows: number, n: number, sparse: number, dense: number, vector: number, scratch: number): number;
  okvs_decode(
    rows: number,
    n: number,
    sparse: number,
    dense: number,
    vector: number,
    out: number,
    scratch: number,
  ): void;
  okvs_hits(indices: number, n: number, found: number, items: number, hit: number): void;
  gf_tables(factor: number, tables: number): void;
  gf_multiply(tables: number, input: number, stride: number, out: number, n: number, add: number): void;
  gf_horner(tables: number, input: number, n: number, sums: number): void;
  gf_products(a: number, b: number, out: number, n: number): void;
  gf_fold(input: number, n: number, out: number): void;
  xor_blocks(a: number, b: number, out: number, n: number): void;
  xor_selected(a: number, b: number, bit: number, out: number, n: number): void;
  transpose_bits(input: number, columns: number, out: number): void;
  ggm_level(
    nodes: number,
    from: number,
    to: number,
    parents: number,
    children: number,
    trees: number,
    level: number,
    tweak: number,
    sums: number,
  ): void;
  ggm_puncture(
    nodes: number,
    parents: number,
    children: number,
    trees: number,
    places: number,
    branches: number,
    sums: number,
    byLow: number,
    byHigh: number,
    totals: number,
  ): void;
  convolute(x: number, bits: number, from: number, to: number, lanes: number): void;
  convolute_wrap(x: number, bits: number, n: number, lanes: number): void;
  expand(x: number, n: number, key: number, from: number, to: number, out: number, second: number, lanes: number): void;
  widen_blocks(x: number, from: number, to: number): void;
  clear_low_bits(x: number, n: number): void;
  low_bits(x: number, n: number, out: number): void;
  xor_offset(x: number, offset: number, out: number, n: number): void;
  bit_products_send(zero: number, one: number, factors: number, n: number, message: number, share: number): void;
  sixteen_send(zero: number, one: number, n: number, out: number): void;
  sixteen_receive(chosen: number, pads: number, n: number, out: number): void;
  bit_products_receive(chosen: number, pads: number, message: number, n: number, share: number): void;
  chacha_stream(key: number, nonce: number, rounds: number, at: number, out: number, size: number): void;
  shuffle(slots: number, from: number, to: number, random: number): void;
  pack_tags(slots: number, n: number, width: number, out: number): void;
  unpack_tags(packed: number, n: number, width: number, slots: number): void;
  sort_count(slots: number, from: number, to: number, bits: number, counts: number): void;
  sort_place(slots: number, from: number, to: number, bits: number, heads: number, sorted: number): void;
  code_sorted(sorted: number, from: number, to: number, bits: number, width: number, high: number, low: number): void;
  decode_sorted(
    high: number,
    cursor: number,
    end: number,
    low: number,
    from: number,
    to: number,
    bits: number,
    width: number,
    out: number,
  ): number;
  /** Message i: `sizes[i]` bytes from `data + starts[i]` on. Digests cut to 16 bytes. */
  sha256_messages(data: number, starts: number, sizes: number, n: number, out: number): void;
  parse_records(
    data: number,
    size: number,
    numbers: number,
    texts: number,
    longest: number,
    most: number,
    values: number,
    starts: number,
    sizes: number,
    longer: number,
  ): number;
  join_build(slots: number, from: number, to: number, width: number, table: number, bits: number): number;
  ntt_roots(root: number, p: number, n: number, roots: number): void;
  ntt(x: number, n: number, p: number, roots: number): void;
  ntt_inverse(x: number, n: number, p: number, roots: number, factor: number): void;
  combine(terms: number, count: number, n: number, p: number, out: number): void;
  multiply_add(x: number, y: number, z: number, n: number, p: number, inverse: number, out: number): void;
  uniform(from: number, words: number, n: number, p: number, out: number): number;
  shift_down(x: number, n: number, by: number): void;
  binomial(from: number, n: number, ones: number, others: number): void;
  ternary(from: number, n: number, ones: number, others: number): void;
  halves(x: number, n: number, low: number, high: number): void;
  above(x: number, n: number, bound: number, out: number): void;
  quotients(x: number, count: number, n: number, primes: number, out: number): void;
  garner(
    x: number,
    count: number,
    n: number,
    primes: number,
    inverses: number,
    places: number,
    negate: number,
    out: number,
  ): void;
  join_probe(slots: number, width: number, table: number, bits: number, tags: number, n: number, found: number): void;
}

const SYSTEM_PAGE = 4_096;

export class Kernels {
  readonly run: KernelFunctions;
  readonly #memory: WasmMemory;
  #top: number;
  /** Address up to which `reserve` has touched every page. */
  #resident = 0;

  /** Use `loadKernels`. */
  constructor({ exports, memory, heapBase }: WasmInstance) {
    this.run = exports as unknown as KernelFunctions;
    this.#memory = memory;
    this.#top = heapBase;
  }

  /** Bytes of the memory, taken or not. */
  get size(): number {
    return this.#memory.buffer.byteLength;
  }

  /**
   * Reserves `size` bytes at a multiple of 64. Contents are arbitrary. Views taken before may be detached.
   * @throws {NodeError} `KERNELS_OUT_OF_MEMORY` beyond 4 GiB, or what the machine gives.
   */
  alloc(size: number): number {
    const at = Math.ceil(this.#top / 64) * 64;
    const missing = Math.ceil((at + size - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#grow(missing);
    this.#top = at + size;
    return at;
  }

  /**
   * Makes the next `size` bytes resident now instead of at first use: a fresh page costs a microsecond or more, which is
   * better spent while a message is awaited.
   */
  reserve(size: number): void {
    const mark = this.mark();
    const at = this.alloc(size);
    const first = Math.max(at, this.#resident);
    const bytes = this.bytes(first, Math.max(0, at + size - first));
    for (let offset = 0; offset < bytes.length; offset += SYSTEM_PAGE) bytes[offset] = 0;
    this.#resident = first + bytes.length;
    this.release(mark);
  }

  /** Address up to which memory is taken; hand it to `release` to free everything reserved since. */
  mark(): number {
    return this.#top;
  }

  release(mark: number): void {
    this.#top = mark;
  }

  /** A view; valid until the next `alloc`. */
  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, at, length);
  }

  words(at: number, length: number): Uint32Array {
    return new Uint32Array(this.#memory.buffer, at, length);
  }

  /** Reserves room for `bytes` and copies them in. */
  put(bytes: Uint8Array): number {
    const at = this.alloc(bytes.length);
    this.bytes(at, bytes.length).set(bytes);
    return at;
  }

  #grow(pages: number): void {
    const total = this.#memory.buffer.byteLength / PAGE + pages;
    try {
      if (total > MAX_PAGES) throw new RangeError('beyond 32-bit addresses');
      this.#memory.grow(pages);
    } catch (cause) {
      throw new NodeError('KERNELS_OUT_OF_MEMORY', `no room for ${Math.ceil((total * PAGE) / 2 ** 20)} MiB`, {
        fault: 'node',
        fix: 'Lower the declared capacity, or run on a machine with more memory.',
        cause,
      });
    }
  }
}

/**
 * Writes `length` bytes (a multiple of 16) of ChaCha keystream from counter 0 to `at`: RFC 8439 §2.3 with 12 rounds, or 8
 * where the bytes are public and only have to look random; the words of four blocks interleaved (see `stream.c`). Key of 32
 * bytes; `nonce` below 2^32, never twice for one secret key.
 */
export function putChaCha(
  kernels: Kernels,
  { key, nonce, rounds }: { key: Uint8Array; nonce: number; rounds: 8 | 12 },
  at: number,
  length: number,
): void {
  const mark = kernels.mark();
  const keyAt = kernels.put(key);
  for (const [from, to] of pieces(length, STREAM_PIECE)) {
    kernels.run.chacha_stream(keyAt, nonce, rounds, from / 256, at + from, to - from);
  }
  kernels.release(mark);
}

/** Writes `length` bytes of AES-128-CTR keystream from counter 0 to `at`. */
export function putStream(
  kernels: Kernels,
  crypto: CryptoProvider,
  { key, nonce }: { key: Uint8Array; nonce: Uint8Array },
  at: number,
  length: number,
): void {
  for (const [from, to] of pieces(length, STREAM_PIECE)) {
    kernels.bytes(at + from, to - from).set(crypto.aes128Ctr(key, nonce, BigInt(from / 16), to - from));
  }
}
/** Small enough for the allocator to reuse, large enough to hide the price of a call. */
const STREAM_PIECE = 65_536;

/**
 * `[from, to)` of the pieces of `total` elements, for one call each. No call may run long: a function starts in the
 * engine's quick code and can change to its fast code only between calls.
 */
export function* pieces(total: number, step = 16_384): Generator<[from: number, to: number]> {
  for (let from = 0; from < total; from += step) yield [from, Math.min(total, from + step)];
}

const load = wasmLoader(KERNELS_WASM, 16);

/** A fresh instance with its own memory. */
export async function loadKernels(): Promise<Kernels> {
  return new Kernels(await load());
}
