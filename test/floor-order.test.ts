import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

/** The house, from the ground up. A package may use what stands below it, never what stands beside or above. */
const FLOORS = [
  ['core'],
  ['crypto'],
  ['ledger', 'p2p', 'data', 'program', 'mpc', 'sdk'],
  ['chain', 'psi'],
  ['task'],
  ['node'],
  ['testing'],
];
const ROOT = new URL('../', import.meta.url).pathname;
const floorOf = (name: string) => FLOORS.findIndex((floor) => floor.includes(name));
const packages = readdirSync(join(ROOT, 'packages'));

const ownDependencies = (name: string): string[] => {
  const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8'));
  return Object.keys(dependencies).flatMap((dependency) => dependency.match(/^@2pm\/(.+)$/)?.[1] ?? []);
};

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.(?:ts|js|mjs)$/.test(entry.name) && !entry.name.includes('.test.') ? [path] : [];
  });
}

const importsOf = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/(?:from|import\()\s*'(@2pm\/[^']+)'/g)].map((match) => match[1] ?? '');

describe('the floors', () => {
  test('every package stands on one', () => {
    expect([...packages].sort()).toEqual(FLOORS.flat().sort());
  });

  test.each(packages)('%s depends on lower floors only', (name) => {
    for (const dependency of ownDependencies(name)) {
      expect(floorOf(dependency), `${name} → ${dependency}`).toBeLessThan(floorOf(name));
    }
  });

  test.each(packages)('%s imports what it declares', (name) => {
    const declared = new Set(ownDependencies(name));
    for (const path of sources(join(ROOT, 'packages', name, 'src'))) {
      for (const specifier of importsOf(path)) {
        // What an analyst's program imports stands in strings and comments of the language itself.
        const imported = specifier.split('/')[1] ?? '';
        if (imported === name) continue;
        expect(declared, `${path.slice(ROOT.length)} imports ${specifier}`).toContain(imported);
      }
    }
  });

  test('concrete drivers are named by the composition root and the tests alone', () => {
    const drivers = /^@2pm\/(?:chain\/(?:evm|memory|anvil)|data\/[a-z]+)$/;
    for (const name of packages.filter((candidate) => candidate !== 'node' && candidate !== 'testing')) {
      for (const path of sources(join(ROOT, 'packages', name, 'src'))) {
        for (const specifier of importsOf(path)) expect(specifier, path.slice(ROOT.length)).not.toMatch(drivers);
      }
    }
  });
});

describe('the lock file', () => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<
      string,
      { resolved?: string; hasInstallScript?: boolean; optionalDependencies?: Record<string, string> }
    >;
  };

  test('names every optional package of every platform, so that npm ci works everywhere', () => {
    for (const [path, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
      for (const name of Object.keys(optionalDependencies)) {
        const found = lock.packages[`node_modules/${name}`] ?? lock.packages[`${path}/node_modules/${name}`];
        expect(found, `${name} of ${path}: run node scripts/complete-lock.mjs`).toBeDefined();
      }
    }
  });

  test('holds no download addresses and no install scripts', () => {
    for (const [path, { resolved = '', hasInstallScript }] of Object.entries(lock.packages)) {
      expect(resolved, path).not.toMatch(/^https?:/);
      expect(hasInstallScript, path).toBeUndefined();
    }
  });

  test('every dependency of ours has an exact version', () => {
    for (const dir of ['.', 'demo', ...packages.map((name) => `packages/${name}`)]) {
      const manifest = JSON.parse(readFileSync(join(ROOT, dir, 'package.json'), 'utf8'));
      for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
        for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
          expect(version, `${dir}: ${name}`).toMatch(/^\d+\.\d+\.\d+/);
        }
      }
    }
  });
});
