/**
 * Rows that leave the engine as few long texts (`readRecords`), because a value at a time would take longer than all else, and
 * the engine's own SHA-256 takes five times as long as ours. Plain JavaScript, as `session.js`.
 * @module
 */
// @ts-check

/** @typedef {import('@2pm/crypto/wasm').Records} Records */

/** What `rowsOf` needs, ahead of the first. */
export async function loadRecords() {
  const { loadKernels, readRecords } = await import('@2pm/crypto/wasm');
  return { kernels: await loadKernels(), readRecords };
}

/**
 * Whatever the order of texts and of records in them: rows ascend by the first number.
 *
 * @param {readonly Uint8Array[]} texts
 * @param {import('@2pm/crypto/wasm').RecordShape} shape
 * @param {number} maxRows
 * @returns {Promise<Records>}
 */
export async function rowsOf(texts, shape, maxRows) {
  const { kernels, readRecords } = await loadRecords();
  /** @type {Records[]} */
  const parts = [];
  let rows = 0;
  for (const text of texts) {
    const part = readRecords(kernels, text, shape);
    rows += part.rows;
    if (rows > maxRows) throw Object.assign(new Error('too many rows'), { failure: 'rows' });
    parts.push(part);
  }
  // Most often a text holds rows that follow each other.
  parts.sort((a, b) => Number((a.numbers[0]?.[0] ?? 0n) - (b.numbers[0]?.[0] ?? 0n)));
  const numbers = Array.from({ length: shape.numbers }, () => new BigInt64Array(rows));
  const digests = Array.from({ length: shape.texts }, () => new Uint8Array(16 * rows));
  let from = 0;
  for (const part of parts) {
    for (const [i, column] of part.numbers.entries()) numbers[i]?.set(column, from);
    for (const [i, column] of part.digests.entries()) digests[i]?.set(column, 16 * from);
    from += part.rows;
  }
  return sorted({ rows, numbers, digests });
}

/**
 * @param {Records} records
 * @returns {Records}
 */
function sorted({ rows, numbers, digests }) {
  // Rows are counted from zero, and a double holds them all. Not by `Number`, which takes a BigInt for each.
  const words = new Uint32Array(/** @type {BigInt64Array} */ (numbers[0]).buffer);
  const places = new Float64Array(rows);
  let ascending = true;
  let last = -1;
  for (let i = 0; i < rows; i++) {
    const place = /** @type {number} */ (words[2 * i]) + 2 ** 32 * /** @type {number} */ (words[2 * i + 1]);
    if (place < last) ascending = false;
    places[i] = last = place;
  }
  if (ascending) return { rows, numbers, digests };
  const order = Uint32Array.from(places.keys()).sort(
    (a, b) => /** @type {number} */ (places[a]) - /** @type {number} */ (places[b]),
  );
  return {
    rows,
    numbers: numbers.map((column) => BigInt64Array.from(order, (row) => /** @type {bigint} */ (column[row]))),
    digests: digests.map((bytes) => {
      const moved = new Uint8Array(16 * rows);
      for (const [to, row] of order.entries()) moved.set(bytes.subarray(16 * row, 16 * row + 16), 16 * to);
      return moved;
    }),
  };
}
