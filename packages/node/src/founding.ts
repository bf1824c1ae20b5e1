/** The chain of this node: hosted here by the founding node, or reached over the network file. @module */
import { join } from 'node:path';
import { startEmbeddedChain } from '@2pm/chain/anvil';
import { deployContracts, evmChain } from '@2pm/chain/evm';
import type { Keystore } from '@2pm/chain/keystore';
import type { ChainConnector, Clock } from '@2pm/core';
import { toHex } from '@2pm/core';
import { keccak256 } from '@2pm/crypto';
import type { NodeConfig } from './config/load.ts';
import { type Network, readNetwork, writeNetwork } from './config/network.ts';

export interface ChainOfNode {
  connector: ChainConnector;
  stop(): Promise<void>;
}

/** @throws {NodeError} `CHAIN_*` when the chain cannot be started or is not the one that the network file names. */
export async function chainOf(
  config: NodeConfig,
  keystore: Keystore,
  clock: Clock,
  log: (message: string) => void,
): Promise<ChainOfNode> {
  const { chain, layout } = config;
  if (chain.driver === 'evm') {
    const connector = connect(chain.network, chain.rpc[0] ?? chain.network.rpc, keystore, clock);
    await connector.start();
    return { connector, stop: () => connector.stop() };
  }
  const { chainId, blockMs, rpc } = chain;
  const embedded = await startEmbeddedChain({
    dir: join(layout.state, 'chain'),
    chainId,
    clock,
    blockMs,
    ...rpc,
    onEvent: ({ type, reason }) => log(`chain ${type}${reason === undefined ? '' : `: ${reason}`}`),
  });
  try {
    const deployment = await deployContracts({
      url: embedded.url,
      chainId,
      clock,
      relayerKey: keystore.relayerKey,
      // One ledger for each founder, the same after every restart.
      salt: toHex(keccak256(new TextEncoder().encode(`2pm/ledger/${keystore.signer.id}`))),
    });
    // A contract that was there before does not tell where its events begin; the first file does.
    const before = await readNetwork(layout.network).catch(() => undefined);
    const firstBlock = before?.contract === deployment.contract ? before.firstBlock : deployment.firstBlock;
    const network = { ...deployment, chainId, rpc: rpcForOthers(config, embedded.url), firstBlock } as Network;
    await writeNetwork(layout.network, network);
    const connector = connect(network, embedded.url, keystore, clock);
    await connector.start();
    return {
      connector,
      async stop() {
        await connector.stop();
        await embedded.stop();
      },
    };
  } catch (error) {
    await embedded.stop();
    throw error;
  }
}

/** A wildcard address means nothing to a joiner: the host under which peers reach this node takes its place. */
function rpcForOthers({ advertise, chain }: NodeConfig, url: string): string {
  if (chain.driver !== 'embedded' || (chain.rpc.host !== '0.0.0.0' && chain.rpc.host !== '::')) return url;
  const host = advertise[0]?.replace(/:\d+$/, '');
  return host === undefined ? url : url.replace(/\/\/(?:\[[^\]]*\]|[^:/]+)/, `//${host}`);
}

/** The driver for the chain that a network file names. Not started. */
export function connect(network: Network, url: string, keystore: Keystore, clock: Clock): ChainConnector {
  return evmChain({
    url,
    chainId: network.chainId,
    contract: network.contract,
    clock,
    relayerKey: keystore.relayerKey,
    firstBlock: network.firstBlock,
    ...(network.finality === undefined ? {} : { finality: network.finality }),
  });
}
