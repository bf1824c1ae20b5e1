/** What leader and member agree on before the first frame, and its name. @module */
import {
  BIN_POSITIONS,
  type Channel,
  type CircuitMatch,
  type CryptoProvider,
  cuckooBins,
  fromHex,
  type Hash,
  hashValue,
  NodeError,
  type Rng,
  type SecurityModel,
} from '@2pm/core';
import { type OkvsParameters, okvsLength, okvsParameters } from '@2pm/crypto/okvs';
import { type VoleParameters, voleParameters } from '@2pm/crypto/vole';
import { type Capacity, checkCapacity, tagBytesFor } from '../capacity.ts';
import { circuitCard } from './card.ts';

export interface OpprfOptions {
  channel: Channel;
  /** Unique for each run and each pair of parties: nothing else in the session names them. */
  sid: Hash;
  /** Of the leader, who receives, and of the member. */
  capacity: Capacity;
  rng: Rng;
  crypto: CryptoProvider;
  signal?: AbortSignal;
  /** Called at the end of each phase with its name; for measurements. */
  onPhase?: (phase: string) => void;
}

export interface OpprfParameters {
  /** Bins, each of which holds one item of the leader or none. */
  bins: number;
  /** The store of what the bins hold. */
  query: OkvsParameters;
  vole: VoleParameters;
  /** The stores of the member's items, each item once for each of its bins. */
  hint: OkvsParameters;
  /** Bytes of an element of each of these stores: 16 for two words, 8 where one is left. */
  widths: readonly number[];
}

const LARGEST_CAPACITY = 2 ** 20;
const WORD_BYTES = 8;

/** `columns`: words that the member brings with an item. @throws {NodeError} `PSI_BAD_CAPACITY`. */
export function opprfParameters(capacity: Capacity, columns: number): OpprfParameters {
  checkCapacity(capacity, LARGEST_CAPACITY);
  const bins = cuckooBins(capacity.receiver);
  const query = okvsParameters(bins);
  const sender = BIN_POSITIONS * capacity.sender;
  const valueBytes = Math.max(8, tagBytesFor({ receiver: bins, sender }));
  const widths = Array.from({ length: Math.ceil((1 + columns) / 2) }, (_, store) =>
    2 * store < columns ? 2 * WORD_BYTES : WORD_BYTES,
  );
  return { bins, query, vole: voleParameters(okvsLength(query), { valueBytes }), hint: okvsParameters(sender), widths };
}

/** 32 bytes that bind protocol, sid, capacities and all parameters. */
export function opprfSession(
  { sid, capacity }: Pick<OpprfOptions, 'sid' | 'capacity'>,
  { bins, query, vole, hint, widths }: OpprfParameters,
): Uint8Array {
  const stores = { query: { ...query }, vole: { ...vole }, hint: { ...hint }, widths: [...widths] };
  return fromHex(hashValue(`2pm/${circuitCard.id}`, { sid, capacity: { ...capacity }, bins, ...stores }));
}

/** The session under whose key the function's value is hashed for the words of a store. */
export function storeSession(session: Uint8Array, store: number): Uint8Array {
  return store === 0 ? session : fromHex(hashValue('2pm/psi-circuit/store/1', [session, store]));
}

/**
 * Whether these rows can be matched in a circuit.
 * @throws {NodeError} `PSI_UNSUPPORTED`, `PSI_BAD_CAPACITY`.
 */
export function checkCircuitMatch({ sides }: CircuitMatch, security: SecurityModel): void {
  if (security !== circuitCard.security) {
    throw new NodeError('PSI_UNSUPPORTED', 'rows are matched in a circuit among semi-honest holders only', {
      fault: 'caller',
      fix: 'Ask for security against semi-honest parties.',
    });
  }
  const [leader, ...members] = sides;
  for (const { capacity, columns } of members) {
    opprfParameters({ receiver: leader?.capacity ?? 0, sender: capacity }, columns.length);
  }
}
