// Tags: shuffle, pack, and the hash join of the two parties' tags.
#include "kernel.h"

// Fisher-Yates over 16-byte slots; one random 64-bit word a slot (bias below n / 2^64 a step). Calls go down from the
// number of slots to 1: this one from `from` to `to`.
EXPORT(shuffle) void shuffle(block *slots, u32 from, u32 to, const u64 *random) {
  for (u32 i = from; i > to; i--) {
    u64 word = random[i - 1];
    u32 j = (u32)(((word >> 32) * i + ((word & 0xffffffff) * i >> 32)) >> 32);
    block swap = slots[i - 1];
    slots[i - 1] = slots[j];
    slots[j] = swap;
  }
}

// The first `width` (8 to 16) bytes of each slot, contiguous. `out` has 16 bytes to spare.
EXPORT(pack_tags) void pack_tags(const block *slots, u32 n, u32 width, u8 *out) {
  for (u32 i = 0; i < n; i++) store(out + (u64)width * i, slots[i]);
}

// Open addressing over 2^bits entries.
typedef struct {
  u32 position; // + 1; 0 is empty
  u32 fingerprint;
} Entry;

INLINE u64 first_word(block tag) { return (u64)wasm_i64x2_extract_lane(tag, 0); }

INLINE block masked(block tag, u32 width) {
  block lanes = wasm_i8x16_const(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return wasm_v128_and(tag, wasm_u8x16_lt(lanes, wasm_i8x16_splat((char)width)));
}

// The way back: slots whose first `width` bytes are given and whose others are zero. 16 readable bytes behind the last.
EXPORT(unpack_tags) void unpack_tags(const u8 *in, u32 n, u32 width, block *slots) {
  for (u32 i = 0; i < n; i++) slots[i] = masked(load(in + (u64)width * i), width);
}

// Entries are scattered over more memory than the caches hold: a batch of them is touched before it is worked on, so that
// the loads overlap.
#define BATCH 64
static volatile u32 touched;

// Inserts the slots from .. to; `table` is zeroed before the first. Returns the number of slots whose first `width` bytes
// equal an earlier one's; they are inserted as well.
EXPORT(join_build) u32 join_build(const block *slots, u32 from, u32 to, u32 width, Entry *table, u32 bits) {
  u32 mask = (1u << bits) - 1, sink = 0, repeated = 0;
  for (u32 batch = from; batch < to; batch += BATCH) {
    u32 end = to - batch < BATCH ? to : batch + BATCH;
    for (u32 i = batch; i < end; i++) sink ^= table[(u32)first_word(slots[i]) & mask].position;
    for (u32 i = batch; i < end; i++) {
      block tag = masked(slots[i], width);
      u64 word = first_word(tag);
      u32 at = (u32)word & mask, fingerprint = (u32)(word >> 32);
      for (; table[at].position; at = (at + 1) & mask)
        if (table[at].fingerprint == fingerprint && is_equal(tag, masked(slots[table[at].position - 1], width)))
          repeated++;
      table[at].position = i + 1;
      table[at].fingerprint = fingerprint;
    }
  }
  touched = sink;
  return repeated;
}

// Looks up n packed tags (16 readable bytes behind the last); sets found[position] = 1 for each hit,
// all of them where several slots are equal.
EXPORT(join_probe)
void join_probe(const block *slots, u32 width, const Entry *table, u32 bits, const u8 *tags, u32 n, u8 *found) {
  u32 mask = (1u << bits) - 1, sink = 0;
  for (u32 batch = 0; batch < n; batch += BATCH) {
    u32 here = n - batch < BATCH ? n - batch : BATCH;
    const u8 *from = tags + (u64)width * batch;
    for (u32 i = 0; i < here; i++) sink ^= table[(u32)first_word(load(from + width * i)) & mask].position;
    for (u32 i = 0; i < here; i++) {
      u32 position = table[(u32)first_word(load(from + width * i)) & mask].position;
      sink ^= (u32)first_word(slots[position ? position - 1 : 0]);
    }
    for (u32 i = 0; i < here; i++) {
      block tag = masked(load(from + width * i), width);
      u64 word = first_word(tag);
      u32 at = (u32)word & mask, fingerprint = (u32)(word >> 32);
      for (; table[at].position; at = (at + 1) & mask)
        if (table[at].fingerprint == fingerprint && is_equal(tag, masked(slots[table[at].position - 1], width)))
          found[table[at].position - 1] = 1;
    }
  }
  touched = sink;
}
