/**
 * PSI of several parties, each a process of its own, over loopback sockets between all pairs.
 *
 *   node bench/psi-nparty.js [--n 1048576] [--parties 5] [--kept] [--warm [--again]] [--phases] [--json]
 *
 * All sets have n random items of 16 bytes. Half are common to all; of the leader's others each is lacked by one member
 * only. The result is checked. `wall_ms` runs from all parties being ready to the leader having its answer, `cpu_ms` is
 * user and system time of all in that span, `bytes` what all of them sent, `rss_mb` the largest of the peaks. Fresh
 * processes run their first code unoptimised; with --warm each party has run sets of 2^14 before, with --again of n, in the
 * memory that this run uses. With --kept the leader and each member have made their base transfers before (`setup_ms`).
 * --phases gives wall and CPU ms of each phase on stderr.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { channelClosed, emptyStats, Inbox } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { KernelPool } from '@2pm/crypto/wasm';
import { npartyLeader, npartyMember, rr22ReceiverSetup, rr22SenderSetup } from '@2pm/psi';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '1048576' },
    parties: { type: 'string', default: '5' },
    protocol: { type: 'string', default: 'nparty' },
    kept: { type: 'boolean', default: false },
    warm: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    phases: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    party: { type: 'string' },
  },
});
const n = Number(values.n);
const parties = Number(values.parties);
const common = Math.floor(n / 2);
const WARM = 2 ** 14;
const round = (value) => Math.round(value * 10) / 10;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

if (values.party === undefined) await measure();
else await party(Number(values.party));

/** The parent: starts all parties, lets them go at once, and adds up. */
async function measure() {
  const next = async (child) => (await once(child, 'message'))[0];
  const children = Array.from({ length: parties }, (_, number) =>
    fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--party', String(number)]),
  );
  const all = () => Promise.all(children.map(next));
  const ports = await all();
  const connected = all();
  for (const child of children) child.send(ports);
  await connected;
  const finished = all();
  for (const child of children) child.send('go');
  const results = await finished;
  const bytes = sum(results.map((result) => result.bytes));
  const result = {
    name: 'psi',
    protocol: 'nparty',
    parties,
    n,
    ...(values.kept ? { setup: 'kept', setup_ms: round(Math.max(...results.map((result) => result.setup))) } : {}),
    wall_ms: round(results[0].wall),
    cpu_ms: round(sum(results.map((result) => result.cpu))),
    bytes,
    bits_per_item: round((bytes * 8) / n),
    rss_mb: round(Math.max(...results.map((result) => result.rss))),
  };
  console.log(values.json ? JSON.stringify(result) : result);
  if (values.phases) for (const [number, { phases }] of results.entries()) console.error(number, phases.join(', '));
}

/** A child: one party. */
async function party(number) {
  const items = sample(number);
  const channels = await connectAll(number);
  const pool = new KernelPool();
  const sidOf = (byte) => `0x${byte.repeat(32)}`;
  const start = performance.now();
  const setups = values.kept ? { setups: await keep(number, channels, sidOf('5c')) } : {};
  const setup = performance.now() - start;
  const run = (sid, size, own, onPhase) => {
    const capacities = Array.from({ length: parties }, () => size);
    const secrets = { rng: nodeRng, crypto: nodeCrypto, pool, ...setups };
    const options = { channels, sid: sidOf(sid), capacities, items: own, ...secrets, onPhase };
    return number === 0 ? npartyLeader(options) : npartyMember({ ...options, party: number });
  };
  if (values.warm) {
    const size = values.again ? n : WARM;
    await run('5d', size, items.subarray(0, 16 * Math.min(n, size)));
  }
  const sent = () => sum([...channels.values()].map(({ stats }) => stats.bytesSent));
  const before = sent();
  process.send('connected');
  await once(process, 'message');
  const phases = [];
  const started = { wall: performance.now(), cpu: cpuMs() };
  let last = started;
  const found = await run('5e', n, items, (phase) => {
    const now = { wall: performance.now(), cpu: cpuMs() };
    phases.push(`${phase} ${round(now.wall - last.wall)} (cpu ${round(now.cpu - last.cpu)})`);
    last = now;
  });
  const wall = performance.now() - started.wall;
  const cpu = cpuMs() - started.cpu;
  if (number === 0) check(found);
  const rss = process.resourceUsage().maxRSS / 1024;
  process.send({ setup, wall, cpu, bytes: sent() - before, rss, phases });
  process.disconnect();
  for (const channel of channels.values()) channel.close();
}

/** Base transfers between the leader and every member. */
async function keep(number, channels, sid) {
  const setups = new Map();
  for (const [other, channel] of channels) {
    if (number !== 0 && other !== 0) continue;
    const make = number === 0 ? rr22ReceiverSetup : rr22SenderSetup;
    setups.set(other, await make({ channel, sid, rng: nodeRng, crypto: nodeCrypto }));
  }
  return setups;
}

/** The leader's set is one list. Each member lacks its share of the list's second half, and has other items there. */
function sample(number) {
  const list = (name) => {
    const key = createHash('sha256').update(`2pm/bench/psi-nparty/${name}`).digest().subarray(0, 16);
    return nodeCrypto.aes128Ctr(key, new Uint8Array(8), 0n, 16 * n);
  };
  const items = list('leader');
  if (number === 0) return items;
  const own = list(number);
  for (let i = common + number - 1; i < n; i += parties - 1) {
    items.set(own.subarray(16 * i, 16 * i + 16), 16 * i);
  }
  return items;
}

function check(found) {
  if (found.length !== common || found.some((index, i) => index !== i)) throw new Error('wrong intersection');
}

/** A channel to every other party: of each pair the higher number dials, and says who it is. */
async function connectAll(number) {
  const channels = new Map();
  const server = createServer((socket) => {
    socket.once('readable', () => channels.set(socket.read(1)[0], framed(socket)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send(server.address().port);
  const [ports] = await once(process, 'message');
  for (let other = 0; other < number; other++) {
    const socket = connect(ports[other], '127.0.0.1');
    await once(socket, 'connect');
    socket.write(Uint8Array.of(number));
    channels.set(other, framed(socket));
  }
  while (channels.size < parties - 1) await new Promise((resolve) => setTimeout(resolve, 5));
  server.close();
  return channels;
}

/** Length-prefixed frames over a socket, as a Channel; the benchmark counts frames with their four bytes of length. */
function framed(socket) {
  const peer = `0x${'00'.repeat(20)}`;
  const inbox = new Inbox();
  const stats = emptyStats();
  let parts = [];
  let have = 0;
  let wanted = 4;
  let head = true;
  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    stats.bytesReceived += chunk.length;
    while (chunk.length > 0) {
      const part = chunk.subarray(0, wanted - have);
      chunk = chunk.subarray(part.length);
      parts.push(part);
      have += part.length;
      if (have < wanted) break;
      const whole = parts.length === 1 ? part : Buffer.concat(parts);
      if (!head) {
        stats.framesReceived++;
        inbox.push(whole);
      }
      [wanted, head, parts, have] = head ? [whole.readUInt32LE(), false, [], 0] : [4, true, [], 0];
    }
    // A party that computes does not read: neither does its inbox grow.
    if (inbox.length > 64) socket.pause();
  });
  socket.on('close', () => inbox.close(channelClosed(peer)));
  socket.on('error', (error) => inbox.close(error));
  return {
    peer,
    stats,
    async send(frame) {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(frame.length);
      stats.bytesSent += 4 + frame.length;
      stats.framesSent++;
      socket.cork();
      socket.write(length);
      const room = socket.write(frame);
      socket.uncork();
      if (!room) await once(socket, 'drain');
    },
    receive(options) {
      if (inbox.length <= 16) socket.resume();
      return inbox.next(options?.signal);
    },
    close: () => socket.destroy(),
  };
}

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
