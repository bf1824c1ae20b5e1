/**
 * Multiplication on shares among three, ours beside jiff-mpc, in the same run on the same machine.
 *
 *   node bench/mpc-peer.js [--n 1000000] [--peer-n 2000] [--runs 3] [--json]
 *
 * Ours is `bench/mpc.js --op mul --backend rep3`: n products in a ring of 64 bits. The peer makes --peer-n products in its
 * default field of 24 bits, all at once, in three processes beside its relay, without which its parties cannot talk. Both
 * time shares to shares after two warm-up runs; inputs, connections and the check of all the peer's products are not part
 * of it. Turns are taken --runs times, and of each contender the turn with the least wall time counts. Modes of the peer:
 *
 *   crypto-provider   the relay deals triples and zeros for each product, and must be trusted not to side with a party
 *   bgw               nobody deals, and one of three may be curious, as with ours: nearest to like for like
 *   preprocessing     the parties make triples and zeros, which is part of the figure; a twentieth of the products
 *   …-plain           without the peer's encryption, as ours go without TLS here; but its relay then sees every share
 *
 * `ratio` and `cpu_ratio` are the peer's figure divided by ours. Processor time is the busiest party's on both sides, so the
 * relay's, `relay_cpu_ns_per_op`, comes on top. Bytes are a party's, `peer_bytes_per_op` with its framing. `load` is the
 * machine's load average of a minute before and after, this benchmark's own included.
 *
 * The peer is no dependency. The first run installs it into the directory for temporary files, without scripts, as the
 * registry stood on a fixed day. npm checks every archive against its published hash, and all these hashes are compared with
 * those of the packages that were measured here.
 */
import { execFileSync, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const VERSION = '1.0.0';
const DAY = '2025-01-01';
/** Of path, version and published hash of the peer and of all packages that it brings. */
const TREE_SHA256 = '307aaf5cebd6813592cd1e6570dc560aba58a4c141241a2195bf80bf4957c1ac';
const FIELD = 16777729;
const SEATS = 3;
const WARM_UP = 2;
const MODES = {
  'crypto-provider': { crypto_provider: true },
  'crypto-provider-plain': { crypto_provider: true, sodium: false },
  bgw: {},
  'bgw-plain': { sodium: false },
  preprocessing: {},
};

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '1000000' },
    'peer-n': { type: 'string', default: '2000' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    task: { type: 'string' },
  },
});
const round = (value) => Number(value.toPrecision(4));

const task = JSON.parse(values.task ?? 'null');
if (task !== null) process.once('disconnect', () => process.exit());
if (task === null) await compare(installPeer());
else if (task.seat === undefined) await relay(task);
else await party(task);

async function compare(directory) {
  const loads = [loadavg()[0]];
  const results = [];
  for (let run = 0; run < Number(values.runs); run++) {
    const ours = ['--op', 'mul', '--backend', 'rep3', '--n', values.n, '--runs', '3', '--json'];
    const file = fileURLToPath(new URL('mpc.js', import.meta.url));
    results.push({
      mode: 'ours',
      ...JSON.parse(execFileSync(process.execPath, [file, ...ours], { encoding: 'utf8' })),
    });
    for (const mode of Object.keys(MODES)) results.push(await measurePeer(directory, mode));
  }
  loads.push(loadavg()[0]);
  const best = (wanted) =>
    results.filter(({ mode }) => mode === wanted).reduce((a, b) => (b.ns_per_op < a.ns_per_op ? b : a));
  const ours = best('ours');
  for (const mode of Object.keys(MODES)) {
    const theirs = best(mode);
    const result = {
      name: 'mpc-peer',
      op: 'mul',
      n: ours.n,
      peer: `jiff-mpc@${VERSION}`,
      mode,
      peer_n: theirs.n,
      peer_ns_per_op: round(theirs.ns_per_op),
      ns_per_op: ours.ns_per_op,
      ratio: round(theirs.ns_per_op / ours.ns_per_op),
      peer_cpu_ns_per_op: round(theirs.cpu_ns_per_op),
      relay_cpu_ns_per_op: round(theirs.relay_cpu_ns_per_op),
      cpu_ns_per_op: ours.cpu_ns_per_op,
      cpu_ratio: round(theirs.cpu_ns_per_op / ours.cpu_ns_per_op),
      peer_bytes_per_op: round(theirs.bytes_per_op),
      bytes_per_op: ours.bytes_per_op,
      load: loads,
    };
    console.log(values.json ? JSON.stringify(result) : result);
  }
}

async function measurePeer(directory, mode) {
  const n = Math.ceil(Number(values['peer-n']) / (mode === 'preprocessing' ? 20 : 1));
  const started = [];
  let end;
  const ended = new Promise((_, reject) => {
    end = reject;
  });
  const start = (more) => {
    const args = ['--task', JSON.stringify({ directory, mode, n, ...more })];
    const child = fork(fileURLToPath(import.meta.url), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.once('exit', () => end(new Error(`${mode}: a process of the peer ended before its work`)));
    started.push(child);
    return child;
  };
  const answer = async (child) => (await Promise.race([once(child, 'message'), ended]))[0];
  const ask = (child, message) => {
    const answered = answer(child);
    child.send(message);
    return answered;
  };
  try {
    const relayed = start({});
    const port = await answer(relayed);
    const parties = Array.from({ length: SEATS }, (_, seat) => start({ seat, port }));
    await Promise.all(parties.map(answer));
    let result;
    for (let run = 0; run <= WARM_UP; run++) {
      const before = await ask(relayed, {});
      const measured = await Promise.all(parties.map((child) => ask(child, {})));
      const after = await ask(relayed, {});
      checkProducts(measured.map(({ products }) => products));
      const slowest = (field) => Math.max(...measured.map((seat) => seat[field]));
      result = {
        ...{ mode, n },
        ns_per_op: (slowest('wallMs') * 1e6) / n,
        cpu_ns_per_op: (slowest('cpuMs') * 1e6) / n,
        relay_cpu_ns_per_op: ((after.cpuMs - before.cpuMs) * 1e6) / n,
        bytes_per_op: (after.bytes - before.bytes) / SEATS / n,
      };
    }
    return result;
  } finally {
    for (const child of started) child.kill();
  }
}

/** Every party's messages pass through here, so their bytes are counted here. */
async function relay({ directory, mode }) {
  const { JIFFServer } = peerFrom(directory);
  const sockets = [];
  const http = createServer().on('connection', (socket) => sockets.push(socket));
  new JIFFServer(http, { sodium: MODES[mode].sodium, socketOptions: { pingTimeout: 60_000 } });
  await once(http.listen(0, '127.0.0.1'), 'listening');
  process.on('message', () =>
    process.send({ cpuMs: cpuMs(), bytes: sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0) }),
  );
  process.send(http.address().port);
}

async function party({ directory, mode, n, seat, port }) {
  const { JIFFClient } = peerFrom(directory);
  const jiff = await new Promise((resolve, reject) => {
    new JIFFClient(`http://127.0.0.1:${port}`, 'bench', {
      ...{ party_id: seat + 1, party_count: SEATS, Zp: FIELD, onConnect: resolve, ...MODES[mode] },
      socketOptions: { transports: ['websocket'] },
      onError: (label, error) => reject(new Error(`${label}: ${error}`)),
    });
  });
  const bgw = mode.startsWith('bgw');
  const threshold = bgw ? 2 : SEATS;
  const left = [];
  const right = [];
  for (let i = 0; i < n; i++) {
    left.push(jiff.share(value(0, i), threshold, [1, 2, 3], [1])[1]);
    right.push(jiff.share(value(1, i), threshold, [1, 2, 3], [1])[1]);
  }
  const known = (shares) => Promise.all(shares.map((share) => share.value));
  await known([...left, ...right]);
  process.on('message', async () => {
    const started = { wall: performance.now(), cpu: cpuMs() };
    if (mode === 'preprocessing') {
      jiff.preprocessing('smult', n);
      await new Promise((resolve) => jiff.executePreprocessing(resolve));
    }
    const products = await known(left.map((share, i) => (bgw ? share.smult_bgw(right[i]) : share.smult(right[i]))));
    process.send({ wallMs: performance.now() - started.wall, cpuMs: cpuMs() - started.cpu, products });
  });
  process.send({});
}

/** Shares are values at 1, 2 and 3 of polynomials of degree 2 at most, whose values at 0 are the products. */
function checkProducts([first, second, third]) {
  for (let i = 0; i < first.length; i++) {
    const opened = 3 * (first[i] - second[i]) + third[i];
    if ((opened - value(0, i) * value(1, i)) % FIELD !== 0) throw new Error(`product ${i} is wrong`);
  }
}

function value(which, i) {
  return 16 + ((i * 7 + which * 3) % 1000);
}

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function peerFrom(directory) {
  return createRequire(join(directory, 'peer.js'))('jiff-mpc');
}

function installPeer() {
  const directory = join(tmpdir(), `2pm-bench-jiff-mpc-${VERSION}`);
  if (!existsSync(directory)) {
    const fresh = mkdtempSync(`${directory}-`);
    const quiet = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
    const install = ['install', '--prefix', fresh, ...quiet, `--before=${DAY}`, `jiff-mpc@${VERSION}`];
    execFileSync('npm', install, { cwd: fresh, stdio: ['ignore', 'ignore', 'inherit'] });
    const { packages } = JSON.parse(readFileSync(join(fresh, 'node_modules/.package-lock.json'), 'utf8'));
    const tree = Object.entries(packages).map(([path, { version, integrity }]) => `${path} ${version} ${integrity}\n`);
    const hash = createHash('sha256').update(tree.sort().join('')).digest('hex');
    if (hash !== TREE_SHA256) {
      rmSync(fresh, { recursive: true });
      throw new Error(`jiff-mpc@${VERSION} did not come with the packages that were measured: ${hash}`);
    }
    renameSync(fresh, directory);
  }
  return directory;
}
