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

// Open addressing over 2^(bits - 3) buckets of eight slots each. First stand all buckets' fingerprints, in one block a
// bucket, 0 for a free place; then all positions. A bucket that is full passes on to the next.
#define WAYS 8
typedef struct {
  block *fingerprints;
  u32 *positions;
  u32 mask;
} Table;

INLINE Table table_of(u8 *at, u32 bits) {
  u32 buckets = 1u << (bits - 3);
  return (Table){(block *)at, (u32 *)(at + 16 * buckets), buckets - 1};
}

INLINE u32 fingerprint(u64 word) {
  u32 high = (u32)(word >> 32) & 0xffff;
  return high ? high : 1;
}

// A bit for each place of a bucket that holds `value`.
INLINE u32 places(block fingerprints, u32 value) {
  return wasm_i16x8_bitmask(wasm_i16x8_eq(fingerprints, wasm_i16x8_splat((short)value)));
}

INLINE u64 first_word(block tag) { return (u64)wasm_i64x2_extract_lane(tag, 0); }

INLINE block masked(block tag, u32 width) {
  block lanes = wasm_i8x16_const(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return wasm_v128_and(tag, wasm_u8x16_lt(lanes, wasm_i8x16_splat((char)width)));
}

// The way back: slots whose first `width` bytes are given and whose others are zero. 16 readable bytes behind the last.
EXPORT(unpack_tags) void unpack_tags(const u8 *in, u32 n, u32 width, block *slots) {
  for (u32 i = 0; i < n; i++) slots[i] = masked(load(in + (u64)width * i), width);
}

// Buckets are scattered over more memory than the caches hold: a batch of them is touched before it is worked on, so that
// the loads overlap.
#define BATCH 64
static volatile u32 touched;

// Inserts the slots from .. to; `table` is zeroed before the first. Returns the number of slots whose first `width` bytes
// equal an earlier one's; they are inserted as well.
EXPORT(join_build) u32 join_build(const block *slots, u32 from, u32 to, u32 width, u8 *table, u32 bits) {
  Table t = table_of(table, bits);
  u32 sink = 0, repeated = 0;
  for (u32 batch = from; batch < to; batch += BATCH) {
    u32 end = to - batch < BATCH ? to : batch + BATCH;
    for (u32 i = batch; i < end; i++) sink ^= *(const u32 *)&t.fingerprints[(u32)first_word(slots[i]) & t.mask];
    for (u32 i = batch; i < end; i++) {
      block tag = masked(slots[i], width);
      u64 word = first_word(tag);
      for (u32 at = (u32)word & t.mask;; at = (at + 1) & t.mask) {
        u32 equal = places(t.fingerprints[at], fingerprint(word)), vacant = places(t.fingerprints[at], 0);
        for (; equal; equal &= equal - 1)
          if (is_equal(tag, masked(slots[t.positions[WAYS * at + (u32)__builtin_ctz(equal)]], width))) repeated++;
        if (!vacant) continue;
        u32 place = (u32)__builtin_ctz(vacant);
        ((u16 *)&t.fingerprints[at])[place] = (u16)fingerprint(word);
        t.positions[WAYS * at + place] = i;
        break;
      }
    }
  }
  touched = sink;
  return repeated;
}

// Looks up n packed tags (16 readable bytes behind the last); sets found[position] = 1 for each hit,
// all of them where several slots are equal.
EXPORT(join_probe)
void join_probe(const block *slots, u32 width, u8 *table, u32 bits, const u8 *tags, u32 n, u8 *found) {
  Table t = table_of(table, bits);
  u32 sink = 0;
  for (u32 batch = 0; batch < n; batch += BATCH) {
    u32 here = n - batch < BATCH ? n - batch : BATCH, candidates = 0, list[BATCH];
    const u8 *from = tags + (u64)width * batch;
    for (u32 i = 0; i < here; i++)
      sink ^= *(const u32 *)&t.fingerprints[(u32)first_word(load(from + width * i)) & t.mask];
    // Without branches: those whose fingerprint stands in their bucket, or whose bucket is full.
    for (u32 i = 0; i < here; i++) {
      u64 word = first_word(load(from + width * i));
      block bucket = t.fingerprints[(u32)word & t.mask];
      list[candidates] = i;
      candidates += (u32)(places(bucket, fingerprint(word)) != 0) | (u32)(places(bucket, 0) == 0);
    }
    const u32 *likely[BATCH];
    for (u32 c = 0; c < candidates; c++) {
      u64 word = first_word(load(from + width * list[c]));
      u32 at = (u32)word & t.mask, equal = places(t.fingerprints[at], fingerprint(word));
      likely[c] = t.positions + WAYS * at + (equal ? (u32)__builtin_ctz(equal) : 0);
      sink ^= *likely[c];
    }
    for (u32 c = 0; c < candidates; c++) sink ^= (u32)first_word(slots[*likely[c]]) ^ found[*likely[c]];
    for (u32 c = 0; c < candidates; c++) {
      block tag = masked(load(from + width * list[c]), width);
      u64 word = first_word(tag);
      for (u32 at = (u32)word & t.mask;; at = (at + 1) & t.mask) {
        for (u32 equal = places(t.fingerprints[at], fingerprint(word)); equal; equal &= equal - 1) {
          u32 position = t.positions[WAYS * at + (u32)__builtin_ctz(equal)];
          if (is_equal(tag, masked(slots[position], width))) found[position] = 1;
        }
        if (places(t.fingerprints[at], 0)) break;
      }
    }
  }
  touched = sink;
}
