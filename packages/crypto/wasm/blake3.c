#include "blake3.h"

// out[i] = first 16 bytes of BLAKE3(key, items[i]), items of 16 bytes. In place is allowed. n is a multiple of 4.
EXPORT(blake3_items) void blake3_items(const u32 *key, const u8 *items, u32 n, u8 *out) {
  for (u32 i = 0; i < n; i += 4) {
    block words[16];
    blake3_items_x4(key, items + 16 * i, words);
    transpose4(words);
    for (int j = 0; j < 4; j++) store(out + 16 * (i + j), words[j]);
  }
}

// out[i] = first 16 bytes of BLAKE3(key, message i): zero-padded blocks of 64 bytes, byte lengths (0 to 64) beside them.
EXPORT(blake3_blocks) void blake3_blocks(const u32 *key, const u8 *blocks, const u32 *lengths, u32 n, u8 *out) {
  for (u32 i = 0; i < n; i += 4) {
    block m[16], words[16];
    for (int w = 0; w < 16; w += 4) {
      for (int j = 0; j < 4; j++) m[w + j] = load(blocks + 64 * (i + j) + 4 * w);
      transpose4(m + w);
    }
    blake3_x4(key, m, load(lengths + i), words);
    transpose4(words);
    for (int j = 0; j < 4; j++) store(out + 16 * (i + j), words[j]);
  }
}

// out[i], out[n + i] = first two blocks of BLAKE3(key, (blocks[i] ^ offset) || i as 4 bytes). n is a multiple of 4.
EXPORT(hash_correlations) void hash_correlations(const u32 *key, const u8 *blocks, const u8 *offset, u32 n, u8 *out) {
  block delta = load(offset);
  for (u32 i = 0; i < n; i += 4) {
    block m[16], words[16];
    for (int j = 0; j < 4; j++) m[j] = xor(load(blocks + 16 * (i + j)), delta);
    transpose4(m);
    m[4] = wasm_i32x4_add(wasm_i32x4_splat((int)i), wasm_i32x4_const(0, 1, 2, 3));
    for (int j = 5; j < 16; j++) m[j] = zero();
    blake3_x4(key, m, wasm_i32x4_splat(20), words);
    transpose4(words);
    transpose4(words + 4);
    for (int j = 0; j < 4; j++) store(out + 16 * (i + j), words[j]), store(out + 16 * (n + i + j), words[4 + j]);
  }
}

// In place: values[i] = first 16 bytes of BLAKE3(key, (values[i] ^ mask) || 16 bytes at items + stride * i).
EXPORT(hash_with_items)
void hash_with_items(const u32 *key, block *values, const u8 *mask, const u8 *items, u32 stride, u32 n) {
  block joint = load(mask);
  for (u32 i = 0; i < n; i += 4) {
    u32 here = n - i < 4 ? n - i : 4;
    block m[16], words[16];
    for (u32 j = 0; j < 4; j++) {
      u32 at = i + (j < here ? j : 0);
      m[j] = xor(values[at], joint), m[4 + j] = load(items + (u64)stride * at);
    }
    transpose4(m);
    transpose4(m + 4);
    for (int j = 8; j < 16; j++) m[j] = zero();
    blake3_x4(key, m, wasm_i32x4_splat(32), words);
    transpose4(words);
    for (u32 j = 0; j < here; j++) values[i + j] = words[j];
  }
}
