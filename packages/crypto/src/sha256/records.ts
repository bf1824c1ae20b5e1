/**
 * Rows that were written as text, one behind the other, back as columns; of their texts only the first half of SHA-256. For data
 * that is too much to be JavaScript values row by row.
 * @module
 */
import { NodeError } from '@2pm/core';
import type { Kernels } from '../wasm/kernels.ts';

/** Fields of each record. */
export interface RecordShape {
  numbers: number;
  texts: number;
  /** Bytes of a text that stands in full; of a longer one its SHA-256 does, in hexadecimal digits. */
  longest: number;
}

export interface Records {
  rows: number;
  numbers: BigInt64Array[];
  /** 16 bytes a row, zero for an empty text. */
  digests: Uint8Array[];
}

const DIGEST_BYTES = 16;
/** Hashed by one call: the time that one may block. */
const CHUNK = 32_768;
const BROKEN = 0xffffffff;

/**
 * A record: its numbers in decimal digits, each with a space behind it, then its texts as `<bytes>:<text>`, in UTF-8.
 * @throws {NodeError} `RECORDS_BROKEN`.
 */
export function readRecords(kernels: Kernels, text: Uint8Array, { numbers, texts, longest }: RecordShape): Records {
  const mark = kernels.mark();
  // A field takes two bytes and more.
  const most = Math.ceil(text.length / (2 * Math.max(1, numbers + texts)));
  const data = kernels.put(text);
  const [values, starts, sizes, longer] = [
    kernels.alloc(8 * most * numbers),
    kernels.alloc(4 * most * texts),
    kernels.alloc(4 * most * texts),
    kernels.alloc(4 * (1 + most * texts)),
  ];
  const { run } = kernels;
  const found = run.parse_records(data, text.length, numbers, texts, longest, most, values, starts, sizes, longer);
  const rows = found >>> 0;
  if (rows === BROKEN) {
    throw new NodeError('RECORDS_BROKEN', 'a record ends before its fields do', { fault: 'node' });
  }
  const out = kernels.alloc(DIGEST_BYTES * most * texts);
  for (let t = 0; t < texts; t++) {
    for (let row = 0; row < rows; row += CHUNK) {
      const at = t * most + row;
      run.sha256_messages(data, starts + 4 * at, sizes + 4 * at, Math.min(CHUNK, rows - row), out + DIGEST_BYTES * at);
    }
  }
  const digests = kernels.bytes(out, DIGEST_BYTES * most * texts);
  const [begin, length] = [kernels.words(starts, most * texts), kernels.words(sizes, most * texts)];
  for (let t = 0; t < texts; t++) {
    for (let at = t * most; at < t * most + rows; at++) {
      if (length[at] === 0) digests.fill(0, DIGEST_BYTES * at, DIGEST_BYTES * (at + 1));
    }
  }
  const count = kernels.words(longer, 1)[0] ?? 0;
  for (const at of kernels.words(longer + 4, count)) {
    const hash = kernels.bytes(data + (begin[at] as number), 2 * DIGEST_BYTES);
    for (let i = 0; i < DIGEST_BYTES; i++) {
      digests[DIGEST_BYTES * at + i] = Number.parseInt(String.fromCharCode(hash[2 * i] ?? 0, hash[2 * i + 1] ?? 0), 16);
    }
  }
  const records = {
    rows,
    numbers: Array.from({ length: numbers }, (_, f) => {
      return new BigInt64Array(kernels.bytes(values + 8 * f * most, 8 * rows).slice().buffer);
    }),
    digests: Array.from({ length: texts }, (_, t) =>
      digests.slice(DIGEST_BYTES * t * most, DIGEST_BYTES * (t * most + rows)),
    ),
  };
  kernels.release(mark);
  return records;
}
