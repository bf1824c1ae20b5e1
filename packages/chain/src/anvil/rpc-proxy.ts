/**
 * The only way to the embedded chain for nodes, its own host's included. anvil obeys whoever reaches it (`anvil_*` and
 * `evm_*` forge senders and rewrite state), so this proxy passes reads and signed transactions and nothing else.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NodeError } from '@2pm/core';
import { z } from 'zod';

const ALLOWED: ReadonlySet<string> = new Set([
  'eth_blockNumber',
  'eth_call',
  'eth_chainId',
  'eth_estimateGas',
  'eth_feeHistory',
  'eth_gasPrice',
  'eth_getBalance',
  'eth_getBlockByHash',
  'eth_getBlockByNumber',
  'eth_getCode',
  'eth_getLogs',
  'eth_getStorageAt',
  'eth_getTransactionByHash',
  'eth_getTransactionCount',
  'eth_getTransactionReceipt',
  'eth_maxPriorityFeePerGas',
  'eth_sendRawTransaction',
  'eth_syncing',
  'net_version',
  'web3_clientVersion',
]);

const RpcRequest = z.object({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.string().max(128), z.number(), z.null()]).optional(),
  method: z.string().max(64),
  params: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]).optional(),
});
type RpcRequest = z.infer<typeof RpcRequest>;

export interface RpcProxyOptions {
  /** Asked for each request, because anvil's port changes when it restarts. */
  target: () => string;
  /** Default 127.0.0.1; `0.0.0.0` lets other machines join. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** A transaction was accepted. */
  onTransaction?: () => void;
  maxBodyBytes?: number;
  maxBatch?: number;
}

export interface RpcProxy {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** @throws {NodeError} `CHAIN_PORT_TAKEN` when it cannot listen there. */
export async function startRpcProxy(options: RpcProxyOptions): Promise<RpcProxy> {
  const host = options.host ?? '127.0.0.1';
  const maxBodyBytes = options.maxBodyBytes ?? 512 * 1024;
  const maxBatch = options.maxBatch ?? 32;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') return reply(response, 405, failure(null, -32600, 'send JSON-RPC by POST'));
    // A page in a browser can post any other content type without asking first.
    if (!request.headers['content-type']?.startsWith('application/json')) {
      return reply(response, 415, failure(null, -32600, 'content-type must be application/json'));
    }
    const body = await readBody(request, maxBodyBytes);
    if (body === null) {
      response.setHeader('connection', 'close');
      return reply(response, 413, failure(null, -32600, `the request is larger than ${maxBodyBytes} bytes`));
    }
    let parsed: unknown;
    try {
      parsed = JSON.parse(body);
    } catch {
      return reply(response, 400, failure(null, -32700, 'the request is not JSON'));
    }
    if (!Array.isArray(parsed)) return reply(response, 200, await answer(parsed));
    if (parsed.length === 0 || parsed.length > maxBatch) {
      return reply(response, 400, failure(null, -32600, `a batch holds 1 to ${maxBatch} requests`));
    }
    reply(response, 200, await Promise.all(parsed.map(answer)));
  }

  async function answer(raw: unknown): Promise<unknown> {
    const parsed = RpcRequest.safeParse(raw);
    if (!parsed.success) return failure(null, -32600, 'not a JSON-RPC 2.0 request');
    const request: RpcRequest = parsed.data;
    const id = request.id ?? null;
    if (!ALLOWED.has(request.method)) return failure(id, -32601, `${request.method} is not offered here`);
    const upstream = await fetch(options.target(), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, id }),
      signal: AbortSignal.timeout(20_000),
    });
    const result: unknown = await upstream.json();
    if (request.method === 'eth_sendRawTransaction') options.onTransaction?.();
    return result;
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => {
      // anvil is being restarted, or the caller went away.
      if (!response.headersSent) reply(response, 503, failure(null, -32603, 'the chain does not answer'));
      else response.destroy();
    });
  });
  server.requestTimeout = 30_000;
  server.headersTimeout = 10_000;
  server.keepAliveTimeout = 30_000;
  server.maxConnections = 512;
  await new Promise<void>((done, reject) => {
    server.once('error', (cause) => reject(portTaken(host, options.port ?? 0, cause)));
    server.listen(options.port ?? 0, host, done);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function failure(id: string | number | null, code: number, message: string) {
  return { jsonrpc: '2.0', id, error: { code, message } };
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function portTaken(host: string, port: number, cause: unknown): NodeError {
  return new NodeError('CHAIN_PORT_TAKEN', `cannot listen on ${host}:${port}`, {
    fault: 'caller',
    fix: 'Stop what uses that port, or set another one in the config.',
    cause,
  });
}
