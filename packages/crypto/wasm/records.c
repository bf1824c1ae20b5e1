// Records as text: whole numbers in decimal digits, each with a space behind it, then texts, `<bytes>:<text>`. Of a text longer
// than `longest` 64 characters stand there instead.
#include "kernel.h"

enum { HASH_CHARACTERS = 64 };
static const u32 BROKEN = 0xffffffff;

// Up to `most` records of the `size` bytes of `data`. Number f of record r goes to values[f * most + r], where text t begins to
// starts[t * most + r], its length to sizes. Of a longer one the length is 0, and its place in starts goes to `longer`, with how
// many there are before them. Returns how many records there are, or BROKEN.
EXPORT(parse_records)
u32 parse_records(const u8 *data, u32 size, u32 numbers, u32 texts, u32 longest, u32 most, u64 *values, u32 *starts, u32 *sizes,
                  u32 *longer) {
  u32 at = 0, row = 0;
  longer[0] = 0;
  for (; at < size; row++) {
    if (row == most) return BROKEN;
    for (u32 f = 0; f < numbers; f++) {
      u32 negative = at < size && data[at] == '-';
      at += negative;
      u64 value = 0;
      while (at < size && data[at] != ' ') value = value * 10 + (data[at++] - '0');
      if (at++ >= size) return BROKEN;
      values[f * most + row] = negative ? -value : value;
    }
    for (u32 t = 0; t < texts; t++) {
      u64 length = 0;
      while (at < size && data[at] != ':') length = length * 10 + (data[at++] - '0');
      if (at++ >= size) return BROKEN;
      u32 place = t * most + row, here = length > longest ? HASH_CHARACTERS : (u32)length;
      if (here > size - at) return BROKEN;
      starts[place] = at, sizes[place] = length > longest ? 0 : here;
      if (length > longest) longer[++longer[0]] = place;
      at += here;
    }
  }
  return row;
}
