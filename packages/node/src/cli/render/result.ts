/** A task's result as text: numbers, tables, histograms. @module */
import type { ResultNode } from '@2pm/core/api';
import { pad, renderTable, visibleWidth } from './table.ts';
import { type Paint, plain, type Terminal } from './terminal.ts';
import { quantity } from './units.ts';

type Value = number | string | null;
type Entries = readonly (readonly [name: string, value: ResultNode])[];

const WITHHELD = 'withheld (too few rows)';
const BAR = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

const isValue = (node: ResultNode | undefined): node is Value => node === null || typeof node !== 'object';
const isRecord = (node: ResultNode): node is { [name: string]: ResultNode } => !isValue(node) && !Array.isArray(node);

export function renderResult(result: ResultNode, { paint, columns }: Pick<Terminal, 'paint' | 'columns'>): string {
  return block(result, '  ', columns, paint);
}

function block(node: ResultNode, indent: string, columns: number, paint: Paint): string {
  if (isValue(node)) return `${indent}${show(node, paint)}\n`;
  if (Array.isArray(node)) {
    const table = asTable(node, paint);
    if (table !== undefined) return table.replace(/^ {2}/gm, indent);
    const numbered = node.map((value, i) => [String(i), value] as const);
    return isHistogram(numbered) ? bars(numbered, indent, columns, paint) : list(numbered, indent, columns, paint);
  }
  const entries = Object.entries(node);
  return list(entries, indent, columns, paint);
}

/** Names and values; what has parts of its own goes under its name. */
function list(entries: Entries, indent: string, columns: number, paint: Paint): string {
  if (entries.length === 0) return `${indent}${paint.dim('empty')}\n`;
  const width = Math.max(
    0,
    ...entries.filter(([, value]) => isValue(value)).map(([name]) => visibleWidth(plain(name))),
  );
  return entries
    .map(([name, value]) => {
      if (isValue(value)) return `${indent}${paint.dim(pad(plain(name), width))}  ${show(value, paint)}\n`;
      const under = `${indent}  `;
      const inner = isRecord(value) ? Object.entries(value) : undefined;
      const body =
        inner !== undefined && isHistogram(inner)
          ? bars(inner, under, columns, paint)
          : block(value, under, columns, paint);
      return `${indent}${paint.bold(plain(name))}\n${body}`;
    })
    .join('');
}

/** At least three counts, none below zero, each alone or withheld. */
function isHistogram(entries: Entries): entries is readonly (readonly [string, number | null])[] {
  const counts = entries.filter(([, value]) => typeof value === 'number' && value >= 0).length;
  return entries.length >= 3 && counts >= 1 && counts === entries.filter(([, value]) => value !== null).length;
}

function bars(
  entries: readonly (readonly [string, number | null])[],
  indent: string,
  columns: number,
  paint: Paint,
): string {
  const labels = entries.map(([name]) => plain(name));
  const values = entries.map(([, value]) => (value === null ? 'withheld' : quantity(value)));
  const labelWidth = Math.max(...labels.map(visibleWidth));
  const valueWidth = Math.max(...values.map(visibleWidth));
  const room = Math.max(8, Math.min(40, columns - indent.length - labelWidth - valueWidth - 4));
  const highest = Math.max(...entries.map(([, value]) => value ?? 0), Number.MIN_VALUE);
  return entries
    .map(([, value], i) => {
      const label = paint.dim(pad(labels[i]!, labelWidth));
      const count = pad(value === null ? paint.yellow(values[i]!) : values[i]!, valueWidth, 'right');
      return `${`${indent}${label}  ${count}  ${paint.cyan(bar((value ?? 0) / highest, room))}`.trimEnd()}\n`;
    })
    .join('');
}

/** `share` of `room` characters, to an eighth of a character. */
function bar(share: number, room: number): string {
  const eighths = Math.round(share * room * 8);
  return '█'.repeat(eighths >> 3) + (BAR[eighths & 7] ?? '');
}

/** Records with the same plain fields, one a row. */
function asTable(nodes: readonly ResultNode[], paint: Paint): string | undefined {
  const records = nodes.filter(isRecord);
  const names = Object.keys(records[0] ?? {});
  const alike = records.every(
    (record) =>
      Object.keys(record).length === names.length && names.every((name) => name in record && isValue(record[name])),
  );
  if (names.length === 0 || records.length < nodes.length || !alike) return undefined;
  return renderTable(
    names.map((name) => ({
      title: plain(name),
      align: records.some((record) => typeof record[name] === 'number') ? 'right' : 'left',
    })),
    records.map((record) => names.map((name) => show(record[name] as Value, paint))),
    paint,
  );
}

function show(value: Value, paint: Paint): string {
  if (value === null) return paint.yellow(WITHHELD);
  return typeof value === 'number' ? paint.bold(quantity(value)) : plain(value);
}
