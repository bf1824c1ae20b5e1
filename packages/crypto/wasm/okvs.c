// Clustered oblivious key-value store of RR22 (w = 3, binary dense columns). Parameters and steps: okvs/okvs.ts.
#include "blake3.h"

typedef struct __attribute__((packed)) {
  u8 value[16];
  u64 dense;
  u32 sparse[3];
} Row;

typedef struct {
  u32 rows;   // XOR of the ids of the rows left in this column
  u32 weight; // their number
} Column;

// Hashes items under `key` into rows, grouped by bin: bin b holds rows[b * capacity ..], counts[b] of them. Beside each
// row stands the index of its item, counted from `first`.
// n is a multiple of 4; the last `n - real` items are padding and are dropped. Returns 1 when a bin overflows.
EXPORT(okvs_rows)
int okvs_rows(const u32 *key, const u8 *items, u32 n, u32 real, u32 first, u32 bins, u32 capacity, u32 sparse,
              u32 dense, Row *rows, u32 *indices, u32 *counts) {
  u64 mask = dense == 64 ? ~0ull : (1ull << dense) - 1;
  for (u32 i = 0; i < n; i += 4) {
    block w[16];
    blake3_items_x4(key, items + 16 * i, w);
    transpose4(w);
    transpose4(w + 4);
    transpose4(w + 8);
    for (u32 j = 0; j < 4 && i + j < real; j++) {
      u32 words[12];
      for (int k = 0; k < 3; k++) store(words + 4 * k, w[4 * k + j]);
      u32 bin = reduce(words[9], bins);
      if (counts[bin] >= capacity) return 1;
      u32 at = bin * capacity + counts[bin]++;
      Row *row = rows + at;
      store(row->value, w[j]);
      row->dense = (words[4] | (u64)words[5] << 32) & mask;
      u32 a = reduce(words[6], sparse), b = reduce(words[7], sparse - 1), c = reduce(words[8], sparse - 2);
      b += b >= a;
      u32 low = a < b ? a : b, high = a < b ? b : a;
      c += c >= low;
      c += c >= high;
      row->sparse[0] = a, row->sparse[1] = b, row->sparse[2] = c;
      indices[at] = first + i + j;
    }
  }
  return 0;
}

// tables[k][v] = XOR of the dense columns 8k + (bits of v).
INLINE void dense_tables(const block *columns, u32 dense, block *tables) {
  for (u32 k = 0; k < dense / 8; k++) {
    block *table = tables + 256 * k;
    table[0] = zero();
    for (u32 bit = 0; bit < 8; bit++)
      for (u32 v = 0; v < 1u << bit; v++) table[(1u << bit) + v] = xor(table[v], columns[8 * k + bit]);
  }
}

INLINE block dense_product(u64 mask, u32 dense, const block *tables) {
  block sum = tables[mask & 255];
  for (u32 k = 1; k < dense / 8; k++) sum = xor(sum, tables[256 * k + (mask >> (8 * k) & 255)]);
  return sum;
}

INLINE int has_duplicate(const Row *rows, const u32 *gap, u32 count, u32 sparse, u32 *head, u32 *next) {
  for (u32 i = 0; i < sparse; i++) head[i] = ~0u;
  for (u32 i = 0; i < count; i++) {
    const Row *row = rows + gap[i];
    for (u32 at = head[row->sparse[0]]; at != ~0u; at = next[at])
      if (rows[at].dense == row->dense && is_equal(load(rows[at].value), load(row->value))) return 1;
    next[gap[i]] = head[row->sparse[0]];
    head[row->sparse[0]] = gap[i];
  }
  return 0;
}

// Solves the binary system of the gap rows for the dense columns; free ones keep their value. Returns 0 on lost rank.
INLINE int solve_gap(const Row *rows, const u32 *gap, u32 count, const block *sparse, block *columns) {
  u64 masks[64];
  block sums[64];
  u32 pivots[64];
  for (u32 i = 0; i < count; i++) {
    const Row *row = rows + gap[i];
    u64 mask = row->dense;
    block sum = xor(xor(load(row->value), sparse[row->sparse[0]]), xor(sparse[row->sparse[1]], sparse[row->sparse[2]]));
    for (u32 j = 0; j < i; j++)
      if (mask >> pivots[j] & 1) mask ^= masks[j], sum = xor(sum, sums[j]);
    if (mask == 0) return 0;
    u32 pivot = (u32)__builtin_ctzll(mask);
    for (u32 j = 0; j < i; j++)
      if (masks[j] >> pivot & 1) masks[j] ^= mask, sums[j] = xor(sums[j], sum);
    masks[i] = mask, sums[i] = sum, pivots[i] = pivot;
  }
  for (u32 i = 0; i < count; i++) {
    block sum = sums[i];
    for (u64 rest = masks[i] & ~(1ull << pivots[i]); rest; rest &= rest - 1)
      sum = xor(sum, columns[__builtin_ctzll(rest)]);
    columns[pivots[i]] = sum;
  }
  return 1;
}

// Bytes of scratch that one bin needs.
EXPORT(okvs_scratch) u32 okvs_scratch(u32 capacity, u32 sparse) {
  return 256 * 8 * 16 + sparse * 12 + capacity * 16 + 64;
}

// Encodes one bin into `vector` (sparse, then dense columns), which the caller has filled with randomness.
// Returns the number of gap rows, -1 when there is no solution, -2 when a key comes twice.
EXPORT(okvs_encode) int okvs_encode(const Row *rows, u32 n, u32 sparse, u32 dense, block *vector, u8 *scratch) {
  block *tables = (block *)scratch;
  Column *columns = (Column *)(tables + 256 * 8);
  u32 *ready = (u32 *)(columns + sparse), *order_row = ready + sparse, *order_column = order_row + n;
  u32 *gap = order_column + n, *next = gap + n;
  for (u32 i = 0; i < sparse; i++) columns[i].rows = columns[i].weight = 0;
  for (u32 i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) {
      Column *column = columns + rows[i].sparse[k];
      column->rows ^= i;
      column->weight++;
    }
  u32 waiting = 0, peeled = 0;
  for (u32 i = 0; i < sparse; i++)
    if (columns[i].weight == 1) ready[waiting++] = i;
  while (waiting) {
    u32 at = ready[--waiting];
    if (columns[at].weight != 1) continue;
    u32 row = columns[at].rows;
    order_row[peeled] = row, order_column[peeled++] = at;
    for (int k = 0; k < 3; k++) {
      u32 other = rows[row].sparse[k];
      columns[other].rows ^= row;
      if (--columns[other].weight == 1) ready[waiting++] = other;
    }
  }
  block *dense_columns = vector + sparse;
  u32 count = n - peeled;
  if (count) {
    u32 *seen = next;
    for (u32 i = 0; i < n; i++) seen[i] = 0;
    for (u32 i = 0; i < peeled; i++) seen[order_row[i]] = 1;
    for (u32 i = 0, j = 0; i < n; i++)
      if (!seen[i]) gap[j++] = i;
    if (has_duplicate(rows, gap, count, sparse, ready, next)) return -2;
    if (count > dense || !solve_gap(rows, gap, count, vector, dense_columns)) return -1;
  }
  dense_tables(dense_columns, dense, tables);
  while (peeled) {
    const Row *row = rows + order_row[--peeled];
    u32 at = order_column[peeled];
    block sum = xor(load(row->value), dense_product(row->dense, dense, tables));
    for (int k = 0; k < 3; k++) {
      block other = vector[row->sparse[k]];
      sum = row->sparse[k] == at ? sum : xor(sum, other);
    }
    vector[at] = sum;
  }
  return (int)count;
}

// out[i] ^= row i times vector.
EXPORT(okvs_decode)
void okvs_decode(const Row *rows, u32 n, u32 sparse, u32 dense, const block *vector, block *out, u8 *scratch) {
  block *tables = (block *)scratch;
  dense_tables(vector + sparse, dense, tables);
  for (u32 i = 0; i < n; i++) {
    const Row *row = rows + i;
    block sum = dense_product(row->dense, dense, tables);
    sum = xor(xor(sum, vector[row->sparse[0]]), xor(vector[row->sparse[1]], vector[row->sparse[2]]));
    out[i] = xor(out[i], sum);
  }
}

// hit[indices[i]] = 1 where found[i], for indices below `items`.
EXPORT(okvs_hits) void okvs_hits(const u32 *indices, u32 n, const u8 *found, u32 items, u8 *hit) {
  for (u32 i = 0; i < n; i++)
    if (found[i] && indices[i] < items) hit[indices[i]] = 1;
}
