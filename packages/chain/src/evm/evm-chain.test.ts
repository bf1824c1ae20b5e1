import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@2pm/core';
import { generatePrivateKey } from '@2pm/crypto';
import { wallClock } from '@2pm/testing/chain-clock';
import { chainConformance } from '@2pm/testing/chain-conformance';
import { hashOf } from '@2pm/testing/chain-parties';
import { seededRng } from '@2pm/testing/seeded-rng';
import { startEmbeddedChain } from '../anvil/embedded-chain.ts';
import { rpcCall } from '../json-rpc.ts';
import { deployContracts } from './deploy.ts';
import { evmChain } from './evm-chain.ts';

const CHAIN_ID = 20_262;

chainConformance('evm on anvil', async () => {
  const dir = mkdtempSync(join(tmpdir(), '2pm-evm-'));
  const rng = seededRng('evm');
  const clock = wallClock;
  const embedded = await startEmbeddedChain({ dir, chainId: CHAIN_ID, clock, blockMs: 20, idleMs: 60_000 });
  const { url } = embedded;
  const relayerKey = () => generatePrivateKey(rng);
  const { contract } = await deployContracts({
    url,
    chainId: CHAIN_ID,
    clock,
    relayerKey: relayerKey(),
    salt: hashOf('evm'),
  });
  return {
    connect: ({ chainId = CHAIN_ID } = {}) =>
      evmChain({ url, chainId, contract, clock, relayerKey: relayerKey(), pollMs: 20 }),
    async pass(seconds) {
      await rpcCall(embedded.anvil.url, 'evm_increaseTime', [toHex(new Uint8Array([seconds >> 8, seconds]))]);
      await rpcCall(embedded.anvil.url, 'evm_mine');
    },
    async reorganise(blocks) {
      await rpcCall(embedded.anvil.url, 'anvil_reorg', [blocks, []]);
      await rpcCall(embedded.anvil.url, 'evm_mine');
    },
    async close() {
      await embedded.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
});
