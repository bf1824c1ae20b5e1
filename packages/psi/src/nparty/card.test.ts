import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { loadKernels } from '@2pm/crypto/wasm';
import { expect, test } from 'vitest';
import { npartyCard } from './card.ts';
import { npartyParameters, SHARE_BYTES } from './parameters.ts';
import { addShares } from './zero-shares.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));

test('the card counts the parties, and any of them but one may be curious', () => {
  for (const parties of [3, 16]) expect(npartyCard(parties)).toMatchObject({ seats: parties, threshold: parties - 1 });
});

test('false matches of the largest sets together stay below 2^-40, and so do elements of the store that meet by chance', () => {
  const largest = 2 ** 23;
  expect(Math.log2(largest) - 8 * SHARE_BYTES).toBeLessThanOrEqual(-40);
  for (const capacities of [
    [largest, ...Array<number>(15).fill(largest)],
    [1, 1, 1],
    [1000, 2 ** 20, 5],
  ]) {
    const { valueBytes } = npartyParameters(capacities).vole;
    const members = capacities.slice(1).reduce((sum, size) => sum + size);
    expect(Math.log2(capacities[0]! * members) - 8 * valueBytes).toBeLessThanOrEqual(-40);
  }
});

/** Shares of some items at each of n members with a key for every pair, in members' order. */
async function sharesOf(members: number, values: Uint8Array, keyOf: (low: number, high: number) => Uint8Array) {
  const kernels = await loadKernels();
  const n = values.length / 16;
  return Array.from({ length: members }, (_, own) => {
    const others = Array.from({ length: members }, (_, other) => other).filter((other) => other !== own);
    const keys = others.map((other) => keyOf(Math.min(own, other), Math.max(own, other)));
    const [at, out] = [kernels.put(values), kernels.put(new Uint8Array(16 * n))];
    addShares(kernels, nodeCrypto, keys, { values: at, n, out });
    return kernels.bytes(out, 16 * n).slice();
  });
}

test('shares of all members add up to zero, and those of fewer to nothing in particular', async () => {
  const values = random(16 * 5000);
  const keys = new Map<string, Uint8Array>();
  const keyOf = (low: number, high: number) => {
    const name = `${low} ${high}`;
    keys.set(name, keys.get(name) ?? random(16));
    return keys.get(name)!;
  };
  const shares = await sharesOf(4, values, keyOf);
  const sum = (parts: Uint8Array[]) => parts.reduce((a, b) => a.map((byte, i) => byte ^ b[i]!));
  expect(sum(shares).every((byte) => byte === 0)).toBe(true);
  for (const some of [shares.slice(0, 1), shares.slice(1), shares.slice(1, 3)]) {
    const partial = sum(some);
    const ones = partial.reduce((count, byte) => count + byte.toString(2).replaceAll('0', '').length, 0);
    expect(Math.abs(ones - 4 * partial.length)).toBeLessThan(6 * Math.sqrt(2 * partial.length));
  }
});
