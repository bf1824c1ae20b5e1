/** Finds the anvil binary that npm installed for this machine. @module */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { NodeError } from '@2pm/core';

const PLATFORMS: Readonly<Record<string, string>> = {
  'darwin-x64': 'darwin-amd64',
  'darwin-arm64': 'darwin-arm64',
  'linux-x64': 'linux-amd64',
  'linux-arm64': 'linux-arm64',
  'win32-x64': 'win32-amd64',
};

/**
 * Path of the binary inside the platform package (an optional dependency of this package).
 * @throws {NodeError} `CHAIN_ANVIL_MISSING` when this platform has none, or it was not installed.
 */
export function anvilBinary(platform = `${process.platform}-${process.arch}`): string {
  const suffix = PLATFORMS[platform];
  if (suffix === undefined) {
    throw missing(`there is no embedded chain for ${platform}`, 'Name the RPC address of an EVM chain in the config.');
  }
  const packageName = `@foundry-rs/anvil-${suffix}`;
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  } catch {
    throw missing(`the package ${packageName} is not installed`, 'Run npm install without --omit=optional.');
  }
  const binary = join(dirname(manifest), 'bin', platform.startsWith('win32') ? 'anvil.exe' : 'anvil');
  if (!existsSync(binary)) throw missing(`${packageName} holds no binary`, 'Delete node_modules and run npm install.');
  return binary;
}

function missing(message: string, fix: string): NodeError {
  return new NodeError('CHAIN_ANVIL_MISSING', message, { fault: 'node', fix });
}
