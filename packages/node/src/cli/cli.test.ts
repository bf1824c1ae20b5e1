import { EventEmitter } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { NodeError, type NodeId, publicError, type TaskId } from '@2pm/core';
import type { NodeStatusView, SubmitRequest, TaskPhase, TaskUpdate, TaskView } from '@2pm/core/api';
import { seededRng } from '@2pm/testing/seeded-rng';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { layout } from '../config/layout.ts';
import { loadConfig } from '../config/load.ts';
import { lockDirectory, readRunning } from '../config/lock.ts';
import { type ApiServer, serveApi } from '../http/serve.ts';
import type { Engine, RunningNode } from './engine.ts';
import { exitCodeOf } from './exit.ts';
import { runCli } from './run.ts';

const node = `0x${'11'.repeat(20)}` as NodeId;
const taskId = `0x${'ab'.repeat(32)}` as TaskId;
const status: NodeStatusView = {
  version: '0.1.0',
  node,
  did: `did:pkh:eip155:7:${node}`,
  org: 'Clinic',
  listen: '127.0.0.1:1',
  chain: { driver: 'embedded', caip2: 'eip155:7', reachable: true, block: 3, lag: 0 },
  registered: true,
  peers: 2,
  tasks: { running: 0, ended: 1 },
};

/** Every part throws until a test supplies it. */
function engineWith(parts: Partial<Engine>): Engine {
  const unexpected = () => Promise.reject(new Error('not expected in this test'));
  return {
    rng: seededRng(1),
    createKeystore: unexpected,
    createNode: unexpected,
    leave: unexpected,
    draftContract: unexpected,
    listDatasets: unexpected,
    checkDatasets: unexpected,
    checkKeys: unexpected,
    listBudgets: unexpected,
    verifyReceipt: unexpected,
    explain: unexpected,
    simulate: unexpected,
    ...parts,
  };
}
const withKeystore = engineWith({
  async createKeystore(dir, passphrase) {
    const { mkdir } = await import('node:fs/promises');
    await mkdir(dir);
    await writeFile(join(dir, 'node.json'), passphrase, { mode: 0o600 });
    await writeFile(join(dir, 'keys.bin'), '', { mode: 0o600 });
    return node;
  },
});

function sink() {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      sunk.text += chunk.toString();
      done();
    },
  });
  const sunk = { stream, text: '' };
  return sunk;
}

async function cli(argv: string[], options: { engine?: Engine; env?: NodeJS.ProcessEnv; signals?: EventEmitter } = {}) {
  const [out, err] = [sink(), sink()];
  const code = await runCli(argv, {
    engine: options.engine ?? engineWith({}),
    env: options.env ?? {},
    signals: options.signals ?? new EventEmitter(),
    stdin: Object.assign(new EventEmitter(), { isTTY: false }) as unknown as NodeJS.ReadableStream,
    stdout: out.stream,
    stderr: err.stream,
  });
  return { code, out: out.text, err: err.text };
}

let root = '';
let dir = '';
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), '2pm-cli-'));
});
beforeEach(() => {
  dir = join(root, String(count++));
});
afterAll(() => rm(root, { recursive: true }));

describe('exit codes', () => {
  test.each([
    ['USAGE_NO_ORG', 'caller', 2],
    ['PROGRAM_SYNTAX', 'caller', 2],
    ['API_BAD_REQUEST', 'caller', 2],
    ['CONFIG_UNKNOWN_KEY', 'caller', 3],
    ['KEYSTORE_WRONG_PASSPHRASE', 'caller', 3],
    ['API_PORT_IN_USE', 'caller', 3],
    ['API_UNAUTHORIZED', 'caller', 3],
    ['CHAIN_WRONG_ID', 'chain', 3],
    ['API_UNREACHABLE', 'node', 4],
    ['CHAIN_UNREACHABLE', 'chain', 4],
    ['P2P_UNREACHABLE', 'peer', 4],
    ['POLICY_COLUMN', 'policy', 5],
    ['BUDGET_EXHAUSTED', 'data', 5],
    ['SOMETHING_REFUSED', 'policy', 5],
    ['TASK_ABORTED', 'peer', 6],
    ['MPC_INCONSISTENT_SHARES', 'peer', 6],
    ['RECEIPT_INVALID', 'caller', 7],
    ['NODE_INTERNAL', 'node', 1],
  ] as const)('%s (%s) is %i', (code, fault, exit) => {
    expect(exitCodeOf(new NodeError(code, 'x', { fault }))).toBe(exit);
  });

  test('an error that is not ours is a plain failure', () => {
    expect(exitCodeOf(new TypeError('x'))).toBe(1);
  });
});

describe('usage', () => {
  test.each([
    [['frob']],
    [['task', 'submit', 'p.ts']],
    [['init', '--listen', 'nowhere']],
    [['init', '--network', 'a', '--embedded']],
    [['task', 'submit', 'p.ts', '--purpose', 'x', '--join-within', 'soon']],
    [['task', 'submit', 'p.ts', '--purpose', 'x', '--role', 'holder']],
    [['task', 'simulate', 'p.ts', '--data', 'table']],
    [['task', 'explain', 'p.ts', '--members', 'bank']],
    [['--frob']],
  ])('%j is a usage error, with --json one document and nothing else', async (argv) => {
    const told = await cli(argv);
    expect(told.code).toBe(2);
    expect(told.out).toBe('');
    expect(told.err).toContain('✗');
    const machine = await cli([...argv, '--json']);
    expect(machine.code).toBe(2);
    expect(JSON.parse(machine.out)).toMatchObject({ error: { code: 'USAGE_BAD_ARGUMENTS' } });
  });

  test('help and version are no errors', async () => {
    for (const argv of [['--help'], ['task', 'submit', '--help'], ['--version'], ['help', 'task']]) {
      const { code, out } = await cli(argv);
      expect(code).toBe(0);
      expect(out).not.toBe('');
    }
  });

  test('a task id that is cut off is named as such', async () => {
    await cli(['init', '--org', 'A', '--dir', dir], { engine: withKeystore });
    const { code, err } = await cli(['task', 'status', '0x12', '--dir', dir]);
    expect(code).toBe(2);
    expect(err).toContain('USAGE_BAD_TASK_ID');
  });
});

describe('init', () => {
  test('makes a node whose configuration loads and whose secrets are private', async () => {
    const { code, out } = await cli(['init', '--dir', dir, '--org', 'Clinic "N": #1', '--listen', '127.0.0.1:9000'], {
      engine: withKeystore,
    });
    expect(code).toBe(0);
    expect(out).toContain('Nobody gave a passphrase');
    const config = await loadConfig(dir);
    expect(config).toMatchObject({
      org: 'Clinic "N": #1',
      listen: { port: 9000 },
      api: { host: '127.0.0.1', port: 9001 },
      chain: { driver: 'embedded', rpc: { port: 9002 } },
    });
    for (const name of ['api-token', 'passphrase']) expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
    expect((await readFile(join(dir, 'api-token'), 'utf8')).trim()).toMatch(/^[0-9a-f]{64}$/);
    expect(await readFile(join(dir, 'passphrase'), 'utf8')).not.toBe(await readFile(join(dir, 'api-token'), 'utf8'));
  });

  test('leaves no passphrase behind when one was given', async () => {
    const engine = withKeystore;
    const { code, out } = await cli(['init', '--dir', dir, '--org', 'A', '--passphrase-env', 'P', '--json'], {
      engine,
      env: { P: 'given' },
    });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ node, passphraseFile: null });
    expect(await readFile(join(dir, 'keystore', 'node.json'), 'utf8')).toBe('given');
    await expect(stat(join(dir, 'passphrase'))).rejects.toThrow();
    expect((await cli(['init', '--dir', `${dir}x`, '--org', 'A', '--passphrase-env', 'NONE'], { engine })).code).toBe(
      3,
    );
  });

  test('run again, it keeps what is there and writes what is missing', async () => {
    await cli(['init', '--dir', dir, '--org', 'A'], { engine: withKeystore });
    const before = await readFile(join(dir, '2pm.yaml'), 'utf8');
    await rm(join(dir, 'api-token'));
    const { code, out } = await cli(['init', '--dir', dir, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out).wrote).toEqual([join(dir, 'api-token')]);
    expect(await readFile(join(dir, '2pm.yaml'), 'utf8')).toBe(before);
    expect(await cli(['init', '--dir', dir, '--org', 'B'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('CONFIG_EXISTS'),
    });
  });

  test('a bad network file is found before anything is written', async () => {
    await writeFile(join(root, 'bad.json'), '{"chainId": 1}');
    const { code, err } = await cli(['init', '--dir', dir, '--org', 'A', '--network', join(root, 'bad.json')], {
      engine: withKeystore,
    });
    expect(code).toBe(3);
    expect(err).toContain('CONFIG_BAD_NETWORK');
    await expect(stat(dir)).rejects.toThrow();
  });

  test('killed between passphrase and keys, it goes on with the same passphrase', async () => {
    const killed = engineWith({ createKeystore: () => Promise.reject(new Error('killed')) });
    expect((await cli(['init', '--dir', dir, '--org', 'A'], { engine: killed })).code).toBe(1);
    const passphrase = (await readFile(join(dir, 'passphrase'), 'utf8')).trim();
    expect((await cli(['init', '--dir', dir, '--org', 'A'], { engine: withKeystore })).code).toBe(0);
    expect(await readFile(join(dir, 'keystore', 'node.json'), 'utf8')).toBe(passphrase);
  });

  test('a path that cannot be written is told in the words of the system', async () => {
    const { code, err } = await cli(['init', '--dir', '/dev/null/x', '--org', 'A'], { engine: withKeystore });
    expect(code).toBe(1);
    expect(err).toContain('NODE_SYSTEM');
    expect(err).toContain('/dev/null');
  });

  test('a joiner keeps a copy of the network file', async () => {
    const network = { chainId: 7, rpc: 'http://a:1', contract: node, codeHash: taskId, firstBlock: 0 };
    await writeFile(join(root, 'network.json'), JSON.stringify(network));
    await cli(['init', '--dir', dir, '--org', 'A', '--network', join(root, 'network.json')], { engine: withKeystore });
    expect((await loadConfig(dir)).chain).toEqual({ driver: 'evm', rpc: ['http://a:1'], network });
  });
});

describe('up', () => {
  const running = (stop: () => Promise<void>): RunningNode => ({
    apiUrl: 'http://127.0.0.1:5',
    status: async () => status,
    ended: new Promise<void>(() => {}),
    stop,
  });

  test('tells where it is, stops at the first signal, and leaves the second to the system', async () => {
    await cli(['init', '--dir', dir, '--org', 'A', '--passphrase-env', 'P'], {
      engine: withKeystore,
      env: { P: 'pw' },
    });
    const signals = new EventEmitter();
    const seen: string[] = [];
    const engine = engineWith({
      async createNode(_config, { passphrase }) {
        seen.push(passphrase);
        queueMicrotask(() => setImmediate(() => signals.emit('SIGTERM')));
        return running(async () => {
          seen.push(`stopped with ${signals.listenerCount('SIGTERM')} listeners`);
        });
      },
    });
    const argv = ['up', '--dir', dir, '--passphrase-env', 'P', '--json'];
    const { code, out } = await cli(argv, { engine, env: { P: 'pw' }, signals });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ api: 'http://127.0.0.1:5', did: status.did });
    expect(seen).toEqual(['pw', 'stopped with 0 listeners']);
    expect(readRunning(layout(dir))).toBeUndefined();
  });

  test('refuses a directory whose node is up', async () => {
    await cli(['init', '--dir', dir, '--org', 'A'], { engine: withKeystore });
    using _held = lockDirectory(layout(dir), 4711);
    const { code, err } = await cli(['up', '--dir', dir]);
    expect(code).toBe(3);
    expect(err).toContain('process 4711');
  });

  test('without a passphrase and without a person it says what to give', async () => {
    await cli(['init', '--dir', dir, '--org', 'A', '--passphrase-env', 'P'], {
      engine: withKeystore,
      env: { P: 'pw' },
    });
    const { code, err } = await cli(['up', '--dir', dir]);
    expect(code).toBe(3);
    expect(err).toContain('--passphrase-file');
  });

  test('a node that fails takes the command with it, and its port stays named', async () => {
    await cli(['init', '--dir', dir, '--org', 'A'], { engine: withKeystore });
    const inUse = new NodeError('API_PORT_IN_USE', 'another process listens', { fault: 'caller' });
    const engine = engineWith({ createNode: () => Promise.reject(inUse) });
    expect(await cli(['up', '--dir', dir], { engine })).toMatchObject({
      code: 3,
      err: expect.stringContaining('API_PORT_IN_USE'),
    });
    using _free = lockDirectory(layout(dir), 1);
  });
});

describe('tasks over the API', () => {
  let api: ApiServer | undefined;
  let submitted: SubmitRequest[] = [];
  afterEach(() => api?.close());

  async function nodeWith(phase: TaskPhase) {
    await cli(['init', '--dir', dir, '--org', 'A', '--listen', '127.0.0.1:0'], { engine: withKeystore });
    submitted = [];
    const view: TaskView = {
      taskId,
      name: 'ages',
      purpose: 'why',
      coordinator: node,
      mine: true,
      phase,
      attempt: 1,
      members: [{ node, org: 'North', roles: ['holder'], seat: 0, state: phase }],
      refusals:
        phase === 'refused'
          ? [{ node, code: 'POLICY_COLUMN', reasons: [{ message: 'column is closed', line: 4 }] }]
          : [],
      learns: ['analyst: a histogram'],
      cost: { gas: 1, transactions: 2, bytesSent: 3, bytesReceived: 4, rounds: 5, phaseMs: { computing: 6 } },
    };
    const update: TaskUpdate = { at: 0, taskId, node, org: 'North', phase: 'computing', message: 'round 1' };
    api = await serveApi(
      {
        token: (await readFile(join(dir, 'api-token'), 'utf8')).trim(),
        tasks: {
          submit: async (request) => {
            submitted.push(request);
            return taskId;
          },
          check: async (request) => {
            submitted.push(request);
            const member = { node, org: 'North', roles: ['holder'], seat: 0 };
            const said =
              phase === 'refused'
                ? {
                    ...{ verdict: 'refuse' as const, code: 'POLICY_COLUMN' },
                    reasons: [{ message: 'column is closed', line: 4 }],
                  }
                : { verdict: 'allow' as const, code: '', reasons: [] };
            const starts = said.verdict === 'allow';
            return {
              name: 'ages',
              protocol: 'rep3/1',
              members: [{ ...member, ...said }],
              starts,
              learns: ['a histogram'],
            };
          },
          list: () => [view],
          view: () => view,
          async *updates() {
            yield update;
          },
          result: async () => ({ taskId, name: 'ages', result: { ages: [1, 2, null] } }),
          receipt: async () => new Uint8Array([1, 2, 3]),
          abort: async () => view,
        },
        status: async () => status,
        peers: async () => [
          { node, org: 'North', addresses: [], status: 'active', self: false, reachable: false, rttMs: null },
        ],
        datasets: async () => [],
        host: '127.0.0.1',
        onInternalError: () => {},
      },
      { host: '127.0.0.1', port: 0 },
    );
    const lock = lockDirectory(layout(dir), process.pid);
    lock.announce(api.url);
    await writeFile(join(dir, 'p.ts'), 'export default 1;');
    return lock;
  }

  test('submit follows the task to its result; --json is one document', async () => {
    using _up = await nodeWith('settled');
    const argv = [
      'task',
      'submit',
      join(dir, 'p.ts'),
      '--dir',
      dir,
      '--purpose',
      'why',
      '--role',
      `holder=${node}`,
      '--join-within',
      '2m',
    ];
    const told = await cli(argv);
    expect(told.code).toBe(0);
    expect(told.err).toContain('round 1');
    expect(told.out).toContain('withheld');
    expect(submitted[0]).toMatchObject({ roles: { holder: [node] }, joinWithinSeconds: 120, settleWithinSeconds: 900 });
    const machine = await cli([...argv, '--json']);
    expect(JSON.parse(machine.out)).toMatchObject({ taskId, phase: 'settled', result: { ages: [1, 2, null] } });
  });

  test('check tells what the peers would say, and by its exit code whether the task would start', async () => {
    for (const [phase, code, words] of [
      ['settled', 0, 'takes part'],
      ['refused', 5, 'line 4: column is closed'],
    ] as const) {
      using _up = await nodeWith(phase);
      const argv = ['task', 'check', join(dir, 'p.ts'), '--dir', dir, '--purpose', 'why'];
      const told = await cli(argv);
      expect(told).toMatchObject({ code, out: expect.stringContaining(words) });
      expect(told.out).toContain('a histogram');
      expect(JSON.parse((await cli([...argv, '--json'])).out)).toMatchObject({ members: [{ org: 'North' }] });
      dir = join(root, String(count++));
    }
  });

  test('submit takes organisations for their nodes, and refuses names that no one or several bear', async () => {
    using _up = await nodeWith('settled');
    const submit = (...more: string[]) =>
      cli(['task', 'submit', join(dir, 'p.ts'), '--dir', dir, '--purpose', 'why', ...more]);
    expect((await submit('--role', 'bank=north', '--role', 'bank=North', '--seats', 'North,north')).code).toBe(0);
    expect(submitted[0]).toMatchObject({ roles: { bank: [node, node] }, seats: [node, node] });
    const unknown = await submit('--role', 'bank=south');
    expect(unknown).toMatchObject({ code: 2, err: expect.stringContaining('USAGE_NO_NODE') });
    expect(submitted.length).toBe(1);
  });

  test.each([
    ['refused', 5],
    ['aborted', 6],
    ['expired', 6],
    ['failed', 1],
  ] as const)('submit of a task that ends %s exits with %i', async (phase, code) => {
    using _up = await nodeWith(phase);
    const ended = await cli(['task', 'submit', join(dir, 'p.ts'), '--dir', dir, '--purpose', 'why']);
    expect(ended.code).toBe(code);
    if (phase === 'refused') expect(ended.out).toContain('line 4: column is closed');
  });

  test('every reading command answers people and machines', async () => {
    using _up = await nodeWith('settled');
    for (const argv of [
      ['status'],
      ['peers'],
      ['task', 'list'],
      ['task', 'status'],
      ['task', 'status', taskId],
      ['task', 'result', taskId],
      ['task', 'abort', taskId],
    ]) {
      const told = await cli([...argv, '--dir', dir]);
      expect(told).toMatchObject({ code: 0, err: '' });
      const machine = await cli([...argv, '--dir', dir, '--json']);
      expect(machine.code).toBe(0);
      JSON.parse(machine.out);
    }
    expect(
      (await cli(['task', 'watch', taskId, '--dir', dir, '--json'])).out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).message),
    ).toEqual(['round 1']);
  });

  test('a receipt is saved as it came, for its owner alone', async () => {
    using _up = await nodeWith('settled');
    const file = join(dir, 'r.receipt');
    expect((await cli(['task', 'receipt', taskId, '-o', file, '--dir', dir])).code).toBe(0);
    expect(new Uint8Array(await readFile(file))).toEqual(new Uint8Array([1, 2, 3]));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const invalid = new NodeError('RECEIPT_INVALID', 'the receipt does not hold', { fault: 'caller' });
    const engine = engineWith({ verifyReceipt: () => Promise.reject(invalid) });
    expect((await cli(['task', 'verify', file], { engine })).code).toBe(7);
    expect((await cli(['task', 'verify', join(dir, 'none')], { engine })).code).toBe(2);
  });

  test('a wrong token is a configuration error, a node that is down is unreachable', async () => {
    {
      using _up = await nodeWith('settled');
      await writeFile(join(dir, 'api-token'), 'other');
      expect((await cli(['peers', '--dir', dir])).code).toBe(3);
    }
    await api?.close();
    const down = await cli(['peers', '--dir', dir, '--json']);
    expect(down.code).toBe(4);
    expect(JSON.parse(down.out)).toMatchObject({ error: { code: 'API_UNREACHABLE' } });
  });

  test('doctor names a key that others may read, and its cure', async () => {
    using _up = await nodeWith('settled');
    await chmod(join(dir, 'keystore', 'node.json'), 0o644);
    const { code, out } = await cli(['doctor', '--dir', dir]);
    expect(code).not.toBe(0);
    expect(out).toContain(`chmod 600 ${join(dir, 'keystore', 'node.json')}`);
  });
});

describe('data', () => {
  test('a failed check is bad news for scripts too', async () => {
    await cli(['init', '--dir', dir, '--org', 'A'], { engine: withKeystore });
    const engine = (ok: boolean) =>
      engineWith({
        checkDatasets: async () => [{ id: 'p', checks: [{ name: 'keys are unique', ok, fix: 'remove doubles' }] }],
      });
    expect(await cli(['data', 'check', '--dir', dir], { engine: engine(true) })).toMatchObject({ code: 0 });
    expect(await cli(['data', 'check', '--dir', dir], { engine: engine(false) })).toMatchObject({
      code: 7,
      out: expect.stringContaining('remove doubles'),
    });
  });
});

describe('data keys', () => {
  const report = {
    ...{ node: 1, table: 'people', key: 'key', rows: 1200, lacking: 0, keyed: 1157, capacity: 1200 },
    passes: [{ nulls: 31, invalid: 4, duplicates: 8, distinct: 1157 }],
    warnings: [],
  };
  const run = async (argv: string[], warnings: string[] = []) => {
    const asked: unknown[] = [];
    await cli(['init', '--dir', dir, '--org', 'A'], { engine: withKeystore });
    const engine = engineWith({
      async checkKeys(_dataDir, id, key) {
        asked.push(id, key);
        return { id: 'urn:people', report: { ...report, warnings } };
      },
    });
    return { asked, ...(await cli(['data', 'keys', 'people', '--dir', dir, ...argv], { engine })) };
  };

  test('shows what a task would find, in a few lines', async () => {
    const { code, out, asked } = await run(['--column', 'email', '--rule', 'email/v1'], ['few values']);
    expect(asked).toEqual(['people', [[{ column: 'email', rule: 'email/v1' }]]]);
    expect(code).toBe(0);
    for (const part of ['urn:people', '1,200', '31', '1,157', 'few values']) expect(out).toContain(part);
    expect(out.split('\n').length).toBeLessThan(12);
  });

  test('takes several columns for one key, and gives JSON', async () => {
    const two = ['--column', 'name', '--rule', 'name/v1', '--column', 'phone', '--rule', 'e164/v1'];
    const { out, asked } = await run([...two, '--calling-code', '49', '--json']);
    const key = [
      [
        { column: 'name', rule: 'name/v1' },
        { column: 'phone', rule: 'e164/v1', callingCode: '49' },
      ],
    ];
    expect(asked[1]).toEqual(key);
    expect(JSON.parse(out)).toEqual({ id: 'urn:people', key, report: { ...report, warnings: [] } });
  });

  test('refuses a rule without its column, and one that it does not know', async () => {
    for (const argv of [
      ['--column', 'email'],
      ['--column', 'a', '--rule', 'email/v1', '--rule', 'name/v1'],
      ['--column', 'a', '--rule', 'mail'],
    ]) {
      const { code, asked, err } = await run(argv);
      expect(asked).toEqual([]);
      expect(code).toBe(2);
      expect(err).toMatch(/--column|rule/);
    }
  });
});

test('data budget shows what each dataset has left', async () => {
  const budgets = [
    { id: 'urn:visits', spent: 1.75, total: 5, left: 3.25 },
    { id: 'urn:exact', spent: 0, total: null, left: 0 },
  ];
  await cli(['init', '--dir', dir, '--org', 'A'], { engine: withKeystore });
  const engine = engineWith({ listBudgets: async () => budgets });
  const { code, out } = await cli(['data', 'budget', '--dir', dir], { engine });
  expect(code).toBe(0);
  expect(out).toMatch(/urn:visits\s+1\.75\s+5\s+3\.25/);
  expect(out).toMatch(/urn:exact\s+0\s+none\s+0/);
  expect(JSON.parse((await cli(['data', 'budget', '--dir', dir, '--json'], { engine })).out)).toEqual(budgets);
});

test('an error on this console shows the detail that peers never get; as JSON it does not', async () => {
  const secret = new NodeError('DATA_NULL_KEY', 'a key is empty', { fault: 'data', privateDetail: 'row 17' });
  await cli(['init', '--dir', dir, '--org', 'A'], { engine: withKeystore });
  const engine = engineWith({ listDatasets: () => Promise.reject(secret) });
  expect((await cli(['data', 'list', '--dir', dir], { engine })).err).toContain('row 17');
  expect(JSON.parse((await cli(['data', 'list', '--dir', dir, '--json'], { engine })).out)).toEqual({
    error: publicError(secret),
  });
});
