/**
 * Base oblivious transfers: the receiver learns one of two random keys, the sender does not learn which.
 *
 * Construction: Masny and Rindal, "Endemic Oblivious Transfer" (CCS 2019), Diffie-Hellman instantiation with one sender
 * scalar for all transfers, over ristretto255.
 * Corruption model: malicious, as the paper states it: in the random-oracle model, and because one message of the sender
 * serves all transfers, under the interactive Diffie-Hellman assumption. Endemic: a corrupt party may fix the keys that it
 * gets, which extension bears (`consistency.ts`). No message of a sender makes the receiver's keys depend on its choices
 * otherwise than by Diffie-Hellman, so base transfers leave no room for selective failure. Every received point is checked.
 * Rounds and bytes: 32 bytes from the sender, 64 a transfer from the receiver, in any order.
 * Leakage: none beyond the outputs. Deviation: keys also hash the session, both points and the sender's point.
 * @module
 */
import { NodeError, type Rng } from '@2pm/core';
import { ELEMENT_BYTES, type Group, sha512 } from '../group/ristretto255.ts';

export const OFFER_BYTES = ELEMENT_BYTES;
/** Bytes a transfer of the receiver's answer. */
export const ANSWER_BYTES = 2 * ELEMENT_BYTES;

export interface BaseOtSender {
  /** Goes to the receiver. */
  readonly offer: Uint8Array;
  /** Key pairs of 16 bytes. @throws {NodeError} `GROUP_BAD_ELEMENT`, `OT_BAD_LENGTH`. */
  keys(answer: Uint8Array): [zero: Uint8Array, one: Uint8Array][];
}

export interface BaseOtReceiver {
  /** Goes to the sender. */
  readonly answer: Uint8Array;
  /** The chosen keys. @throws {NodeError} `GROUP_BAD_ELEMENT`. */
  keys(offer: Uint8Array): Uint8Array[];
}

export interface BaseOtContext {
  group: Group;
  rng: Rng;
  /** Public, unique for this use: everything both sides agreed on before. */
  session: Uint8Array;
  count: number;
}

export function baseOtSender({ group, rng, session, count }: BaseOtContext): BaseOtSender {
  const a = group.randomScalar(rng);
  const offer = group.base(a);
  return {
    offer,
    keys(answer) {
      if (answer.length !== count * ANSWER_BYTES) {
        throw new NodeError('OT_BAD_LENGTH', `an answer of ${answer.length} bytes`, { fault: 'peer' });
      }
      return Array.from({ length: count }, (_, i) => {
        const points = pair(answer, i);
        const key = (bit: 0 | 1) => {
          const sum = group.add(points[bit], mask(group, session, i, bit, points[1 - bit] as Uint8Array));
          return kdf(session, i, bit, offer, points, group.multiply(a, sum));
        };
        return [key(0), key(1)];
      });
    },
  };
}

/** `choices[i]` is 0 or 1. */
export function baseOtReceiver(
  { group, rng, session, count }: BaseOtContext,
  choices: Readonly<ArrayLike<number>>,
): BaseOtReceiver {
  const answer = new Uint8Array(count * ANSWER_BYTES);
  const scalars = Array.from({ length: count }, (_, i) => {
    const choice = bitOf(choices, i);
    const k = group.randomScalar(rng);
    const other = group.fromUniform(rng.fill(new Uint8Array(64)));
    const chosen = group.subtract(group.base(k), mask(group, session, i, choice, other));
    answer.set(chosen, i * ANSWER_BYTES + choice * ELEMENT_BYTES);
    answer.set(other, i * ANSWER_BYTES + (1 - choice) * ELEMENT_BYTES);
    return k;
  });
  return {
    answer,
    keys: (offer) =>
      scalars.map((k, i) => kdf(session, i, bitOf(choices, i), offer, pair(answer, i), group.multiply(k, offer))),
  };
}

function bitOf(choices: Readonly<ArrayLike<number>>, i: number): 0 | 1 {
  return choices[i] === 1 ? 1 : 0;
}

function pair(answer: Uint8Array, i: number): [Uint8Array, Uint8Array] {
  const at = i * ANSWER_BYTES;
  return [answer.subarray(at, at + ELEMENT_BYTES), answer.subarray(at + ELEMENT_BYTES, at + 2 * ELEMENT_BYTES)];
}

function mask(group: Group, session: Uint8Array, i: number, bit: 0 | 1, other: Uint8Array): Uint8Array {
  return group.fromUniform(sha512(label('2pm/ot/mask/1', i, bit), session, other));
}

function kdf(
  session: Uint8Array,
  i: number,
  bit: 0 | 1,
  offer: Uint8Array,
  points: [Uint8Array, Uint8Array],
  shared: Uint8Array,
): Uint8Array {
  return sha512(label('2pm/ot/key/1', i, bit), session, offer, ...points, shared).slice(0, 16);
}

/** Fixed width for each tag; what follows it is of fixed width too (session 32 bytes, points 32 bytes). */
function label(tag: string, i: number, bit: 0 | 1): Uint8Array {
  const out = new Uint8Array(24);
  out.set(new TextEncoder().encode(tag));
  new DataView(out.buffer).setUint32(18, i, true);
  out[22] = bit;
  return out;
}
