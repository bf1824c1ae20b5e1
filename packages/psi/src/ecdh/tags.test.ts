import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutTags, packTags, receivedTags, unpackTags, updateTags } from './tags.ts';

const code = (code: string) => expect.objectContaining({ code, fault: 'peer' });
/** Few different tags, so that some repeat. */
const tag = fc.integer({ min: 0, max: 300 }).map((n) => String.fromCharCode(n >> 8, n & 255));
const sorted = (tags: readonly string[]) => [...tags].sort();

test('an update leaves what is in the list, less what goes, and with what comes, each as often', () => {
  fc.assert(
    fc.property(fc.array(tag), fc.array(tag), fc.array(tag), (kept, removed, added) => {
      const before = sorted([...kept, ...removed]);
      expect(updateTags(before, sorted(removed), sorted(added))).toEqual(sorted([...kept, ...added]));
    }),
  );
});

test('an update that removes what is not there, or more often than it is there, is refused', () => {
  for (const removed of [['x'], ['b', 'b', 'b'], ['a', 'bb'], ['z']]) {
    expect(() => updateTags(['a', 'b', 'b', 'c'], removed, [])).toThrow(code('PSI_BAD_UPDATE'));
  }
});

test('tags come through packing as they were, bytes above 127 included, and in the order of their bytes', () => {
  const packed = Uint8Array.of(0, 1, 127, 128, 128, 0, 255, 255);
  const tags = receivedTags(packed, 2);
  expect(tags).toHaveLength(4);
  expect(packTags(tags, 2)).toEqual(packed);
  expect(unpackTags(new Uint8Array(0), 2)).toEqual([]);
});

test('received tags out of order are refused', () => {
  expect(() => receivedTags(Uint8Array.of(0, 2, 0, 1), 2)).toThrow(code('PSI_BAD_TAGS'));
  expect(receivedTags(Uint8Array.of(0, 1, 0, 1), 2)).toHaveLength(2);
});

test('a cut keeps the first bytes of each tag, and their order', () => {
  const packed = Uint8Array.from({ length: 32 }, (_, i) => i);
  expect(cutTags(packed, 3)).toEqual(Uint8Array.of(0, 1, 2, 16, 17, 18));
  expect(cutTags(packed, 16)).toEqual(packed);
});
