/**
 * CSV (RFC 4180) as a relation of typed columns. Every field is read as text and then converted by rule, because the
 * engine's own conversion rounds 1.5 to an integer in silence. An empty field is null, quoted or not.
 * @module
 */
import { open } from 'node:fs/promises';
import { NodeError, type PhysicalType } from '@2pm/core';
import { identifier, literal } from '../../sql.ts';

const HEADER_BYTES = 1 << 20;
const DELIMITERS = [',', ';', '\t', '|'];

export interface CsvHeader {
  delimiter: string;
  names: string[];
}

/** Names and delimiter from the first record, of which at most 1 MiB is read. @throws {NodeError} `DATA_BROKEN_LINE`. */
export async function csvHeader(file: string, delimiter: string | undefined): Promise<CsvHeader> {
  const handle = await open(file, 'r');
  let text: string;
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    text = buffer.toString('utf8', 0, bytesRead).replace(/^\uFEFF/, '');
  } finally {
    await handle.close();
  }
  const candidates = delimiter === undefined ? DELIMITERS : [delimiter];
  const readings = candidates.map((candidate) => ({ delimiter: candidate, names: firstRecord(text, candidate) }));
  const header = readings.reduce((best, next) => (next.names.length > best.names.length ? next : best));
  const unusable = header.names.some((name) => name === '') || new Set(header.names).size < header.names.length;
  if (unusable) {
    throw new NodeError('DATA_BROKEN_LINE', 'the header of the CSV file has an empty or repeated name', {
      fault: 'data',
      fix: 'give every column a name of its own in the first line',
      privateDetail: `line 1: ${header.names.join(' | ')}`,
    });
  }
  return header;
}

function firstRecord(text: string, delimiter: string): string[] {
  const names: string[] = [];
  let name = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (quoted) {
      if (char !== '"') name += char;
      else if (text[i + 1] === '"') name += text[i++];
      else quoted = false;
    } else if (char === '"' && name === '') quoted = true;
    else if (char === '\n' || char === '\r') break;
    else if (char === delimiter) {
      names.push(name);
      name = '';
    } else name += char;
  }
  return [...names, name].map((each) => each.trim());
}

export function csvRelation(file: string, { delimiter, names }: CsvHeader): string {
  const columns = names.map((name) => `${literal(name)}: 'VARCHAR'`).join(', ');
  return (
    `read_csv(${literal(file)}, auto_detect = false, header = true, delim = ${literal(delimiter)}, quote = '"', escape = '"', ` +
    `columns = {${columns}}, strict_mode = true, null_padding = false, ignore_errors = false, nullstr = '', ` +
    `max_line_size = ${16 << 20})`
  );
}

const RULES: Partial<Record<PhysicalType, { pattern: string; type: string }>> = {
  integer: { pattern: '[+-]?[0-9]+', type: 'BIGINT' },
  double: { pattern: '[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?', type: 'DOUBLE' },
  decimal: { pattern: '[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?', type: 'DOUBLE' },
  boolean: { pattern: '[Tt]rue|TRUE|[Ff]alse|FALSE|0|1', type: 'BOOLEAN' },
  date: { pattern: '[0-9]{4}-[0-9]{2}-[0-9]{2}', type: 'DATE' },
  timestamp: { pattern: '[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?(Z|[+-][0-9:]+)?', type: 'TIMESTAMPTZ' },
};

/** True for a field that is not of the type; null and empty are of every type. */
export function csvWrong(name: string, type: PhysicalType): string {
  const rule = RULES[type];
  if (rule === undefined) return 'false';
  const column = identifier(name);
  const fits = `regexp_full_match(${column}, ${literal(rule.pattern)}) AND TRY_CAST(${column} AS ${rule.type}) IS NOT NULL`;
  return `(${column} IS NOT NULL AND NOT (${fits}))`;
}

/** The typed value; a statement that meets a wrong field fails. */
export function csvValue(name: string, type: PhysicalType): string {
  const rule = RULES[type];
  if (rule === undefined) return identifier(name);
  const cast = `TRY_CAST(${identifier(name)} AS ${rule.type})`;
  return `CASE WHEN ${csvWrong(name, type)} THEN error('wrong type') ELSE ${rule.type === 'TIMESTAMPTZ' ? `CAST(${cast} AS TIMESTAMP)` : cast} END`;
}

/** The type that every field of a bounded sample has, the narrowest first. */
export function csvSample(relation: string, names: readonly string[]): string {
  const tests = names.flatMap((name) => SNIFFED.map((type) => `coalesce(bool_or(${csvWrong(name, type)}), false)`));
  return `SELECT ${[...tests, ...names.map((name) => `count(${identifier(name)}) = 0`)].join(', ')} FROM (SELECT * FROM ${relation} LIMIT 10000)`;
}

export const SNIFFED: readonly PhysicalType[] = ['integer', 'double', 'boolean', 'date', 'timestamp'];
