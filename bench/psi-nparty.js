/**
 * PSI of several parties, each a process of its own, over loopback sockets between all pairs.
 *
 *   node bench/psi-nparty.js [--n 1048576] [--parties 5] [--kept] [--warm [--again]] [--phases] [--json]
 *   node bench/psi-nparty.js --protocol threshold [--n 65536] [--parties 5] [--at-least 2] [--warm [--again]] [--json]
 *
 * All sets have n random items of 16 bytes. Half are common to all; of the leader's others each is lacked by one member
 * only. The result is checked. `wall_ms` runs from all parties being ready to the leader having its answer, `cpu_ms` is
 * user and system time of all in that span, `bytes` what all of them sent, `rss_mb` the largest of the peaks. Fresh
 * processes run their first code unoptimised; with --warm each party has run sets of 2^14 before, with --again of n, in the
 * memory that this run uses. With --kept the leader and each member have made their base transfers before (`setup_ms`).
 * --phases gives wall and CPU ms of each phase on stderr.
 *
 * threshold: the leader learns which of its items are in so many of the sets, its own included, as a task with
 * psi(…, { atLeast }) computes it; the first three parties are the seats. Of the leader's items the i-th is in 1 + i mod parties
 * sets.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { channelClosed, circuitExits, circuitMatch, emptyStats, Inbox } from '@2pm/core';
import { nodeCrypto, nodeRng } from '@2pm/crypto/node';
import { KernelPool } from '@2pm/crypto/wasm';
import { rep3SemiHonest } from '@2pm/mpc';
import { circuitInput, npartyLeader, npartyMember, rowsInSlots, rr22ReceiverSetup, rr22SenderSetup } from '@2pm/psi';

const { values } = parseArgs({
  options: {
    n: { type: 'string' },
    parties: { type: 'string', default: '5' },
    protocol: { type: 'string', default: 'nparty' },
    'at-least': { type: 'string', default: '2' },
    kept: { type: 'boolean', default: false },
    warm: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    phases: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    party: { type: 'string' },
  },
});
const counted = values.protocol === 'threshold';
const n = Number(values.n ?? (counted ? 2 ** 16 : 2 ** 20));
const atLeast = Number(values['at-least']);
const parties = Number(values.parties);
const common = Math.floor(n / 2);
const WARM = 2 ** 14;
const SEATS = 3;
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
    protocol: values.protocol,
    parties,
    ...(counted ? { at_least: atLeast } : {}),
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
    if (counted) return threshold(number, channels, sidOf(sid), size, own, onPhase);
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

/** The plan of a task in which p0 learns which of its rows are in so many sets. */
function planOf(capacity) {
  const names = Array.from({ length: parties }, (_, number) => `p${number}`);
  const nodes = names.flatMap((role, number) => [
    { op: 'input/1', args: [], attrs: { table: 't' }, type: { kind: 'table', role, table: 't' }, line: 0 },
    {
      op: 'keyed/1',
      args: [2 * number],
      attrs: { key: 'id', columns: [], capacity, duplicates: 'error' },
      type: { kind: 'keyed', role, table: 't', key: 'id', length: capacity },
      line: 0,
    },
  ]);
  const args = names.map((_, number) => 2 * number + 1);
  const attrs = { name: 'some', to: 'p0', atLeast };
  nodes.push({ op: 'intersect/1', args, attrs, type: { kind: 'held', role: 'p0' }, line: 0 });
  const keys = { id: [[{ column: 'id', rule: 'exact/v1' }]] };
  return {
    ...{ v: 1, language: '2pm/1', name: 'bench', recipients: ['analyst'], nodes, result: {} },
    tables: { t: { maxRows: capacity, columns: {}, keys } },
    roles: Object.fromEntries(names.map((role) => [role, { min: 1, max: 1, tables: ['t'] }])),
  };
}

/** As a worker does it: the stores, shares to the seats, their run, and shares of the bits to the leader. */
async function threshold(number, channels, sid, size, own, onPhase) {
  const plan = planOf(size);
  const [exit] = circuitExits(plan);
  const rows = { rows: own.length / 16, digests: [own], present: [], columns: [] };
  const secrets = { sid, rng: nodeRng, crypto: nodeCrypto };
  const match = circuitMatch(plan, exit);
  const { words, rowOf } = await circuitInput({ ...secrets, match, self: number, rows, channels });
  onPhase?.('stores');
  const mine = rep3SemiHonest.shareInputs([words], secrets);
  for (let seat = 0; seat < SEATS; seat++) if (seat !== number) await channels.get(seat).send(mine[seat]);
  if (number >= SEATS) return undefined;
  const roles = Object.fromEntries(Object.keys(plan.roles).map((role) => [role, 1]));
  const inputs = new Map();
  for (let party = 0; party < parties; party++) {
    inputs.set(`p${party}`, [party === number ? mine[number] : await channels.get(party).receive()]);
  }
  const seats = new Map([...channels].filter(([other]) => other < SEATS));
  const { outputs } = await rep3SemiHonest.runSeat({
    ...{ ...secrets, plan, seat: number, roles, inputs, matchers: new Map(), channels: seats },
    signal: new AbortController().signal,
  });
  onPhase?.('circuit');
  if (number > 0) return channels.get(0).send(outputs.get(exit));
  const shares = [outputs.get(exit)];
  for (let seat = 1; seat < SEATS; seat++) shares.push(await channels.get(seat).receive());
  return rowsInSlots(rowOf, rep3SemiHonest.open(plan, roles, exit, shares));
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
  if (counted) {
    for (let i = 0; i < n; i++) if (i % parties < number) items.set(own.subarray(16 * i, 16 * i + 16), 16 * i);
    return items;
  }
  for (let i = common + number - 1; i < n; i += parties - 1) {
    items.set(own.subarray(16 * i, 16 * i + 16), 16 * i);
  }
  return items;
}

function check(found) {
  if (counted) {
    const meant = Uint32Array.from({ length: n }, (_, i) => i).filter((i) => 1 + (i % parties) >= atLeast);
    if (found.length !== meant.length || found.some((index, i) => index !== meant[i])) throw new Error('wrong rows');
    return;
  }
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
