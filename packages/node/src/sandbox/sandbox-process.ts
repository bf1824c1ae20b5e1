/**
 * Traces programs in child processes: a program that hangs, allocates or breaks its interpreter costs a child, never the
 * node. Each program gets a WebAssembly instance of its own; a child in which one hit a limit is ended, and the next is
 * started before it is needed. What a child says is checked here.
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Plan, parse } from '@2pm/core';
import { ProgramError, readPlan } from '@2pm/program';
import { z } from 'zod';

export interface SandboxOptions {
  /** Wall time that one program may take, from the moment its child is warm. */
  timeoutMs?: number;
}

export interface ProgramSandbox {
  /**
   * One at a time, in order of arrival.
   * @throws {ProgramError} `PROGRAM_*` with the line; `PROGRAM_LIMIT` when the child had to be killed or died.
   */
  traceProgram(source: Uint8Array, options?: { signal?: AbortSignal }): Promise<Plan>;
  /** Ends the warm child; what is being traced is refused. */
  close(): void;
}

const Reply = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({
    type: z.literal('plan'),
    head: z.string(),
    words: z.instanceof(Uint32Array),
    bounds: z.instanceof(BigInt64Array),
  }),
  z.strictObject({
    type: z.literal('error'),
    code: z.string().regex(/^[A-Z_]{1,64}$/),
    message: z.string().max(2_000),
    line: z.number().int().nonnegative(),
    fix: z.string().max(1_000).optional(),
  }),
]);
type Reply = z.infer<typeof Reply>;

/** Run from sources (in tests), the child is the one that was built: Node 20 does not strip types. */
const CHILD = new URL(import.meta.url.endsWith('.ts') ? '../../dist/sandbox/child.js' : './child.js', import.meta.url);
const START_TIMEOUT_MS = 30_000;

export function createSandbox({ timeoutMs = 2_000 }: SandboxOptions = {}): ProgramSandbox {
  let warm: Worker | undefined = startWorker();
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();
  const closing = new AbortController();

  async function trace(source: Uint8Array, given: AbortSignal | undefined): Promise<Plan> {
    const signal = given === undefined ? closing.signal : AbortSignal.any([given, closing.signal]);
    signal.throwIfAborted();
    const worker = warm ?? startWorker();
    warm = undefined;
    let clean = false;
    try {
      const reply = await worker.ask(source, timeoutMs, signal);
      clean = reply.type === 'plan' || (reply.type === 'error' && reply.code !== 'PROGRAM_LIMIT');
      if (reply.type === 'plan') return readPlan(reply);
      if (reply.type === 'error') throw asProgramError(reply);
      throw died();
    } finally {
      if (!clean || closed) worker.kill();
      if (!closed) warm = clean ? worker : startWorker();
    }
  }

  return {
    traceProgram(source, options) {
      const result = last.then(() => trace(source, options?.signal));
      last = result.catch(() => undefined);
      return result;
    },
    close() {
      closed = true;
      warm?.kill();
      warm = undefined;
      closing.abort(died());
    },
  };
}

interface Worker {
  /** Waits until the child is warm, then at most `timeoutMs` for its answer. */
  ask(source: Uint8Array, timeoutMs: number, signal: AbortSignal): Promise<Reply>;
  kill(): void;
}

function startWorker(): Worker {
  const child = fork(fileURLToPath(CHILD), [], {
    env: {},
    execArgv: [...restrictions(), '--max-old-space-size=128'],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let heard: unknown[] = [];
  let gone = false;
  let warm = false;
  let wake: () => void = () => undefined;
  child.on('message', (message) => {
    // One message at a time is all that a child has to say.
    if (heard.length === 0) heard.push(message);
    wake();
  });
  const onEnd = () => {
    gone = true;
    wake();
  };
  child.once('exit', onEnd).once('error', onEnd);
  release(child);

  async function next(timeoutMs: number, signal: AbortSignal): Promise<Reply> {
    let expired = false;
    const timer = setTimeout(() => {
      expired = true;
      wake();
    }, timeoutMs);
    const onAbort = () => wake();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (heard.length === 0) {
        signal.throwIfAborted();
        if (gone) throw died();
        if (expired) throw limit(`it took longer than ${timeoutMs} ms`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return parse(heard.shift(), Reply, 'the reply of the sandbox');
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  return {
    async ask(source, timeoutMs, signal) {
      // While it works, this process must wait for it.
      child.ref();
      child.channel?.ref();
      try {
        if (!warm) await next(START_TIMEOUT_MS, signal);
        warm = true;
        heard = [];
        child.send(source, () => undefined);
        return await next(timeoutMs, signal);
      } finally {
        release(child);
      }
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
}

function release(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

/** Node's permission model as a second fence: no writing, no processes, no threads, no addons. */
function restrictions(): string[] {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
  return [flag, '--allow-fs-read=*', '--no-warnings'];
}

function asProgramError(reply: Extract<Reply, { type: 'error' }>): ProgramError {
  const said = reply.message.replace(/^line \d+: /, '');
  return new ProgramError(reply.code, said, { line: reply.line, fix: reply.fix });
}

function died(): ProgramError {
  return limit('its sandbox ended, most likely for want of memory');
}

function limit(what: string): ProgramError {
  return new ProgramError('PROGRAM_LIMIT', `tracing was stopped: ${what}`, {
    line: 0,
    fix: 'A program only describes the computation; keep loops over data out of it',
  });
}
