import { type AddressInfo, createServer, connect as tcp } from 'node:net';
import { NodeError, type NodeId, type TaskId } from '@2pm/core';
import type { SubmitRequest, TaskService, TaskUpdate, TaskView } from '@2pm/core/api';
import { connect } from '@2pm/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import { ndjson } from './ndjson.ts';
import { type ApiServer, serveApi } from './serve.ts';

const token = 'right-token';
const id = `0x${'ab'.repeat(32)}` as TaskId;
const other = `0x${'cd'.repeat(32)}` as TaskId;
const node = `0x${'11'.repeat(20)}` as NodeId;
const view: TaskView = {
  taskId: id,
  name: 'sum',
  purpose: 'test',
  coordinator: node,
  mine: true,
  phase: 'computing',
  attempt: 1,
  members: [],
  refusals: [],
  learns: [],
  cost: { gas: 0, transactions: 0, bytesSent: 0, bytesReceived: 0, rounds: 0, phaseMs: {} },
};
const update = (message: string): TaskUpdate => ({ at: 1, taskId: id, node, org: 'A', phase: 'computing', message });

/** The seam below the routes: one task, whose updates the test supplies. */
class OneTask implements TaskService {
  submitted: SubmitRequest[] = [];
  updatesOf: (signal: AbortSignal) => AsyncIterable<TaskUpdate> = async function* () {
    yield update('a');
    yield update('b');
  };
  async submit(request: SubmitRequest) {
    this.submitted.push(request);
    return id;
  }
  async check(request: SubmitRequest) {
    this.submitted.push(request);
    const member = { node, org: 'A', roles: ['holder'], seat: null, verdict: 'ask' as const, code: '', reasons: [] };
    return { name: 'sum', protocol: 'p/1', members: [member], starts: false, learns: [] };
  }
  list() {
    return [view];
  }
  view(taskId: TaskId) {
    if (taskId !== id) throw new NodeError('TASK_UNKNOWN', 'no such task', { fault: 'caller' });
    return view;
  }
  updates(_taskId: TaskId, signal: AbortSignal) {
    return this.updatesOf(signal);
  }
  async result(taskId: TaskId) {
    if (taskId === id) throw new NodeError('TASK_NOT_SETTLED', 'still computing', { fault: 'caller', retryable: true });
    return { taskId, name: 'sum', result: { total: 12, ages: [1, null] } };
  }
  async receipt() {
    return new Uint8Array([0xa0, 1, 255]);
  }
  async abort() {
    return { ...view, phase: 'aborted' as const };
  }
}

let open: ApiServer | undefined;
const internal: unknown[] = [];
async function start(tasks: TaskService = new OneTask()) {
  internal.length = 0;
  open = await serveApi(
    {
      tasks,
      token,
      status: () => Promise.reject(new Error('row 17 has value Alice')),
      peers: async () => [],
      datasets: async () => [],
      host: '127.0.0.1',
      onInternalError: (error) => internal.push(error),
    },
    { host: '127.0.0.1', port: 0 },
  );
  return { url: open.url, client: connect({ url: open.url, token }) };
}
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const ROUTES = [
  ['GET', '/v1/status', 500],
  ['GET', '/v1/peers', 200],
  ['GET', '/v1/datasets', 200],
  ['GET', '/v1/tasks', 200],
  ['POST', '/v1/tasks', 400],
  ['GET', `/v1/tasks/${id}`, 200],
  ['GET', `/v1/tasks/${id}/updates`, 200],
  ['GET', `/v1/tasks/${id}/result`, 409],
  ['GET', `/v1/tasks/${id}/receipt`, 200],
  ['POST', `/v1/tasks/${id}/abort`, 200],
  ['GET', '/v1/nothing', 404],
  ['GET', '/', 404],
] as const;

describe('authorisation', () => {
  test.each(ROUTES)('%s %s answers the right token alone', async (method, path, status) => {
    const { url } = await start();
    for (const authorization of [undefined, 'Bearer wrong', `Bearer ${token}x`, 'Bearer ', `Basic ${token}`, token]) {
      const response = await fetch(url + path, {
        method,
        headers: authorization === undefined ? {} : { authorization },
      });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ error: { code: 'API_UNAUTHORIZED' } });
    }
    const response = await fetch(url + path, { method, headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(status);
    await response.body?.cancel();
  });

  test('an empty token of the node lets nobody in', async () => {
    open = await serveApi(
      {
        tasks: new OneTask(),
        token: '',
        status: () => Promise.reject(new Error()),
        peers: async () => [],
        datasets: async () => [],
        host: '127.0.0.1',
        onInternalError: () => {},
      },
      { host: '127.0.0.1', port: 0 },
    );
    expect((await fetch(`${open.url}/v1/peers`, { headers: { authorization: 'Bearer ' } })).status).toBe(401);
  });

  test('a foreign host name is refused even with the token, so that DNS rebinding fails', async () => {
    const { url } = await start();
    const status = async (host: string) => {
      const text = await raw(url, `GET /v1/peers HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n`);
      return Number(text.split(' ')[1]);
    };
    expect(await status('evil.example')).toBe(403);
    expect(await status('127.0.0.1.evil.example:80')).toBe(403);
    expect(await status('localhost.evil.example')).toBe(403);
    expect(await status('')).toBe(400);
    expect(await status('localhost:1')).toBe(200);
    expect(await status('127.0.0.1')).toBe(200);
    expect(await status('[::1]:80')).toBe(200);
  });

  test('no answer lets another origin read it', async () => {
    const { url } = await start();
    const headers = { authorization: `Bearer ${token}`, origin: 'https://evil.example' };
    const response = await fetch(`${url}/v1/peers`, { headers });
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('requests and answers', () => {
  const program = 'export default 1';

  test('a request gets its defaults and reaches the service', async () => {
    const tasks = new OneTask();
    const { client } = await start(tasks);
    expect((await client.check({ program, purpose: 'why' })).members[0]?.verdict).toBe('ask');
    expect(tasks.submitted.splice(0)).toHaveLength(1);
    expect(await client.submit({ program, purpose: 'why' })).toBe(id);
    expect(tasks.submitted).toEqual([
      { program, purpose: 'why', roles: {}, security: 'semi-honest', joinWithinSeconds: 60, settleWithinSeconds: 900 },
    ]);
  });

  test.each([
    ['{}', 'application/json'],
    [JSON.stringify({ program, purpose: 'x', extra: 1 }), 'application/json'],
    [JSON.stringify({ program, purpose: 'x', seats: [node] }), 'application/json'],
    [JSON.stringify({ program, purpose: 'x', roles: { holder: ['0xABC'] } }), 'application/json'],
    [JSON.stringify({ program: 'p'.repeat(1_000_001), purpose: 'x' }), 'application/json'],
    ['{', 'application/json'],
    [JSON.stringify({ program, purpose: 'x' }), 'text/plain'],
  ])('a request that breaks the contract is refused before the service (%#)', async (body, type) => {
    const tasks = new OneTask();
    const { url } = await start(tasks);
    const headers = { authorization: `Bearer ${token}`, 'content-type': type };
    const response = await fetch(`${url}/v1/tasks`, { method: 'POST', body, headers });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'API_BAD_REQUEST', fault: 'caller' } });
    expect(tasks.submitted).toEqual([]);
  });

  test('a body above the limit is refused, declared or not', async () => {
    const { url } = await start();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = new Uint8Array(9 << 20).fill(32);
    const declared = await fetch(`${url}/v1/tasks`, { method: 'POST', headers, body });
    expect(declared.status).toBe(413);
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(body);
        controller.close();
      },
    });
    const chunked = await fetch(`${url}/v1/tasks`, {
      method: 'POST',
      headers,
      body: stream,
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });

  test('results, receipts and aborts come back as the service gave them', async () => {
    const { client } = await start();
    expect((await client.result(other)).result).toEqual({ total: 12, ages: [1, null] });
    expect(await client.receipt(id)).toEqual(new Uint8Array([0xa0, 1, 255]));
    expect((await client.abort(id)).phase).toBe('aborted');
    await expect(client.result(id)).rejects.toMatchObject({ code: 'TASK_NOT_SETTLED', retryable: true });
    await expect(client.task(other)).rejects.toMatchObject({ code: 'TASK_UNKNOWN' });
    await expect(client.task('0x12' as TaskId)).rejects.toMatchObject({ code: 'API_BAD_REQUEST' });
  });

  test('an error that is not ours tells the caller nothing and the node everything', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/v1/status`, { headers: { authorization: `Bearer ${token}` } });
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toContain('Alice');
    expect(internal).toHaveLength(1);
  });
});

describe('updates', () => {
  test('come in order and end with the task', async () => {
    const { client } = await start();
    const got: string[] = [];
    for await (const { message } of client.updates(id)) got.push(message);
    expect(got).toEqual(['a', 'b']);
    await expect(client.updates(other).next()).rejects.toMatchObject({ code: 'TASK_UNKNOWN' });
  });

  test('arrive while the task is still running', async () => {
    const tasks = new OneTask();
    let go = () => {};
    const wait = new Promise<void>((resolve) => {
      go = resolve;
    });
    tasks.updatesOf = async function* () {
      yield update('first');
      await wait;
      yield update('second');
    };
    const { client } = await start(tasks);
    const stream = client.updates(id);
    expect((await stream.next()).value?.message).toBe('first');
    go();
    expect((await stream.next()).value?.message).toBe('second');
    expect((await stream.next()).done).toBe(true);
  });

  test('stop at the source when the reader goes, even while it waits', async () => {
    const tasks = new OneTask();
    let stopped = () => {};
    const sourceEnded = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    tasks.updatesOf = async function* (signal) {
      yield update('first');
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      stopped();
    };
    const { client } = await start(tasks);
    const abort = new AbortController();
    const stream = client.updates(id, { signal: abort.signal });
    await stream.next();
    abort.abort();
    await sourceEnded;
    await expect(stream.next()).rejects.toThrow();
  });

  test('are drawn no faster than they are read', async () => {
    const tasks = new OneTask();
    let drawn = 0;
    tasks.updatesOf = async function* (signal) {
      while (!signal.aborted) {
        drawn++;
        yield update('x'.repeat(100_000));
      }
    };
    const { url } = await start(tasks);
    const socket = tcp(Number(new URL(url).port), '127.0.0.1');
    socket.pause();
    socket.write(`GET /v1/tasks/${id}/updates HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    let before = -1;
    while (drawn === 0 || drawn !== before) {
      before = drawn;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    // Kernel buffers hold some megabytes at most; a source that is not held back would never stand still.
    expect(drawn).toBeLessThan(500);
    socket.destroy();
  });

  test('end with an error line when the source fails', async () => {
    const tasks = new OneTask();
    tasks.updatesOf = async function* () {
      yield update('first');
      throw new Error('secret detail');
    };
    const { client } = await start(tasks);
    const stream = client.updates(id);
    await stream.next();
    await expect(stream.next()).rejects.toMatchObject({ code: 'NODE_INTERNAL', message: 'internal error' });
    expect(internal).toHaveLength(1);
  });
});

test('a stream with nothing to say sends empty lines, and loses nothing that comes after', async () => {
  let go = (_value: string) => {};
  const said = new Promise<string>((resolve) => {
    go = resolve;
  });
  async function* slow() {
    yield await said;
    throw new Error('over');
  }
  const failures: unknown[] = [];
  const reader = ndjson(slow, (error) => failures.push(error), 5).getReader();
  const text = async () => new TextDecoder().decode((await reader.read()).value);
  expect(await text()).toBe('\n');
  expect(await text()).toBe('\n');
  go('word');
  let next = await text();
  while (next === '\n') next = await text();
  expect(next).toBe('"word"\n');
  expect(await text()).toContain('NODE_INTERNAL');
  expect(failures).toHaveLength(1);
});

test('a port in use is named with its fix', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const { port } = holder.address() as AddressInfo;
  const parts = {
    tasks: new OneTask(),
    token,
    status: () => Promise.reject(new Error()),
    peers: async () => [],
    datasets: async () => [],
    host: '127.0.0.1',
    onInternalError: () => {},
  };
  await expect(serveApi(parts, { host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'API_PORT_IN_USE',
    message: expect.stringContaining(String(port)),
  });
  await new Promise((resolve) => holder.close(resolve));
});

/** A request as bytes, because fetch sets Host itself. */
function raw(url: string, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tcp(Number(new URL(url).port), '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
    socket.write(`${head}Connection: close\r\n\r\n`);
  });
}
