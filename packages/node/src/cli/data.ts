/** `2pm data`: dataset contracts in the node's directory; needs no running node. @module */
import { KEY_RULES, KeyType, NodeError } from '@2pm/core';
import type { DatasetView } from '@2pm/core/api';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { answer, type Context, globals } from './context.ts';
import type { DatasetBudget, DatasetCheck, KeyCheck } from './engine.ts';
import { EXIT } from './exit.ts';
import { pad, renderTable } from './render/table.ts';
import { type Paint, plain } from './render/terminal.ts';

export function registerData(program: Command, context: Context): void {
  const data = program.command('data').description('offer data: draft, list and check dataset contracts');

  data
    .command('add')
    .description('draft the contract of a dataset; edit its policy before you offer it')
    .argument('<source>', 'file or URL')
    .option('--as <table>', 'table name that programs use (default: from the source)')
    .option('--kind <kind>', 'csv, parquet or sqlite (default: from the source)')
    .option('--table <table>', 'table inside the source, where it has several')
    .action(
      async (source: string, { as, kind, table }: { as?: string; kind?: string; table?: string }, self: Command) => {
        const options = globals(self, context);
        const config = await loadConfig(options.dir);
        const drafted = await context.engine.draftContract(config.data.dir, {
          source,
          ...(as === undefined ? {} : { as }),
          ...(kind === undefined ? {} : { kind }),
          ...(table === undefined ? {} : { sourceTable: table }),
        });
        answer(context, options, drafted, () => renderDraft(drafted, context.out.paint));
      },
    );

  data
    .command('list')
    .description('list the datasets that this node offers')
    .action(async (_options: object, self: Command) => {
      const options = globals(self, context);
      const datasets = await context.engine.listDatasets((await loadConfig(options.dir)).data.dir);
      answer(context, options, datasets, () => renderDatasets(datasets, context.out.paint));
    });

  data
    .command('check')
    .description('read the data and run every rule of its contract, as before a task')
    .argument('[id]', 'one dataset (default: all)')
    .action(async (id: string | undefined, _options: object, self: Command) => {
      const options = globals(self, context);
      const checked = await context.engine.checkDatasets((await loadConfig(options.dir)).data.dir, id);
      if (checked.some(({ checks }) => checks.some(({ ok }) => !ok))) context.exitCode = EXIT.unverified;
      answer(context, options, checked, () => renderChecks(checked, context.out.paint));
    });

  data
    .command('budget')
    .description('show how much of its privacy budget each dataset has left')
    .action(async (_options: object, self: Command) => {
      const options = globals(self, context);
      const budgets = await context.engine.listBudgets(await loadConfig(options.dir));
      answer(context, options, budgets, () => renderBudgets(budgets, context.out.paint));
    });

  data
    .command('keys')
    .description('count what a task would find that matches rows by a key; nothing leaves this node')
    .argument('<id>', 'dataset')
    .option('--column <name>', 'column of the key; again with another rule for a key of several columns', collect, [])
    .option('--rule <rule>', `how it becomes comparable: ${KEY_RULES.join(', ')}`, collect, [])
    .option('--calling-code <digits>', 'calling code of phone numbers that are written without one, e.g. 49')
    .action(async (id: string, given: { column: string[]; rule: string[]; callingCode?: string }, self: Command) => {
      const options = globals(self, context);
      const key = keyOf(given);
      const config = await loadConfig(options.dir);
      const checked = await context.engine.checkKeys(config.data.dir, id, key);
      answer(context, options, { id: checked.id, key, report: checked.report }, () =>
        renderKey(checked, key, context.out.paint),
      );
    });
}

const collect = (value: string, before: string[]) => [...before, value];

function keyOf({ column, rule, callingCode }: { column: string[]; rule: string[]; callingCode?: string }): KeyType {
  if (column.length === 0 || column.length !== rule.length) throw usage('give one --rule for each --column');
  const fields = column.map((name, i) => ({
    column: name,
    rule: rule[i],
    ...(rule[i] === 'e164/v1' && callingCode !== undefined ? { callingCode } : {}),
  }));
  const parsed = KeyType.safeParse([fields]);
  if (!parsed.success) throw usage(`no such column name, rule or calling code; rules are ${KEY_RULES.join(', ')}`);
  return parsed.data;
}

const usage = (message: string) =>
  new NodeError('USAGE_BAD_ARGUMENTS', message, { fault: 'caller', fix: '2pm data keys --help' });

function renderKey({ id, report }: KeyCheck, key: KeyType, paint: Paint): string {
  const [pass] = report.passes;
  if (pass === undefined) return '';
  const by = key.flat().map(({ column, rule }) => `${plain(column)} ${paint.dim(rule)}`);
  const line = (count: number, what: string, note = '') => {
    const figure = count.toLocaleString('en');
    const width = report.rows.toLocaleString('en').length;
    return `  ${pad(count === 0 ? paint.dim(figure) : figure, width, 'right')}  ${what}${count === 0 || note === '' ? '' : `  ${paint.dim(note)}`}\n`;
  };
  return [
    `${paint.bold(plain(id))} by ${by.join(' and ')}\n`,
    line(report.rows, 'rows'),
    line(pass.nulls, 'without a value', 'empty, or a placeholder such as n/a'),
    line(pass.invalid, 'that the rule cannot read', 'they never match'),
    line(
      pass.duplicates,
      'that share a key with an earlier row',
      "a task may ask for none, the 'first', or to 'drop' all",
    ),
    line(pass.distinct, paint.green('keys')),
    ...report.warnings.map((warning) => `  ${paint.yellow('!')} ${plain(warning)}\n`),
  ].join('');
}

function renderDraft({ dataset, file }: { dataset: DatasetView; file: string }, paint: Paint): string {
  return `${paint.green('✓')} drafted ${paint.bold(plain(dataset.id))} as table ${paint.bold(plain(dataset.table))}\n${renderColumns(dataset, paint)}\n  ${paint.dim('next')}  read and edit ${file}: it says what may be computed\n        2pm data check ${plain(dataset.id)}\n`;
}

function renderColumns({ columns }: DatasetView, paint: Paint): string {
  return renderTable(
    [{ title: 'column' }, { title: 'type' }],
    columns.map(({ name, type }) => [plain(name), type]),
    paint,
  );
}

function renderDatasets(datasets: readonly DatasetView[], paint: Paint): string {
  if (datasets.length === 0) return '  no datasets yet: `2pm data add FILE` drafts the first contract\n';
  return renderTable(
    [
      { title: 'id' },
      { title: 'table' },
      { title: 'version' },
      { title: 'source' },
      { title: 'columns', align: 'right' },
    ],
    datasets.map(({ id, table, version, source, columns }) => [
      plain(id),
      plain(table),
      plain(version),
      plain(source),
      String(columns.length),
    ]),
    paint,
  );
}

function renderBudgets(budgets: readonly DatasetBudget[], paint: Paint): string {
  if (budgets.length === 0) return '  no datasets yet: `2pm data add FILE` drafts the first contract\n';
  const table = renderTable(
    [
      { title: 'id' },
      { title: 'ε spent', align: 'right' },
      { title: 'of', align: 'right' },
      { title: 'left', align: 'right' },
    ],
    budgets.map(({ id, spent, total, left }) => [
      plain(id),
      String(spent),
      total === null ? paint.dim('none') : String(total),
      left > 0 ? String(left) : paint.dim('0'),
    ]),
    paint,
  );
  return `${table}  ${paint.dim('the ε of all tasks add up, and nothing is given back')}\n`;
}

function renderChecks(checked: readonly DatasetCheck[], paint: Paint): string {
  if (checked.length === 0) return '  no datasets to check\n';
  return checked
    .map(({ id, checks }) => {
      const lines = checks.map(({ name, ok, message, fix }) =>
        [
          `  ${ok ? paint.green('✓') : paint.red('✗')} ${plain(name)}${message === undefined ? '' : `  ${paint.dim(plain(message))}`}\n`,
          ok || fix === undefined ? '' : `    ${paint.cyan('→')} ${plain(fix)}\n`,
        ].join(''),
      );
      return `${paint.bold(plain(id))}\n${lines.join('')}`;
    })
    .join('');
}
