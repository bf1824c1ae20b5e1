/**
 * Receiver of ECDH-PSI, the client of the OPRF. Model, leakage and deviations: `card.ts`.
 * Turns: stamp of the tags that are kept → ← key, stamp, tags or the updates since; then for every 512 items:
 * blinded → ← evaluated, and a proof in verifiable mode. Bytes: 64 an own item, and 40 + log2(nx·ny) bits a tag.
 * @module
 */
import { equalBytes, NodeError } from '@2pm/core';
import { ELEMENT_BYTES, loadOprf, type Oprf, PROOF_BYTES } from '@2pm/crypto/oprf';
import { BoundChannel } from '../bound-channel.ts';
import { duplicateItem, ITEM_BYTES, paddedItems } from '../items.ts';
import { maxUpdates } from './evaluated-set.ts';
import {
  batchBounds,
  type EcdhOptions,
  type EcdhParameters,
  ecdhParameters,
  type KeyName,
  NO_STAMP,
  STAMP_BYTES,
  WHOLE_SET,
  wrongKey,
} from './parameters.ts';
import { packTags, receivedTags, unpackTags, updateTags } from './tags.ts';

/** The sender's tags as a receiver keeps them between sessions: plain data. */
export interface KeptTags {
  publicKey: Uint8Array;
  stamp: Uint8Array;
  tagBytes: number;
  /** Packed and ascending. */
  tags: Uint8Array;
}

/** Where the tags of one sender, purpose and version are kept. */
export interface TagCache {
  get(): KeptTags | undefined | Promise<KeptTags | undefined>;
  /** Called once at the end of a session that went well. */
  set(tags: KeptTags): void | Promise<void>;
}

export interface EcdhReceiverOptions extends EcdhOptions {
  /** Digests of 16 bytes, see `digestKeys`; distinct, at most the own capacity. */
  items: Uint8Array;
  /** Name of the sender's key; left out, the sender takes a key for this session alone. */
  key?: KeyName;
  /** The public key that the sender must use. Without it, verifiable mode shows only that it uses one key for all. */
  publicKey?: Uint8Array;
  cache?: TagCache;
}

interface Batch {
  inputs: Uint8Array[];
  blinds: Uint8Array[];
  elements: Uint8Array;
}

/**
 * Returns the ascending indices of the own items that the sender also holds.
 * @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_DUPLICATE_ITEM`, `PSI_WRONG_KEY`,
 * `PSI_SESSION_MISMATCH`, `PSI_BAD_LENGTH`, `PSI_BAD_TAGS`, `PSI_BAD_UPDATE`, `GROUP_BAD_ELEMENT`, `OPRF_BAD_PROOF`, and the
 * channel's.
 */
export async function ecdhReceiver(options: EcdhReceiverOptions): Promise<Uint32Array> {
  const { capacity, items, rng, crypto, signal, onPhase } = options;
  const parameters = ecdhParameters(options, options.key ?? null);
  const { mode, tagBytes } = parameters;
  const count = items.length / ITEM_BYTES;
  const padded = paddedItems(items, capacity.receiver, rng);
  if (new Set(unpackTags(items, ITEM_BYTES)).size !== count) throw duplicateItem();
  const channel = new BoundChannel(options.channel, crypto, parameters.session, signal);
  const oprf = await loadOprf(mode);
  onPhase?.('load');

  const kept = usable(await options.cache?.get(), parameters);
  await channel.sendFrame((kept?.stamp ?? NO_STAMP).slice());
  const batches = await blindAll(oprf, padded, options);
  onPhase?.('blind');

  const state = await receiveTags(channel, parameters, kept, options.publicKey);
  onPhase?.('receive tags');

  const own: string[] = [];
  const finish = (batch: Batch, answer: Uint8Array) => {
    const evaluated = answer.subarray(0, batch.elements.length);
    if (mode === 'voprf') {
      oprf.verify(state.publicKey, batch.elements, evaluated, answer.subarray(batch.elements.length));
    }
    const outputs = oprf.finalize(batch.inputs, batch.blinds, evaluated);
    for (const output of outputs) own.push(String.fromCharCode(...output.subarray(0, tagBytes)));
  };
  // One batch is finished while the sender works on the next.
  let unfinished = () => {};
  for (const batch of batches) {
    await channel.sendFrame(batch.elements);
    unfinished();
    const answer = await channel.receiveFrame(batch.elements.length + (mode === 'voprf' ? PROOF_BYTES : 0));
    unfinished = () => finish(batch, answer);
  }
  unfinished();
  onPhase?.('evaluate');

  const theirs = new Set(state.tags);
  const found = own.slice(0, count).flatMap((tag, i) => (theirs.has(tag) ? [i] : []));
  const { publicKey, stamp } = state;
  await options.cache?.set({ publicKey, stamp, tagBytes, tags: packTags(state.tags, tagBytes) });
  onPhase?.('match');
  return Uint32Array.from(found);
}

/** All blinds are drawn while the sender evaluates its set. Padding is treated like items, so that time tells nothing. */
async function blindAll(oprf: Oprf, padded: Uint8Array, options: EcdhReceiverOptions): Promise<Batch[]> {
  const { capacity, rng, signal, pause } = options;
  const batches: Batch[] = [];
  for (const [from, to] of batchBounds(capacity.receiver)) {
    const inputs = Array.from({ length: to - from }, (_, i) =>
      padded.subarray(ITEM_BYTES * (from + i), ITEM_BYTES * (from + i + 1)),
    );
    batches.push({ inputs, ...oprf.blind(inputs, rng) });
    await pause?.();
    signal?.throwIfAborted();
  }
  return batches;
}

function usable(kept: KeptTags | undefined, { capacity, tagBytes }: EcdhParameters): KeptTags | undefined {
  return kept?.tagBytes === tagBytes && kept.tags.length === tagBytes * capacity.sender ? kept : undefined;
}

/** The sender's present tags: as sent, or the kept ones brought up to date. */
async function receiveTags(
  channel: BoundChannel,
  { capacity, update, tagBytes }: EcdhParameters,
  kept: KeptTags | undefined,
  expected: Uint8Array | undefined,
): Promise<{ publicKey: Uint8Array; stamp: Uint8Array; tags: string[] }> {
  const header = (await channel.receiveFrame(ELEMENT_BYTES + STAMP_BYTES + 4)).slice();
  const publicKey = header.subarray(0, ELEMENT_BYTES);
  const stamp = header.subarray(ELEMENT_BYTES, ELEMENT_BYTES + STAMP_BYTES);
  const updates = new DataView(header.buffer).getUint32(ELEMENT_BYTES + STAMP_BYTES, true);
  if (expected !== undefined && !equalBytes(expected, publicKey)) {
    throw wrongKey('the sender uses another key than the one expected', 'peer');
  }
  if (updates === WHOLE_SET) {
    const tags = receivedTags(await channel.receive(tagBytes * capacity.sender), tagBytes);
    return { publicKey, stamp, tags };
  }
  if (kept === undefined || updates > maxUpdates(capacity.sender, update)) {
    throw new NodeError('PSI_BAD_UPDATE', `${updates} updates that cannot be applied here`, { fault: 'peer' });
  }
  if (!equalBytes(kept.publicKey, publicKey)) throw wrongKey('the sender updates a set of another key', 'peer');
  let tags = unpackTags(kept.tags, tagBytes);
  for (let i = 0; i < updates; i++) {
    const step = await channel.receive(2 * tagBytes * update);
    const half = tagBytes * update;
    tags = updateTags(
      tags,
      receivedTags(step.subarray(0, half), tagBytes),
      receivedTags(step.subarray(half), tagBytes),
    );
  }
  return { publicKey, stamp, tags };
}
