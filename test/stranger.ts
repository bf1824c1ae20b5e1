/** Somebody who is no node and sends bytes to a port; and a node of the network that sends what no node should. */
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { evmChain } from '@2pm/chain/evm';
import { openKeystore } from '@2pm/chain/keystore';
import { type ChainConnector, encode } from '@2pm/core';
import { DEFAULT_LIMITS, type Directory, directory, tlsBackbone } from '@2pm/p2p';
import { COMPUTE_PROTOCOL, CONTROL_PROTOCOL } from '@2pm/task';
import { wallClock } from '@2pm/testing/chain-clock';
import { expect } from 'vitest';
import type { Network } from './network.ts';

const PATIENCE_MS = 1_500;

export interface Struck {
  answer: Buffer;
  /** The other end hung up before our patience did. */
  closed: boolean;
}

export function strike(host: string, port: number, bytes: Buffer): Promise<Struck> {
  return watch(connect(port, host), (socket) => socket.write(bytes));
}

/** Over TLS with no certificate of our own; whatever the other end says of itself. */
export async function strikeTls(
  host: string,
  port: number,
  bytes: Buffer,
): Promise<{ closed: boolean; bytes: number }> {
  const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['2pm/1'] });
  const { answer, closed } = await watch(socket, () => socket.write(bytes));
  return { closed, bytes: answer.length };
}

function watch(socket: Socket, onConnect: (socket: Socket) => void): Promise<Struck> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let closed = true;
    const timer = setTimeout(() => {
      closed = false;
      socket.destroy();
    }, PATIENCE_MS);
    socket.once('connect', () => onConnect(socket));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve({ answer: Buffer.concat(chunks), closed });
    });
  });
}

/** Speaks to the founder with the keys of the registered node in `dir`, each time on a session of its own. */
export async function insult({ founding, analyst }: Network, dir: string): Promise<void> {
  const passphrase = (await readFile(join(dir, 'passphrase'), 'utf8')).trim();
  const keystore = await openKeystore(join(dir, 'keystore'), passphrase);
  const { rpc: url, ...network } = JSON.parse(await readFile(founding.network, 'utf8'));
  const chain = evmChain({ ...network, url, clock: wallClock, relayerKey: keystore.relayerKey });
  await chain.start();
  const peers = directory();
  await readOnce(chain, peers);
  const { frameBytes } = DEFAULT_LIMITS;
  const backbone = await tlsBackbone({
    self: keystore.signer.id,
    tls: keystore.tls,
    directory: peers,
    clock: wallClock,
    limits: { frameBytes: 2 * frameBytes },
  });
  try {
    const { node } = await analyst.client.status();
    const frames = [
      new Uint8Array(1_000).fill(0xff),
      new Uint8Array(0),
      encode({ id: 0, request: { kind: 'obey' } }),
      encode({ id: -1, request: { kind: 'ping' } }),
      encode('ping'),
      new Uint8Array(frameBytes + 1),
    ];
    for (const [index, frame] of frames.entries()) {
      const channel = await backbone.dial(node, { protocol: CONTROL_PROTOCOL, session: `insult ${index}` });
      await channel.send(frame).catch(() => undefined);
      await expect(channel.receive(), `frame ${index}`).rejects.toMatchObject({ fault: 'peer' });
    }
    // Sessions that nobody expects wait, and what they carry is not read.
    const idle = await backbone.dial(node, { protocol: COMPUTE_PROTOCOL, session: `0x${'77'.repeat(32)}` });
    await idle.send(new Uint8Array(100_000));
    await expect(backbone.dial(node, { protocol: '/2pm/none/1', session: 'x' })).rejects.toMatchObject({
      code: 'P2P_PROTOCOL',
    });
  } finally {
    await backbone.stop();
    await chain.stop();
  }
}

async function readOnce(chain: ChainConnector, peers: Directory): Promise<void> {
  const stop = new AbortController();
  for await (const item of chain.events({ from: null, level: 'seen', signal: stop.signal })) {
    peers.apply(item);
    if (item.type === 'head') break;
  }
  stop.abort();
}
