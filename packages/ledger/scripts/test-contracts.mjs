// Runs forge's fuzz and invariant tests, offline, with npm's solc. Arguments go to `forge test`.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const { resolve } = createRequire(import.meta.url);
const forge = resolve('@foundry-rs/forge-linux-amd64/bin/forge');
const root = fileURLToPath(new URL('../../..', import.meta.url));
const config = fileURLToPath(new URL('../solidity/foundry.toml', import.meta.url));
// forge finds the shim's `node` on the path: it must be the node that runs this.
const env = { ...process.env, FOUNDRY_CONFIG: config, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
const { status } = spawnSync(forge, ['test', '--root', root, ...process.argv.slice(2)], { env, stdio: 'inherit' });
process.exitCode = status ?? 1;
