/** Leaving: the node's own signed word to the registry that it is gone. Its tasks go on without it or end. @module */

import { openKeystore } from '@2pm/chain/keystore';
import { NodeError, type NodeId } from '@2pm/core';
import { signLeave } from '@2pm/crypto';
import type { NodeConfig } from './config/load.ts';
import { systemClock } from './env/system-clock.ts';
import { connect } from './founding.ts';

/** Idempotent. @throws {NodeError} `NODE_HOSTS_CHAIN`, `NODE_NOT_REGISTERED`, `CHAIN_*`, `KEYSTORE_*`. */
export async function leave(config: NodeConfig, passphrase: string): Promise<NodeId> {
  if (config.chain.driver === 'embedded') {
    throw new NodeError('NODE_HOSTS_CHAIN', 'this node hosts the chain: without it there is no network to leave', {
      fault: 'caller',
      fix: 'let the others leave first, then remove the directory',
    });
  }
  const { network, rpc } = config.chain;
  const keystore = await openKeystore(config.layout.keystore, passphrase);
  const { id } = keystore.signer;
  const chain = connect(network, rpc[0] ?? network.rpc, keystore, systemClock);
  await chain.start();
  try {
    const registered = await chain.node(id);
    if (registered === null) {
      throw new NodeError('NODE_NOT_REGISTERED', 'this node is not in the registry', { fault: 'caller' });
    }
    if (registered.status === 'active') {
      await chain.submit(await signLeave(keystore.signer, chain.info.domain, { nonce: registered.seq + 1 }));
    }
    return id;
  } finally {
    await chain.stop();
  }
}
