/**
 * Randomness that no seat can foresee or steer, once all three have said what it will judge: each commits to 32 random
 * bytes, opens when it holds both other commitments, and compares what came of it with both before anybody uses it.
 * Construction: commit and open with SHA-256 as a random oracle (Blum, "Coin flipping by telephone", CRYPTO 1981, for
 * three). One malicious seat can abort after it has seen the coin, so a coin is used for checks only, which an abort fails too.
 * 3 rounds, 32 bytes to each seat in each. Detected: an opening that does not fit, other openings to two seats.
 * @module
 */
import {
  type CryptoProvider,
  concatBytes,
  equalBytes,
  fromHex,
  type Hash,
  NodeError,
  type Rng,
  taggedHash,
} from '@2pm/core';
import type { Exchange } from '../execute.ts';

const BYTES = 32;

export interface CoinContext {
  sid: Hash;
  seat: number;
  rng: Rng;
  crypto: CryptoProvider;
}

/** `number`: of the coin in this session. @throws {NodeError} `MPC_EQUIVOCATION` naming the seats it concerns. */
export function* tossCoin(
  { sid, seat, rng }: CoinContext,
  number: number,
): Generator<Exchange, Uint8Array, Uint8Array> {
  const [next, previous] = [(seat + 1) % 3, (seat + 2) % 3];
  const commitment = (of: number, share: Uint8Array) =>
    fromHex(taggedHash('2pm/mpc-coin-share/1', fromHex(sid), u32(number), u32(of), share));
  const own = rng.fill(new Uint8Array(BYTES));

  const commitments = yield* toBoth(commitment(seat, own));
  const shares = yield* toBoth(own);
  for (const [place, peer] of [next, previous].entries()) {
    const said = commitments.subarray(place * BYTES, (place + 1) * BYTES);
    if (!equalBytes(commitment(peer, shares.subarray(place * BYTES, (place + 1) * BYTES)), said)) {
      throw equivocation(`seat ${peer} opened another coin than it had committed to`);
    }
  }
  const inOrder = [own, shares.subarray(0, BYTES), shares.subarray(BYTES)];
  const all = [0, 1, 2].map((of) => inOrder[(of - seat + 3) % 3] ?? own);
  const coin = fromHex(taggedHash('2pm/mpc-coin/1', fromHex(sid), u32(number), concatBytes(...all)));
  const echo = fromHex(taggedHash('2pm/mpc-coin-echo/1', coin));
  const echoes = yield* toBoth(echo);
  for (const [place, peer] of [next, previous].entries()) {
    if (!equalBytes(echoes.subarray(place * BYTES, (place + 1) * BYTES), echo)) {
      throw equivocation(`seats ${seat} and ${peer} did not get the same coin`);
    }
  }
  return coin;
}

/** The same bytes to both; what the next seat and the previous one said, one behind the other. */
function* toBoth(bytes: Uint8Array): Generator<Exchange, Uint8Array, Uint8Array> {
  return yield { send: bytes, expect: bytes.length, back: { send: bytes, expect: bytes.length } };
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

function equivocation(problem: string): NodeError {
  return new NodeError('MPC_EQUIVOCATION', problem, {
    fault: 'peer',
    fix: 'Discard this attempt; start another, with other seats if it happens again.',
  });
}
