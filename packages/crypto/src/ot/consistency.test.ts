import { expect, test } from 'vitest';
import { nodeCrypto, nodeRng } from '../node/provider.ts';
import { type Kernels, loadKernels } from '../wasm/kernels.ts';
import { checkConsistency, PROOF_BYTES, proveConsistency } from './consistency.ts';
import { extendReceiver, extendSender } from './extension.ts';

const random = (size: number) => nodeRng.fill(new Uint8Array(size));
const BYTES = 48;
const bitOf = (bytes: Uint8Array, i: number) => (bytes[i >> 3]! >> (i & 7)) & 1;

const flip = (bytes: Uint8Array, bit: number) => {
  bytes[bit >> 3]! ^= 1 << (bit & 7);
};

interface Cheat {
  /** On the correction, before anything is hashed. */
  columns?: (correction: Uint8Array) => void;
  proof?: (proof: Uint8Array) => void;
}

/** Columns of 384 bits, the last 128 of them the mask, between a sender and a receiver that may cheat. */
async function extend(cheat: Cheat = {}) {
  const kernels = await loadKernels();
  const delta = random(16);
  const keys = Array.from({ length: 128 }, () => [random(16), random(16)] as [Uint8Array, Uint8Array]);
  const chosen = keys.map((pair, i) => pair[bitOf(delta, i)]!);
  const choices = random(BYTES);
  const binding = random(32);
  let proof: Uint8Array = new Uint8Array();
  const { correction, t } = extendReceiver(kernels, nodeCrypto, keys, choices, (at, columns) => {
    cheat.columns?.(columns);
    proof = proveConsistency(kernels, { at, bytes: BYTES, binding });
    cheat.proof?.(proof);
  });
  const check = () =>
    extendSender(kernels, nodeCrypto, chosen, delta, correction, (at) =>
      checkConsistency(kernels, { at, bytes: BYTES, binding }, delta, proof),
    );
  return { kernels, delta, choices, t, check };
}

function correlated(kernels: Kernels, run: { t: number; q: number; choices: Uint8Array; delta: Uint8Array }): boolean {
  return Array.from({ length: 8 * BYTES }, (_, j) => j).every((j) => {
    const [t, q] = [kernels.bytes(run.t + 16 * j, 16), kernels.bytes(run.q + 16 * j, 16)];
    return q.every((byte, k) => byte === (t[k]! ^ (bitOf(run.choices, j) * run.delta[k]!)));
  });
}

const refused = expect.objectContaining({ code: 'OT_INCONSISTENT', fault: 'peer' });

test('honest columns pass, with a proof of the length it says', async () => {
  const run = await extend({ proof: (proof) => expect(proof.length).toBe(PROOF_BYTES) });
  expect(correlated(run.kernels, { ...run, q: run.check() })).toBe(true);
});

test('other choices in one column pass only where the secret bit is 0, and then change nothing', async () => {
  const passed = new Set<boolean>();
  for (let i = 0; i < 40; i++) {
    const at = Math.floor((i * 8 * BYTES) / 40);
    const run = await extend({ columns: (correction) => flip(correction, 8 * BYTES * i + at) });
    const bit = bitOf(run.delta, i);
    passed.add(bit === 0);
    if (bit === 1) expect(run.check).toThrow(refused);
    else expect(correlated(run.kernels, { ...run, q: run.check() })).toBe(true);
  }
  expect(passed.size).toBe(2);
});

test('a receiver that bets on a secret bit of 1 is refused where it is 0', async () => {
  for (let i = 0; i < 20; i++) {
    // A flip in the last bit of the mask changes the hash of the column by that bit.
    const run = await extend({
      columns: (correction) => flip(correction, 8 * BYTES * (i + 1) - 1),
      proof: (proof) => flip(proof, 8 * 16 * (i + 1) - 1),
    });
    if (bitOf(run.delta, i) === 0) expect(run.check).toThrow(refused);
    else expect(run.check).not.toThrow();
  }
});

test('all columns but one with other choices, or a proof with any bit flipped, is refused', async () => {
  const others = await extend({
    columns: (correction) => {
      for (let i = 1; i < 128; i++) correction[BYTES * i]! ^= 1;
    },
  });
  expect(others.check).toThrow(refused);
  for (let bit = 0; bit < 8 * PROOF_BYTES; bit += 997) {
    const run = await extend({ proof: (proof) => flip(proof, bit) });
    expect(run.check).toThrow(refused);
  }
});

test('the proof hides the choices: equal ones with other masks have unrelated hashes', async () => {
  const kernels = await loadKernels();
  const binding = random(32);
  const column = random(BYTES);
  const hashes = [0, 1].map((mask) => {
    column.fill(mask, 32);
    const at = kernels.alloc(129 * BYTES);
    for (let i = 0; i < 129; i++) kernels.bytes(at + BYTES * i, BYTES).set(column);
    return proveConsistency(kernels, { at, bytes: BYTES, binding }).slice(16 * 128);
  });
  expect(hashes[0]!.map((byte, i) => byte ^ hashes[1]![i]!)).toEqual(new Uint8Array(16).fill(1));
});
