/**
 * Keeps one anvil alive as a process of its own, mines for it, and makes its state durable.
 *
 * anvil runs without mining of its own: interval mining costs CPU and state while nothing happens, instant mining gets
 * stuck under bursts. The supervisor mines `blockMs` after the last block while transactions wait, else every `idleMs`
 * (so that chain time, by which deadlines are judged, goes on). State is dumped by RPC after blocks with transactions, at
 * most once in `dumpMs`, written beside and renamed, so that a kill at any moment leaves a whole file; what a kill -9 of
 * anvil loses is at most that long, and readers of the chain see it as a rollback.
 *
 * Whoever reaches anvil's port owns the chain. It listens on the loopback address only, and nodes get the RPC proxy.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type Clock, fromHex, NodeError } from '@2pm/core';
import { rpcCall } from '../json-rpc.ts';
import { anvilBinary } from './binary.ts';
import { processState, readPidFile } from './pid-file.ts';

export interface AnvilOptions {
  /** Directory for state and pid file; belongs to one supervisor at a time. */
  dir: string;
  chainId: number;
  clock: Clock;
  binary?: string;
  /** Least time between blocks while transactions wait, milliseconds. */
  blockMs?: number;
  /** Time between blocks while none wait, milliseconds. */
  idleMs?: number;
  /** Least time between dumps of the state, milliseconds. */
  dumpMs?: number;
  /** Told of every start, exit and failure, for the log. */
  onEvent?: (event: { type: 'started' | 'exited' | 'failed'; pid?: number; reason?: string }) => void;
}

export interface Anvil {
  /** Address of anvil itself; another one after a restart. Never to be handed to a node. */
  readonly url: string;
  readonly pid: number;
  /** A transaction was just sent: do not wait for the idle block. */
  wake(): void;
  /** Dumps the state and ends anvil. */
  stop(): Promise<void>;
}

const STARTUP_MS = 15_000;
const MAX_BACKOFF_MS = 5_000;

/**
 * @throws {NodeError} `CHAIN_ANVIL_MISSING`, `CHAIN_ANVIL_RUNNING` when another live process owns `dir`,
 * `CHAIN_ANVIL_FAILED` when it does not come up.
 */
export async function startAnvil(options: AnvilOptions): Promise<Anvil> {
  const { clock, chainId } = options;
  const blockMs = options.blockMs ?? 100;
  const idleMs = options.idleMs ?? 10_000;
  const dumpMs = options.dumpMs ?? 1_000;
  const dir = resolve(options.dir);
  const statePath = join(dir, 'state.json');
  const pidPath = join(dir, 'anvil.pid');
  const binary = options.binary ?? anvilBinary();
  const stopping = new AbortController();
  const { signal } = stopping;
  const tell = options.onEvent ?? (() => {});
  let nap = new AbortController();
  let minedAt = Number.NEGATIVE_INFINITY;
  let dumpedAt = Number.NEGATIVE_INFINITY;
  /** Grows with the state: dumping may take a twentieth of the time. */
  let dumpGapMs = dumpMs;
  let dirty = false;
  /** One dump at a time: two would race for the same temporary file. */
  let dumping: Promise<void> = Promise.resolve();

  mkdirSync(dir, { recursive: true, mode: 0o700 });
  await endOrphan(pidPath, dir, dump, clock);
  let running = await spawnAnvil();
  const supervising = supervise();

  async function spawnAnvil(): Promise<Running> {
    const args = [
      ...['--accounts', '0', '--chain-id', String(chainId), '--no-mining', '--no-cors'],
      ...['--gas-price', '0', '--block-base-fee-per-gas', '0', '--disable-min-priority-fee'],
      ...['--host', '127.0.0.1', '--port', '0'],
      // Names this directory in the process table, by which an orphan is recognised.
      ...['--cache-path', join(dir, 'cache'), '--max-persisted-states', '0'],
      ...(existsSync(statePath) ? ['--load-state', statePath] : []),
    ];
    const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const next = await listening(child, clock);
    const file = { pid: next.pid, supervisor: process.pid, url: next.url };
    writeFileSync(pidPath, JSON.stringify(file), { mode: 0o600 });
    tell({ type: 'started', pid: next.pid });
    return next;
  }

  async function supervise(): Promise<void> {
    let backoffMs = 50;
    while (!signal.aborted) {
      const startedAt = clock.now();
      await Promise.race([running.exited, mine(running)]);
      if (signal.aborted) return;
      running.child.kill('SIGKILL');
      tell({ type: 'exited', pid: running.pid, reason: await running.exited });
      if (clock.now() - startedAt > MAX_BACKOFF_MS) backoffMs = 50;
      for (;;) {
        nap = new AbortController();
        await clock.sleep(backoffMs, nap.signal).catch(() => {});
        if (signal.aborted) return;
        backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS);
        try {
          running = await spawnAnvil();
          // At once: readers learn from the first new block what the old process took with it.
          minedAt = Number.NEGATIVE_INFINITY;
          break;
        } catch (error) {
          tell({ type: 'failed', reason: error instanceof Error ? error.message : 'unknown' });
        }
      }
    }
  }

  /** Resolves when anvil stops answering. */
  async function mine({ url }: Running): Promise<void> {
    while (!signal.aborted) {
      nap = new AbortController();
      try {
        const waiting = (await pendingCount(url)) > 0;
        if (clock.now() - minedAt >= (waiting ? blockMs : idleMs)) {
          await rpcCall(url, 'evm_mine');
          minedAt = clock.now();
          dirty ||= waiting;
        }
        if (dirty && clock.now() - dumpedAt >= dumpGapMs) await dump(url);
        const nextBlock = minedAt + ((await pendingCount(url)) > 0 ? blockMs : idleMs);
        const next = Math.min(nextBlock, dirty ? dumpedAt + dumpGapMs : Number.POSITIVE_INFINITY);
        await clock.sleep(Math.max(next - clock.now(), 1), nap.signal).catch(() => {});
      } catch {
        return;
      }
    }
  }

  function dump(url: string): Promise<void> {
    dumping = dumping
      .catch(() => {})
      .then(async () => {
        const startedAt = clock.now();
        dirty = false;
        const packed = await rpcCall(url, 'anvil_dumpState', [], { timeoutMs: 60_000 });
        writeWhole(statePath, await promisify(gunzip)(fromHex(packed as string)));
        dumpedAt = clock.now();
        dumpGapMs = Math.max(dumpMs, 20 * (dumpedAt - startedAt));
      });
    return dumping;
  }

  return {
    get url() {
      return running.url;
    },
    get pid() {
      return running.pid;
    },
    wake: () => nap.abort(),
    async stop() {
      if (signal.aborted) return;
      stopping.abort(new NodeError('CHAIN_STOPPED', 'the embedded chain was stopped', { fault: 'node' }));
      nap.abort();
      await supervising;
      await dump(running.url).catch(() => {});
      running.child.kill('SIGTERM');
      const patience = new AbortController();
      const insist = clock.sleep(3_000, patience.signal).then(
        () => running.child.kill('SIGKILL'),
        () => {},
      );
      await running.exited;
      patience.abort();
      await insist;
      rmSync(pidPath, { force: true });
    },
  };
}

interface Running {
  child: ChildProcess;
  pid: number;
  url: string;
  /** Resolves with the reason. */
  exited: Promise<string>;
}

async function listening(child: ChildProcess, clock: Clock): Promise<Running> {
  const exited = new Promise<string>((done) => {
    child.once('error', (error) => done(error.message));
    child.once('exit', (code, killedBy) => done(killedBy ?? `exit code ${code}`));
  });
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint = (complaint + chunk).slice(-500);
  });
  const address = new Promise<string>((done) => {
    let seen = '';
    child.stdout?.on('data', (chunk) => {
      // Drained for as long as it lives: a full pipe would stop it.
      if (seen.length > 16_384) return;
      seen += chunk;
      const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(seen)?.[1];
      if (port !== undefined) done(`http://127.0.0.1:${port}`);
    });
  });
  const giveUp = new AbortController();
  const url = await Promise.race([
    address,
    exited.then(() => null),
    clock.sleep(STARTUP_MS, giveUp.signal).then(
      () => null,
      () => null,
    ),
  ]);
  giveUp.abort();
  if (url === null || child.pid === undefined) {
    child.kill('SIGKILL');
    throw new NodeError('CHAIN_ANVIL_FAILED', `anvil did not start: ${await exited}`, {
      fault: 'node',
      retryable: true,
      privateDetail: complaint,
      fix: 'Run the anvil binary by hand to see why; it needs glibc 2.35 or later on Linux.',
    });
  }
  return { child, pid: child.pid, url, exited };
}

async function endOrphan(pidPath: string, dir: string, dump: (url: string) => Promise<void>, clock: Clock) {
  const file = readPidFile(pidPath);
  if (file === null) return;
  const state = processState(file, join(dir, 'cache'));
  if (state === 'supervised') {
    throw new NodeError('CHAIN_ANVIL_RUNNING', `process ${file.supervisor} already runs a chain in this directory`, {
      fault: 'caller',
      privateDetail: dir,
      fix: `Stop process ${file.supervisor}, or use another directory.`,
    });
  }
  if (state === 'orphan') {
    // It still has every block in memory: save them first.
    await dump(file.url).catch(() => {});
    for (const killer of ['SIGTERM', 'SIGKILL'] as const) {
      process.kill(file.pid, killer);
      for (let waited = 0; waited < 2_000 && processState(file, join(dir, 'cache')) !== 'gone'; waited += 20) {
        await clock.sleep(20);
      }
      if (processState(file, join(dir, 'cache')) === 'gone') break;
    }
  }
  rmSync(pidPath, { force: true });
}

async function pendingCount(url: string): Promise<number> {
  const status = (await rpcCall(url, 'txpool_status')) as { pending: string };
  return Number(status.pending);
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
