/**
 * What a seat hands to the recipient of a reveal, and how the recipient opens it. A seat's message: component a, then b,
 * of the value (8 bytes an element, or packed bits in whole 32-bit words), then the same of the release bits if the value
 * can be withheld. Each component comes from two seats, and the recipient compares them.
 * Detected: any single seat that hands out other shares than it holds. Not detected: two seats that lie together, and a
 * seat that deviated *during* the computation, which leaves consistent shares of a wrong value.
 * @module
 */
import { concatBytes, equalBytes, NodeError, type Plan, type RoleSizes } from '@2pm/core';
import type { Gate } from '../circuit.ts';
import { lower } from '../lower/lower.ts';
import { bytesOf, packedLength, type Share, toPacked, toWords } from './share.ts';

const SEATS = [0, 1, 2];

/** Bits beyond the length are cleared. */
export function outputBytes(share: Share, length: number): Uint8Array {
  if (share.form === 'words') return concatBytes(bytesOf(share.a), bytesOf(share.b));
  const trim = (part: Uint32Array) => {
    const out = part.slice(0, packedLength(length));
    if (length % 32 !== 0) out[out.length - 1] = (out[out.length - 1] ?? 0) & ((1 << (length % 32)) - 1);
    return bytesOf(out);
  };
  return concatBytes(trim(share.a), trim(share.b));
}

/** @throws {NodeError} `MPC_INCONSISTENT_SHARES`, naming the seats that disagree. */
export function open(plan: Plan, roles: RoleSizes, node: number, shares: readonly Uint8Array[]): (bigint | null)[] {
  const circuit = lower(plan, roles, { exits: [node] });
  const output = circuit.outputs[0];
  const value = circuit.gates[output?.value ?? -1];
  const ok = output?.ok === undefined ? undefined : circuit.gates[output.ok];
  if (value === undefined) throw new NodeError('MPC_UNSUPPORTED', `node ${node} reveals nothing`, { fault: 'caller' });

  const valueBytes = componentBytes(value);
  const okBytes = ok === undefined ? 0 : componentBytes(ok);
  for (const seat of SEATS) {
    if (shares[seat]?.length !== 2 * (valueBytes + okBytes)) {
      throw inconsistent(`seat ${seat} gave an output share of the wrong length`);
    }
  }
  const part = (seat: number, from: number, length: number) =>
    shares[seat]?.subarray(from, from + length) ?? new Uint8Array();
  /** The three components of a field that starts at `from`, after comparing the two copies of each. */
  const components = (from: number, length: number) => {
    const [a, b] = [
      SEATS.map((seat) => part(seat, from, length)),
      SEATS.map((seat) => part(seat, from + length, length)),
    ];
    const differ = SEATS.filter(
      (seat) => !equalBytes(b[seat] ?? new Uint8Array(), a[(seat + 1) % 3] ?? new Uint8Array()),
    );
    return { parts: a, differ };
  };
  const values = components(0, valueBytes);
  const released = components(2 * valueBytes, okBytes);
  const differ = [...new Set([...values.differ, ...released.differ])];
  if (differ.length > 0) throw inconsistent(disagreement(differ));

  const integers = value.form === 'words' ? sumWords(values.parts) : xorBits(values.parts, value.length);
  if (ok === undefined) return integers;
  const allowed = xorBits(released.parts, ok.length);
  return integers.map((integer, i) => (allowed[i] === 1n ? integer : null));
}

function componentBytes({ form, length }: Gate): number {
  return form === 'words' ? 8 * length : 4 * packedLength(length);
}

function sumWords(parts: readonly Uint8Array[]): bigint[] {
  const [x0, x1, x2] = parts.map((part) => toWords(part));
  return Array.from(x0 ?? [], (word, i) => BigInt.asIntN(64, word + (x1?.[i] ?? 0n) + (x2?.[i] ?? 0n)));
}

function xorBits(parts: readonly Uint8Array[], length: number): bigint[] {
  const [x0, x1, x2] = parts.map((part) => toPacked(part));
  return Array.from({ length }, (_, i) => {
    const word = (x0?.[i >> 5] ?? 0) ^ (x1?.[i >> 5] ?? 0) ^ (x2?.[i >> 5] ?? 0);
    return BigInt((word >>> (i & 31)) & 1);
  });
}

/** `differ`: seats whose second component is not the first of the seat after them. */
function disagreement(differ: readonly number[]): string {
  const pairs = differ.map((seat) => `${seat} and ${(seat + 1) % 3}`).join(', ');
  const [one, two] = differ;
  if (differ.length !== 2 || one === undefined || two === undefined)
    return `the output shares of seats ${pairs} disagree`;
  const common = (one + 1) % 3 === two ? two : one;
  return `the output shares of seats ${pairs} disagree; if one seat is at fault, it is seat ${common}`;
}

function inconsistent(problem: string): NodeError {
  return new NodeError('MPC_INCONSISTENT_SHARES', problem, {
    fault: 'peer',
    fix: 'Discard this result and ask for a new attempt, with other seats if it happens again.',
  });
}
