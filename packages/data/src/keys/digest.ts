/**
 * Digests of keys, computed in the process of the engine: identifiers never become JavaScript values row by row.
 *
 * A digest is the first 16 bytes of SHA-256 over netstrings (`<bytes>:<text>,`) of a domain tag and, for each field, of its
 * rule and its normalised value. Netstrings are self-delimiting, so that no two lists of fields give the same bytes; rule
 * names stand in the digest and column names do not, so that holders meet whatever they call their columns. 16 bytes keep
 * two different keys apart but for a chance of n²/2^129.
 *
 * A digest is no protection by itself: who has it can try every e-mail address. It is the input of protocols that do
 * protect it, and stays on the holder's node.
 * @module
 */
import type { KeyField, KeyType, PhysicalType } from '@2pm/core';
import type { RecordShape } from '@2pm/crypto/wasm';
import { literal } from '../sql.ts';
import { ruleSteps } from './rules.ts';

export const KEY_DOMAIN = '2pm/key/1';

/** What becomes of a row in a pass, where it is no key: the values of column `state`. Otherwise see `KEY`. */
export const STATE = { lacking: -3, absent: -1, invalid: -2 } as const;
/** Rules whose values can all be tried, with the decimal digits that count them; any other counts as `MANY`. */
export const MANY = 99;
const DAYS = 5;

/** A column `k<pass>_<field>` for each field of the key, before its rule. */
export const fieldName = (pass: number, field: number) => `k${pass}_${field}`;

/** Rows whose records leave the engine as one blob. */
const BLOCK = 8_192;
/** What waits in memory for a range of rows is bounded by it. */
const LONGEST = 256;

/**
 * A statement over rows (`from`: `row_number`, `whole`, the fields as `fieldName` says, and `carried` BIGINT columns) that gives
 * them as records (`readRecords`): `row_number`, the carried columns (0 for null), and for each pass its state
 * (`STATE`, or the digits that count the values that the key could have); then for each pass the text of its key, empty where
 * the row has none.
 * @throws {NodeError} `DATA_KEY_TYPE`.
 */
export function recordsOf(
  from: string,
  carried: readonly string[],
  key: KeyType,
  physical: (field: KeyField) => PhysicalType,
): { statement: string; shape: RecordShape } {
  const fields = key.flatMap((pass, p) =>
    pass.map((field, f) => ({ name: fieldName(p, f), steps: ruleSteps(field, physical(field)) })),
  );
  let rows = from;
  for (let at = 0; fields.some(({ steps }) => at < steps.length); at++) {
    const columns = fields.map(({ name, steps }) => `${steps[at]?.(name) ?? name} AS ${name}`);
    rows = `(SELECT ${['row_number', 'whole', ...carried, ...columns].join(', ')} FROM ${rows})`;
  }
  const states = key.map((pass, p) => `${stateSql(pass, p)} AS state${p}`);
  rows = `(SELECT *, ${states.join(', ')} FROM ${rows})`;
  const texts = key.map((pass, p) => `CASE WHEN state${p} >= 0 THEN ${textOf(pass, p)} ELSE '' END AS text${p}`);
  rows = `(SELECT row_number, ${[...carried, ...key.map((_, p) => `state${p}`), ...texts].join(', ')} FROM ${rows})`;
  const parts = [
    ...['row_number', ...carried.map((name) => `coalesce(${name}, 0)`), ...key.map((_, p) => `state${p}`)].map(
      (number) => `${number}, ' '`,
    ),
    ...key.map((_, p) => {
      const text = `text${p}`;
      return `strlen(${text}), ':', CASE WHEN strlen(${text}) > ${LONGEST} THEN sha256(${text}) ELSE ${text} END`;
    }),
  ];
  // In whatever order: a record says which row it is.
  return {
    statement: `SELECT encode(string_agg(concat(${parts.join(', ')}), '')) FROM ${rows} GROUP BY row_number // ${BLOCK}`,
    shape: { numbers: 1 + carried.length + key.length, texts: key.length, longest: LONGEST },
  };
}

function stateSql(pass: readonly KeyField[], p: number): string {
  const names = pass.map((_, f) => fieldName(p, f));
  const counted = pass.map(({ rule }, f) => {
    if (rule === 'digits/v1') return `length(${fieldName(p, f)})`;
    return String(rule === 'date/v1' ? DAYS : MANY);
  });
  return (
    `CAST(CASE WHEN NOT whole THEN ${STATE.lacking} ` +
    `WHEN ${names.map((name) => `${name} IS NULL`).join(' OR ')} THEN ${STATE.absent} ` +
    `WHEN ${names.map((name) => `${name} = ''`).join(' OR ')} THEN ${STATE.invalid} ` +
    `ELSE least(${counted.join(' + ')}, ${MANY}) END AS INTEGER)`
  );
}

/** The text whose digest is the key: the same bytes for the same key at every holder. */
function textOf(pass: readonly KeyField[], p: number): string {
  let constant = netstring(KEY_DOMAIN);
  const parts: string[] = [];
  for (const [f, { rule }] of pass.entries()) {
    const name = fieldName(p, f);
    parts.push(literal(constant + netstring(rule)), `strlen(${name})`, `':'`, name);
    constant = ',';
  }
  // One call and not a chain of ||, each of which would write the text anew.
  return `concat(${[...parts, literal(',')].join(', ')})`;
}

/** Of ASCII text. */
const netstring = (text: string) => `${text.length}:${text},`;
