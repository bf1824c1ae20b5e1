/**
 * The engine in a child process: a crash, an abort or a runaway of the native library ends one job, not the node. One
 * job runs at a time, others wait in order; the child stays warm between them and is replaced when it dies.
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { NodeError } from '@2pm/core';
import type { Records } from '@2pm/crypto/wasm';
import type { Engine, EngineFailure, EngineLimits, ResultTable } from './engine.ts';
import { engineError } from './engine.ts';

const KILL_AFTER_MS = 2_000;

interface Reply {
  id: number;
  value?: unknown;
  failure?: EngineFailure;
}

const died = (detail: string) =>
  new NodeError('DATA_ENGINE_DIED', 'the process of the local engine died', {
    fault: 'data',
    retryable: true,
    fix: 'look at the log of this node: the data file may be damaged, or memory ran out',
    privateDetail: detail,
  });

export interface ChildEngine extends Engine {
  readonly pid: number | undefined;
  /** Starts the process now, so that the first job need not wait until it has loaded. */
  start(): void;
}

export function childEngine(limits: EngineLimits): ChildEngine {
  let child: ChildProcess | undefined;
  let nextId = 1;
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();

  function warm(): ChildProcess {
    if (closed) throw new NodeError('DATA_ENGINE_CLOSED', 'the local engine is closed', { fault: 'node' });
    if (child?.connected && child.exitCode === null && child.signalCode === null) return child;
    const fresh = fork(fileURLToPath(new URL('./child.js', import.meta.url)), {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${limits.heapMb}`],
      // No secret of the node's environment reaches the process that parses data files.
      env: {},
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    fresh.stderr?.resume();
    // A warm child alone does not keep the node running.
    if (fresh.stderr !== null && 'unref' in fresh.stderr) (fresh.stderr as Socket).unref();
    fresh.unref();
    fresh.channel?.unref();
    child = fresh;
    return fresh;
  }

  /** One request and its reply, or the death of the child. */
  function exchange(process: ChildProcess, request: Record<string, unknown>): Promise<unknown> {
    const id = nextId++;
    return new Promise((resolve, reject) => {
      let stderr = '';
      const onStderr = (bytes: Buffer) => {
        stderr = (stderr + bytes.toString()).slice(-2_000);
      };
      const onMessage = (reply: Reply) => {
        if (reply.id !== id) return;
        done();
        if (reply.failure === undefined) resolve(reply.value);
        else reject(engineError(reply.failure));
      };
      const onExit = (code: number | null, signal: string | null) => {
        done();
        reject(died(`exit ${signal ?? code}: ${stderr}`));
      };
      const done = () => {
        process.off('message', onMessage);
        process.off('exit', onExit);
        process.stderr?.off('data', onStderr);
        process.unref();
        process.channel?.unref();
      };
      process.ref();
      process.channel?.ref();
      process.on('message', onMessage);
      process.on('exit', onExit);
      process.stderr?.on('data', onStderr);
      process.send({ ...request, id }, (error) => {
        if (error) {
          done();
          reject(died(error.message));
        }
      });
    });
  }

  /** Runs `work` when its turn comes, with interrupt and then SIGKILL at abort or at the end of the wall time. */
  function enqueue<T>(signal: AbortSignal | undefined, work: (process: ChildProcess) => Promise<T>): Promise<T> {
    const run = last.then(async () => {
      signal?.throwIfAborted();
      const process = warm();
      let expired = false;
      let killer: NodeJS.Timeout | undefined;
      const stop = () => {
        if (process.connected) process.send({ kind: 'interrupt' }, () => {});
        killer ??= setTimeout(() => process.kill('SIGKILL'), KILL_AFTER_MS);
      };
      const timer = setTimeout(() => {
        expired = true;
        stop();
      }, limits.wallMs);
      signal?.addEventListener('abort', stop);
      try {
        return await work(process);
      } catch (error) {
        signal?.throwIfAborted();
        if (expired) throw engineError({ kind: 'interrupt', detail: `after ${limits.wallMs} ms` });
        throw error;
      } finally {
        clearTimeout(timer);
        clearTimeout(killer);
        signal?.removeEventListener('abort', stop);
      }
    });
    last = run.catch(() => {});
    return run;
  }

  return {
    get pid() {
      return child?.pid;
    },
    start: () => void warm(),
    query: ({ statements, files }, { signal }) =>
      enqueue(
        signal,
        (process) => exchange(process, { kind: 'query', limits, files, statements }) as Promise<ResultTable[]>,
      ),
    records: ({ statement, shape, files }, { signal }) =>
      enqueue(
        signal,
        (process) => exchange(process, { kind: 'records', limits, files, statement, shape }) as Promise<Records>,
      ),
    append: ({ columns, target }, batches, { signal }) =>
      enqueue(signal, async (process) => {
        await exchange(process, { kind: 'append-begin', limits, files: [target], columns });
        try {
          for await (const batch of batches) {
            signal?.throwIfAborted();
            await exchange(process, { kind: 'append-batch', batch });
          }
        } catch (error) {
          // The source failed: the child forgets the rows it has.
          if (process.connected) await exchange(process, { kind: 'abandon' }).catch(() => {});
          throw error;
        }
        return (await exchange(process, { kind: 'append-end', target })) as number;
      }),
    async close() {
      closed = true;
      const process = child;
      if (process !== undefined && process.exitCode === null && process.signalCode === null) {
        const exited = new Promise((resolve) => process.once('exit', resolve));
        process.ref();
        process.kill('SIGKILL');
        await exited;
      }
      await rm(limits.tempDirectory, { recursive: true, force: true });
    },
  };
}
