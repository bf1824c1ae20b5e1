/** What every command has at hand. @module */
import type { EventEmitter } from 'node:events';
import type { ReadStream } from 'node:tty';
import { isNodeError, NodeError, type TaskId, TaskId as TaskIdSchema } from '@2pm/core';
import { connect, type NodeClient } from '@2pm/sdk';
import type { Command } from 'commander';
import { nodeDirectory } from '../config/layout.ts';
import { loadConfig, type NodeConfig, readApiToken } from '../config/load.ts';
import { readRunning } from '../config/lock.ts';
import type { Engine } from './engine.ts';
import type { Terminal } from './render/terminal.ts';

export interface Context {
  /** Results. */
  out: Terminal;
  /** Progress, questions, errors. */
  err: Terminal;
  stdin: ReadStream | NodeJS.ReadableStream;
  env: NodeJS.ProcessEnv;
  engine: Engine;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Where SIGINT and SIGTERM are heard: the process. */
  signals: EventEmitter;
  /** Set by a command whose answer is bad news without being an error. */
  exitCode: number;
}

export interface GlobalOptions {
  /** Absolute. */
  dir: string;
  json: boolean;
}

export function globals(command: Command, { env }: Context): GlobalOptions {
  const { dir, json } = command.optsWithGlobals<{ dir?: string; json?: boolean }>();
  return { dir: nodeDirectory(dir, env), json: json === true };
}

/** The answer of a command: one JSON document, or the same for people. */
export function answer(context: Context, { json }: GlobalOptions, value: unknown, human: () => string): void {
  context.out.write(json ? `${JSON.stringify(value, null, 2)}\n` : human());
}

/** A client of the node in the directory, whether or not it is up. */
export async function clientOf({ dir }: GlobalOptions): Promise<NodeClient> {
  const config = await loadConfig(dir);
  return connect({ url: apiUrl(config), token: await readApiToken(config.layout) });
}

export function apiUrl(config: NodeConfig): string {
  const { host, port } = config.api;
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return readRunning(config.layout)?.api ?? `http://${name}:${port}`;
}

/** @throws {NodeError} `USAGE_BAD_TASK_ID`. */
export function parseTaskId(text: string): TaskId {
  const parsed = TaskIdSchema.safeParse(text.toLowerCase());
  if (parsed.success) return parsed.data;
  throw new NodeError('USAGE_BAD_TASK_ID', `${text} is no task id`, {
    fault: 'caller',
    fix: 'copy it whole (0x and 64 digits) from `2pm task list`',
  });
}

/** Fires at Ctrl-C, for commands that only watch. */
export function untilInterrupted({ signals }: Context): { signal: AbortSignal; done: () => void } {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new NodeError('USAGE_INTERRUPTED', 'interrupted', { fault: 'caller' }));
  signals.once('SIGINT', interrupt);
  return { signal: controller.signal, done: () => void signals.removeListener('SIGINT', interrupt) };
}

export function wasInterrupted(error: unknown): boolean {
  return isNodeError(error, 'USAGE_INTERRUPTED');
}
