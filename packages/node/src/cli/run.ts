/** The command line `2pm`: parse, call, render. @module */
import type { EventEmitter } from 'node:events';
import { isNodeError, NodeError, publicError } from '@2pm/core';
import { Command, CommanderError } from 'commander';
import { registerConfig } from './config.ts';
import type { Context } from './context.ts';
import { registerData } from './data.ts';
import { registerDoctor } from './doctor.ts';
import type { Engine } from './engine.ts';
import { EXIT, exitCodeOf } from './exit.ts';
import { registerInit } from './init.ts';
import { registerLeave } from './leave.ts';
import { registerPeers } from './peers.ts';
import { renderError } from './render/error.ts';
import { terminal } from './render/terminal.ts';
import { registerStatus } from './status.ts';
import { registerTask } from './task.ts';
import { registerUp } from './up.ts';
import { VERSION } from './version.ts';

export interface CliOptions {
  engine: Engine;
  stdin?: NodeJS.ReadableStream;
  stdout?: NodeJS.WritableStream;
  stderr?: NodeJS.WritableStream;
  env?: NodeJS.ProcessEnv;
  signals?: EventEmitter;
}

/** @param argv Without the interpreter and the script. @returns the exit code (see exit.ts); throws nothing. */
export async function runCli(
  argv: readonly string[],
  {
    engine,
    stdin = process.stdin,
    stdout = process.stdout,
    stderr = process.stderr,
    env = process.env,
    signals = process,
  }: CliOptions,
): Promise<number> {
  const context: Context = {
    out: terminal(stdout, env),
    err: terminal(stderr, env),
    stdin,
    env,
    engine,
    now: Date.now,
    signals,
    exitCode: EXIT.ok,
  };
  const json = argv.includes('--json');
  try {
    await commands(context, json).parseAsync(argv, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok;
      if (json) {
        const message = error.message.replace(/^error: /, '');
        context.out.write(
          `${JSON.stringify({ error: { code: 'USAGE_BAD_ARGUMENTS', message, fault: 'caller', retryable: false } })}\n`,
        );
      }
      return EXIT.usage;
    }
    const failure = asNodeError(error);
    // A person at the node's own console may read what a peer may not.
    if (json) context.out.write(`${JSON.stringify({ error: publicError(failure) })}\n`);
    else context.err.write(renderError(failure, context.err.paint));
    return exitCodeOf(failure);
  }
}

function asNodeError(error: unknown): NodeError {
  if (isNodeError(error)) return error;
  if (error instanceof Error && 'syscall' in error) {
    return new NodeError('NODE_SYSTEM', error.message, {
      fault: 'caller',
      fix: 'check the path, its permissions, and the free space',
    });
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new NodeError('NODE_INTERNAL', 'an error of the program itself', {
    fault: 'node',
    privateDetail: detail.split('\n').slice(0, 3).join(' '),
  });
}

function commands(context: Context, json: boolean): Command {
  const program = new Command('2pm')
    .description('Compute together on data that nobody may show.')
    .version(VERSION, '-V, --version')
    .option('--dir <dir>', "the node's directory (default: $TWOPM_DIR or ~/.2pm)")
    .option('--json', 'print one JSON document', false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.out.write(text),
      writeErr: (text) => context.err.write(text),
      outputError: (text, write) => {
        if (!json) write(`${context.err.paint.red('✗')} ${text.replace(/^error: /, '')}`);
      },
    })
    .showHelpAfterError('  `2pm --help` and `2pm COMMAND --help` list what there is')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 unreachable, 5 refused by policy,\n            6 aborted by a peer, 7 verification failed',
    );
  registerInit(program, context);
  registerUp(program, context);
  registerLeave(program, context);
  registerStatus(program, context);
  registerPeers(program, context);
  registerData(program, context);
  registerTask(program, context);
  registerConfig(program, context);
  registerDoctor(program, context);
  return program;
}
