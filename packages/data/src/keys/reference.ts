/**
 * The rules of docs/keys.md once more, in plain TypeScript, one value at a time: what the tests hold the engine's SQL to, and
 * what another implementation may start from. Only the tables of characters and placeholders are shared with the SQL.
 * @module
 */
import { createHash } from 'node:crypto';
import type { KeyField, KeyRule } from '@2pm/core';
import { CLEAN, LETTER_PAIRS, LETTERS } from './characters.ts';
import { DATE_TEXTS, DATES, EMAILS, HASHES, NAMES, PLACEHOLDERS } from './placeholders.ts';
import { NO_TRUNK, ZERO_KEPT } from './rules.ts';

/** No value, a value that the rule cannot read, or the normalised value. */
export type Normalised = { is: 'null' } | { is: 'invalid' } | { is: 'key'; value: string };

const NULL: Normalised = { is: 'null' };
const INVALID: Normalised = { is: 'invalid' };
const key = (value: string): Normalised => ({ is: 'key', value });

/** Of one text value; dates and whole numbers come as the engine writes them (2001-02-03, 42). */
export function normalise(rule: KeyRule, raw: string | null, callingCode?: string): Normalised {
  if (raw === null || raw === '') return NULL;
  if (rule === 'exact/v1') return key(raw);
  if (rule === 'name/v1') return name(raw);
  const text = trimmed(clean(raw));
  if (text === '' || PLACEHOLDERS.includes(lower(text))) return NULL;
  switch (rule) {
    case 'email/v1':
      return email(lower(text));
    case 'e164/v1':
      return phone(text, callingCode);
    case 'date/v1':
      return date(text);
    case 'digits/v1':
      return digits(text);
    case 'sha256/v1':
      return hash(lower(text));
  }
}

/** The digest of a row in one pass; undefined where it has no key. */
export function digest(fields: readonly { field: Pick<KeyField, 'rule' | 'callingCode'>; raw: string | null }[]) {
  const values = fields.map(({ field, raw }) => normalise(field.rule, raw, field.callingCode));
  const parts = values.flatMap((value, i) => [fields[i]?.field.rule ?? '', value.is === 'key' ? value.value : '']);
  const text = ['2pm/key/1', ...parts].map((part) => `${Buffer.byteLength(part)}:${part},`).join('');
  const is =
    values.find((value) => value.is === 'null')?.is ?? values.find((value) => value.is === 'invalid')?.is ?? 'key';
  return { is, digest: is === 'key' ? createHash('sha256').update(text).digest().subarray(0, 16) : undefined };
}

function clean(text: string): string {
  const [from, to] = [[...CLEAN.from], [...CLEAN.to]];
  const swapped = [...text].map((character) => {
    const at = from.indexOf(character);
    return at < 0 ? character : (to[at] ?? '');
  });
  return isAscii(text) ? text : swapped.join('').normalize('NFC');
}

/** Unicode's simple mapping, a character at a time: İ becomes i, and a final Σ is σ as any other. */
function lower(text: string): string {
  return [...text].map((character) => (character === 'İ' ? 'i' : character.toLowerCase())).join('');
}

function trimmed(text: string): string {
  const space = (character: string | undefined) => character !== undefined && ' \t\n\v\f\r'.includes(character);
  let [from, to] = [0, text.length];
  while (from < to && space(text[from])) from++;
  while (to > from && space(text[to - 1])) to--;
  return text.slice(from, to);
}

function email(text: string): Normalised {
  if (EMAILS.includes(text)) return NULL;
  const [local, domain, ...more] = text.split('@');
  if (local === undefined || domain === undefined || more.length > 0) return INVALID;
  if (Buffer.byteLength(text) > 254) return INVALID;
  const forbidden = (character: string) =>
    (character.codePointAt(0) ?? 0) <= 0x20 || character === '\x7f' || '"(),:;<>[\\]'.includes(character);
  if (local.split('.').some((atom) => atom === '' || [...atom].some(forbidden))) return INVALID;
  const labels = domain.split('.');
  const letter = (character: string) => (character >= 'a' && character <= 'z') || character >= '\x80';
  const inside = (character: string) => letter(character) || isDigit(character) || character === '-';
  for (const label of labels) {
    if (label === '' || label.startsWith('-') || label.endsWith('-') || ![...label].every(inside)) return INVALID;
  }
  const last = [...(labels.at(-1) ?? '')];
  return labels.length >= 2 && last.length >= 2 && letter(last[0] ?? '') ? key(text) : INVALID;
}

function phone(text: string, callingCode: string | undefined): Normalised {
  let number = [...text].filter((character) => !' \t\n\v\f\r./-'.includes(character)).join('');
  if (!/^(\+|00)39\(0\)/.test(number)) number = number.replace(/^((?:\+|00)[1-9]\d{0,2})\(0\)/, '$1');
  number = number.replaceAll(/[()]/g, '');
  const bare = number.replace(/^\+/, '');
  if (/^0*$/.test(bare) || /^([1-9])\1{6,}$/.test(bare) || COUNTED.includes(bare)) return NULL;
  if (number.startsWith('00')) number = `+${number.slice(2)}`;
  if (!number.startsWith('+') && callingCode !== undefined) number = abroad(number, callingCode);
  return /^\+[1-9]\d{7,14}$/.test(number) ? key(number) : INVALID;
}

function abroad(number: string, callingCode: string): string {
  const pattern = NO_TRUNK[callingCode];
  if (pattern !== undefined && new RegExp(`^(?:${pattern})$`).test(number)) return `+${callingCode}${number}`;
  if (callingCode === '1' && /^1[2-9]\d{9}$/.test(number)) return `+${number}`;
  if (!number.startsWith('0')) return number;
  if (ZERO_KEPT.includes(callingCode)) return `+${callingCode}${number}`;
  return pattern === undefined ? `+${callingCode}${number.slice(1)}` : number;
}

const COUNTED = ['12345678', '123456789', '1234567890', '0123456789', '987654321', '9876543210'];

function name(raw: string): Normalised {
  const words = (text: string) => (text.match(/[\p{L}\p{M}\p{N}]+/gu) ?? []).join(' ');
  const alphabetic = (character: string) => {
    const code = character.codePointAt(0) ?? 0;
    const ranges = [0, 0x58f, 0x1d00, 0x2c7f, 0xa720, 0xa7ff, 0xfb00, 0xfb06];
    return ranges.some((from, i) => i % 2 === 0 && code >= from && code <= (ranges[i + 1] as number));
  };
  let text = words(clean(raw).replaceAll(/['`´′]/g, ''));
  if ([...text].every(alphabetic)) text = text.normalize('NFD').replaceAll(/\p{M}/gu, '').normalize('NFC');
  const [from, to] = [[...LETTERS.from], [...LETTERS.to]];
  const pairs = new Map<string, string>([...LETTER_PAIRS, ...from.map((one, i) => [one, to[i] ?? ''] as const)]);
  const value = words([...lower(text)].map((character) => pairs.get(character) ?? character).join(''));
  if (value === '' || NAMES.includes(value)) return NULL;
  return /\p{L}/u.test(value) ? key(value) : INVALID;
}

function date(text: string): Normalised {
  if (DATE_TEXTS.includes(text)) return NULL;
  const compact = /^(\d{4})(\d{2})(\d{2})$/.exec(text);
  const parted = /^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ](.*))?$/.exec(text);
  if (compact === null && parted === null) return INVALID;
  const [year, month, day] = compact === null ? [parted?.[1], parted?.[3], parted?.[4]] : compact.slice(1);
  const time = parted?.[5];
  if (time !== undefined && !isTime(time)) return INVALID;
  const padded = `${year}-${month?.padStart(2, '0')}-${day?.padStart(2, '0')}`;
  const there = new Date(`${padded}T00:00:00Z`);
  // A day that the month does not have turns into one of the next.
  if (Number.isNaN(there.getTime()) || there.toISOString().slice(0, 10) !== padded || year === '0000') return INVALID;
  return DATES.includes(padded) ? NULL : key(padded);
}

function isTime(text: string): boolean {
  const parts = /^(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|\+00(?::?00)?))?$/.exec(text);
  return parts !== null && Number(parts[1]) < 24 && Number(parts[2]) < 60 && Number(parts[3] ?? 0) < 60;
}

function digits(text: string): Normalised {
  if (!isDigit(text[0] ?? '') || !isDigit(text.at(-1) ?? '')) return INVALID;
  if (![...text].every((character) => isDigit(character) || ' ./-'.includes(character))) return INVALID;
  const number = [...text].filter(isDigit).join('');
  const separators = [...text].filter((character) => !isDigit(character));
  if (separators.join('') === '.') return INVALID;
  if (/^0+$/.test(number) || /^([1-9])\1{5,}$/.test(number) || COUNTED.includes(number)) return NULL;
  return key(number);
}

function hash(text: string): Normalised {
  if (HASHES.includes(text)) return NULL;
  return /^[0-9a-f]{64}$/.test(text) ? key(text) : INVALID;
}

const isDigit = (character: string) => character >= '0' && character <= '9' && character.length === 1;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is meant.
const isAscii = (text: string) => /^[\x00-\x7f]*$/.test(text);
