/**
 * Sender of Π_psi (RR22, Fig. 11), semi-honest or malicious. Model, leakage and deviations: `card.ts`; turns: `receiver.ts`.
 * @module
 */
import { okvsDecode, okvsLength, okvsRows, ROW_BYTES, type Rows } from '@2pm/crypto/okvs';
import { CHALLENGE_BYTES, VoleSender } from '@2pm/crypto/vole';
import { type Kernels, pieces, putStream } from '@2pm/crypto/wasm';
import { FRAME_BYTES } from '../bound-channel.ts';
import { duplicateItem, ITEM_BYTES } from '../items.ts';
import { SenderCoins } from './coins.ts';
import { type Rr22Options, valuesPerFrame } from './parameters.ts';
import { ownPayloads, sealPayloads, sendPayloads } from './payloads.ts';
import { openSession, type Rr22Setup } from './session.ts';
import { sendTags } from './tag-frames.ts';
import { joinSlots, oracleTags, outputTags } from './tags.ts';

/** Errors as of `rr22Receiver`, and `PSI_BAD_PAYLOADS`. Learns nothing. */
export async function rr22Sender(options: Rr22Options): Promise<void> {
  const payloads = ownPayloads(options.payloads, options.items, options.payloadBytes ?? 0);
  await openSession(options, 'sender', (session) => send(options, session, payloads));
}

async function send(options: Rr22Options, own: Rr22Setup, payloads: Uint8Array): Promise<void> {
  const { capacity, rng, crypto, setup, onPhase } = options;
  const { parameters, set, channel, vole: context, bytes } = own;
  const { kernels, session } = context;
  const { checked } = parameters.vole;
  const coins = checked ? new SenderCoins({ channel, session, rng }) : undefined;
  const vole = new VoleSender(context, setup?.role === 'sender' ? setup.kept : undefined);
  onPhase?.('load');

  const offer = await channel.receive(bytes.offer);
  await coins?.hear();
  await channel.send(vole.respond(offer));
  await coins?.share();
  const rowBytes = (ROW_BYTES + 4) * parameters.okvs.bins * parameters.senderBinCapacity;
  kernels.reserve(rowBytes + 2 * ITEM_BYTES * parameters.vole.length + 3 * ITEM_BYTES * capacity.sender);
  onPhase?.('reserve memory');
  const r = await (coins?.key() ?? channel.receive(32));
  if (checked) context.codeSession = r;
  const choice = await channel.receive(bytes.choice);
  onPhase?.('await choice');
  await channel.send(vole.expand(offer, choice));
  onPhase?.('expand');

  const okvs = { ...parameters.okvs, binCapacity: parameters.senderBinCapacity };
  const rows = okvsRows(kernels, okvs, r, set);
  onPhase?.('hash items');
  const n = capacity.sender;
  const { valueBytes } = parameters.vole;
  const tables = tablesOf(kernels, vole.delta, valueBytes);
  const slots = productsWithValues(kernels, rows, tables, n);
  refuseDuplicates(kernels, slots, n);
  onPhase?.('multiply');
  if (checked) await channel.send(vole.prove(await channel.receive(CHALLENGE_BYTES)));
  onPhase?.('prove');
  const k = vole.finish();
  onPhase?.('code');

  const frame = kernels.alloc(FRAME_BYTES + 16);
  for (const [from, to] of pieces(okvsLength(okvs), valuesPerFrame(valueBytes))) {
    const vector = await channel.receiveFrame(valueBytes * (to - from));
    if (from === 0) onPhase?.('await vector');
    kernels.bytes(frame, vector.length).set(vector);
    kernels.run.gf_multiply(tables, frame, valueBytes, k + 16 * from, to - from, 1);
  }
  onPhase?.('receive vector');
  const w = await coins?.mask();
  okvsDecode(kernels, rows, k, slots);
  const { payloadBytes } = parameters;
  const source = { ...context, payloadBytes };
  const sealed = payloadBytes > 0 ? sealPayloads(source, { rows, blocks: slots, w }, payloads, rng) : undefined;
  if (w === undefined) outputTags(kernels, crypto, session, slots, n);
  else oracleTags(kernels, { session, w }, rows, slots);
  onPhase?.('decode');
  // Rows stand in an order that follows the items; the receiver must not see it.
  const order = sealed && numbered(kernels, n);
  shuffle(kernels, order === undefined ? [slots] : [slots, order], n, options);
  onPhase?.('shuffle');
  await sendTags(own, slots, n);
  if (sealed !== undefined && order !== undefined) await sendPayloads(own, sealed, order);
  onPhase?.('send tags');
}

/** For products of Δ and blocks of which only the first `valueBytes` count, whatever follows them. */
function tablesOf(kernels: Kernels, delta: Uint8Array, valueBytes: number): number {
  const tables = kernels.alloc(8192);
  kernels.run.gf_tables(kernels.put(delta), tables);
  // A table of 16 entries for each byte of the product and each half byte of the block.
  for (let byte = 0; byte < 16; byte++) {
    kernels.bytes(tables + 512 * byte + 32 * valueBytes, 512 - 32 * valueBytes).fill(0);
  }
  return tables;
}

/** Δ·H_B(y) for every row, bins side by side. */
function productsWithValues(kernels: Kernels, rows: Rows, tables: number, n: number): number {
  const slots = kernels.alloc(ITEM_BYTES * n);
  let done = 0;
  for (const [bin, count] of rows.counts.entries()) {
    const from = rows.at + ROW_BYTES * bin * rows.parameters.binCapacity;
    kernels.run.gf_multiply(tables, from, ROW_BYTES, slots + ITEM_BYTES * done, count, 0);
    done += count;
  }
  return slots;
}

/** Equal items have equal products; a tag sent twice would show that. Δ = 0 has probability 2^-128. */
function refuseDuplicates(kernels: Kernels, slots: number, n: number): void {
  const mark = kernels.mark();
  if (joinSlots(kernels, slots, n, ITEM_BYTES, true).repeated > 0) throw duplicateItem();
  kernels.release(mark);
}

/** n slots, each beginning with its number. */
function numbered(kernels: Kernels, n: number): number {
  const order = kernels.alloc(ITEM_BYTES * n);
  const words = kernels.words(order, (ITEM_BYTES / 4) * n);
  for (let i = 0; i < n; i++) words[(ITEM_BYTES / 4) * i] = i;
  return order;
}

/** All by one permutation. */
function shuffle(kernels: Kernels, all: readonly number[], n: number, { crypto, rng }: Rr22Options): void {
  const mark = kernels.mark();
  const random = kernels.alloc(8 * n);
  const key = rng.fill(new Uint8Array(16));
  putStream(kernels, crypto, { key, nonce: new Uint8Array(8) }, random, 8 * n);
  for (const slots of all) {
    for (const [from, to] of pieces(n - 1)) kernels.run.shuffle(slots, n - from, n - to, random);
  }
  kernels.release(mark);
}
