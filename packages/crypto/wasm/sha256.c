// SHA-256 (FIPS 180-4) of four messages at a time, a lane each, cut to 16 bytes.
#include "kernel.h"

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const u32 START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

INLINE block add(block a, block b) { return wasm_i32x4_add(a, b); }
INLINE block rotate(block x, u32 by) { return wasm_v128_or(wasm_u32x4_shr(x, by), wasm_i32x4_shl(x, 32 - by)); }
INLINE block swap_bytes(block x) {
  return wasm_i8x16_shuffle(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

INLINE u32 blocks_of(u32 size) { return (size + 72) / 64; }

// Block number `at` of a message, padded where it ends; `tail` holds what is not in the message.
INLINE const u8 *block_at(const u8 *message, u32 size, u32 at, u8 tail[64]) {
  u32 from = 64 * at;
  if (from + 64 <= size) return message + from;
  __builtin_memset(tail, 0, 64);
  if (from < size) __builtin_memcpy(tail, message + from, size - from);
  if (from <= size) tail[size - from] = 0x80;
  if (at + 1 == blocks_of(size)) {
    u64 bits = 8 * (u64)size;
    for (u32 i = 0; i < 8; i++) tail[63 - i] = (u8)(bits >> (8 * i));
  }
  return tail;
}

static void compress(block state[8], const u8 *const from[4]) {
  block w[16];
  for (u32 q = 0; q < 4; q++) {
    for (u32 lane = 0; lane < 4; lane++) w[4 * q + lane] = swap_bytes(load(from[lane] + 16 * q));
    transpose4(w + 4 * q);
  }
  block a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
#pragma clang loop unroll_count(16)
  for (u32 i = 0; i < 64; i++) {
    block word = w[i & 15];
    block s1 = xor(xor(rotate(e, 6), rotate(e, 11)), rotate(e, 25));
    block t = add(add(add(h, s1), add(wasm_v128_bitselect(f, g, e), wasm_i32x4_splat((int)K[i]))), word);
    block s0 = xor(xor(rotate(a, 2), rotate(a, 13)), rotate(a, 22));
    block most = wasm_v128_bitselect(wasm_v128_or(b, c), wasm_v128_and(b, c), a);
    h = g, g = f, f = e, e = add(d, t), d = c, c = b, b = a, a = add(t, add(s0, most));
    block near = w[(i + 1) & 15], far = w[(i + 14) & 15];
    block r0 = xor(xor(rotate(near, 7), rotate(near, 18)), wasm_u32x4_shr(near, 3));
    block r1 = xor(xor(rotate(far, 17), rotate(far, 19)), wasm_u32x4_shr(far, 10));
    w[i & 15] = add(add(word, r0), add(w[(i + 9) & 15], r1));
  }
  block after[8] = {a, b, c, d, e, f, g, h};
  for (u32 i = 0; i < 8; i++) state[i] = add(state[i], after[i]);
}

// Message i has sizes[i] bytes from data + starts[i] on; its digest stands at out + 16 i.
EXPORT(sha256_messages) void sha256_messages(const u8 *data, const u32 *starts, const u32 *sizes, u32 n, block *out) {
  u8 tails[4][64];
  for (u32 first = 0; first < n; first += 4) {
    u32 lanes = n - first < 4 ? n - first : 4, rounds = 0;
    u32 count[4] = {0, 0, 0, 0};
    for (u32 lane = 0; lane < lanes; lane++) {
      count[lane] = blocks_of(sizes[first + lane]);
      if (count[lane] > rounds) rounds = count[lane];
    }
    block state[8];
    for (u32 i = 0; i < 8; i++) state[i] = wasm_i32x4_splat((int)START[i]);
    for (u32 at = 0; at < rounds; at++) {
      const u8 *from[4] = {tails[0], tails[1], tails[2], tails[3]};
      for (u32 lane = 0; lane < lanes; lane++) {
        if (at < count[lane]) from[lane] = block_at(data + starts[first + lane], sizes[first + lane], at, tails[lane]);
      }
      block before[8];
      for (u32 i = 0; i < 8; i++) before[i] = state[i];
      compress(state, from);
      // A lane whose message is over keeps what it has.
      block going = wasm_u32x4_lt(wasm_i32x4_splat((int)at), load(count));
      for (u32 i = 0; i < 8; i++) state[i] = wasm_v128_bitselect(state[i], before[i], going);
    }
    block halves[4] = {state[0], state[1], state[2], state[3]};
    transpose4(halves);
    for (u32 lane = 0; lane < lanes; lane++) out[first + lane] = swap_bytes(halves[lane]);
  }
}
