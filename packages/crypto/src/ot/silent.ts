/**
 * Silent correlated oblivious transfer: the sender gets blocks q, the receiver bits r and blocks t = q ⊕ r·Δ with the
 * sender's Δ, in batches of m, each for communication that hardly grows with m.
 *
 * Construction: Boyle et al., "Efficient Two-Round OT Extension and Silent Non-Interactive Secure Computation" (CCS
 * 2019), over the puncturable PRF of `ggm/pprf.ts` and the code of `vole/exconv.ts`: a unit vector in each of t
 * trees is noise of weight t, and code and noise together give m bits that look random by dual LPN over GF(2) (regular
 * noise, see `vole/parameters.ts`). Δ is odd and the lowest bits of q are zero, so that the lowest bit of t is r: code
 * and trees carry one vector for both (libOTe's packing).
 * The transfers that puncture the trees of all batches come out of one extension of the base transfers under the same Δ.
 * Corruption model: semi-honest. Messages: offer and answer (crossing), choice; then one correction a batch, from the
 * sender. 32 + 8192 + 32·t·depth·batches bytes, and (128·depth + 16)·t for each batch.
 * Leakage: none beyond the outputs, if dual LPN holds for this code and BLAKE3 breaks the correlation of transfers under
 * one Δ. Deviations: trees of arity four; one Δ for puncturing and outputs, as in Ferret (CCS 2020); those of
 * `ggm/pprf.ts` and `vole/exconv.ts`. Batches have independent noise, trees and codes.
 * @module
 */
import { type CryptoProvider, NodeError, type Rng, sha256Bytes } from '@2pm/core';
import { ARITY, depthOf, expandForest, expandPunctured, type Forest, pathOf } from '../ggm/pprf.ts';
import type { Group } from '../group/ristretto255.ts';
import { exConv } from '../vole/exconv.ts';
import { placesOf, type VoleNoise, voleNoise } from '../vole/noise.ts';
import { forestOf, type VoleParameters } from '../vole/parameters.ts';
import { sealsOf } from '../vole/silent.ts';
import { type Kernels, pieces } from '../wasm/kernels.ts';
import {
  ANSWER_BYTES,
  type BaseOtReceiver,
  type BaseOtSender,
  baseOtReceiver,
  baseOtSender,
  OFFER_BYTES,
} from './base.ts';
import { BASE_COUNT, extendReceiver, extendSender, hashCorrelations } from './extension.ts';

export interface SilentOtContext {
  kernels: Kernels;
  group: Group;
  crypto: CryptoProvider;
  rng: Rng;
  /** 32 bytes, public, unique for this use and this direction. */
  session: Uint8Array;
  /** `length` is that of a batch. */
  parameters: VoleParameters;
  batches: number;
}

/** Lengths of the messages, in bytes; `correction` is that of one batch. */
export function silentOtMessageBytes({ parameters, batches }: Pick<SilentOtContext, 'parameters' | 'batches'>) {
  const forest = forestOf(parameters);
  const depth = depthOf(forest);
  return {
    offer: OFFER_BYTES,
    answer: BASE_COUNT * ANSWER_BYTES,
    choice: 16 * 2 * forest.trees * depth * batches,
    correction: forest.trees * (16 * 2 * ARITY * depth + 16),
  };
}

/** Holds Δ. Calls in order: answer, begin, and `next` for each batch. */
export class SilentOtSender {
  /** Odd. */
  readonly delta: Uint8Array;
  readonly #context: SilentOtContext;
  readonly #base: BaseOtReceiver;
  #transfers = 0;
  #batch = 0;

  constructor(context: SilentOtContext) {
    this.#context = context;
    this.delta = context.rng.fill(new Uint8Array(16));
    this.delta[0]! |= 1;
    const choices = Array.from({ length: BASE_COUNT }, (_, i) => (this.delta[i >> 3]! >> (i & 7)) & 1);
    this.#base = baseOtReceiver({ ...context, session: subkey(context, 'base'), count: BASE_COUNT }, choices);
  }

  get answer(): Uint8Array {
    return this.#base.answer;
  }

  begin(offer: Uint8Array, choice: Uint8Array): void {
    const { kernels, crypto } = this.#context;
    checkLength(choice, silentOtMessageBytes(this.#context).choice);
    this.#transfers = extendSender(kernels, crypto, this.#base.keys(offer), this.delta, choice);
  }

  /** The next batch: address of its blocks q, which the caller releases, and the correction for the receiver. */
  next(): { q: number; correction: Uint8Array } {
    const { kernels, crypto, rng, parameters } = this.#context;
    const batch = batchOf(this.#context, this.#batch++);
    const { forest } = batch;
    const { trees } = forest;
    const { length } = parameters;
    const q = kernels.alloc(16 * length);
    const mark = kernels.mark();
    kernels.alloc(16 * length);
    const count = 2 * trees * depthOf(forest);
    const from = this.#transfers + 16 * count * batch.index;
    const pads = [
      hashCorrelations(kernels, batch.key('puncture'), from, count),
      hashCorrelations(kernels, batch.key('puncture'), from, count, this.delta),
    ] as const;
    const correction = new Uint8Array(silentOtMessageBytes(this.#context).correction);
    const sealed = kernels.alloc(16 * trees);
    const totals = kernels.alloc(16 * trees);
    expandForest(kernels, forest, rng.fill(new Uint8Array(16 * trees)), q, (level, sums) => {
      for (const { value, sum, pad, message } of sealsOf(forest, level)) {
        kernels.run.xor_blocks(sums + sum, pads[value === 0 ? 0 : 1] + pad, sealed, trees);
        correction.set(kernels.bytes(sealed, 16 * trees), message);
      }
      kernels.bytes(totals, 16 * trees).set(kernels.bytes(sums, 16 * trees));
      for (let child = 1; child < ARITY; child++) {
        kernels.run.xor_blocks(totals, sums + 16 * child * trees, totals, trees);
      }
    });
    // Each tree's total ⊕ Δ: without the leaves it knows, the receiver is left with the missing one ⊕ Δ.
    kernels.run.xor_offset(totals, kernels.put(this.delta), totals, trees);
    correction.set(kernels.bytes(totals, 16 * trees), 16 * 2 * ARITY * trees * depthOf(forest));
    exConv(kernels, crypto, { length, seed: batch.seed }, q + 16 * length, [q]);
    for (const [start, end] of pieces(length)) kernels.run.clear_low_bits(q + 16 * start, end - start);
    kernels.release(mark);
    return { q, correction };
  }
}

/** Calls in order: offer, choose, and `next` for each batch. */
export class SilentOtReceiver {
  readonly #context: SilentOtContext;
  readonly #base: BaseOtSender;
  /** Of each batch, the secret leaf of each tree. */
  #noise: VoleNoise[] = [];
  #transfers = 0;
  #batch = 0;

  constructor(context: SilentOtContext) {
    this.#context = context;
    this.#base = baseOtSender({ ...context, session: subkey(context, 'base'), count: BASE_COUNT });
  }

  get offer(): Uint8Array {
    return this.#base.offer;
  }

  /** From the sender's answer, the choice that goes back. */
  choose(answer: Uint8Array): Uint8Array {
    const { kernels, crypto, rng, parameters, batches } = this.#context;
    const forest = forestOf(parameters);
    const { trees } = forest;
    const count = 2 * trees * depthOf(forest);
    const choices = new Uint8Array((count * batches) / 8);
    this.#noise = Array.from({ length: batches }, () => voleNoise(rng, parameters));
    // For each bit of a branch, the pad of the other value: it opens the sums off the path.
    for (const [batch, { points }] of this.#noise.entries()) {
      for (const [j, point] of points.entries()) {
        for (const [level, branch] of pathOf(forest, point).entries()) {
          for (const bit of [0, 1]) {
            const at = count * batch + (2 * level + bit) * trees + j;
            choices[at >> 3]! |= (1 - ((branch >> bit) & 1)) << (at & 7);
          }
        }
      }
    }
    const { correction, t } = extendReceiver(kernels, crypto, this.#base.keys(answer), choices);
    this.#transfers = t;
    return correction;
  }

  /** From the sender's correction, the address of the batch's blocks t, which the caller releases. */
  next(correction: Uint8Array): number {
    const { kernels, crypto, parameters } = this.#context;
    checkLength(correction, silentOtMessageBytes(this.#context).correction);
    const batch = batchOf(this.#context, this.#batch++);
    const { forest } = batch;
    const { trees } = forest;
    const { length } = parameters;
    const t = kernels.alloc(16 * length);
    const mark = kernels.mark();
    kernels.alloc(16 * length);
    const count = 2 * trees * depthOf(forest);
    const pads = hashCorrelations(kernels, batch.key('puncture'), this.#transfers + 16 * count * batch.index, count);
    const opened = [0, 1].map(() => kernels.alloc(16 * ARITY * trees)) as [number, number];
    const sealed = kernels.alloc(16 * trees);
    // Opens every seal with the pad held for its bit. Where that is the pad of the other value, junk results, unused.
    const known = (level: number) => {
      for (const { bit, sum, pad, message } of sealsOf(forest, level)) {
        kernels.bytes(sealed, 16 * trees).set(correction.subarray(message, message + 16 * trees));
        kernels.run.xor_blocks(sealed, pads + pad, opened[bit] + sum, trees);
      }
      return opened;
    };
    const noise = this.#noise[batch.index]!;
    const places = placesOf(noise);
    const leaves = kernels.put(expandPunctured(kernels, forest, noise.points, known, t));
    const missing = kernels.put(correction.subarray(16 * 2 * ARITY * trees * depthOf(forest)));
    kernels.run.xor_blocks(missing, leaves, missing, trees);
    for (const [j, place] of places.entries()) {
      kernels.bytes(t + 16 * place, 16).set(kernels.bytes(missing + 16 * j, 16));
    }
    for (const [from, to] of pieces(2 * length)) kernels.run.clear_low_bits(t + 16 * from, to - from);
    for (const place of places) kernels.bytes(t + 16 * place, 1)[0]! |= 1;
    exConv(kernels, crypto, { length, seed: batch.seed }, t + 16 * length, [t]);
    kernels.release(mark);
    return t;
  }
}

/** What belongs to one batch: its keys, trees and code. @throws {RangeError} beyond the batches agreed on. */
function batchOf(context: SilentOtContext, index: number) {
  if (index >= context.batches) throw new RangeError(`there is no batch ${index}`);
  const key = (use: string) => subkey(context, `${index}/${use}`);
  const tweak = key('forest');
  const forest: Forest = {
    ...forestOf(context.parameters),
    tweak: new DataView(tweak.buffer, tweak.byteOffset).getUint32(0, true),
  };
  return { index, forest, key, seed: key('code').subarray(0, 16) };
}

function subkey({ session }: SilentOtContext, use: string): Uint8Array {
  return sha256Bytes(new TextEncoder().encode(`2pm/silent-ot/${use}/1\0`), session);
}

function checkLength(message: Uint8Array, expected: number): void {
  if (message.length !== expected) {
    throw new NodeError('OT_BAD_LENGTH', `a message of ${message.length} bytes, expected ${expected}`, {
      fault: 'peer',
    });
  }
}
