/** Client of a node's HTTP API: typed calls, validated answers. Runs wherever `fetch` does. @module */
import { isNodeError, NodeError, type TaskId, TaskId as TaskIdSchema } from '@2pm/core';
import {
  ApiError,
  DatasetView,
  NodeStatusView,
  PeerView,
  type SubmitInput,
  TaskCheck,
  TaskResult,
  TaskUpdate,
  TaskView,
} from '@2pm/core/api';
import { z } from 'zod';
import { lines } from './lines.ts';

export interface ConnectOptions {
  /** Base address of the node's API, `http://127.0.0.1:7421`. */
  url: string;
  /** Content of the node's `api-token` file. */
  token: string;
  fetch?: typeof fetch;
}

export interface AbortOptions {
  signal?: AbortSignal;
}

/** Every method throws a NodeError: what the node answered, or `API_UNREACHABLE`, `API_BAD_ANSWER`. */
export interface NodeClient {
  status(options?: AbortOptions): Promise<NodeStatusView>;
  peers(options?: AbortOptions): Promise<PeerView[]>;
  datasets(options?: AbortOptions): Promise<DatasetView[]>;
  tasks(options?: AbortOptions): Promise<TaskView[]>;
  submit(request: SubmitInput, options?: AbortOptions): Promise<TaskId>;
  /** What the invited would say; nothing is published. */
  check(request: SubmitInput, options?: AbortOptions): Promise<TaskCheck>;
  task(taskId: TaskId, options?: AbortOptions): Promise<TaskView>;
  /** Everything so far, then live, until the task has ended. */
  updates(taskId: TaskId, options?: AbortOptions): AsyncGenerator<TaskUpdate, void>;
  result(taskId: TaskId, options?: AbortOptions): Promise<TaskResult>;
  /** Canonical CBOR. */
  receipt(taskId: TaskId, options?: AbortOptions): Promise<Uint8Array>;
  abort(taskId: TaskId, options?: AbortOptions): Promise<TaskView>;
}

const ErrorBody = z.object({ error: ApiError });
const Submitted = z.strictObject({ taskId: TaskIdSchema });

/** Opens nothing: the first call does. */
export function connect({ url, token, fetch: send = globalThis.fetch }: ConnectOptions): NodeClient {
  const base = `${url.replace(/\/+$/, '')}/v1`;

  async function call(method: string, path: string, options: AbortOptions, body?: unknown): Promise<Response> {
    const init: RequestInit = {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
    const response = await reach(url, options, () => send(`${base}${path}`, init));
    if (!response.ok) throw await refusal(response, options);
    return response;
  }

  async function json<T>(
    schema: z.ZodType<T>,
    method: string,
    path: string,
    options: AbortOptions = {},
    body?: unknown,
  ) {
    const response = await call(method, path, options, body);
    const text = await reach(url, options, () => response.text());
    return validate(schema, text);
  }

  return {
    status: (options) => json(NodeStatusView, 'GET', '/status', options),
    peers: (options) => json(z.array(PeerView), 'GET', '/peers', options),
    datasets: (options) => json(z.array(DatasetView), 'GET', '/datasets', options),
    tasks: (options) => json(z.array(TaskView), 'GET', '/tasks', options),
    submit: async (request, options) => (await json(Submitted, 'POST', '/tasks', options, request)).taskId,
    check: (request, options) => json(TaskCheck, 'POST', '/tasks/check', options, request),
    task: (taskId, options) => json(TaskView, 'GET', `/tasks/${taskId}`, options),
    result: (taskId, options) => json(TaskResult, 'GET', `/tasks/${taskId}/result`, options),
    abort: (taskId, options) => json(TaskView, 'POST', `/tasks/${taskId}/abort`, options),
    async receipt(taskId, options = {}) {
      const response = await call('GET', `/tasks/${taskId}/receipt`, options);
      return new Uint8Array(await reach(url, options, () => response.arrayBuffer()));
    },
    async *updates(taskId, options = {}) {
      const response = await call('GET', `/tasks/${taskId}/updates`, options);
      if (response.body === null) return;
      const stream = lines(response.body)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const line = await reach(url, options, () => stream.next());
          if (line.done) return;
          // A failure after the first byte can no longer be a status: it is the last line.
          const failed = ErrorBody.safeParse(parseJson(line.value));
          if (failed.success) throw asNodeError(failed.data.error);
          yield validate(TaskUpdate, line.value);
        }
      } finally {
        // The connection may be broken already; nobody waits for more.
        await stream.return?.(undefined).catch(() => {});
      }
    },
  };
}

/** An abort passes through as it is; any other failure of `fetch` is a node that cannot be reached. */
async function reach<T>(url: string, options: AbortOptions, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (isNodeError(cause)) throw cause;
    throw new NodeError('API_UNREACHABLE', `no node answers at ${url}`, {
      fault: 'node',
      retryable: true,
      fix: 'start the node with `2pm up`, or correct the address',
      cause,
    });
  }
}

async function refusal(response: Response, options: AbortOptions): Promise<NodeError> {
  const text = await response.text().catch(() => '');
  options.signal?.throwIfAborted();
  const body = ErrorBody.safeParse(parseJson(text));
  return body.success ? asNodeError(body.data.error) : badAnswer(`status ${response.status} without a reason`);
}

function asNodeError({ code, message, fault, retryable, fix }: z.infer<typeof ApiError>): NodeError {
  return new NodeError(code, message, { fault, retryable, ...(fix === undefined ? {} : { fix }) });
}

function validate<T>(schema: z.ZodType<T>, text: string): T {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw badAnswer(parsed.error.issues[0]?.message ?? 'not as agreed', parsed.error);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function badAnswer(reason: string, cause?: unknown): NodeError {
  return new NodeError('API_BAD_ANSWER', `the answer is not that of a 2PM node of this version: ${reason}`, {
    fault: 'node',
    fix: 'check the address, and that client and node have the same version',
    cause,
  });
}
