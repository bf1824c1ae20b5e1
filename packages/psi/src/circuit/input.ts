/** What a holder shares with the seats of rows that are matched in a circuit: it finds out with the others. @module */
import {
  type Channel,
  type CircuitMatch,
  type CryptoProvider,
  circuitWords,
  type Hash,
  hashValue,
  type KeyedRows,
  type Rng,
} from '@2pm/core';
import { placeInBins } from './bins.ts';
import { opprfReceiver } from './receiver.ts';
import { opprfSender } from './sender.ts';

export interface CircuitInput {
  /** One vector, laid out as `circuitMatch` says. */
  words: BigInt64Array;
  /** Of the leader alone: of each slot the own row in it, -1 where none. */
  rowOf?: Int32Array;
}

/**
 * Errors as of `opprfReceiver`, `opprfSender` and `placeInBins`.
 * `self`: the own side. `channels`: by side, of the leader to all others, of the others to the leader.
 */
export async function circuitInput(options: {
  match: CircuitMatch;
  self: number;
  rows: KeyedRows;
  channels: ReadonlyMap<number, Channel>;
  /** Unique for each run. */
  sid: Hash;
  rng: Rng;
  crypto: CryptoProvider;
  signal?: AbortSignal;
}): Promise<CircuitInput> {
  const { match, self, rows, channels, ...common } = options;
  const [leader, ...members] = match.sides;
  const items = rows.digests[0] ?? new Uint8Array();
  const towards = (side: number, member: number) => {
    const channel = channels.get(side);
    if (channel === undefined) throw new RangeError(`no channel to side ${side} of the match`);
    const capacity = { receiver: leader?.capacity ?? 0, sender: match.sides[member]?.capacity ?? 0 };
    return { ...common, channel, capacity, sid: hashValue('2pm/circuit-pair/1', [common.sid, member]) as Hash };
  };
  const broughtBy = (side: number) => rows.columns.slice(0, match.sides[side]?.columns.length ?? 0);
  if (self > 0) {
    return { words: joined(match, self, await opprfSender(towards(0, self), { items, columns: broughtBy(self) })) };
  }
  const placement = await placeInBins({ items, capacity: leader?.capacity ?? 0, ...common });
  const theirs = await Promise.all(
    members.map(({ columns }, m) => opprfReceiver({ ...towards(m + 1, m + 1), columns: columns.length }, placement)),
  );
  const own = broughtBy(0).map((column) =>
    BigUint64Array.from(placement.itemOf, (row) => BigInt.asUintN(64, column[row] ?? 0n)),
  );
  return { words: joined(match, 0, [...theirs.flat(), ...own]), rowOf: placement.itemOf };
}

/** Ascending rows of the leader in the slots whose bit is 1. */
export function rowsInSlots(rowOf: Int32Array, bits: readonly (bigint | null)[]): Uint32Array {
  return Uint32Array.from([...rowOf].filter((row, slot) => row >= 0 && bits[slot] === 1n)).sort();
}

function joined(match: CircuitMatch, side: number, words: readonly BigUint64Array[]): BigInt64Array {
  const out = new BigUint64Array(circuitWords(match, side));
  for (const [i, word] of words.entries()) out.set(word, match.bins * i);
  return new BigInt64Array(out.buffer);
}
