// The ChaCha permutation with feed-forward (RFC 8439 §2.3, fewer rounds), four blocks at a time, word-sliced.
#pragma once
#include "kernel.h"

#define LEFT(x, by) wasm_v128_or(wasm_i32x4_shl(x, by), wasm_u32x4_shr(x, 32 - by))
#define LEFT16(x) wasm_i8x16_shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define LEFT8(x) wasm_i8x16_shuffle(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14)
#define QUARTER(a, b, c, d)                                                                                            \
  v[a] = wasm_i32x4_add(v[a], v[b]), v[d] = xor(v[d], v[a]), v[d] = LEFT16(v[d]);                                      \
  v[c] = wasm_i32x4_add(v[c], v[d]), v[b] = xor(v[b], v[c]), v[b] = LEFT(v[b], 12);                                    \
  v[a] = wasm_i32x4_add(v[a], v[b]), v[d] = xor(v[d], v[a]), v[d] = LEFT8(v[d]);                                       \
  v[c] = wasm_i32x4_add(v[c], v[d]), v[b] = xor(v[b], v[c]), v[b] = LEFT(v[b], 7);

INLINE void chacha_x4(const block first[16], int rounds, block v[16]) {
  for (int i = 0; i < 16; i++) v[i] = first[i];
  for (int i = 0; i < rounds; i += 2) {
    QUARTER(0, 4, 8, 12) QUARTER(1, 5, 9, 13) QUARTER(2, 6, 10, 14) QUARTER(3, 7, 11, 15)
    QUARTER(0, 5, 10, 15) QUARTER(1, 6, 11, 12) QUARTER(2, 7, 8, 13) QUARTER(3, 4, 9, 14)
  }
  for (int i = 0; i < 16; i++) v[i] = wasm_i32x4_add(v[i], first[i]);
}
