/** `2pm task submit`, `check`, `watch`: send a program and follow its task to the end. @module */
import { readFile } from 'node:fs/promises';
import { isNodeError, NodeError, NodeId, type TaskId } from '@2pm/core';
import { FINAL_PHASES, type SubmitInput, type TaskResult, type TaskView } from '@2pm/core/api';
import type { NodeClient } from '@2pm/sdk';
import { type Command, Option } from 'commander';
import {
  answer,
  type Context,
  clientOf,
  type GlobalOptions,
  globals,
  parseTaskId,
  untilInterrupted,
  wasInterrupted,
} from './context.ts';
import { exitCodeOfPhase } from './exit.ts';
import { duration, nodeNames, roles } from './options.ts';
import { renderCheck } from './render/check.ts';
import { TaskProgress } from './render/progress.ts';
import { renderResult } from './render/result.ts';
import { renderTask } from './render/task.ts';

interface AskOptions {
  purpose: string;
  role?: Record<string, string[]>;
  seats?: string[];
  protocol?: string;
  security: 'semi-honest' | 'malicious';
}

interface SubmitOptions extends AskOptions {
  joinWithin: number;
  settleWithin: number;
  detach: boolean;
}

export function registerSubmit(task: Command, context: Context): void {
  asking(task.command('submit'))
    .description('ask the peers to run a program, and follow it to its result')
    .option('--join-within <time>', 'how long to wait for consents', duration, 60)
    .option('--settle-within <time>', 'when it must be over', duration, 900)
    .option('--detach', 'return as soon as the task stands on the chain', false)
    .action(async (path: string, options: SubmitOptions, self: Command) => {
      const global = globals(self, context);
      const program = await readProgram(path);
      const client = await clientOf(global);
      const taskId = await client.submit({
        ...(await requestOf(client, program, options)),
        joinWithinSeconds: options.joinWithin,
        settleWithinSeconds: options.settleWithin,
      });
      if (options.detach) {
        answer(context, global, { taskId }, () => `${taskId}\n`);
        return;
      }
      context.err.write(`task ${taskId}\n`);
      await follow(client, taskId, global, context);
    });

  asking(task.command('check'))
    .description('ask the peers what they would say to a program: by their policies, without data, and off the chain')
    .action(async (path: string, options: AskOptions, self: Command) => {
      const global = globals(self, context);
      const program = await readProgram(path);
      const client = await clientOf(global);
      const check = await client.check(await requestOf(client, program, options));
      context.exitCode = check.starts ? 0 : 5;
      answer(context, global, check, () => renderCheck(check, context.out.paint));
    });

  task
    .command('watch')
    .description('follow a task to its end; with --json, one update a line')
    .argument('<id>')
    .action(async (id: string, _options: object, self: Command) => {
      const global = globals(self, context);
      const client = await clientOf(global);
      if (global.json) await stream(client, parseTaskId(id), context);
      else await follow(client, parseTaskId(id), global, context);
    });
}

/** What `submit` and `check` take alike. */
function asking(command: Command): Command {
  return command
    .argument('<program>', 'TypeScript file that exports defineTask({ … })')
    .requiredOption('--purpose <text>', 'why, in words that the data holders will read')
    .option(
      '--role <role=nodes>',
      'nodes of a role by id or organisation, bank=acme,north; repeat for more (default: every peer with data)',
      roles,
    )
    .option(
      '--seats <nodes>',
      'the computing parties, by id or organisation, a dealer last (default: chosen, the invited first)',
      nodeNames,
    )
    .addOption(
      new Option('--security <model>', 'what the computing parties must withstand')
        .choices(['semi-honest', 'malicious'])
        .default('semi-honest'),
    )
    .option('--protocol <id>', 'protocol between the computing parties (default: by security and seats)');
}

/** Who is asked, and for what, as `submit` and `check` say it alike. */
async function requestOf(client: NodeClient, program: string, options: AskOptions): Promise<SubmitInput> {
  const named = [...Object.values(options.role ?? {}), options.seats ?? []].flat();
  const idOf = await nodesByName(client, named);
  const roles = Object.entries(options.role ?? {}).map(([role, names]) => [role, names.map(idOf)] as const);
  return {
    program,
    purpose: options.purpose,
    roles: Object.fromEntries(roles),
    ...(options.seats === undefined ? {} : { seats: options.seats.map(idOf) }),
    ...(options.protocol === undefined ? {} : { protocol: options.protocol }),
    security: options.security,
  };
}

/** Ids as they are; a name of an organisation is that of its one node. @throws {NodeError} `USAGE_NO_NODE`. */
async function nodesByName(client: NodeClient, names: readonly string[]): Promise<(name: string) => NodeId> {
  const asIs = (name: string) => NodeId.safeParse(name.toLowerCase()).data;
  const peers = names.every((name) => asIs(name) !== undefined) ? [] : await client.peers();
  return (name) => {
    const id = asIs(name);
    if (id !== undefined) return id;
    const [peer, ...others] = peers.filter(({ org }) => org.toLowerCase() === name.toLowerCase());
    if (peer !== undefined && others.length === 0) return peer.node;
    const problem = peer === undefined ? 'no node of' : 'several nodes of';
    throw new NodeError('USAGE_NO_NODE', `there is ${problem} "${name}"`, {
      fault: 'caller',
      fix: '`2pm peers` lists nodes and organisations; name one by its id',
    });
  };
}

/** @throws {NodeError} `USAGE_NO_PROGRAM`. */
export async function readProgram(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new NodeError('USAGE_NO_PROGRAM', `cannot read the program ${path}`, {
      fault: 'caller',
      fix: 'name the TypeScript file of the task',
      cause,
    });
  }
}

/** Progress on stderr until the end, then the whole story as the answer. */
async function follow(client: NodeClient, taskId: TaskId, global: GlobalOptions, context: Context): Promise<void> {
  const progress = new TaskProgress(context.err);
  const { signal, done } = untilInterrupted(context);
  try {
    for await (const update of client.updates(taskId, { signal })) progress.update(update);
  } catch (error) {
    if (wasInterrupted(error)) context.err.write(`\nthe task goes on: \`2pm task watch ${taskId}\` follows it again\n`);
    throw error;
  } finally {
    progress.end();
    done();
  }
  const view = await client.task(taskId);
  const result = view.phase === 'settled' ? await resultIfMine(client, taskId) : undefined;
  context.exitCode = exitCodeOfPhase(view.phase);
  answer(context, global, { ...view, ...(result === undefined ? {} : { result: result.result }) }, () =>
    told(view, result, context),
  );
}

async function stream(client: NodeClient, taskId: TaskId, context: Context): Promise<void> {
  const { signal, done } = untilInterrupted(context);
  try {
    for await (const update of client.updates(taskId, { signal })) context.out.write(`${JSON.stringify(update)}\n`);
  } finally {
    done();
  }
  const { phase } = await client.task(taskId);
  context.exitCode = exitCodeOfPhase(phase);
}

/** Who only took part learns nothing. */
async function resultIfMine(client: NodeClient, taskId: TaskId): Promise<TaskResult | undefined> {
  try {
    return await client.result(taskId);
  } catch (error) {
    if (isNodeError(error, 'TASK_NOT_RECIPIENT')) return undefined;
    throw error;
  }
}

function told(view: TaskView, result: TaskResult | undefined, { out }: Context): string {
  const ended = FINAL_PHASES.includes(view.phase) ? '' : `\n  still ${view.phase}: the node stopped telling\n`;
  const opened = result === undefined ? '' : `\n  ${out.paint.bold('Result')}\n${renderResult(result.result, out)}`;
  return `\n${renderTask(view, out.paint)}${opened}${ended}`;
}
