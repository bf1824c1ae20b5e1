/**
 * The sender's set under a key that it keeps: evaluated once, then updated by the tags that come and go.
 *
 * A set has always `capacity` tags: those of its items, and random ones as filler. An update replaces exactly `update`
 * tags by others: a new item takes the place of a filler, a filler that of an old item, and fillers are exchanged up to
 * that number. To those who do not hold the key, a tag is random: one update shows nothing of how much it changed. Many
 * do: fillers are exchanged and items stay (see `card.ts`).
 * States are plain data for the caller to store; whoever holds them can undo the padding, so they are as secret as the set.
 * @module
 */
import { equalBytes, NodeError, type Rng } from '@2pm/core';
import { loadOprf } from '@2pm/crypto/oprf';
import { badCapacity } from '../capacity.ts';
import { checkItems, duplicateItem, ITEM_BYTES } from '../items.ts';
import { BATCH, type EcdhKey, STAMP_BYTES, wrongKey } from './parameters.ts';
import { packTags, TAG_BYTES, unpackTags, updateTags } from './tags.ts';

export interface EvaluatedSet {
  publicKey: Uint8Array;
  /** Random name of this state: two histories of one set never share a name by accident. */
  stamp: Uint8Array;
  /** Most items that an update changes. */
  update: number;
  /** Packed, 16 bytes each, ascending; as many as the capacity. */
  tags: Uint8Array;
  /** Those of them behind which no item stands, in no order. */
  filler: Uint8Array;
  /** Oldest first; no longer than what is shorter to send than the whole set. */
  history: SetUpdate[];
}

export interface SetUpdate {
  /** Stamp of the state before. */
  base: Uint8Array;
  /** `update` tags each, packed and ascending. */
  removed: Uint8Array;
  added: Uint8Array;
}

export interface Evaluation {
  key: Pick<EcdhKey, 'mode' | 'secretKey' | 'publicKey'>;
  rng: Rng;
  signal?: AbortSignal;
  pause?: () => Promise<void>;
}

/**
 * `items`: packed digests of 16 bytes, at most `capacity - update`, so that there is filler to exchange. About 0.15 ms
 * an item. @throws {NodeError} `PSI_BAD_CAPACITY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_DUPLICATE_ITEM`.
 */
export async function evaluateSet(
  options: Evaluation & { items: Uint8Array; capacity: number; update?: number },
): Promise<EvaluatedSet> {
  const { key, items, capacity, update = 0, rng } = options;
  if (!Number.isInteger(update) || update < 0 || update > capacity) {
    throw badCapacity(`an update of ${update} is outside 0 to the capacity of ${capacity}`);
  }
  checkItems(items, capacity - update);
  const tags = await evaluateItems(options, items);
  if (new Set(tags).size !== tags.length) throw duplicateItem();
  const filler = rng.fill(new Uint8Array(TAG_BYTES * (capacity - tags.length)));
  return {
    publicKey: key.publicKey,
    stamp: rng.fill(new Uint8Array(STAMP_BYTES)),
    update,
    tags: packTags([...tags, ...unpackTags(filler, TAG_BYTES)].sort(), TAG_BYTES),
    filler,
    history: [],
  };
}

/**
 * The set without the items `removed` and with the items `added`, together at most `update`. The old state is left as it is.
 * @throws {NodeError} `PSI_WRONG_KEY`, `PSI_BAD_ITEMS`, `PSI_OVER_CAPACITY`, `PSI_DUPLICATE_ITEM` (one of `added` is in the
 * set, or comes twice), `PSI_UNKNOWN_ITEM` (one of `removed` is not in it, or comes twice).
 */
export async function updateSet(
  set: EvaluatedSet,
  options: Evaluation & { added: Uint8Array; removed: Uint8Array },
): Promise<EvaluatedSet> {
  const { key, rng } = options;
  const { update } = set;
  const capacity = set.tags.length / TAG_BYTES;
  if (!equalBytes(key.publicKey, set.publicKey)) throw wrongKey('the set was evaluated under another key', 'caller');
  checkItems(options.added, update);
  checkItems(options.removed, update - options.added.length / ITEM_BYTES);

  const filler = unpackTags(set.filler, TAG_BYTES);
  const items = new Set(unpackTags(set.tags, TAG_BYTES));
  for (const tag of filler) items.delete(tag);
  const [added, removed] = [await evaluateItems(options, options.added), await evaluateItems(options, options.removed)];
  for (const tag of added) {
    if (items.has(tag)) throw duplicateItem();
    items.add(tag);
  }
  const gone = new Set(added);
  for (const tag of removed) {
    if (!items.delete(tag) || gone.has(tag)) throw unknownItem();
  }
  if (items.size > capacity - update) {
    throw new NodeError('PSI_OVER_CAPACITY', `more items than the declared capacity of ${capacity} less ${update}`, {
      fault: 'data',
      fix: 'Evaluate the set anew with a larger capacity; it is public, the number of items is not.',
      privateDetail: `${items.size} items`,
    });
  }

  const spent = takeRandom(filler, update - removed.length, rng);
  const fresh = unpackTags(rng.fill(new Uint8Array(TAG_BYTES * (update - added.length))), TAG_BYTES);
  const [leave, enter] = [[...removed, ...spent].sort(), [...added, ...fresh].sort()];
  const step = { base: set.stamp, removed: packTags(leave, TAG_BYTES), added: packTags(enter, TAG_BYTES) };
  return {
    publicKey: set.publicKey,
    stamp: rng.fill(new Uint8Array(STAMP_BYTES)),
    update,
    tags: packTags(updateTags(unpackTags(set.tags, TAG_BYTES), leave, enter), TAG_BYTES),
    filler: packTags([...filler, ...fresh], TAG_BYTES),
    history: lastOf([...set.history, step], maxUpdates(capacity, update)),
  };
}

function lastOf<T>(list: readonly T[], count: number): T[] {
  return list.slice(Math.max(0, list.length - count));
}

/** Beyond that many updates the whole set is shorter. */
export function maxUpdates(capacity: number, update: number): number {
  return update === 0 ? 0 : Math.floor(capacity / (2 * update));
}

async function evaluateItems({ key, signal, pause }: Evaluation, items: Uint8Array): Promise<string[]> {
  const oprf = await loadOprf(key.mode);
  const tags: string[] = [];
  for (let from = 0; from < items.length; from += ITEM_BYTES) {
    const output = oprf.evaluate(key.secretKey, items.subarray(from, from + ITEM_BYTES));
    tags.push(String.fromCharCode(...output.subarray(0, TAG_BYTES)));
    if (tags.length % BATCH === 0) {
      await pause?.();
      signal?.throwIfAborted();
    }
  }
  return tags;
}

/** Takes `count` of them out of the list, any with equal probability up to 2^-42. */
function takeRandom(list: string[], count: number, rng: Rng): string[] {
  const taken: string[] = [];
  const draws = new BigUint64Array(rng.fill(new Uint8Array(8 * count)).buffer);
  for (const draw of draws) {
    const at = Number(draw % BigInt(list.length));
    taken.push(list[at]!);
    list[at] = list.at(-1)!;
    list.pop();
  }
  return taken;
}

function unknownItem(): NodeError {
  return new NodeError('PSI_UNKNOWN_ITEM', 'an item to be removed is not in the set', {
    fault: 'data',
    fix: 'Compare the changes with the state that they start from.',
  });
}
