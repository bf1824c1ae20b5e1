/**
 * Two-party PSI from an OPRF, each party a process of its own, over a loopback socket.
 *
 *   node bench/psi-ecdh.js [--n 1000] [--sender N] [--verifiable] [--kept] [--phases] [--json]
 *
 * Sets, check and figures as in bench/psi.js; --sender gives the sender another size (n or more). With --verifiable the
 * sender proves its key; with --kept it has evaluated its set before the clock starts. Protocol names follow:
 * ecdh, ecdh-verifiable, ecdh-kept, ecdh-verifiable-kept. `bits_per_item` is for an item of the receiver.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { channelClosed, emptyStats, Inbox } from '../packages/core/dist/index.js';
import { nodeCrypto, nodeRng } from '../packages/crypto/dist/node/provider.js';
import { ecdhKey, ecdhReceiver, ecdhSender, evaluateSet } from '../packages/psi/dist/index.js';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '1000' },
    sender: { type: 'string' },
    verifiable: { type: 'boolean', default: false },
    kept: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    phases: { type: 'boolean', default: false },
    party: { type: 'string' },
  },
});
const n = Number(values.n);
const capacity = { receiver: n, sender: Number(values.sender ?? n) };
const half = Math.floor(n / 2);
const round = (value) => Math.round(value * 10) / 10;
const peer = `0x${'00'.repeat(20)}`;

if (values.party === undefined) await measure();
else await party(values.party);

async function measure() {
  const next = async (child) => (await once(child, 'message'))[0];
  const start = (name) => fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--party', name]);
  const receiver = start('receiver');
  const sender = start('sender');
  const { port } = await next(receiver);
  sender.send({ port });
  await Promise.all([next(receiver), next(sender)]);
  const results = Promise.all([next(receiver), next(sender)]);
  for (const child of [receiver, sender]) child.send('go');
  const [r, s] = await results;
  const result = {
    name: 'psi',
    protocol: ['ecdh', values.verifiable && 'verifiable', values.kept && 'kept'].filter(Boolean).join('-'),
    n,
    ...(capacity.sender !== n && { n_sender: capacity.sender }),
    wall_ms: round(r.wall),
    cpu_ms: round(r.cpu + s.cpu),
    bytes: r.bytes,
    bits_per_item: round((r.bytes * 8) / n),
    rss_mb: round(Math.max(r.rss, s.rss)),
  };
  console.log(values.json ? JSON.stringify(result) : result);
  if (values.phases) console.error({ receiver: r.phases, sender: s.phases });
}

async function party(name) {
  const channel = framed(name === 'receiver' ? await accept() : await dial());
  const key = { server: peer, purpose: 'benchmark', version: 1 };
  const mode = values.verifiable ? 'voprf' : 'oprf';
  const options = { channel, sid: `0x${'5e'.repeat(32)}`, capacity, mode, rng: nodeRng, crypto: nodeCrypto };
  const source = name === 'sender' && (await prepare(key, mode));
  const go = once(process, 'message');
  process.send('connected');
  await go;
  const started = { wall: performance.now(), cpu: cpuMs() };
  const phases = {};
  const onPhase = (phase) => {
    phases[phase] = `at ${round(performance.now() - started.wall)} (cpu ${round(cpuMs() - started.cpu)})`;
  };
  if (name === 'receiver') {
    const found = await ecdhReceiver({ ...options, onPhase, items: sample(0, n), ...(values.kept && { key }) });
    if (found.length !== n - half || found.some((index, i) => index !== half + i))
      throw new Error('wrong intersection');
  } else {
    await ecdhSender({ ...options, onPhase, ...source });
  }
  const [wall, cpu] = [performance.now() - started.wall, cpuMs() - started.cpu];
  const bytes = channel.stats.bytesSent + channel.stats.bytesReceived;
  process.send({ wall, cpu, bytes, rss: process.resourceUsage().maxRSS / 1024, phases });
  process.disconnect();
  channel.close();
}

async function prepare(name, mode) {
  const items = sample(half, capacity.sender);
  if (!values.kept) return { items };
  const key = await ecdhKey(nodeRng.fill(new Uint8Array(32)), name, mode);
  return { key, set: await evaluateSet({ key, items, capacity: capacity.sender, rng: nodeRng }) };
}

/** `count` items of a fixed pseudo-random list. */
function sample(first, count) {
  const key = createHash('sha256').update('2pm/bench/psi').digest().subarray(0, 16);
  return nodeCrypto.aes128Ctr(key, new Uint8Array(8), BigInt(first), 16 * count);
}

async function accept() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send({ port: server.address().port });
  const [socket] = await once(server, 'connection');
  server.close();
  return socket;
}

async function dial() {
  const [{ port }] = await once(process, 'message');
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** Frames behind four bytes of length, counted with them. */
function framed(socket) {
  const [inbox, stats] = [new Inbox(), emptyStats()];
  let pending = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    stats.bytesReceived += chunk.length;
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32LE()) {
      const end = 4 + pending.readUInt32LE();
      inbox.push(new Uint8Array(pending.subarray(4, end)));
      pending = pending.subarray(end);
    }
  });
  socket.on('close', () => inbox.close(channelClosed(peer)));
  return {
    peer,
    stats,
    async send(frame) {
      const message = Buffer.alloc(4 + frame.length);
      message.writeUInt32LE(frame.length);
      message.set(frame, 4);
      stats.bytesSent += message.length;
      if (!socket.write(message)) await once(socket, 'drain');
    },
    receive: (options) => inbox.next(options?.signal),
    close: () => socket.end(),
  };
}

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
