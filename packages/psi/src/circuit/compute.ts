/** The circuit behind the stores: what both parties compute on shares of which bins match and of what they carry. @module */
import { type Hash, hashValue, toHex } from '@2pm/core';
import { additiveScheduleHash, type Circuit, CircuitBuilder, runOnShares } from '@2pm/mpc';
import type { CircuitPsiOptions } from './parameters.ts';

/** Gates of as many elements as there are bins. */
export interface Matched {
  bins: number;
  /** Bits: 1 where the bin holds a common item. */
  member: number;
  /** Words: the sender's payload of the common item; uniform where there is none. */
  sender: number;
  /** Words: the receiver's payload of its item; 0 in an empty bin. */
  receiver: number;
}

/** What to compute: adds gates, and says which of them are the results. Both parties give the same. */
export type Program = (b: CircuitBuilder, matched: Matched) => readonly number[];

/** Number of common items. */
export const matchCount: Program = (b, { member }) => [b.words('sum', 1, [b.asWords(member)])];

/** Sum of the sender's payloads over the common items. */
export const payloadSum: Program = (b, { member, sender }) => [b.words('dot', 1, [b.asWords(member), sender])];

/** This party's shares of the bins: `difference` is zero in the sum where the bin holds a common item. */
export interface BinShares {
  difference: BigUint64Array;
  sender: BigUint64Array;
  receiver: BigUint64Array;
}

/** A party's additive shares of words, or XOR shares of packed bits. */
export type ResultShare = BigUint64Array | Uint32Array;

/** The receiver is seat 0. Gives this party's share of each result. */
export async function compute(
  { channel, sid, rng, crypto, signal = new AbortController().signal }: CircuitPsiOptions,
  { seat, session, shares }: { seat: 0 | 1; session: Uint8Array; shares: BinShares },
  program: Program,
): Promise<ResultShare[]> {
  const circuit = circuitOf(shares.difference.length, program);
  const binding = hashValue('2pm/psi-circuit/compute/1', [toHex(session), additiveScheduleHash(circuit)]) as Hash;
  const channels = new Map([[1 - seat, channel]]);
  const computed = await runOnShares(circuit, { sid, seat, channels, rng, crypto, signal }, binding, ({ input }) => {
    return shares[(input?.role ?? 'difference') as keyof BinShares];
  });
  return computed.outputs.flat();
}

function circuitOf(bins: number, program: Program): Circuit {
  const b = new CircuitBuilder();
  const input = (role: keyof BinShares) =>
    b.add({ op: 'total', args: [], form: 'words', length: bins, input: { role, offset: 0, length: bins } });
  const member = b.bits('zero', bins, [input('difference')]);
  const results = program(b, { bins, member, sender: input('sender'), receiver: input('receiver') });
  const outputs = results.map((value, node) => ({ node, value }));
  return { gates: b.gates, outputs, inputWords: new Map() };
}
