import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wallClock } from '@2pm/testing/chain-clock';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rpcCall } from '../json-rpc.ts';
import { anvilBinary } from './binary.ts';
import { type EmbeddedChain, type EmbeddedChainOptions, startEmbeddedChain } from './embedded-chain.ts';

const CHAIN_ID = 20_261;

let dir: string;
let open: EmbeddedChain[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), '2pm-anvil-'));
  open = [];
});
afterEach(async () => {
  for (const chain of open) await chain.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(options: Partial<EmbeddedChainOptions> = {}): Promise<EmbeddedChain> {
  const chain = await startEmbeddedChain({ dir, chainId: CHAIN_ID, clock: wallClock, ...options });
  open.push(chain);
  return chain;
}

async function sendEmpty(url: string, account = privateKeyToAccount(generatePrivateKey())): Promise<string> {
  const nonce = Number(await rpcCall(url, 'eth_getTransactionCount', [account.address, 'pending']));
  const raw = await account.signTransaction({
    chainId: CHAIN_ID,
    nonce,
    gas: 21_000n,
    maxFeePerGas: 0n,
    maxPriorityFeePerGas: 0n,
    to: account.address,
  });
  return (await rpcCall(url, 'eth_sendRawTransaction', [raw])) as string;
}

async function until<T>(what: () => Promise<T | null | undefined | false>): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await what().catch((error: unknown) => {
      if (tries > 400) throw error;
    });
    if (value) return value;
    if (tries > 400) throw new Error('waited in vain');
    await wallClock.sleep(20);
  }
}

const mined = (url: string, tx: string) => until(() => rpcCall(url, 'eth_getTransactionReceipt', [tx]));
const head = async (url: string) =>
  (await rpcCall(url, 'eth_getBlockByNumber', ['latest', false])) as { number: string; hash: string };

describe('embedded chain', () => {
  it('mines a transaction from a sender without coins soon after it was sent', async () => {
    const chain = await start({ idleMs: 60_000 });
    const { status } = (await mined(chain.url, await sendEmpty(chain.url))) as { status: string };
    expect(status).toBe('0x1');
  });

  it('goes on mining while nothing happens, so that chain time passes', async () => {
    const chain = await start({ idleMs: 30 });
    const before = Number((await head(chain.url)).number);
    await until(async () => Number((await head(chain.url)).number) > before + 1);
  });

  it('keeps its blocks and its address for nodes when anvil is killed', async () => {
    const chain = await start({ dumpMs: 1, idleMs: 60_000 });
    const tx = await sendEmpty(chain.url);
    await mined(chain.url, tx);
    const { hash } = await head(chain.url);
    await until(async () => readFileSync(join(dir, 'state.json'), 'utf8').includes(tx));
    const killed = chain.anvil.pid;
    process.kill(killed, 'SIGKILL');
    await until(async () => chain.anvil.pid !== killed && (await head(chain.url)));
    expect(await rpcCall(chain.url, 'eth_getBlockByHash', [hash, false])).not.toBeNull();
    await mined(chain.url, await sendEmpty(chain.url));
  });

  it('comes back with every block after a stop', async () => {
    const first = await start();
    const tx = await sendEmpty(first.url);
    await mined(first.url, tx);
    await first.stop();
    const second = await start();
    expect(await rpcCall(second.url, 'eth_getTransactionReceipt', [tx])).not.toBeNull();
  });

  it('saves and ends the anvil that a killed supervisor left behind', async () => {
    const orphan = await orphanAnvil();
    const account = privateKeyToAccount(generatePrivateKey());
    const tx = await sendEmpty(orphan.url, account);
    await rpcCall(orphan.url, 'evm_mine');
    const chain = await start();
    expect(await rpcCall(chain.url, 'eth_getTransactionReceipt', [tx])).not.toBeNull();
    await expect(rpcCall(orphan.url, 'eth_chainId')).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' });
  });

  it('does not touch a process that merely reuses the recorded id', async () => {
    const stranger = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
    const file = { pid: stranger.pid, supervisor: 1, url: 'http://127.0.0.1:9' };
    writeFileSync(join(dir, 'anvil.pid'), JSON.stringify(file));
    await start();
    expect(stranger.exitCode).toBeNull();
    expect(stranger.signalCode).toBeNull();
    stranger.kill();
  });

  it('refuses a directory whose chain is running', async () => {
    await start();
    await expect(start()).rejects.toMatchObject({ code: 'CHAIN_ANVIL_RUNNING' });
  });

  it('names the fix on a platform that has no anvil', () => {
    expect(() => anvilBinary('sunos-sparc')).toThrowError(/no embedded chain for sunos-sparc/);
  });

  it.each(['anvil_impersonateAccount', 'evm_mine', 'debug_traceTransaction', 'eth_sendTransaction', 'eth_sign'])(
    'does not let a node call %s',
    async (method) => {
      const chain = await start();
      await expect(rpcCall(chain.url, method)).rejects.toMatchObject({ code: 'CHAIN_RPC', message: /not offered/ });
    },
  );

  it('refuses what is too large, too many, not JSON, or sent by a web page', async () => {
    const { url } = await start();
    const post = (body: string, type = 'application/json') =>
      fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
    const call = { jsonrpc: '2.0', id: 1, method: 'eth_chainId' };
    expect((await post('x'.repeat(600 * 1024))).status).toBe(413);
    expect((await post(JSON.stringify(Array(33).fill(call)))).status).toBe(400);
    expect((await post('{')).status).toBe(400);
    expect((await post(JSON.stringify(call), 'text/plain')).status).toBe(415);
    expect((await fetch(url)).status).toBe(405);
    const batch = await (await post(JSON.stringify([call, { ...call, method: 'evm_mine' }, 7]))).json();
    expect(batch).toMatchObject([{ result: '0x4f25' }, { error: { code: -32601 } }, { error: { code: -32600 } }]);
  });
});

/** An anvil whose supervisor process has died without a word. */
async function orphanAnvil(): Promise<{ url: string }> {
  const script = `
    const { spawn } = require('node:child_process');
    const { writeFileSync } = require('node:fs');
    const [binary, dir, chainId] = process.argv.slice(1);
    const anvil = spawn(binary, ['--accounts', '0', '--chain-id', chainId, '--no-mining', '--gas-price', '0',
      '--block-base-fee-per-gas', '0', '--port', '0', '--cache-path', dir + '/cache'],
      { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    anvil.stdout.on('data', (chunk) => {
      const port = /Listening on 127.0.0.1:(\\d+)/.exec(chunk)?.[1];
      if (port === undefined) return;
      const url = 'http://127.0.0.1:' + port;
      writeFileSync(dir + '/anvil.pid', JSON.stringify({ pid: anvil.pid, supervisor: process.pid, url }));
      process.kill(process.pid, 'SIGKILL');
    });`;
  const supervisor = spawn(process.execPath, ['-e', script, anvilBinary(), dir, String(CHAIN_ID)]);
  await new Promise((done) => supervisor.once('exit', done));
  return JSON.parse(readFileSync(join(dir, 'anvil.pid'), 'utf8')) as { url: string };
}
