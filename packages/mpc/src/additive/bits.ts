/**
 * Triples of bits for three seats or more: a_i, b_i and c_i at seat i, where all a XORed, AND all b XORed, are all c XORed.
 *
 * Construction: every two seats make triples of their own (`transfers.ts`), with factors p and r that came out of transfers.
 * Each seat draws one a and one b for all, and tells each other by what they differ: m = p ⊕ a and f = r ⊕ b. From shares s
 * of p_i r_j ⊕ p_j r_i then follow shares of a_i b_j ⊕ a_j b_i: s_i ⊕ a_i f_j ⊕ m_j r_i.
 * Corruption model: semi-honest, all seats but one: p and r are known to their own seat alone, and mask a and b once.
 * Rounds: those of the transfers, which all pairs make at the same time, and one. Bytes to each other seat: those of the
 * transfers, and 2 bits a triple. Leakage: none beyond the lengths.
 * @module
 */
import { concatBytes, type Hash, hashValue, type SeatContext } from '@2pm/core';
import { xor, xorTo } from '../rep3/kernels.ts';
import { bytesOf, packedLength, toPacked } from '../rep3/share.ts';
import type { Link } from './link.ts';
import type { Triple } from './supply.ts';
import { makeTransferred } from './transfers.ts';

/** `bits`: how many, a multiple of 32. `onBatch` is called after each batch with each seat. */
export async function makeBits(
  { seat, rng, crypto }: Pick<SeatContext, 'seat' | 'rng' | 'crypto'>,
  { links, binding, onBatch }: { links: readonly Link[]; binding: Hash; onBatch: () => void },
  bits: number,
): Promise<Triple<Uint32Array>> {
  const packed = packedLength(bits);
  const [a, b] = [0, 1].map(() => toPacked(rng.fill(new Uint8Array(4 * packed)))) as [Uint32Array, Uint32Array];
  const c = conjunction(a, b);
  if (bits === 0) return { a, b, c };
  const demand = { words: 0, bits, carries: 0, crossWords: 0, choices: 0, matrices: [] };
  const crossed = await Promise.all(
    links.map(async (link) => {
      const pair = [Math.min(seat, link.peer), Math.max(seat, link.peer)];
      const own = {
        link,
        binding: hashValue('2pm/mpc-pair/1', { binding, pair }) as Hash,
        onBatch,
        peers: links.length,
      };
      const made = await makeTransferred({ seat: pair.indexOf(seat), rng, crypto }, own, demand);
      const [p, r, both] = [made.bits.a, made.bits.b, made.bits.c].map((of) => of.subarray(0, packed)) as Three;
      const send = concatBytes(bytesOf(xor(p, a)), bytesOf(xor(r, b)));
      const theirs = toPacked(await link.swap(send, send.length));
      const [m, f] = [theirs.subarray(0, packed), theirs.subarray(packed)];
      const share = xor(both, conjunction(p, r));
      xorTo(share, share, conjunction(a, f));
      xorTo(share, share, conjunction(m, r));
      return share;
    }),
  );
  for (const share of crossed) xorTo(c, c, share);
  return { a, b, c };
}

type Three = [Uint32Array, Uint32Array, Uint32Array];

function conjunction(x: Uint32Array, y: Uint32Array): Uint32Array {
  const out = new Uint32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! & y[i]!;
  return out;
}
