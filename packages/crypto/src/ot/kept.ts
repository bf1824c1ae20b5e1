/**
 * Base transfers kept for many sessions of one pair: group operations once, then 128 fresh random transfers a session for
 * 256 hashes and 2 KB.
 *
 * Construction: one step of Ishai, Kilian, Nissim and Petrank (CRYPTO 2003) a session. Once, 128 base transfers run the
 * other way round: whoever will choose in the sessions holds pairs of keys, the other end secret bits s and one key of
 * each pair. In a session both ends derive from every key a key of this session, d = BLAKE3(h, key ‖ i) with
 * h = SHA-256(setup, session, both nonces), and extend (`extension.ts`) under the d alone: the chooser's 128 choices give
 * t_i = q_i ⊕ choice_i·s, and hashing makes the transfer's keys, H(h', i, q_i) and H(h', i, q_i ⊕ s).
 * Corruption model: semi-honest; the chooser's consistency is not checked.
 * Rounds and bytes of a session: a nonce of 32 bytes, then 32 + 2048 bytes back.
 *
 * Why sessions do not weaken each other, with BLAKE3 and SHA-256 as random oracles:
 * (1) No stream serves twice. Each end puts a fresh nonce of 32 bytes into h, so an honest end meets an h again with
 *     probability below q²/2^257 in q sessions, even if session ids repeat, the peer repeats its nonces, or a kept state is
 *     restored from a copy. Nothing is counted, so nothing gets out of step; an end whose own generator repeats itself
 *     refuses by its list of used names (`OT_STREAM_REUSED`).
 * (2) The choices are masked, row by row, by the stream of the key that the other end lacks: new and uniform by (1).
 * (3) The key that the chooser lacks is a hash at t_i ⊕ s. To ask the oracle there it has to guess s: since h' and i separate
 *     all hashes, g questions over all sessions hit with probability at most g/2^128.
 * So every session's keys and choices are, to the other end, as if its base transfers were its own.
 * Leakage: who takes the kept keys of an end later opens what this setup protected: there is no forward secrecy. Make a new
 * setup now and then, and drop the old one. Deviations: nonces in place of one long stream with a position.
 * @module
 */
import { type CryptoProvider, concatBytes, NodeError, type Rng, sha256Bytes, toHex } from '@2pm/core';
import { blake3Messages } from '../blake3/items.ts';
import type { Kernels } from '../wasm/kernels.ts';
import {
  ANSWER_BYTES,
  type BaseOtContext,
  type BaseOtSender,
  baseOtReceiver,
  baseOtSender,
  OFFER_BYTES,
} from './base.ts';
import { BASE_COUNT, extendReceiver, extendSender, hashCorrelations } from './extension.ts';

/** Equal to that of a base offer, so that first messages have one length. */
const NONCE_BYTES = OFFER_BYTES;
const ROW_BYTES = BASE_COUNT / 8;
export const KEPT_ANSWER_BYTES = NONCE_BYTES + BASE_COUNT * ROW_BYTES;

const utf8 = new TextEncoder();

export interface KeptSession {
  kernels: Kernels;
  crypto: CryptoProvider;
  rng: Rng;
  /** 32 bytes, public: all that both sides agreed on. */
  session: Uint8Array;
}

type Pair = [zero: Uint8Array, one: Uint8Array];

/** The end that chooses in every session. Holds secrets; keep it in memory, for one peer. */
export class KeptOtReceiver {
  /** 32 public bytes, the same at both ends. */
  readonly id: Uint8Array;
  readonly #pairs: readonly Pair[];
  readonly #used = new Used();

  /** Use `keptOtReceiver`. */
  constructor(id: Uint8Array, pairs: readonly Pair[]) {
    this.id = id;
    this.#pairs = pairs;
  }

  /**
   * One session with 128 choices in 16 bytes. `respond` gives the answer to an offer, once; then `keys` the chosen keys.
   * @throws {NodeError} `OT_STREAM_REUSED`, `OT_BAD_LENGTH`.
   */
  session({ kernels, crypto, rng, session }: KeptSession, choices: Uint8Array) {
    const nonce = rng.fill(new Uint8Array(NONCE_BYTES));
    let chosen: Uint8Array[] = [];
    return {
      respond: (offer: Uint8Array): Uint8Array => {
        const name = nameOf(this.id, session, offer, nonce);
        this.#used.claim(name);
        const mark = kernels.mark();
        const flat = derive(kernels, name, this.#pairs.flat());
        const keys = this.#pairs.map((_, i): Pair => [flat[2 * i] as Uint8Array, flat[2 * i + 1] as Uint8Array]);
        const { correction, t } = extendReceiver(kernels, crypto, keys, choices);
        chosen = transferKeys(kernels, name, t);
        kernels.release(mark);
        return concatBytes(nonce, correction);
      },
      keys: (): Uint8Array[] => chosen,
    };
  }
}

/** The end that gets both keys of every transfer in every session. Holds secrets; keep it in memory, for one peer. */
export class KeptOtSender {
  /** 32 public bytes, the same at both ends. */
  readonly id: Uint8Array;
  readonly #secret: Uint8Array;
  readonly #keys: readonly Uint8Array[];
  readonly #used = new Used();

  /** Use `keptOtSender`. `secret`: 16 bytes, the choices of the base transfers. */
  constructor(id: Uint8Array, secret: Uint8Array, keys: readonly Uint8Array[]) {
    this.id = id;
    this.#secret = secret;
    this.#keys = keys;
  }

  /** One session. `keys` throws `OT_STREAM_REUSED`, `OT_BAD_LENGTH`. */
  session({ kernels, crypto, rng, session }: KeptSession): BaseOtSender {
    const offer = rng.fill(new Uint8Array(NONCE_BYTES));
    return {
      offer,
      keys: (answer) => {
        if (answer.length !== KEPT_ANSWER_BYTES) throw badLength(answer);
        const name = nameOf(this.id, session, offer, answer.subarray(0, NONCE_BYTES));
        this.#used.claim(name);
        const mark = kernels.mark();
        const keys = derive(
          kernels,
          name,
          this.#keys.flatMap((key): Pair => [key, key]),
        );
        const held = this.#keys.map((_, i) => keys[2 * i + bitOf(this.#secret, i)] as Uint8Array);
        const q = extendSender(kernels, crypto, held, this.#secret, answer.subarray(NONCE_BYTES));
        const [zero, one] = [transferKeys(kernels, name, q), transferKeys(kernels, name, q, this.#secret)];
        kernels.release(mark);
        return zero.map((key, i): Pair => [key, one[i] as Uint8Array]);
      },
    };
  }
}

/** The setup at the end that will choose: its offer goes out, the answer comes back. */
export function keptOtReceiver(context: Omit<BaseOtContext, 'count'>) {
  const base = baseOtSender({ ...context, count: BASE_COUNT });
  return {
    offer: base.offer,
    /** @throws {NodeError} `GROUP_BAD_ELEMENT`, `OT_BAD_LENGTH`. */
    finish: (answer: Uint8Array) => new KeptOtReceiver(setupId(context.session, base.offer, answer), base.keys(answer)),
  };
}

/** The setup at the other end. */
export function keptOtSender(context: Omit<BaseOtContext, 'count'>) {
  const secret = context.rng.fill(new Uint8Array(ROW_BYTES));
  const choices = Array.from({ length: BASE_COUNT }, (_, i) => bitOf(secret, i));
  const base = baseOtReceiver({ ...context, count: BASE_COUNT }, choices);
  return {
    answer: base.answer,
    /** @throws {NodeError} `GROUP_BAD_ELEMENT`. */
    finish: (offer: Uint8Array) =>
      new KeptOtSender(setupId(context.session, offer, base.answer), secret, base.keys(offer)),
  };
}

/** Bytes of the two messages of a setup. */
export const KEPT_SETUP_BYTES = { offer: OFFER_BYTES, answer: BASE_COUNT * ANSWER_BYTES };

/** Names of sessions that an end has derived streams for. */
class Used {
  readonly #names = new Set<string>();

  claim(name: Uint8Array): void {
    const text = toHex(name);
    if (this.#names.has(text)) {
      throw new NodeError('OT_STREAM_REUSED', 'kept transfers were used under these nonces before', {
        fault: 'node',
        fix: 'Check the source of randomness; make a new setup.',
      });
    }
    this.#names.add(text);
  }
}

function setupId(session: Uint8Array, offer: Uint8Array, answer: Uint8Array): Uint8Array {
  return sha256Bytes(utf8.encode('2pm/ot/setup/1\0'), session, offer, answer);
}

/** h: fixed widths but for the session, which has 32 bytes. */
function nameOf(id: Uint8Array, session: Uint8Array, offer: Uint8Array, nonce: Uint8Array): Uint8Array {
  if (offer.length !== NONCE_BYTES) throw badLength(offer);
  return sha256Bytes(utf8.encode('2pm/ot/kept/1\0'), id, session, offer, nonce);
}

/** Keys 2i and 2i + 1 belong to transfer i, for values 0 and 1. */
function derive(kernels: Kernels, name: Uint8Array, keys: readonly Uint8Array[]): Uint8Array[] {
  const messages = keys.map((key, at) => concatBytes(key, Uint8Array.of(at >> 1, at & 1)));
  const derived = blake3Messages(kernels, name, messages);
  return keys.map((_, at) => derived.subarray(16 * at, 16 * at + 16));
}

function transferKeys(kernels: Kernels, name: Uint8Array, blocks: number, offset?: Uint8Array): Uint8Array[] {
  const key = sha256Bytes(utf8.encode('2pm/ot/kept/key/1\0'), name);
  const pads = kernels.bytes(hashCorrelations(kernels, key, blocks, BASE_COUNT, offset), 16 * BASE_COUNT).slice();
  return Array.from({ length: BASE_COUNT }, (_, i) => pads.subarray(16 * i, 16 * i + 16));
}

function bitOf(bits: Uint8Array, i: number): 0 | 1 {
  return (((bits[i >> 3] as number) >> (i & 7)) & 1) as 0 | 1;
}

function badLength(message: Uint8Array): NodeError {
  return new NodeError('OT_BAD_LENGTH', `a message of ${message.length} bytes`, { fault: 'peer' });
}
