/** `2pm task`: everything about tasks but the waiting (submit.ts). @module */
import { readFile, writeFile } from 'node:fs/promises';
import { NodeError } from '@2pm/core';
import type { TaskView } from '@2pm/core/api';
import type { Command } from 'commander';
import { answer, type Context, clientOf, globals, parseTaskId, untilInterrupted } from './context.ts';
import { holder, members } from './options.ts';
import { renderExplanation } from './render/explanation.ts';
import { mark } from './render/progress.ts';
import { renderResult } from './render/result.ts';
import { renderTable } from './render/table.ts';
import { renderLearns, renderTask } from './render/task.ts';
import { type Paint, plain } from './render/terminal.ts';
import { bytes, milliseconds, quantity } from './render/units.ts';
import { readProgram, registerSubmit } from './submit.ts';

export function registerTask(program: Command, context: Context): void {
  const task = program.command('task').description('run programs on the data of others, and look after them');
  registerExplain(task, context);
  registerSimulate(task, context);
  registerSubmit(task, context);
  const { out } = context;

  task
    .command('list')
    .description('list the tasks that this node knows')
    .action(async (_options: object, self: Command) => {
      const global = globals(self, context);
      const views = await (await clientOf(global)).tasks();
      answer(context, global, views, () => renderTasks(views, out.paint));
    });
  task
    .command('status')
    .description('show where a task stands, or list all')
    .argument('[id]')
    .action(async (id: string | undefined, _options: object, self: Command) => {
      const global = globals(self, context);
      const client = await clientOf(global);
      if (id === undefined) {
        const views = await client.tasks();
        answer(context, global, views, () => renderTasks(views, out.paint));
      } else {
        const view = await client.task(parseTaskId(id));
        answer(context, global, view, () => renderTask(view, out.paint));
      }
    });
  task
    .command('result')
    .description('show the result of a settled task')
    .argument('<id>')
    .action(async (id: string, _options: object, self: Command) => {
      const global = globals(self, context);
      const result = await (await clientOf(global)).result(parseTaskId(id));
      answer(
        context,
        global,
        result,
        () => `${out.paint.bold(plain(result.name))}\n${renderResult(result.result, out)}`,
      );
    });
  task
    .command('receipt')
    .description('save the receipt of a settled task, which anyone can verify offline; it holds the result')
    .argument('<id>')
    .requiredOption('-o, --output <file>', 'file to write')
    .action(async (id: string, { output }: { output: string }, self: Command) => {
      const global = globals(self, context);
      const receipt = await (await clientOf(global)).receipt(parseTaskId(id));
      await writeFile(output, receipt, { mode: 0o600 });
      answer(
        context,
        global,
        { file: output, bytes: receipt.length },
        () => `${out.paint.green('✓')} ${output}  ${bytes(receipt.length)}\n`,
      );
    });
  task
    .command('verify')
    .description('check a receipt with nothing but itself: no node, no chain')
    .argument('<file>')
    .action(async (file: string, _options: object, self: Command) => {
      const global = globals(self, context);
      const verified = await context.engine.verifyReceipt(await readReceipt(file));
      answer(context, global, verified, () => {
        const { members, chainId, settlement } = verified;
        return [
          `${out.paint.green('✓')} ${out.paint.bold(plain(verified.name))}: the receipt holds\n  ${plain(verified.purpose)}\n`,
          `  ${members.length} members consented and attested:\n${members.map((node) => `    ${node}\n`).join('')}`,
          `  coordinator ${verified.coordinator}\n`,
          `\n  ${out.paint.bold('Result')}\n${renderResult(verified.result, out)}`,
          `\n  ${out.paint.dim(`Not checked offline: that chain ${chainId} holds the settlement, block ${settlement.block}, ${plain(settlement.tx)}.`)}\n`,
        ].join('');
      });
    });
  task
    .command('abort')
    .description('give up a task that this node coordinates')
    .argument('<id>')
    .action(async (id: string, _options: object, self: Command) => {
      const global = globals(self, context);
      const view = await (await clientOf(global)).abort(parseTaskId(id));
      answer(context, global, view, () => renderTask(view, out.paint));
    });
}

function registerExplain(task: Command, context: Context): void {
  task
    .command('explain')
    .description('say what a program computes, what everyone learns and what it costs, without running it')
    .argument('<program>', 'TypeScript file that exports defineTask({ … })')
    .option('--members <role=count>', 'how many take part in a role; repeat for each (default: the fewest)', members)
    .action(async (path: string, options: { members?: Record<string, number> }, self: Command) => {
      const global = globals(self, context);
      const program = await readProgram(path);
      const { signal, done } = untilInterrupted(context);
      try {
        const explanation = await context.engine.explain({ program, members: options.members ?? {}, signal });
        answer(context, global, explanation, () => renderExplanation(explanation, context.out.paint));
      } finally {
        done();
      }
    });
}

function registerSimulate(task: Command, context: Context): void {
  task
    .command('simulate')
    .description('run a program on files of your own, all parties in this process, with the real protocols')
    .argument('<program>', 'TypeScript file that exports defineTask({ … })')
    .requiredOption(
      '--data <table=file>',
      'the tables of one holder; repeat for each holder, in the order of the roles',
      holder,
    )
    .action(async (path: string, { data }: { data: Record<string, string>[] }, self: Command) => {
      const global = globals(self, context);
      const { out } = context;
      const program = await readProgram(path);
      const { signal, done } = untilInterrupted(context);
      try {
        const simulation = await context.engine.simulate({ program, holders: data, signal });
        answer(context, global, simulation, () => {
          const cost = [
            milliseconds(simulation.milliseconds),
            `${quantity(simulation.rounds)} rounds`,
            bytes(simulation.bytes),
          ];
          return [
            `${out.paint.bold(plain(simulation.name))}\n${renderResult(simulation.result, out)}`,
            ...simulation.kept.map(
              ({ name, role, rows, delivered }) =>
                `  ${plain(role)} keeps ${quantity(rows)} rows of "${plain(name)}"${
                  delivered.length === 0 ? '' : `, with ${plain(delivered.join(', '))}; their values are not shown here`
                }\n`,
            ),
            renderLearns(simulation.learns, out.paint),
            `\n  ${out.paint.bold('Cost')}  ${cost.join(' · ')}\n`,
          ].join('');
        });
      } finally {
        done();
      }
    });
}

/** @throws {NodeError} `USAGE_NO_RECEIPT`. */
async function readReceipt(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new NodeError('USAGE_NO_RECEIPT', `cannot read the receipt ${path}`, {
      fault: 'caller',
      fix: 'name the file that `2pm task receipt ID -o FILE` wrote',
      cause,
    });
  }
}

function renderTasks(views: readonly TaskView[], paint: Paint): string {
  if (views.length === 0) return '  no tasks yet\n';
  return renderTable(
    [{ title: '  task' }, { title: 'phase' }, { title: 'parties', align: 'right' }, { title: 'id' }],
    views.map(({ taskId, name, phase, members }) => [
      `${mark(phase, paint)} ${plain(name)}`,
      phase,
      String(members.length),
      taskId,
    ]),
    paint,
  );
}
