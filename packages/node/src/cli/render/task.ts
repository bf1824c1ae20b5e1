/** What there is to say about a task: where it stands, who refused and why, what everyone learnt, what it cost. @module */
import { FINAL_PHASES, type OwnMatches, type TaskView } from '@2pm/core/api';
import { renderError } from './error.ts';
import { mark } from './progress.ts';
import { renderTable } from './table.ts';
import { type Paint, plain } from './terminal.ts';
import { bytes, milliseconds, quantity, shortId } from './units.ts';
import { wrap } from './wrap.ts';

export function renderTask(view: TaskView, paint: Paint): string {
  const attempt = view.attempt > 1 ? `, attempt ${view.attempt}` : '';
  const members = view.members.map(({ node, org, roles, seat, state, error }) => [
    `${mark(state, paint)} ${plain(org)}`,
    paint.dim(shortId(node)),
    [...roles.map(plain), ...(seat === null ? [] : [`seat ${seat}`])].join(', '),
    `${plain(state)}${error === undefined ? '' : `: ${plain(error.message)}`}`,
  ]);
  return [
    `${mark(view.phase, paint)} ${paint.bold(plain(view.name))}  ${view.phase}${attempt}\n`,
    `  ${paint.dim(view.taskId)}\n  ${plain(view.purpose)}\n`,
    members.length === 0
      ? ''
      : `\n${renderTable([{ title: '  party' }, { title: 'node' }, { title: 'part' }, { title: 'state' }], members, paint)}`,
    renderRefusals(view, paint),
    view.error === undefined ? '' : `\n${renderError(view.error, paint)}`,
    renderLearns(
      view.learns,
      paint,
      happened(view.phase) ? 'What each party learns' : 'What each party would have learnt',
    ),
    view.own === undefined ? '' : renderOwn(view.own, paint),
    renderCost(view.cost, paint),
  ].join('');
}

/** What the holder's own node found and keeps; nobody else is shown it. */
function renderOwn({ keys, kept }: OwnMatches, paint: Paint): string {
  const rows = keys.flatMap(({ table, key, rows, passes, keyed, capacity }) =>
    passes.map(({ nulls, invalid, duplicates, distinct }, pass) => [
      `  ${plain(table)} by ${plain(key)}${passes.length > 1 ? `, pass ${pass + 1}` : ''}`,
      ...[rows, nulls, invalid, duplicates, distinct].map(quantity),
      `${quantity(keyed)} of ${quantity(capacity)}`,
    ]),
  );
  const titles = ['  keys', 'rows', 'without', 'unreadable', 'repeated', 'distinct', 'take part'];
  const columns = titles.map((title, i) => (i === 0 ? { title } : { title, align: 'right' as const }));
  const warnings = keys.flatMap((report) => report.warnings);
  return [
    `\n  ${paint.bold('On this node alone')}\n`,
    rows.length === 0 ? '' : renderTable(columns, rows, paint),
    ...warnings.map((warning) => `  ${paint.yellow('!')} ${plain(warning)}\n`),
    ...kept.map(
      (one) => `  ${paint.green('✓')} ${quantity(one.rows)} rows of "${plain(one.name)}" in ${plain(one.file)}\n`,
    ),
  ].join('');
}

/** False for a task that ended without a result. */
function happened(phase: TaskView['phase']): boolean {
  return !FINAL_PHASES.includes(phase) || phase === 'settled';
}

/** Parties that refuse for the same reasons share a paragraph. */
export function renderRefusals({ refusals, members }: Pick<TaskView, 'refusals' | 'members'>, paint: Paint): string {
  const orgOf = new Map(members.map(({ node, org }) => [node, plain(org)]));
  const groups = new Map<string, { orgs: string[]; code: string; reasons: TaskView['refusals'][number]['reasons'] }>();
  for (const { node, code, reasons } of refusals) {
    const key = JSON.stringify([code, reasons]);
    const group = groups.get(key) ?? { orgs: [], code, reasons };
    group.orgs.push(orgOf.get(node) ?? shortId(node));
    groups.set(key, group);
  }
  return [...groups.values()]
    .map(({ orgs, code, reasons }) => {
      const lines = reasons.flatMap(({ message, line, fix }) => [
        `    ${line === undefined ? '' : paint.dim(`line ${line}: `)}${plain(message)}`,
        ...(fix === undefined ? [] : [`    ${paint.cyan('→')} ${plain(fix)}`]),
      ]);
      const who = `${paint.bold(orgs.sort().join(', '))} ${orgs.length > 1 ? 'refuse' : 'refuses'}`;
      return `\n  ${paint.red('✗')} ${who}  ${paint.dim(plain(code))}\n${lines.map((text) => `${text}\n`).join('')}`;
    })
    .join('');
}

export function renderLearns(learns: readonly string[], paint: Paint, title = 'What each party learns'): string {
  if (learns.length === 0) return '';
  return `\n  ${paint.bold(title)}\n${learns.map((text) => `  ${paint.dim('·')} ${wrap(plain(text), '    ')}\n`).join('')}`;
}

export function renderCost(cost: TaskView['cost'], paint: Paint): string {
  const total = Object.values(cost.phaseMs).reduce((sum, ms) => sum + ms, 0);
  const facts = [
    total > 0 ? milliseconds(total) : '',
    cost.rounds > 0 ? `${quantity(cost.rounds)} rounds` : '',
    cost.bytesSent + cost.bytesReceived > 0
      ? `${bytes(cost.bytesSent)} sent, ${bytes(cost.bytesReceived)} received`
      : '',
    cost.transactions > 0 ? `${cost.transactions} transactions, ${quantity(cost.gas)} gas` : '',
  ].filter((fact) => fact !== '');
  if (facts.length === 0) return '';
  const phases = Object.entries(cost.phaseMs).map(([phase, ms]) => `${plain(phase)} ${milliseconds(ms)}`);
  return `\n  ${paint.bold('Cost')}  ${facts.join(paint.dim(' · '))}\n${phases.length > 1 ? `        ${paint.dim(phases.join(' · '))}\n` : ''}`;
}
