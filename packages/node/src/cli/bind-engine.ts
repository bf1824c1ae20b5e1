/** The real parts behind the commands. Each is loaded when a command needs it, so that `2pm status` starts at once. @module */
import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import { NodeError } from '@2pm/core';
import { generatePrivateKey } from '@2pm/crypto';
import { CONTROLLER_FILE } from '../config/layout.ts';
import type { Engine } from './engine.ts';

export function bindEngine(): Engine {
  return {
    rng: { fill: (bytes) => randomFillSync(bytes) },
    async createKeystore(dir, passphrase, rng) {
      const { createKeystore, writeKeyFile } = await import('@2pm/chain/keystore');
      // First, because the keystore's own files say that all is there.
      await writeKeyFile(join(dir, CONTROLLER_FILE), generatePrivateKey(rng), passphrase, rng);
      return (await createKeystore(dir, passphrase, rng)).signer.id;
    },
    createNode: () => absent('running a node'),
    draftContract: () => absent('drafting contracts'),
    listDatasets: () => absent('listing datasets'),
    checkDatasets: () => absent('checking datasets'),
    async verifyReceipt(bytes) {
      const [{ verifyReceipt }, { rep3SemiHonest }] = await Promise.all([import('@2pm/task'), import('@2pm/mpc')]);
      return verifyReceipt(bytes, [rep3SemiHonest]);
    },
    simulate: () => absent('simulating'),
  };
}

function absent(what: string): Promise<never> {
  return Promise.reject(
    new NodeError('NODE_PART_ABSENT', `${what} is not in this build`, {
      fault: 'node',
      fix: 'update to a build that has it',
    }),
  );
}
