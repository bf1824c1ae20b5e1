/** Circuit PSI of two parties: they match by bins, and compute by `additive-semi-honest/1` on which do and what they bring. @module */
import { type Hash, hashValue, NodeError, toHex } from '@2pm/core';
import { additiveScheduleHash, type Circuit, CircuitBuilder, runOnShares } from '@2pm/mpc';
import { ITEM_BYTES } from '../items.ts';
import { placeInBins } from './bins.ts';
import { type OpprfOptions, opprfParameters, opprfSession } from './parameters.ts';
import { opprfReceiver } from './receiver.ts';
import { opprfSender } from './sender.ts';

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

/** A party's additive shares of words, or XOR shares of packed bits. */
export type ResultShare = BigUint64Array | Uint32Array;

export interface CircuitPsiOptions extends OpprfOptions {
  /** Digests of 16 bytes, see `digestKeys`; distinct, at most the own capacity. */
  items: Uint8Array;
  /** A number for each item, to compute on; zeros if left out. */
  payloads?: BigInt64Array;
}

export interface CircuitPsiResult {
  /** One for each result of the program: the two parties' add up to it, or XOR for bits. */
  shares: ResultShare[];
  /** Of each bin the index of the own item in it, -1 where none. */
  itemOf: Int32Array;
}

/** Errors as of `opprfReceiver` and `placeInBins`, and those of the back-end (`MPC_…`, `OT_BAD_LENGTH`). */
export async function circuitPsiReceiver(options: CircuitPsiOptions, program: Program): Promise<CircuitPsiResult> {
  const { items, capacity, rng, crypto } = options;
  const payloads = payloadsOf(options);
  const placement = await placeInBins({ items, capacity: capacity.receiver, rng, crypto });
  const { itemOf } = placement;
  const words = await opprfReceiver({ ...options, columns: 1 }, placement);
  const own = BigUint64Array.from(itemOf, (item) => BigInt.asUintN(64, payloads[item] ?? 0n));
  return { shares: await compute(options, 0, [...words, own], program), itemOf };
}

/** Errors as of `opprfSender` and the back-end. This party's share of each result of the program. */
export async function circuitPsiSender(options: CircuitPsiOptions, program: Program): Promise<ResultShare[]> {
  const words = await opprfSender(options, { items: options.items, columns: [payloadsOf(options)] });
  return compute(options, 1, [...words, new BigUint64Array(words[0]?.length ?? 0)], program);
}

/** @throws {NodeError} `PSI_BAD_ITEMS` unless there is a payload for each item, or none. */
function payloadsOf({ items, payloads }: CircuitPsiOptions): BigInt64Array {
  const n = items.length / ITEM_BYTES;
  if (payloads === undefined || payloads.length === n) return payloads?.slice() ?? new BigInt64Array(Math.floor(n));
  throw new NodeError('PSI_BAD_ITEMS', `${payloads.length} payloads for another number of items`, { fault: 'caller' });
}

/** The receiver is seat 0. `words`: own shares of the differences, of what the sender brings, and of what the receiver does. */
async function compute(
  options: CircuitPsiOptions,
  seat: 0 | 1,
  words: readonly BigUint64Array[],
  program: Program,
): Promise<ResultShare[]> {
  const { channel, sid, capacity, rng, crypto, onPhase, signal = new AbortController().signal } = options;
  const circuit = circuitOf(words[0]?.length ?? 0, program);
  const session = toHex(opprfSession(options, opprfParameters(capacity, 1)));
  const binding = hashValue('2pm/psi-circuit/compute/1', [session, additiveScheduleHash(circuit)]) as Hash;
  const context = { sid, seat, channels: new Map([[1 - seat, channel]]), rng, crypto, signal };
  const computed = await runOnShares(circuit, context, binding, ({ input }) => {
    return words[input?.offset ?? 0] ?? new BigUint64Array(0);
  });
  onPhase?.('circuit');
  return computed.outputs.flat();
}

function circuitOf(bins: number, program: Program): Circuit {
  const b = new CircuitBuilder();
  const input = (offset: number) =>
    b.add({ op: 'total', args: [], form: 'words', length: bins, input: { role: 'both', offset, length: bins } });
  const member = b.bits('zero', bins, [input(0)]);
  const results = program(b, { bins, member, sender: input(1), receiver: input(2) });
  const outputs = results.map((value, node) => ({ node, value }));
  return { gates: b.gates, outputs, inputWords: new Map() };
}
