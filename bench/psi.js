/**
 * Two-party PSI, each party a process of its own, over a loopback socket.
 *
 *   node bench/psi.js [--n 1048576] [--protocol rr22|rr22-malicious|rr22-compact|rr22-payload|circuit] [--kept] [--warm [--again]] [--phases] [--json]
 *   node bench/psi.js --protocol rr22-buckets --n 100000000 [--buckets 191] [--memory] [--kill 20] [--json]
 *
 * Both sets have n random items of 16 bytes, half of them common; the result is checked. `wall_ms` runs from both parties
 * being ready to the receiver having its answer, `cpu_ms` is user and system time of both in that span, `bytes` both
 * directions, `rss_mb` the larger of the two peaks. Fresh processes run their first code unoptimised; with --warm each
 * party has run a set of 2^14 before, as a node that has been up for a while; with --again one of n, in the memory that
 * this run uses. --kept prints a second row, of a pair whose base transfers were made before (`setup_ms`). --phases gives
 * wall and CPU ms of each phase on stderr.
 *
 * rr22-payload also delivers 16 bytes with each common item, and checks them. circuit opens nothing but the sum of a number
 * that the sender has with each item, over the common ones. It keeps no base transfers.
 *
 * rr22-buckets cuts both sets into files below the directory for temporary files (--memory: into memory) and runs bucket by
 * bucket; its time includes the cut. With --kill the receiver's process is killed after so many buckets and both start
 * again; times and bytes are then those of the second start.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { emptyStats, Inbox } from '../packages/core/dist/index.js';
import { nodeCrypto, nodeRng } from '../packages/crypto/dist/node/provider.js';
import { KernelPool } from '../packages/crypto/dist/wasm/index.js';
import { fileBucketStore } from '../packages/node/dist/psi-buckets/file-store.js';
import {
  bucketMatches,
  circuitPsiReceiver,
  circuitPsiSender,
  memoryBucketStore,
  payloadSum,
  rr22BucketsReceiver,
  rr22BucketsSender,
  rr22PayloadReceiver,
  rr22Receiver,
  rr22ReceiverSetup,
  rr22Sender,
  rr22SenderSetup,
} from '../packages/psi/dist/index.js';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '1048576' },
    protocol: { type: 'string', default: 'rr22' },
    json: { type: 'boolean', default: false },
    phases: { type: 'boolean', default: false },
    warm: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    kept: { type: 'boolean', default: false },
    buckets: { type: 'string' },
    memory: { type: 'boolean', default: false },
    kill: { type: 'string' },
    party: { type: 'string' },
    setup: { type: 'boolean', default: false },
    dir: { type: 'string' },
  },
});
const n = Number(values.n);
const rr22 = (mode) => ({
  receiver: (options) => rr22Receiver({ ...options, ...mode }),
  sender: (options) => rr22Sender({ ...options, ...mode }),
});
const protocols = {
  rr22: rr22({}),
  'rr22-malicious': rr22({ security: 'malicious' }),
  'rr22-compact': rr22({ encoding: 'compact' }),
  'rr22-payload': { receiver: payloadReceiver, sender: payloadSender },
  circuit: { receiver: sumReceiver, sender: sumSender },
  'rr22-buckets': { receiver: rr22BucketsReceiver, sender: rr22BucketsSender },
};
const setups = { receiver: rr22ReceiverSetup, sender: rr22SenderSetup };

const outOfCore = values.protocol === 'rr22-buckets';

if (values.party === undefined) await compare();
else await party(values.party);

/** The parent: a row for each way to begin. */
async function compare() {
  if (!(values.protocol in protocols)) throw new Error(`unknown protocol ${values.protocol}`);
  const dir = mkdtempSync(join(tmpdir(), '2pm-bench-psi-'));
  try {
    if (values.kill !== undefined) await race(dir, false, Number(values.kill));
    await race(dir, false);
    if (values.kept) await race(dir, true);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Starts both parties, lets them go at once, and adds up; or kills the receiver after so many buckets. */
async function race(dir, kept, killAfter) {
  const start = (name) => {
    const flags = ['warm', 'again', 'memory', 'phases'].filter((flag) => values[flag]).map((flag) => `--${flag}`);
    const args = ['--party', name, '--n', String(n), '--protocol', values.protocol, '--dir', join(dir, name), ...flags];
    if (kept) args.push('--setup');
    if (values.buckets !== undefined) args.push('--buckets', values.buckets);
    if (killAfter !== undefined) args.push('--kill', String(killAfter));
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
  if (killAfter !== undefined) {
    receiver.on('message', ({ done }) => {
      if (done === killAfter) for (const child of [receiver, sender]) child.kill('SIGKILL');
    });
    await Promise.all([once(receiver, 'exit'), once(sender, 'exit')]);
    return;
  }
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
    ...(kept ? { setup: 'kept', setup_ms: round(Math.max(r.setup, s.setup)) } : {}),
    ...(values.kill === undefined ? {} : { killed_after: Number(values.kill) }),
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
  const first = name === 'receiver' ? 0 : Math.floor(n / 2);
  const items = outOfCore ? undefined : sample(first, n);
  const socket = await (name === 'receiver' ? accept() : dial());
  socket.setNoDelay(true);
  const channel = framed(socket);
  const shared = { channel, rng: nodeRng, crypto: nodeCrypto };
  const pool = new KernelPool();
  const before = performance.now();
  const setup = values.setup ? { setup: await setups[name]({ ...shared, sid: sidOf('5c') }) } : {};
  const setupMs = performance.now() - before;
  const run = (sid, size, own, onPhase) =>
    protocols[values.protocol][name]({
      ...shared,
      ...setup,
      ...own,
      pool,
      sid: sidOf(sid),
      capacity: { receiver: size, sender: size },
      onPhase,
    });
  const store = values.memory ? memoryBucketStore() : fileBucketStore(values.dir);
  const all = outOfCore
    ? {
        items: () => pieces(first),
        store,
        ...(values.buckets === undefined ? {} : { buckets: Number(values.buckets) }),
        onProgress: ({ buckets }) => progress(buckets),
      }
    : { items };
  if (values.warm && !outOfCore) {
    const size = values.again ? n : Math.min(n, 2 ** 14);
    await run('5d', size, { items: items.slice(0, 16 * size) });
  }
  const bytesBefore = channel.stats.bytesSent + channel.stats.bytesReceived;
  process.send('connected');
  await once(process, 'message');
  const phases = [];
  const started = { wall: performance.now(), cpu: cpuMs() };
  let last = started;
  const note = (phase) => {
    const [now, cpu] = [performance.now(), cpuMs()];
    phases.push([phase, `${round(now - last.wall)} (cpu ${round(cpu - last.cpu)})`]);
    last = { wall: now, cpu };
  };
  const progress = (buckets) => {
    note(`bucket ${buckets}`);
    if (values.kill !== undefined && process.connected) process.send({ done: buckets });
  };
  const found = await run('5e', n, all, note);
  const wall = performance.now() - started.wall;
  const cpu = cpuMs() - started.cpu;
  if (name === 'receiver') check(outOfCore ? await placesIn(store) : found);
  process.send({
    wall,
    cpu,
    bytes: channel.stats.bytesSent + channel.stats.bytesReceived - bytesBefore,
    rss: process.resourceUsage().maxRSS / 1024,
    setup: setupMs,
    phases,
  });
  process.disconnect();
  socket.end();
}

function sidOf(byte) {
  return `0x${byte.repeat(32)}`;
}

/** The sender's n-th item carries n; who gets the sum is the receiver. */
async function sumSender(options) {
  const payloads = BigInt64Array.from({ length: options.items.length / 16 }, (_, i) => BigInt(i + 1));
  const [share] = await circuitPsiSender({ ...options, payloads }, payloadSum);
  await options.channel.send(new Uint8Array(share.buffer, share.byteOffset, 8));
}

async function sumReceiver(options) {
  const { shares } = await circuitPsiReceiver(options, payloadSum);
  const theirs = await options.channel.receive();
  return BigInt.asUintN(64, shares[0][0] + new DataView(theirs.buffer, theirs.byteOffset).getBigUint64(0, true));
}

/** The payload of an item is the item. */
function payloadSender(options) {
  return rr22Sender({ ...options, payloadBytes: 16, payloads: options.items });
}

async function payloadReceiver(options) {
  const { matches, payloads } = await rr22PayloadReceiver({ ...options, payloadBytes: 16 });
  const meant = Buffer.alloc(payloads.length);
  for (const [i, index] of matches.entries()) meant.set(options.items.subarray(16 * index, 16 * index + 16), 16 * i);
  if (!meant.equals(payloads)) throw new Error('wrong payloads');
  return matches;
}

/** Items `first` … first + size − 1 of a fixed pseudo-random list. */
function sample(first, size) {
  const key = createHash('sha256').update('2pm/bench/psi').digest().subarray(0, 16);
  return nodeCrypto.aes128Ctr(key, new Uint8Array(8), BigInt(first), 16 * size);
}

/** The same list from \`first\` on, n items, piece by piece. */
function* pieces(first) {
  const step = 2 ** 16;
  for (let at = 0; at < n; at += step) yield sample(first + at, Math.min(step, n - at));
}

/** The results of all buckets as one ascending list. */
async function placesIn(store) {
  const hit = new Uint8Array(n);
  let count = 0;
  for await (const places of bucketMatches(store)) {
    for (const place of places) hit[place] = 1;
    count += places.length;
  }
  const found = new Uint32Array(count);
  let at = 0;
  for (let place = 0; place < n; place++) if (hit[place] === 1) found[at++] = place;
  if (at !== count) throw new Error('a match was reported twice');
  return found;
}

function check(found) {
  const from = Math.floor(n / 2);
  if (typeof found === 'bigint') {
    const common = BigInt(n - from);
    if (found !== (common * (common + 1n)) / 2n) throw new Error('wrong sum');
    return;
  }
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
