/**
 * Claim: a session between two nodes carries at least 1 GB/s in frames of 256 KiB, and a round trip takes at most 60 µs.
 * Two processes on loopback, mutual TLS 1.3. Run by `node bench/channel.js` after a build; prints one JSON object.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import { encode } from '@2pm/core';
import { directory, selfSignedCertificate, tlsBackbone, tlsKeyPair } from '@2pm/p2p';

const PROTOCOL = '/2pm/bench/1';
const FRAME_BYTES = 256 * 1024;
const FRAMES = 4096;
const ROUNDS = 5000;
const BARE = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256', rejectUnauthorized: false };
const NODES = [`0x${'0a'.repeat(20)}`, `0x${'0b'.repeat(20)}`];

const clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    }),
};

function registry(hashes, port) {
  const peers = directory();
  hashes.forEach((tls, index) => {
    const addresses = index === 0 ? [`127.0.0.1:${port}`] : [];
    const node = NODES[index];
    const record = encode({ v: 1, node, seq: 1, org: 'bench', addresses, keys: { tls, hpke: '0x' }, protocols: [] });
    const event = { type: 'nodeRegistered', node, controller: node, seq: 1, record };
    peers.apply({ type: 'event', event, cursor: `${index}`, block: index, blockTime: index, tx: '0x' });
  });
  return peers;
}

/** Takes all frames, then answers pings. */
async function server({ key, hashes }) {
  const listen = { host: '127.0.0.1', port: 0 };
  const backbone = await tlsBackbone({ self: NODES[0], tls: key, directory: registry(hashes, 1), listen, clock });
  backbone.serve(PROTOCOL, async (channel, { session }) => {
    if (session !== 'measure') return;
    for (let index = 0; index < FRAMES; index++) await channel.receive();
    await channel.send(new Uint8Array(1));
    for (let index = 0; index < ROUNDS; index++) await channel.send(await channel.receive());
  });
  process.send({ port: backbone.address.port });
}

async function client() {
  const keys = [tlsKeyPair(), tlsKeyPair()];
  const hashes = keys.map(({ spkiHash }) => spkiHash);
  const { child, port } = await start('server', { key: keys[0], hashes });
  const backbone = await tlsBackbone({ self: NODES[1], tls: keys[1], directory: registry(hashes, port), clock });

  const dials = [];
  for (let index = 0; index < 20; index++) {
    const begin = performance.now();
    const short = await backbone.dial(NODES[0], { protocol: PROTOCOL, session: `dial ${index}` });
    dials.push(performance.now() - begin);
    short.close();
  }
  const channel = await backbone.dial(NODES[0], { protocol: PROTOCOL, session: 'measure' });
  const frame = new Uint8Array(FRAME_BYTES).fill(7);
  const ping = new Uint8Array(64);
  const result = await measure(
    () => channel.send(frame),
    () => channel.receive(),
    async () => {
      await channel.send(ping);
      await channel.receive();
    },
  );
  await backbone.stop();
  child.kill();
  return {
    claim: 'one session carries >= 1 GB/s in 256 KiB frames at a round trip of <= 60 µs',
    ...result,
    dialMillis: { first: round(dials[0]), p50: round(quantile(dials, 0.5)) },
    bareTls: await bare(),
  };
}

/** The same exchange over bare node:tls, nothing framed or copied, in the same run: what the machine gives just now. */
async function bareServer({ key, cert }) {
  const server = createServer({ key, cert, ...BARE, requestCert: true, noDelay: true }, (socket) => {
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes > FRAMES * FRAME_BYTES) socket.write(chunk);
      else if (bytes === FRAMES * FRAME_BYTES) socket.write('x');
    });
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send({ port: server.address().port });
}

async function bare() {
  const key = tlsKeyPair().privateKeyPem;
  const cert = selfSignedCertificate(key).pem;
  const { child, port } = await start('bare', { key, cert });
  const socket = connect({ host: '127.0.0.1', port, key, cert, ...BARE });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  const frame = new Uint8Array(FRAME_BYTES).fill(7);
  const result = await measure(
    async () => {
      if (!socket.write(frame)) await once(socket, 'drain');
    },
    () => once(socket, 'data'),
    async () => {
      socket.write(new Uint8Array(64));
      await once(socket, 'data');
    },
  );
  socket.destroy();
  child.kill();
  return result;
}

async function start(role, message) {
  const child = fork(new URL(import.meta.url), [role]);
  child.send(message);
  const [{ port }] = await once(child, 'message');
  return { child, port };
}

async function measure(send, acknowledged, roundTrip) {
  const begin = performance.now();
  const last = acknowledged();
  for (let index = 0; index < FRAMES; index++) await send();
  await last;
  const seconds = (performance.now() - begin) / 1000;
  const trips = [];
  for (let index = 0; index < ROUNDS; index++) {
    const sent = performance.now();
    await roundTrip();
    trips.push((performance.now() - sent) * 1000);
  }
  const warm = trips.slice(1000);
  return {
    gigabytesPerSecond: round((FRAMES * FRAME_BYTES) / seconds / 1e9),
    roundTripMicros: { p50: round(quantile(warm, 0.5)), p99: round(quantile(warm, 0.99)) },
  };
}

const quantile = (values, q) => [...values].sort((x, y) => x - y)[Math.floor(q * values.length)];
const round = (value) => Math.round(value * 100) / 100;

if (process.argv[2] === 'server') process.once('message', server);
else if (process.argv[2] === 'bare') process.once('message', bareServer);
else console.log(JSON.stringify(await client(), null, 2));
