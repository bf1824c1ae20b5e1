/** An anvil of its own, mined by hand, behind one JSON-RPC function. @module */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import type { Hex } from '@2pm/core';

export interface Log {
  address: Hex;
  topics: [Hex, ...Hex[]];
  data: Hex;
}
export interface Receipt {
  status: Hex;
  contractAddress: Hex | null;
  gasUsed: Hex;
  logs: Log[];
}
export type Transaction = { to?: Hex; data: Hex };

const SENDER = `0x${'5e'.repeat(20)}` as const;

/** Runs blocks at chosen times; all transactions come from one impersonated account at gas price zero. */
export class Anvil implements AsyncDisposable {
  readonly #url: string;
  readonly #close: () => Promise<void>;
  #nonce = 0;

  private constructor(url: string, close: () => Promise<void>) {
    this.#url = url;
    this.#close = close;
  }

  static async start(chainId: number, genesisTime: number): Promise<Anvil> {
    const port = await freePort();
    const { resolve } = createRequire(import.meta.url);
    const arch = process.arch === 'x64' ? 'amd64' : process.arch;
    const binary = resolve(`@foundry-rs/anvil-${process.platform}-${arch}/bin/anvil`);
    const options = ['--silent', '--no-mining', '--order', 'fifo', '--hardfork', 'cancun', '--disable-code-size-limit'];
    const sizes = { accounts: 0, 'chain-id': chainId, timestamp: genesisTime, 'base-fee': 0, 'gas-price': 0 };
    const settings = Object.entries({ ...sizes, 'gas-limit': 2 ** 40, port }).flatMap(([k, v]) => [`--${k}`, `${v}`]);
    const child = spawn(binary, [...options, ...settings], { stdio: 'ignore' });
    const exited = new Promise<void>((done) => {
      child.once('exit', () => done());
      child.once('error', () => done());
    });
    const anvil = new Anvil(`http://127.0.0.1:${port}`, async () => {
      child.kill('SIGKILL');
      await exited;
    });
    for (let attempt = 0; ; attempt++) {
      try {
        await anvil.call('eth_chainId');
        break;
      } catch (error) {
        if (attempt === 200 || child.exitCode !== null) throw error;
        await new Promise((done) => setTimeout(done, 25));
      }
    }
    await anvil.call('anvil_impersonateAccount', SENDER);
    return anvil;
  }

  async call<T>(method: string, ...params: unknown[]): Promise<T> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const headers = { 'content-type': 'application/json' };
    const answer = (await (await fetch(this.#url, { method: 'POST', body, headers })).json()) as {
      result: T;
      error?: { message: string };
    };
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }

  /** One block at `time` with these transactions, in order. */
  async block(time: number, transactions: readonly Transaction[]): Promise<Receipt[]> {
    const hashes: string[] = [];
    for (const { to, data } of transactions) {
      const nonce = `0x${(this.#nonce++).toString(16)}`;
      const fields = { from: SENDER, nonce, data, gas: '0x3b9aca00', gasPrice: '0x0', ...(to && { to }) };
      hashes.push(await this.call('eth_sendTransaction', fields));
    }
    await this.call('evm_setNextBlockTimestamp', time);
    await this.call('evm_mine');
    return Promise.all(
      hashes.map(async (hash) => {
        const receipt = await this.call<Receipt | null>('eth_getTransactionReceipt', hash);
        if (receipt === null) throw new Error(`transaction ${hash} was not mined`);
        return receipt;
      }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}
