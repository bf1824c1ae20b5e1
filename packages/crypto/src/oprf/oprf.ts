/**
 * Oblivious pseudorandom function: the client learns F(k, x) for its x, the server learns nothing; in verifiable mode
 * the client also knows that k is the key of the public key that it expects.
 *
 * Construction: 2HashDH, F(k, x) = H(x, k·H'(x)), as RFC 9497 §3.3.1 (OPRF) and §3.3.2 (VOPRF), suite
 * ristretto255-SHA512; not partially-oblivious. Corruption model: either party malicious, under the one-more gap
 * Diffie-Hellman assumption in the random-oracle model (RFC 9497 §7.2.1); without proofs a server may use any keys.
 * Rounds and bytes: one round; 32 bytes an item each way, and 64 a batch in verifiable mode.
 * Leakage: the number of items. A client can evaluate what it likes: limit how often (RFC 9497 §7.2.3, static
 * Diffie-Hellman oracles). Deviations: none; items go in batches, whose blinds are inverted together.
 * @module
 */
import { concatBytes, NodeError, type Rng } from '@2pm/core';
import { badElement, ELEMENT_BYTES, loadGroup, sha512 } from '../group/ristretto255.ts';
import { prove, type Suite, sized, verify } from './dleq.ts';

export type OprfMode = 'oprf' | 'voprf';

export interface OprfKeyPair {
  /** 32 bytes. */
  secretKey: Uint8Array;
  /** 32 bytes. */
  publicKey: Uint8Array;
}

export interface Blinded {
  /** Secret scalars, one an input; single use. */
  blinds: Uint8Array[];
  /** Packed, to the server. */
  elements: Uint8Array;
}

const SEED_BYTES = 32;
const MAX_INPUT_BYTES = 65_535;
const MODE_BYTE: Record<OprfMode, number> = { oprf: 0, voprf: 1 };
const utf8 = new TextEncoder();

export async function loadOprf(mode: OprfMode): Promise<Oprf> {
  const context = concatBytes(
    utf8.encode('OPRFV1-'),
    new Uint8Array([MODE_BYTE[mode]]),
    utf8.encode('-ristretto255-SHA512'),
  );
  return new Oprf({ group: await loadGroup(), context });
}

export class Oprf {
  readonly #suite: Suite;
  readonly #elementDst: Uint8Array;

  constructor(suite: Suite) {
    this.#suite = suite;
    this.#elementDst = concatBytes(utf8.encode('HashToGroup-'), suite.context);
  }

  keyPair(rng: Rng): OprfKeyPair {
    const { group } = this.#suite;
    const secretKey = group.randomScalar(rng);
    return { secretKey, publicKey: group.base(secretKey) };
  }

  /** RFC 9497 §3.2.1. `seed`: 32 secret bytes; `info`: public, names the key. @throws {NodeError} `OPRF_BAD_SEED`. */
  deriveKeyPair(seed: Uint8Array, info: Uint8Array): OprfKeyPair {
    if (seed.length !== SEED_BYTES || info.length > MAX_INPUT_BYTES) {
      throw new NodeError('OPRF_BAD_SEED', 'a seed has 32 bytes, its info at most 65535', { fault: 'caller' });
    }
    const { group, context } = this.#suite;
    const dst = concatBytes(utf8.encode('DeriveKeyPair'), context);
    for (let counter = 0; counter < 256; counter++) {
      const secretKey = group.hashToScalar(concatBytes(seed, sized(info), new Uint8Array([counter])), dst);
      if (secretKey.some((byte) => byte !== 0)) return { secretKey, publicKey: group.base(secretKey) };
    }
    throw new NodeError('OPRF_BAD_SEED', 'no key can be derived from this seed', { fault: 'caller' });
  }

  /** Client, first step: `Blind`. @throws {NodeError} `OPRF_BAD_INPUT`. */
  blind(inputs: readonly Uint8Array[], rng: Rng): Blinded {
    const { group } = this.#suite;
    const blinds = inputs.map(() => group.randomScalar(rng));
    return { blinds, elements: concatBytes(...inputs.map((x, i) => group.multiply(blinds[i]!, this.#element(x)))) };
  }

  /** Server: `BlindEvaluate` without its proof. @throws {NodeError} `GROUP_BAD_ELEMENT` if any of them is not valid. */
  blindEvaluate(secretKey: Uint8Array, elements: Uint8Array): Uint8Array {
    return concatBytes(...split(elements).map((element) => this.#suite.group.multiply(secretKey, element)));
  }

  /** Server, verifiable mode: 64 bytes for a batch of at most 65535. */
  prove(keys: OprfKeyPair, elements: Uint8Array, evaluated: Uint8Array, rng: Rng): Uint8Array {
    return prove(this.#suite, keys.secretKey, keys.publicKey, elements, evaluated, rng);
  }

  /** Client, verifiable mode. @throws {NodeError} `OPRF_BAD_PROOF`, `GROUP_BAD_ELEMENT`. */
  verify(publicKey: Uint8Array, elements: Uint8Array, evaluated: Uint8Array, proof: Uint8Array): void {
    if (!this.#suite.group.isElement(publicKey)) throw badElement();
    verify(this.#suite, publicKey, elements, evaluated, proof);
  }

  /** Client, last step: `Finalize`, 64 bytes an input. @throws {NodeError} `GROUP_BAD_ELEMENT`. */
  finalize(inputs: readonly Uint8Array[], blinds: readonly Uint8Array[], evaluated: Uint8Array): Uint8Array[] {
    const { group } = this.#suite;
    const elements = split(evaluated);
    if (elements.length !== inputs.length || blinds.length !== inputs.length) throw badElement();
    return group.invertAll(blinds).map((inverse, i) => output(inputs[i]!, group.multiply(inverse, elements[i]!)));
  }

  /** Server, on its own input: `Evaluate`, what the client would get. @throws {NodeError} `OPRF_BAD_INPUT`. */
  evaluate(secretKey: Uint8Array, input: Uint8Array): Uint8Array {
    return output(input, this.#suite.group.multiply(secretKey, this.#element(input)));
  }

  #element(input: Uint8Array): Uint8Array {
    if (input.length > MAX_INPUT_BYTES) {
      throw new NodeError('OPRF_BAD_INPUT', 'an input has at most 65535 bytes', { fault: 'caller' });
    }
    return this.#suite.group.hashToElement(input, this.#elementDst);
  }
}

function output(input: Uint8Array, element: Uint8Array): Uint8Array {
  return sha512(sized(input), sized(element), utf8.encode('Finalize'));
}

function split(elements: Uint8Array): Uint8Array[] {
  if (elements.length % ELEMENT_BYTES !== 0) throw badElement();
  return Array.from({ length: elements.length / ELEMENT_BYTES }, (_, i) =>
    elements.subarray(ELEMENT_BYTES * i, ELEMENT_BYTES * (i + 1)),
  );
}
