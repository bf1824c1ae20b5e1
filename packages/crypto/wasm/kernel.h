// Shared by the kernels: fixed-width names, 128-bit blocks, and what WebAssembly exports.
#pragma once
#include <stdint.h>
#include <wasm_simd128.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef v128_t block;

#define EXPORT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))

INLINE block load(const void *p) { return wasm_v128_load(p); }
INLINE void store(void *p, block v) { wasm_v128_store(p, v); }
INLINE block xor(block a, block b) { return wasm_v128_xor(a, b); }
INLINE block zero(void) { return wasm_i64x2_const(0, 0); }
INLINE int is_equal(block a, block b) { return !wasm_v128_any_true(xor(a, b)); }

// Uniform 32-bit word to [0, size): bias below size / 2^32.
INLINE u32 reduce(u32 word, u32 size) { return (u32)(((u64)word * size) >> 32); }

// 4 x 4 words.
INLINE void transpose4(block w[4]) {
  block a = wasm_i32x4_shuffle(w[0], w[1], 0, 4, 1, 5), b = wasm_i32x4_shuffle(w[0], w[1], 2, 6, 3, 7);
  block c = wasm_i32x4_shuffle(w[2], w[3], 0, 4, 1, 5), d = wasm_i32x4_shuffle(w[2], w[3], 2, 6, 3, 7);
  w[0] = wasm_i64x2_shuffle(a, c, 0, 2), w[1] = wasm_i64x2_shuffle(a, c, 1, 3);
  w[2] = wasm_i64x2_shuffle(b, d, 0, 2), w[3] = wasm_i64x2_shuffle(b, d, 1, 3);
}
