// Loops of the checks of products and ANDs. Products: integers modulo 2^128, as pairs of 64-bit words, low one first.
// ANDs: blocks of 128 bits. No branch and no address depends on data; the order of blocks is public.
#include <stdint.h>
#include <wasm_simd128.h>

typedef uint32_t u32;
typedef uint64_t u64;
typedef struct {
  u64 low, high;
} wide;

#define EXPORT(name) __attribute__((export_name(#name)))

static inline wide product(u64 x, u64 y) {
  u64 x0 = (u32)x, x1 = x >> 32, y0 = (u32)y, y1 = y >> 32;
  u64 low = x0 * y0, left = x1 * y0 + (low >> 32), right = x0 * y1 + (u32)left;
  return (wide){(right << 32) | (u32)low, x1 * y1 + (left >> 32) + (right >> 32)};
}
static inline wide plus(wide x, wide y) {
  u64 low = x.low + y.low;
  return (wide){low, x.high + y.high + (low < x.low)};
}
static inline wide minus(wide x, wide y) {
  return (wide){x.low - y.low, x.high - y.high - (x.low < y.low)};
}
static inline wide times(wide x, u64 y) {
  wide low = product(x.low, y);
  return (wide){low.low, low.high + x.high * y};
}
// xa (ya + yb) + xb ya, of non-negative integers.
static inline wide cross(u64 xa, u64 xb, u64 ya, u64 yb) {
  u64 sum = ya + yb;
  wide one = product(xa, sum);
  one.high += xa & -(u64)(sum < ya);
  return plus(one, product(xb, ya));
}

// High words of the cross products plus masks (f, fh) minus masks (g, gh).
EXPORT(cross_high)
void cross_high(u32 n, const u64 *xa, const u64 *xb, const u64 *ya, const u64 *yb, const u64 *f, const u64 *g,
                const u64 *fh, const u64 *gh, u64 *out) {
  for (u32 i = 0; i < n; i++) {
    wide masked = plus(cross(xa[i], xb[i], ya[i], yb[i]), (wide){f[i], fh[i]});
    out[i] = minus(masked, (wide){g[i], gh[i]}).high;
  }
}

// out[j] += sum over k of the cross product of x[k] and y[k][j]: a row times a matrix of `inner` rows.
EXPORT(cross_row)
void cross_row(const u64 *xa, const u64 *xb, const u64 *ya, const u64 *yb, u32 inner, u32 columns, wide *out) {
  for (u32 k = 0; k < inner; k++, ya += columns, yb += columns)
    for (u32 j = 0; j < columns; j++) out[j] = plus(out[j], cross(xa[k], xb[k], ya[j], yb[j]));
}

// High words of `sums` plus masks (f, fh) minus masks (g, gh).
EXPORT(masked_high)
void masked_high(u32 n, const wide *sums, const u64 *f, const u64 *g, const u64 *fh, const u64 *gh, u64 *out) {
  for (u32 i = 0; i < n; i++)
    out[i] = minus(plus(sums[i], (wide){f[i], fh[i]}), (wide){g[i], gh[i]}).high;
}

// out = weight (high, low) - mask.
EXPORT(weigh_masked)
void weigh_masked(u32 n, const u64 *weight, const u64 *low, const u64 *high, const wide *mask, wide *out) {
  for (u32 i = 0; i < n; i++) out[i] = minus(times((wide){low[i], high[i]}, weight[i]), mask[i]);
}

// sum += x y.
EXPORT(inner_product)
void inner_product(u32 n, const wide *x, const u64 *y, wide *sum) {
  wide total = *sum;
  for (u32 i = 0; i < n; i++) total = plus(total, times(x[i], y[i]));
  *sum = total;
}

// sum += weight (high, low).
EXPORT(weighted_sum)
void weighted_sum(u32 n, const u64 *weight, const u64 *low, const u64 *high, wide *sum) {
  wide total = *sum;
  for (u32 i = 0; i < n; i++) total = plus(total, times((wide){low[i], high[i]}, weight[i]));
  *sum = total;
}

// sum += weight x y.
EXPORT(weighted_products)
void weighted_products(u32 n, const u64 *weight, const u64 *x, const u64 *y, wide *sum) {
  wide total = *sum;
  for (u32 i = 0; i < n; i++) total = plus(total, times(product(weight[i], x[i]), y[i]));
  *sum = total;
}

// out = the blocks of x, each `times` times.
EXPORT(repeat_blocks)
void repeat_blocks(u32 n, u32 times, const v128_t *x, v128_t *out) {
  for (u32 i = 0; i < n; i++)
    for (u32 k = 0; k < times; k++) *out++ = x[i];
}

// out[i] ^= x[order[i]].
EXPORT(add_blocks)
void add_blocks(u32 n, const u32 *order, const v128_t *x, v128_t *out) {
  for (u32 i = 0; i < n; i++) out[i] = wasm_v128_xor(out[i], x[order[i]]);
}

// out[i] ^= x[order[i]] & y[i].
EXPORT(add_and_blocks)
void add_and_blocks(u32 n, const u32 *order, const v128_t *x, const v128_t *y, v128_t *out) {
  for (u32 i = 0; i < n; i++) out[i] = wasm_v128_xor(out[i], wasm_v128_and(x[order[i]], y[i]));
}
