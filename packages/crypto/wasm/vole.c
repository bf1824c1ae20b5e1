// Inner loops of OT extension, puncturable PRF and the expand-convolute code. Definitions: ot/, ggm/, vole/.
#include "kernel.h"

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

// One level of `trees` interleaved GGM trees. Left children replace their parents, right ones go to `right`
// (the first `rights` parents only). left_sums and right_sums collect the XOR of the children of each tree.
EXPORT(ggm_level)
void ggm_level(block *parents, const block *left_aes, const block *right_aes, block *right, u32 n, u32 rights, u32 trees,
               block *left_sums, block *right_sums) {
  for (u32 i = 0; i < n; i += trees)
    for (u32 j = 0; j < trees; j++) {
      block parent = parents[i + j];
      block child = xor(left_aes[i + j], parent);
      left_sums[j] = xor(left_sums[j], child);
      parents[i + j] = child;
      if (i + j < rights) {
        child = xor(right_aes[i + j], parent);
        right_sums[j] = xor(right_sums[j], child);
        right[i + j] = child;
      }
    }
}

// One pass of the wrapping convolution over `vectors` (1 or 2) vectors in step. x[i] ^= x[i - 25] ^ sum of the
// x[i - k], k = 1..24, whose bit k - 1 of bits[i] is set; sources before the start wrap round and are added last.
#define TAPS 24
INLINE block tap(u32 word, int k, block x) {
  return wasm_v128_and(x, wasm_i32x4_splat(-(int)(word >> (k - 1) & 1)));
}
EXPORT(convolute) void convolute(block *x, const u32 *bits, u32 n) {
  for (u32 i = 0; i < n; i++) {
    u32 word = bits[i];
    block sum = x[i];
    if (i <= TAPS) {
      for (u32 k = 1; k <= TAPS && k <= i; k++) sum = xor(sum, tap(word, (int)k, x[i - k]));
    } else {
      const block *p = x + i;
      sum = xor(sum, p[-25]);
      block other = zero();
#pragma unroll
      for (int k = 24; k >= 1; k -= 2) {
        sum = xor(sum, tap(word, k, p[-k]));
        other = xor(other, tap(word, k - 1, p[-(k - 1)]));
      }
      sum = xor(sum, other);
    }
    x[i] = sum;
  }
  for (u32 i = 0; i <= TAPS; i++) {
    block sum = xor(x[i], x[n + i - TAPS - 1]);
    for (u32 k = i + 1; k <= TAPS; k++) sum = xor(sum, tap(bits[i], (int)k, x[n + i - k]));
    x[i] = sum;
  }
}

// out[i] ^= 7 taps into x (n blocks): one uniform position in each quarter and three anywhere; 7 words of `taps` each.
EXPORT(expand) void expand(const block *x, u32 n, const u32 *taps, block *out, u32 count) {
  u32 step = n / 4;
  for (u32 i = 0; i < count; i++, taps += 7) {
    block a = xor(x[reduce(taps[0], step)], x[step + reduce(taps[1], step)]);
    block b = xor(x[2 * step + reduce(taps[2], step)], x[3 * step + reduce(taps[3], step)]);
    block c = xor(x[reduce(taps[4], n)], x[reduce(taps[5], n)]);
    out[i] = xor(xor(xor(a, b), xor(c, x[reduce(taps[6], n)])), out[i]);
  }
}
