// Pseudo-random bytes without leaving the memory they are for.
#include "chacha.h"

// `size` bytes (a multiple of 16) of ChaCha keystream from block 4 * `at` on, in the word-sliced order of four blocks: word
// i of the blocks 4a .. 4a + 3 side by side, and so on for each a. Key of 32 bytes, words 14 and 15 of the state zero and
// `nonce`. `rounds` is 8 or 12.
INLINE void keystream(const u32 *key, u32 nonce, const int rounds, u32 at, u8 *out, u32 size) {
  block v[16], first[16];
  first[0] = wasm_i32x4_splat(0x61707865), first[1] = wasm_i32x4_splat(0x3320646e);
  first[2] = wasm_i32x4_splat(0x79622d32), first[3] = wasm_i32x4_splat(0x6b206574);
  for (int i = 0; i < 8; i++) first[4 + i] = wasm_v128_load32_splat(key + i);
  first[13] = first[14] = zero(), first[15] = wasm_i32x4_splat((int)nonce);
  for (u32 done = 0; done < size; done += 256, at++) {
    first[12] = wasm_i32x4_add(wasm_i32x4_splat((int)(4 * at)), wasm_i32x4_const(0, 1, 2, 3));
    chacha_x4(first, rounds, v);
    u32 blocks = size - done < 256 ? (size - done) / 16 : 16;
    for (u32 i = 0; i < blocks; i++) store(out + done + 16 * i, v[i]);
  }
}

EXPORT(chacha_stream) void chacha_stream(const u32 *key, u32 nonce, u32 rounds, u32 at, u8 *out, u32 size) {
  if (rounds == 8) keystream(key, nonce, 8, at, out, size);
  else keystream(key, nonce, 12, at, out, size);
}
