/** What a holder shares with the seats of the rows that it brings into a join. @module */
import { type CryptoProvider, type KeyedRows, keyedColumns, type Plan, type Rng } from '@2pm/core';
import { ascending } from './ascending.ts';
import { joinTags } from './tags.ts';

/**
 * One vector as `keyedColumns` lays it out: tags of each pass under the key of the join, then the columns, zero padded. Where
 * there is one pass, rows ascend by the first words of their tags, no two of which are equal: so seats can merge relations.
 */
export function joinInput(options: {
  plan: Plan;
  /** `keyed/1`. */
  node: number;
  rows: KeyedRows;
  key: Uint8Array;
  rng: Rng;
  crypto: CryptoProvider;
}): BigInt64Array {
  const { plan, node, rows, key, rng, crypto } = options;
  const { capacity, passes, columns } = keyedColumns(plan, node);
  const words = new BigInt64Array(capacity * (2 * passes + columns.length));
  for (let pass = 0; pass < passes; pass++) {
    const [digests, present] = [rows.digests[pass], rows.present[pass]];
    if (digests === undefined || present === undefined) throw new RangeError(`pass ${pass} has no keys`);
    words.set(joinTags({ crypto, rng, key, pass, digests, present, capacity }), 2 * capacity * pass);
  }
  for (const [index, column] of rows.columns.entries()) words.set(column, capacity * (2 * passes + index));
  return passes === 1 ? ascending(words, capacity, rng) : words;
}
