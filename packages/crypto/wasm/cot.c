// From correlated blocks to transfers and products: see ot/silent.ts and ot/products.ts. No branch and no address depends
// on data.
#include "kernel.h"

// Lowest bits off, n blocks.
EXPORT(clear_low_bits) void clear_low_bits(block *x, u32 n) {
  block mask = wasm_i32x4_const(-2, -1, -1, -1);
  for (u32 i = 0; i < n; i++) x[i] = wasm_v128_and(x[i], mask);
}

// Lowest bits of n blocks, n a multiple of 32, packed.
EXPORT(low_bits) void low_bits(const u32 *x, u32 n, u32 *out) {
  for (u32 i = 0; i < n; i += 32) {
    u32 word = 0;
    for (u32 k = 0; k < 32; k++) word |= (x[4 * (i + k)] & 1) << k;
    out[i / 32] = word;
  }
}

// out[i] = x[i] ^ offset, n blocks.
EXPORT(xor_offset) void xor_offset(const block *x, const block *offset, block *out, u32 n) {
  block by = load(offset);
  for (u32 i = 0; i < n; i++) out[i] = xor(x[i], by);
}

// Products of words with the bit of a transfer each: message zero + factor - one, share -zero.
EXPORT(bit_products_send)
void bit_products_send(const u64 *zero, const u64 *one, const u64 *factors, u32 n, u64 *message, u64 *share) {
  for (u32 i = 0; i < n; i++) {
    message[i] = zero[2 * i] + factors[i] - one[2 * i];
    share[i] = -zero[2 * i];
  }
}

EXPORT(bit_products_receive)
void bit_products_receive(const u64 *chosen, const u64 *pads, const u64 *message, u32 n, u64 *share) {
  for (u32 i = 0; i < n; i++) share[i] = pads[2 * i] + (message[i] & -(chosen[2 * i] & 1));
}

// Transfers of one of sixteen pairs of bits, four blocks each: slot m of a word (bits 2m and 2m + 1) is masked by that slot
// of the pads for the bits of m. One word for each: all slots, sender; the chosen slot, receiver.
EXPORT(sixteen_send) void sixteen_send(const u32 *zero, const u32 *one, u32 n, u32 *out) {
  const u32 low[4] = {0x33333333, 0x0f0f0f0f, 0x00ff00ff, 0x0000ffff};
  for (u32 i = 0; i < n; i++, zero += 16, one += 16) {
    u32 word = 0;
    for (u32 k = 0; k < 4; k++) word ^= (zero[4 * k] & low[k]) | (one[4 * k] & ~low[k]);
    out[i] = word;
  }
}

EXPORT(sixteen_receive) void sixteen_receive(const u32 *chosen, const u32 *pads, u32 n, u32 *out) {
  for (u32 i = 0; i < n; i++, chosen += 16, pads += 16) {
    u32 word = 0, choice = 0;
    for (u32 k = 0; k < 4; k++) word ^= pads[4 * k], choice |= (chosen[4 * k] & 1) << k;
    out[i] = word >> (2 * choice) & 3;
  }
}
