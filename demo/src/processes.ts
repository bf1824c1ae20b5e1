/** Runs `2pm` as a person would: each node a process of its own, started and stopped by the command line. @module */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../packages/node/bin/2pm.js', import.meta.url));
const START_MS = 30_000;
const MAX_LOG = 1 << 20;
const running = new Set<ChildProcess>();

export interface Outcome {
  /** Null where a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** One command to its end, whatever that is; as a person would see it, without a terminal. */
export async function run(...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** One command to its end; its JSON answer. Throws what it printed when it fails. */
export async function twopm(dir: string, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await run(...args, '--dir', dir, '--json');
  if (code !== 0 || stdout === '') throw new Error(`2pm ${args.join(' ')} ended with code ${code}\n${stdout}${stderr}`);
  return JSON.parse(stdout);
}

export interface NodeProcess {
  readonly pid: number;
  readonly api: string;
  /** What it has logged so far. */
  log(): string;
  /** SIGTERM, then wait. */
  stop(): Promise<void>;
  /** kill -9: nothing is flushed, nobody is told. */
  kill(): Promise<void>;
}

/** Whatever happens, nothing stays behind. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => end(child, 'SIGTERM')));
}

/** Leaves what runs to run on after this process. */
export function letGo(): void {
  for (const child of running) {
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
  }
  running.clear();
}

process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM');
});

/** `2pm up`, until it says where its API answers. */
export async function up(dir: string): Promise<NodeProcess> {
  const child = spawn(process.execPath, [CLI, 'up', '--dir', dir, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let errors = '';
  const log = () => errors;
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = `${errors}${chunk.toString()}`.slice(-MAX_LOG);
  });
  const api = await firstAnswer(child, log);
  return { pid: child.pid ?? 0, api, log, stop: () => end(child, 'SIGTERM'), kill: () => end(child, 'SIGKILL') };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

function firstAnswer(child: ChildProcess, errors: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => fail(`took longer than ${START_MS} ms`), START_MS);
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`2pm up ${why}\n${errors()}`));
    };
    child.once('exit', (code) => fail(`ended with code ${code}`));
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      let answer: { api?: string };
      try {
        answer = JSON.parse(text);
      } catch {
        return; // The answer is not whole yet.
      }
      if (answer.api === undefined) return fail(`says ${text}`);
      clearTimeout(timer);
      child.removeAllListeners('exit');
      resolve(answer.api);
    });
  });
}

/**
 * Ports that are free now, all different, below those that systems hand out by themselves: else a connection that somebody
 * opens between now and their use could take one.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(10_000, 32_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}
