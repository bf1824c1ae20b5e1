/**
 * Silent vector oblivious linear evaluation over GF(2^128): the sender gets random Δ and B, the receiver random A and
 * C = B + Δ·A, each vector m long, for communication that hardly grows with m.
 *
 * Construction: Raghuraman and Rindal (CCS 2022, Fig. 10), Boyle et al. (CCS 2019): noisy VOLE on t points, spread by a
 * punctured GGM forest, compressed by a linear code (dual LPN, see `parameters.ts`).
 * The t-point VOLE and the puncturing transfers come out of one run of correlated OT extension: 128 correlations for
 * the bits of a point's value a_j fold into b_j, c_j with c_j = b_j + Δ·a_j; those of the puncturing bits are hashed
 * first: two for each level of arity four, and the sum of child b travels under both of its bits' pads, so that the
 * receiver reads it unless both bits are those of its path. Base choices, extension offset and Δ are the same 128 bits,
 * as in Ferret (Yang et al., CCS 2020).
 * Corruption model: semi-honest; with `checked` parameters malicious: the choice carries the proof of `ot/consistency.ts`,
 * and two messages more are those of `check.ts`. What cheating still gives is selective failure: a receiver may guess bits
 * of Δ, a sender points of the noise, and a wrong guess ends the run. Outputs are then those that a corrupt party chose.
 * Messages: offer, answer, choice, correction (challenge, response), all of lengths fixed by the parameters;
 * 32 + 8192 + 16·(2·t·depth + 8·valueBytes·t) + (128·depth + 16)·t bytes; with base transfers kept (`ot/kept.ts`) 2080 for
 * 8192; checked 6224 more.
 * Leakage: none beyond the outputs, if dual LPN holds for this code. Deviations: the subfield is the field, or a subspace
 * over GF(2) (`valueBytes`), which serves because code and store are binary; trees of arity four; one Δ for transfers and
 * outputs; those of `ggm/pprf.ts` and `exconv.ts`.
 * @module
 */
import { assert, type CryptoProvider, concatBytes, NodeError, type Rng, sha256Bytes } from '@2pm/core';
import { ARITY, depthOf, expandForest, expandPunctured, type Forest, pathOf } from '../ggm/pprf.ts';
import type { Group } from '../group/ristretto255.ts';
import { ANSWER_BYTES, type BaseOtSender, baseOtReceiver, baseOtSender, OFFER_BYTES } from '../ot/base.ts';
import { checkConsistency, MASK_BYTES, PROOF_BYTES, proveConsistency } from '../ot/consistency.ts';
import { BASE_COUNT, extendReceiver, extendSender, hashCorrelations } from '../ot/extension.ts';
import { KEPT_ANSWER_BYTES, type KeptOtReceiver, type KeptOtSender } from '../ot/kept.ts';
import { type Kernels, pieces } from '../wasm/kernels.ts';
import { CHALLENGE_BYTES, checkResponse, expectedResponse, RESPONSE_BYTES, responseTo, shiftOf } from './check.ts';
import { type ExConv, exConv } from './exconv.ts';
import { addNoise, placesOf, type VoleNoise, voleNoise } from './noise.ts';
import { forestOf, type VoleParameters } from './parameters.ts';

export interface VoleContext {
  kernels: Kernels;
  group: Group;
  crypto: CryptoProvider;
  rng: Rng;
  /** 32 bytes, public, unique for this use: a hash of all that the two parties agreed on. */
  session: Uint8Array;
  /** 32 bytes, public: names the code where several correlations share it. Otherwise `session` does. */
  codeSession?: Uint8Array;
  parameters: VoleParameters;
}

/** Lengths of the messages, in bytes; `kept`: with base transfers of `ot/kept.ts` instead of fresh ones. */
export function voleMessageBytes(parameters: VoleParameters, kept = false) {
  const { trees } = forestOf(parameters);
  const depth = depthOf(forestOf(parameters));
  return {
    offer: OFFER_BYTES,
    answer: kept ? KEPT_ANSWER_BYTES : BASE_COUNT * ANSWER_BYTES,
    choice: BASE_COUNT * choiceBytes(parameters) + (parameters.checked ? PROOF_BYTES : 0),
    correction: trees * (16 * 2 * ARITY * depth + 16),
  };
}

/** Bits of points, then of values; checked also of one more value and of a mask. */
function choiceBytes(parameters: VoleParameters): number {
  const forest = forestOf(parameters);
  const { checked, valueBytes } = parameters;
  return (2 * forest.trees * depthOf(forest)) / 8 + valueBytes * forest.trees + (checked ? 16 + MASK_BYTES : 0);
}

/** Holds Δ. Calls in order: respond (or answer, of fresh base transfers), expand, prove if checked, finish. */
export class VoleSender {
  readonly delta: Uint8Array;
  readonly #context: VoleContext;
  readonly #base: { respond(offer: Uint8Array): Uint8Array; keys(offer: Uint8Array): Uint8Array[] };
  #b = 0;
  /** b' of the check, until it is done. */
  #extra: Uint8Array | undefined;

  constructor(context: VoleContext, kept?: KeptOtReceiver) {
    assert(kept === undefined || !context.parameters.checked, 'kept transfers are semi-honest');
    this.#context = context;
    this.delta = context.rng.fill(new Uint8Array(16));
    const base = { ...context, session: subkey(context, 'base') };
    if (kept === undefined) {
      const choices = Array.from({ length: BASE_COUNT }, (_, i) => (this.delta[i >> 3]! >> (i & 7)) & 1);
      const { answer, keys } = baseOtReceiver({ ...base, count: BASE_COUNT }, choices);
      this.#base = { respond: () => answer, keys };
    } else {
      this.#base = kept.session(base, this.delta);
    }
  }

  /** Of fresh base transfers, whose answer waits for no offer. */
  get answer(): Uint8Array {
    return this.#base.respond(new Uint8Array());
  }

  /** To the receiver's offer, the answer that goes back. Once a session. */
  respond(offer: Uint8Array): Uint8Array {
    return this.#base.respond(offer);
  }

  /** From the receiver's offer and choice, the correction that goes back. */
  expand(offer: Uint8Array, choice: Uint8Array): Uint8Array {
    const { kernels, crypto, rng, parameters } = this.#context;
    const forest = forestOf(parameters);
    const { trees } = forest;
    const depth = depthOf(forest);
    const keys = this.#base.keys(offer);
    checkLength(choice, voleMessageBytes(parameters).choice);
    this.#b = kernels.alloc(32 * parameters.length);
    const mark = kernels.mark();
    const bytes = choiceBytes(parameters);
    const columns = choice.subarray(0, BASE_COUNT * bytes);
    const q = extendSender(kernels, crypto, keys, this.delta, columns, (at) => {
      if (!parameters.checked) return;
      const binding = bindingOf(this.#context, offer, this.answer, columns);
      checkConsistency(kernels, { at, bytes, binding }, this.delta, choice.subarray(columns.length));
    });
    const session = subkey(this.#context, 'puncture');
    const count = 2 * trees * depth;
    const zero = hashCorrelations(kernels, session, q, count);
    const one = hashCorrelations(kernels, session, q, count, this.delta);
    const noisy = foldPoints(kernels, q + 16 * count, trees, parameters.valueBytes);
    if (parameters.checked) this.#extra = foldPoints(kernels, q + 16 * (8 * bytes - 256), 1);
    const seeds = rng.fill(new Uint8Array(16 * trees));
    const correction = new Uint8Array(voleMessageBytes(parameters).correction);
    const sealed = kernels.alloc(16 * trees);
    let leaves: Uint8Array = new Uint8Array();
    expandForest(kernels, { ...forest, tweak: tweakOf(this.#context) }, seeds, this.#b, (level, sums) => {
      for (const place of sealsOf(forest, level)) {
        const pads = place.value === 0 ? zero : one;
        kernels.run.xor_blocks(sums + place.sum, pads + place.pad, sealed, trees);
        correction.set(kernels.bytes(sealed, 16 * trees), place.message);
      }
      leaves = kernels.bytes(sums, 16 * ARITY * trees).slice();
    });
    let totals = noisy;
    for (let child = 0; child < ARITY; child++) {
      totals = xored(totals, leaves.subarray(16 * child * trees, 16 * (child + 1) * trees));
    }
    correction.set(totals, 16 * 2 * ARITY * trees * depth);
    kernels.release(mark);
    return correction;
  }

  /** To the receiver's challenge, the response that goes back; once. */
  prove(challenge: Uint8Array): Uint8Array {
    const { kernels, parameters } = this.#context;
    checkLength(challenge, CHALLENGE_BYTES);
    assert(this.#extra !== undefined, 'one proof, after the expansion');
    const session = subkey(this.#context, 'check');
    const own = { session, vector: this.#b, n: 2 * parameters.length, extra: this.#extra, delta: this.delta };
    this.#extra = undefined;
    return responseTo(kernels, own, challenge);
  }

  /** Address of B. */
  finish(): number {
    const { kernels, crypto, parameters } = this.#context;
    assert(this.#extra === undefined, 'the proof comes before the code');
    exConv(kernels, crypto, codeOf(this.#context), this.#b + 16 * parameters.length, [this.#b]);
    return this.#b;
  }
}

/** Calls in order: offer, choose, finish; or if checked: offer, choose, challenge, rebuild, verify, compress. */
export class VoleReceiver {
  readonly #context: VoleContext;
  readonly #base: BaseOtSender;
  readonly #noise: VoleNoise;
  #noisy: Uint8Array = new Uint8Array();
  #hashes: Uint8Array = new Uint8Array();
  /** Of the check: a' and c', and χ. */
  #extra: Record<'value' | 'product', Uint8Array> | undefined;
  #point: Uint8Array | undefined;
  #verified = false;
  #c = 0;

  /** `noise`: where several correlations share A; see `noise.ts` and `spreadNoise`. */
  constructor(
    context: VoleContext,
    noise: VoleNoise = voleNoise(context.rng, context.parameters),
    kept?: KeptOtSender,
  ) {
    assert(kept === undefined || !context.parameters.checked, 'kept transfers are semi-honest');
    this.#context = context;
    this.#noise = noise;
    const base = { ...context, session: subkey(context, 'base') };
    this.#base = kept === undefined ? baseOtSender({ ...base, count: BASE_COUNT }) : kept.session(base);
  }

  get offer(): Uint8Array {
    return this.#base.offer;
  }

  /** From the sender's answer, the choice that goes back. */
  choose(answer: Uint8Array): Uint8Array {
    const { kernels, crypto, rng, parameters } = this.#context;
    const forest = forestOf(parameters);
    const { trees } = forest;
    const depth = depthOf(forest);
    const { points, values } = this.#noise;
    const { valueBytes, checked } = parameters;
    const pointBytes = (2 * trees * depth) / 8;
    const choices = new Uint8Array(choiceBytes(parameters));
    // For each bit of a branch, the pad of the other value: it opens the sums off the path.
    for (const [j, point] of points.entries()) {
      for (const [level, branch] of pathOf(forest, point).entries()) {
        for (const bit of [0, 1]) {
          const at = (2 * level + bit) * trees + j;
          choices[at >> 3]! |= (1 - ((branch >> bit) & 1)) << (at & 7);
        }
      }
    }
    for (let j = 0; j < trees; j++) {
      choices.set(values.subarray(16 * j, 16 * j + valueBytes), pointBytes + valueBytes * j);
    }
    if (checked) rng.fill(choices.subarray(pointBytes + valueBytes * trees));
    const mark = kernels.mark();
    let proof: Uint8Array = new Uint8Array();
    const bytes = choices.length;
    const { correction, t } = extendReceiver(kernels, crypto, this.#base.keys(answer), choices, (at, columns) => {
      if (!checked) return;
      const binding = bindingOf(this.#context, this.offer, answer, columns);
      proof = proveConsistency(kernels, { at, bytes, binding });
    });
    const count = 2 * trees * depth;
    const hashes = hashCorrelations(kernels, subkey(this.#context, 'puncture'), t, count);
    this.#hashes = kernels.bytes(hashes, 32 * count).slice();
    this.#noisy = foldPoints(kernels, t + 16 * 2 * trees * depth, trees, valueBytes);
    if (checked) {
      const product = foldPoints(kernels, t + 16 * (8 * bytes - 256), 1);
      this.#extra = { value: choices.slice(bytes - 32, bytes - 16), product };
    }
    kernels.release(mark);
    return concatBytes(correction, proof);
  }

  /** Draws the point of the check, so only when the sender's correction is here. Goes to the sender; once. */
  challenge(): Uint8Array {
    const { kernels, rng, parameters } = this.#context;
    assert(this.#extra !== undefined && this.#point === undefined, 'one challenge, after the choice');
    this.#point = rng.fill(new Uint8Array(16));
    const shift = shiftOf(kernels, this.#noise, 2 * parameters.length, this.#point, this.#extra.value);
    return concatBytes(this.#point, shift);
  }

  /** @throws {NodeError} `VOLE_INCONSISTENT`. */
  verify(response: Uint8Array): void {
    const { kernels, parameters } = this.#context;
    checkLength(response, RESPONSE_BYTES);
    assert(this.#extra !== undefined && this.#point !== undefined, 'after the challenge');
    const session = subkey(this.#context, 'check');
    const own = { session, vector: this.#c, n: 2 * parameters.length, extra: this.#extra.product };
    checkResponse(expectedResponse(kernels, own, this.#point), response);
    this.#verified = true;
  }

  /** From the sender's correction, the address of C. A is XORed onto the blocks at `a`, if given. Unchecked. */
  finish(correction: Uint8Array, a?: number): number {
    this.rebuild(correction);
    return this.compress(a);
  }

  /** From the sender's correction, C before the code. What is allocated before `compress` goes with it. */
  rebuild(correction: Uint8Array): void {
    const { kernels, parameters } = this.#context;
    const forest = forestOf(parameters);
    const { trees } = forest;
    const depth = depthOf(forest);
    checkLength(correction, voleMessageBytes(parameters).correction);
    this.#c = kernels.alloc(32 * parameters.length);
    const c = this.#c;
    const mark = kernels.mark();
    const pads = kernels.put(this.#hashes);
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
    const leaves = expandPunctured(kernels, { ...forest, tweak: tweakOf(this.#context) }, this.#noise.points, known, c);
    // The missing leaf becomes b̃ + Δ·a_j; the noise vector is zero but for the a_j, in lane 0 of the upper halves.
    const missing = xored(xored(correction.subarray(16 * 2 * ARITY * trees * depth), leaves), this.#noisy);
    for (const [j, place] of placesOf(this.#noise).entries()) {
      kernels.bytes(c + 16 * place, 16).set(missing.subarray(16 * j, 16 * j + 16));
    }
    kernels.release(mark);
  }

  /** Applies the code: the address of C. A is XORed onto the blocks at `a`, if given. */
  compress(a?: number): number {
    const { kernels, crypto, parameters } = this.#context;
    assert(this.#verified === parameters.checked, 'the code comes after the check');
    const { length } = parameters;
    const c = this.#c;
    const mark = c + 16 * length;
    kernels.release(mark);
    // Behind C's lower half: its upper half still, and room for both upper halves, side by side.
    const upper = kernels.alloc((a === undefined ? 16 : 32) * length);
    assert(upper === mark, 'the halves adjoin');
    if (a === undefined) {
      exConv(kernels, crypto, codeOf(this.#context), upper, [c]);
    } else {
      for (const [from, to] of pieces(length)) kernels.run.widen_blocks(upper, length - to, length - from);
      addNoise(kernels, parameters, this.#noise, { lower: a, upper, stride: 32 });
      exConv(kernels, crypto, codeOf(this.#context), upper, [a, c]);
    }
    kernels.release(mark);
    return c;
  }
}

/** XORs onto the blocks at `a` the A of every receiver with this noise and this code. */
export function spreadNoise(context: Omit<VoleContext, 'group' | 'rng'>, noise: VoleNoise, a: number): void {
  const { kernels, crypto, parameters } = context;
  const mark = kernels.mark();
  const upper = kernels.alloc(16 * parameters.length);
  kernels.bytes(upper, 16 * parameters.length).fill(0);
  addNoise(kernels, parameters, noise, { lower: a, upper, stride: 16 });
  exConv(kernels, crypto, codeOf(context), upper, [a]);
  kernels.release(mark);
}

/**
 * How a level's sums are sealed: each of the four under both bits of its number. A transfer's key for value v of one bit
 * seals the two children with that value, told apart by their other bit, under its two pads. Places in bytes.
 */
export function* sealsOf(forest: Omit<Forest, 'tweak'>, level: number) {
  const { trees } = forest;
  const secondPads = 16 * 2 * trees * depthOf(forest);
  for (const bit of [0, 1] as const) {
    const transfer = 16 * (2 * level + bit) * trees;
    for (let child = 0; child < ARITY; child++) {
      const second = (child >> (1 - bit)) & 1;
      yield {
        bit,
        value: (child >> bit) & 1,
        sum: 16 * child * trees,
        pad: transfer + second * secondPads,
        message: ARITY * transfer + 16 * child * trees,
      };
    }
  }
}

function tweakOf(context: VoleContext): number {
  const bytes = subkey(context, 'forest');
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** `points` blocks: ⊕_i x^i · correlation i, for each group of 8·valueBytes correlations at `from`. */
function foldPoints(kernels: Kernels, from: number, points: number, valueBytes = 16): Uint8Array {
  const group = 16 * 8 * valueBytes;
  const [padded, out] = [kernels.alloc(16 * 128 * points), kernels.alloc(16 * points)];
  kernels.bytes(padded, 16 * 128 * points).fill(0);
  for (let j = 0; j < points; j++) {
    kernels.bytes(padded + 16 * 128 * j, group).set(kernels.bytes(from + group * j, group));
  }
  kernels.run.gf_fold(padded, points, out);
  return kernels.bytes(out, 16 * points).slice();
}

/** What the columns of the extension depend on. */
function bindingOf({ crypto, ...context }: VoleContext, ...messages: readonly Uint8Array[]): Uint8Array {
  const hash = crypto.sha256();
  for (const part of [subkey(context, 'columns'), ...messages]) hash.update(part);
  return hash.digest();
}

function subkey({ session }: Pick<VoleContext, 'session'>, use: string): Uint8Array {
  return sha256Bytes(new TextEncoder().encode(`2pm/vole/${use}/1\0`), session);
}

function codeOf(context: Pick<VoleContext, 'session' | 'codeSession' | 'parameters'>): ExConv {
  const session = context.codeSession ?? context.session;
  return { length: context.parameters.length, seed: subkey({ session }, 'code').subarray(0, 16) };
}

function xored(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i]!);
}

function checkLength(message: Uint8Array, expected: number): void {
  if (message.length !== expected) {
    throw new NodeError('VOLE_BAD_LENGTH', `a message of ${message.length} bytes, expected ${expected}`, {
      fault: 'peer',
    });
  }
}
