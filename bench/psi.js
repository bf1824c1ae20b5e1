/**
 * Two-party PSI, each party a process of its own, over a loopback socket.
 *
 *   node bench/psi.js [--n 1048576] [--protocol rr22] [--warm] [--phases] [--json]   (phases on stderr: wall and CPU ms)
 *
 * Both sets have n random items of 16 bytes, half of them common; the result is checked. `wall_ms` runs from both parties
 * being ready to the receiver having its answer, `cpu_ms` is user and system time of both in that span, `bytes` both
 * directions, `rss_mb` the larger of the two peaks. Fresh processes run their first code unoptimised; with --warm each
 * party has run a set of 2^14 before, as a node that has been up for a while.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { emptyStats, Inbox } from '../packages/core/dist/index.js';
import { nodeCrypto, nodeRng } from '../packages/crypto/dist/node/provider.js';
import { rr22Receiver, rr22Sender } from '../packages/psi/dist/index.js';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '1048576' },
    protocol: { type: 'string', default: 'rr22' },
    json: { type: 'boolean', default: false },
    phases: { type: 'boolean', default: false },
    warm: { type: 'boolean', default: false },
    party: { type: 'string' },
  },
});
const n = Number(values.n);
const protocols = { rr22: { receiver: rr22Receiver, sender: rr22Sender } };

if (values.party === undefined) await compare();
else await party(values.party);

/** The parent: starts both parties, lets them go at once, and adds up. */
async function compare() {
  if (!(values.protocol in protocols)) throw new Error(`unknown protocol ${values.protocol}`);
  const start = (name) => {
    const args = ['--party', name, '--n', String(n), '--protocol', values.protocol, ...(values.warm ? ['--warm'] : [])];
    return fork(fileURLToPath(import.meta.url), args);
  };
  const message = async (child) => (await once(child, 'message'))[0];
  const receiver = start('receiver');
  const { port } = await message(receiver);
  const sender = start('sender');
  await message(sender);
  sender.send({ port });
  await Promise.all([message(receiver), message(sender)]);
  const results = Promise.all([message(receiver), message(sender)]);
  receiver.send('go');
  sender.send('go');
  const [r, s] = await results;
  const result = {
    name: 'psi',
    protocol: values.protocol,
    n,
    wall_ms: round(r.wall),
    cpu_ms: round(r.cpu + s.cpu),
    bytes: r.bytes,
    bits_per_item: round((r.bytes * 8) / n),
    rss_mb: round(Math.max(r.rss, s.rss)),
  };
  console.log(values.json ? JSON.stringify(result) : result);
  if (values.phases) {
    for (const [name, { phases }] of Object.entries({ receiver: r, sender: s })) {
      console.error(name, Object.fromEntries(phases));
    }
  }
}

/** A child: one party. */
async function party(name) {
  const items = sample(name === 'receiver' ? 0 : n / 2);
  const socket = await (name === 'receiver' ? accept() : dial());
  socket.setNoDelay(true);
  const channel = framed(socket);
  const run = (sid, size, own, onPhase) =>
    protocols[values.protocol][name]({
      channel,
      sid: `0x${sid.repeat(32)}`,
      capacity: { receiver: size, sender: size },
      items: own,
      rng: nodeRng,
      crypto: nodeCrypto,
      onPhase,
    });
  if (values.warm) await run('5d', 2 ** 14, items.subarray(0, Math.min(2 ** 18, items.length)));
  const before = channel.stats.bytesSent + channel.stats.bytesReceived;
  process.send('connected');
  await once(process, 'message');
  const phases = [];
  const started = { wall: performance.now(), cpu: cpuMs() };
  let last = started;
  const found = await run('5e', n, items, (phase) => {
    const [now, cpu] = [performance.now(), cpuMs()];
    phases.push([phase, `${round(now - last.wall)} (cpu ${round(cpu - last.cpu)})`]);
    last = { wall: now, cpu };
  });
  const wall = performance.now() - started.wall;
  const cpu = cpuMs() - started.cpu;
  if (name === 'receiver') check(found);
  process.send({
    wall,
    cpu,
    bytes: channel.stats.bytesSent + channel.stats.bytesReceived - before,
    rss: process.resourceUsage().maxRSS / 1024,
    phases,
  });
  process.disconnect();
  socket.end();
}

/** Items first … first + n − 1 of a fixed pseudo-random list. */
function sample(first) {
  const key = createHash('sha256').update('2pm/bench/psi').digest().subarray(0, 16);
  return nodeCrypto.aes128Ctr(key, new Uint8Array(8), BigInt(Math.floor(first)), 16 * n);
}

function check(found) {
  const from = Math.floor(n / 2);
  if (found.length !== n - from || found.some((index, i) => index !== from + i)) throw new Error('wrong intersection');
}

async function accept() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send({ port: server.address().port });
  const [socket] = await once(server, 'connection');
  server.close();
  return socket;
}

async function dial() {
  process.send('ready');
  const [{ port }] = await once(process, 'message');
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** Length-prefixed frames over a socket, as a Channel; the benchmark counts frames with their four bytes of length. */
function framed(socket) {
  const inbox = new Inbox();
  const stats = emptyStats();
  let missing = 0;
  let parts = [];
  let head = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    stats.bytesReceived += chunk.length;
    while (chunk.length > 0) {
      if (missing === 0) {
        const take = Math.min(4 - head.length, chunk.length);
        head = Buffer.concat([head, chunk.subarray(0, take)]);
        chunk = chunk.subarray(take);
        if (head.length < 4) return;
        missing = head.readUInt32LE();
        head = Buffer.alloc(0);
      }
      const part = chunk.subarray(0, missing);
      parts.push(part);
      missing -= part.length;
      chunk = chunk.subarray(part.length);
      if (missing === 0) {
        stats.framesReceived++;
        inbox.push(parts.length === 1 ? parts[0] : Buffer.concat(parts));
        parts = [];
      }
    }
  });
  socket.on('close', () => inbox.close(new Error('the other party is gone')));
  return {
    peer: `0x${'00'.repeat(20)}`,
    stats,
    async send(frame) {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(frame.length);
      stats.bytesSent += 4 + frame.length;
      stats.framesSent++;
      socket.write(length);
      if (!socket.write(frame)) await once(socket, 'drain');
    },
    receive: (options) => inbox.next(options?.signal),
    close: () => socket.destroy(),
  };
}

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function round(value) {
  return Math.round(value * 10) / 10;
}
