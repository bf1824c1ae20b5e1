/**
 * Receiver of Π_psi (RR22, Fig. 11), semi-honest or malicious. Model, leakage and deviations: `card.ts`.
 * Six messages: offer → ← answer → r, choice → ← correction → P ⊕ A → ← tags; about 168 bits an own item and
 * 40 + log2(nx·ny) bits (in whole bytes) an item of the sender, plus 0.7 to 0.9 MB for the VOLE.
 * Payloads follow the tags in the same message: their declared length an item of the sender (`payloads.ts`).
 * A malicious run takes eight: after the correction → challenge ← response; the coins of `coins.ts` travel beside offer,
 * answer, choice, P ⊕ A and tags. Tags are of 128 bits, and the rest grows by 7 kB.
 * @module
 */
import { NodeError, type Rng } from '@2pm/core';
import { okvsDecode, okvsEncode, okvsLength, okvsMarked, okvsRows, ROW_BYTES, type Rows } from '@2pm/crypto/okvs';
import { RESPONSE_BYTES, VoleReceiver } from '@2pm/crypto/vole';
import { pieces } from '@2pm/crypto/wasm';
import { FRAME_BYTES } from '../bound-channel.ts';
import { duplicateItem, ITEM_BYTES } from '../items.ts';
import { ReceiverCoins } from './coins.ts';
import { type Rr22Options, valuesPerFrame } from './parameters.ts';
import { receivePayloads } from './payloads.ts';
import { openSession, type Rr22Setup } from './session.ts';
import { receiveTags } from './tag-frames.ts';
import { joinSlots, oracleTags, outputTags } from './tags.ts';

/**
 * Returns the ascending indices of the own items that the sender also holds.
 * @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_MODE`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_BAD_SETUP`,
 * `PSI_DUPLICATE_ITEM`, `PSI_SESSION_MISMATCH`, `PSI_BAD_LENGTH`, `PSI_BAD_TAGS`, `GROUP_BAD_ELEMENT`, `OKVS_FAILED` (retry
 * with a new sid), and the channel's; of a malicious run also `VOLE_INCONSISTENT`, `OT_INCONSISTENT` and `PSI_BAD_OPENING`,
 * after which nobody should try again with this peer.
 */
export async function rr22Receiver(options: Rr22Options): Promise<Uint32Array> {
  return (await rr22PayloadReceiver(options)).matches;
}

export interface MatchedPayloads {
  /** Ascending indices of the own items that the sender also holds. */
  matches: Uint32Array;
  /** What the sender brought with each of them, `payloadBytes` each, in their order. */
  payloads: Uint8Array;
}

/** As `rr22Receiver`, with what a sender brings under `payloadBytes`. Errors as there, and `PSI_BAD_PAYLOADS`. */
export function rr22PayloadReceiver(options: Rr22Options): Promise<MatchedPayloads> {
  return openSession(options, 'receiver', (session) => receive(options, session));
}

async function receive(options: Rr22Options, own: Rr22Setup): Promise<MatchedPayloads> {
  const { capacity, rng, setup, onPhase } = options;
  const items = options.items.length / ITEM_BYTES;
  const { parameters, set, channel, vole: context, bytes } = own;
  const { kernels, session } = context;
  const { checked } = parameters.vole;
  const coins = checked ? new ReceiverCoins({ channel, session, rng }) : undefined;
  const vole = new VoleReceiver(context, undefined, setup?.role === 'receiver' ? setup.kept : undefined);
  onPhase?.('load');
  await channel.send(vole.offer);
  await coins?.commit();
  const { bins, binCapacity } = parameters.okvs;
  kernels.reserve((ROW_BYTES + 4) * bins * binCapacity + 4 * ITEM_BYTES * parameters.vole.length);
  onPhase?.('reserve memory');

  // The sender has fixed its set before it answers, we ours before the offer: only now is r drawn.
  const answer = await channel.receive(bytes.answer);
  const r = await (coins?.key() ?? drawKey(own, rng));
  // Neither party chose it: names, and so codes, might be searched for a weak one.
  if (checked) context.codeSession = r;
  await channel.send(vole.choose(answer));
  onPhase?.('base transfers');

  const rows = okvsRows(kernels, parameters.okvs, r, set);
  onPhase?.('hash items');
  const p = encode(() => okvsEncode(kernels, rng, rows, parameters.vole.length));
  onPhase?.('encode');
  const correction = await channel.receive(bytes.correction);
  onPhase?.('await correction');
  // From here on p holds P ⊕ A.
  const c = checked ? await checkedFinish(own, vole, correction, p) : vole.finish(correction, p);
  onPhase?.('vole');

  const { valueBytes } = parameters.vole;
  const values = kernels.alloc(FRAME_BYTES + 16);
  for (const [from, to] of pieces(okvsLength(parameters.okvs), valuesPerFrame(valueBytes))) {
    kernels.run.pack_tags(p + 16 * from, to - from, valueBytes, values);
    await channel.sendFrame(kernels.bytes(values, valueBytes * (to - from)));
  }
  onPhase?.('send vector');

  const w = await coins?.mask();
  const { tagBytes, payloadBytes } = parameters;
  const tags = joinTable(own, rows, c, w);
  onPhase?.('decode');
  const received = new Uint8Array(payloadBytes > 0 ? tagBytes * capacity.sender : 0);
  let [awaited, done] = [false, 0];
  for await (const { at, count } of receiveTags(own, capacity.sender)) {
    if (!awaited) onPhase?.('await tags');
    awaited = true;
    kernels.run.join_probe(tags.slots, tagBytes, tags.table, tags.bits, at, count, tags.found);
    if (payloadBytes > 0) received.set(kernels.bytes(at, tagBytes * count), tagBytes * done);
    done += count;
  }
  const matches = okvsMarked(kernels, rows, tags.found, items);
  onPhase?.('join');
  if (tags.blocks === undefined) return { matches, payloads: new Uint8Array() };
  const found = { marks: tags.found, slots: tags.slots, matches, tags: received };
  const payloads = await receivePayloads(own, { rows, blocks: tags.blocks, w }, found, items);
  onPhase?.('payloads');
  return { matches, payloads };
}

async function drawKey({ channel }: Rr22Setup, rng: Rng): Promise<Uint8Array> {
  const r = rng.fill(new Uint8Array(32));
  await channel.send(r);
  return r;
}

/** As `finish`, but the sender has to prove what it did before P ⊕ A leaves. */
async function checkedFinish({ channel }: Rr22Setup, vole: VoleReceiver, correction: Uint8Array, p: number) {
  await channel.send(vole.challenge());
  vole.rebuild(correction);
  vole.verify(await channel.receive(RESPONSE_BYTES));
  return vole.compress(p);
}

function encode<T>(build: () => T): T {
  try {
    return build();
  } catch (cause) {
    if (cause instanceof NodeError && cause.code === 'OKVS_DUPLICATE_KEY') throw duplicateItem(cause);
    throw cause;
  }
}

/** Tags of the own items in a hash table, in the order of the rows; for payloads also what they are hashed from. */
function joinTable({ parameters, vole }: Rr22Setup, rows: Rows, c: number, w: Uint8Array | undefined) {
  const { kernels, crypto, session } = vole;
  const n = rows.parameters.items;
  const size = ITEM_BYTES * n;
  const [slots, found] = [kernels.alloc(size), kernels.alloc(n)];
  kernels.bytes(slots, size).fill(0);
  kernels.bytes(found, n).fill(0);
  okvsDecode(kernels, rows, c, slots);
  const blocks = parameters.payloadBytes > 0 ? kernels.alloc(size) : undefined;
  if (blocks !== undefined) kernels.bytes(blocks, size).set(kernels.bytes(slots, size));
  if (w === undefined) outputTags(kernels, crypto, session, slots, n);
  else oracleTags(kernels, { session, w }, rows, slots);
  return { slots, found, blocks, ...joinSlots(kernels, slots, n, parameters.tagBytes) };
}
