// Tags as a set, in Elias-Fano coding. Order: by their low `bits` (at most 24). Of the tags 0 .. n - 1 in that order, these bits
// travel in unary, as differences; the others, up to `width` bits (at most 120) in all, as they are.
#include "kernel.h"

typedef struct {
  u64 low, high;
} Bits;

INLINE Bits bits_at(const void *p) { return (Bits){((const u64 *)p)[0], ((const u64 *)p)[1]}; }
// By less than 64.
INLINE Bits right(Bits x, u32 by) { return (Bits){x.low >> by | x.high << 1 << (63 - by), x.high >> by}; }
INLINE Bits left(Bits x, u32 by) { return (Bits){x.low << by, x.high << by | x.low >> 1 >> (63 - by)}; }
INLINE Bits lowest(Bits x, u32 n) {
  return n < 64 ? (Bits){x.low & ((1ull << n) - 1), 0} : (Bits){x.low, x.high & ((1ull << (n - 64)) - 1)};
}

INLINE u32 prefix(const block *tag, u32 bits) { return *(const u32 *)tag & ((1u << bits) - 1); }

// counts[v] += number of the slots from .. to with prefix v.
EXPORT(sort_count) void sort_count(const block *slots, u32 from, u32 to, u32 bits, u32 *counts) {
  for (u32 i = from; i < to; i++) counts[prefix(slots + i, bits)]++;
}

// heads[v]: the place of the next slot with prefix v.
EXPORT(sort_place) void sort_place(const block *slots, u32 from, u32 to, u32 bits, u32 *heads, block *sorted) {
  for (u32 i = from; i < to; i++) sorted[heads[prefix(slots + i, bits)]++] = slots[i];
}

// Tags from .. to. In `high`, zeroed before the first call, tag i sets bit (prefix + i). `low`: zeroed, of this call alone, with
// 16 bytes to spare.
EXPORT(code_sorted)
void code_sorted(const block *sorted, u32 from, u32 to, u32 bits, u32 width, u8 *high, u8 *low) {
  u64 position = 0;
  for (u32 i = from; i < to; i++, position += width - bits) {
    u32 at = prefix(sorted + i, bits) + i;
    high[at >> 3] |= (u8)(1u << (at & 7));
    Bits rest = left(lowest(right(bits_at(sorted + i), bits), width - bits), position & 7);
    u64 *out = (u64 *)(low + (position >> 3));
    out[0] |= rest.low, out[1] |= rest.high;
  }
}

// The way back, to packed tags of `width` bits (whole bytes; 16 bytes to spare here and behind `low`). `cursor`: the bit of
// `high`, of `end`, to go on from. Returns 1 when `high` is no such code.
EXPORT(decode_sorted)
u32 decode_sorted(const u8 *high, u32 *cursor, u32 end, const u8 *low, u32 from, u32 to, u32 bits, u32 width, u8 *out) {
  u64 position = 0;
  u32 at = *cursor;
  for (u32 i = from; i < to; i++, at++, position += width - bits) {
    while (at < end && !(high[at >> 3] >> (at & 7) & 1)) at++;
    if (at >= end || at - i >= 1u << bits) return 1;
    Bits tag = left(lowest(right(bits_at(low + (position >> 3)), position & 7), width - bits), bits);
    u64 *to_tag = (u64 *)(out + (u64)(width / 8) * (i - from));
    to_tag[0] = tag.low | (at - i), to_tag[1] = tag.high;
  }
  *cursor = at;
  return 0;
}
