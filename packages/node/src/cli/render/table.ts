/** Columns that line up, colours notwithstanding. @module */
import { stripVTControlCharacters } from 'node:util';
import type { Paint } from './terminal.ts';

export interface Column {
  title: string;
  align?: 'left' | 'right';
}

export function visibleWidth(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - visibleWidth(text)));
  return align === 'left' ? text + space : space + text;
}

/** Cuts to `width` visible characters. Uncoloured text only. */
export function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], paint: Paint): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(visibleWidth(title), ...rows.map((row) => visibleWidth(row[i] ?? ''))),
  );
  const line = (cells: readonly string[]) =>
    `  ${columns.map(({ align }, i) => pad(cells[i] ?? '', widths[i]!, align)).join('  ')}`.trimEnd();
  return [paint.dim(line(columns.map(({ title }) => title))), ...rows.map(line)].map((text) => `${text}\n`).join('');
}
