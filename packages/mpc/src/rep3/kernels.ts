/**
 * The inner loops. BigUint64Array is compiled to 64-bit arithmetic only for straight element-wise expressions, so sums
 * and bit operations work on 32-bit halves. Indices stay below the shortest array by the callers' checks of lengths.
 * @module
 */

export function add(x: BigUint64Array, y: BigUint64Array): BigUint64Array {
  const out = new BigUint64Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + y[i]!;
  return out;
}

export function sub(x: BigUint64Array, y: BigUint64Array): BigUint64Array {
  const out = new BigUint64Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! - y[i]!;
  return out;
}

export function scale(x: BigUint64Array, by: bigint): BigUint64Array {
  const out = new BigUint64Array(x.length);
  const factor = BigInt.asUintN(64, by);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! * factor;
  return out;
}

/** This seat's additive part of a product (Araki et al.): xa·ya + xa·yb + xb·ya. */
export function crossProduct(
  xa: BigUint64Array,
  xb: BigUint64Array,
  ya: BigUint64Array,
  yb: BigUint64Array,
): BigUint64Array {
  const out = new BigUint64Array(xa.length);
  for (let i = 0; i < out.length; i++) out[i] = xa[i]! * (ya[i]! + yb[i]!) + xb[i]! * ya[i]!;
  return out;
}

/** The same, masked by a zero sharing: out = xa·ya + xa·yb + xb·ya + f - g, for the length of f. */
export function maskedProduct(
  out: BigUint64Array,
  xa: BigUint64Array,
  xb: BigUint64Array,
  ya: BigUint64Array,
  yb: BigUint64Array,
  f: BigUint64Array,
  g: BigUint64Array,
): void {
  for (let i = 0; i < f.length; i++) out[i] = xa[i]! * (ya[i]! + yb[i]!) + xb[i]! * ya[i]! + f[i]! - g[i]!;
}

/** z += f - g, in place: the mask of a zero sharing. */
export function maskWords(z: BigUint64Array, f: BigUint64Array, g: BigUint64Array): void {
  for (let i = 0; i < z.length; i++) z[i] = z[i]! + f[i]! - g[i]!;
}

/**
 * This seat's part of an AND, masked by the zero sharing f ⊕ g: out[at + i] for all i of x and y, which are views of
 * equal length. Several calls fill one `out`, so that operands need not be copied side by side.
 */
export function crossAnd(
  out: Uint32Array,
  at: number,
  x: { a: Uint32Array; b: Uint32Array },
  y: { a: Uint32Array; b: Uint32Array },
  f: Uint32Array,
  g: Uint32Array,
): void {
  const [xa, xb, ya, yb] = [x.a, x.b, y.a, y.b];
  for (let i = 0, o = at; i < xa.length; i++, o++) {
    out[o] = (xa[i]! & (ya[i]! ^ yb[i]!)) ^ (xb[i]! & ya[i]!) ^ f[o]! ^ g[o]!;
  }
}

export function xor(x: Uint32Array, y: Uint32Array): Uint32Array {
  const out = new Uint32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! ^ y[i]!;
  return out;
}

/** out = x ⊕ y, for the length of x. */
export function xorTo(out: Uint32Array, x: Uint32Array, y: Uint32Array): void {
  for (let i = 0; i < x.length; i++) out[i] = x[i]! ^ y[i]!;
}

export function complement(x: Uint32Array): Uint32Array {
  const out = new Uint32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = ~x[i]!;
  return out;
}

/** Sums of `blocks` adjacent blocks, modulo 2^64. Halves add up exactly in doubles for 2^20 terms at a time. */
export function blockSums(x: BigUint64Array, blocks: number): BigUint64Array {
  const out = new BigUint64Array(blocks);
  const halves = new Uint32Array(x.buffer, x.byteOffset, x.length * 2);
  const size = x.length / blocks;
  for (let block = 0; block < blocks; block++) {
    let total = 0n;
    for (let start = block * size; start < (block + 1) * size; start += 2 ** 20) {
      const end = Math.min(start + 2 ** 20, (block + 1) * size);
      let [low, high] = [0, 0];
      for (let i = start; i < end; i++) {
        low += halves[2 * i]!;
        high += halves[2 * i + 1]!;
      }
      total += BigInt(low) + (BigInt(high) << 32n);
    }
    out[block] = total;
  }
  return out;
}

/**
 * Bit-slices: each of 64 planes, one after another, holds one bit of every word, packed. Bit k is in the plane whose
 * number is k with its six bits reversed: neighbours in significance then lie 32 planes apart, pairs of neighbours 16
 * apart, and a tree over them works on whole contiguous runs. Bit 63 is in plane 63.
 * Transposes 32 × 32 blocks by swapping halves, quarters, … (Warren, Hacker's Delight, §7-3).
 */
export function slicePlanes(x: BigUint64Array): Uint32Array {
  const width = Math.ceil(x.length / 32);
  const out = new Int32Array(64 * width);
  const halves = new Int32Array(x.buffer, x.byteOffset, x.length * 2);
  const block = new Int32Array(32);
  for (let half = 0; half < 2; half++) {
    for (let w = 0; w < width; w++) {
      const count = Math.min(32, x.length - 32 * w);
      if (count < 32) block.fill(0);
      for (let i = 0; i < count; i++) block[i] = halves[2 * (32 * w + i) + half]!;
      swap(block, 16, 0x0000ffff);
      swap(block, 8, 0x00ff00ff);
      swap(block, 4, 0x0f0f0f0f);
      swap(block, 2, 0x33333333);
      swap(block, 1, 0x55555555);
      for (let bit = 0; bit < 32; bit++) out[REVERSED[32 * half + bit]! * width + w] = block[bit]!;
    }
  }
  return new Uint32Array(out.buffer);
}

const REVERSED = Uint8Array.from({ length: 64 }, (_, k) =>
  Number.parseInt([...k.toString(2).padStart(6, '0')].reverse().join(''), 2),
);

/** One level of the transposition: exchanges the off-diagonal j × j squares of every 2j × 2j square. */
function swap(block: Int32Array, j: number, mask: number): void {
  for (let square = 0; square < 32; square += 2 * j) {
    for (let k = square; k < square + j; k++) {
      const [above, below] = [block[k]!, block[k + j]!];
      const t = ((above >>> j) ^ below) & mask;
      block[k] = above ^ (t << j);
      block[k + j] = below ^ t;
    }
  }
}

/** Packed bits to words 0 or 1. */
export function widen(bits: Uint32Array, length: number): BigUint64Array {
  const out = new BigUint64Array(length);
  const halves = new Uint32Array(out.buffer);
  for (let i = 0; i < length; i++) halves[2 * i] = (bits[i >>> 5]! >>> (i & 31)) & 1;
  return out;
}

/** The lowest bit of each word, packed. */
export function lowestBits(x: BigUint64Array): Uint32Array {
  const out = new Uint32Array(Math.ceil(x.length / 32));
  const halves = new Uint32Array(x.buffer, x.byteOffset, x.length * 2);
  for (let i = 0; i < x.length; i++) out[i >>> 5] = out[i >>> 5]! | ((halves[2 * i]! & 1) << (i & 31));
  return out;
}

/** Packed bits, each repeated `times` over, `length` in all. */
export function spread(bits: Uint32Array, length: number, times: number): Uint32Array {
  const out = new Uint32Array(Math.ceil(length / 32));
  if (times === length) return out.fill(-(bits[0]! & 1));
  for (let i = 0, from = 0, run = 0; i < length; i++) {
    out[i >>> 5] = out[i >>> 5]! | (((bits[from >>> 5]! >>> (from & 31)) & 1) << (i & 31));
    if (++run === times) {
      run = 0;
      from++;
    }
  }
  return out;
}
