// BLAKE3 keyed mode, one block of at most 64 bytes, four messages at a time, one in each 32-bit lane.
#pragma once
#include "kernel.h"

INLINE block rotate16(block x) { return wasm_i8x16_shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13); }
INLINE block rotate8(block x) { return wasm_i8x16_shuffle(x, x, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12); }
INLINE block rotate12(block x) { return wasm_v128_or(wasm_u32x4_shr(x, 12), wasm_i32x4_shl(x, 20)); }
INLINE block rotate7(block x) { return wasm_v128_or(wasm_u32x4_shr(x, 7), wasm_i32x4_shl(x, 25)); }

#define ADD wasm_i32x4_add
#define G(a, b, c, d, x, y)                                                                                            \
  a = ADD(ADD(a, b), x);                                                                                               \
  d = rotate16(xor(d, a));                                                                                             \
  c = ADD(c, d);                                                                                                       \
  b = rotate12(xor(b, c));                                                                                             \
  a = ADD(ADD(a, b), y);                                                                                               \
  d = rotate8(xor(d, a));                                                                                              \
  c = ADD(c, d);                                                                                                       \
  b = rotate7(xor(b, c));
#define ROUND(m, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)                                 \
  G(v0, v4, v8, v12, m[s0], m[s1])                                                                                     \
  G(v1, v5, v9, v13, m[s2], m[s3])                                                                                     \
  G(v2, v6, v10, v14, m[s4], m[s5])                                                                                    \
  G(v3, v7, v11, v15, m[s6], m[s7])                                                                                    \
  G(v0, v5, v10, v15, m[s8], m[s9])                                                                                    \
  G(v1, v6, v11, v12, m[s10], m[s11])                                                                                  \
  G(v2, v7, v8, v13, m[s12], m[s13])                                                                                   \
  G(v3, v4, v9, v14, m[s14], m[s15])

// KEYED_HASH | CHUNK_START | CHUNK_END | ROOT
#define FLAGS 27

// `out` gets the 16 words of the root block's extended output, word-sliced.
INLINE void blake3_x4(const u32 *key, const block m[16], block length, block out[16]) {
  block v0 = wasm_v128_load32_splat(key), v1 = wasm_v128_load32_splat(key + 1), v2 = wasm_v128_load32_splat(key + 2),
        v3 = wasm_v128_load32_splat(key + 3), v4 = wasm_v128_load32_splat(key + 4),
        v5 = wasm_v128_load32_splat(key + 5), v6 = wasm_v128_load32_splat(key + 6),
        v7 = wasm_v128_load32_splat(key + 7);
  block v8 = wasm_i32x4_splat(0x6A09E667), v9 = wasm_i32x4_splat(0xBB67AE85), v10 = wasm_i32x4_splat(0x3C6EF372),
        v11 = wasm_i32x4_splat(0xA54FF53A), v12 = zero(), v13 = zero(), v14 = length, v15 = wasm_i32x4_splat(FLAGS);
  ROUND(m, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  ROUND(m, 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
  ROUND(m, 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1)
  ROUND(m, 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6)
  ROUND(m, 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4)
  ROUND(m, 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7)
  ROUND(m, 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13)
  out[0] = xor(v0, v8), out[1] = xor(v1, v9), out[2] = xor(v2, v10), out[3] = xor(v3, v11);
  out[4] = xor(v4, v12), out[5] = xor(v5, v13), out[6] = xor(v6, v14), out[7] = xor(v7, v15);
  out[8] = xor(v8, wasm_v128_load32_splat(key)), out[9] = xor(v9, wasm_v128_load32_splat(key + 1));
  out[10] = xor(v10, wasm_v128_load32_splat(key + 2)), out[11] = xor(v11, wasm_v128_load32_splat(key + 3));
  out[12] = xor(v12, wasm_v128_load32_splat(key + 4)), out[13] = xor(v13, wasm_v128_load32_splat(key + 5));
  out[14] = xor(v14, wasm_v128_load32_splat(key + 6)), out[15] = xor(v15, wasm_v128_load32_splat(key + 7));
}

// Four 16-byte items, contiguous.
INLINE void blake3_items_x4(const u32 *key, const u8 *items, block out[16]) {
  block m[16];
  for (int i = 0; i < 4; i++) m[i] = load(items + 16 * i);
  transpose4(m);
  for (int i = 4; i < 16; i++) m[i] = zero();
  blake3_x4(key, m, wasm_i32x4_splat(16), out);
}
