#!/usr/bin/env node
/**
 * Cost of operations of a back-end: one process a seat, real TCP sockets on the loopback interface.
 *
 *   node bench/mpc.js --op mul --n 1000000 [--backend rep3] [--seats 2] [--runs 5] [--json]
 *
 * Back-ends: rep3, rep3-malicious (three seats), additive (two, or --seats up to 8; all correlations are part of every figure),
 * additive-dealer (two and a dealer, or --seats up to 8, of which the last deals; `seat_bytes_per_op` tells them apart).
 *
 * Operations: mul lt eq and select suppress dot (n elements at once), round (a chain of n dependent products of one
 * element); in fixed point with 16 fraction bits: fixmul (n products), trunc (n values up to ±2^44, rounded), matmul (two
 * n × n matrices; an operation is one of its n^3 products). The results of these three are compared with exact integers
 * after every measured run: `worst_error` is in units of the last place, and 1 or more is a failure. So 10^7 truncations
 * are checked by `--op trunc --n 1000000 --runs 10`. Randomness repeats by the number of the run; `--first` says where to begin.
 *
 * Functions of n values with 16 fraction bits (mpc/src/numeric): reciprocal sqrt log of 2^-12 to 16, exp sigmoid of ±8; max,
 * the greatest of n; noise, discrete Laplace for ε = 1 and a sensitivity of 1 to each of n values.
 *
 * logistic: a step of the library's logistic regression on n rows of 100 features; the figure is that of 50 steps over 50, in
 * which the sharing out of columns and the opening of the weights stand as well.
 *
 * Rows: shuffle (n rows of 4 columns), join (two relations of n rows, half of which match, with a tag of two words and a
 * column each; the columns of matched rows are summed up), sort (n rows of two columns by keys of 32 bits). The sums, and
 * what stands at a place of the order, are compared in the same way.
 *
 * Prints one JSON line. `ns_per_op`, `protocol_ms` and `bytes_per_op` (sent by a seat) count from the end of set-up to the
 * agreement on transcripts, as does `cpu_ns_per_op`, the processor time of the busiest seat; `wall_ms` is the whole run of
 * the slowest seat, reading of inputs and handing out of outputs included. Medians of --runs runs after two warm-up runs.
 * Channels are the node's, over plain TCP: TLS is not part of the figure. What a process allocated in the holder's place, if
 * that is much, is collected before each run; what the run allocates, and its collection, count.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import process, { argv, hrtime } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { taggedHash } from '@2pm/core';
import { nodeCrypto } from '@2pm/crypto/node';
import * as mpc from '@2pm/mpc';
import * as program from '@2pm/program';
import { SocketChannel } from '../packages/p2p/dist/socket-channel.js';

const WARM_UP = 2;
/** Bytes of inputs. */
const MUCH = 2 ** 20;
const LIMITS = { frameBytes: 2 ** 30, inboxBytes: 2 ** 30 };
const EDGE = 2n ** 61n;
const SMALL = 2n ** 30n;
const FRACTION_BITS = 16;
const FIXED = ['fixmul', 'trunc', 'matmul'];
const FUNCTIONS = ['reciprocal', 'sqrt', 'exp', 'log', 'sigmoid'];
const [STEPS, FEATURES] = [50, 100];
const CIRCUITS = [...FIXED, 'shuffle', 'join', 'sort'];
const BACKENDS = {
  rep3: { shared: mpc.rep3SemiHonest, run: mpc.runCircuit },
  additive: { shared: mpc.additiveSemiHonest, run: mpc.runAdditiveCircuit },
  'additive-dealer': { shared: mpc.additiveDealerSemiHonest, run: mpc.runDealtCircuit },
  'rep3-malicious': { shared: mpc.rep3Malicious, run: mpc.runCircuitMalicious },
};

// As in packages/node/src/cli/main.ts.
setFlagsFromString('--heap-growing-percent=300');
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
if (process.send === undefined) await main();
else await seatProcess();

async function main() {
  const { values } = parseArgs({
    options: {
      op: { type: 'string', default: 'mul' },
      n: { type: 'string', default: '100000' },
      backend: { type: 'string', default: 'rep3' },
      seats: { type: 'string' },
      runs: { type: 'string', default: '5' },
      first: { type: 'string', default: '0' },
      json: { type: 'boolean', default: false },
    },
  });
  const task = {
    op: values.op,
    n: Number(values.n),
    backend: values.backend,
    runs: Number(values.runs),
    first: Number(values.first),
  };
  const { card } = backendOf(task).shared;
  task.seats = Number(values.seats ?? card.seats);
  if (!CIRCUITS.includes(task.op) && task.op !== 'logistic') planFor(task);
  const seats = Array.from({ length: task.seats }, (_, seat) =>
    fork(fileURLToPath(import.meta.url), [JSON.stringify({ ...task, seat })]),
  );
  const answers = () => Promise.all(seats.map(async (seat) => (await once(seat, 'message'))[0]));
  const ports = await answers();
  const reports = answers();
  for (const seat of seats) seat.send(ports);
  const measured = await reports;
  const slowest = (field) => median(measured[0].map((_, run) => Math.max(...measured.map((seat) => seat[run][field]))));
  const count = { matmul: task.n ** 3, logistic: STEPS }[task.op] ?? task.n;
  const bytes = measured.reduce((sum, seat) => sum + seat[0].bytes, 0) / task.seats;
  const result = {
    name: 'mpc',
    op: task.op,
    n: task.n,
    backend: card.id,
    seats: task.seats,
    ns_per_op: round((slowest('protocolMs') * 1e6) / count),
    cpu_ns_per_op: round((slowest('cpuMs') * 1e6) / count),
    rounds: task.op === 'logistic' ? round(measured[0][0].rounds / STEPS) : measured[0][0].rounds,
    bytes_per_op: round(bytes / count),
    ...(card.dealer === true ? { seat_bytes_per_op: measured.map(([{ bytes }]) => round(bytes / count)) } : {}),
    protocol_ms: round(slowest('protocolMs')),
    wall_ms: round(slowest('wallMs')),
  };
  if (CIRCUITS.includes(task.op)) result.worst_error = Math.max(...measured.flat().map((run) => run.worstError ?? 0));
  if (!(result.worst_error < 1)) process.exitCode = result.worst_error === undefined ? 0 : 1;
  console.log(
    values.json
      ? JSON.stringify(result)
      : `${result.op} × ${result.n}: ${result.ns_per_op} ns, ${result.bytes_per_op} bytes each, ${result.rounds} rounds, ${result.wall_ms} ms`,
  );
}

async function seatProcess() {
  const task = JSON.parse(argv[2]);
  const { shared, run: runCircuit } = backendOf(task);
  const channels = await connectSeats(task.seat, task.seats);
  const { plan, values, circuit, exact } = inputsFor(task);
  const roles = { holder: 1 };
  const reports = [];
  for (let run = 0; run < task.runs + WARM_UP; run++) {
    const sid = taggedHash('bench/sid', new Uint8Array(Uint32Array.of(run + task.first).buffer));
    const rng = repeatable(run + task.first);
    const inputs = new Map([
      ['holder', [shared.shareInputs(values, { sid, rng, crypto: nodeCrypto, seats: task.seats })[task.seat]]],
    ]);
    // A collection also drops compiled code, which runs of many small rounds would pay for.
    if ([...inputs.values()].some(([message]) => message.length > MUCH)) collectGarbage();
    await rendezvous(channels);
    const sent = () => [...channels.values()].reduce((sum, { stats }) => sum + stats.bytesSent, 0);
    const started = hrtime.bigint();
    let afterSetUp = { time: started, bytes: 0, cpu: process.cpuUsage() };
    let agreed = afterSetUp;
    const context = {
      ...{ plan, sid, seat: task.seat, roles, inputs, channels, rng, crypto: nodeCrypto },
      signal: new AbortController().signal,
      onProgress: (done, of) => {
        if (done !== 1 && done !== of) return;
        const now = { time: hrtime.bigint(), bytes: sent(), cpu: process.cpuUsage() };
        if (done === 1) afterSetUp = now;
        else agreed = now;
      },
    };
    const { rounds, outputs } = await (circuit ? runCircuit(circuit, context) : shared.runSeat(context));
    const ended = hrtime.bigint();
    if (run < WARM_UP) continue;
    const cpu = (of) => of.cpu.user + of.cpu.system;
    reports.push({
      wallMs: Number(ended - started) / 1e6,
      protocolMs: Number(agreed.time - afterSetUp.time) / 1e6,
      cpuMs: (cpu(agreed) - cpu(afterSetUp)) / 1000,
      bytes: agreed.bytes - afterSetUp.bytes,
      rounds,
      ...(circuit ? { worstError: await worstError(task.seat, channels, outputs.get(0), exact) } : {}),
    });
  }
  process.send(reports, () => {
    for (const channel of channels.values()) channel.close();
    process.disconnect();
  });
}

/** The others show seat 0 their first components; it opens, and compares with exact / 2^FRACTION_BITS. */
async function worstError(seat, channels, output, exact) {
  const own = output.subarray(0, 8 * exact.length);
  if (seat !== 0) {
    await channels.get(0).send(own);
    return 0;
  }
  const parts = [own];
  for (const channel of channels.values()) parts.push(await channel.receive());
  // A dealer has none.
  const shares = parts.filter(({ length }) => length > 0).map((part) => new BigInt64Array(part.slice().buffer));
  let worst = 0n;
  for (let i = 0; i < exact.length; i++) {
    const sum = shares.reduce((total, share) => total + share[i], 0n);
    const error = (BigInt.asIntN(64, sum) << BigInt(FRACTION_BITS)) - exact[i];
    if (error > worst) worst = error;
    else if (-error > worst) worst = -error;
  }
  return Number(worst) / 2 ** FRACTION_BITS;
}

function inputsFor(task) {
  if (task.op === 'logistic') return logisticFor(task);
  return CIRCUITS.includes(task.op) ? circuitFor(task) : planFor(task);
}

function logisticFor({ n }) {
  const names = Array.from({ length: FEATURES }, (_, j) => `x${j}`);
  const feature = program.int({ min: -(2 ** FRACTION_BITS), max: 2 ** FRACTION_BITS });
  const columns = Object.fromEntries(names.map((name) => [name, feature]));
  const people = program.table({ ...columns, y: program.int({ min: 0, max: 1 }) }, { maxRows: n });
  const task = program.defineTask({
    ...{ name: 'logistic', tables: { people }, roles: { holder: { min: 1, max: 1, tables: ['people'] } } },
    run({ each, reveal }) {
      const stacked = each('holder', (t) => t.people.rows([...names, 'y'], { capacity: n })).stack();
      const columns = new program.SharedMatrix(stacked.unstack(), n).transpose();
      const features = names.map((_, j) => columns.row(1 + j).div(2 ** FRACTION_BITS));
      const model = program.logisticRegression(features, columns.row(1 + FEATURES).eq(1), { iterations: STEPS });
      return reveal({ model }, { to: 'analyst', minGroupSize: 2 });
    },
  });
  const random = repeatable(253).fill(new Uint8Array(4 * n * FEATURES));
  const bounded = new Int32Array(random.buffer).map((word) => word >> (31 - FRACTION_BITS));
  const rows = BigInt64Array.from({ length: n * (FEATURES + 2) }, (_, at) => {
    const [i, j] = [Math.floor(at / (FEATURES + 2)), at % (FEATURES + 2)];
    if (j === 0) return 1n;
    return j > FEATURES ? BigInt(i % 2) : BigInt(bounded[i * FEATURES + j - 1]);
  });
  return { plan: program.trace(task), values: [rows, BigInt64Array.of(BigInt(n))] };
}

function backendOf({ backend }) {
  const found = BACKENDS[backend];
  if (found === undefined) throw new Error(`--backend is one of ${Object.keys(BACKENDS).join(', ')}`);
  return found;
}

/** Circuits for what plans cannot say, on vectors x and y of one holder; `exact` is what they give times 2^FRACTION_BITS. */
function circuitFor({ op, n, backend }) {
  if (['shuffle', 'join', 'sort'].includes(op)) return rowsFor({ op, n, backend });
  const length = op === 'matmul' ? n * n : n;
  const builder = new mpc.CircuitBuilder();
  const [x, y] = [0, length].map((offset) =>
    builder.add({ op: 'total', args: [], form: 'words', length, input: { role: 'holder', offset, length } }),
  );
  const made = {
    fixmul: () => builder.truncate(builder.words('mul', length, [x, y]), FRACTION_BITS),
    trunc: () => builder.truncate(x, FRACTION_BITS),
    matmul: () => builder.truncate(builder.matmul(x, y, n), FRACTION_BITS),
  }[op]();
  const bits = { fixmul: 31, trunc: 45, matmul: 26 }[op];
  const random = repeatable(255).fill(new Uint8Array(16 * length));
  const words = new BigInt64Array(random.buffer);
  const values = [0, 1].map((which) =>
    BigInt64Array.from({ length }, (_, i) => BigInt.asIntN(bits, words[which * length + i])),
  );
  const [left, right] = values;
  const exact = {
    fixmul: () => left.map((value, i) => value * right[i]),
    trunc: () => left,
    matmul: () => exactProduct(left, right, n),
  }[op]();
  const circuit = {
    gates: builder.gates,
    outputs: [{ node: 0, value: made }],
    inputWords: new Map([['holder', 2 * length]]),
  };
  return { plan: planFor({ op: 'mul', n: 1 }).plan, values, circuit, exact };
}

/** Rows that are permuted or matched; what is revealed is a sum over them. */
function rowsFor({ op, n, backend }) {
  const builder = new mpc.CircuitBuilder(backend === 'rep3' ? 'shuffles' : 'networks');
  const random = new BigInt64Array(repeatable(254).fill(new Uint8Array(8 * 4 * n)).buffer);
  const tag = (person) => (BigInt(person) * 0x9e3779b97f4a7c15n) & (2n ** 62n - 1n);
  const input = (offset, length) =>
    builder.add({ op: 'stack', args: [], form: 'words', length, input: { role: 'holder', offset, length } });
  const finish = (value, values, exact) => ({
    ...{ plan: planFor({ op: 'mul', n: 1 }).plan, values, exact: [exact << BigInt(FRACTION_BITS)] },
    circuit: {
      gates: builder.gates,
      outputs: [{ node: 0, value }],
      inputWords: new Map([['holder', values.reduce((sum, { length }) => sum + length, 0)]]),
    },
  });
  if (op === 'shuffle') {
    const columns = Array.from({ length: 4 }, (_, c) => random.subarray(c * n, (c + 1) * n).map((word) => word >> 24n));
    const shuffled = builder.shuffle(columns.map((_, c) => input(c * n, n)));
    const sums = shuffled.map((column) => builder.words('sum', 1, [column]));
    const exact = columns.reduce((sum, column) => column.reduce((all, value) => all + value, sum), 0n);
    return finish(
      sums.reduce((left, right) => builder.words('add', 1, [left, right])),
      columns,
      exact,
    );
  }
  if (op === 'sort') {
    const [key, payload] = [random.subarray(0, n).map((word) => word >> 32n), random.subarray(n, 2 * n)];
    const place = n >> 1;
    const sorted = mpc.sortBy(builder, input(0, n), 32, [input(0, n), input(n, n)]);
    const [low, high] = sorted.map((column) => builder.slice(column, place, 1));
    const order = Array.from(key.keys()).sort((i, j) => (key[i] < key[j] ? -1 : key[i] > key[j] ? 1 : i - j));
    const small = payload.map((word) => word >> 24n);
    return finish(builder.words('add', 1, [low, high]), [key, small], key[order[place]] + small[order[place]]);
  }
  // Persons 0 to n - 1 on the left, and from n / 2 on the right, in the order of their tags.
  let exact = 0n;
  const values = [0, n >> 1].map((from, side) => {
    const rows = Array.from({ length: n }, (_, i) => {
      const [person, value] = [from + i, random[side * n + i] >> 24n];
      if (person >= n >> 1 && person < n) exact += value;
      return [tag(person) & (2n ** 59n - 1n), tag(person + 2 ** 40), value];
    });
    rows.sort(([x], [y]) => (x < y ? -1 : 1));
    return BigInt64Array.from([0, 1, 2].flatMap((column) => rows.map((row) => row[column])));
  });
  const relation = { rows: n, columns: 1 };
  const join = { relations: [relation, relation], passes: 1, matcher: 2 };
  const args = [0, 1].map((side) => input(3 * n * side, 3 * n));
  const [valid, ...columns] = matched(builder, join, args, n);
  const sums = columns.map((column) => builder.words('dot', 1, [column, valid]));
  return finish(builder.words('add', 1, sums), values, exact);
}

/** What says which slots hold a match, and the columns. */
function matched(builder, join, args, n) {
  if (builder.arranging === 'networks') {
    const { valid, columns } = mpc.mergeJoin(builder, join, args, { shuffled: false });
    return [valid, ...columns];
  }
  const block = builder.add({ op: 'join', args, form: 'words', length: 3 * n, join });
  return [0, 1, 2].map((column) => builder.slice(block, column * n, n));
}

/** Of entries below 2^26 and n up to 2^11: in doubles, the left factor halved into 13 bits, so that sums stay below 2^53. */
function exactProduct(left, right, n) {
  const out = new BigInt64Array(n * n);
  const factors = Float64Array.from(right, Number);
  for (let i = 0; i < n; i++) {
    const [low, high] = [new Float64Array(n), new Float64Array(n)];
    for (let k = 0; k < n; k++) {
      const value = Number(left[i * n + k]);
      const [upper, lower] = [Math.floor(value / 8192), ((value % 8192) + 8192) % 8192];
      for (let j = 0; j < n; j++) {
        low[j] += lower * factors[k * n + j];
        high[j] += upper * factors[k * n + j];
      }
    }
    for (let j = 0; j < n; j++) out[i * n + j] = BigInt(low[j]) + 8192n * BigInt(high[j]);
  }
  return out;
}

/** One holder, stacked vectors x and y, and the operation on them; what select and dot give is summed before it is revealed. */
function planFor({ op, n }) {
  const nodes = [];
  const node = (name, args, type, attrs = {}) =>
    nodes.push({ op: name, args, attrs, type, line: nodes.length + 1 }) - 1;
  const shared = (name, args, length, bound, dtype = 'int', attrs = {}) =>
    node(name, args, { kind: 'shared', length, dtype, fractionBits: 0, lo: `${-bound}`, hi: `${bound}` }, attrs);
  const wide = ['lt', 'eq'].includes(op);
  const bound = wide ? EDGE : SMALL;
  const length = op === 'round' ? 1 : n;
  const input = () => {
    const range = { fractionBits: 0, lo: `${-bound}`, hi: `${bound}` };
    const local = node('count/1', [], { kind: 'local', role: 'holder', length, ...range });
    return shared('total/1', [local], length, bound);
  };
  const [x, y] = [input(), input()];
  const bit = (name) => shared(name, [x, y], length, 1n, 'bool');
  const operations = {
    mul: () => shared('mul/1', [x, y], n, EDGE),
    dot: () => shared('mul/1', [x, y], n, EDGE),
    lt: () => bit('lt/1'),
    eq: () => bit('eq/1'),
    and: () => shared('and/1', [shared('not/1', [x], n, 1n, 'bool'), y], n, 1n, 'bool'),
    select: () => shared('select/1', [bit('lt/1'), x, y], n, bound),
    suppress: () => shared('suppress/1', [x, y], n, bound, 'int', { min: 5 }),
    noise: () => shared('noise/1', [x], n, EDGE, 'int', { epsilonMicros: 1_000_000, sensitivity: '1' }),
    max: () => shared('max/1', [x], 1, bound),
    round: () => {
      let chain = x;
      for (let i = 0; i < n; i++) chain = shared('mul/1', [chain, y], 1, bound);
      return chain;
    },
  };
  if (FUNCTIONS.includes(op)) {
    const least = ['exp', 'sigmoid'].includes(op) ? -(2 ** 19) : 16;
    const range = { fractionBits: 16, lo: `${least}`, hi: `${least < 0 ? 2 ** 19 : 2 ** 20}` };
    const local = node('count/1', [], { kind: 'local', role: 'holder', length, ...range });
    const fixed = node('total/1', [local], { kind: 'shared', length, dtype: 'int', ...range });
    const wide = { fractionBits: 16, lo: `${-EDGE}`, hi: `${EDGE}` };
    operations[op] = () =>
      node(`${op}/1`, [fixed], { kind: 'shared', length, dtype: 'int', ...wide }, { fractionBits: 16 });
  }
  const make = operations[op];
  if (make === undefined) throw new Error(`--op is one of ${[...Object.keys(operations), ...FUNCTIONS].join(', ')}`);
  const value = make();
  const direct = ['mul', 'lt', 'eq', 'and', 'suppress', 'noise', 'round', 'max', ...FUNCTIONS].includes(op);
  const revealed = direct ? value : shared('sum/1', [value], 1, EDGE);
  const type = {
    kind: 'opened',
    length: nodes[revealed].type.length,
    to: 'analyst',
    fractionBits: 0,
    lo: '0',
    hi: '1',
  };
  node('reveal/1', [revealed], type, { name: 'result', to: 'analyst' });
  const plan = {
    ...{ v: 1, language: '2pm/1', name: 'bench', tables: {}, recipients: ['analyst'], nodes, result: nodes.length - 1 },
    roles: { holder: { min: 1, max: 1, tables: [] } },
  };
  const count = nodes.filter(({ op }) => op === 'total/1').length;
  const values = Array.from({ length: count }, (_, which) =>
    BigInt64Array.from({ length }, (_, i) => BigInt(16 + ((i * 7 + which * 3) % 1000))),
  );
  return { plan, values };
}

async function connectSeats(seat, seats) {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const incoming = new Map();
  let complete;
  const all = new Promise((resolve) => {
    complete = resolve;
  });
  const arrived = (peer, socket, rest) => {
    if (rest.length > 0) socket.unshift(rest);
    incoming.set(peer, new SocketChannel(socket, `seat ${peer}`, LIMITS, () => performance.now()));
    if (incoming.size === seats - 1) complete();
  };
  server.on('connection', (socket) => socket.once('data', (data) => arrived(data[0], socket, data.subarray(1))));
  process.send(server.address().port);
  const [ports] = await once(process, 'message');
  for (let peer = 0; peer < seat; peer++) {
    const socket = dial({ port: ports[peer], host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    socket.write(new Uint8Array([seat]));
    arrived(peer, socket, new Uint8Array());
  }
  await all;
  server.close();
  return incoming;
}

/** All seats begin a run together, so that nobody's clock includes another's preparation. */
async function rendezvous(channels) {
  for (const channel of channels.values()) await channel.send(new Uint8Array(1));
  for (const channel of channels.values()) await channel.receive();
}

/** The same bytes at every seat, so that each can make the holder's three messages and keep its own. */
function repeatable(run) {
  let counter = 0n;
  const key = new Uint8Array(Uint32Array.of(run, 0, 0, 0).buffer);
  return {
    fill(bytes) {
      bytes.set(nodeCrypto.aes128Ctr(key, new Uint8Array(8), counter, bytes.length));
      counter += BigInt(Math.ceil(bytes.length / 16));
      return bytes;
    },
  };
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

function round(number) {
  return Number(number.toPrecision(4));
}
