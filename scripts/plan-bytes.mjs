/**
 * Every party traces a program itself and must find the same plan. Traces the examples, and a program full of numbers, in
 * the sandbox of this Node and of those of other major versions, and compares the hashes of the plans. The other Nodes come
 * from the npm registry, into a temporary folder; where they cannot be had, this says so and passes. Needs a build.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const MAJORS = ['20', '22', '24'];
const ROOT = new URL('../', import.meta.url);

/** Where floating point decides: scales, steps, logarithms and roots of numbers, the program's own and the language's. */
const NUMBERS = `import { defineTask, fixed, int, logisticRegression, table } from '@2pm/program';
export default defineTask({
  name: 'numbers',
  tables: { t: table({ x: fixed({ min: -1.7, max: 2.3, fractionBits: 20 }), n: int({ min: 1, max: 9 }) }, { maxRows: 77 }) },
  roles: { holder: { min: 2, max: 2, tables: ['t'] } },
  run({ each, reveal }) {
    const { x, n, rows } = each('holder', ({ t }) => ({ x: t.x.sum(), n: t.n.sum(), rows: t.count() })).total();
    const out = {};
    for (let i = 1; i <= 200; i++) {
      const number = Math.sin(i) * Math.exp(i / 40) + Math.log(i) ** 1.5 + Math.cbrt(i) / Math.atan2(i, 3) + Math.tanh(1 / i);
      out['a' + i] = x.mul(number / 1000).rescale(24).add(number).div(Math.sqrt(i) + Math.pow(i, 0.3));
    }
    const one = n.maximum(1).minimum(9);
    const elementary = { r: one.reciprocal(), s: one.sqrt(), e: one.neg().exp(), l: one.log(), g: one.sigmoid(), q: n.div(one) };
    const weights = logisticRegression([one.div(9), one.div(7.3)], one.lt(4), { iterations: 13, penalty: 0.1 });
    return reveal({ ...out, ...elementary, weights, rows }, { to: 'analyst', minGroupSize: 5 });
  },
});
`;

if (process.argv.includes('--trace')) console.log(JSON.stringify(await hashes()));
else compare();

async function hashes() {
  const built = (name) => import(new URL(`packages/${name}/dist/index.js`, ROOT).href);
  const { planHash } = await built('core');
  const { traceInSandbox } = await built('program');
  const examples = new URL('examples/', ROOT);
  const programs = [['numbers', Buffer.from(NUMBERS)]];
  for (const name of readdirSync(examples).filter((file) => file.endsWith('.ts'))) {
    programs.push([name, readFileSync(new URL(name, examples))]);
  }
  const found = {};
  for (const [name, source] of programs) found[name] = planHash(await traceInSandbox(new Uint8Array(source)));
  return found;
}

function compare() {
  const [own] = process.versions.node.split('.');
  const expected = hashesUnder(process.execPath);
  const compared = [own];
  for (const major of MAJORS.filter((one) => one !== own)) {
    const folder = mkdtempSync(`${tmpdir()}/2pm-plan-bytes-`);
    try {
      const node = fetched(major, folder);
      if (node === undefined) continue;
      compared.push(major);
      const found = hashesUnder(node);
      for (const [name, hash] of Object.entries(expected)) {
        if (found[name] === hash) continue;
        console.error(`${name}: its plan is ${hash} under Node ${own} and ${found[name]} under Node ${major}`);
        process.exitCode = 1;
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  console.log(`plans of ${Object.keys(expected).length} programs compared under Node ${compared.join(', ')}`);
}

function hashesUnder(node) {
  return JSON.parse(execFileSync(node, [fileURLToPath(import.meta.url), '--trace'], { encoding: 'utf8' }));
}

/** Path of a Node of that major version, or undefined. */
function fetched(major, folder) {
  const name = `node-${process.platform}-${process.arch}`;
  try {
    const quiet = { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8', timeout: 120_000 };
    const file = execFileSync('npm', ['pack', '--silent', `${name}@${major}`], quiet).trim();
    execFileSync('tar', ['-xzf', file, 'package/bin/node'], quiet);
    const node = `${folder}/package/bin/node`;
    const version = execFileSync(node, ['--version'], quiet);
    if (version.startsWith(`v${major}.`)) return node;
  } catch {
    // Said below, whatever is missing.
  }
  console.log(`Node ${major} is left out: the package ${name}@${major} cannot be had from the npm registry`);
  return undefined;
}
