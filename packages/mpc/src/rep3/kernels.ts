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

/** out = x - y - z. */
export function difference(out: BigUint64Array, x: BigUint64Array, y: BigUint64Array, z: BigUint64Array): void {
  for (let i = 0; i < out.length; i++) out[i] = x[i]! - y[i]! - z[i]!;
}

/** out[i] = x[order[i]]. */
export function gather(out: BigUint64Array, x: BigUint64Array, order: Uint32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = x[order[i]!]!;
}

/** Shares of words that add up, modulo 2^64, or whose xor is the value: what a shuffle does with them. */
export interface Group {
  /** out = x + y + z. */
  sum(out: BigUint64Array, x: BigUint64Array, y: BigUint64Array, z: BigUint64Array): void;
  plus(out: BigUint64Array, x: BigUint64Array, y: BigUint64Array): void;
  minus(out: BigUint64Array, x: BigUint64Array, y: BigUint64Array): void;
  /** out[i] = x[order[i]] + z[i], for the length of z. */
  gatherPlus(out: BigUint64Array, x: BigUint64Array, order: Uint32Array, z: BigUint64Array): void;
  gatherMinus(out: BigUint64Array, x: BigUint64Array, order: Uint32Array, z: BigUint64Array): void;
}

export const ADDITIVE: Group = {
  sum(out, x, y, z) {
    for (let i = 0; i < out.length; i++) out[i] = x[i]! + y[i]! + z[i]!;
  },
  plus(out, x, y) {
    for (let i = 0; i < out.length; i++) out[i] = x[i]! + y[i]!;
  },
  minus(out, x, y) {
    for (let i = 0; i < out.length; i++) out[i] = x[i]! - y[i]!;
  },
  gatherPlus(out, x, order, z) {
    for (let i = 0; i < z.length; i++) out[i] = x[order[i]!]! + z[i]!;
  },
  gatherMinus(out, x, order, z) {
    for (let i = 0; i < z.length; i++) out[i] = x[order[i]!]! - z[i]!;
  },
};

const xorWords: Group['plus'] = (out, x, y) => {
  const [o, p, q] = [halves(out), halves(x), halves(y)];
  for (let i = 0; i < o.length; i++) o[i] = p[i]! ^ q[i]!;
};
const gatherXor: Group['gatherPlus'] = (out, x, order, z) => {
  const [o, p, r] = [halves(out), halves(x), halves(z)];
  for (let i = 0; i < z.length; i++) {
    const from = 2 * order[i]!;
    o[2 * i] = p[from]! ^ r[2 * i]!;
    o[2 * i + 1] = p[from + 1]! ^ r[2 * i + 1]!;
  }
};
export const XORED: Group = {
  sum(out, x, y, z) {
    const [o, p, q, r] = [halves(out), halves(x), halves(y), halves(z)];
    for (let i = 0; i < o.length; i++) o[i] = p[i]! ^ q[i]! ^ r[i]!;
  },
  plus: xorWords,
  minus: xorWords,
  gatherPlus: gatherXor,
  gatherMinus: gatherXor,
};

/** 32-bit words of the same memory, low before high. */
export function halves(x: BigUint64Array): Uint32Array {
  return new Uint32Array(x.buffer, x.byteOffset, 2 * x.length);
}

export function lowHalves(x: BigUint64Array): Uint32Array {
  const [out, both] = [new Uint32Array(x.length), halves(x)];
  for (let i = 0; i < out.length; i++) out[i] = both[2 * i]!;
  return out;
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

/** Each element with all before it added. */
export function prefixSums(x: BigUint64Array): BigUint64Array {
  const out = new BigUint64Array(x.length);
  const [from, to] = [halves(x), halves(out)];
  let [low, high] = [0, 0];
  for (let i = 0; i < from.length; i += 2) {
    low += from[i]!;
    high = (high + from[i + 1]! + (low > 0xffffffff ? 1 : 0)) >>> 0;
    low >>>= 0;
    to[i] = low;
    to[i + 1] = high;
  }
  return out;
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

/** `length` elements, each `step`-th from `offset` on. */
/** `run` elements from `offset` on, as many from `offset` + `step` on, and so on. */
export function strided(x: BigUint64Array, offset: number, step: number, length: number, run = 1): BigUint64Array {
  if (step === 1) return x.subarray(offset, offset + length);
  const out = new BigUint64Array(length);
  if (run === 1) for (let i = 0, at = offset; i < length; i++, at += step) out[i] = x[at]!;
  else for (let i = 0, at = offset; i < length; i += run, at += step) copy(out, i, x, at, Math.min(run, length - i));
  return out;
}

/** One after another, or in turns of `run` elements of each, until all are used up. */
export function joined(parts: readonly BigUint64Array[], run?: number): BigUint64Array {
  const out = new BigUint64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (let from = 0; at < out.length; from += run ?? out.length) {
    for (const part of parts) {
      const count = Math.max(0, Math.min(run ?? part.length, part.length - from));
      copy(out, at, part, from, count);
      at += count;
    }
  }
  return out;
}

function copy(to: BigUint64Array, at: number, x: BigUint64Array, from: number, count: number): void {
  if (count > 16) to.set(x.subarray(from, from + count), at);
  else for (let i = 0; i < count; i++) to[at + i] = x[from + i]!;
}

/** A row-major matrix of `rows` rows, column by column. */
export function transposed(x: BigUint64Array, rows: number): BigUint64Array {
  const out = new BigUint64Array(x.length);
  const columns = x.length / rows;
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = x[i * columns + j]!;
  return out;
}
