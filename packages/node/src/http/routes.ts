/** The routes of `core/api` over what a node offers. No sockets here: a request in, a response out. @module */
import { isNodeError, NodeError, publicError, TaskId } from '@2pm/core';
import { type DatasetView, type NodeStatusView, type PeerView, SubmitRequest, type TaskService } from '@2pm/core/api';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import { checkHost, checkToken } from './guard.ts';
import { ndjson } from './ndjson.ts';
import { httpStatus } from './status.ts';

/** A program of a million characters, each escaped or of four bytes, and the rest. */
const MAX_BODY = 8 << 20;

export interface ApiParts {
  tasks: TaskService;
  status(): Promise<NodeStatusView>;
  peers(): Promise<PeerView[]>;
  datasets(): Promise<DatasetView[]>;
  token: string;
  /** Host name under which the API may be called, besides IP addresses and `localhost`. */
  host: string;
  /** Gets every error that the caller is told nothing about but `internal error`. */
  onInternalError(error: unknown): void;
}

export function apiRoutes({ tasks, status, peers, datasets, token, host, onInternalError }: ApiParts): Hono {
  const app = new Hono();
  const answer = (context: Context, error: unknown) => {
    if (!isNodeError(error)) onInternalError(error);
    const body = publicError(error);
    return context.json({ error: body }, httpStatus(body) as ContentfulStatusCode);
  };
  const taskId = (context: Context) => parse(TaskId, context.req.param('id'), 'the task id');

  app.onError((error, context) => answer(context, error));
  app.notFound((context) =>
    answer(
      context,
      new NodeError('API_UNKNOWN_ROUTE', 'there is no such route', {
        fault: 'caller',
        fix: 'check method and path; everything is under /v1',
      }),
    ),
  );
  app.use(async (context, next) => {
    checkHost(context.req.header('host'), host);
    checkToken(context.req.header('authorization'), token);
    await next();
    context.header('cache-control', 'no-store');
    context.header('x-content-type-options', 'nosniff');
  });
  app.use(
    bodyLimit({
      maxSize: MAX_BODY,
      onError: (context) =>
        answer(
          context,
          new NodeError('API_TOO_LARGE', `the body is larger than ${MAX_BODY >> 20} MiB`, { fault: 'caller' }),
        ),
    }),
  );

  app.get('/v1/status', async (context) => context.json(await status()));
  app.get('/v1/peers', async (context) => context.json(await peers()));
  app.get('/v1/datasets', async (context) => context.json(await datasets()));
  app.get('/v1/tasks', (context) => context.json(tasks.list()));
  app.post('/v1/tasks', async (context) => {
    const request = parse(SubmitRequest, await jsonBody(context), 'the request');
    return context.json({ taskId: await tasks.submit(request) }, 201);
  });
  app.post('/v1/tasks/check', async (context) => {
    const request = parse(SubmitRequest, await jsonBody(context), 'the request');
    return context.json(await tasks.check(request));
  });
  app.get('/v1/tasks/:id', (context) => context.json(tasks.view(taskId(context))));
  app.get('/v1/tasks/:id/updates', (context) => {
    const id = taskId(context);
    tasks.view(id); // an unknown task is a status, not a line
    return context.body(
      ndjson((signal) => tasks.updates(id, signal), onInternalError),
      200,
      { 'content-type': 'application/x-ndjson' },
    );
  });
  app.get('/v1/tasks/:id/result', async (context) => context.json(await tasks.result(taskId(context))));
  app.get('/v1/tasks/:id/receipt', async (context) => {
    const receipt = await tasks.receipt(taskId(context));
    return context.body(new Uint8Array(receipt), 200, { 'content-type': 'application/cbor' });
  });
  app.post('/v1/tasks/:id/abort', async (context) => context.json(await tasks.abort(taskId(context))));
  return app;
}

async function jsonBody(context: Context): Promise<unknown> {
  // A form cannot send this type across origins without asking first.
  if (!/^application\/json\b/i.test(context.req.header('content-type') ?? '')) {
    throw badRequest('the body must be of type application/json');
  }
  const text = await context.req.text();
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest('the body is not JSON');
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map(({ path, message }) => `${path.join('.') || what}: ${message}`);
  throw badRequest(reasons.slice(0, 5).join('; '));
}

function badRequest(message: string): NodeError {
  return new NodeError('API_BAD_REQUEST', message, { fault: 'caller', fix: 'correct the request' });
}
