/** The cast: an analyst's node that founds the network and hosts its chain, and three data holders that join. @module */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type NodeClient } from '@2pm/sdk';
import { parseDocument } from 'yaml';
import type { HolderFile } from './datasets.ts';
import { freePorts, type NodeProcess, twopm, up } from './processes.ts';

export interface Party {
  org: string;
  dir: string;
  /** Undefined for the analyst, who brings none. */
  file: HolderFile | undefined;
  process: NodeProcess;
  client: NodeClient;
}

export const ANALYST = 'Transport Watch';

/**
 * What a holder allows: totals, means and histograms over at least twenty rows, together with at least two others. Rows
 * never leave.
 */
const POLICY = {
  permit: [
    {
      parties: 'any',
      operations: ['aggregate'],
      reveals: ['aggregate'],
      columns: ['delay', 'distance', 'origin'],
      thresholds: { minParties: 3, minGroupSize: 20 },
      approval: 'auto',
    },
  ],
  prohibit: [],
  defaults: 'deny',
};

export async function raiseNetwork(
  dir: string,
  files: readonly HolderFile[],
  onStep: (text: string) => void,
): Promise<{ analyst: Party; holders: Party[] }> {
  const ports = await freePorts(3 + 2 * files.length);
  const port = () => `127.0.0.1:${ports.pop()}`;
  const analystDir = join(dir, 'analyst');
  onStep('making keys for four nodes');
  const places = files.map((file, index) => ({ file, dir: join(dir, `holder-${index + 1}`) }));
  await twopm(
    analystDir,
    'init',
    '--embedded',
    '--org',
    ANALYST,
    '--listen',
    port(),
    '--api',
    port(),
    '--rpc',
    port(),
    '--yes',
  );
  onStep('starting the chain and the founding node');
  const founder = await start(ANALYST, analystDir, undefined);
  const network = join(analystDir, 'network.json');
  const holders = await Promise.all(
    places.map(async ({ file, dir: holderDir }) => {
      await twopm(
        holderDir,
        'init',
        '--network',
        network,
        '--org',
        file.org,
        '--listen',
        port(),
        '--api',
        port(),
        '--yes',
      );
      await twopm(holderDir, 'data', 'add', file.path, '--as', 'flights');
      await setPolicy(join(holderDir, 'data'));
      onStep(`${file.org} joins with ${file.rows.toLocaleString('en')} rows of ${file.kind}`);
      return start(file.org, holderDir, file);
    }),
  );
  await everyoneKnown(founder, holders.length);
  return { analyst: founder, holders };
}

export async function start(org: string, dir: string, file: HolderFile | undefined): Promise<Party> {
  const process = await up(dir);
  const token = (await readFile(join(dir, 'api-token'), 'utf8')).trim();
  return { org, dir, file, process, client: connect({ url: process.api, token }) };
}

/** The drafted contract denies everything; this is the holder's own edit. */
async function setPolicy(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.endsWith('.odcs.yaml')) continue;
    const path = join(dir, name);
    const document = parseDocument(await readFile(path, 'utf8'));
    document.set('customProperties', [{ property: 'twopm.policy', value: POLICY }]);
    await writeFile(path, document.toString());
  }
}

async function everyoneKnown({ client }: Party, holders: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const peers = await client.peers();
    if (peers.filter(({ self, reachable }) => !self && reachable === true).length >= holders) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the nodes did not find each other');
}
