/** What the invited would say to a task. @module */
import type { TaskCheck } from '@2pm/core/api';
import { renderTable } from './table.ts';
import { renderLearns, renderRefusals } from './task.ts';
import { type Paint, plain } from './terminal.ts';

const WORDS = { allow: 'takes part', ask: 'asks a person', refuse: 'refuses', silent: 'does not answer' } as const;

export function renderCheck({ name, protocol, members, starts, learns }: TaskCheck, paint: Paint): string {
  const sign = { allow: paint.green('✓'), ask: paint.yellow('?'), refuse: paint.red('✗'), silent: paint.yellow('–') };
  const rows = members.map(({ org, roles, seat, verdict, code }) => [
    `${sign[verdict]} ${plain(org)}`,
    [...roles.map(plain), ...(seat === null ? [] : [`seat ${seat}`])].join(', '),
    `${WORDS[verdict]}${code === '' ? '' : paint.dim(`  ${plain(code)}`)}`,
  ]);
  const refusals = members.filter(({ verdict }) => verdict === 'refuse');
  return [
    `${paint.bold(plain(name))}  ${paint.dim(plain(protocol))}\n\n`,
    renderTable([{ title: '  party' }, { title: 'part' }, { title: 'would say' }], rows, paint),
    renderStart(starts, members, paint),
    renderRefusals({ refusals, members: members.map((one) => ({ ...one, state: one.verdict })) }, paint),
    renderLearns(learns, paint, 'What each party would learn'),
  ].join('');
}

function renderStart(starts: boolean, members: TaskCheck['members'], paint: Paint): string {
  const others = members.filter(({ verdict }) => verdict !== 'allow').map(({ org }) => plain(org));
  if (!starts) return `\n  ${paint.red('✗')} would not start: those who would take part are too few, or hold no seat\n`;
  return `\n  ${paint.green('✓')} would start${others.length === 0 ? '' : ` without ${others.join(', ')}`}\n`;
}
