/** The rules in the engine against the reference, value by value, on what people really write. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KEY_RULES, type KeyField, type KeyRule, type PhysicalType } from '@2pm/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Engine } from '../engine/engine.ts';
import { inlineEngine } from '../engine/inline.ts';
import { literal } from '../sql.ts';
import { recordsOf, STATE } from './digest.ts';
import { digest, type Normalised, normalise } from './reference.ts';
import { ruleSteps } from './rules.ts';

let dir: string;
let engine: Engine;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), '2pm-rules-'));
  engine = inlineEngine({ ...DEFAULT_LIMITS, tempDirectory: join(dir, 'spill') });
});
afterAll(async () => {
  await engine.close();
  await rm(dir, { recursive: true, force: true });
});

/** Values through the engine, in one job. */
async function throughEngine(field: KeyField, values: readonly (string | null)[]): Promise<Normalised[]> {
  return throughSteps(
    field,
    'text',
    values.map((value) => (value === null ? 'NULL' : literal(value))),
  );
}

/** Of SQL expressions. */
async function throughSteps(field: KeyField, physical: PhysicalType, values: readonly string[]): Promise<Normalised[]> {
  const rows = values.map((value, i) => `(${i}, ${value})`);
  let from = `(VALUES ${rows.join(', ')}) AS t(i, x)`;
  for (const step of ruleSteps(field, physical)) from = `(SELECT i, ${step('x')} AS x FROM ${from})`;
  const [result] = await engine.query({ statements: [`SELECT '#' || x FROM ${from} ORDER BY i`], files: [] }, {});
  const column = result?.columns[0];
  return values.map((_, i): Normalised => {
    if (column?.valid[i] !== 1) return { is: 'null' };
    // A byte order mark at the start of a text would be lost on its way out.
    const value = (column.values[i] as string).slice(1);
    return value === '' ? { is: 'invalid' } : { is: 'key', value };
  });
}

const short = (value: Normalised) => (value.is === 'key' ? value.value : value.is);

/** Rule, raw value, what becomes of it, calling code. Fixed: a rule never changes under its version. */
const VECTORS: readonly (readonly [KeyRule, string, string, string?])[] = [
  ['email/v1', ' John.Smith@Example.COM ', 'john.smith@example.com'],
  ['email/v1', '\u00a0john@example.com\u200b', 'john@example.com'],
  ['email/v1', 'ＪＯＨＮ＠example．com', 'john@example.com'],
  ['email/v1', 'john+news@example.com', 'john+news@example.com'],
  ['email/v1', 'İbrahim@example.com', 'ibrahim@example.com'],
  ['email/v1', 'I\u0307brahim@example.com', 'ibrahim@example.com'],
  ['email/v1', 'ırmak@example.com', 'ırmak@example.com'],
  ['email/v1', 'jose\u0301@mu\u0308ller.de', 'jos\u00e9@m\u00fcller.de'],
  ['email/v1', 'o\u2019brien@example.ie', "o'brien@example.ie"],
  ['email/v1', 'ivan@почта.рф', 'ivan@почта.рф'],
  ['email/v1', 'a@b@c.de', 'invalid'],
  ['email/v1', 'John Smith <john@example.com>', 'invalid'],
  ['email/v1', 'john@localhost', 'invalid'],
  ['email/v1', 'john@10.0.0.1', 'invalid'],
  ['email/v1', 'john..s@example.com', 'invalid'],
  ['email/v1', 'john@-example.com', 'invalid'],
  ['email/v1', 'john@exa_mple.com', 'invalid'],
  ['email/v1', 'test@test.com', 'null'],
  ['email/v1', 'N/A', 'null'],
  ['email/v1', '\t', 'null'],
  ['e164/v1', '+49 (0)30 / 123-456.78', '+493012345678'],
  ['e164/v1', '0049 30 12345678', '+493012345678'],
  ['e164/v1', '030 12345678', '+493012345678', '49'],
  ['e164/v1', '030 12345678', 'invalid'],
  ['e164/v1', '(030) 12345678', '+493012345678', '49'],
  ['e164/v1', '３０', 'invalid', '49'],
  ['e164/v1', '+٤٩٣٠١٢٣٤٥٦٧٨', '+493012345678'],
  ['e164/v1', '30 12345678', 'invalid', '49'],
  ['e164/v1', '(202) 555-0123', '+12025550123', '1'],
  ['e164/v1', '1-202-555-0123', '+12025550123', '1'],
  ['e164/v1', '011 49 30 12345678', 'invalid', '1'],
  ['e164/v1', '06 1234 5678', '+390612345678', '39'],
  ['e164/v1', '+39 (0)6 1234 5678', '+390612345678', '39'],
  ['e164/v1', '347 123 4567', '+393471234567', '39'],
  ['e164/v1', '612 345 678', '+34612345678', '34'],
  ['e164/v1', '+1234567', 'invalid'],
  ['e164/v1', '+1234567890123456', 'invalid'],
  ['e164/v1', '+49 30 12345678 ext 9', 'invalid'],
  ['e164/v1', '0000000000', 'null'],
  ['e164/v1', '999-999-9999', 'null'],
  ['name/v1', '  Dr.  José  Ángel ', 'dr jose angel'],
  ['name/v1', "O'Brien", 'obrien'],
  ['name/v1', 'O\u2019BRIEN', 'obrien'],
  ['name/v1', 'Anne\u2010Marie', 'anne marie'],
  ['name/v1', 'Anne Marie', 'anne marie'],
  ['name/v1', 'İLKER Yıldız', 'ilker yildiz'],
  ['name/v1', 'Straße', 'strasse'],
  ['name/v1', 'STRASSE', 'strasse'],
  ['name/v1', 'Łukasz Øster', 'lukasz oster'],
  ['name/v1', 'Ｍｕｌｌｅｒ', 'muller'],
  ['name/v1', 'Mu\u0308ller', 'muller'],
  ['name/v1', 'ﬁona', 'fiona'],
  ['name/v1', 'Ὀδυσσεύς', 'οδυσσευσ'],
  ['name/v1', 'क्रिश', 'क्रिश'],
  ['name/v1', '김 민수', '김 민수'],
  ['name/v1', '12345', 'invalid'],
  ['name/v1', 'N/A', 'null'],
  ['name/v1', '???', 'null'],
  ['name/v1', 'Na', 'na'],
  ['date/v1', '1980-03-04', '1980-03-04'],
  ['date/v1', '1980/3/4', '1980-03-04'],
  ['date/v1', '1980.03.04', '1980-03-04'],
  ['date/v1', '19800304', '1980-03-04'],
  ['date/v1', '1980-03-04T00:00:00.000Z', '1980-03-04'],
  ['date/v1', '1980-03-04 13:30', '1980-03-04'],
  ['date/v1', '1980-03-04T00:00:00+02:00', 'invalid'],
  ['date/v1', '1980-03/04', 'invalid'],
  ['date/v1', '03/04/2020', 'invalid'],
  ['date/v1', '13/04/2020', 'invalid'],
  ['date/v1', '04.03.2020', 'invalid'],
  ['date/v1', '2021-02-29', 'invalid'],
  ['date/v1', '2020-02-29', '2020-02-29'],
  ['date/v1', '1900-01-01', 'null'],
  ['date/v1', '0000-00-00', 'null'],
  ['digits/v1', ' 007 12-3 ', '007123'],
  ['digits/v1', '756.1234.5678.97', '7561234567897'],
  ['digits/v1', '12345.0', 'invalid'],
  ['digits/v1', '-5', 'invalid'],
  ['digits/v1', 'A123', 'invalid'],
  ['digits/v1', '１２３', '123'],
  ['digits/v1', '000', 'null'],
  ['digits/v1', '999999999', 'null'],
  [
    'sha256/v1',
    'BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD',
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  ],
  ['sha256/v1', 'ba7816bf', 'invalid'],
  ['sha256/v1', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'null'],
  ['exact/v1', ' a\u0301B', ' a\u0301B'],
  ['exact/v1', '', 'null'],
];

describe('rules for keys', () => {
  it('give the fixed vectors, in the engine and in the reference', async () => {
    for (const rule of KEY_RULES) {
      for (const code of new Set(VECTORS.filter(([of]) => of === rule).map((vector) => vector[3]))) {
        const vectors = VECTORS.filter(([of, , , callingCode]) => of === rule && callingCode === code);
        const field: KeyField = { column: 'x', rule, ...(code === undefined ? {} : { callingCode: code }) };
        const found = await throughEngine(
          field,
          vectors.map(([, raw]) => raw),
        );
        const told = vectors.map(([, raw], i) => [
          raw,
          short(found[i] as Normalised),
          short(normalise(rule, raw, code)),
        ]);
        expect(told).toEqual(vectors.map(([, raw, value]) => [raw, value, value]));
      }
    }
  });

  it.each<[KeyRule, PhysicalType, [string, string][]]>([
    [
      'digits/v1',
      'integer',
      [
        ['42::BIGINT', '42'],
        ['-5', 'invalid'],
        ['0', 'null'],
        ['NULL', 'null'],
      ],
    ],
    ['digits/v1', 'integer', [['18446744073709551615::UBIGINT', '18446744073709551615']]],
    [
      'digits/v1',
      'double',
      [
        ['42.0::DOUBLE', '42'],
        ['42.5', 'invalid'],
        ["'nan'", 'invalid'],
        ["'inf'", 'invalid'],
        ['1e16', 'invalid'],
        ['NULL', 'null'],
      ],
    ],
    [
      'digits/v1',
      'decimal',
      [
        ['42.00::DECIMAL(18, 2)', '42'],
        ['42.50', 'invalid'],
      ],
    ],
    [
      'e164/v1',
      'integer',
      [
        ['3012345678::BIGINT', 'invalid'],
        ['301234567', 'invalid'],
      ],
    ],
    [
      'date/v1',
      'integer',
      [
        ['19800304::INTEGER', '1980-03-04'],
        ['4031980', 'invalid'],
      ],
    ],
    [
      'date/v1',
      'date',
      [
        ["DATE '1980-03-04'", '1980-03-04'],
        ["DATE '1900-01-01'", 'null'],
        ["'infinity'", 'invalid'],
        ["DATE '10000-01-01'", 'invalid'],
        ['NULL', 'null'],
      ],
    ],
    ['date/v1', 'timestamp', [["TIMESTAMP '1980-03-04 23:59:59'", '1980-03-04']]],
    ['date/v1', 'timestamp', [["TIMESTAMPTZ '1980-03-04 23:59:59-05'", '1980-03-05']]],
    ['exact/v1', 'date', [["DATE '1900-01-01'", '1900-01-01']]],
    [
      'exact/v1',
      'integer',
      [
        ['7', '7'],
        ['-7', '-7'],
      ],
    ],
  ])('%s reads %s columns', async (rule, physical, values) => {
    const found = await throughSteps(
      { column: 'x', rule },
      physical,
      values.map(([sql]) => sql),
    );
    expect(found.map(short)).toEqual(values.map(([, value]) => value));
  });

  it('refuse a column that they do not read', () => {
    expect(() => ruleSteps({ column: 'x', rule: 'email/v1' }, 'date')).toThrow(/does not read column "x"/);
  });

  const dirt = fc.constantFrom(
    ...[
      ' ',
      '\t',
      '\u00a0',
      '\u200b',
      '\ufeff',
      '\u00ad',
      '\u3000',
      '.',
      '-',
      '_',
      '+',
      '/',
      "'",
      '\u2019',
      '(',
      ')',
      '(0)',
      '@',
      '..',
      '\u2011',
    ],
    ...[
      'a',
      'Z',
      'é',
      'e\u0301',
      'İ',
      'I\u0307',
      'ı',
      'ß',
      'ẞ',
      'Σ',
      'ς',
      'ﬁ',
      'Å',
      'Å',
      'K',
      'ſ',
      'ŉ',
      'ﷺ',
      'が',
      '한',
      'क्ष',
      'й',
      '🙂',
      'ª',
      '²',
      'Ⅳ',
    ],
    ...[
      '0',
      '00',
      '7',
      '１',
      '٣',
      '۴',
      '49',
      '39',
      '1',
      '.com',
      'example',
      'n/a',
      'null',
      '1980',
      '03',
      '-12-',
      'T00:00',
      ':30',
      'Z',
      '\u0001',
      '\u0000'.slice(1),
      '\x7f',
    ],
  );
  /** Blocks to which Unicode has added no letter since 15.0, whose tables the engine has. */
  const settled = fc.oneof(
    fc.integer({ min: 1, max: 0x86f }),
    fc.integer({ min: 0x900, max: 0xbff }),
    fc.integer({ min: 0x1e00, max: 0x2bff }),
    fc.integer({ min: 0x3041, max: 0x9fff }),
    fc.integer({ min: 0xac00, max: 0xd7a3 }),
    fc.integer({ min: 0xf900, max: 0xffff }),
    fc.integer({ min: 0x1d400, max: 0x1d7ff }),
    fc.integer({ min: 0x1f300, max: 0x1f64f }),
  );
  const text = fc.oneof(
    fc.array(dirt, { maxLength: 9 }).map((parts) => parts.join('')),
    fc.array(settled, { maxLength: 10 }).map((codes) => String.fromCodePoint(...codes)),
  );
  const like: Record<KeyRule, fc.Arbitrary<string>> = {
    'email/v1': fc
      .tuple(
        text,
        fc.constantFrom('ann', 'Bob.', 'ç', ''),
        fc.constantFrom('@', '＠', '@@'),
        fc.constantFrom('ex.org', 'Ex-1.ORG ', 'a.b', '-x.org', 'müller.de', 'x.1a'),
      )
      .map((parts) => parts.join('')),
    'e164/v1': fc
      .array(
        fc.constantFrom(
          '+',
          '00',
          '0',
          '(0)',
          '49',
          '39',
          '1',
          '030',
          '20255',
          '5 0',
          '12-3',
          '/4',
          '٣',
          '7',
          '(3)',
          '000',
        ),
        { maxLength: 9 },
      )
      .map((parts) => parts.join('')),
    'name/v1': text,
    'date/v1': fc
      .tuple(
        fc.constantFrom('1980', '2020', '0000', '80', '9999'),
        fc.constantFrom('-', '/', '.', ''),
        fc.constantFrom('02', '2', '13', '00'),
        fc.constantFrom('-', '/', '.', ''),
        fc.constantFrom('29', '9', '30', '31', '0'),
        fc.constantFrom('', 'T00:00', ' 23:59:59.5 UTC', 'T24:00', 'Z', ' '),
      )
      .map((parts) => parts.join('')),
    'digits/v1': fc
      .array(fc.constantFrom('0', '1', '23', '.', '-', ' ', '/', '９', 'a', '999999', '123456789'), { maxLength: 6 })
      .map((parts) => parts.join('')),
    'sha256/v1': fc
      .tuple(
        fc.constantFrom('', ' ', 'é'),
        fc.constantFrom('ab'.repeat(32), 'AB'.repeat(32), '0'.repeat(64), 'g'.repeat(64), 'ａ'.repeat(64)),
      )
      .map((parts) => parts.join('')),
    'exact/v1': text,
  };

  it.each(KEY_RULES)('%s: the engine agrees with the reference', async (rule) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(like[rule], text), { minLength: 200, maxLength: 300 }),
        fc.constantFrom(undefined, '49', '39', '1', '34'),
        async (values, callingCode) => {
          const field: KeyField = { column: 'x', rule, ...(callingCode === undefined ? {} : { callingCode }) };
          const found = await throughEngine(field, [null, ...values]);
          const told = [null, ...values].map((raw, i) => [
            raw,
            short(found[i] as Normalised),
            short(normalise(rule, raw, callingCode)),
          ]);
          expect(told.filter(([, engine, reference]) => engine !== reference)).toEqual([]);
        },
      ),
      { numRuns: 5, endOnFailure: true },
    );
  });

  it('leaves what is normalised already as it is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KEY_RULES), text, fc.constantFrom(undefined, '49', '1'), (rule, raw, code) => {
        const once = normalise(rule, raw, code);
        if (once.is === 'key') expect(normalise(rule, once.value, code)).toEqual(once);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('digests of keys', () => {
  const key = [
    [{ column: 'a', rule: 'email/v1' as const }],
    [
      { column: 'b', rule: 'name/v1' as const },
      { column: 'c', rule: 'exact/v1' as const },
    ],
  ];

  it('are those of the reference, and nothing for a row without a key', async () => {
    const rows: (string | null)[][] = [
      ['a@example.org', 'Ann', 'x'],
      ['n/a', 'Ann', null],
      ['nonsense', '123', 'x'],
      [' A@Example.org', 'ÂNN', 'é'],
    ];
    const values = rows.map(
      (row, i) => `(${i}, true, ${row.map((v) => (v === null ? 'NULL' : literal(v))).join(', ')})`,
    );
    const from = `(VALUES ${values.join(', ')}, (9, false, 'a@example.org', 'Ann', 'x')) AS t(row_number, whole, k0_0, k1_0, k1_1)`;
    const { numbers, digests } = await engine.records({ ...recordsOf(from, [], key, () => 'text'), files: [] }, {});
    const [, state0, state1] = numbers;
    const [digest0, digest1] = digests;
    const at = (bytes: Uint8Array | undefined, row: number) => bytes?.slice(16 * row, 16 * row + 16) as Uint8Array;
    const passes = [
      [state0, digest0],
      [state1, digest1],
    ] as const;
    for (const [row, [a = null, b = null, c = null]] of rows.entries()) {
      const expected = [
        digest([{ field: { rule: 'email/v1' }, raw: a }]),
        digest([
          { field: { rule: 'name/v1' }, raw: b },
          { field: { rule: 'exact/v1' }, raw: c },
        ]),
      ];
      for (const [pass, [state, bytes]] of passes.entries()) {
        const { is, digest: wanted } = expected[pass] as ReturnType<typeof digest>;
        expect(Buffer.from(at(bytes, row))).toEqual(Buffer.from(wanted ?? new Uint8Array(16)));
        const code = Number(state?.[row]);
        expect(Math.min(code, 0)).toBe(is === 'key' ? 0 : is === 'null' ? STATE.absent : STATE.invalid);
      }
    }
    expect([state0?.[4], state1?.[4]]).toEqual([STATE.lacking, STATE.lacking].map(BigInt));
    expect(at(digest0, 4)).toEqual(new Uint8Array(16));
  });

  it('are fixed', () => {
    const hex = (rule: KeyRule, raw: string) => digest([{ field: { rule }, raw }]).digest?.toString('hex');
    expect(hex('email/v1', 'John@Example.com')).toBe('e9dbb4987e247eba736743e7a9830c29');
    expect(hex('exact/v1', 'john@example.com')).toBe('ce0b5267b42543ce63bd90a9b4e90a76');
  });

  it('differ where fields or rules differ, however the values are cut', () => {
    const of = (...parts: [KeyRule, string][]) =>
      digest(parts.map(([rule, raw]) => ({ field: { rule }, raw }))).digest?.toString('hex');
    const all = [
      of(['exact/v1', 'ab'], ['exact/v1', 'c']),
      of(['exact/v1', 'a'], ['exact/v1', 'bc']),
      of(['exact/v1', 'abc']),
      of(['exact/v1', 'ab,8:exact/v1,1:c']),
      of(['name/v1', 'abc']),
      of(['name/v1', 'ab'], ['exact/v1', 'c']),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});
