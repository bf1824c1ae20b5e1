// Loops of the three-seat back-end over 64-bit words and bit planes. Addresses are multiples of 16; no branch and no
// address depends on data.
#include <stdint.h>
#include <wasm_simd128.h>

typedef uint32_t u32;
typedef uint64_t u64;
typedef v128_t block;

#define EXPORT(name) __attribute__((export_name(#name)))
#define XOR wasm_v128_xor
#define ADD wasm_i64x2_add

// out = xa (ya + yb) + xb ya + f + g over GF(2), n blocks.
EXPORT(masked_and)
void masked_and(u32 n, const block *xa, const block *xb, const block *ya, const block *yb, const block *f,
                const block *g, block *out) {
  for (u32 i = 0; i < n; i++) {
    block cross = XOR(wasm_v128_and(xa[i], XOR(ya[i], yb[i])), wasm_v128_and(xb[i], ya[i]));
    out[i] = XOR(cross, XOR(f[i], g[i]));
  }
}

// out = xa (ya + yb) + xb ya + f - g modulo 2^64, n blocks of two words.
EXPORT(masked_product)
void masked_product(u32 n, const block *xa, const block *xb, const block *ya, const block *yb, const block *f,
                    const block *g, block *out) {
  for (u32 i = 0; i < n; i++) {
    block cross = ADD(wasm_i64x2_mul(xa[i], ADD(ya[i], yb[i])), wasm_i64x2_mul(xb[i], ya[i]));
    out[i] = wasm_i64x2_sub(ADD(cross, f[i]), g[i]);
  }
}

// out = z + f - g modulo 2^64, n blocks of two words.
EXPORT(masked_words)
void masked_words(u32 n, const block *z, const block *f, const block *g, block *out) {
  for (u32 i = 0; i < n; i++) out[i] = wasm_i64x2_sub(ADD(z[i], f[i]), g[i]);
}

// One level of the transposition of four 32 x 32 squares, one a lane.
#define SWAP(j, mask)                                                                             \
  for (int square = 0; square < 32; square += 2 * j)                                              \
    for (int k = square; k < square + j; k++) {                                                   \
      block t = wasm_v128_and(XOR(wasm_u32x4_shr(row[k], j), row[k + j]), wasm_i32x4_splat(mask)); \
      row[k] = XOR(row[k], wasm_i32x4_shl(t, j)), row[k + j] = XOR(row[k + j], t);                \
    }

static u32 reversed(u32 k) {
  u32 r = 0;
  for (int i = 0; i < 6; i++) r |= ((k >> i) & 1) << (5 - i);
  return r;
}

// 128 * groups words to 64 planes of `groups` blocks; bit k goes to the plane whose number is k reversed.
EXPORT(slice_planes)
void slice_planes(const u32 *words, u32 groups, block *planes) {
  block row[32];
  for (u32 group = 0; group < groups; group++, words += 256)
    for (u32 half = 0; half < 2; half++) {
      for (u32 i = 0; i < 32; i++) {
        const u32 *word = words + 2 * i + half;
        row[i] = wasm_u32x4_make(word[0], word[64], word[128], word[192]);
      }
      SWAP(16, 0x0000ffff)
      SWAP(8, 0x00ff00ff)
      SWAP(4, 0x0f0f0f0f)
      SWAP(2, 0x33333333)
      SWAP(1, 0x55555555)
      for (u32 bit = 0; bit < 32; bit++) planes[reversed(32 * half + bit) * groups + group] = row[bit];
    }
}

// Truncation, seat 0, which knows u = x0 + x1 + 2^62 of each word: part = (u >> bits) - (2^62 >> bits), and the bit
// "u < 2^63" less the mask w, in as many bits as survive what seats 1 and 2 do with it.
#define TRUNCATE_SUM(name, narrow)                                                                          \
  EXPORT(name)                                                                                              \
  void name(u32 n, const u64 *x0, const u64 *x1, const narrow *w, u32 bits, narrow *bit, u64 *part) {      \
    const u64 half = (u64)1 << 62;                                                                          \
    for (u32 i = 0; i < n; i++) {                                                                           \
      u64 u = x0[i] + x1[i] + half;                                                                         \
      bit[i] = (narrow)(1 - (u >> 63) - w[i]), part[i] = (u >> bits) - (half >> bits);                      \
    }                                                                                                       \
  }
TRUNCATE_SUM(truncate_sum16, uint16_t)
TRUNCATE_SUM(truncate_sum32, u32)
TRUNCATE_SUM(truncate_sum64, u64)

// Truncation, seats 1 and 2, which know r = -x2: part = 2^(64-bits) (r >= 2^63) m, less `own` (0 or 1) times r >> bits.
#define TRUNCATE_DIFFERENCE(name, narrow)                                                 \
  EXPORT(name)                                                                            \
  void name(u32 n, const u64 *x2, const narrow *m, u32 bits, u64 own, u64 *part) {        \
    for (u32 i = 0; i < n; i++) {                                                         \
      u64 r = -x2[i];                                                                     \
      part[i] = (((u64)m[i] & -(r >> 63)) << (64 - bits)) - (own * (r >> bits));          \
    }                                                                                     \
  }
TRUNCATE_DIFFERENCE(truncate_difference16, uint16_t)
TRUNCATE_DIFFERENCE(truncate_difference32, u32)
TRUNCATE_DIFFERENCE(truncate_difference64, u64)

// out[j] += sum over k of x[k] y[k][j]: a row times a matrix of `inner` rows.
EXPORT(row_times_matrix)
void row_times_matrix(const u64 *x, const u64 *y, u32 inner, u32 columns, u64 *out) {
  u32 k = 0;
  for (; k + 4 <= inner; k += 4, y += 4 * columns) {
    u64 a = x[k], b = x[k + 1], c = x[k + 2], d = x[k + 3];
    const u64 *y1 = y + columns, *y2 = y1 + columns, *y3 = y2 + columns;
    for (u32 j = 0; j < columns; j++) out[j] += a * y[j] + b * y1[j] + c * y2[j] + d * y3[j];
  }
  for (; k < inner; k++, y += columns)
    for (u32 j = 0; j < columns; j++) out[j] += x[k] * y[j];
}
