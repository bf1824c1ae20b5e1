import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isNodeError } from '@2pm/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeDirectory } from './layout.ts';
import { loadConfig } from './load.ts';
import { parseConfig } from './parse.ts';
import { configReference } from './reference.ts';
import { configJsonSchema } from './schema.ts';

const network = {
  chainId: 7,
  rpc: 'http://10.0.0.1:8545',
  contract: `0x${'11'.repeat(20)}`,
  codeHash: `0x${'33'.repeat(32)}`,
  firstBlock: 0,
};

function failure(text: string): { code: string; message: string; fix?: string } {
  try {
    parseConfig(text, '2pm.yaml');
  } catch (error) {
    if (isNodeError(error))
      return { code: error.code, message: error.message, ...(error.fix ? { fix: error.fix } : {}) };
  }
  throw new Error('was accepted');
}

describe('2pm.yaml', () => {
  test('an organisation alone is a whole configuration', () => {
    expect(parseConfig('org: Clinic', 'f')).toMatchObject({
      org: 'Clinic',
      listen: { host: '127.0.0.1', port: 7420 },
      api: { host: '127.0.0.1', port: 7421 },
      chain: { driver: 'embedded', blockMs: 100, rpc: { port: 7422 } },
    });
  });

  test.each([
    ['org: A\nlistne:\n  port: 1\n', 2, 'listen', 'listne'],
    ['org: A\nlisten:\n  # the port\n  prot: 1\n', 4, 'port', 'listen.prot'],
    ['org: A\nchain:\n  driver: embedded\n  blockms: 5\n', 4, 'blockMs', 'chain.blockms'],
    ['org: A\nchain:\n  driver: evm\n  netwrok: x.json\n', 4, 'network', 'chain.netwrok'],
    ['org: A\ndata: { dri: x }\n', 2, 'dir', 'data.dri'],
  ])('a misspelt key is refused with its line and the right name (%#)', (text, line, right, path) => {
    const { code, message, fix } = failure(text);
    expect(code).toBe('CONFIG_UNKNOWN_KEY');
    expect(message).toContain(`2pm.yaml:${line}: ${path}: unknown key, did you mean "${right}"?`);
    expect(fix).toContain(`"${right}"`);
  });

  test('a key of another driver is not suggested for this one', () => {
    const { message } = failure('org: A\nchain:\n  driver: embedded\n  netwrok: x\n');
    expect(message).toContain('unknown key');
    expect(message).not.toContain('did you mean');
  });

  test.each([
    ['org: A\nlisten:\n  port: http\n', 3, 'listen.port'],
    ['org: A\napi:\n  port: 70000\n', 3, 'api.port'],
    ['org: A\nchain:\n  driver: bitcoin\n', 3, 'chain.driver'],
    ['org: A\nadvertise:\n  - a:1\n  - nowhere\n', 4, 'advertise.1'],
    ['org: A\nchain:\n  driver: evm\n  rpc: not-a-url\n', 4, 'chain.rpc'],
    [`org: A\nchain:\n  driver: evm\n  network:\n    chainId: x\n`, 5, 'chain.network.chainId'],
  ])('a wrong value is refused with its line (%#)', (text, line, path) => {
    const { code, message } = failure(text);
    expect(code).toBe('CONFIG_BAD_VALUE');
    expect(message).toContain(`2pm.yaml:${line}: ${path}: `);
  });

  test('every mistake is told at once, in the order of the file', () => {
    const { message } = failure('orgg: A\nlisten:\n  port: x\nfinalty: seen\n');
    expect(message.split('\n').map((line) => line.match(/^2pm\.yaml(?::\d+)?/)?.[0])).toEqual([
      '2pm.yaml',
      '2pm.yaml:1',
      '2pm.yaml:3',
      '2pm.yaml:4',
    ]);
  });

  test.each(['', 'org: [', 'just text', 'org: A\norg: B\n', '- a\n'])(
    'text that is no configuration is refused (%j)',
    (text) => {
      expect(failure(text).code).toMatch(/^CONFIG_BAD_/);
    },
  );

  test('no text whatever fails with anything but an error that names the mistake', () => {
    const lines = [
      'org: A',
      'listen:',
      '  port: 1',
      '  host: x',
      'chain: {driver: evm',
      ' network: {chainId: 1}}',
      '- a',
      '? [b]',
      '&a',
      '*a',
      '<<: *a',
      '__proto__: 1',
      'constructor: {a: 1}',
      '"',
      'chain:',
      '  driver: embedded',
      '  rpc: [1]',
      '1: 2',
      'null: ~',
      '---',
    ];
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...lines)).map((chosen) => chosen.join('\n')),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          parseConfig(source, 'f');
        } catch (error) {
          expect(isNodeError(error) && error.code).toMatch(/^CONFIG_(BAD_YAML|BAD_VALUE|UNKNOWN_KEY)$/);
        }
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  test('the JSON Schema knows every key at the top and forbids others', () => {
    const schema = configJsonSchema() as { properties: object; additionalProperties: boolean; required: string[] };
    expect(Object.keys(schema.properties)).toContain('finality');
    expect(schema.additionalProperties).toBe(false);
    expect(schema.required).toEqual(['org']);
  });
});

test('docs/config.md says what the schema says', async () => {
  const page = new URL('../../../../docs/config.md', import.meta.url);
  expect(await readFile(page, 'utf8')).toBe(configReference());
});

describe('loadConfig', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), '2pm-config-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  test('a directory without a node is told apart from a bad file', async () => {
    await expect(loadConfig(join(dir, 'none'))).rejects.toMatchObject({ code: 'CONFIG_MISSING' });
  });

  test('a joiner takes the RPC from the network file unless it names its own', async () => {
    await writeFile(join(dir, 'network.json'), JSON.stringify(network));
    await writeFile(join(dir, '2pm.yaml'), 'org: A\nchain: { driver: evm }\n');
    expect((await loadConfig(dir)).chain).toEqual({ driver: 'evm', rpc: [network.rpc], network });
    await writeFile(join(dir, '2pm.yaml'), 'org: A\nchain: { driver: evm, rpc: "https://own:1" }\n');
    expect((await loadConfig(dir)).chain).toMatchObject({ rpc: ['https://own:1'] });
  });

  test('a damaged network file is refused with the field', async () => {
    await writeFile(join(dir, '2pm.yaml'), 'org: A\nchain: { driver: evm, network: bad.json }\n');
    await writeFile(join(dir, 'bad.json'), JSON.stringify({ ...network, contract: '0x12' }));
    await expect(loadConfig(dir)).rejects.toMatchObject({
      code: 'CONFIG_BAD_NETWORK',
      message: expect.stringContaining('contract'),
    });
    await rm(join(dir, 'bad.json'));
    await expect(loadConfig(dir)).rejects.toMatchObject({ code: 'CONFIG_NO_NETWORK' });
  });

  test('a wildcard listen address is never advertised', async () => {
    await writeFile(join(dir, '2pm.yaml'), 'org: A\nlisten: { host: 0.0.0.0 }\n');
    expect((await loadConfig(dir)).advertise).toEqual([]);
    await writeFile(join(dir, '2pm.yaml'), 'org: A\nlisten: { host: "::1", port: 9 }\n');
    expect((await loadConfig(dir)).advertise).toEqual(['[::1]:9']);
  });

  test('--dir goes before TWOPM_DIR, and that before the home directory', () => {
    expect(nodeDirectory('/a', { TWOPM_DIR: '/b' })).toBe('/a');
    expect(nodeDirectory(undefined, { TWOPM_DIR: '/b' })).toBe('/b');
    expect(nodeDirectory(undefined, {})).toMatch(/\.2pm$/);
  });
});
