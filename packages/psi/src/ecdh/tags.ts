/**
 * Sorted lists of tags, packed on the wire and as strings of one byte a character in memory, where they are hashed and
 * compared. A list may hold a tag twice (two long tags cut to one short one), so updates count occurrences.
 * @module
 */
import { NodeError } from '@2pm/core';

/** Tags as they are kept; on the wire they are cut. */
export const TAG_BYTES = 16;

export function unpackTags(packed: Uint8Array, width: number): string[] {
  return Array.from({ length: packed.length / width }, (_, i) =>
    String.fromCharCode(...packed.subarray(width * i, width * (i + 1))),
  );
}

export function packTags(tags: readonly string[], width: number): Uint8Array {
  const packed = new Uint8Array(width * tags.length);
  for (const [i, tag] of tags.entries()) for (let k = 0; k < width; k++) packed[width * i + k] = tag.charCodeAt(k);
  return packed;
}

/** Kept tags as they go over the wire: the first `width` bytes of each. */
export function cutTags(packed: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array((packed.length / TAG_BYTES) * width);
  for (let from = 0, to = 0; from < packed.length; from += TAG_BYTES, to += width) {
    out.set(packed.subarray(from, from + width), to);
  }
  return out;
}

/** @throws {NodeError} `PSI_BAD_TAGS` unless they ascend: any other order could tell of the order of the items. */
export function receivedTags(packed: Uint8Array, width: number): string[] {
  const tags = unpackTags(packed, width);
  if (tags.some((tag, i) => i > 0 && tag < tags[i - 1]!)) {
    throw new NodeError('PSI_BAD_TAGS', 'received tags are not in ascending order', { fault: 'peer' });
  }
  return tags;
}

/** All three ascend. @throws {NodeError} `PSI_BAD_UPDATE` when a tag to be removed is not there. */
export function updateTags(tags: readonly string[], removed: readonly string[], added: readonly string[]): string[] {
  const out: string[] = [];
  let [r, a] = [0, 0];
  for (const tag of tags) {
    if (r < removed.length && removed[r] === tag) {
      r++;
      continue;
    }
    while (a < added.length && added[a]! < tag) out.push(added[a++]!);
    out.push(tag);
  }
  while (a < added.length) out.push(added[a++]!);
  if (r !== removed.length) {
    throw new NodeError('PSI_BAD_UPDATE', 'an update removes a tag that is not in the set', {
      fault: 'peer',
      fix: 'Drop the kept tags; the next session sends the whole set.',
    });
  }
  return out;
}
