/**
 * Input sharing by a data holder, and its reading by a seat. All shares but the last are streams of fresh seeds: those seats
 * get the seed (16 bytes), the last seat the words that are left (8n bytes). All messages but one are uniform, and nothing
 * shows whether a holder means what it says: any messages of the right lengths are shares of something.
 * @module
 */
import { type CryptoProvider, type Hash, NodeError, type Rng, type SeatContext } from '@2pm/core';
import { Prg, SEED_BYTES } from '@2pm/crypto';
import type { Circuit, Gate } from '../circuit.ts';
import { add, sub } from '../rep3/kernels.ts';
import { bytesOf, toWords } from '../rep3/share.ts';

const DOMAIN = { node: 0, operation: 0, lane: 0 };

/** One message for each seat. The lengths of `values` are public, and must be those of the plan. */
export function shareInputs(
  values: readonly BigInt64Array[],
  { sid, rng, crypto, seats = 2 }: { sid: Hash; rng: Rng; crypto: CryptoProvider; seats?: number },
): Uint8Array[] {
  const x = new BigUint64Array(values.reduce((sum, vector) => sum + vector.length, 0));
  let offset = 0;
  for (const vector of values) {
    x.set(new BigUint64Array(vector.buffer, vector.byteOffset, vector.length), offset);
    offset += vector.length;
  }
  const seeds = Array.from({ length: seats - 1 }, () => rng.fill(new Uint8Array(SEED_BYTES)));
  const last = seeds.reduce<BigUint64Array>((left, seed) => sub(left, expand(seed, sid, crypto, x.length)), x);
  return [...seeds, bytesOf(last)];
}

/** This seat's share of each member's words. */
export type SeatInputs = ReadonlyMap<string, readonly BigUint64Array[]>;

type InputContext = Pick<SeatContext, 'seat' | 'sid' | 'roles' | 'inputs' | 'crypto' | 'channels'>;

/** @throws {NodeError} `MPC_BAD_INPUT` naming the party whose message is missing or has the wrong length. */
export function readInputs(
  { inputWords }: Circuit,
  { seat, sid, roles, inputs, crypto, channels }: InputContext,
): SeatInputs {
  const read = new Map<string, BigUint64Array[]>();
  const seeded = seat < channels.size;
  for (const [role, length] of inputWords) {
    const messages = inputs.get(role) ?? [];
    const members = roles[role] ?? 0;
    if (messages.length !== members) {
      throw badInput(`${messages.length} input messages for the ${members} members of role ${role}`);
    }
    const shares = messages.map((message, member) => {
      const expected = seeded ? SEED_BYTES : 8 * length;
      if (message.length === expected) return seeded ? expand(message, sid, crypto, length) : toWords(message);
      throw badInput(
        `member ${member + 1} of role ${role} sent ${message.length} bytes of input where the plan has ${expected}`,
      );
    });
    read.set(role, shares);
  }
  return read;
}

/** The share of an input gate. */
export function inputShare(inputs: SeatInputs, gate: Gate): BigUint64Array {
  const { role, offset, length } = gate.input ?? { role: '', offset: 0, length: 0 };
  const vectors = (inputs.get(role) ?? []).map((member) => member.subarray(offset, offset + length));
  if (gate.op === 'total') return vectors.reduce(add, new BigUint64Array(length));
  const out = new BigUint64Array(gate.length);
  for (const [member, vector] of vectors.entries()) out.set(vector, member * length);
  return out;
}

function expand(seed: Uint8Array, sid: Hash, crypto: CryptoProvider, length: number): BigUint64Array {
  return toWords(new Prg(crypto, seed, sid).bytes(DOMAIN, 8 * length));
}

function badInput(problem: string): NodeError {
  return new NodeError('MPC_BAD_INPUT', problem, { fault: 'peer' });
}
