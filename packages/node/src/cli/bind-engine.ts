/** The real parts behind the commands. Each is loaded when a command needs it, so that `2pm status` starts at once. @module */
import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import type { Rng } from '@2pm/core';
import { generatePrivateKey } from '@2pm/crypto';
import { CONTROLLER_FILE } from '../config/layout.ts';
import type { Engine } from './engine.ts';

const rng: Rng = { fill: (bytes) => randomFillSync(bytes) };

export function bindEngine(): Engine {
  return {
    rng,
    async createKeystore(dir, passphrase, rng, { random }) {
      const { createKeystore, writeKeyFile } = await import('@2pm/chain/keystore');
      // Stretching makes a person's passphrase dear to guess; random bits cannot be guessed at any price.
      const n = random ? 2 ** 12 : undefined;
      // First, because the keystore's own files say that all is there.
      await writeKeyFile(join(dir, CONTROLLER_FILE), generatePrivateKey(rng), passphrase, rng, n ? { n } : {});
      return (await createKeystore(dir, passphrase, rng, n ? { scryptN: n } : {})).signer.id;
    },
    async createNode(config, options) {
      const { createNode } = await import('../node.ts');
      return createNode(config, options);
    },
    async leave(config, passphrase) {
      const { leave } = await import('../leave.ts');
      return leave(config, passphrase);
    },
    async draftContract(dataDir, request) {
      const { draft } = await import('../data.ts');
      return draft(dataDir, rng, request);
    },
    async listDatasets(dataDir) {
      const { listDatasets } = await import('../data.ts');
      return listDatasets(dataDir);
    },
    async listBudgets(config) {
      const { listBudgets } = await import('../data.ts');
      return listBudgets(config);
    },
    async checkDatasets(dataDir, id) {
      const { checkDatasets } = await import('../data.ts');
      return checkDatasets(dataDir, rng, id);
    },
    async checkKeys(dataDir, id, key) {
      const { checkKeys } = await import('../data.ts');
      return checkKeys(dataDir, rng, id, key);
    },
    async verifyReceipt(bytes) {
      const [{ verifyReceipt }, { sharedBackends }] = await Promise.all([import('@2pm/task'), import('@2pm/mpc')]);
      return verifyReceipt(bytes, sharedBackends);
    },
    async explain(request) {
      const { explain } = await import('../explain.ts');
      return explain(request);
    },
    async simulate(request) {
      const { simulate } = await import('../simulate/simulate.ts');
      return simulate(request);
    },
  };
}
