/** `2pm doctor`: what is wrong, why, and what to do. @module */
import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { publicError } from '@2pm/core';
import { connect } from '@2pm/sdk';
import type { Command } from 'commander';
import { z } from 'zod';
import { loadConfig, type NodeConfig, readApiToken } from '../config/load.ts';
import { answer, apiUrl, type Context, globals } from './context.ts';
import { EXIT, exitCodeOf } from './exit.ts';
import { type Paint, plain } from './render/terminal.ts';
import { bytes } from './render/units.ts';

export interface Finding {
  check: string;
  ok: boolean;
  message: string;
  fix?: string;
}

const MIN_FREE_BYTES = 1e9;
/** The idle embedded chain makes a block every ten seconds. */
const MAX_CLOCK_DIFFERENCE_S = 60;
const TIMEOUT_MS = 3000;

export function registerDoctor(program: Command, context: Context): void {
  program
    .command('doctor')
    .description('find what is wrong with this node, and say how to mend it')
    .action(async (_options: object, command: Command) => {
      const options = globals(command, context);
      const findings = [nodeVersion(process.versions.node)];
      try {
        findings.push(...(await examine(await loadConfig(options.dir), context)));
      } catch (error) {
        const { message, fix } = publicError(error);
        findings.push(bad('configuration', message, fix));
        context.exitCode = exitCodeOf(error);
      }
      if (context.exitCode === EXIT.ok && findings.some(({ ok }) => !ok)) {
        context.exitCode = findings.some(({ check, ok }) => !ok && check === 'chain') ? EXIT.unreachable : EXIT.config;
      }
      answer(context, options, findings, () => renderFindings(findings, context.out.paint));
    });
}

async function examine(config: NodeConfig, context: Context): Promise<Finding[]> {
  const findings = [good('configuration', config.layout.config), ...privateFiles(config), await disk(config)];
  const running = await isRunning(config);
  findings.push(running ? good('node', `is up, API at ${apiUrl(config)}`) : good('node', 'is not up'));
  if (!running) findings.push(...(await ports(config)));
  if (running || config.chain.driver === 'evm') findings.push(await chain(config, context.now() / 1000));
  return findings;
}

function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 20 || (major === 20 && minor >= 19)
    ? good('Node.js', version)
    : bad('Node.js', `${version} is too old`, 'install Node.js 20.19 or later');
}

function privateFiles({ layout }: NodeConfig): Finding[] {
  const files = [join(layout.keystore, 'node.json'), join(layout.keystore, 'keys.bin'), layout.apiToken];
  return files.map((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined)
      return bad('keys', `${path} is missing`, `run \`2pm init --dir ${layout.dir}\`, or restore a backup`);
    if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
      return bad('keys', `others may read ${path}`, `chmod 600 ${path}`);
    }
    return good('keys', `${path}, private`);
  });
}

async function disk({ layout }: NodeConfig): Promise<Finding> {
  const { bavail, bsize } = await statfs(layout.dir);
  const free = bavail * bsize;
  return free >= MIN_FREE_BYTES
    ? good('disk', `${bytes(free)} free`)
    : bad('disk', `only ${bytes(free)} free under ${layout.dir}`, 'make room: snapshots and the log need it');
}

async function isRunning(config: NodeConfig): Promise<boolean> {
  try {
    const client = connect({ url: apiUrl(config), token: await readApiToken(config.layout) });
    await client.status({ signal: AbortSignal.timeout(TIMEOUT_MS) });
    return true;
  } catch {
    return false;
  }
}

async function ports({ listen, api, chain }: NodeConfig): Promise<Finding[]> {
  const wanted = [
    { key: 'listen.port', ...listen },
    { key: 'api.port', ...api },
    ...(chain.driver === 'embedded' ? [{ key: 'chain.rpc.port', ...chain.rpc }] : []),
  ];
  return Promise.all(
    wanted.map(async ({ key, host, port }) => {
      const problem = await listenProblem(host, port);
      if (problem === undefined) return good('ports', `${host}:${port} is free (${key})`);
      return problem === 'EADDRINUSE'
        ? bad('ports', `another process listens on ${host}:${port}`, `stop it, or set another ${key} in 2pm.yaml`)
        : bad('ports', `cannot listen on ${host}:${port} (${problem})`, `correct ${key.split('.port')[0]} in 2pm.yaml`);
    }),
  );
}

function listenProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

const Block = z.object({ result: z.object({ number: z.string(), timestamp: z.string() }) });
const ChainId = z.object({ result: z.string() });

async function chain({ chain }: NodeConfig, nowSeconds: number): Promise<Finding> {
  const embedded = chain.driver === 'embedded';
  const url = embedded ? `http://${chain.rpc.host}:${chain.rpc.port}` : (chain.rpc[0] ?? '');
  const expected = embedded ? chain.chainId : chain.network.chainId;
  try {
    const { result: id } = ChainId.parse(await rpc(url, 'eth_chainId', []));
    if (Number(id) !== expected) {
      return bad(
        'chain',
        `${url} is chain ${Number(id)}, not ${expected}`,
        'correct chain.rpc, or copy network.json again',
      );
    }
    const { result: block } = Block.parse(await rpc(url, 'eth_getBlockByNumber', ['latest', false]));
    const difference = Math.round(nowSeconds - Number(block.timestamp));
    if (Math.abs(difference) > MAX_CLOCK_DIFFERENCE_S) {
      const how = `this clock is ${Math.abs(difference)} s ${difference > 0 ? 'ahead of' : 'behind'} the chain`;
      return bad('clock', how, 'set this clock by NTP; if it is right, the chain stands still');
    }
    return good('chain', `${url}, block ${Number(block.number)}, clock within ${MAX_CLOCK_DIFFERENCE_S} s`);
  } catch {
    return bad(
      'chain',
      `${url} does not answer as a chain`,
      'start the node that hosts it, or correct chain.rpc in 2pm.yaml',
    );
  }
}

async function rpc(url: string, method: string, params: unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return response.json();
}

const good = (check: string, message: string): Finding => ({ check, ok: true, message });
const bad = (check: string, message: string, fix: string | undefined): Finding => ({
  check,
  ok: false,
  message,
  ...(fix === undefined ? {} : { fix }),
});

function renderFindings(findings: readonly Finding[], paint: Paint): string {
  return findings
    .map(({ check, ok, message, fix }) => {
      const [first = '', ...more] = message.split('\n').map(plain);
      return [
        `${ok ? paint.green('✓') : paint.red('✗')} ${check.padEnd(13)}  ${first}\n`,
        ...more.map((text) => `${' '.repeat(17)}${text}\n`),
        fix === undefined ? '' : `  ${paint.cyan('fix'.padEnd(13))}  ${plain(fix)}\n`,
      ].join('');
    })
    .join('');
}
