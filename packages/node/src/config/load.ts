/** The configuration of the node in a directory: file, network and derived values together. @module */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type FinalityLevel, NodeError } from '@2pm/core';
import type { z } from 'zod';
import { type Layout, layout } from './layout.ts';
import { type Network, readNetwork } from './network.ts';
import { parseConfig } from './parse.ts';
import type { ConfigFile } from './schema.ts';

type File = z.output<typeof ConfigFile>;
type EmbeddedChain = Extract<File['chain'], { driver: 'embedded' }>;
export interface EvmChain {
  driver: 'evm';
  /** One address today; a list, because one that fails wants another. */
  rpc: readonly string[];
  network: Network;
}

export interface NodeConfig extends Omit<File, 'chain' | 'advertise' | 'finality' | 'data'> {
  layout: Layout;
  advertise: readonly string[];
  chain: EmbeddedChain | EvmChain;
  data: { /** Absolute. */ dir: string };
  finality: FinalityLevel;
}

/** @throws {NodeError} `CONFIG_MISSING`, and those of `parseConfig` and `readNetwork`. */
export async function loadConfig(dir: string): Promise<NodeConfig> {
  const places = layout(resolve(dir));
  let text: string;
  try {
    text = await readFile(places.config, 'utf8');
  } catch (cause) {
    throw new NodeError('CONFIG_MISSING', `there is no node in ${places.dir}`, {
      fault: 'caller',
      fix: `run \`2pm init --dir ${places.dir}\`, or name another directory with --dir or TWOPM_DIR`,
      cause,
    });
  }
  const file = parseConfig(text, places.config);
  return {
    ...file,
    layout: places,
    advertise: file.advertise ?? advertised(file.listen),
    chain: file.chain.driver === 'embedded' ? file.chain : await evmChain(file.chain, places),
    data: { dir: resolve(places.dir, file.data.dir) },
    finality: file.finality ?? (file.chain.driver === 'embedded' ? 'seen' : 'safe'),
  };
}

/** A wildcard address means nothing to a peer, and a port that the system chooses is not known yet. */
function advertised({ host, port }: { host: string; port: number }): string[] {
  if (host === '0.0.0.0' || host === '::' || port === 0) return [];
  return [host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`];
}

async function evmChain(chain: Extract<File['chain'], { driver: 'evm' }>, { dir }: Layout): Promise<EvmChain> {
  const network = typeof chain.network === 'string' ? await readNetwork(resolve(dir, chain.network)) : chain.network;
  return { driver: 'evm', network, rpc: [chain.rpc ?? network.rpc] };
}

/** Content of the node's `api-token`. @throws {NodeError} `CONFIG_NO_TOKEN`. */
export async function readApiToken({ apiToken, dir }: Layout): Promise<string> {
  const token = (await readFile(apiToken, 'utf8').catch(() => '')).trim();
  if (token !== '') return token;
  throw new NodeError('CONFIG_NO_TOKEN', `cannot read the API token ${join(dir, 'api-token')}`, {
    fault: 'caller',
    fix: `run \`2pm init --dir ${dir}\` again: it keeps what is there and writes what is missing`,
  });
}
