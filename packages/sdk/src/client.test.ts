import { isNodeError, type TaskId } from '@2pm/core';
import type { TaskUpdate } from '@2pm/core/api';
import { expect, test } from 'vitest';
import { connect } from './client.ts';

const id = `0x${'ab'.repeat(32)}` as TaskId;
const node = `0x${'11'.repeat(20)}`;
const update = (message: string): TaskUpdate =>
  ({ at: 1, taskId: id, node, org: 'Clinic', phase: 'computing', message }) as TaskUpdate;

/** A client whose transport answers with `answer` and remembers what was asked. */
function client(answer: (request: Request) => Response | Promise<Response>) {
  const asked: Request[] = [];
  const send = (async (url: string, init: RequestInit) => {
    const request = new Request(url, init);
    asked.push(request);
    return answer(request);
  }) as typeof fetch;
  return { asked, node: connect({ url: 'http://node:1/', token: 'secret', fetch: send }) };
}

function body(chunks: string[]): ReadableStream<Uint8Array> {
  const bytes = chunks.map((chunk) => new TextEncoder().encode(chunk));
  return new ReadableStream({
    pull(controller) {
      const next = bytes.shift();
      if (next === undefined) controller.close();
      else controller.enqueue(next);
    },
  });
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (isNodeError(error) ? error.code : error),
  );

test('a call carries the token and the path of the contract', async () => {
  const { node, asked } = client(() => Response.json([]));
  expect(await node.peers()).toEqual([]);
  expect(asked[0]?.url).toBe('http://node:1/v1/peers');
  expect(asked[0]?.headers.get('authorization')).toBe('Bearer secret');
});

test('an error answer arrives as the NodeError that the node threw', async () => {
  const error = { code: 'TASK_NOT_SETTLED', message: 'still computing', fault: 'caller', retryable: true, fix: 'wait' };
  const { node } = client(() => Response.json({ error }, { status: 409 }));
  await expect(node.result(id)).rejects.toMatchObject(error);
});

test('an answer that breaks the contract is refused, not passed on', async () => {
  for (const answer of [{ taskId: 'x' }, { taskId: id, more: 1 }, 'text', null]) {
    expect(await codeOf(client(() => Response.json(answer)).node.submit({ program: 'p', purpose: 'q' }))).toBe(
      'API_BAD_ANSWER',
    );
  }
  expect(await codeOf(client(() => new Response('<html>', { status: 502 })).node.status())).toBe('API_BAD_ANSWER');
});

test('a node that does not answer is API_UNREACHABLE and retryable', async () => {
  const { node } = client(() => Promise.reject(new TypeError('fetch failed')));
  await expect(node.status()).rejects.toMatchObject({ code: 'API_UNREACHABLE', retryable: true });
});

test('an abort reason passes through unwrapped', async () => {
  const reason = new Error('enough');
  const { node } = client((request) => Promise.reject(request.signal.reason));
  expect(await codeOf(node.status({ signal: AbortSignal.abort(reason) }))).toBe(reason);
});

test('updates arrive whole and in order, however the stream is cut', async () => {
  const text = `${JSON.stringify(update('één'))}\n\n${JSON.stringify(update('two'))}\n`;
  for (const size of [1, 7, text.length]) {
    const chunks = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    const { node } = client(() => new Response(body(chunks)));
    const got: string[] = [];
    for await (const { message } of node.updates(id)) got.push(message);
    expect(got).toEqual(['één', 'two']);
  }
});

test('a failure in mid-stream throws after the updates before it', async () => {
  const error = { code: 'NODE_INTERNAL', message: 'internal error', fault: 'node', retryable: false };
  const { node } = client(
    () => new Response(body([`${JSON.stringify(update('a'))}\n`, `${JSON.stringify({ error })}\n`])),
  );
  const got: string[] = [];
  const run = async () => {
    for await (const { message } of node.updates(id)) got.push(message);
  };
  expect(await codeOf(run())).toBe('NODE_INTERNAL');
  expect(got).toEqual(['a']);
});

test('leaving the loop cancels the stream', async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(`${JSON.stringify(update('x'))}\n`)),
    cancel: () => {
      cancelled = true;
    },
  });
  const { node } = client(() => new Response(endless));
  for await (const _ of node.updates(id)) break;
  expect(cancelled).toBe(true);
});
