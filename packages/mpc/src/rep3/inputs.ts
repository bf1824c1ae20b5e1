/**
 * Input sharing by a data holder, and its reading by a seat. x = x0 + x1 + x2 with x0 and x1 streams of two fresh seeds:
 * seat 0 gets both seeds (32 bytes), seats 1 and 2 one seed and x2 (16 + 8n bytes). One message alone is uniform.
 * x2 reaches two seats: `componentDigests` lets them find a holder that tells them different things.
 * @module
 */
import { type CryptoProvider, concatBytes, type Hash, NodeError, type Rng, type RoleSizes } from '@2pm/core';
import { Prg, SEED_BYTES } from '@2pm/crypto';
import type { Circuit, Gate } from '../circuit.ts';
import { add, difference } from './kernels.ts';
import { toWords, type WordShare } from './share.ts';

const DOMAIN = { node: 0, operation: 0, lane: 0 };

/** One message for each seat. The lengths of `values` are public, and must be those of the plan. */
export function shareInputs(
  values: readonly BigInt64Array[],
  { sid, rng, crypto }: { sid: Hash; rng: Rng; crypto: CryptoProvider },
): Uint8Array[] {
  const length = values.reduce((sum, vector) => sum + vector.length, 0);
  const seeds = [0, 1].map(() => rng.fill(new Uint8Array(SEED_BYTES))) as [Uint8Array, Uint8Array];
  const [x0, x1] = seeds.map((seed) => expand(seed, sid, crypto, length)) as [BigUint64Array, BigUint64Array];
  const messages = seeds.map(() => new Uint8Array(SEED_BYTES + 8 * length)) as [Uint8Array, Uint8Array];
  const x2 = toWords(messages[0].subarray(SEED_BYTES));
  let offset = 0;
  for (const vector of values) {
    const part = (whole: BigUint64Array) => whole.subarray(offset, offset + vector.length);
    const x = new BigUint64Array(vector.buffer, vector.byteOffset, vector.length);
    difference(part(x2), x, part(x0), part(x1));
    offset += vector.length;
  }
  messages[1].set(messages[0]);
  messages[0].set(seeds[1]);
  messages[1].set(seeds[0]);
  return [concatBytes(...seeds), ...messages];
}

/** A member's message, unpacked: this seat's two components, each with the bytes that determine it. */
interface MemberInput {
  a: BigUint64Array;
  b: BigUint64Array;
  origin: { a: Uint8Array; b: Uint8Array };
}

export type SeatInputs = ReadonlyMap<string, readonly MemberInput[]>;

/** @throws {NodeError} `MPC_BAD_INPUT` naming the party whose message is missing or has the wrong length. */
export function readInputs(
  { inputWords }: Circuit,
  {
    seat,
    sid,
    roles,
    inputs,
    crypto,
  }: {
    seat: number;
    sid: Hash;
    roles: RoleSizes;
    inputs: ReadonlyMap<string, readonly Uint8Array[]>;
    crypto: CryptoProvider;
  },
): SeatInputs {
  const read = new Map<string, MemberInput[]>();
  for (const [role, length] of inputWords) {
    const messages = inputs.get(role) ?? [];
    const members = roles[role] ?? 0;
    if (messages.length !== members) {
      throw badInput(`${messages.length} input messages for the ${members} members of role ${role}`);
    }
    read.set(
      role,
      messages.map((message, member) => {
        const expected = seat === 0 ? 2 * SEED_BYTES : SEED_BYTES + 8 * length;
        if (message.length !== expected) {
          throw badInput(
            `${nameOf(role, member)} sent ${message.length} bytes of input where the plan has ${expected}`,
          );
        }
        const [seed, rest] = [message.slice(0, SEED_BYTES), message.subarray(SEED_BYTES)];
        const stream = expand(seed, sid, crypto, length);
        if (seat === 0) return { a: stream, b: expand(rest, sid, crypto, length), origin: { a: seed, b: rest } };
        if (seat === 1) return { a: stream, b: toWords(rest), origin: { a: seed, b: rest } };
        return { a: toWords(rest), b: stream, origin: { a: rest, b: seed } };
      }),
    );
  }
  return read;
}

/** Digests of one component of all members' inputs, 32 bytes each, which the other seat that holds it must share. */
export function componentDigests(inputs: SeatInputs, component: 'a' | 'b', crypto: CryptoProvider): Uint8Array {
  const digests = [...inputs.values()].flat().map(({ origin }) => {
    const hash = crypto.sha256();
    hash.update(origin[component]);
    return hash.digest();
  });
  return concatBytes(...digests);
}

/** @throws {NodeError} `MPC_BAD_INPUT` naming the first party whose two digests differ. */
export function compareDigests(inputs: SeatInputs, mine: Uint8Array, theirs: Uint8Array, seats: string): void {
  let offset = 0;
  for (const [role, members] of inputs) {
    for (const member of members.keys()) {
      for (const end = offset + 32; offset < end; offset++) {
        if (mine[offset] !== theirs[offset]) throw badInput(`${nameOf(role, member)} gave ${seats} different shares`);
      }
    }
  }
}

/** The shares of an input gate. */
export function inputShare(inputs: SeatInputs, gate: Gate): WordShare {
  const { role, offset, length } = gate.input ?? { role: '', offset: 0, length: 0 };
  const members = inputs.get(role) ?? [];
  const component = (of: 'a' | 'b') => {
    const vectors = members.map((member) => member[of].subarray(offset, offset + length));
    if (gate.op === 'total') return vectors.length === 0 ? new BigUint64Array(length) : vectors.reduce(add);
    const [only, second] = vectors;
    if (only !== undefined && second === undefined) return only;
    const out = new BigUint64Array(gate.length);
    for (const [member, vector] of vectors.entries()) out.set(vector, member * length);
    return out;
  };
  return { form: 'words', a: component('a'), b: component('b') };
}

function expand(seed: Uint8Array, sid: Hash, crypto: CryptoProvider, length: number): BigUint64Array {
  return toWords(new Prg(crypto, seed, sid).bytes(DOMAIN, 8 * length));
}

function nameOf(role: string, member: number): string {
  return `member ${member + 1} of role ${role}`;
}

function badInput(problem: string): NodeError {
  return new NodeError('MPC_BAD_INPUT', problem, { fault: 'peer' });
}
