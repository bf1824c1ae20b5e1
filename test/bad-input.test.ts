/** What comes from outside may be anything: files, programs, bytes on a port. Each gets its error, and the network goes on. */
import { chmod, cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeNode, type Party, start } from '@2pm/demo/cast';
import { run, twopm } from '@2pm/demo/processes';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { csv, type Network, program, type Row, raise, SUMS, settle, sums } from './network.ts';
import { insult, strike, strikeTls } from './stranger.ts';

/** What must never leave a holder: in each row a word, and a number of its own. */
const rows = [0, 1, 2].map((holder) =>
  Array.from(
    { length: 40 },
    (_, i): Row => ({
      delay: (i * 7 + holder) % 90,
      serial: 700_000_000_000 + (((holder * 40 + i + 1) * 2_654_435_761) % 99_999_999_977),
      note: `canary-${holder}-${i}-quoth-the-raven`,
    }),
  ),
) as [Row[], Row[], Row[]];

let net: Network;
let holder: Party;
/** Of the holder whose file is broken. */
let path: string;
/** Everything that anybody was told over the API. */
const told: string[] = [];

beforeAll(async () => {
  net = await raise(rows);
  holder = net.holders[2];
  path = holder.file?.path ?? '';
}, 120_000);
afterAll(() => net?.stop());

async function submitted(source = SUMS) {
  const view = await settle(net.analyst, { program: source });
  const seen = await Promise.all(
    [net.analyst, ...net.holders].map(async ({ client }) =>
      JSON.stringify([await client.tasks(), await client.datasets()]),
    ),
  );
  told.push(JSON.stringify(view), ...seen);
  return view;
}

async function settlesRight() {
  const view = await submitted();
  expect(view).toMatchObject({ phase: 'settled' });
  expect((await net.analyst.client.result(view.taskId)).result).toEqual(sums(rows));
  return view;
}

/** What a person reads: a code, no stack, nothing of the machine room. */
function readable({ stdout, stderr }: { stdout: string; stderr: string }, code: string) {
  expect(stderr).toContain(code);
  expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+|node:internal|ZodError|"path":|\[object/m);
}

describe('a task', () => {
  test('settles with the sums of all files; a simulation on the same files gives the same; its receipt verifies', {
    timeout: 60_000,
  }, async () => {
    const { taskId } = await settlesRight();
    const file = join(net.dir, 'sums.ts');
    await writeFile(file, SUMS);
    const data = [0, 1, 2].flatMap((index) => ['--data', `flights=${join(net.dir, `holder-${index}.csv`)}`]);
    expect(await twopm(net.dir, 'task', 'simulate', file, ...data)).toMatchObject({ result: sums(rows) });

    const receipt = Buffer.from(await net.analyst.client.receipt(taskId));
    const flipped = Buffer.from(receipt);
    flipped[1_000] = (flipped[1_000] ?? 0) ^ 4;
    const verdicts = await Promise.all(
      [receipt, flipped, receipt.subarray(0, -10), Buffer.alloc(0)].map(async (bytes, index) => {
        const target = join(net.dir, `receipt-${index}`);
        await writeFile(target, bytes);
        return run('task', 'verify', target);
      }),
    );
    expect(verdicts.map(({ code }) => code)).toEqual([0, 7, 7, 7]);
    for (const verdict of verdicts.slice(1)) readable(verdict, 'RECEIPT_INVALID');
  });
});

describe('a holder whose file is broken refuses with a code, and sees the reason itself:', () => {
  const whole = () => csv(rows[2]);
  test.each<[string, () => string, string, string]>([
    [
      'a column is missing',
      () => whole().replace('delay,serial,note', 'dealy,serial,note'),
      'DATA_MISSING_COLUMN',
      'dealy',
    ],
    [
      'a value has another type',
      () => whole().replace(/^\d+,/m, 'canary-type-raven,'),
      'DATA_WRONG_TYPE',
      'line 2, column "delay": "canary-type-raven"',
    ],
    ['a line has too few fields', () => `${whole()}12\n`, 'DATA_BROKEN_LINE', 'Line: 42'],
    ['a quote does not end', () => `${whole()}12,700000000001,"canary-quote-raven\n`, 'DATA_BROKEN_LINE', 'Line: 42'],
    [
      'a value is out of its range',
      () => `${whole()}12,${1e15 + 777_777_777},canary-range-raven\n`,
      'DATA_QUALITY',
      'row 41',
    ],
  ])('%s', async (_, broken, code, detail) => {
    await writeFile(path, broken());
    const [view, check] = await Promise.all([submitted(), run('data', 'check', '--dir', holder.dir)]);
    await writeFile(path, whole());
    expect(view).toMatchObject({ phase: 'refused', error: { code } });
    expect(view.refusals).toMatchObject([
      { code, reasons: [{ message: expect.any(String), fix: expect.any(String) }] },
    ]);
    expect(check.code).toBe(7);
    expect(check.stdout).toContain(detail);
  });

  test('a Parquet file is cut in half', async () => {
    const { dir, file } = net.holders[1];
    const whole = await readFile(file?.path ?? '');
    await writeFile(file?.path ?? '', whole.subarray(0, whole.length / 2));
    const [view, check] = await Promise.all([submitted(), run('data', 'check', '--dir', dir)]);
    await writeFile(file?.path ?? '', whole);
    expect(view).toMatchObject({ phase: 'refused', error: { code: expect.stringMatching(/^DATA_/) } });
    expect(check.code).toBe(7);
    expect(check.stdout).toContain(view.error?.code);
  });

  test('and all take part again when it is mended', settlesRight);
});

/** Many more, on the sandbox alone, in `node/src/sandbox/hostile.test.ts`. */
describe('a program that', () => {
  const body = (text: string) => program(`${text}; return { n: flights.count() };`);
  test.each<[string, string, string]>([
    ['never ends', body('for (;;) {}'), 'PROGRAM_LIMIT'],
    ['throws', body("throw new Error('no')"), 'PROGRAM_THREW'],
    ['is no TypeScript', 'export default {{{', 'PROGRAM_'],
  ])('%s is refused with a cause', async (_, source, code) => {
    const error = await settle(net.analyst, { program: source }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: expect.stringMatching(`^${code}`), fault: 'caller' });
    expect((error as Error).message).not.toMatch(/internal error|node:internal/);
  });

  test.each<[string, string]>([
    [
      'asks for a column that no policy permits',
      program('return { n: flights.where(flights.note.eq("x")).count() };', "note: category(['x', 'y'])"),
    ],
    [
      'asks for a column that nobody has',
      program('return { n: flights.ghost.sum() };', 'ghost: int({ min: 0, max: 9 })'),
    ],
  ])('%s is refused by the holders', async (_, source) => {
    const view = await submitted(source);
    expect(view).toMatchObject({ phase: 'refused', error: { code: expect.stringMatching(/^(POLICY|DATA)_/) } });
  });
});

describe('a stranger', () => {
  test('gets nothing out of the peer port, and the node goes on', async () => {
    const { listen } = await net.analyst.client.status();
    const [host = '', port] = listen.split(':');
    for (const bytes of [
      Buffer.alloc(5_000, 0xa5),
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.alloc(0),
    ]) {
      const { answer, closed } = await strike(host, Number(port), bytes);
      expect(answer.length).toBeLessThan(64);
      expect(closed || bytes.length === 0).toBe(true);
    }
    expect(await strikeTls(host, Number(port), Buffer.alloc(1_000, 1))).toMatchObject({ closed: true, bytes: 0 });
    expect((await net.holders[0].client.peers()).filter(({ reachable }) => reachable === true)).toHaveLength(3);
  });

  test('gets nothing out of the API without the token', async () => {
    const { api } = net.analyst.process;
    const { hostname, port } = new URL(api);
    await strike(hostname, Number(port), Buffer.alloc(100_000, 0xff));
    for (const [path, init, status] of [
      ['/v1/tasks', {}, 401],
      ['/v1/tasks', { headers: { authorization: 'Bearer wrong' } }, 401],
      ['/v1/nothing', { headers: { authorization: 'Bearer wrong' } }, 401],
      ['/v1/tasks', { method: 'POST', body: '{"program": "x"}', headers: { 'content-type': 'application/json' } }, 401],
    ] as const) {
      const response = await fetch(`${api}${path}`, init);
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({ error: { code: 'API_UNAUTHORIZED', fix: expect.any(String) } });
    }
  });

  test('cannot steer the chain through its RPC', async () => {
    const { rpc } = JSON.parse(await readFile(net.founding.network, 'utf8')) as { rpc: string };
    const ask = async (body: unknown) =>
      (
        await fetch(rpc, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      ).json();
    const call = (method: string) => ({ jsonrpc: '2.0', id: 1, method, params: [] });
    for (const method of [
      'anvil_dumpState',
      'anvil_setBalance',
      'evm_mine',
      'evm_revert',
      'hardhat_reset',
      'eth_sendTransaction',
      'debug_traceCall',
      'personal_sign',
    ]) {
      expect(await ask(call(method))).toMatchObject({ error: { code: -32601 } });
      expect(await ask([call('eth_chainId'), call(method)])).toMatchObject([
        { result: expect.any(String) },
        { error: {} },
      ]);
    }
    const { hostname, port } = new URL(rpc);
    await strike(hostname, Number(port), Buffer.alloc(10_000, 0xff));
    expect(await ask(call('eth_chainId'))).toMatchObject({ result: expect.any(String) });
  });

  test('none of it kept the network from its work', settlesRight);
});

describe('a node does not come up, and says why,', () => {
  let dir: string;
  let passphrase: string;
  const edit = async (change: (text: string) => string) => {
    const file = join(dir, '2pm.yaml');
    await writeFile(file, change(await readFile(file, 'utf8')));
  };
  const up = async (code: string, ...options: string[]) => {
    const outcome = await run('up', '--dir', dir, ...options);
    expect([outcome.code, outcome.stderr]).toEqual([3, expect.stringContaining(code)]);
    readable(outcome, code);
    expect(outcome.stderr).toMatch(/^ +fix +\w/m);
  };
  beforeAll(async () => {
    dir = join(net.dir, 'fifth');
    await makeNode(net.founding, dir, 'Fifth');
    passphrase = await readFile(join(dir, 'passphrase'), 'utf8');
  });

  test('when another runs in its directory', async () => {
    const outcome = await run('up', '--dir', holder.dir);
    expect(outcome.code).toBe(3);
    readable(outcome, 'CONFIG_DIRECTORY_IN_USE');
  });

  test('when a key of its configuration is misspelt', async () => {
    await edit((text) => text.replace('listen:', 'lisen:'));
    await up('CONFIG_UNKNOWN_KEY');
    await edit((text) => text.replace('lisen:', 'listen:'));
  });

  test('when the passphrase is wrong', async () => {
    await writeFile(join(dir, 'passphrase'), 'wrong\n');
    await up('KEYSTORE_');
    await writeFile(join(dir, 'passphrase'), passphrase, { mode: 0o600 });
  });

  test('when others may read its keys', async () => {
    await chmod(join(dir, 'keystore', 'node.json'), 0o640);
    await up('KEYSTORE_');
    await chmod(join(dir, 'keystore', 'node.json'), 0o600);
  });

  test.each([
    ['peers', 'listen', 'P2P_PORT_IN_USE'],
    ['the API', 'api', 'API_PORT_IN_USE'],
  ])('when another process has the port for %s', async (_, key, code) => {
    const line = new RegExp(`^${key}: .*$`, 'm');
    const before = await readFile(join(dir, '2pm.yaml'), 'utf8');
    const taken = line.exec(await readFile(join(holder.dir, '2pm.yaml'), 'utf8'))?.[0] ?? '';
    await edit((text) => text.replace(line, taken));
    await up(code);
    await edit(() => before);
  });

  test('when another process has the port for the chain', async () => {
    const founder = join(net.dir, 'founder');
    const { port } = new URL((JSON.parse(await readFile(net.founding.network, 'utf8')) as { rpc: string }).rpc);
    const places = ['--listen', net.founding.endpoint(), '--rpc', `127.0.0.1:${port}`];
    await twopm(founder, 'init', '--embedded', '--org', 'Founder', ...places, '--yes');
    const outcome = await run('up', '--dir', founder);
    expect(outcome.code).toBe(3);
    readable(outcome, 'CHAIN_PORT_TAKEN');
  });
});

describe('a fifth node', () => {
  const reachable = async () =>
    (await net.analyst.client.peers()).filter((peer) => peer.reachable === true).map(({ org }) => org);

  test('joins while others compute, is seen, comes up only once, may say what it likes, and leaves', {
    timeout: 60_000,
  }, async () => {
    const dir = join(net.dir, 'fifth');
    const meanwhile = settlesRight();
    const fifth = await start('Fifth', dir, undefined);
    await meanwhile;
    await expect.poll(reachable, { timeout: 10_000 }).toContain('Fifth');

    const twin = join(net.dir, 'twin');
    await makeNode(net.founding, twin, 'Twin');
    await rm(join(twin, 'keystore'), { recursive: true });
    await cp(join(dir, 'keystore'), join(twin, 'keystore'), { recursive: true });
    await cp(join(dir, 'passphrase'), join(twin, 'passphrase'));
    const outcome = await run('up', '--dir', twin);
    expect(outcome.code).toBe(3);
    readable(outcome, 'NODE_RUNS_ELSEWHERE');
    expect(await reachable()).toContain('Fifth');

    await fifth.process.stop();
    await insult(net, dir);
    expect(await reachable()).toHaveLength(3);
    await Promise.all([settlesRight(), twopm(dir, 'leave')]);
    await expect.poll(async () => (await net.analyst.client.peers()).map(({ org }) => org)).not.toContain('Fifth');
  });
});

describe('what a holder has', () => {
  test('is in no file, log or answer of anybody else', async () => {
    const others = [join(net.dir, 'analyst'), join(net.dir, 'holder-0'), join(net.dir, 'holder-1')];
    const files = (await Promise.all(others.map(filesUnder))).flat();
    const logs = [net.analyst, net.holders[0], net.holders[1]].map(({ process }) => process.log());
    const texts = [
      ...(await Promise.all(files.map((file) => readFile(file)))),
      ...[...told, ...logs].map((text) => Buffer.from(text)),
    ];
    expect(files.some((file) => file.endsWith('state.json'))).toBe(true);
    const local = sums([rows[2]]);
    const numbers = [...rows[2].map(({ serial }) => serial), local.serial];
    const words = [
      ...rows[2].map(({ note }) => note),
      'canary-type',
      'canary-quote',
      'canary-range',
      String(1e15 + 777_777_777),
    ];
    const needles = [...words.map((word) => Buffer.from(word)), ...numbers.flatMap(forms)].flatMap(spelt);
    const found = needles.filter((needle) => texts.some((text) => text.includes(needle)));
    expect(found.map(String)).toEqual([]);
    // The search itself finds what is there.
    expect((await readFile(path)).includes(needles[0] ?? '')).toBe(true);
  });
});

/** A number as text, and as eight bytes of either order. */
function forms(value: number): Buffer[] {
  const little = Buffer.alloc(8);
  little.writeBigInt64LE(BigInt(value));
  // Leading zeros are common everywhere.
  return [Buffer.from(String(value)), little.subarray(0, 6), Buffer.from(little).reverse().subarray(2)];
}

/** Bytes as they are, in hexadecimal, and in base64 at each of its three alignments. */
function spelt(bytes: Buffer): Buffer[] {
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    return text.slice(offset === 0 ? 0 : offset + 1, Math.floor(((offset + bytes.length) * 8) / 6));
  });
  return [bytes, Buffer.from(bytes.toString('hex')), ...base64.map((text) => Buffer.from(text))];
}

async function filesUnder(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
