// GF(2^128) = GF(2)[x] / (x^128 + x^7 + x^2 + x + 1); bit i of the little-endian block is the coefficient of x^i.
// No secret decides a branch or an address.
#include "kernel.h"

INLINE block times_x(block a) {
  u64 low = (u64)wasm_i64x2_extract_lane(a, 0), high = (u64)wasm_i64x2_extract_lane(a, 1);
  return wasm_i64x2_make((long long)(low << 1 ^ (0x87 & -(high >> 63))), (long long)(high << 1 | low >> 63));
}

// Tables for products with one fixed factor: tables[32 * byte + nibble], lane v = byte `byte` of v * x^(4 nibble) * factor.
EXPORT(gf_tables) void gf_tables(const u8 *factor, u8 *tables) {
  block power = load(factor);
  for (u32 nibble = 0; nibble < 32; nibble++) {
    block products[16];
    products[0] = zero();
    for (u32 bit = 0; bit < 4; bit++, power = times_x(power))
      for (u32 v = 0; v < 1u << bit; v++) products[(1u << bit) + v] = xor(products[v], power);
    for (u32 v = 0; v < 16; v++) {
      u8 bytes[16];
      store(bytes, products[v]);
      for (u32 byte = 0; byte < 16; byte++) tables[(byte * 32 + nibble) * 16 + v] = bytes[byte];
    }
  }
}

INLINE void interleave(block *a, block *b) {
  block low = wasm_i8x16_shuffle(*a, *b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  block high = wasm_i8x16_shuffle(*a, *b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  *a = low, *b = high;
}

// 16 x 16 bytes: four perfect shuffles of the 256 bytes rotate the 8-bit index (row, column) by four places.
INLINE void transpose16(block m[16]) {
  for (int step = 0; step < 4; step++) {
    block out[16];
    for (int i = 0; i < 8; i++) {
      out[2 * i] = m[i], out[2 * i + 1] = m[i + 8];
      interleave(out + 2 * i, out + 2 * i + 1);
    }
    for (int i = 0; i < 16; i++) m[i] = out[i];
  }
}

// Sixteen products with the factor of the tables, byte-sliced, in place: m[byte] holds byte `byte` of all sixteen.
INLINE void multiply16(const block *table, block m[16]) {
  const block nibble_mask = wasm_i8x16_splat(15);
  block nibbles[32];
  for (u32 j = 0; j < 16; j++) {
    nibbles[2 * j] = wasm_v128_and(m[j], nibble_mask);
    nibbles[2 * j + 1] = wasm_u8x16_shr(m[j], 4);
  }
  for (u32 byte = 0; byte < 16; byte += 4) {
    block s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    const block *t = table + 32 * byte;
    for (u32 k = 0; k < 32; k++) {
      block index = nibbles[k];
      s0 = xor(s0, wasm_i8x16_swizzle(t[k], index)), s1 = xor(s1, wasm_i8x16_swizzle(t[k + 32], index));
      s2 = xor(s2, wasm_i8x16_swizzle(t[k + 64], index)), s3 = xor(s3, wasm_i8x16_swizzle(t[k + 96], index));
    }
    m[byte] = s0, m[byte + 1] = s1, m[byte + 2] = s2, m[byte + 3] = s3;
  }
}

// out[i] = in[i] * factor ^ (add ? out[i] : 0). `stride` bytes from input to input; outputs are contiguous.
EXPORT(gf_multiply) void gf_multiply(const u8 *tables, const u8 *in, u32 stride, u8 *out, u32 n, u32 add) {
  for (u32 i = 0; i < n; i += 16) {
    u32 here = n - i < 16 ? n - i : 16;
    block m[16];
    for (u32 j = 0; j < 16; j++) m[j] = j < here ? load(in + (u64)stride * (i + j)) : zero();
    transpose16(m);
    multiply16((const block *)tables, m);
    transpose16(m);
    for (u32 j = 0; j < here; j++) {
      u8 *to = out + 16 * (i + j);
      store(to, add ? xor(load(to), m[j]) : m[j]);
    }
  }
}

// Horner's rule in sixteen strands: for each next sixteen of the n blocks (a multiple of 16), sums[j] = sums[j] * factor
// ^ in[j].
EXPORT(gf_horner) void gf_horner(const u8 *tables, const block *in, u32 n, block *sums) {
  block m[16], next[16];
  for (u32 j = 0; j < 16; j++) m[j] = sums[j];
  transpose16(m);
  for (u32 i = 0; i < n; i += 16) {
    for (u32 j = 0; j < 16; j++) next[j] = in[i + j];
    transpose16(next);
    multiply16((const block *)tables, m);
    for (u32 j = 0; j < 16; j++) m[j] = xor(m[j], next[j]);
  }
  transpose16(m);
  for (u32 j = 0; j < 16; j++) sums[j] = m[j];
}

// out[i] = a[i] * b[i], both varying.
EXPORT(gf_products) void gf_products(const u8 *a, const u8 *b, u8 *out, u32 n) {
  for (u32 i = 0; i < n; i++) {
    block power = load(a + 16 * i), sum = zero();
    u64 words[2];
    store(words, load(b + 16 * i));
    for (u32 bit = 0; bit < 128; bit++, power = times_x(power))
      sum = xor(sum, wasm_v128_and(power, wasm_i64x2_splat(-(long long)(words[bit >> 6] >> (bit & 63) & 1))));
    store(out + 16 * i, sum);
  }
}

// out[j] = sum of x^i * in[128 j + i].
EXPORT(gf_fold) void gf_fold(const block *in, u32 n, block *out) {
  for (u32 j = 0; j < n; j++) {
    block sum = zero();
    for (u32 i = 128; i--;) sum = xor(times_x(sum), in[128 * j + i]);
    out[j] = sum;
  }
}

// out[i] = a[i] ^ b[i], n blocks; in place is allowed.
EXPORT(xor_blocks) void xor_blocks(const block *a, const block *b, block *out, u32 n) {
  for (u32 i = 0; i < n; i++) out[i] = xor(a[i], b[i]);
}

// out[i] = a[i] ^ (b[i] if bit is 1, else 0), n blocks, without a branch on `bit`; in place is allowed.
EXPORT(xor_selected) void xor_selected(const block *a, const block *b, u32 bit, block *out, u32 n) {
  block mask = wasm_i32x4_splat(-(int)(bit & 1));
  for (u32 i = 0; i < n; i++) out[i] = xor(a[i], wasm_v128_and(b[i], mask));
}
