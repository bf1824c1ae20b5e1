/**
 * Sender of ECDH-PSI, the server of the OPRF. Model, leakage and deviations: `card.ts`; turns: `receiver.ts`.
 * @module
 */
import { concatBytes, equalBytes } from '@2pm/core';
import { ELEMENT_BYTES, loadOprf, type OprfKeyPair } from '@2pm/crypto/oprf';
import { BoundChannel } from '../bound-channel.ts';
import { badCapacity } from '../capacity.ts';
import { paddedItems } from '../items.ts';
import { type EvaluatedSet, evaluateSet } from './evaluated-set.ts';
import type { EvaluationCap } from './evaluation-cap.ts';
import {
  batchBounds,
  type EcdhKey,
  type EcdhOptions,
  type EcdhParameters,
  ecdhParameters,
  STAMP_BYTES,
  WHOLE_SET,
  wrongKey,
} from './parameters.ts';
import { cutTags, TAG_BYTES } from './tags.ts';

/** What one session can stand on: packed digests of 16 bytes under a key of this session alone, or a set that is kept. */
export type EcdhSource = { items: Uint8Array } | { key: EcdhKey; set: EvaluatedSet };

/** `cap`: charged once a session, before anything is answered. */
export type EcdhSenderOptions = EcdhOptions & EcdhSource & { cap?: EvaluationCap };

/**
 * Learns nothing but which state of a kept set the receiver has.
 * @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_DUPLICATE_ITEM`, `PSI_WRONG_KEY`,
 * `PSI_EVALUATION_CAP`, `PSI_SESSION_MISMATCH`, `PSI_BAD_LENGTH`, `GROUP_BAD_ELEMENT`, and the channel's.
 */
export async function ecdhSender(options: EcdhSenderOptions): Promise<void> {
  const { capacity, rng, crypto, signal, onPhase } = options;
  const parameters = ecdhParameters(options, 'set' in options ? options.key.name : null);
  const own = 'set' in options ? checkedSet(options, parameters) : onceItems(options, parameters);
  const channel = new BoundChannel(options.channel, crypto, parameters.session, signal);
  const oprf = await loadOprf(parameters.mode);
  onPhase?.('load');

  const known = await channel.receiveFrame(STAMP_BYTES);
  await options.cap?.charge(options.channel.peer, capacity.receiver);
  const { key, set } = 'set' in own ? own : await evaluateOnce(options, own.items, oprf.keyPair(rng));
  onPhase?.('evaluate own');

  const steps = stepsSince(set, known);
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, steps?.length ?? WHOLE_SET, true);
  await channel.sendFrame(concatBytes(set.publicKey, set.stamp, count));
  const cut = (tags: Uint8Array) => cutTags(tags, parameters.tagBytes);
  if (steps === undefined) await channel.send(cut(set.tags));
  else for (const { removed, added } of steps) await channel.send(concatBytes(cut(removed), cut(added)));
  onPhase?.('send tags');

  for (const [from, to] of batchBounds(capacity.receiver)) {
    const elements = await channel.receiveFrame(ELEMENT_BYTES * (to - from));
    const evaluated = oprf.blindEvaluate(key.secretKey, elements);
    const proof = parameters.mode === 'voprf' ? oprf.prove(key, elements, evaluated, rng) : new Uint8Array(0);
    await channel.sendFrame(concatBytes(evaluated, proof));
  }
  onPhase?.('evaluate theirs');
}

function onceItems(options: EcdhOptions & { items: Uint8Array }, { capacity, update }: EcdhParameters) {
  if (update > 0) throw badCapacity('a set under the key of one session takes no updates');
  return { items: paddedItems(options.items, capacity.sender, options.rng) };
}

function checkedSet({ key, set }: { key: EcdhKey; set: EvaluatedSet }, { capacity, update, mode }: EcdhParameters) {
  if (set.tags.length !== TAG_BYTES * capacity.sender || set.update !== update) {
    throw badCapacity('the set was evaluated for another capacity, or another size of update');
  }
  if (key.mode !== mode || !equalBytes(key.publicKey, set.publicKey)) {
    throw wrongKey('the set was evaluated under another key or mode', 'caller');
  }
  return { key, set };
}

/** Padding is evaluated like items: the time until the tags leave must not tell them apart. */
async function evaluateOnce(options: EcdhOptions, items: Uint8Array, keys: OprfKeyPair) {
  const key = { ...keys, mode: options.mode ?? 'oprf' };
  return { key, set: await evaluateSet({ ...options, key, items, capacity: options.capacity.sender }) };
}

/** The updates since the state that the receiver knows; undefined where only the whole set will do. */
function stepsSince(set: EvaluatedSet, known: Uint8Array) {
  if (equalBytes(set.stamp, known)) return [];
  const at = set.history.findIndex(({ base }) => equalBytes(base, known));
  return at < 0 ? undefined : set.history.slice(at);
}
