/** The composition root: configuration → parts → start in order → stop in reverse. @module */
import { join } from 'node:path';
import { openKeystore } from '@2pm/chain/keystore';
import { type ChainConnector, type NodeId, publicError } from '@2pm/core';
import type { NodeStatusView, PeerView } from '@2pm/core/api';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { sharedBackends } from '@2pm/mpc';
import { type Directory, directory, tlsBackbone } from '@2pm/p2p';
import { stripTypes } from '@2pm/program';
import { COMPUTE_PROTOCOL, CONTROL_PROTOCOL, Tasks } from '@2pm/task';
import { expectAlone } from './alone.ts';
import type { RunningNode } from './cli/engine.ts';
import { VERSION } from './cli/version.ts';
import { type NodeConfig, readApiToken } from './config/load.ts';
import { dataOf } from './data.ts';
import { sqliteDisk } from './env/sqlite-disk.ts';
import { systemClock } from './env/system-clock.ts';
import { chainOf } from './founding.ts';
import { serveApi } from './http/serve.ts';
import { psiThread } from './psi-thread/thread.ts';
import { OFFERS_DATA, register } from './registration.ts';
import { createSandbox } from './sandbox/index.ts';

/** A holder's shares of a whole column travel in one frame. */
const COMPUTE_FRAME_BYTES = 512 * 1024 * 1024;
const PING_MS = 2_000;
const REGISTRY_MS = 5_000;
const ANALYST = 'default';

const encoder = new TextEncoder();
const clock = systemClock;
const rng = nodeRng;

/** @throws {NodeError} of the part that cannot start; what was started before it is stopped again. */
export async function createNode(
  config: NodeConfig,
  options: { passphrase: string; signal: AbortSignal; log: (message: string) => void },
): Promise<RunningNode> {
  const { log, passphrase } = options;
  const running: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (const end of running.splice(0).reverse()) await Promise.resolve(end()).catch((error) => log(String(error)));
  };
  try {
    const token = await readApiToken(config.layout);
    const keystore = await openKeystore(config.layout.keystore, passphrase);
    const { signer } = keystore;
    const analyst = keystore.analysts.get(ANALYST) ?? (await keystore.addAnalyst(ANALYST, rng));

    const disk = sqliteDisk(join(config.layout.state, 'journals'));
    running.push(() => disk.close());
    const sandbox = createSandbox();
    running.push(() => sandbox.close());
    const data = await dataOf({ config, clock, rng });
    running.push(() => data.close());

    const hosted = await chainOf(config, keystore, clock, log);
    running.push(() => hosted.stop());
    const chain = hosted.connector;

    const peers = directory();
    const backbone = await tlsBackbone({
      self: signer.id,
      tls: keystore.tls,
      directory: peers,
      listen: config.listen,
      clock,
      limits: { frameBytesOf: { [COMPUTE_PROTOCOL]: COMPUTE_FRAME_BYTES } },
    });
    running.push(() => backbone.stop());

    const discovery = new AbortController();
    running.push(() => discovery.abort());
    const starting = AbortSignal.any([options.signal, discovery.signal]);
    void discover(chain, peers, config, discovery.signal, log);
    if ((await chain.node(signer.id))?.status === 'active') await known(peers, signer.id, starting);
    await expectAlone({
      self: signer.id,
      tlsKey: keystore.tls.spkiHash,
      registered: peers.record(signer.id)?.addresses ?? [],
      own: config.advertise,
      clock,
      signal: starting,
    });
    const record = await register({
      config,
      keystore,
      chain,
      addresses: config.advertise,
      offersData: data.holder !== undefined,
      protocols: [CONTROL_PROTOCOL, COMPUTE_PROTOCOL, ...sharedBackends.map(({ card }) => card.id)],
    });
    await known(peers, signer.id, starting);

    const psi = psiThread({
      identityOf: (node) => peers.record(node)?.keys.tls,
      scratch: { dir: join(config.layout.state, 'psi'), memoryBytes: config.psi.memoryMb * 2 ** 20 },
    });
    running.push(() => psi.close());
    if (data.holder !== undefined) psi.start();
    const orgOf = (node: NodeId) => peers.record(node)?.org ?? (node === signer.id ? record.org : node.slice(0, 10));
    const tasks = new Tasks({
      env: { clock, rng, disk, backbone },
      chain,
      signer,
      analyst: {
        signer: analyst.signer,
        keys: { id: analyst.signer.id, hpke: analyst.hpke.publicKey },
        hpkePrivateKey: analyst.hpke.privateKey,
      },
      data: data.holder,
      backends: sharedBackends,
      crypto: nodeCrypto,
      intersector: psi,
      strip: async (source) => encoder.encode(await stripTypes(encoder.encode(source))),
      trace: (program, signal) => sandbox.traceProgram(program, { signal }),
      peers: () =>
        peers.peers().map(({ node, org, protocols }) => ({ node, org, offersData: protocols.includes(OFFERS_DATA) })),
      orgOf,
      finality: config.finality,
    });
    tasks.start();
    running.push(() => tasks.stop());

    const status = async (): Promise<NodeStatusView> => {
      const health = await chain.health();
      const all = tasks.list();
      return {
        version: VERSION,
        node: signer.id,
        did: `did:pkh:${chain.info.caip2}:${signer.id}`,
        org: config.org,
        listen: backbone.address === undefined ? '' : `${backbone.address.host}:${backbone.address.port}`,
        chain: {
          driver: config.chain.driver,
          caip2: chain.info.caip2,
          reachable: health.reachable,
          block: health.head.block,
          lag: health.lag,
        },
        registered: peers.record(signer.id) !== undefined,
        peers: peers.peers().filter(({ node }) => node !== signer.id).length,
        tasks: {
          running: all.filter(({ phase }) => !isFinal(phase)).length,
          ended: all.filter(({ phase }) => isFinal(phase)).length,
        },
      };
    };
    const listPeers = (): Promise<PeerView[]> =>
      Promise.all(
        peers.peers().map(async ({ node, org, addresses }) => {
          const self = node === signer.id;
          const rttMs = self ? null : await tasks.ping(node, PING_MS);
          return {
            node,
            org,
            addresses,
            status: 'active' as const,
            self,
            reachable: self ? null : rttMs !== null,
            rttMs,
          };
        }),
      );
    const api = await serveApi(
      {
        tasks,
        status,
        peers: listPeers,
        datasets: () => data.datasets(),
        token,
        host: config.api.host,
        onInternalError: (error) => log(`internal error: ${error instanceof Error ? error.stack : String(error)}`),
      },
      config.api,
    );
    running.push(() => api.close());
    return { apiUrl: api.url, status, ended: new Promise(() => undefined), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Keeps the directory of peers: all registry events from the beginning, then live. */
async function discover(
  chain: ChainConnector,
  peers: Directory,
  config: NodeConfig,
  signal: AbortSignal,
  log: (message: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const item of chain.events({ from: null, level: config.finality, signal })) peers.apply(item);
    } catch (error) {
      if (signal.aborted) return;
      log(`discovery: ${publicError(error).message}`);
    }
    await clock.sleep(1_000, signal).catch(() => undefined);
  }
}

/** Waits until the node sees itself in the registry, for as long as that usually takes. */
async function known(peers: Directory, self: NodeId, signal: AbortSignal): Promise<void> {
  for (let waited = 0; peers.record(self) === undefined && waited < REGISTRY_MS && !signal.aborted; waited += 25) {
    await clock.sleep(25, signal).catch(() => undefined);
  }
}

function isFinal(phase: string): boolean {
  return ['settled', 'refused', 'aborted', 'expired', 'failed'].includes(phase);
}
