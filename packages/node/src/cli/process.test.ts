/** The built command as a process of its own: `tsc -b packages/node` first. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const bin = fileURLToPath(new URL('../../bin/2pm.js', import.meta.url));
const built = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function run(argv: string[], env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const child = spawn(process.execPath, [bin, ...argv], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

describe.skipIf(!existsSync(built))('the command 2pm', () => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), '2pm-process-'));
  });
  afterAll(() => rm(root, { recursive: true }));

  test('makes a node, shows its configuration, and finds a misspelt key by line', async () => {
    const dir = join(root, 'north');
    const made = await run(['init', '--org', 'North', '--json'], { TWOPM_DIR: dir });
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(made.out)).toMatchObject({ dir, node: expect.stringMatching(/^0x[0-9a-f]{40}$/) });
    const shown = await run(['config', 'show', '--json', '--dir', dir]);
    expect(JSON.parse(shown.out)).toMatchObject({ org: 'North', finality: 'seen' });

    const file = join(dir, '2pm.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('listen:', 'lisen:'));
    const refused = await run(['up', '--dir', dir]);
    expect(refused).toMatchObject({ code: 3, out: '' });
    expect(refused.err).toContain(`${file}:5: lisen: unknown key, did you mean "listen"?`);
  });

  test('uses no colour where nobody sees it, and writes only JSON to stdout on request', async () => {
    const missing = await run(['peers', '--dir', join(root, 'none')]);
    expect(missing).toMatchObject({ code: 3, out: '' });
    expect(missing.err).not.toContain('\u001b');
    expect((await run(['peers', '--dir', join(root, 'none')], { FORCE_COLOR: '1' })).err).toContain('\u001b');
    const machine = await run(['peers', '--dir', join(root, 'none'), '--json']);
    expect(JSON.parse(machine.out)).toMatchObject({ error: { code: 'CONFIG_MISSING' } });
    expect(machine.err).toBe('');
  });

  test('exits with 2 on bad usage', async () => {
    expect(await run(['task', 'frob'])).toMatchObject({ code: 2, out: '' });
  });

  test('exits with 7 on a receipt that does not hold', async () => {
    const file = join(root, 'forged');
    await writeFile(file, new Uint8Array(200));
    const { code, err } = await run(['task', 'verify', file]);
    expect(code).toBe(7);
    expect(err).toContain('RECEIPT_INVALID');
  });
});
