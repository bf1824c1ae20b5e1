/**
 * Members of two airlines' programmes, made up by hashes of a number for each person: the same at every run. Their emails
 * are as people type them: other case, spaces, placeholders, nothing at all, the same person twice.
 * @module
 */
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import type { AnswerLine } from './answer.ts';

/** Persons by number; the host has the first 20,000 of them, the partner the last 20,000. */
const PERSONS = 28_000;
const EACH = 20_000;

export interface MemberFile {
  path: string;
  rows: number;
}

export interface MemberFiles {
  host: MemberFile;
  partner: MemberFile;
  /** What the task must find. */
  answer: AnswerLine[];
  /** How many of the host's rows it must be told of. */
  shared: number;
}

/** A number that only person and purpose decide. */
const draw = (purpose: string) => `hash(person, '${purpose}')`;

/** The clean email, typed in some way; one in fifty says nothing. */
const typed = (side: string) => `
  CASE WHEN bad THEN [NULL, 'n/a', 'unknown', 'not an address'][1 + (${draw(`${side} bad`)} % 4)::INTEGER]
  ELSE CASE (${draw(`${side} typed`)} % 8)::INTEGER
    WHEN 0 THEN upper(email) WHEN 1 THEN '  ' || email || ' ' WHEN 2 THEN email || chr(160)
    WHEN 3 THEN upper(email[1]) || email[2:] ELSE email END END`;

const members = (side: string, from: number) => `
  CREATE TABLE ${side} AS
  SELECT person, 'member' || person || '@' || ['example.org', 'example.com', 'mail.example'][1 + person % 3] AS email,
    (${draw(`${side} miles`)} % 200000)::INTEGER AS miles,
    ['blue', 'blue', 'blue', 'silver', 'gold'][1 + (${draw(`${side} tier`)} % 5)::INTEGER] AS tier,
    ${draw(`${side} bad?`)} % 50 = 0 AS bad
  FROM range(${from}, ${from + EACH}) persons(person)`;

/** In an order that says nothing; those who come twice have their second row at the end. */
const rowsOf = (side: string) => `
  SELECT email, miles, tier FROM (
    SELECT ${typed(side)} AS email, miles, tier, ${draw('order')} // 2 AS place FROM ${side}
    UNION ALL SELECT upper(email), 7, tier, 18446744073709551615 FROM ${side} WHERE NOT bad AND person % 97 = 0
  ) ORDER BY place`;

export async function makeMembers(dir: string): Promise<MemberFiles> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const single = async (sql: string) => (await connection.runAndReadAll(sql)).getRows()[0]?.map(Number) ?? [];
  try {
    await connection.run(members('host', 0));
    await connection.run(members('partner', PERSONS - EACH));
    const [host, partner] = [join(dir, 'members.csv'), join(dir, 'members.parquet')];
    await connection.run(`COPY (${rowsOf('host')}) TO '${host}' (FORMAT csv)`);
    await connection.run(`COPY (${rowsOf('partner')}) TO '${partner}' (FORMAT parquet)`);
    const [n = 0, hostMiles = 0, partnerMiles = 0, gold = 0, goldMiles = 0] = await single(`
      SELECT count(*), avg(h.miles), avg(p.miles), count(*) FILTER (h.tier = 'gold'), avg(p.miles) FILTER (h.tier = 'gold')
      FROM host h JOIN partner p USING (person) WHERE NOT h.bad AND NOT p.bad`);
    const [hostRows = 0] = await single(`SELECT count(*) FROM (${rowsOf('host')})`);
    const [partnerRows = 0] = await single(`SELECT count(*) FROM (${rowsOf('partner')})`);
    return {
      host: { path: host, rows: hostRows },
      partner: { path: partner, rows: partnerRows },
      answer: [
        { label: 'shared members', at: ['members'], value: n },
        { label: 'mean miles, host', at: ['meanMilesWithHost'], value: hostMiles },
        { label: 'mean miles, partner', at: ['meanMilesWithPartner'], value: partnerMiles },
        { label: 'of these gold', at: ['goldMembers'], value: gold },
        { label: 'their miles, partner', at: ['meanGoldMilesWithPartner'], value: goldMiles },
      ],
      shared: n,
    };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
