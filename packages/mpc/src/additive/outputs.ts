/**
 * What a seat hands to the recipient of a reveal, and how the recipient opens it. A seat's message: its share of the value
 * (8 bytes an element, or packed bits in whole 32-bit words), then of the release bits if the value can be withheld.
 * The recipient adds them up. There is no redundancy: a seat that adds to its share shifts the result, and no one sees it.
 * @module
 */
import { admitsSeats, concatBytes, NodeError, type Plan, type RoleSizes } from '@2pm/core';
import type { Circuit, Gate } from '../circuit.ts';
import { lower } from '../lower/lower.ts';
import { add, xor } from '../rep3/kernels.ts';
import { bytesOf, packedLength, toPacked, toWords } from '../rep3/share.ts';
import { ADDITIVE_SEMI_HONEST } from './card.ts';
import type { Share } from './engine.ts';

/** A seat's messages, by node, of its shares of each of the circuit's outputs. */
export function packOutputs({ gates, outputs }: Circuit, shares: readonly Share[][]): Map<number, Uint8Array> {
  return new Map(
    outputs.map(({ node, value, ok }, i) => {
      const parts = [value, ok ?? value].map((gate) => gates[gate]?.length ?? 0);
      return [node, concatBytes(...(shares[i] ?? []).map((share, part) => outputBytes(share, parts[part] ?? 0)))];
    }),
  );
}

/** Bits beyond the length are cleared. */
function outputBytes(share: Share, length: number): Uint8Array {
  if (share instanceof BigUint64Array) return bytesOf(share);
  const out = share.slice(0, packedLength(length));
  if (length % 32 !== 0) out[out.length - 1] = (out[out.length - 1] ?? 0) & ((1 << (length % 32)) - 1);
  return bytesOf(out);
}

/** @throws {NodeError} `MPC_INCONSISTENT_SHARES`, naming the seat whose message has another length than the plan says. */
export function open(plan: Plan, roles: RoleSizes, node: number, shares: readonly Uint8Array[]): (bigint | null)[] {
  const circuit = lower(plan, roles, { exits: [node] });
  const output = circuit.outputs[0];
  const value = circuit.gates[output?.value ?? -1];
  const ok = output?.ok === undefined ? undefined : circuit.gates[output.ok];
  if (value === undefined) throw new NodeError('MPC_UNSUPPORTED', `node ${node} reveals nothing`, { fault: 'caller' });
  const valueBytes = bytesFor(value);
  const bytes = valueBytes + (ok === undefined ? 0 : bytesFor(ok));
  if (!admitsSeats(ADDITIVE_SEMI_HONEST, shares.length)) {
    throw new NodeError('MPC_INCONSISTENT_SHARES', `${shares.length} seats gave output shares`, { fault: 'peer' });
  }
  for (const [seat, share] of shares.entries()) {
    if (share.length === bytes) continue;
    throw new NodeError('MPC_INCONSISTENT_SHARES', `seat ${seat} gave an output share of the wrong length`, {
      fault: 'peer',
      fix: 'Discard this result and ask for a new attempt, with other seats if it happens again.',
    });
  }
  const integers = sum(
    value,
    shares.map((share) => share.subarray(0, valueBytes)),
  );
  if (ok === undefined) return integers;
  const allowed = sum(
    ok,
    shares.map((share) => share.subarray(valueBytes)),
  );
  return integers.map((integer, i) => (allowed[i] === 1n ? integer : null));
}

function bytesFor({ form, length }: Gate): number {
  return form === 'words' ? 8 * length : 4 * packedLength(length);
}

function sum({ form, length }: Gate, shares: readonly Uint8Array[]): bigint[] {
  if (form === 'words') {
    const total = shares.map(toWords).reduce((left, right) => add(left, right), new BigUint64Array(length));
    return Array.from(total, (word) => BigInt.asIntN(64, word));
  }
  const packed = shares.map(toPacked).reduce((left, right) => xor(left, right), new Uint32Array(packedLength(length)));
  return Array.from({ length }, (_, i) => BigInt(((packed[i >> 5] ?? 0) >>> (i & 31)) & 1));
}
