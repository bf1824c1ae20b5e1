/** Characters that people do not see as different, and what stands for them: the tables of docs/keys.md. @module */

const range = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i)).join('');

/** Unicode White_Space beyond ASCII: each becomes a space. */
const SPACES = `\u0085\u00a0\u1680${range(0x2000, 0x200a)}\u2028\u2029\u202f\u205f\u3000`;
/** Hyphens, dashes and the minus sign: each becomes "-". */
const DASHES = `${range(0x2010, 0x2015)}\u2212\ufe58\ufe63`;
/** Apostrophes as word processors and keyboards write them: each becomes "'". */
const APOSTROPHES = '\u2018\u2019\u02bc';
/** No width, no meaning: soft hyphen, joiners, marks of direction, byte order mark. Removed. */
const INVISIBLE = `\u00ad\u034f\u061c\u180e${range(0x200b, 0x200f)}${range(0x202a, 0x202e)}${range(0x2060, 0x2064)}${range(0x2066, 0x2069)}\ufeff`;

/** Character by character from `from` to `to`; what has no partner is removed. */
export const CLEAN = {
  from: `${SPACES}${DASHES}${APOSTROPHES}${range(0xff01, 0xff5e)}${range(0x0660, 0x0669)}${range(0x06f0, 0x06f9)}${INVISIBLE}`,
  to: `${' '.repeat(SPACES.length)}${'-'.repeat(DASHES.length)}${"'".repeat(APOSTROPHES.length)}${range(0x21, 0x7e)}0123456789${'0123456789'}`,
};

/** ASCII white space, trimmed at both ends. */
export const TRIM = ' \t\n\v\f\r';

/** Letters of names that no decomposition takes apart, in lower case; the first list one to one. */
export const LETTERS = { from: 'øđðłıħŧςſ', to: 'oddlihtσs' };
export const LETTER_PAIRS: readonly (readonly [string, string])[] = [
  ['ß', 'ss'],
  ['æ', 'ae'],
  ['œ', 'oe'],
  ['þ', 'th'],
  ['ŋ', 'ng'],
  ['ﬀ', 'ff'],
  ['ﬁ', 'fi'],
  ['ﬂ', 'fl'],
  ['ﬃ', 'ffi'],
  ['ﬄ', 'ffl'],
  ['ﬅ', 'st'],
  ['ﬆ', 'st'],
];

/**
 * Accents are taken off where every character is of an alphabet that uses them so (Latin, Greek, Cyrillic, Armenian, signs).
 * Elsewhere marks are vowels, and a word without them is another word.
 */
export const ACCENTED = String.raw`[\x{0}-\x{58f}\x{1d00}-\x{2c7f}\x{a720}-\x{a7ff}\x{fb00}-\x{fb06}]*`;
