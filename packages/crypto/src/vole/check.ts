/**
 * How the receiver of a VOLE makes sure, before the code is applied, that C̃ = B̃ + Δ·Ã on all 2m positions.
 *
 * Construction: the consistency check of Ferret (Yang, Weng, Lan, Zhang and Wang, CCS 2020, eprint 2020/924) for all trees
 * at once, in the form for VOLE of Wolverine (Weng, Yang, Katz and Wang, S&P 2021, eprint 2020/925) that RR22 uses. After
 * the trees the receiver draws χ; weights w_i are powers of χ. One more random noisy correlation a', c' = b' + Δ·a' is
 * shifted by δ = a' ⊕ Σ w·a over the noise, so that both know Σ w_i·B̃_i ⊕ b' ⊕ Δ·δ = Σ w_i·C̃_i ⊕ c'. The sender shows a
 * hash of its side.
 * What it gives: whatever the sender sent determines, for every choice of points, the B̃ for which the receiver's C̃ holds.
 * It passes for the choices whose B̃ has the sum that it shows. Two different B̃ have equal sums with probability below
 * 2m/2^128 over χ, which comes after both. So it bets on a set of points that it fixed before, and is refused when they lie
 * elsewhere; if it passes, B̃ is determined. This selective failure is the functionality's, as in both papers: dual LPN has
 * to hold although the points lie in that set, which on average shows one bit of them. Values play no part in what passes.
 * For all trees at once the choices are too many for a bound over pairs of them. Group them, by classes of equal B̃, by their
 * probability, about 2^-k in group k. Down to k = 60 a pair of equal sums is expected to weigh 2m·2^(k'−127) in all groups
 * k' ≤ k; below, squares of the weights of equal sums bound what passes at all in a group by 2^-k + (2m)^½·2^-63. Over the at
 * most t·log2(2m/t) groups, a run passes with B̃ undetermined with probability about 2^-40 for 2m = 2^22.
 * A cheating receiver gains from the sender's hash one test of a guess at Δ for each hash that it computes.
 * The trees of arity four and the doubled seals change what a wrong message does, not that points determine the vector.
 * Rounds and bytes: 32 bytes, back 32 bytes.
 * @module
 */
import { equalBytes, NodeError, sha256Bytes } from '@2pm/core';
import { evaluate, innerProduct, powers } from '../gf128/polynomial.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { placesOf, type VoleNoise } from './noise.ts';

/** Point χ and shift δ. */
export const CHALLENGE_BYTES = 32;
export const RESPONSE_BYTES = 32;

/** δ for the point χ: `extra` ⊕ the noise, weighted, of a vector of n positions. */
export function shiftOf(
  kernels: Kernels,
  noise: VoleNoise,
  n: number,
  point: Uint8Array,
  extra: Uint8Array,
): Uint8Array {
  const exponents = placesOf(noise).map((place) => n - 1 - place);
  const sum = innerProduct(kernels, powers(kernels, point, exponents), noise.values);
  return sum.map((byte, i) => byte ^ extra[i]!);
}

/** The receiver's side: Σ w_i·C̃_i ⊕ c', hashed. `vector`: the address of the n blocks of C̃. */
export function expectedResponse(
  kernels: Kernels,
  { session, vector, n, extra }: { session: Uint8Array; vector: number; n: number; extra: Uint8Array },
  point: Uint8Array,
): Uint8Array {
  const sum = evaluate(kernels, vector, n, point);
  return sha256Bytes(
    session,
    sum.map((byte, i) => byte ^ extra[i]!),
  );
}

/** The sender's: Σ w_i·B̃_i ⊕ b' ⊕ Δ·δ, hashed. */
export function responseTo(
  kernels: Kernels,
  own: { session: Uint8Array; vector: number; n: number; extra: Uint8Array; delta: Uint8Array },
  challenge: Uint8Array,
): Uint8Array {
  const shift = innerProduct(kernels, own.delta, challenge.subarray(16));
  const extra = own.extra.map((byte, i) => byte ^ shift[i]!);
  return expectedResponse(kernels, { ...own, extra }, challenge.subarray(0, 16));
}

/** @throws {NodeError} `VOLE_INCONSISTENT`: the sender cheats. */
export function checkResponse(expected: Uint8Array, response: Uint8Array): void {
  if (equalBytes(expected, response)) return;
  throw new NodeError('VOLE_INCONSISTENT', 'the sender of the correlation did not keep to the protocol', {
    fault: 'peer',
    fix: 'Do not compute with this peer before you know why: another try gives it another guess at a secret.',
  });
}
