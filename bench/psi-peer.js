/**
 * Our PSI beside @openmined/psi.js (ECDH on P-256, WebAssembly), in the same run on the same machine.
 *
 *   node bench/psi-peer.js [--n 1000] [--runs 3] [--only rr22] [--json]
 *
 * Both sides have n items, half of them common. Ours run as two processes over a loopback socket (bench/psi-ecdh.js and
 * bench/psi.js), the peer in one process with nothing between its parties, which favours it; compare processor time.
 * Of several runs, taken in turns, the one with the least processor time counts. `peer_cpu_ratio` and `peer_bytes_ratio`:
 * the peer's figure divided by ours. The peer sends its whole set (`Raw`), as ours do: no false positives to speak of.
 *
 * The peer is no dependency, because packages that it names, and does not need to run, have install scripts. The first run
 * fetches the one archive from the npm registry, checks it, and unpacks it into the directory for temporary files.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const VERSION = '2.0.6';
const INTEGRITY = 'sha512-ZJVe0AXGx5cvSaHbVGBiV1UEDLzWU0S8KYqKux6l1b8/9nYMhrthKuPNGdRT5VBBLj161xsZiwV27AQuxnKUrQ==';

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '1000' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    peer: { type: 'string' },
  },
});
const n = Number(values.n);
const round = (value) => Math.round(value * 10) / 10;
const here = (file) => fileURLToPath(new URL(file, import.meta.url));

if (values.peer === undefined) compare(fetchPeer());
else await peer(values.peer);

function compare(directory) {
  const contenders = [
    ['psi-peer.js', '--peer', directory],
    ['psi-ecdh.js'],
    ['psi-ecdh.js', '--verifiable'],
    ['psi.js', '--protocol', 'rr22'],
  ].filter(([file, ...args]) => values.only === undefined || file === 'psi-peer.js' || args.includes(values.only));
  const runs = Array.from({ length: Number(values.runs) }, () =>
    contenders.map(([file, ...args]) => {
      const line = execFileSync(process.execPath, [here(file), '--json', '--n', String(n), ...args], {
        encoding: 'utf8',
      });
      return JSON.parse(line);
    }),
  );
  const best = contenders.map((_, i) => runs.map((run) => run[i]).reduce((a, b) => (b.cpu_ms < a.cpu_ms ? b : a)));
  const [theirs, ...ours] = best;
  const ratios = ({ cpu_ms, bytes }) => ({
    peer_cpu_ratio: Math.round((100 * theirs.cpu_ms) / cpu_ms) / 100,
    peer_bytes_ratio: Math.round((100 * theirs.bytes) / bytes) / 100,
  });
  for (const result of [theirs, ...ours.map((mine) => ({ ...mine, ...ratios(mine) }))]) {
    console.log(values.json ? JSON.stringify(result) : result);
  }
}

/** The peer alone, in a process of its own. */
async function peer(directory) {
  const psi = await createRequire(import.meta.url)(join(directory, 'psi_wasm_node.js'))();
  const item = (i) => createHash('sha256').update(`2pm/bench/psi/${i}`).digest('hex').slice(0, 32);
  const half = Math.floor(n / 2);
  const [mine, theirs] = [0, half].map((first) => Array.from({ length: n }, (_, i) => item(first + i)));
  const started = { wall: performance.now(), cpu: process.cpuUsage() };
  const [client, server] = [psi.client.createWithNewKey(true), psi.server.createWithNewKey(true)];
  const setup = server.createSetupMessage(2 ** -40, n, theirs, psi.dataStructure.Raw);
  const request = client.createRequest(mine);
  const response = server.processRequest(request);
  const found = client.getIntersection(setup, response);
  const wall = performance.now() - started.wall;
  const { user, system } = process.cpuUsage(started.cpu);
  if (found.length !== n - half) throw new Error('wrong intersection');
  const bytes = [setup, request, response].reduce((sum, message) => sum + message.serializeBinary().length, 0);
  const result = {
    name: 'psi',
    protocol: `openmined-psi.js-${VERSION}`,
    n,
    wall_ms: round(wall),
    cpu_ms: round((user + system) / 1000),
    bytes,
    bits_per_item: round((bytes * 8) / n),
    rss_mb: round(process.resourceUsage().maxRSS / 1024),
  };
  console.log(JSON.stringify(result));
}

function fetchPeer() {
  const directory = join(tmpdir(), `2pm-bench-psi.js-${VERSION}`);
  if (!existsSync(directory)) {
    const fresh = mkdtempSync(`${directory}-`);
    const pack = ['pack', '--silent', '--pack-destination', fresh, `@openmined/psi.js@${VERSION}`];
    const file = execFileSync('npm', pack, { encoding: 'utf8', cwd: here('.') }).trim();
    const archive = join(fresh, file);
    if (`sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}` !== INTEGRITY) {
      throw new Error(`${file} is not the archive that was published`);
    }
    execFileSync('tar', ['-xzf', archive, '-C', fresh]);
    renameSync(fresh, directory);
  }
  return join(directory, 'package');
}
