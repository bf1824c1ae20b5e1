// Inner loops of OT extension, puncturable PRF and the expand-convolute code. Definitions: ot/, ggm/, vole/.
#include "chacha.h"

// Bit matrix of 128 rows of `columns` bits (columns a multiple of 8, rows contiguous) to `columns` blocks of 128 bits.
EXPORT(transpose_bits) void transpose_bits(const u8 *in, u32 columns, u8 *out) {
  u32 row_bytes = columns / 8;
  for (u32 at = 0; at < row_bytes; at++)
    for (u32 group = 0; group < 8; group++) {
      u8 bytes[16];
      for (u32 r = 0; r < 16; r++) bytes[r] = in[(u64)(16 * group + r) * row_bytes + at];
      block v = load(bytes);
      for (u32 bit = 8; bit--; v = wasm_i8x16_shl(v, 1))
        *(u16 *)(out + 16 * (8 * at + bit) + 2 * group) = (u16)wasm_i8x16_bitmask(v);
    }
}

// One level of `trees` (a multiple of 4) interleaved GGM trees of arity four, parents from .. to of each, in place:
// child b of parent i is node b * parents + i and exists below `children`. Node s gives (child 0 .. 3) = ChaCha12 block
// under the 16-byte key s, with words 12-15 i, level, tree, tweak. sums[b * trees + tree] collects the children b.
EXPORT(ggm_level)
void ggm_level(block *nodes, u32 from, u32 to, u32 parents, u32 children, u32 trees, u32 level, u32 tweak,
               block *sums) {
  block first[16], v[16];
  first[0] = wasm_i32x4_splat(0x61707865), first[1] = wasm_i32x4_splat(0x3120646e);
  first[2] = wasm_i32x4_splat(0x79622d36), first[3] = wasm_i32x4_splat(0x6b206574);
  first[13] = wasm_i32x4_splat((int)level), first[15] = wasm_i32x4_splat((int)tweak);
  for (u32 i = from; i < to; i++) {
    first[12] = wasm_i32x4_splat((int)i);
    for (u32 tree = 0; tree < trees; tree += 4) {
      for (u32 k = 0; k < 4; k++) first[4 + k] = nodes[i * trees + tree + k];
      transpose4(first + 4);
      for (u32 k = 0; k < 4; k++) first[8 + k] = first[4 + k];
      first[14] = wasm_i32x4_add(wasm_i32x4_splat((int)tree), wasm_i32x4_const(0, 1, 2, 3));
      chacha_x4(first, 12, v);
#pragma unroll
      for (u32 b = 0; b < 4; b++) {
        if (b * parents + i >= children) continue;
        block *to_node = nodes + (b * parents + i) * trees + tree, *sum = sums + b * trees + tree;
        transpose4(v + 4 * b);
        for (u32 k = 0; k < 4; k++) {
          to_node[k] = v[4 * b + k];
          sum[k] = xor(sum[k], v[4 * b + k]);
        }
      }
    }
  }
}

// The receiver's repair of one level: of each tree one parent, places[tree], is unknown and its children are worthless.
// The child on branches[tree] becomes zero; the others come from the received sums: those whose number differs from the
// branch in the low bit from `by_low`, the last from `by_high`. A computed sum without the worthless child, and with the
// received sum, is the true child. totals: for each tree the sum of all children but the unknown one.
EXPORT(ggm_puncture)
void ggm_puncture(block *nodes, u32 parents, u32 children, u32 trees, u32 *places, const u32 *branches,
                  const block *sums, const block *by_low, const block *by_high, block *totals) {
  for (u32 tree = 0; tree < trees; tree++) {
    block total = zero();
    for (u32 b = 0; b < 4 && b * parents < children; b++) {
      u32 child = b * parents + places[tree], differing = b ^ branches[tree];
      block *node = child < children ? nodes + child * trees + tree : 0;
      block rest = node ? xor(sums[b * trees + tree], *node) : sums[b * trees + tree];
      block received = (differing & 1 ? by_low : by_high)[b * trees + tree];
      total = xor(total, differing ? received : rest);
      if (node) *node = differing ? xor(rest, received) : zero();
    }
    totals[tree] = total;
    places[tree] += branches[tree] * parents;
  }
}

// Up to the end: `lanes` is 1 or 2, the number of vectors that share one code, element by element side by side.

// One pass of the wrapping convolution over n elements (at least 64). x[i] ^= x[i - 25] ^ sum of the x[i - k],
// k = 1..24, whose bit k - 1 of bits[i] is set; sources before the start wrap round and are added last.
// Calls go through the elements from .. to in order (multiples of 4 but for the last), `convolute_wrap` comes last.
#define TAPS 24
INLINE block tap(u32 word, u32 k, block x) {
  return wasm_v128_and(x, wasm_i32x4_splat(-(int)(word >> (k - 1) & 1)));
}

INLINE void convolute_one(block *x, const u32 *bits, u32 i, const u32 lanes) {
  for (u32 lane = 0; lane < lanes; lane++) {
    block sum = x[i * lanes + lane];
    for (u32 k = 1; k <= TAPS && k <= i; k++) sum = xor(sum, tap(bits[i], k, x[(i - k) * lanes + lane]));
    if (i > TAPS) sum = xor(sum, x[(i - TAPS - 1) * lanes + lane]);
    x[i * lanes + lane] = sum;
  }
}

// table[v] = XOR of the elements 3 - q of a group of four, over the bits q of v: nearer sources have lower bits.
INLINE void group_table(const block *group, block *table, const u32 lanes) {
  for (u32 lane = 0; lane < lanes; lane++) {
    table[lane] = zero();
    for (u32 q = 0; q < 4; q++)
      for (u32 v = 0; v < 1u << q; v++)
        table[((1u << q) + v) * lanes + lane] = xor(table[v * lanes + lane], group[(3 - q) * lanes + lane]);
  }
}

// Groups of four: of the sources of x[4b + s], the last six whole groups come from tables of their sixteen sums, the
// bits of the farthest cut to its last 4 - s elements, and the s of the own group one by one.
INLINE void convolute_lanes(block *x, const u32 *bits, u32 from, u32 to, const u32 lanes) {
  block tables[8][16 * 2];
  u32 start = from < 28 ? 28 : from, end = to & ~3u;
  for (u32 i = from; i < start; i++) convolute_one(x, bits, i, lanes);
  for (u32 b = start / 4 - 6; b < start / 4; b++) group_table(x + 4 * b * lanes, tables[b & 7], lanes);
  for (u32 i = start; i < end; i += 4) {
    u32 b = i / 4;
    block *group = x + i * lanes;
#pragma unroll
    for (u32 s = 0; s < 4; s++) {
      u32 word = bits[i + s] & 0xffffff;
      block sums[2];
      for (u32 lane = 0; lane < lanes; lane++)
        sums[lane] = xor(group[s * lanes + lane], x[(i + s - TAPS - 1) * lanes + lane]);
#pragma unroll
      for (u32 j = 6; j >= 1; j--) {
        const block *entry = tables[(b - j) & 7] + (word >> (4 * j + s - 4) & 15) * lanes;
        for (u32 lane = 0; lane < lanes; lane++) sums[lane] = xor(sums[lane], entry[lane]);
      }
#pragma unroll
      for (u32 k = s; k >= 1; k--)
        for (u32 lane = 0; lane < lanes; lane++)
          sums[lane] = xor(sums[lane], tap(word, k, group[(s - k) * lanes + lane]));
      for (u32 lane = 0; lane < lanes; lane++) group[s * lanes + lane] = sums[lane];
    }
    group_table(group, tables[b & 7], lanes);
  }
  for (u32 i = end; i < to; i++) convolute_one(x, bits, i, lanes);
}

EXPORT(convolute) void convolute(block *x, const u32 *bits, u32 from, u32 to, u32 lanes) {
  if (lanes == 1) convolute_lanes(x, bits, from, to, 1);
  else convolute_lanes(x, bits, from, to, 2);
}

EXPORT(convolute_wrap) void convolute_wrap(block *x, const u32 *bits, u32 n, u32 lanes) {
  for (u32 i = 0; i <= TAPS; i++)
    for (u32 lane = 0; lane < lanes; lane++) {
      block sum = xor(x[i * lanes + lane], x[(n + i - TAPS - 1) * lanes + lane]);
      for (u32 k = i + 1; k <= TAPS; k++) sum = xor(sum, tap(bits[i], k, x[(n + i - k) * lanes + lane]));
      x[i * lanes + lane] = sum;
    }
}

// (word * size) >> 32 in each lane.
INLINE block reduce_x4(block words, block size) {
  block low = wasm_u64x2_extmul_low_u32x4(words, size), high = wasm_u64x2_extmul_high_u32x4(words, size);
  return wasm_i32x4_shuffle(low, high, 1, 3, 5, 7);
}

// The taps of the eight outputs from `at` on: tap k of output at + j is word 28 (j mod 2) + 4 k + j / 2 of `taps`.
// `first` is a ChaCha state with nonce zero; its counter is set here.
INLINE void eight_outputs(block first[16], u32 n, u32 at, block taps[14]) {
  u32 step = n / 4;
  block v[16];
  first[12] = wasm_i32x4_add(wasm_i32x4_splat((int)(at / 2)), wasm_i32x4_const(0, 1, 2, 3));
  chacha_x4(first, 8, v);
#pragma unroll
  for (u32 i = 0; i < 14; i++) {
    u32 k = i % 7;
    block anywhere = reduce_x4(v[i], wasm_i32x4_splat((int)(k < 4 ? step : n)));
    taps[i] = k < 4 ? wasm_i32x4_add(anywhere, wasm_i32x4_splat((int)(k * step))) : anywhere;
  }
}

// out[i] ^= 7 taps into x (n elements): one uniform position in each quarter and three anywhere. Position i takes its
// seven words from ChaCha8 block i / 2, words 7 (i mod 2) onwards. Results of lane 1 go to `second`. A call does the
// positions from .. to; `from` is a multiple of 64.
// Positions are drawn for a batch first, so that the loads, which miss the caches, overlap.
#define BATCH 64
INLINE void expand_lanes(const block *x, u32 n, const u32 *key, u32 from, u32 to, block *out, block *second,
                         const u32 lanes) {
  block first[16];
  first[0] = wasm_i32x4_splat(0x61707865), first[1] = wasm_i32x4_splat(0x3320646e);
  first[2] = wasm_i32x4_splat(0x79622d32), first[3] = wasm_i32x4_splat(0x6b206574);
  for (int i = 0; i < 8; i++) first[4 + i] = wasm_v128_load32_splat(key + i);
  first[13] = first[14] = first[15] = zero();
  for (u32 at = from; at < to; at += BATCH) {
    block taps[14 * BATCH / 8];
    for (u32 i = 0; i < BATCH; i += 8) eight_outputs(first, n, at + i, taps + 14 * i / 8);
    u32 here = to - at < BATCH ? to - at : BATCH;
    for (u32 j = 0; j < here; j++) {
      const u32 *p = (const u32 *)taps + 56 * (j >> 3) + 28 * (j & 1) + (j >> 1 & 3);
      for (u32 lane = 0; lane < lanes; lane++) {
        const block *y = x + lane;
        block a = xor(y[p[0] * lanes], y[p[4] * lanes]), b = xor(y[p[8] * lanes], y[p[12] * lanes]);
        block c = xor(y[p[16] * lanes], y[p[20] * lanes]), *to = (lane ? second : out) + at + j;
        *to = xor(xor(xor(a, b), xor(c, y[p[24] * lanes])), *to);
      }
    }
  }
}

EXPORT(expand)
void expand(const block *x, u32 n, const u32 *key, u32 from, u32 to, block *out, block *second, u32 lanes) {
  if (lanes == 1) expand_lanes(x, n, key, from, to, out, second, 1);
  else expand_lanes(x, n, key, from, to, out, second, 2);
}

// In place, from the end: block i of the n at x moves to 2 i + 1, and 2 i becomes zero; for from <= i < to, going down.
EXPORT(widen_blocks) void widen_blocks(block *x, u32 from, u32 to) {
  for (u32 i = to; i-- > from;) {
    block moved = x[i];
    x[2 * i + 1] = moved;
    x[2 * i] = zero();
  }
}
