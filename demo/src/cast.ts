/** The cast: an analyst's node that founds the network and hosts its chain, and three data holders that join. @module */
import { readFile, writeFile } from 'node:fs/promises';
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

export interface Founding {
  analyst: Party;
  /** The file that joiners need. */
  network: string;
  /** Hands out free addresses. */
  endpoint: () => string;
}

const ANALYST = 'Transport Watch';

/**
 * What a holder allows: totals, means and histograms over at least twenty rows, together with at least two others. Rows
 * never leave.
 */
const overFlights = (columns: readonly string[]) => ({
  parties: 'any',
  operations: ['aggregate'],
  reveals: ['aggregate'],
  columns,
  thresholds: { minParties: 3, minGroupSize: 20 },
  approval: 'auto',
});

/** Members may be matched with those of one partner, who may learn which of its own are here. */
const OVER_MEMBERS = {
  parties: 'any',
  operations: ['aggregate', 'match'],
  reveals: ['aggregate', 'intersection'],
  columns: ['email', 'miles', 'tier'],
  thresholds: { minParties: 1, minGroupSize: 20 },
  limits: { maxKeys: 25_000 },
  approval: 'auto',
};

/** The analyst's node, which founds the network; `holders` is how many will join. */
export async function found(dir: string, holders: number): Promise<Founding> {
  const ports = await freePorts(3 + 2 * holders);
  const endpoint = () => `127.0.0.1:${ports.pop()}`;
  const analystDir = join(dir, 'analyst');
  const places = ['--listen', endpoint(), '--api', endpoint(), '--rpc', endpoint()];
  await twopm(analystDir, 'init', '--embedded', '--org', ANALYST, ...places, '--yes');
  const analyst = await start(ANALYST, analystDir, undefined);
  return { analyst, network: join(analystDir, 'network.json'), endpoint };
}

/** A data holder: keys, contract, policy over `columns`, up. */
export async function joinNetwork(
  founding: Founding,
  dir: string,
  file: HolderFile,
  columns: readonly string[] = ['delay', 'distance', 'origin'],
): Promise<Party> {
  await makeNode(founding, dir, file.org);
  await addDataset(dir, file.path, 'flights', overFlights(columns));
  return start(file.org, dir, file);
}

/** A node that knows the network, without data, not up yet. */
export async function makeNode({ network, endpoint }: Founding, dir: string, org: string): Promise<void> {
  await twopm(
    dir,
    ...['init', '--network', network, '--org', org],
    ...['--listen', endpoint(), '--api', endpoint(), '--yes'],
  );
}

/** Waits until the founder reaches everyone. */
export async function gathered({ client }: Party, holders: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const peers = await client.peers();
    if (peers.filter(({ self, reachable }) => !self && reachable === true).length >= holders) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the nodes did not find each other');
}

export async function start(org: string, dir: string, file: HolderFile | undefined): Promise<Party> {
  const process = await up(dir);
  const token = (await readFile(join(dir, 'api-token'), 'utf8')).trim();
  return { org, dir, file, process, client: connect({ url: process.api, token }) };
}

/** A second dataset of a node that is up: it counts from the next task on. */
export async function addMembers({ dir }: Party, path: string): Promise<void> {
  await addDataset(dir, path, 'members', OVER_MEMBERS);
}

export async function addDataset(dir: string, path: string, table: string, permit: object): Promise<void> {
  await twopm(dir, 'data', 'add', path, '--as', table);
  await setPolicy(join(dir, 'data'), table, permit);
}

/** The drafted contract denies everything; this is the holder's own edit. */
async function setPolicy(dir: string, table: string, permit: object): Promise<void> {
  const path = join(dir, `${table}.odcs.yaml`);
  const document = parseDocument(await readFile(path, 'utf8'));
  const value = { permit: [permit], prohibit: [], defaults: 'deny' };
  document.set('customProperties', [{ property: 'twopm.policy', value }]);
  await writeFile(path, document.toString());
}
