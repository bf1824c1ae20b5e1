import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Hex, NodeId, toHex } from '@2pm/core';
import { generatePrivateKey, signLeave } from '@2pm/crypto';
import { wallClock } from '@2pm/testing/chain-clock';
import { chainConformance } from '@2pm/testing/chain-conformance';
import { type FaultyRpc, faultyRpc } from '@2pm/testing/chain-faulty-rpc';
import { hashOf, party, registration } from '@2pm/testing/chain-parties';
import { ChainReader } from '@2pm/testing/chain-reader';
import { seededRng } from '@2pm/testing/seeded-rng';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type EmbeddedChain, type EmbeddedChainOptions, startEmbeddedChain } from '../anvil/embedded-chain.ts';
import { rpcCall } from '../json-rpc.ts';
import { deployContracts } from './deploy.ts';
import { type EvmChainOptions, evmChain } from './evm-chain.ts';

const CHAIN_ID = 20_262;
const clock = wallClock;
const rng = seededRng('evm');
const relayerKey = () => generatePrivateKey(rng);

async function embeddedIn(dir: string, options: Partial<EmbeddedChainOptions> = {}): Promise<EmbeddedChain> {
  return startEmbeddedChain({ dir, chainId: CHAIN_ID, clock, blockMs: 20, idleMs: 60_000, ...options });
}

let networks = 0;
/** A ledger of its own, so that tests share an anvil and nothing else. */
async function deployOn(url: string): Promise<{ contract: Hex; firstBlock: number }> {
  const salt = hashOf(`network ${networks++}`);
  return deployContracts({ url, chainId: CHAIN_ID, clock, relayerKey: relayerKey(), salt });
}

let dir: string;
let embedded: EmbeddedChain;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), '2pm-evm-'));
  embedded = await embeddedIn(dir);
});
afterAll(async () => {
  await embedded.stop();
  rmSync(dir, { recursive: true, force: true });
});

const command = (method: string, ...params: unknown[]) => rpcCall(embedded.anvil.url, method, params);

chainConformance('evm on anvil', async () => {
  const { url } = embedded;
  const deployed = await deployOn(url);
  return {
    connect: ({ chainId = CHAIN_ID } = {}) =>
      evmChain({ url, chainId, ...deployed, clock, relayerKey: relayerKey(), pollMs: 40 }),
    async pass(seconds) {
      await command('evm_increaseTime', toHex(new Uint8Array([seconds >> 8, seconds])));
      await command('evm_mine');
    },
    async reorganise(blocks) {
      await command('anvil_reorg', blocks, []);
      await command('evm_mine');
    },
    async close() {},
  };
});

describe('evm driver behind a server that misbehaves', () => {
  const [ada, bob] = [party('ada'), party('bob')];
  let rpc: FaultyRpc;
  let deployed: { contract: Hex; firstBlock: number };
  let closing: (() => Promise<unknown>)[];

  beforeEach(async () => {
    closing = [];
    rpc = await faultyRpc(embedded.url);
    deployed = await deployOn(embedded.url);
  });
  afterEach(async () => {
    for (const close of closing.reverse()) await close();
    await rpc.close();
  });

  async function connect(options: Partial<EvmChainOptions> = {}) {
    const chain = evmChain({
      ...{ url: rpc.url, chainId: CHAIN_ID, ...deployed, clock, relayerKey: relayerKey(), pollMs: 40 },
      ...options,
    });
    closing.push(() => chain.stop());
    await chain.start();
    return chain;
  }

  function read(...args: ConstructorParameters<typeof ChainReader>) {
    const reader = new ChainReader(...args);
    closing.push(() => reader.stop());
    return reader;
  }

  it('goes on where it was when the server comes back', async () => {
    const chain = await connect();
    const reader = read(chain);
    const direct = await connect({ url: embedded.url });
    rpc.faults.down = true;
    expect((await chain.health()).reachable).toBe(false);
    const submitted = chain.submit(await registration(chain.info.domain, ada));
    await direct.submit(await registration(chain.info.domain, bob));
    rpc.faults.down = false;
    await submitted;
    await reader.until(({ seen }) => seen.length === 2);
    expect(reader.rollbacks).toEqual([]);
  });

  it('gives up after its patience with an error that says to try again', async () => {
    const chain = await connect({ patienceMs: 100 });
    rpc.faults.down = true;
    await expect(chain.submit(await registration(chain.info.domain, ada))).rejects.toMatchObject({
      code: 'CHAIN_UNREACHABLE',
      retryable: true,
    });
  });

  it('bears throttling and late receipts', async () => {
    const chain = await connect();
    Object.assign(rpc.faults, { throttled: 5, receiptsHidden: 2 });
    await chain.submit(await registration(chain.info.domain, ada));
    expect(await chain.node(ada.id)).toMatchObject({ status: 'active' });
  });

  it.each(['sendsLost', 'sendsUnanswered'] as const)(
    'lets a command take effect once in spite of %s',
    async (fault) => {
      const chain = await connect();
      const reader = read(chain);
      rpc.faults[fault] = 1;
      const receipt = await chain.submit(await registration(chain.info.domain, ada));
      expect(receipt.events).toMatchObject([{ type: 'nodeRegistered', node: ada.id }]);
      await chain.submit(await signLeave(ada.signer, chain.info.domain, { nonce: 2 }));
      await reader.until(({ seen }) => seen.length === 2);
      expect(reader.events.map(({ type }) => type)).toEqual(['nodeRegistered', 'nodeLeft']);
    },
  );

  it('misses nothing when logs come later than blocks', async () => {
    const chain = await connect();
    rpc.faults.logsBehind = 2;
    const reader = read(chain);
    const direct = await connect({ url: embedded.url });
    await direct.submit(await registration(chain.info.domain, ada));
    await reader.until(({ items }) => items.length > 0);
    expect(reader.seen).toEqual([]);
    rpc.faults.logsBehind = 0;
    await reader.until(({ seen }) => seen.length === 1);
  });

  it('hands out each event once and in order when logs come twice and backwards', async () => {
    rpc.faults.logsRepeated = true;
    const chain = await connect();
    await Promise.all([ada, bob].map(async (one) => chain.submit(await registration(chain.info.domain, one))));
    const reader = read(chain);
    await reader.until(({ seen, items }) => seen.length === 2 && items.at(-1)?.type === 'head');
    const cursors = reader.items.flatMap((item) => (item.type === 'event' ? [item.cursor] : []));
    expect(cursors).toEqual([...new Set(cursors)].sort());
  });

  it('takes a server that lags for one that lags, not for a rollback', async () => {
    const chain = await connect();
    const reader = read(chain);
    await chain.submit(await registration(chain.info.domain, ada));
    await reader.until(({ seen }) => seen.length === 1);
    const { block } = (await chain.health()).head;
    rpc.faults.headFrozenAt = block - 3;
    const before = rpc.calls.get('eth_getBlockByNumber') ?? 0;
    while ((rpc.calls.get('eth_getBlockByNumber') ?? 0) < before + 3) await clock.sleep(10);
    expect((await chain.health()).head.block).toBe(block);
    rpc.faults.headFrozenAt = null;
    await chain.submit(await registration(chain.info.domain, bob));
    await reader.until(({ seen }) => seen.length === 2);
    expect(reader.rollbacks).toEqual([]);
  });

  it('reads a long history from a server that gives it in small pieces', async () => {
    const direct = await connect({ url: embedded.url });
    await direct.submit(await registration(direct.info.domain, ada));
    await command('anvil_mine', '0x12c');
    await direct.submit(await registration(direct.info.domain, bob));
    rpc.faults.maxRange = 50;
    const reader = read(await connect());
    await reader.until(({ seen }) => seen.length === 2);
  });

  it('follows a reorganisation of thirty blocks back to what still stands', async () => {
    const chain = await connect();
    const reader = read(chain);
    await chain.submit(await registration(chain.info.domain, ada));
    await command('anvil_mine', '0x5');
    await reader.until(({ seen, items }) => seen.length === 1 && items.at(-1)?.type === 'head');
    await chain.submit(await registration(chain.info.domain, bob));
    await command('anvil_mine', '0x1d');
    await reader.until(({ seen }) => seen.length === 2);
    await command('anvil_reorg', 30, []);
    await command('evm_mine');
    await reader.until(({ rollbacks }) => rollbacks.length > 0);
    expect(reader.events).toMatchObject([{ node: ada.id }]);
    expect(reader.rollbacks[0]?.to).not.toBeNull();
  });

  it('shows an event as final only under as many blocks as the policy asks for', async () => {
    const chain = await connect({ finality: { kind: 'depth', safe: 1, final: 3 } });
    expect(chain.info.finality).toBe('depth');
    const [seen, final] = [read(chain), read(chain, { level: 'final' })];
    await chain.submit(await registration(chain.info.domain, ada));
    await seen.until((reader) => reader.seen.length === 1);
    expect(final.seen).toEqual([]);
    await command('anvil_mine', '0x3');
    await final.until((reader) => reader.seen.length === 1);
  });

  it('takes the tags of the chain where the policy says so', async () => {
    const chain = await connect({ finality: { kind: 'tags' } });
    const [seen, final] = [read(chain), read(chain, { level: 'final' })];
    await chain.submit(await registration(chain.info.domain, ada));
    await seen.until((reader) => reader.seen.length === 1);
    expect(final.seen).toEqual([]);
    await command('anvil_mine', '0x50');
    await final.until((reader) => reader.seen.length === 1);
  });

  it('does not start without the contract, with another one, or without a chain', async () => {
    const nowhere = NodeId.parse(`0x${'11'.repeat(20)}`);
    await expect(connect({ contract: nowhere })).rejects.toMatchObject({ code: 'CHAIN_NO_CONTRACT' });
    const deployer = NodeId.parse('0x4e59b44847b379578588920ca78fbf26c0b4956c');
    await expect(connect({ contract: deployer })).rejects.toMatchObject({ message: /another contract/ });
    rpc.faults.down = true;
    await expect(connect()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE', retryable: true });
  });

  it('finds a contract that was deployed before instead of deploying another', async () => {
    const options = { url: embedded.url, chainId: CHAIN_ID, clock, salt: hashOf('twice') };
    const first = await deployContracts({ ...options, relayerKey: relayerKey() });
    const second = await deployContracts({ ...options, relayerKey: relayerKey() });
    expect(second.contract).toBe(first.contract);
  });
});

describe('evm driver on an embedded chain that dies', () => {
  it('rolls back what a killed anvil took with it, for old readers and new ones, and goes on', async () => {
    const own = mkdtempSync(join(tmpdir(), '2pm-evm-kill-'));
    // The state is saved once, with the contract in it, and then not for a long time.
    const fragile = await embeddedIn(own, { dumpMs: 600_000 });
    const deployed = await deployOn(fragile.url);
    const options = { url: fragile.url, chainId: CHAIN_ID, ...deployed, clock, pollMs: 40 };
    const chain = evmChain({ ...options, relayerKey: relayerKey() });
    await chain.start();
    const reader = new ChainReader(chain);
    const lost = await registration(chain.info.domain, party('ada'));
    await chain.submit(lost);
    await reader.until(({ seen, items }) => seen.length === 1 && items.at(-1)?.type === 'head');
    const { cursor } = reader;
    process.kill(fragile.anvil.pid, 'SIGKILL');
    await reader.until(({ rollbacks }) => rollbacks.length === 1);
    expect(reader.seen).toEqual([]);
    await chain.submit(lost);
    await reader.until(({ seen }) => seen.length === 1);
    const late = evmChain({ ...options, relayerKey: relayerKey() });
    await late.start();
    const returning = new ChainReader(late, { from: cursor });
    await returning.until(({ rollbacks, seen }) => rollbacks.length === 1 && seen.length === 1);
    for (const each of [reader, returning, chain, late, fragile]) await each.stop();
    rmSync(own, { recursive: true, force: true });
  });

  it('goes on when the host of the chain was restarted', async () => {
    const own = mkdtempSync(join(tmpdir(), '2pm-evm-restart-'));
    const first = await embeddedIn(own);
    const deployed = await deployOn(first.url);
    const chain = evmChain({ url: first.url, chainId: CHAIN_ID, ...deployed, clock, relayerKey: relayerKey() });
    await chain.start();
    const reader = new ChainReader(chain);
    await chain.submit(await registration(chain.info.domain, party('ada')));
    await reader.until(({ seen }) => seen.length === 1);
    await first.stop();
    const submitted = chain.submit(await registration(chain.info.domain, party('bob')));
    const second = await embeddedIn(own, { port: first.port });
    await submitted;
    await reader.until(({ seen }) => seen.length === 2);
    expect(reader.rollbacks).toEqual([]);
    for (const each of [reader, chain, second]) await each.stop();
    rmSync(own, { recursive: true, force: true });
  });
});
