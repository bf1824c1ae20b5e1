/**
 * Payloads: for each match the receiver also gets some bytes that the sender put beside its item.
 *
 * Construction: labelled intersection from an OPRF with a longer output. The function of Π_psi (RR22, Fig. 11) gives each item
 * x a block F(x) of 128 bits: the sender knows it for all x, the receiver for the items of its store. The tag is one hash of
 * the block, the pad of a payload another: pad block j is hashed like the tag, from the whole block, under a key of its own
 * that follows from session and j. After the tags, in their order, go the payloads ⊕ pads; places of padding hold random
 * bytes. The receiver opens those whose tags it found, and has no use for the others.
 *
 * Semi-honest: tag and pad block j are AES_k(F) ⊕ F with keys k of the tag and k_j of the pads, 128 bits of SHA-256 each. In
 * the ideal-cipher model (SHA-256 as a random oracle for the keys) these are independent random permutations. For an item y
 * outside the receiver's set F(y) = a ⊕ Δ·b with a, b that the receiver knows, b ≠ 0, and Δ unknown to it. Unless it asks a
 * cipher at, or back to, one of these blocks (q·n / 2^128 for q questions), or two of them are equal (n² / 2^128), all tags
 * and pads of all such y are, but for n² / 2^129 a key, independent and uniform: a sealed payload is uniform, also beside its
 * tag. So the view of the receiver follows from the intersection and its payloads. Tags are cut, pads never made from tags.
 * Malicious: the hash is BLAKE3 under keys as above over (F ⊕ w) ‖ H_B(x, r), a random oracle in the argument of `tags.ts`.
 * With j in its key this is one oracle with a longer output; the simulator of the receiver has extracted its set when P ⊕ A
 * came, before any tag or payload leaves, and asks the functionality for the payloads of the matches. That of the sender
 * finds the item behind a tag by the question that made it, knows the pads, and takes what they open to as the payload. A
 * tag that comes twice gives the first of its payloads, whatever the receiver holds.
 *
 * Rounds: none; the frames follow the tags. Bytes: sender's capacity × payload bytes, and the frames' binding. Leakage: the
 * number of payload bytes, which is public. A payload is not authenticated: a sender may send any, and a false match (see
 * the card) opens to noise. Who uses payloads must not stop because of what they hold: that would tell who matched.
 * Deviations from a paper: none is followed beyond RR22; labels from the same function are folklore.
 * @module
 */
import { type CryptoProvider, NodeError, type Rng, sha256Bytes } from '@2pm/core';
import { ROW_BYTES, type Rows } from '@2pm/crypto/okvs';
import type { VoleContext } from '@2pm/crypto/vole';
import { type Kernels, pieces } from '@2pm/crypto/wasm';
import { FRAME_BYTES } from '../bound-channel.ts';
import { ITEM_BYTES } from '../items.ts';
import type { Rr22Setup } from './session.ts';

/** What tags and pads are made from, in the order of `okvsDecode`. */
export interface Outputs {
  rows: Rows;
  /** Address of F of each row, not hashed. */
  blocks: number;
  /** Of a malicious run. */
  w: Uint8Array | undefined;
}

/** What makes pads. `payloadBytes`: of one item. */
export interface PadSource extends Pick<VoleContext, 'kernels' | 'crypto' | 'session'> {
  payloadBytes: number;
}

const CHUNK = 4_096;
const BLOCK_WORDS = ITEM_BYTES / 4;

/** A copy: what is sent is what the caller held at the call. @throws {NodeError} `PSI_BAD_PAYLOADS`. */
export function ownPayloads(payloads: Uint8Array | undefined, items: Uint8Array, payloadBytes: number): Uint8Array {
  const expected = (items.length / ITEM_BYTES) * payloadBytes;
  if ((payloads?.length ?? 0) === expected) return (payloads ?? new Uint8Array()).slice();
  throw new NodeError('PSI_BAD_PAYLOADS', `payloads must have ${payloadBytes} bytes for each item`, {
    fault: 'caller',
    privateDetail: `${payloads?.length ?? 0} bytes in place of ${expected}`,
  });
}

/** The sealed payloads row by row; of padding, random bytes. `payloads`: in the order of the items. */
export function sealPayloads(source: PadSource, outputs: Outputs, payloads: Uint8Array, rng: Rng): Uint8Array {
  const { payloadBytes, kernels } = source;
  const { rows } = outputs;
  const sealed = rng.fill(new Uint8Array(payloadBytes * rows.counts.reduce((sum, count) => sum + count, 0)));
  const mark = kernels.mark();
  const pads = new Pads(source, outputs);
  for (const piece of chosenRows(kernels, rows, payloads.length / payloadBytes)) {
    for (let i = 0; i < piece.length; i++) {
      const [from, to] = [payloadBytes * piece.items[i]!, payloadBytes * piece.places[i]!];
      for (let k = 0; k < payloadBytes; k++) sealed[to + k] = payloads[from + k]!;
    }
    pads.apply(piece, piece.places, sealed);
  }
  kernels.release(mark);
  return sealed;
}

/** Sends sealed payloads, those of row order[0] first; `order` has 16 bytes a row, of which the first four count. */
export async function sendPayloads(
  { channel, parameters: { payloadBytes }, vole: { kernels } }: Rr22Setup,
  sealed: Uint8Array,
  order: number,
): Promise<void> {
  for (const [from, to] of pieces(sealed.length / payloadBytes, payloadsPerFrame(payloadBytes))) {
    const rows = kernels.words(order + ITEM_BYTES * from, BLOCK_WORDS * (to - from));
    const frame = new Uint8Array(payloadBytes * (to - from));
    for (let i = 0; i < to - from; i++) {
      const at = payloadBytes * rows[BLOCK_WORDS * i]!;
      for (let k = 0; k < payloadBytes; k++) frame[payloadBytes * i + k] = sealed[at + k]!;
    }
    await channel.sendFrame(frame);
  }
}

/** Where the receiver finds what belongs to its matches. */
export interface Found {
  /** Address of one byte a row: 1 for a match. */
  marks: number;
  /** Address of the own tags, 16 bytes a row. */
  slots: number;
  /** Ascending indices of the own items that matched. */
  matches: Uint32Array;
  /** All tags that came, packed, in the order in which the payloads will. */
  tags: Uint8Array;
}

/** Receives all payloads and returns those of the matches, opened, in their order. */
export async function receivePayloads(own: Rr22Setup, outputs: Outputs, found: Found, items: number) {
  const { parameters, channel, vole } = own;
  const { payloadBytes, tagBytes } = parameters;
  const { kernels } = vole;
  const { rows } = outputs;
  const rankOf = new Uint32Array(items);
  for (const [rank, item] of found.matches.entries()) rankOf[item] = rank;

  const wanted = new Uint8Array(tagBytes * found.matches.length);
  const tags = kernels.bytes(found.slots, ITEM_BYTES * rows.parameters.items);
  for (const piece of chosenRows(kernels, rows, items, found.marks)) {
    for (let i = 0; i < piece.length; i++) {
      const [from, to] = [ITEM_BYTES * piece.places[i]!, tagBytes * rankOf[piece.items[i]!]!];
      for (let k = 0; k < tagBytes; k++) wanted[to + k] = tags[from + k]!;
    }
  }
  const { places, ranks } = placesOf(wanted, found.tags, tagBytes);
  const payloads = new Uint8Array(payloadBytes * found.matches.length);
  let next = 0;
  for (const [from, to] of pieces(found.tags.length / tagBytes, payloadsPerFrame(payloadBytes))) {
    const frame = await channel.receiveFrame(payloadBytes * (to - from));
    for (; next < places.length && places[next]! < to; next++) {
      const at = payloadBytes * (places[next]! - from);
      payloads.set(frame.subarray(at, at + payloadBytes), payloadBytes * ranks[next]!);
    }
  }
  openPayloads({ ...vole, payloadBytes }, outputs, { ...found, rankOf }, payloads);
  return payloads;
}

/** In place: takes the pads off the payloads of the marked rows; that of item i stands at place rankOf[i]. */
export function openPayloads(
  source: PadSource,
  outputs: Outputs,
  { marks, rankOf }: Pick<Found, 'marks'> & { rankOf: Uint32Array },
  payloads: Uint8Array,
): void {
  const { kernels } = source;
  const mark = kernels.mark();
  const pads = new Pads(source, outputs);
  const ranks = new Uint32Array(CHUNK);
  for (const piece of chosenRows(kernels, outputs.rows, rankOf.length, marks)) {
    for (let i = 0; i < piece.length; i++) ranks[i] = rankOf[piece.items[i]!]!;
    pads.apply(piece, ranks, payloads);
  }
  kernels.release(mark);
}

function payloadsPerFrame(payloadBytes: number): number {
  return Math.floor(FRAME_BYTES / payloadBytes);
}

/**
 * Where in `tags` the wanted ones come first: pairs of a place and the number of a wanted tag, by ascending place. The wanted
 * tags are the own, so that nobody else decides how long a search in the table takes.
 */
export function placesOf(wanted: Uint8Array, tags: Uint8Array, width: number): { places: number[]; ranks: number[] } {
  const n = wanted.length / width;
  const mask = 2 ** Math.ceil(Math.log2(2 * n + 1)) - 1;
  const table = new Uint32Array(mask + 1);
  const [own, theirs] = [wordsAt(wanted), wordsAt(tags)];
  for (let rank = 0; rank < n; rank++) {
    let slot = own.getUint32(width * rank, true) & mask;
    while (table[slot] !== 0) slot = (slot + 1) & mask;
    table[slot] = rank + 1;
  }
  const [places, ranks]: [number[], number[]] = [[], []];
  const known = new Uint8Array(n);
  for (let place = 0; place < tags.length / width; place++) {
    const at = width * place;
    for (let slot = theirs.getUint32(at, true) & mask; table[slot] !== 0; slot = (slot + 1) & mask) {
      const rank = table[slot]! - 1;
      if (known[rank] === 1) continue;
      let k = 0;
      while (k < width && wanted[width * rank + k] === tags[at + k]) k++;
      if (k < width) continue;
      known[rank] = 1;
      places.push(place);
      ranks.push(rank);
    }
  }
  return { places, ranks };
}

function wordsAt(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Some rows: of each its place in the order of `okvsDecode`, its number among the rows as they lie, and its item. */
interface Piece {
  length: number;
  places: Uint32Array;
  lying: Uint32Array;
  items: Uint32Array;
}

/** The rows of items below `items`, with `marks` only those that are marked; in pieces, each good until the next. */
function* chosenRows(kernels: Kernels, rows: Rows, items: number, marks?: number): Generator<Piece> {
  const [places, lying, chosen] = [new Uint32Array(CHUNK), new Uint32Array(CHUNK), new Uint32Array(CHUNK)];
  let [length, first] = [0, 0];
  for (const [bin, count] of rows.counts.entries()) {
    const start = bin * rows.parameters.binCapacity;
    for (const [from, to] of pieces(count, CHUNK)) {
      if (length + to - from > CHUNK) {
        yield { length, places, lying, items: chosen };
        length = 0;
      }
      const indices = kernels.words(rows.indices + 4 * start, count);
      const marked = marks === undefined ? undefined : kernels.bytes(marks + first, count);
      for (let i = from; i < to; i++) {
        if (indices[i]! >= items || marked?.[i] === 0) continue;
        [places[length], lying[length], chosen[length]] = [first + i, start + i, indices[i]!];
        length++;
      }
    }
    first += count;
  }
  if (length > 0) yield { length, places, lying, items: chosen };
}

/** Reserves its memory once: free it when done. */
class Pads {
  readonly #source: PadSource;
  readonly #outputs: Outputs;
  readonly #keys: readonly Uint8Array[];
  /** Addresses of what the oracle of a malicious run takes. */
  readonly #oracle: { keys: readonly number[]; mask: number; hashed: number; names: number } | undefined;

  constructor(source: PadSource, outputs: Outputs) {
    const { kernels, session, payloadBytes } = source;
    this.#source = source;
    this.#outputs = outputs;
    this.#keys = Array.from({ length: Math.ceil(payloadBytes / ITEM_BYTES) }, (_, j) =>
      sha256Bytes(new TextEncoder().encode('2pm/rr22/pad/1\0'), session, Uint8Array.of(j & 255, j >> 8)),
    );
    const { w } = outputs;
    if (w === undefined) return;
    const [keys, mask] = [this.#keys.map((key) => kernels.put(key)), kernels.put(w)];
    const [hashed, names] = [kernels.alloc(ITEM_BYTES * CHUNK), kernels.alloc(ITEM_BYTES * CHUNK)];
    this.#oracle = { keys, mask, hashed, names };
  }

  /** XORs the pads of the piece into `target`: that of its i-th row at place to[i]. */
  apply({ length, places, lying }: Piece, to: Uint32Array, target: Uint8Array): void {
    const { crypto, payloadBytes } = this.#source;
    const { rows, blocks } = this.#outputs;
    const gathered = new Uint8Array(ITEM_BYTES * length);
    this.#gather({ at: blocks, step: BLOCK_WORDS, picks: places, length }, new Uint32Array(gathered.buffer));
    if (this.#oracle !== undefined) {
      const names = this.#source.kernels.words(this.#oracle.names, BLOCK_WORDS * length);
      this.#gather({ at: rows.at, step: ROW_BYTES / 4, picks: lying, length }, names);
    }
    for (const [j, key] of this.#keys.entries()) {
      const pads = this.#oracle === undefined ? ciphered(crypto, key, gathered) : this.#hashed(gathered, j);
      const width = Math.min(ITEM_BYTES, payloadBytes - ITEM_BYTES * j);
      for (let i = 0; i < length; i++) {
        const at = payloadBytes * to[i]! + ITEM_BYTES * j;
        for (let k = 0; k < width; k++) target[at + k]! ^= pads[ITEM_BYTES * i + k]!;
      }
    }
  }

  /** The blocks that begin the picked ones of what lies at `at`, `step` words each. */
  #gather(from: { at: number; step: number; picks: Uint32Array; length: number }, to: Uint32Array): void {
    const { at, step, picks, length } = from;
    const last = picks.subarray(0, length).reduce((most, pick) => Math.max(most, pick), 0);
    const words = this.#source.kernels.words(at, step * (last + 1));
    for (let i = 0; i < length; i++) {
      for (let k = 0; k < BLOCK_WORDS; k++) to[BLOCK_WORDS * i + k] = words[step * picks[i]! + k]!;
    }
  }

  #hashed(blocks: Uint8Array, j: number): Uint8Array {
    const { kernels } = this.#source;
    const { keys, mask, hashed, names } = this.#oracle!;
    const at = kernels.bytes(hashed, blocks.length);
    at.set(blocks);
    kernels.run.hash_with_items(keys[j]!, hashed, mask, names, ITEM_BYTES, blocks.length / ITEM_BYTES);
    return at;
  }
}

function ciphered(crypto: CryptoProvider, key: Uint8Array, blocks: Uint8Array): Uint8Array {
  const out = crypto.aes128Ecb(key.subarray(0, 16), blocks);
  for (let i = 0; i < out.length; i++) out[i]! ^= blocks[i]!;
  return out;
}
