/**
 * Completes package-lock.json. A registry that lacks an optional package of another platform makes npm write a lock
 * without it, and `npm ci` then stops (EUSAGE, "Missing … from lock file"). An entry with name, version, os, cpu and
 * `optional` is enough. Run after every change of dependencies; with --check it only says what is missing.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const LOCK = new URL('../package-lock.json', import.meta.url);

/** What a package's name tells of the platform that it is for. */
function platformOf(name) {
  const find = (table) => Object.entries(table).find(([word]) => new RegExp(`(^|[-/])${word}($|[-.])`).test(name))?.[1];
  const os = find({
    darwin: 'darwin',
    linux: 'linux',
    win32: 'win32',
    windows: 'win32',
    freebsd: 'freebsd',
    android: 'android',
    openbsd: 'openbsd',
    netbsd: 'netbsd',
    sunos: 'sunos',
    aix: 'aix',
    openharmony: 'openharmony',
  });
  const cpu = find({
    x64: 'x64',
    amd64: 'x64',
    arm64: 'arm64',
    arm: 'arm',
    ia32: 'ia32',
    ppc64: 'ppc64',
    s390x: 's390x',
    riscv64: 'riscv64',
    loong64: 'loong64',
    mips64el: 'mips64el',
  });
  const libc = find({ musl: 'musl', gnu: 'glibc', gnueabihf: 'glibc' });
  return { ...(cpu && { cpu: [cpu] }), ...(libc && { libc: [libc] }), ...(os && { os: [os] }) };
}

const lock = JSON.parse(readFileSync(LOCK, 'utf8'));
const missing = [];
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = path.startsWith('node_modules/') ? `${path}/node_modules/${name}` : undefined;
    const top = `node_modules/${name}`;
    if (lock.packages[top] !== undefined || (nested !== undefined && lock.packages[nested] !== undefined)) continue;
    if (!/^\d/.test(version)) throw new Error(`${name}: the version ${version} is a range, and no entry says which`);
    lock.packages[top] = { version, ...platformOf(name), optional: true };
    missing.push(`${name}@${version}`);
  }
}
if (process.argv.includes('--check')) {
  if (missing.length > 0)
    console.error(`package-lock.json lacks ${missing.join(', ')}: run node scripts/complete-lock.mjs`);
  process.exitCode = missing.length > 0 ? 1 : 0;
} else if (missing.length > 0) {
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
  lock.packages = Object.fromEntries(sorted);
  writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`added ${missing.join(', ')}`);
}
