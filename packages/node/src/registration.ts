/** Joining: the node's signed record, put into the registry or brought up to date. @module */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { addressOfKeyFile, type Keystore } from '@2pm/chain/keystore';
import { type ChainConnector, encode, NodeError, type NodeId, type NodeRecord, recordHash } from '@2pm/core';
import { signRegister, signUpdate } from '@2pm/crypto';
import { CONTROLLER_FILE } from './config/layout.ts';
import type { NodeConfig } from './config/load.ts';

/** A node that names this protocol has data to compute on. */
export const OFFERS_DATA = '/2pm/data/1';

/**
 * Registers the node, or updates its record where it differs from what the registry names.
 * @throws {NodeError} `NODE_LEFT`, `NODE_REVOKED`, `NODE_NO_CONTROLLER`, `LEDGER_*`, `CHAIN_*`.
 */
export async function register(options: {
  config: NodeConfig;
  keystore: Keystore;
  chain: ChainConnector;
  addresses: readonly string[];
  offersData: boolean;
  protocols: readonly string[];
}): Promise<NodeRecord> {
  const { chain, config, keystore } = options;
  const { signer } = keystore;
  const registered = await chain.node(signer.id);
  if (registered?.status === 'revoked') {
    throw new NodeError('NODE_REVOKED', 'the controller of this node has revoked it', {
      fault: 'caller',
      fix: 'make a new node with 2pm init in another directory',
    });
  }
  const record = (seq: number): NodeRecord => ({
    v: 1,
    node: signer.id,
    seq,
    org: config.org,
    addresses: [...options.addresses],
    keys: { tls: keystore.tls.spkiHash, hpke: keystore.hpke.publicKey },
    protocols: [...options.protocols, ...(options.offersData ? [OFFERS_DATA] : [])],
  });
  if (registered?.status === 'active') {
    const current = record(registered.seq);
    if (recordHash(current) === registered.recordHash) return current;
    const next = record(registered.seq + 1);
    await chain.submit(await signUpdate(signer, chain.info.domain, { record: encode(next), nonce: next.seq }));
    return next;
  }
  const first = record((registered?.seq ?? 0) + 1);
  const controller = controllerOf(config);
  await chain.submit(
    await signRegister(signer, chain.info.domain, { controller, record: encode(first), nonce: first.seq }),
  );
  return first;
}

function controllerOf({ layout }: NodeConfig): NodeId {
  const path = join(layout.keystore, CONTROLLER_FILE);
  if (!existsSync(path)) {
    throw new NodeError('NODE_NO_CONTROLLER', 'the controller key is not here, and the node is not registered yet', {
      fault: 'caller',
      privateDetail: path,
      fix: 'put controller.json back into keystore/ for the first start; afterwards keep it on another machine',
    });
  }
  return addressOfKeyFile(path);
}
