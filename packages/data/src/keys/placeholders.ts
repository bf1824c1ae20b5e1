/** What people write where they have no value. It counts as null, so that two unknown people are not one person. @module */

/** After trimming, in lower case; for every rule but `exact/v1` and `name/v1`. */
export const PLACEHOLDERS: readonly string[] = [
  ...['-', '--', '---', '.', '?', '??', '???', '0', 'x', 'xx', 'xxx'],
  ...['n/a', '#n/a', 'n.a.', 'n.a', 'na', '<na>', 'nan', 'null', '(null)', '<null>', 'nil', 'none', '(none)'],
  ...['undefined', 'unknown', 'unbekannt', 'inconnu', 'desconocido', 'missing', 'empty', 'blank', 'tbd', 'test'],
  ...['not available', 'not applicable', 'not provided', 'not known', 'no email', 'no phone', 'keine angabe'],
];

export const EMAILS: readonly string[] = [
  ...['test@test.com', 'test@test.de', 'test@example.com', 'test@mail.com', 'test@gmail.com'],
  ...['user@example.com', 'email@example.com', 'name@example.com', 'example@example.com', 'email@email.com'],
  ...['a@a.com', 'a@b.com', 'a@b.c', 'abc@abc.com', 'asdf@asdf.com', 'x@x.com', 'xxx@xxx.com', 'aaa@aaa.com'],
  ...['none@none.com', 'no@no.com', 'na@na.com', 'n/a@n/a.com', 'null@null.com', 'unknown@unknown.com'],
  ...['noemail@noemail.com', 'no@email.com', 'noemail@email.com', 'nomail@nomail.com', 'noreply@noreply.com'],
];

/** As `name/v1` leaves them. "na" and "no" are surnames, and so are not among them. */
export const NAMES: readonly string[] = [
  ...['n a', 'null', 'none', 'nil', 'nan', 'unknown', 'undefined', 'unbekannt', 'inconnu', 'desconocido'],
  ...['anonymous', 'anonym', 'test', 'test test', 'no name', 'not available', 'not known', 'not provided'],
  ...['keine angabe', 'tbd', 'xx', 'xxx', 'xxxx', 'nn', 'n n', 'john doe', 'jane doe', 'max mustermann'],
];

export const DATES: readonly string[] = ['0001-01-01', '1111-11-11', '1900-01-01', '9999-12-31'];
/** As text; MySQL writes the first for no date. */
export const DATE_TEXTS: readonly string[] = ['0000-00-00', '00000000', '0000/00/00', '00.00.0000'];

const COUNTED = ['12345678', '123456789', '1234567890', '0123456789', '987654321', '9876543210'];
const repeated = (least: number) => Array.from({ length: 9 }, (_, i) => `${i + 1}{${least},}`).join('|');

/** Regular expressions over the digits alone. */
export const PHONES = String.raw`\+?(?:0*|${repeated(7)}|${COUNTED.join('|')})`;
export const NUMBERS = `0+|${repeated(6)}|${COUNTED.join('|')}`;

/** SHA-256 of no bytes: a list that was hashed with its gaps. */
export const HASHES: readonly string[] = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '0'.repeat(64),
];
