/**
 * The rules of `KeyField` as SQL. A rule is a list of steps over one text column `x`, each over what the last one gave. In the
 * end null means no value, the empty text a value that the rule cannot read, and any other text the normalised value.
 *
 * The exact rules stand in docs/keys.md; `reference.ts` says them again, slowly, and the tests hold both together. A rule never
 * changes: a better one gets the next version, because holders with different rules would miss each other in silence.
 * @module
 */
import { type KeyField, type KeyRule, NodeError, type PhysicalType } from '@2pm/core';
import { literal } from '../sql.ts';
import { ACCENTED, CLEAN, LETTER_PAIRS, LETTERS, TRIM } from './characters.ts';
import { DATE_TEXTS, DATES, EMAILS, HASHES, NAMES, NUMBERS, PHONES, PLACEHOLDERS } from './placeholders.ts';

type Step = (x: string) => string;

/** What each rule reads. Numbers must be whole; text is read by every rule. */
export const READS: Record<KeyRule, readonly PhysicalType[]> = {
  'email/v1': ['text'],
  'e164/v1': ['text', 'integer', 'double', 'decimal'],
  'name/v1': ['text'],
  'date/v1': ['text', 'date', 'timestamp', 'integer'],
  'digits/v1': ['text', 'integer', 'double', 'decimal'],
  'sha256/v1': ['text'],
  'exact/v1': ['text', 'integer', 'date'],
};

/** The same in the words of a dataset contract. */
const LOGICAL: Record<KeyRule, readonly string[]> = {
  'email/v1': ['string'],
  'e164/v1': ['string', 'integer', 'number'],
  'name/v1': ['string'],
  'date/v1': ['string', 'date', 'timestamp', 'integer'],
  'digits/v1': ['string', 'integer', 'number'],
  'sha256/v1': ['string'],
  'exact/v1': ['string', 'integer', 'date'],
};
export const ruleReads = (rule: KeyRule, logicalType: string): boolean => LOGICAL[rule].includes(logicalType);

const full = (x: string, pattern: string) => `regexp_full_match(${x}, ${literal(pattern)})`;
const swap = (x: string, pattern: string, by: string) =>
  `regexp_replace(${x}, ${literal(pattern)}, ${literal(by)}, 'g')`;
const among = (x: string, values: readonly string[]) => `${x} IN (${values.map(literal).join(', ')})`;
const ascii = (x: string) => `strlen(${x}) = length(${x})`;

/** Null stays null, these become null, what passes stays, all else is unreadable. */
const judge = (x: string, absent: string, valid: string, value = x) =>
  `CASE WHEN ${x} IS NULL OR ${absent} THEN NULL WHEN ${valid} THEN ${value} ELSE '' END`;

const clean: Step = (x) =>
  `CASE WHEN ${ascii(x)} THEN ${x} ELSE nfc_normalize(translate(${x}, ${literal(CLEAN.from)}, ${literal(CLEAN.to)})) END`;
/** Clean and without white space at its ends; printable ASCII, which most values are, is so already. */
const tidy: Step = (x) => `CASE WHEN ${full(x, '[!-~]*')} THEN ${x} ELSE trim(${clean(x)}, ${literal(TRIM)}) END`;
const tidyLower: Step = (x) =>
  `CASE WHEN ${full(x, String.raw`[!-@\[-~]*`)} THEN ${x} ELSE lower(trim(${clean(x)}, ${literal(TRIM)})) END`;
/** Words for nothing, after `tidy`. */
const given: Step = (x) => `CASE WHEN ${x} = '' OR ${among(`lower(${x})`, PLACEHOLDERS)} THEN NULL ELSE ${x} END`;

const ANY = String.raw`a-z0-9\x{80}-\x{10ffff}`;
const LOCAL = String.raw`[^\x00-\x20"(),.:;<>@\[\\\]\x7f]+`;
const EMAIL = String.raw`${LOCAL}(?:\.${LOCAL})*@(?:[${ANY}](?:-*[${ANY}])*\.)+[a-z\x{80}-\x{10ffff}](?:-*[${ANY}])+`;

/** Calling codes under which the leading 0 of a number at home is part of the number abroad too. */
export const ZERO_KEPT: readonly string[] = ['39', '225', '242', '378'];
/** Calling codes whose numbers are written at home without a 0, and how. */
export const NO_TRUNK: Readonly<Record<string, string>> = {
  1: '[2-9][0-9]{9}',
  30: '[2-9][0-9]{9}',
  34: '[5-9][0-9]{8}',
  39: '3[0-9]{8,9}',
  45: '[2-9][0-9]{7}',
  47: '[2-9][0-9]{7}',
  48: '[1-9][0-9]{8}',
  351: '[2-9][0-9]{8}',
  420: '[2-9][0-9]{8}',
};

function e164(callingCode: string | undefined): Step[] {
  const spaced = (x: string) => swap(x, '[ \t\n\v\f\r./-]', '');
  // "+49 (0)30": the 0 is for callers at home, but for Italy, where it is part of the number.
  const home = (x: string) =>
    `CASE WHEN ${full(x, String.raw`(?:\+|00)39\(0\).*`)} THEN ${x} ELSE ${swap(x, String.raw`^((?:\+|00)[1-9][0-9]{0,2})\(0\)`, String.raw`\1`)} END`;
  const bare: Step = (x) => `CASE WHEN ${full(x, '[+0-9]*')} THEN ${x} ELSE ${spaced(x)} END`;
  const unwrapped: Step = (x) =>
    `CASE WHEN regexp_matches(${x}, '[()]') THEN ${swap(home(x), '[()]', '')} ELSE ${x} END`;
  const international: Step = (x) =>
    `CASE WHEN ${full(x, PHONES)} THEN NULL WHEN starts_with(${x}, '00') THEN '+' || substr(${x}, 3) ELSE ${x} END`;
  const steps = [tidy, given, bare, unwrapped, international];
  if (callingCode !== undefined) steps.push((x) => national(x, callingCode));
  return [...steps, (x) => judge(x, 'false', full(x, String.raw`\+[1-9][0-9]{7,14}`))];
}

/** A number as it is written at home. */
function national(x: string, callingCode: string): string {
  const pattern = NO_TRUNK[callingCode];
  const kept = ZERO_KEPT.includes(callingCode);
  const code = literal(`+${callingCode}`);
  const cases: string[] = [];
  if (pattern !== undefined) cases.push(`WHEN ${full(x, pattern)} THEN ${code} || ${x}`);
  // In North America 1 is the calling code and the trunk prefix.
  if (callingCode === '1') cases.push(`WHEN ${full(x, `1${pattern}`)} THEN '+' || ${x}`);
  // Where no number has a trunk prefix, a leading 0 is nothing that the plan of numbers knows.
  if (pattern === undefined || kept)
    cases.push(`WHEN starts_with(${x}, '0') THEN ${code} || ${kept ? x : `substr(${x}, 2)`}`);
  return `CASE ${cases.join(' ')} ELSE ${x} END`;
}

const NAME_FAST = '[a-z]+(?: [a-z]+)*';
const NAME: Step[] = [
  clean,
  // "O'Brien" and "OBrien" are one name; any other mark stands between words.
  (x) =>
    `CASE WHEN ${full(x, NAME_FAST)} THEN ${x} ELSE ${swap(swap(x, "['`´′]", ''), String.raw`[^\p{L}\p{M}\p{N}]+`, ' ')} END`,
  (x) => `CASE WHEN ${ascii(x)} OR NOT ${full(x, ACCENTED)} THEN ${x} ELSE strip_accents(${x}) END`,
  (x) => `lower(${x})`,
  (x) => {
    const single = `translate(${x}, ${literal(LETTERS.from)}, ${literal(LETTERS.to)})`;
    const folded = LETTER_PAIRS.reduce(
      (sql, [from, to]) => `replace(${sql}, ${literal(from)}, ${literal(to)})`,
      single,
    );
    // A mark alone between two spaces is gone now.
    return `trim(CASE WHEN ${ascii(x)} THEN ${x} ELSE ${swap(folded, ' +', ' ')} END)`;
  },
  (x) => judge(x, `${x} = '' OR ${among(x, NAMES)}`, `regexp_matches(${x}, ${literal(String.raw`\p{L}`)})`),
];

const TIME = String.raw`(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?(?: ?(?:Z|UTC|\+00(?::?00)?))?`;
const YMD = ['-', '/', String.raw`\.`].map((mark) => `${mark}[0-9]{1,2}${mark}[0-9]{1,2}`).join('|');
const YEAR_FIRST = `[0-9]{4}(?:${YMD})(?:[T ]${TIME})?`;

/** Of a DATE. */
const day: Step = (x) =>
  `CASE WHEN ${x} IS NULL THEN NULL WHEN isfinite(${x}) AND ${x} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN CAST(${x} AS VARCHAR) ELSE '' END`;
const knownDay: Step = (x) => judge(x, among(x, DATES), 'true');
const DATE_TEXT: Step[] = [
  tidy,
  given,
  (x) =>
    `CASE WHEN ${among(x, DATE_TEXTS)} THEN NULL ` +
    `WHEN ${full(x, '[0-9]{8}')} THEN substr(${x}, 1, 4) || '-' || substr(${x}, 5, 2) || '-' || substr(${x}, 7, 2) ` +
    `WHEN ${full(x, YEAR_FIRST)} THEN translate(regexp_extract(${x}, '^[0-9./-]+'), './', '--') ` +
    `WHEN ${x} IS NULL THEN NULL ELSE '' END`,
  (x) => `CASE WHEN ${x} IS NULL THEN NULL ELSE coalesce(${day(`TRY_CAST(${x} AS DATE)`)}, '') END`,
  knownDay,
];

const DIGITS: Step[] = [
  tidy,
  given,
  (x) =>
    `CASE WHEN ${full(x, '[0-9]*')} THEN ${x} WHEN ${full(x, String.raw`[0-9]+\.[0-9]+`)} THEN '' ` +
    `WHEN ${full(x, '[0-9](?:[ ./-]*[0-9])*')} THEN ${swap(x, '[ ./-]', '')} WHEN ${x} IS NULL THEN NULL ELSE '' END`,
  (x) => judge(x, full(x, NUMBERS), 'true'),
];

const EMAIL_STEPS: Step[] = [
  tidyLower,
  (x) =>
    judge(x, `${x} = '' OR ${among(x, [...PLACEHOLDERS, ...EMAILS])}`, `strlen(${x}) <= 254 AND ${full(x, EMAIL)}`),
];

const HASH_STEPS: Step[] = [
  tidyLower,
  (x) => judge(x, `${x} = '' OR ${among(x, [...PLACEHOLDERS, ...HASHES])}`, full(x, '[0-9a-f]{64}')),
];

/** The steps from a source column to its normalised value. @throws {NodeError} `DATA_KEY_TYPE`. */
export function ruleSteps({ rule, callingCode, column }: KeyField, physical: PhysicalType): Step[] {
  if (!READS[rule].includes(physical)) {
    throw new NodeError('DATA_KEY_TYPE', `${rule} does not read column "${column}" as it is`, {
      fault: 'data',
      fix: `give the property a logicalType that ${rule} reads, or use another rule in the program`,
      privateDetail: `${column} is ${physical}; ${rule} reads ${READS[rule].join(', ')}`,
    });
  }
  if (physical === 'date' || physical === 'timestamp') {
    return [(x) => `CAST(${x} AS DATE)`, day, ...(rule === 'date/v1' ? [knownDay] : [])];
  }
  const text = physical === 'text' ? [] : [(x: string) => whole(x, physical)];
  switch (rule) {
    case 'email/v1':
      return EMAIL_STEPS;
    case 'e164/v1':
      return [...text, ...e164(callingCode)];
    case 'name/v1':
      return NAME;
    case 'date/v1':
      return [...text, ...DATE_TEXT];
    case 'digits/v1':
      return [...text, ...DIGITS];
    case 'sha256/v1':
      return HASH_STEPS;
    case 'exact/v1':
      return [...text, (x) => `nullif(${x}, '')`];
  }
}

/** Decimal digits of a whole number; what has a fraction, or is too large to be exact, reads as text that no rule reads. */
function whole(x: string, physical: PhysicalType): string {
  if (physical === 'integer') return `CAST(${x} AS VARCHAR)`;
  const exact = physical === 'double' ? ` AND abs(${x}) < 9007199254740992` : '';
  return `CASE WHEN ${x} IS NULL THEN NULL WHEN ${x} = trunc(${x})${exact} THEN CAST(CAST(${x} AS HUGEINT) AS VARCHAR) ELSE '!' END`;
}
