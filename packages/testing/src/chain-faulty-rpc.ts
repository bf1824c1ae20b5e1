/** A JSON-RPC server that stands between a node and its chain and misbehaves as public servers do. @module */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** All off at first; change at any time. Counters go down with each use. */
export interface RpcFaults {
  /** Connections are cut. */
  down: boolean;
  /** Next requests answered with HTTP status 429. */
  throttled: number;
  /** Milliseconds before each answer. */
  delayMs: number;
  /** Next transactions that are swallowed without an answer. */
  sendsLost: number;
  /** Next transactions that arrive, but without an answer. */
  sendsUnanswered: number;
  /** Next receipts that are not there yet. */
  receiptsHidden: number;
  /** The head stands still at this block. */
  headFrozenAt: number | null;
  /** Logs of this many newest blocks are missing: ranges end early, blocks by hash are unknown. */
  logsBehind: number;
  /** Every log twice, newest first. */
  logsRepeated: boolean;
  /** Most blocks in a range of logs. */
  maxRange: number;
}

export interface FaultyRpc {
  readonly url: string;
  readonly faults: RpcFaults;
  /** Requests so far by method. */
  readonly calls: Map<string, number>;
  close(): Promise<void>;
}

interface Call {
  id: unknown;
  method: string;
  params: unknown[];
}
interface LogFilter {
  fromBlock?: string;
  toBlock?: string;
  blockHash?: string;
}

export async function faultyRpc(target: string): Promise<FaultyRpc> {
  const calls = new Map<string, number>();
  const faults: RpcFaults = {
    down: false,
    throttled: 0,
    delayMs: 0,
    sendsLost: 0,
    sendsUnanswered: 0,
    receiptsHidden: 0,
    headFrozenAt: null,
    logsBehind: 0,
    logsRepeated: false,
    maxRange: Number.POSITIVE_INFINITY,
  };

  async function forward(call: Call): Promise<{ result?: unknown; error?: unknown }> {
    const body = JSON.stringify({ jsonrpc: '2.0', ...call });
    const answer = await fetch(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return (await answer.json()) as { result?: unknown; error?: unknown };
  }

  const result = async (method: string, ...params: unknown[]) => (await forward({ id: 1, method, params })).result;

  async function answer(call: Call): Promise<object | 'cut'> {
    const { method, params, id } = call;
    const reply = (fields: object) => ({ jsonrpc: '2.0', id, ...fields });
    if (method === 'eth_sendRawTransaction') {
      if (faults.sendsLost > 0) {
        faults.sendsLost--;
        return 'cut';
      }
      if (faults.sendsUnanswered > 0) {
        faults.sendsUnanswered--;
        await forward(call);
        return 'cut';
      }
    }
    if (method === 'eth_getTransactionReceipt' && faults.receiptsHidden > 0) {
      faults.receiptsHidden--;
      return reply({ result: null });
    }
    if (method === 'eth_getBlockByNumber' && params[0] === 'latest' && faults.headFrozenAt !== null) {
      return forward({ ...call, params: [`0x${faults.headFrozenAt.toString(16)}`, false] });
    }
    if (method === 'eth_getLogs') return logs(call, params[0] as LogFilter, reply);
    return forward(call);
  }

  async function logs(call: Call, filter: LogFilter, reply: (fields: object) => object): Promise<object> {
    const newest = Number(await result('eth_blockNumber')) - faults.logsBehind;
    let wanted = filter;
    if (filter.blockHash !== undefined) {
      const block = (await result('eth_getBlockByHash', filter.blockHash, false)) as { number: string } | null;
      if (block !== null && Number(block.number) > newest) {
        return reply({ error: { code: -32_000, message: 'unknown block' } });
      }
    } else {
      const [from, to] = [Number(filter.fromBlock), Math.min(Number(filter.toBlock), newest)];
      if (to - from >= faults.maxRange) return reply({ error: { code: -32_005, message: 'range too large' } });
      if (to < from) return reply({ result: [] });
      wanted = { ...filter, toBlock: `0x${to.toString(16)}` };
    }
    const found = await forward({ ...call, params: [wanted] });
    if (!faults.logsRepeated || !Array.isArray(found.result)) return found;
    return reply({ result: [...found.result, ...found.result].reverse() });
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const call = JSON.parse(Buffer.concat(chunks).toString()) as Call;
    calls.set(call.method, (calls.get(call.method) ?? 0) + 1);
    if (faults.delayMs > 0) await new Promise((done) => setTimeout(done, faults.delayMs));
    if (faults.down) return void request.socket.destroy();
    if (faults.throttled > 0) {
      faults.throttled--;
      return void response.writeHead(429).end();
    }
    const answered = await answer(call);
    if (answered === 'cut') return void request.socket.destroy();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answered));
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    calls,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
