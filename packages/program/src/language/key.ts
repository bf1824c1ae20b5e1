/** What rows of different holders are matched by: key columns and the rules that make their texts comparable. @module */
import type { KeyField, KeyType } from '@2pm/core';
import { checkName } from './name.ts';
import { fail } from './program-error.ts';

/** One column, several that count together, or `passes` of those. */
export type KeySpec = KeyField | readonly KeyField[] | Passes;

/** Rows that find no partner by the first key are tried by the next. */
export class Passes {
  readonly of: readonly (KeyField | readonly KeyField[])[];

  constructor(of: readonly (KeyField | readonly KeyField[])[]) {
    this.of = of;
  }
}

export function passes(...of: readonly (KeyField | readonly KeyField[])[]): Passes {
  if (of.length < 1 || of.length > 4) fail('PROGRAM_SCHEMA', 'a key has 1 to 4 passes');
  return new Passes(of);
}

const field = (column: string, rule: KeyField['rule']): KeyField => Object.freeze({ column, rule });

/** The rules, by name: `key.email('email')`. What each accepts stands in docs/keys.md. */
export const key = Object.freeze({
  /** Trimmed and in lower case. */
  email: (column: string) => field(column, 'email/v1'),
  /** E.164. `callingCode`: of numbers that are written without one, e.g. '49'. */
  phone(column: string, options: { readonly callingCode?: string } = {}): KeyField {
    const { callingCode } = options;
    if (callingCode === undefined) return field(column, 'e164/v1');
    if (!/^[1-9][0-9]{0,2}$/.test(callingCode)) fail('PROGRAM_SCHEMA', `"${callingCode}" is no calling code`);
    return Object.freeze({ column, rule: 'e164/v1', callingCode });
  },
  /** Without accents, case and punctuation. */
  name: (column: string) => field(column, 'name/v1'),
  date: (column: string) => field(column, 'date/v1'),
  /** Digits alone, such as an insurance number; leading zeros count. */
  digits: (column: string) => field(column, 'digits/v1'),
  /** Values that were hashed before, as 64 hexadecimal digits. */
  sha256: (column: string) => field(column, 'sha256/v1'),
  /** Character by character. */
  exact: (column: string) => field(column, 'exact/v1'),
});

export function keyType(spec: KeySpec): KeyType {
  const all = spec instanceof Passes ? spec.of : [spec];
  return all.map((pass) => {
    const fields = (Array.isArray(pass) ? pass : [pass]) as readonly KeyField[];
    if (fields.length < 1 || fields.length > 8) fail('PROGRAM_SCHEMA', 'a key has 1 to 8 columns');
    return fields.map(({ column, rule, callingCode }) => {
      checkName(column, 'column');
      return { column, rule, ...(callingCode === undefined ? {} : { callingCode }) };
    });
  });
}
