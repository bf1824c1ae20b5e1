/** Where things lie in a node's directory. @module */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** In the keystore: the organisation's cold key, which may rotate or revoke the node key. */
export const CONTROLLER_FILE = 'controller.json';

export interface Layout {
  dir: string;
  config: string;
  keystore: string;
  /** Present only where the operator let the passphrase lie beside the keystore. */
  passphrase: string;
  apiToken: string;
  network: string;
  state: string;
  snapshots: string;
}

export function layout(dir: string): Layout {
  const at = (name: string) => join(dir, name);
  return {
    dir,
    config: at('2pm.yaml'),
    keystore: at('keystore'),
    passphrase: at('passphrase'),
    apiToken: at('api-token'),
    network: at('network.json'),
    state: at('state'),
    snapshots: at('snapshots'),
  };
}

/** `--dir`, else `TWOPM_DIR`, else `~/.2pm`. */
export function nodeDirectory(option: string | undefined, env: NodeJS.ProcessEnv): string {
  return resolve(option ?? (env['TWOPM_DIR'] || join(homedir(), '.2pm')));
}
